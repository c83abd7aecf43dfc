//! Makes the seeds from the test vectors: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.
//! Run it after adding a target; seeds that a fuzzer or a person put there stay.

use std::path::Path;

use undertone_vectors::{Value, hex, load};

/// Most seeds of one target that come from vectors: enough for the mutations to start from.
const MOST: usize = 8;

fn main() {
    from_vectors();
    from_our_own_rows();
}

fn from_vectors() {
    let identity = load("identity");
    let people = list(&identity["visual_identity"]);
    write("key_forms", people.iter().take(2).map(|p| text(&p["id"])));
    write("key_forms", people.iter().take(2).map(|p| text(&p["compressed_multibase_z"])));
    write("key_forms", list(&identity["uncompressed_key_cases"]).iter().map(|c| hex(&c["key"])));
    write("key_forms", list(&identity["path_strings"]).iter().skip(1).take(3).map(|p| text(&p["path"])));
    write("key_forms", [text(&identity["accounts"][0]["master_xprv"])]);
    write("keystore", list(&identity["keystore_files"]).iter().map(|k| k["file"].to_string().into_bytes()));
    write("mnemonic", list(&identity["bip39_languages"]).iter().step_by(6).map(|m| text(&m["mnemonic"])));
    write("mnemonic", list(&identity["mnemonic_negative"]).iter().map(|m| text(&m["mnemonic"])));

    let enr = load("enr");
    write("enode", list(&enr["enode_urls"]).iter().map(|u| text(&u["url"])));
    write("enr", list(&enr["valid"]).iter().step_by(5).map(|r| hex(&r["rlp"])));
    write("enr", list(&enr["valid"]).iter().skip(1).step_by(5).map(|r| text(&r["text"])));
    write(
        "enr",
        list(&enr["invalid"]).iter().filter(|r| r["rlp"].is_string()).step_by(8).map(|r| hex(&r["rlp"])),
    );
    discovery_seeds(&load("discv4"));
    list_seeds(&load("dnsdisc"));
    let rlpx = load("rlpx");
    write("hello", list(&rlpx["hello_decoding"]).iter().map(|h| hex(&h["payload"])));
    write("rlpx_handshake", list(&rlpx["negative_auth"]["cases"]).iter().take(4).map(|c| hex(&c["auth"])));
    write("rlpx_handshake", [hex(&rlpx["session_plain_nosnappy"]["handshake"]["auth"]["packet"])]);

    let crypto = load("whisper_crypto");
    write("sealed_open", list(&crypto["decrypt_negative"]).iter().step_by(4).map(|c| hex(&c["data"])));
    write("sealed_plaintext", list(&crypto["parse_plaintext"]).iter().map(|c| hex(&c["plaintext"])));

    let envelopes = load("whisper_envelope");
    write("envelope", list(&envelopes["decode"]).iter().map(|e| hex(&e["rlp"])));
    let packets = load("whisper_wire");
    write("whisper_packet", list(&packets["geth"]["sent"]).iter().map(|p| hex(&p["payload"])));
    write(
        "whisper_packet",
        list(&packets["geth"]["status_received"]).iter().step_by(5).map(|p| hex(&p["payload"])),
    );
    let behaviour = list(&packets["geth"]["behaviour"]).iter().filter(|step| step["payload"].is_string());
    write(
        "whisper_node",
        behaviour.step_by(6).take(4).map(|step| {
            let op = match step["code"].as_u64().expect("a code") {
                1 => 0,
                2 => 12,
                3 => 16,
                _ => 20,
            };
            let body = hex(&step["payload"]);
            // The packet from peer 0, 0.3 s, the same packet from peer 1.
            [record(op, &body), record(24, &[0; 3]), record(op + 1, &body)].concat()
        }),
    );
    // Envelopes that are alive at the target's time: alone, the same from another peer, then many; then 60 s.
    let alive: Vec<Vec<u8>> = list(&crypto["messages"]).iter().map(|m| hex(&m["envelope_rlp"])).collect();
    let one = messages_body(&alive[..1]);
    let many = messages_body(&alive[..10]);
    write(
        "whisper_node",
        [
            [record(0, &one), record(1, &one), record(2, &one)].concat(),
            [record(0, &one), record(1, &many), record(24, &[0; 600]), record(2, &many)].concat(),
            [
                record(0, &messages_body(&alive[2..4])),
                record(28, &[]),
                record(0, &one),
                record(17, &[0xb8, 0x40]),
            ]
            .concat(),
        ],
    );

    waku_seeds(&alive);

    let messages = load("protocol_message");
    let steps = list(&messages["scenarios"][0]["steps"]).iter();
    write("protocol_message", steps.filter(|s| s["serialized"].is_string()).map(|s| hex(&s["serialized"])));
    write("protocol_message", [hex(&messages["extra_cases"][0]["serialized"])]);

    let mvds = load("mvds");
    write("sync_payload", list(&mvds["payloads"]).iter().map(|p| hex(&p["encoded"])));
    write("sync_payload", list(&mvds["unwrap_fallback"]).iter().map(|p| hex(&p["input"])));

    let payloads = load("payloads");
    write("metadata", list(&payloads["application_metadata_edge"]).iter().map(|m| hex(&m["input"])));
}

