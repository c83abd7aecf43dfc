//! A process with two messengers on two databases is killed in the middle of a transaction of one of them. What is
//! started on the same files afterwards uses no key again, and has every message that was acknowledged. The schedules
//! of `undertone-messenger` kill between any two writes, in memory; here it is a sample of either side's, with the
//! files, and every one of them in the soak.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::{BTreeSet, VecDeque};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use undertone_base::{Mono, Now, StoreError, Unix};
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey, keccak256};
use undertone_messenger::store::{Keys, Order, Row, StoreTx, Table};
use undertone_messenger::suite::transport::{
    Command as Transport, Event, Progress, Received, Send, Via, WireId,
};
use undertone_messenger::suite::{Dice, ratchet_headers};
use undertone_messenger::{ChatId, Effect, Fault, Input, MessageState, Messenger, Notice};
use undertone_store::{Database, SqlTx};

use crate::common::{Place, secret};

const DIRECTORY: &str = "UNDERTONE_TEST_TALK_DIRECTORY";
const WRITE: &str = "UNDERTONE_TEST_TALK_WRITE";
const SIDE: &str = "UNDERTONE_TEST_TALK_SIDE";
const ALICE: usize = 0;
const BOB: usize = 1;

/// Ends the process before the write of a certain number.
struct Deadly<'a, 'b> {
    below: &'a mut SqlTx<'b>,
    left: &'a mut usize,
}

impl Deadly<'_, '_> {
    fn live(&mut self) {
        if *self.left == 0 {
            std::process::abort();
        }
        *self.left -= 1;
    }
}

impl StoreTx for Deadly<'_, '_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.below.get(table, key)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.live();
        self.below.put(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.live();
        self.below.delete(table, key)
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.below.scan(table, keys, order, limit)
    }
}

struct Side {
    messenger: Messenger,
    database: Database,
    dice: Dice,
    /// Writes until the process ends.
    left: usize,
}

/// Two messengers and what is under way between them.
struct Two {
    sides: [Side; 2],
    now: Now,
    under_way: VecDeque<(usize, Send)>,
    /// Every payload that left, and every message that was acknowledged: (who wrote it, its id in hex).
    sent: Vec<Vec<u8>>,
    delivered: BTreeSet<(usize, String)>,
    aloud: bool,
}

impl Two {
    fn open(place: &Place, run: u8, aloud: bool) -> Self {
        let sides = [(0xa1u8, "alice"), (0xb2, "bob")].map(|(seed, name)| {
            let mut ring = MemoryKeyring::new();
            let id = ring.insert(SecretKey::from_slice(&[seed; 32]).unwrap());
            let file = place.root.join(name).join("chat.db");
            let mut rng = undertone_support::rng(seed.into());
            Side {
                messenger: Messenger::new(Arc::new(ring), id).unwrap(),
                database: Database::open(&file, &secret(1), &mut rng).unwrap(),
                dice: Dice::new(&[seed, run]),
                left: usize::MAX,
            }
        });
        let unix = Unix::from_millis(1_600_000_000_000 + u64::from(run) * 60_000);
        let now = Now { mono: Mono::ZERO, unix };
        let (sent, delivered) = (Vec::new(), BTreeSet::new());
        Self { sides, now, under_way: VecDeque::new(), sent, delivered, aloud }
    }

    fn start(&mut self) {
        for at in [ALICE, BOB] {
            let now = self.now;
            let effects = self.transact(at, |side, tx| side.messenger.open(tx, now, &mut side.dice));
            self.apply(at, effects);
        }
        self.settle();
    }

    fn key(&self, at: usize) -> PublicKey {
        *self.sides[at].messenger.key()
    }

