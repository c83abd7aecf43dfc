//! What a start reads (row B7): no session and no message, however many people are known.
#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use undertone_base::{Mono, Now, StoreError, Unix};
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_messenger::store::{Keys, MemoryStore, Order, Row, StoreTx, Table};
use undertone_messenger::{ChatId, Command, Effect, Input, Messenger};
use undertone_support::rng;
use undertone_transport::{Event, Received, Send, Via, WireId};

const NOW: Now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
/// People who have written.
const PEOPLE: u64 = 40;

/// Counts the rows that are read.
struct Counting<'a> {
    below: &'a mut MemoryStore,
    rows: RefCell<BTreeMap<Table, usize>>,
}

impl Counting<'_> {
    fn note(&self, table: Table, rows: usize) {
        *self.rows.borrow_mut().entry(table).or_default() += rows;
    }
}

impl StoreTx for Counting<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.note(table, 1);
        self.below.get(table, key)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.below.put(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.below.delete(table, key)
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = self.below.scan(table, keys, order, limit)?;
        self.note(table, rows.len().max(1));
        Ok(rows)
    }
}

fn messenger(seed: u64) -> Messenger {
    let mut keyring = MemoryKeyring::new();
    let id = keyring.insert(SecretKey::random(&mut rng(seed)));
    Messenger::new(Arc::new(keyring), id).unwrap()
}

fn sends(effects: Vec<Effect>) -> impl Iterator<Item = Send> {
    effects.into_iter().filter_map(|effect| match effect {
        Effect::Transport(undertone_transport::Command::Send(send)) => Some(send),
        _ => None,
    })
}

fn received(send: Send, author: &PublicKey, n: u64) -> Input {
    let mut wire_id = [0; 32];
    wire_id[..8].copy_from_slice(&n.to_be_bytes());
    Input::Transport(Event::Received(Box::new(Received {
        route: send.route,
        author: *author,
        sealed_to: send.to,
        payload: send.payload,
        sent_at: NOW.unix,
        wire_id: WireId::from_bytes(wire_id),
        via: Via::Live,
    })))
}

#[test]
fn a_start_reads_no_session() {
    let (me, mut store) = (messenger(1), MemoryStore::new());
    let bundle = sends(me.open(&mut store, NOW, &mut rng(2)).unwrap()).next().unwrap();
    for n in 0..PEOPLE {
        let (peer, mut theirs, mut rng) = (messenger(100 + n), MemoryStore::new(), rng(200 + n));
        peer.open(&mut theirs, NOW, &mut rng).unwrap();
        peer.step(&mut theirs, NOW, &mut rng, received(bundle.clone(), me.key(), n)).unwrap();
        let command = Command::Send { chat: ChatId::OneToOne(*me.key()), text: format!("Hello from {n}") };
        let effects = peer.step(&mut theirs, NOW, &mut rng, Input::Command(command)).unwrap();
        let letter = sends(effects).find(|send| send.to.is_none_or(|to| to == *me.key())).unwrap();
        me.step(&mut store, NOW, &mut rng, received(letter, peer.key(), n)).unwrap();
    }
    assert_eq!(store.count(Table::Session), usize::try_from(PEOPLE).unwrap(), "a session with each");

    let mut counting = Counting { below: &mut store, rows: RefCell::default() };
    me.open(&mut counting, NOW, &mut rng(3)).unwrap();
    let read = counting.rows.into_inner();
    // Keys of messages that never came are looked through for those that are too old; there are none here.
    for table in [Table::Session, Table::Message, Table::Timeline] {
        assert!(!read.contains_key(&table), "{table:?}: {read:?}");
    }
    // One of each thing that it has to listen for, and no more.
    let most = usize::try_from(PEOPLE).unwrap() + 8;
    assert!(read.values().all(|rows| *rows <= most), "{read:?}");
}