/// `alive` are envelopes that the keys of the targets open.
fn waku_seeds(alive: &[Vec<u8>]) {
    let packets = load("waku_wire");
    for version in ["v0", "v1"] {
        let of = |list: &str| packets[version][list].as_array().expect("a list").clone();
        let bodies = |list: &str| {
            of(list)
                .iter()
                .filter(|c| c["payload"].is_string())
                .map(|c| hex(&c["payload"]))
                .collect::<Vec<_>>()
        };
        write("waku_packet", bodies("status_sent").into_iter().step_by(3));
        write("waku_packet", bodies("status_received").into_iter().step_by(5));
        write("waku_packet", bodies("sent"));
        // From the peer of that version: what it says, an envelope, what it says then, the envelope from another.
        let peer = if version == "v0" { 1 } else { 2 };
        let effects = of("option_effects");
        let changes = effects.iter().filter(|case| !hex(&case["status_update"]).is_empty());
        write(
            "waku_node",
            changes.map(|case| {
                let (one, two) = (messages_body(&alive[..1]), messages_body(&alive[1..4]));
                let update = record(3 << 2 | peer, &hex(&case["status_update"]));
                [record(peer, &one), update, record(1 << 5, &two), record(peer, &two), record(24, &[0; 9])]
                    .concat()
            }),
        );
    }
    let topics = [0x5c, 0x6c, 0x9b, 0x56, 1, 2, 3, 4];
    write(
        "waku_node",
        [
            // Trust, direct messages in both forms, topics of our own, and limits that are met.
            [
                record(4 << 2 | 1, &[]),
                record(2 << 2 | 1, &[&[127][..], &messages_body(&alive[..2])].concat()),
                record(4 << 2, &[]),
                record(1 << 5 | 2 << 2, &[&[127][..], &alive[0]].concat()),
                record(2 << 5 | 4 << 2, &topics),
                record(0, &messages_body(&alive[..3])).repeat(40),
            ]
            .concat(),
        ],
    );
    let packet =
        |op: u8, kib: u8, hundredths: u8| record(op, &[0, kib, 0, hundredths, 1, 2, 3, 4, 1, 2, 3, 4]);
    write(
        "rates",
        [
            [
                &[10, 5, 0, 0, 1, 0, 0, 0][..],
                &packet(1, 1, 0).repeat(14),
                &packet(1, 1, 150),
                &packet(2, 9, 3),
            ]
            .concat(),
            [&[0, 0, 200, 100, 0, 0, 255, 10][..], &packet(1, 255, 10).repeat(30), &packet(0x71, 1, 1)]
                .concat(),
            [&[1, 1, 0, 0, 0, 1, 0, 0][..], &packet(1, 1, 0).repeat(60), &packet(0x45, 1, 50).repeat(4)]
                .concat(),
        ],
    );
    // Filters for Bob, for the shared key with its topic and with work, for direct messages; envelopes; jobs; reads.
    let install = |wishes: u8, topics: &[u8]| record(wishes << 3 | 3, topics);
    let (start, end, fail) = (record(6, &[]), record(0xc7, &[]), record(7, &[]));
    let offers: Vec<u8> = alive.iter().filter(|e| e.len() < 2_000).flat_map(|e| record(0, e)).collect();
    let all = [install(0, &[]), install(1, &topics), install(5, &[]), install(9, &[])].concat();
    let reads: Vec<u8> = (0..4).flat_map(|n| record(5, &[n])).collect();
    let work = [start.clone(), end.clone()].concat().repeat(14);
    write(
        "filters",
        [
            [&all[..], &offers, &work, &reads].concat(),
            [&all[..], &record(8, &alive[1]), &record(8, &alive[1]), &start.repeat(2), &fail, &end, &reads]
                .concat(),
            [&all[..], &offers, &start.repeat(3), &record(4, &[1]), &end.repeat(3), &reads].concat(),
        ],
    );
}

