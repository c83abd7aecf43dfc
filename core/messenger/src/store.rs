//! The messenger's store, as the messenger needs it: typed tables of bytes, inside a transaction.
//!
//! The port belongs here; backends (memory here, SQLCipher in `undertone-store`) keep
//! `store_conformance!`. There is no SQL above it and no clock inside it: the same
//! inputs leave the same rows, byte for byte.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use undertone_base::StoreError;

/// Every table. The numbers and names are persisted: a new table takes a new number, none is reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
#[repr(u8)]
pub enum Table {
    /// Singletons: installation id, counters, times; and what our devices are called.
    Meta = 1,
    /// Chats, by chat key.
    Chat = 2,
    /// Messages, by message id.
    Message = 3,
    /// Messages of a chat in order: chat key, clock, message id.
    Timeline = 4,
    /// What was handed to the transport and not taken by a peer yet, by send id.
    Outbox = 5,
    /// Data sync: what waits for its acknowledgement, by sync id.
    Pending = 6,
    /// Data sync: when to send again: time, sync id.
    Due = 7,
    /// Ratchet: own prekeys.
    OwnPrekey = 8,
    /// Ratchet: what our own bundle names.
    OwnState = 9,
    /// Ratchet: devices and their prekeys.
    Device = 10,
    /// Ratchet: sessions.
    Session = 11,
    /// Ratchet: who was heard on a negotiated secret.
    Negotiated = 12,
    /// People, by public key.
    Contact = 13,
    /// Ratchet: keys of messages that have not come yet.
    Skipped = 14,
}

impl Table {
    /// Every table, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Meta,
        Self::Chat,
        Self::Message,
        Self::Timeline,
        Self::Outbox,
        Self::Pending,
        Self::Due,
        Self::OwnPrekey,
        Self::OwnState,
        Self::Device,
        Self::Session,
        Self::Negotiated,
        Self::Contact,
        Self::Skipped,
    ];

    /// The persisted name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Chat => "chat",
            Self::Message => "message",
            Self::Timeline => "timeline",
            Self::Outbox => "outbox",
            Self::Pending => "pending",
            Self::Due => "due",
            Self::OwnPrekey => "own_prekey",
            Self::OwnState => "own_state",
            Self::Device => "device",
            Self::Session => "session",
            Self::Negotiated => "negotiated",
            Self::Contact => "contact",
            Self::Skipped => "skipped",
        }
    }
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// Which keys a scan visits, in byte order.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// Where it begins.
    pub from: Bound<&'a [u8]>,
    /// Where it ends.
    pub to: Bound<&'a [u8]>,
}

impl Keys<'_> {
    /// Every key.
    pub const ALL: Self = Keys { from: Bound::Unbounded, to: Bound::Unbounded };

    /// Whether a scan of these keys visits `key`.
    pub fn contains(&self, key: &[u8]) -> bool {
        let above = match self.from {
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
            Bound::Unbounded => true,
        };
        let below = match self.to {
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
            Bound::Unbounded => true,
        };
        above && below
    }
}

