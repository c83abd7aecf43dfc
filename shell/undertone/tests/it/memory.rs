//! What a locked account leaves behind: nothing that opens it, in the memory of its process and in its files.
//!
//! The child is this test program again. It takes a mnemonic and a password from a pipe, makes the account, unlocks it,
//! exchanges [`ROUNDS`] messages in each direction with the parent over real nodes, and locks the account. The parent
//! gave it the mnemonic, knows the other end of every ratchet step and can open a copy of the child's database, so it
//! computes every secret by itself and the child tells none. Then it reads all of the child's memory, stacks and the
//! heaps of C libraries included, and looks for each secret: as it is, the two halves alone (freed memory is overwritten
//! at its beginning first), byte-reversed (as libsecp256k1 holds scalars), and in hexadecimal.
//!
//! A second run does not lock: there the same search must find the keys.
//!
//! Out of reach of any search: registers, swap, copies that were encrypted or permuted (key schedules beyond their first
//! words, hash states), and what the terminal or the pipe kept. What was said is not a key and not searched in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use rand_core::Rng as _;
use rustix::process::Signal;
use tokio::runtime::Runtime;
use undertone::Accounts;
use undertone_account::keystore::ScryptParams;
use undertone_account::{ChatKey, ExtendedKey, Language, Mnemonic};
use undertone_base::Unix;
use undertone_crypto::kdf::{hkdf_sha256, hmac_sha256};
use undertone_crypto::{PublicKey, SecretKey};
use undertone_devp2p::Enode;
use undertone_messenger::store::{Keys, Order, StoreTx as _, Table};
use undertone_store::Database;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{LONG, Person, Relay, chat, key};

/// Messages in each direction.
const ROUNDS: usize = 100;
const HOME: &str = "UNDERTONE_TEST_MEMORY_HOME";
const PEER: &str = "UNDERTONE_TEST_MEMORY_PEER";
/// Seed of the parent's key.
const PARENT: u64 = 701;
/// What every text begins with.
const SAID: &str = "plaintext-of-a-message";

/// Not a test: the child's part. Without the variable there is nothing to do.
#[test]
fn child() {
    let Ok(home) = std::env::var(HOME) else { return };
    let home = PathBuf::from(home);
    let peer: Enode = std::env::var(PEER).unwrap().parse().unwrap();
    let log = Mutex::new(File::create(home.join("log")).unwrap());
    tracing_subscriber::fmt().with_env_filter("trace").with_ansi(false).with_writer(log).init();
    let runtime = two_workers();

    let phrase = Mnemonic::parse_in(Language::English, &typed()).unwrap();
    let password = typed();
    let accounts = Accounts::new(&home).with_scrypt(ScryptParams::new(1024, 8, 1).unwrap());
    let chat_key = ChatKey::derive(&ExtendedKey::master(&phrase.seed("")).unwrap()).unwrap();
    accounts.add(&chat_key, &password, Unix::from_secs(1), &mut undertone_support::rng(702)).unwrap();
    drop(chat_key);

    let account = accounts.find(None).unwrap();
    let unlocked = account.unlock(&password).unwrap();
    drop(password);
    let mut config = undertone::ClientConfig::new(account.home().to_owned());
    config.peers = vec![peer];
    let mut me = runtime.block_on(Person::with(unlocked, config));
    println!("\nopen {}", me.me());
    runtime.block_on(async {
        let with = chat(key(PARENT).public());
        for round in 0..ROUNDS {
            me.received().await;
            me.client.send_text(with.clone(), &format!("{SAID} back {round}")).await.unwrap();
        }
    });
    println!("\ntalked");
    if typed().as_str() == "lock" {
        drop(phrase);
        runtime.block_on(me.stop());
        println!("\nlocked");
        typed();
    } else {
        println!("\nopen still");
        typed();
        drop(phrase);
        runtime.block_on(me.stop());
    }
}

fn two_workers() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A line of standard input, read without a buffer that would keep it.
fn typed() -> Zeroizing<String> {
    let mut input = File::open("/dev/stdin").unwrap();
    let mut line = Zeroizing::new(String::with_capacity(1_024));
    let mut byte = [0];
    while input.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(char::from(byte[0]));
    }
    byte.zeroize();
    line
}