fn discovery_seeds(discv4: &Value) {
    let packets: Vec<Vec<u8>> = list(&discv4["packets"]).iter().map(|p| hex(&p["packet"])).collect();
    write("discv4_packet", packets.iter().step_by(2).cloned());
    write("discv4_packet", list(&discv4["negative"]).iter().step_by(9).map(|p| hex(&p["packet"])));
    let eip8 = list(&discv4["eip8_published"]["packets"]);
    write("discv4_packet", eip8.iter().step_by(2).map(|p| hex(&p["packet"])));

    // Operations of the target: peer n pings, proves itself, asks; time; wishes.
    let ping = |n: u8| record(8 | n, &[0; 40]);
    let pong = |n: u8, back: u8| record(12 | n, &[0, back, 0]);
    let proof = |n: u8| [ping(n), pong(n, 0)].concat();
    let neighbors = |n: u8| record(12 | n, &[1, 0, 9, 10, 11, 40, 41, 80, 81, 120, 121, 200, 201, 230]);
    let answer = |n: u8| record(12 | n, &[2, 0]);
    let wait = |tenths: usize| record(24, &vec![0; tenths]);
    let datagrams = |count: usize| -> Vec<u8> {
        packets.iter().take(count).enumerate().flat_map(|(n, p)| record(n as u8 & 3, p)).collect()
    };
    let bodies = packets.iter().take(16).flat_map(|p| record(5, &p[97..])).collect();
    write(
        "discovery",
        [
            datagrams(16),
            bodies,
            // A ping that is too short for the answer, a proof, the questions of a node that is proved.
            [record(9, &[]), record(8, &[]), proof(2), record(18, &[]), record(22, &[]), wait(50)].concat(),
            // The boot nodes prove themselves, name others, have records; then what was asked runs out.
            [
                proof(0),
                neighbors(0),
                proof(1),
                neighbors(1),
                wait(6),
                wait(6),
                pong(3, 0),
                neighbors(3),
                wait(9),
            ]
            .concat(),
            [proof(0), answer(0), proof(1), wait(6), answer(1), record(0x1c, &[]), wait(400), wait(4_000)]
                .concat(),
            [
                record(0xfc, &[]),
                wait(10),
                record(0xbd, &[]),
                pong(2, 3),
                proof(3),
                record(0xdc, &[]),
                wait(99),
            ]
            .concat(),
        ],
    );
    write("discv4_stored", stored_nodes());
}

/// Nodes as the database keeps them: with a record and without.
fn stored_nodes() -> [Vec<u8>; 3] {
    use undertone_base::Unix;
    use undertone_crypto::SecretKey;
    use undertone_devp2p::NodeKey;
    use undertone_devp2p::discv4::{Contact, StoredNode};
    use undertone_devp2p::enr::{Entries, Record};

    [("34.70.75.208:30303", 30303, true), ("[2001:db8::1]:1025", 0, false), ("10.0.0.1:30303", 1, true)].map(
        |(address, tcp, with_record)| {
            let key = NodeKey::new(SecretKey::from_slice(&[0xa1; 32]).unwrap());
            let address = address.parse().unwrap();
            let contact = Contact::new(key.public(), address, tcp);
            let record = Record::sign(&key, 7, &Entries::default().with_discovery(address)).unwrap();
            let last_pong = Unix::from_secs(1_780_000_000);
            StoredNode { contact, last_pong, record: with_record.then_some(record) }.encode()
        },
    )
}