/// The first key after all keys that begin with `prefix`, or `None` when there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// One transaction. What one input did is visible to the next input of the same transaction at once, and to
/// everyone else and after a crash only when the backend has committed.
pub trait StoreTx {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError`], as of every method here.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a row, replacing one of the same key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError>;

    /// Deletes a row; no row is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError>;

    /// At most `limit` rows of `keys` in byte order of the key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Every row whose key begins with `prefix`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan_prefix(
        &self,
        table: Table,
        prefix: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let end = prefix_end(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.scan(table, Keys { from: Bound::Included(prefix), to }, order, limit)
    }
}

/// A store in memory. A clone is a savepoint.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct MemoryStore {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

/// How many rows each table has. Not the rows: some are keys, some are what people said.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = Table::ALL.iter().map(|table| (table.name(), self.count(*table)));
        f.debug_map().entries(tables.filter(|(_, rows)| *rows > 0)).finish()
    }
}

impl MemoryStore {
    /// An empty store.
    pub const fn new() -> Self {
        Self { rows: BTreeMap::new() }
    }

    /// How many rows a table has.
    pub fn count(&self, table: Table) -> usize {
        self.rows.keys().filter(|(t, _)| *t == table).count()
    }
}

impl StoreTx for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.rows.insert((table, key.to_vec()), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.rows.remove(&(table, key.to_vec()));
        Ok(())
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        let start = match keys.from {
            Bound::Included(from) | Bound::Excluded(from) => from.to_vec(),
            Bound::Unbounded => Vec::new(),
        };
        let rows = self
            .rows
            .range((table, start)..)
            .take_while(|((t, _), _)| *t == table)
            .filter(|((_, key), _)| keys.contains(key))
            .map(|((_, key), value)| (key.clone(), value.clone()));
        Ok(match order {
            Order::Ascending => rows.take(limit).collect(),
            Order::Descending => {
                let mut all: Vec<Row> = rows.collect();
                all.reverse();
                all.truncate(limit);
                all
            }
        })
    }
}

/// The suite for backends: call with an expression that gives a fresh `impl StoreTx`.
#[cfg(feature = "testing")]
pub mod conformance {
    #![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test suite")]
    use super::*;

    /// Rows are kept per table, replaced and deleted.
    pub fn rows_are_kept(mut tx: impl StoreTx) {
        for table in Table::ALL {
            assert_eq!(tx.get(table, b"k").expect("get"), None);
            tx.put(table, b"k", table.name().as_bytes()).expect("put");
        }
        for table in Table::ALL {
            assert_eq!(tx.get(table, b"k").expect("get").as_deref(), Some(table.name().as_bytes()));
        }
        tx.put(Table::Chat, b"k", b"").expect("put");
        assert_eq!(tx.get(Table::Chat, b"k").expect("get").as_deref(), Some(&b""[..]));
        tx.delete(Table::Chat, b"k").expect("delete");
        tx.delete(Table::Chat, b"k").expect("delete");
        assert_eq!(tx.get(Table::Chat, b"k").expect("get"), None);
        assert!(tx.get(Table::Message, b"k").expect("get").is_some());
    }

    /// Scans go in byte order, within bounds, both ways, limited.
    pub fn scans_are_ordered(mut tx: impl StoreTx) {
        let keys: [&[u8]; 6] = [b"", b"a", b"a\0", b"a\xff", b"b", b"\xff\xff"];
        for key in keys.iter().rev() {
            tx.put(Table::Timeline, key, key).expect("put");
        }
        let of = |rows: Vec<Row>| rows.into_iter().map(|(k, _)| k).collect::<Vec<_>>();
        let all = of(tx.scan(Table::Timeline, Keys::ALL, Order::Ascending, 99).expect("scan"));
        assert_eq!(all, keys.map(<[u8]>::to_vec));
        let back = of(tx.scan(Table::Timeline, Keys::ALL, Order::Descending, 2).expect("scan"));
        assert_eq!(back, [b"\xff\xff".to_vec(), b"b".to_vec()]);
        let a = of(tx.scan_prefix(Table::Timeline, b"a", Order::Ascending, 99).expect("scan"));
        assert_eq!(a, [b"a".to_vec(), b"a\0".to_vec(), b"a\xff".to_vec()]);
        let top = of(tx.scan_prefix(Table::Timeline, b"\xff", Order::Descending, 99).expect("scan"));
        assert_eq!(top, [b"\xff\xff".to_vec()]);
        let bounds = Keys { from: Bound::Excluded(b"a"), to: Bound::Included(b"b") };
        let some = of(tx.scan(Table::Timeline, bounds, Order::Ascending, 2).expect("scan"));
        assert_eq!(some, [b"a\0".to_vec(), b"a\xff".to_vec()]);
    }

    /// Instantiates the suite for a backend.
    #[macro_export]
    macro_rules! store_conformance {
        ($fresh:expr) => {
            #[test]
            fn rows_are_kept() {
                $crate::store::conformance::rows_are_kept($fresh);
            }
            #[test]
            fn scans_are_ordered() {
                $crate::store::conformance::scans_are_ordered($fresh);
            }
        };
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    crate::store_conformance!(super::MemoryStore::new());
}

#[cfg(test)]
mod silence {
    use std::sync::Arc;

    use undertone_crypto::{MemoryKeyring, SecretKey};
    use undertone_support::{assert_silent, rng};

    use undertone_base::Unix;
    use undertone_payload::MessageId;

    use super::{MemoryStore, StoreTx as _, Table};
    use crate::{ChatId, Command, Effect, Input, Message, MessageState, Messenger, Notice, Protection};

    #[test]
    fn debug_shows_no_secret() {
        let key = SecretKey::random(&mut rng(1));
        let secret = *key.secret().expose();
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(key);
        let messenger = Messenger::new(Arc::new(keyring), id).unwrap();
        assert!(assert_silent(&messenger, &[&secret]).starts_with("Messenger(PublicKey("));
        let mut store = MemoryStore::new();
        store.put(Table::Session, b"name", &secret).unwrap();
        store.put(Table::Message, b"id", b"what a person wrote").unwrap();
        let shown = assert_silent(&store, &[&secret, b"what a person wrote"]);
        assert_eq!(shown, r#"{"message": 1, "session": 1}"#);
    }

    #[test]
    fn debug_shows_no_word_of_a_person() {
        const WORDS: &str = "QQZZ-XKXK-JJWQ-0Z0Z9";
        let me = SecretKey::random(&mut rng(1)).public();
        let chat = ChatId::OneToOne(me);
        let send = Command::Send { chat: chat.clone(), text: WORDS.to_owned() };
        assert!(assert_silent(&send, &[WORDS.as_bytes()]).ends_with("text_bytes: 20 }"));
        assert_silent(&Input::Command(send), &[WORDS.as_bytes()]);
        let nickname = Some(WORDS.to_owned());
        assert_silent(&Command::AddContact { peer: me, nickname }, &[WORDS.as_bytes()]);
        let pair = Command::Pair { name: WORDS.to_owned(), kind: "desktop".to_owned() };
        assert_silent(&pair, &[WORDS.as_bytes()]);
        let message = Message {
            id: MessageId::from_slice(&[1; 32]).unwrap(),
            chat,
            author: me,
            text: WORDS.to_owned(),
            clock: 1,
            timestamp: Unix::from_millis(1),
            state: MessageState::Received,
            protection: Protection::Ratchet,
        };
        assert_silent(&message, &[WORDS.as_bytes()]);
        assert_silent(&Effect::Notify(Notice::Message(Box::new(message))), &[WORDS.as_bytes()]);
    }
}