    fn transact(
        &mut self,
        at: usize,
        work: impl FnOnce(&mut Lent<'_>, &mut Deadly<'_, '_>) -> Result<Vec<Effect>, Fault>,
    ) -> Vec<Effect> {
        let Side { messenger, database, dice, left } = &mut self.sides[at];
        let mut lent = Lent { messenger, dice };
        database.transact(|tx| work(&mut lent, &mut Deadly { below: tx, left })).unwrap()
    }

    fn step(&mut self, at: usize, input: Input) {
        let now = self.now;
        let effects = self.transact(at, |side, tx| side.messenger.step(tx, now, &mut side.dice, input));
        self.apply(at, effects);
    }

    /// After the commit: what leaves, and what the person sees.
    fn apply(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Transport(Transport::Send(send)) => {
                    self.tell("sent", at, &hex(&send.payload));
                    self.sent.push(send.payload.clone());
                    self.under_way.push_back((1 - at, send.clone()));
                    let event = Event::Progress { id: send.id, progress: Progress::Relayed };
                    self.step(at, Input::Transport(event));
                }
                Effect::Notify(Notice::State { id, state: MessageState::Delivered, .. }) => {
                    self.tell("delivered", at, &hex(id.as_bytes()));
                    self.delivered.insert((at, hex(id.as_bytes())));
                }
                _ => {}
            }
        }
    }

    fn tell(&self, what: &str, at: usize, hex: &str) {
        use std::io::Write as _;
        if self.aloud {
            let mut out = std::io::stdout();
            writeln!(out, "\n{what} {at} {hex}").unwrap();
            out.flush().unwrap();
        }
    }

    fn settle(&mut self) {
        while let Some((to, send)) = self.under_way.pop_front() {
            let received = Received {
                route: send.route.clone(),
                author: self.key(1 - to),
                sealed_to: send.to,
                wire_id: WireId::from_bytes(keccak256(&send.payload)),
                payload: send.payload,
                sent_at: Unix::from_secs(self.now.unix.secs()),
                via: Via::Live,
            };
            self.step(to, Input::Transport(Event::Received(Box::new(received))));
        }
    }

    fn talk(&mut self) {
        for round in 0..4 {
            for at in [ALICE, BOB] {
                self.now = self.now.after(Duration::from_secs(1));
                let chat = ChatId::OneToOne(self.key(1 - at));
                let text = format!("{at} {round} {}", self.now.unix.millis());
                self.step(at, Input::Command(undertone_messenger::Command::Send { chat, text }));
                self.settle();
            }
        }
        // Twice the longest wait for what a death has lost.
        for _ in 0..2 {
            self.now = self.now.after(Duration::from_secs(700));
            for at in [ALICE, BOB] {
                self.step(at, Input::Timeout);
                self.settle();
            }
        }
    }

    fn messages(&mut self, at: usize) -> Vec<(String, MessageState)> {
        let chat = ChatId::OneToOne(self.key(1 - at));
        let Side { messenger, database, .. } = &mut self.sides[at];
        let all = database.transact(|tx| messenger.messages(tx, &chat, None, 1_000)).unwrap();
        all.into_iter().map(|message| (hex(message.id.as_bytes()), message.state)).collect()
    }
}

struct Lent<'a> {
    messenger: &'a Messenger,
    dice: &'a mut Dice,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// Not a test by itself: the process that [`a_talk_goes_on_after_a_death_in_the_middle_of_a_transaction`] starts.
#[test]
fn child_talks_until_it_dies() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let mut place = Place::new();
    place.root = dir.into();
    let mut two = Two::open(&place, 0, true);
    two.start();
    let number = |name| std::env::var(name).unwrap().parse::<usize>().unwrap();
    two.sides[number(SIDE)].left = number(WRITE);
    two.talk();
}

#[test]
fn a_talk_goes_on_after_a_death_in_the_middle_of_a_transaction() {
    if std::env::var_os("UNDERTONE_SOAK").is_some() {
        for side in [ALICE, BOB] {
            let deaths = (0..).take_while(|write| dies_and_goes_on(side, *write)).count();
            assert!(deaths > 60, "{deaths} writes of {side}");
        }
        return;
    }
    for (side, write) in
        [0, 3, 7, 12, 20, 31, 45, 60].map(|n| (ALICE, n)).into_iter().chain([(BOB, 5), (BOB, 38)])
    {
        assert!(dies_and_goes_on(side, write), "it dies before write {write} of {side}");
    }
}

/// Whether the process died at all: false when the side has fewer writes.
fn dies_and_goes_on(side: usize, write: usize) -> bool {
    let place = Place::new();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "talk::child_talks_until_it_dies", "--nocapture"])
        .env(DIRECTORY, &place.root)
        .env(SIDE, side.to_string())
        .env(WRITE, write.to_string())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        return false;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut sent, mut delivered) = (Vec::new(), BTreeSet::<(usize, String)>::new());
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["sent", _, payload] => sent.push(unhex(payload)),
            ["delivered", at, id] => drop(delivered.insert((at.parse().unwrap(), id.to_owned()))),
            _ => {}
        }
    }
    let mut two = Two::open(&place, 1, false);
    for (by, id) in &delivered {
        let there = two.messages(1 - by);
        assert_eq!(
            there.iter().filter(|(of, _)| of == id).count(),
            1,
            "acknowledged and lost: {side} {write}"
        );
    }
    two.start();
    two.talk();
    let (at_alice, at_bob) = (two.messages(ALICE), two.messages(BOB));
    assert_eq!(at_alice.len(), at_bob.len(), "{side} {write}");
    for (id, state) in at_alice.iter().chain(&at_bob) {
        assert!(matches!(state, MessageState::Delivered | MessageState::Received), "{id}: {state:?}");
    }
    sent.extend(two.sent);
    let (mut payloads, mut headers) = (BTreeSet::new(), BTreeSet::new());
    for payload in sent.iter().filter(|payload| payloads.insert(*payload)) {
        for header in ratchet_headers(payload) {
            assert!(headers.insert(header), "a message key was used twice: {side} {write}");
        }
    }
    assert!(headers.len() > 10);
    true
}