fn list_seeds(dnsdisc: &Value) {
    let texts = |tree: &Value| -> Vec<Vec<u8>> {
        list(&tree["records"]).iter().map(|record| text(&record["txt"])).collect()
    };
    let example = texts(&dnsdisc["eip1459_example"]);
    let large = texts(&dnsdisc["tree_40_nodes"]);
    write("dns_entry", example.iter().cloned());
    write("dns_entry", [text(&dnsdisc["tree_one_node"]["url"]), large[7].clone()]);

    // Operations of the target: texts, a branch over those before, a root that names what came before, time.
    let publish = |texts: &[Vec<u8>]| -> Vec<u8> { texts.iter().flat_map(|text| record(0, text)).collect() };
    let nodes: Vec<Vec<u8>> =
        large.iter().filter(|text| text.starts_with(b"enr:")).take(6).cloned().collect();
    let link = example.iter().filter(|text| text.starts_with(b"enrtree://")).cloned().collect::<Vec<_>>();
    let root = |seq: u8, nodes: u8, links: u8| record(4 | seq << 3, &[nodes, links]);
    let read = |steps: usize| record(6 | 4 << 3, &vec![0; steps]);
    let later = |steps: usize| [record(7, &[]), read(steps)].concat();
    let empty = || record(3, &[]);
    let deep: Vec<u8> = (0..10).flat_map(|_| record(3, &[0])).collect();
    write(
        "dns_sync",
        [
            [publish(&link), publish(&nodes), record(3, &[0, 1, 2, 3, 4, 5]), root(1, 0, 7), read(12)]
                .concat(),
            [
                empty(),
                publish(&link[..1]),
                publish(&nodes[..1]),
                root(2, 0, 1),
                read(9),
                root(1, 0, 2),
                later(3),
            ]
            .concat(),
            // A branch within a branch within …; then the list is mended.
            [empty(), publish(&nodes[..1]), deep, root(1, 0, 11), read(14), root(3, 9, 11), later(9)]
                .concat(),
            // Nodes where links are; answers that are anything, too late, or none.
            [publish(&nodes[..2]), empty(), root(1, 0, 1), read(5), record(5, b"enr:-"), read(3)].concat(),
            [
                empty(),
                publish(&nodes),
                record(3, &[0, 0, 1]),
                root(5, 0, 7),
                read(1),
                record(5, &nodes[0]),
                read(9),
            ]
            .concat(),
        ],
    );
}

/// The rows of the outbox are ours, so no vector has them.
fn from_our_own_rows() {
    use undertone_base::Unix;
    use undertone_crypto::SecretKey;
    use undertone_datasync::{GroupId, Pending, wrap};

    let alice = SecretKey::from_slice(&[0xa1; 32]).unwrap().public();
    let bob = SecretKey::from_slice(&[0xb2; 32]).unwrap().public();
    let now = Unix::from_secs(1_600_000_000);
    let rows = [&b""[..], b"hello", &[0xff; 300]].map(|body| {
        let (_, message) = wrap(GroupId::of_pair(&alice, &bob), now, body.to_vec());
        Pending::new(bob, message, now).to_stored()
    });
    write("sync_stored", rows);

    write("ratchet_stored", ratchet_rows());
    write("messenger", messenger_records());
    write("link", links(&alice));
    write("backup", backups(alice));

    // Pairs of operation and argument, see the targets.
    write(
        "ratchet_network",
        [
            vec![0, 1, 2, 0, 1, 2, 3, 0, 0, 3, 2, 1, 2, 1],
            vec![0, 1, 0, 2, 0, 3, 2, 2, 2, 1, 2, 0, 1, 9, 3, 0, 0, 4, 0, 5, 2, 4, 2, 3],
            vec![0, 1, 2, 0, 1, 2, 3, 0, 0, 7, 6, 1, 38, 1, 2, 1, 70, 1],
            vec![0, 1, 1, 1, 2, 0, 3, 0, 0, 2, 1, 2, 2, 1, 3, 1],
        ],
    );
    write(
        "rlpx_session",
        [
            vec![0x30, 0, 0x31, 1, 0x0e, 0, 0x0f, 0],
            vec![0xf0, 3, 0xf2, 127, 0x06, 0, 0x06, 40, 0x0e, 0, 0x0a, 16, 0x0e, 0, 0x0f, 0],
            vec![0x50, 5, 0x48, 20, 0x0e, 0],
            vec![0x20, 9, 0x0c, 8, 0x0e, 0, 0x31, 9],
            vec![0x0a, 31, 0x30, 1, 0x0e, 0],
        ],
    );
}

