//! The store port, and an implementation in memory.
//!
//! The port moves bytes: a table, a key, a row. Which keys and rows there are is this crate's business, so a
//! backend is four small methods over any ordered key-value table. Rows are protobuf with a format number.
//!
//! | table | key | row |
//! |---|---|---|
//! | [`Table::OwnState`] | own | what our bundle names, last timestamp |
//! | [`Table::OwnPrekey`] | own, prekey | private half, version, age |
//! | [`Table::Device`] | own, peer, device | prekey, timestamp, enabled |
//! | [`Table::Session`] | own, peer, device, prekey | ratchet |
//! | [`Table::Skipped`] | own, peer, device, prekey, ratchet key, n | message key |
//! | [`Table::Negotiated`] | own, peer, device | nothing |
//!
//! Identities and prekeys are 33 bytes, a device is a length byte and its name, n is big-endian.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use undertone_base::StoreError;
use zeroize::Zeroizing;

/// A table of the port.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Table {
    /// Devices of identities, ours too, as verified bundles told.
    Device,
    /// Devices that are known to listen on the negotiated topic.
    Negotiated,
    /// Our prekeys. Secret.
    OwnPrekey,
    /// One row for each own identity.
    OwnState,
    /// Sessions. Secret.
    Session,
    /// Keys of messages that have not come yet. Secret.
    Skipped,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 6] =
        [Self::Device, Self::Negotiated, Self::OwnPrekey, Self::OwnState, Self::Session, Self::Skipped];

    /// A stable name for a backend to use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "ratchet_device",
            Self::Negotiated => "ratchet_negotiated",
            Self::OwnPrekey => "ratchet_own_prekey",
            Self::OwnState => "ratchet_own_state",
            Self::Session => "ratchet_session",
            Self::Skipped => "ratchet_skipped",
        }
    }
}

/// The bytes of a row: may hold secrets, so they wipe on drop and do not print.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Row(Zeroizing<Vec<u8>>);

impl From<Vec<u8>> for Row {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl AsRef<[u8]> for Row {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({} bytes)", self.0.len())
    }
}

/// Where this crate keeps its rows. Implement it on the messenger's transaction.
///
/// The layer reads while it works and writes only when everything has verified, all at once at the end. If a
/// write fails in the middle, the caller rolls its transaction back: nothing that was returned may be used.
pub trait RatchetStore {
    /// The row under this key.
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError>;

    /// Writes a row, over an older one if there is one.
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), StoreError>;

    /// Removes a row; none there is no error.
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError>;

    /// All rows whose key begins with `prefix`, ascending by key. Asked for what is bounded by [`limits`](crate::limits).
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError>;

    /// The same, at most `limit` rows, and none before the key that follows `after`. `after` begins with `prefix`.
    ///
    /// # Errors
    /// [`StoreError`] of the backend.
    fn scan_page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError>;
}

/// A store in memory, for tests and simulators. Compares by content.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MemoryRatchetStore(BTreeMap<(Table, Vec<u8>), Row>);

impl MemoryRatchetStore {
    /// An empty store.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// How many rows a table has.
    pub fn len(&self, table: Table) -> usize {
        self.0.keys().filter(|(of, _)| *of == table).count()
    }

    /// Whether there are no rows at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl RatchetStore for MemoryRatchetStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), StoreError> {
        self.0.insert((table, key.to_vec()), Row::from(row.to_vec()));
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.0.remove(&(table, key.to_vec()));
        Ok(())
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        let from = (table, prefix.to_vec());
        let rows = self.0.range(from..).take_while(|((of, key), _)| *of == table && key.starts_with(prefix));
        Ok(rows.map(|((_, key), row)| (key.clone(), row.clone())).collect())
    }

    fn scan_page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded).map(|key| (table, key.to_vec()));
        let rows = self.0.range((from, Bound::Unbounded));
        let rows = rows.take_while(|((of, key), _)| *of == table && key.starts_with(prefix)).take(limit);
        Ok(rows.map(|((_, key), row)| (key.clone(), row.clone())).collect())
    }
}

/// A store with changes on top that are written only by [`Overlay::commit`].
#[derive(Debug)]
pub(crate) struct Overlay<'a, S: RatchetStore + ?Sized> {
    below: &'a mut S,
    /// `None` is a deletion.
    changes: BTreeMap<(Table, Vec<u8>), Option<Row>>,
}

impl<'a, S: RatchetStore + ?Sized> Overlay<'a, S> {
    pub(crate) fn new(below: &'a mut S) -> Self {
        Self { below, changes: BTreeMap::new() }
    }

    pub(crate) fn get(&self, table: Table, key: Vec<u8>) -> Result<Option<Row>, StoreError> {
        let at = (table, key);
        match self.changes.get(&at) {
            Some(change) => Ok(change.clone()),
            None => self.below.get(table, &at.1),
        }
    }

    pub(crate) fn put(&mut self, table: Table, key: Vec<u8>, row: Row) {
        self.changes.insert((table, key), Some(row));
    }

    pub(crate) fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.changes.insert((table, key), None);
    }

    pub(crate) fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        let mut rows: BTreeMap<Vec<u8>, Row> = self.below.scan(table, prefix)?.into_iter().collect();
        let changed = self.changes.range((table, prefix.to_vec())..);
        for ((_, key), change) in changed.take_while(|((of, key), _)| *of == table && key.starts_with(prefix))
        {
            match change {
                Some(row) => rows.insert(key.clone(), row.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    /// A page of what is below, without the changes.
    pub(crate) fn page_below(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        self.below.scan_page(table, prefix, after, limit)
    }

    /// Writes all changes in the order of tables and keys.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        for ((table, key), change) in self.changes {
            match change {
                Some(row) => self.below.put(table, &key, row.as_ref())?,
                None => self.below.delete(table, &key)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_reads_its_own_changes_and_writes_nothing_before_commit() {
        let mut store = MemoryRatchetStore::new();
        store.put(Table::Device, b"aa", b"1").unwrap();
        store.put(Table::Device, b"ab", b"2").unwrap();
        store.put(Table::Session, b"ab", b"9").unwrap();
        let before = store.clone();

        let mut overlay = Overlay::new(&mut store);
        overlay.delete(Table::Device, b"aa".to_vec());
        overlay.put(Table::Device, b"ac".to_vec(), Row::from(b"3".to_vec()));
        assert_eq!(overlay.get(Table::Device, b"aa".to_vec()).unwrap(), None);
        let keys: Vec<_> =
            overlay.scan(Table::Device, b"a").unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"ab".to_vec(), b"ac".to_vec()]);
        drop(overlay);
        assert_eq!(store, before);

        let mut overlay = Overlay::new(&mut store);
        overlay.delete(Table::Device, b"aa".to_vec());
        overlay.commit().unwrap();
        assert_eq!((store.len(Table::Device), store.len(Table::Session)), (1, 1));
    }
}