/// The parent's view of the child.
struct Life {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Life {
    fn begin(home: &Path, relay: &Relay) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::child", "--nocapture", "--test-threads=1"])
            .env(HOME, home)
            .env(PEER, relay.enode().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output }
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The next line that begins with this word.
    fn says(&mut self, word: &str) -> String {
        loop {
            let mut line = Vec::new();
            let mut byte = [0];
            while self.output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
                line.push(byte[0]);
            }
            let line = String::from_utf8(line).unwrap();
            assert!(self.process.try_wait().unwrap().is_none(), "the child has ended");
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What must not be found, by kind.
#[derive(Default)]
struct Secrets(BTreeMap<&'static str, BTreeSet<Vec<u8>>>);

/// The length of a needle: half a key.
const HALF: usize = 16;

impl Secrets {
    /// 32 bytes or more in every form that is looked for.
    fn key(&mut self, kind: &'static str, bytes: &[u8]) {
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        for form in [bytes, &reversed, hex.as_bytes(), hex.to_uppercase().as_bytes()] {
            self.text(kind, form);
        }
    }

    /// Every piece of [`HALF`] bytes, one after the other.
    fn text(&mut self, kind: &'static str, text: &[u8]) {
        for piece in text.chunks_exact(HALF) {
            self.0.entry(kind).or_default().insert(piece.to_vec());
        }
    }

    /// How many of each kind.
    fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

/// Finds needles of [`HALF`] bytes.
struct Search<'a> {
    /// Whether any needle begins with these three bytes.
    begins: Vec<bool>,
    kinds: BTreeMap<&'a [u8], &'static str>,
    found: BTreeMap<&'static str, BTreeSet<String>>,
}

fn beginning(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16
}

impl<'a> Search<'a> {
    fn new(secrets: &'a Secrets) -> Self {
        let mut begins = vec![false; 1 << 24];
        let mut kinds = BTreeMap::new();
        for (kind, needles) in &secrets.0 {
            for needle in needles {
                begins[beginning(needle)] = true;
                kinds.insert(needle.as_slice(), *kind);
            }
        }
        Self { begins, kinds, found: BTreeMap::new() }
    }

    fn look(&mut self, at: &str, bytes: &[u8]) {
        for (offset, window) in bytes.windows(HALF).enumerate() {
            if self.begins[beginning(window)]
                && let Some(kind) = self.kinds.get(window)
            {
                self.found.entry(kind).or_default().insert(format!("{at} + {offset:#x}"));
            }
        }
    }

    /// Every file below a directory.
    fn look_at_files(&mut self, dir: &Path) -> usize {
        let mut files = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files += self.look_at_files(&path);
                continue;
            }
            match std::fs::read(&path) {
                Ok(bytes) => self.look(&path.display().to_string(), &bytes),
                // Put in place of another, or deleted, since the directory was read.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => panic!("{}: {error}", path.display()),
            }
            files += 1;
        }
        files
    }

    /// All that a held process can read of its own memory; the bytes looked at, or `None` where the system refuses.
    fn look_at_memory(&mut self, process: &Child) -> Option<usize> {
        let pid = process.id();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
        let mut total = 0;
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (range, mode) = (fields.next()?, fields.next()?);
            let name = fields.nth(3).unwrap_or("anonymous");
            if !mode.starts_with('r') || name == "[vvar]" || name == "[vsyscall]" {
                continue;
            }
            let (from, to) = range.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            let (from, to) = (number(from)?, number(to)?);
            let mut bytes = vec![0; usize::try_from(to - from).ok()?];
            match memory.read_exact_at(&mut bytes, from) {
                Ok(()) => {}
                // A map without memory behind it, such as a device.
                Err(_) if name.starts_with('[') || name.starts_with("/dev/") => continue,
                Err(_) => return None,
            }
            total += bytes.len();
            self.look(&format!("{name} {range}"), &bytes);
        }
        Some(total)
    }
}

/// Stops a process, so that what is listed of its memory is still there when it is read, and its files are those of one
/// moment.
fn hold(process: &Child) {
    rustix::process::kill_process(rustix::process::Pid::from_child(process), Signal::STOP).unwrap();
    let status = format!("/proc/{}/status", process.id());
    let stopped = || std::fs::read_to_string(&status).is_ok_and(|text| text.contains("State:\tT"));
    assert!(undertone_support::until(LONG, stopped), "the child is held");
}

/// One end of a session as a store keeps it: `core/ratchet/proto/stored.proto`, message Session.
#[derive(Clone)]
struct End {
    root: Vec<u8>,
    own_private: Vec<u8>,
    remote: Vec<u8>,
    send_key: Vec<u8>,
    receive_key: Vec<u8>,
}

/// The byte fields of a protobuf message.
fn byte_fields(mut row: &[u8]) -> BTreeMap<u64, Vec<u8>> {
    fn varint(row: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (byte, rest) = row.split_first().unwrap();
            *row = rest;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut fields = BTreeMap::new();
    while !row.is_empty() {
        let tag = varint(&mut row);
        match tag & 7 {
            0 => drop(varint(&mut row)),
            1 => row = &row[8..],
            2 => {
                let len = usize::try_from(varint(&mut row)).unwrap();
                let (bytes, rest) = row.split_at(len);
                fields.insert(tag >> 3, bytes.to_vec());
                row = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    fields
}

fn rows(home: &Path, owner: &SecretKey, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut database =
        Database::open(&home.join("messages.db"), owner.secret(), &mut undertone_support::rng(1)).unwrap();
    let rows = database.transact(|tx| tx.scan(table, Keys::ALL, Order::Ascending, 10_000)).unwrap();
    database.close().unwrap();
    rows
}

/// The sessions of a store by their names.
fn sessions(home: &Path, owner: &SecretKey) -> BTreeMap<Vec<u8>, End> {
    let end = |row: &[u8]| {
        let mut fields = byte_fields(row);
        let mut field = |n| fields.remove(&n).unwrap_or_default();
        End {
            root: field(2),
            own_private: field(3),
            remote: field(5),
            send_key: field(6),
            receive_key: field(8),
        }
    };
    rows(home, owner, Table::Session).iter().map(|(key, row)| (key.clone(), end(row))).collect()
}

/// What follows the parent's sessions and derives what the child must have held.
#[derive(Default)]
struct Witness {
    before: BTreeMap<Vec<u8>, End>,
    /// Steps of the child's ratchet that were derived and found again in the parent's store.
    turns: usize,
}

impl Witness {
    fn note(&mut self, secrets: &mut Secrets, home: &Path, owner: &SecretKey) {
        let now = sessions(home, owner);
        for (name, end) in &now {
            end.note(secrets);
            if let Some(before) = self.before.get(name)
                && before.remote != end.remote
            {
                // The child turned its ratchet: its new chain follows from our root and key before.
                let own = SecretKey::from_slice(&before.own_private).unwrap();
                let remote = PublicKey::from_compressed(&end.remote).unwrap();
                let shared = own.ecdh(&remote);
                let out =
                    hkdf_sha256::<96>(shared.expose(), &before.root, b"rsZUpEuXUqqwXBvSy3EcievAh4cMj6QL");
                let (root, chain) = (&out.expose()[..32], &out.expose()[32..64]);
                secrets.key("root key", root);
                secrets.key("dh of a step", shared.expose());
                self.turns += usize::from(chain_of(secrets, chain).contains(&end.receive_key));
            }
        }
        self.before = now;
    }
}

impl End {
    fn note(&self, secrets: &mut Secrets) {
        secrets.key("root key", &self.root);
        secrets.key("ratchet private key", &self.own_private);
        let _ = (chain_of(secrets, &self.send_key), chain_of(secrets, &self.receive_key));
    }
}

/// The next keys of a chain, acknowledgements take some too; the keys of their messages, and what those expand to. The
/// chain keys are given back.
fn chain_of(secrets: &mut Secrets, chain: &[u8]) -> Vec<Vec<u8>> {
    let mut chain = chain.to_vec();
    let mut walked = Vec::new();
    for _ in 0..CHAIN {
        secrets.key("chain key", &chain);
        let message = hmac_sha256(&chain, &[&[16]]);
        secrets.key("message key", message.expose());
        let expanded = hkdf_sha256::<64>(message.expose(), &[0; 32], b"pcwSByyx2CRdryCffXJwy7xgVZWtW5Sh");
        secrets.key("message cipher or mac key", expanded.expose());
        chain = hmac_sha256(&chain, &[&[15]]).expose().to_vec();
        walked.push(chain.clone());
    }
    walked
}

/// Messages of one chain that are looked at.
const CHAIN: usize = 4;

/// Everything that belongs to the child's account itself.
fn of_account(secrets: &mut Secrets, known: &Known, home: &Path) -> SecretKey {
    let phrase = &known.phrase;
    let master = ExtendedKey::master(&phrase.seed("")).unwrap();
    let chat_key = ChatKey::derive(&master).unwrap();
    secrets.text("mnemonic", phrase.expose_words().as_bytes());
    secrets.key("entropy", &known.entropy);
    secrets.key("seed", phrase.seed("").secret().expose());
    secrets.key("master key", master.secret_key().secret().expose());
    secrets.key("chain code", master.chain_code().expose());
    secrets.key("private key", chat_key.secret_key().secret().expose());
    secrets.text("password", known.password.as_bytes());
    let negotiated = chat_key.secret_key().ecdh(&key(PARENT).public());
    secrets.key("negotiated secret", negotiated.expose());
    let salt = std::fs::read(home.join("messages.db.salt")).unwrap();
    let salt: [u8; 32] = salt[2..34].try_into().unwrap();
    let database = hkdf_sha256::<32>(chat_key.secret_key().secret().expose(), &salt, b"undertone/store/v1");
    secrets.key("database key", database.expose());
    chat_key.into_secret_key()
}

/// What the person knows. Drawn, because a constant would be found in the program's own text.
struct Known {
    entropy: [u8; 32],
    phrase: Mnemonic,
    password: String,
}

impl Known {
    fn draw() -> Self {
        let mut rng = undertone_support::rng(703);
        let (mut entropy, mut password) = ([0; 32], [0; 16]);
        rng.fill_bytes(&mut entropy);
        rng.fill_bytes(&mut password);
        let phrase = Mnemonic::from_entropy(&entropy, Language::English).unwrap();
        Self { entropy, phrase, password: password.iter().map(|b| format!("{b:02x}")).collect() }
    }
}

/// Talks to a child, lets it lock or not, and says what was found of what kinds in its memory.
fn found_after(word: &str) -> Option<BTreeMap<&'static str, BTreeSet<String>>> {
    let runtime = two_workers();
    let dir = tempfile::tempdir().unwrap();
    let (theirs, ours) = (dir.path().join("child"), dir.path().join("parent"));
    std::fs::create_dir(&theirs).unwrap();
    let relay = runtime.block_on(Relay::start(700));
    let known = Known::draw();
    let mut life = Life::begin(&theirs, &relay);
    life.type_in(known.phrase.expose_words());
    life.type_in(&known.password);
    let child = PublicKey::from_hex(&life.says("open ")).unwrap();

    let mut secrets = Secrets::default();
    let mut witness = Witness::default();
    let our_key = key(PARENT).into_secret_key();
    let mut me = runtime.block_on(Person::open(PARENT, &ours, &[relay.enode()]));
    for round in 0..ROUNDS {
        let text = format!("{SAID} {round}");
        runtime.block_on(me.client.send_text(chat(child), &text)).unwrap();
        assert_eq!(runtime.block_on(me.received()).text, format!("{SAID} back {round}"));
        witness.note(&mut secrets, &ours, &our_key);
    }
    assert!(witness.turns >= ROUNDS / 2, "{} steps of the child derived", witness.turns);
    life.says("talked");
    let home = Accounts::new(&theirs).find(None).unwrap().home().to_owned();
    let their_key = of_account(&mut secrets, &known, &home);
    let mut said = Secrets::default();
    said.text("what was said", SAID.as_bytes());

    let on_disk = |secrets: &Secrets| {
        let mut search = Search::new(secrets);
        assert!(search.look_at_files(&theirs) >= 5, "key file, database, log and more");
        assert_eq!(search.found, BTreeMap::new(), "on the disk");
    };
    on_disk(&secrets);
    on_disk(&said);
    life.type_in(word);
    life.says(if word == "lock" { "locked" } else { "open still" });
    on_disk(&secrets);
    on_disk(&said);

    // What only the child's own store has.
    hold(&life.process);
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in ["messages.db", "messages.db-wal", "messages.db.salt"] {
        let from = home.join(file);
        if from.exists() {
            std::fs::copy(from, copy.join(file)).unwrap();
        }
    }
    sessions(&copy, &their_key).values().for_each(|end| end.note(&mut secrets));
    for (_, row) in rows(&copy, &their_key, Table::OwnPrekey) {
        secrets.key("prekey", &byte_fields(&row)[&2]);
    }
    println!("{} needles of {} kinds", secrets.len(), secrets.0.len());
    let mut search = Search::new(&secrets);
    let looked = search.look_at_memory(&life.process);
    runtime.block_on(me.stop());
    runtime.block_on(relay.stop());
    println!("{word}: {looked:?} bytes of memory");
    for (kind, places) in &search.found {
        println!(
            "{word}: {kind}: {} times, first at {:?}",
            places.len(),
            places.iter().take(4).collect::<Vec<_>>()
        );
    }
    looked.map(|_| search.found)
}

#[cfg(target_os = "linux")]
#[test]
fn a_locked_account_leaves_no_key_in_memory_or_on_disk() {
    let open =
        found_after("stay").expect("the system shows the memory of a child; without that nothing is known");
    for kind in ["mnemonic", "private key", "database key", "root key", "chain key"] {
        assert!(open.contains_key(kind), "the search finds the {kind} of an open account");
    }
    let locked = found_after("lock").expect("what could be read before can be read again");
    assert_eq!(locked, BTreeMap::new(), "left after the lock");
}