/// A file, and what is inside of two of them: of an account that has lived a little, and of a new one.
fn backups(alice: undertone_crypto::PublicKey) -> [Vec<u8>; 3] {
    use undertone_account::keystore::ScryptParams;
    use undertone_account::{ChatKey, backup::Backup};
    use undertone_base::{Mono, Now, Unix};
    use undertone_crypto::{MemoryKeyring, SecretKey};
    use undertone_messenger::store::MemoryStore;
    use undertone_messenger::{ChatId, Command, Input, Messenger, VerifiedBy};
    use undertone_support::rng;

    let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
    let key = SecretKey::from_slice(&[0xb2; 32]).expect("a key");
    let mut keyring = MemoryKeyring::new();
    let id = keyring.insert(key.clone());
    let messenger = Messenger::new(std::sync::Arc::new(keyring), id).expect("the keyring has it");
    let mut store = MemoryStore::new();
    messenger.open(&mut store, now, &mut rng(1)).expect("an empty store opens");
    let young = messenger.backup(&store).expect("a backup").to_vec();
    let commands = [
        Command::AddContact { peer: alice, nickname: Some("Alice".to_owned()) },
        Command::Verify { peer: alice, by: VerifiedBy::QrCode },
        Command::Send { chat: ChatId::OneToOne(alice), text: "hello".to_owned() },
        Command::Send { chat: "#status-lab".parse().expect("a chat"), text: "hello, all".to_owned() },
    ];
    for command in commands {
        messenger.step(&mut store, now, &mut rng(2), Input::Command(command)).expect("a good command");
    }
    let lived = messenger.backup(&store).expect("a backup").to_vec();
    let backup = Backup { key: ChatKey::new(key), made_at: now.unix, content: lived.clone().into() };
    let cheap = ScryptParams::new(1_024, 8, 1).expect("cheap");
    [backup.seal("pw", cheap, &mut rng(3)).expect("a small one"), lived, young]
}

/// One of each kind of link, in the forms that others make.
fn links(key: &undertone_crypto::PublicKey) -> [Vec<u8>; 8] {
    use undertone_account::link::{profile, short_profile};

    let group = format!("8e1a2a0c-5c43-4a7e-9c4f-3f2b8a6f1d10-{key}");
    [
        profile(key),
        short_profile(key),
        "status-im://p/Alice".to_owned(),
        "https://join.status.im/chat/public/%D0%BC%D0%B8%D1%80".to_owned(),
        format!("https://get.status.im/g/args?a={key}&a1=Chess+%26%20tea&a2={group}"),
        "https://join.status.im/browse/HTTPS%3A%2F%2FExample.org%2Fx".to_owned(),
        "http://www.join.status.im/b/example.org:8080/x?a=b#c".to_owned(),
        format!("https://status.app/u/CwSACgcKBUFsaWNl#{}", undertone_account::key_text::chat_key(key)),
    ]
    .map(String::into_bytes)
}

/// What alice of the vectors says to bob and to a public chat, plain, in data sync, and then some.
fn messenger_records() -> Vec<Vec<u8>> {
    use undertone_base::Unix;
    use undertone_crypto::{MemoryKeyring, SecretKey};
    use undertone_datasync::{GroupId, SyncPayloadOut, wrap};
    use undertone_payload::{ChatMessageOut, Clock, MessageType, Metadata};

    let mut keyring = MemoryKeyring::new();
    let alice = keyring.insert(SecretKey::from_slice(&[0xa1; 32]).unwrap());
    let keys = [0xa1, 0xb2].map(|byte| SecretKey::from_slice(&[byte; 32]).unwrap().public());
    let now = Unix::from_secs(1_600_000_000);
    let clock = Clock::bid(Clock::NONE, now);
    let signed = |message: ChatMessageOut| {
        let payload = message.encode().unwrap();
        Metadata::sign(MessageType::CHAT_MESSAGE, payload, &keyring, &alice).unwrap().as_bytes().to_vec()
    };
    let direct = signed(ChatMessageOut::one_to_one(&keys[1], "hello", clock, now));
    let public = signed(ChatMessageOut::public("status-lab", "hi all", clock, now));
    let (_, message) = wrap(GroupId::of_pair(&keys[0], &keys[1]), now, direct.clone());
    let synced = SyncPayloadOut::message(&message).to_bytes();
    vec![
        record(3, &direct),
        [record(3, &synced), record(3, &synced), record(6 | 5 << 3, &[]), record(5, &[1])].concat(),
        [record(2, &public), record(2, &public), record(1, &public)].concat(),
        [
            record(7, b"first"),
            record(3, &synced),
            record(7, b"second"),
            record(5, &[]),
            record(6 | 16 << 3, &[]),
        ]
        .concat(),
        [record(0, &direct), record(4, &public), record(2, &direct), record(7, b" ")].concat(),
    ]
}

/// The rows of two people after a message each way and a skipped one.
fn ratchet_rows() -> Vec<Vec<u8>> {
    use undertone_base::{Mono, Now, Unix};
    use undertone_crypto::{MemoryKeyring, SecretKey};
    use undertone_ratchet::{
        Context, Encryption, InstallationId, LocalIdentity, MemoryRatchetStore, RatchetStore as _, Table,
    };

    let mut rng = undertone_support::rng(11);
    let mut keyring = MemoryKeyring::new();
    let mut now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_795_356_500) };
    let [alice, bob] = [1, 2].map(|n| {
        let id = keyring.insert(SecretKey::from_slice(&[n; 32]).unwrap());
        Encryption::new(LocalIdentity::new(&keyring, id).unwrap(), InstallationId::random(&mut rng))
    });
    let mut stores = [MemoryRatchetStore::new(), MemoryRatchetStore::new()];
    for (from, to, deliver) in [(0, 1, true), (1, 0, true), (0, 1, true), (0, 1, false), (0, 1, true)] {
        now = now.after(std::time::Duration::from_secs(1));
        let (sender, receiver) = if from == 0 { (&alice, &bob) } else { (&bob, &alice) };
        let mut cx = Context { store: &mut stores[from], keyring: &keyring, now, rng: &mut rng };
        let sealed = sender.seal_direct(&mut cx, receiver.own().public(), b"hello").unwrap();
        if deliver {
            let mut cx = Context { store: &mut stores[to], keyring: &keyring, now, rng: &mut rng };
            receiver.open(&mut cx, sender.own().public(), &sealed.bytes).unwrap();
        }
    }
    let mut rows = Vec::new();
    for table in Table::ALL {
        let row = stores.iter().flat_map(|store| store.scan(table, &[]).unwrap()).next();
        rows.extend(row.map(|(_, row)| row.as_ref().to_vec()));
    }
    rows
}

/// The body of a Messages packet: an RLP list of envelopes as they are.
fn messages_body(envelopes: &[Vec<u8>]) -> Vec<u8> {
    let items = envelopes.concat();
    let len = u16::try_from(items.len()).expect("vectors are short").to_be_bytes();
    [&[0xf9][..], &len, &items].concat()
}

/// One record of `whisper_node`.
fn record(op: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("vectors are short");
    [&[op], &len.to_be_bytes()[..], body].concat()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> Vec<u8> {
    value.as_str().expect("a text").as_bytes().to_vec()
}

/// Names a seed by what is in it, so that writing twice writes once.
fn write(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&dir).unwrap();
    for seed in seeds.into_iter().take(MOST) {
        let hash = undertone_crypto::keccak256(&seed);
        let name: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(dir.join(name), seed).unwrap();
    }
}
