//! Writes that wait for the end of a step.

use std::collections::BTreeMap;

use undertone_base::StoreError;
use zeroize::Zeroizing;

use crate::store::{Keys, Order, Row, StoreTx, Table};

/// A value of the store, wiped on drop.
type Value = Zeroizing<Vec<u8>>;

/// A transaction over a transaction: reads see its own writes, and nothing reaches the one below before
/// [`Staged::commit`]. A step that is refused drops it, so a refused input writes nothing by construction;
/// a part of a step that may fail on its own gets one of its own. Rows of the ratchet pass here: they are wiped.
pub(crate) struct Staged<'a, S> {
    below: &'a mut S,
    writes: BTreeMap<(Table, Vec<u8>), Option<Value>>,
}

impl<'a, S: StoreTx> Staged<'a, S> {
    pub(crate) const fn new(below: &'a mut S) -> Self {
        Self { below, writes: BTreeMap::new() }
    }

    /// What was there before.
    pub(crate) const fn below(&self) -> &S {
        self.below
    }

    /// Writes everything down, in the order of tables and keys.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        for ((table, key), value) in self.writes {
            match value {
                Some(value) => self.below.put(table, &key, &value)?,
                None => self.below.delete(table, &key)?,
            }
        }
        Ok(())
    }

    /// Forgets the writes to `table` whose key `keep` refuses.
    pub(crate) fn retain(&mut self, table: Table, mut keep: impl FnMut(&[u8]) -> bool) {
        self.writes.retain(|(t, key), _| *t != table || keep(key));
    }

    /// The keys of `table` that are written or deleted here.
    pub(crate) fn written(&self, table: Table) -> impl Iterator<Item = &[u8]> {
        self.writes.keys().filter(move |(t, _)| *t == table).map(|(_, key)| key.as_slice())
    }
}

impl<S: StoreTx> StoreTx for Staged<'_, S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes.get(&(table, key.to_vec())) {
            Some(value) => Ok(value.as_deref().cloned()),
            None => self.below.get(table, key),
        }
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.writes.insert((table, key.to_vec()), Some(Zeroizing::new(value.to_vec())));
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.writes.insert((table, key.to_vec()), None);
        Ok(())
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        let own: Vec<_> = self
            .writes
            .range((table, Vec::new())..)
            .take_while(|((t, _), _)| *t == table)
            .filter(|((_, key), _)| keys.contains(key))
            .collect();
        // Every write here can hide at most one row below.
        let rows = self.below.scan(table, keys, order, limit.saturating_add(own.len()))?;
        if own.is_empty() {
            return Ok(rows);
        }
        // What is not handed out is wiped here.
        let mut merged: BTreeMap<Vec<u8>, Value> =
            rows.into_iter().map(|(key, value)| (key, Zeroizing::new(value))).collect();
        for ((_, key), value) in own {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        let bytes = |(key, mut value): (Vec<u8>, Value)| (key, std::mem::take(&mut *value));
        Ok(match order {
            Order::Ascending => merged.into_iter().take(limit).map(bytes).collect(),
            Order::Descending => merged.into_iter().rev().take(limit).map(bytes).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn nothing_is_written_before_the_commit() {
        let mut below = MemoryStore::new();
        below.put(Table::Chat, b"a", b"1").unwrap();
        let before = below.clone();
        let mut staged = Staged::new(&mut below);
        staged.put(Table::Chat, b"b", b"2").unwrap();
        staged.delete(Table::Chat, b"a").unwrap();
        assert_eq!(staged.get(Table::Chat, b"a").unwrap(), None);
        drop(staged);
        assert_eq!(below, before);
    }

    proptest! {
        /// A staged store answers every question as a plain one that got the same writes, and leaves one equal.
        #[test]
        fn behaves_as_the_store_itself(
            first in proptest::collection::vec((0u8..6, 0u8..8, any::<bool>()), 0..20),
            then in proptest::collection::vec((0u8..6, 0u8..8, any::<bool>()), 0..20),
            from in 0u8..6, to in 0u8..6, limit in 0usize..5,
        ) {
            fn write(tx: &mut impl StoreTx, list: &[(u8, u8, bool)]) {
                for (key, value, put) in list {
                    if *put {
                        tx.put(Table::Due, &[*key], &[*value]).unwrap();
                    } else {
                        tx.delete(Table::Due, &[*key]).unwrap();
                    }
                }
            }
            let mut plain = MemoryStore::new();
            plain.put(Table::Chat, b"x", b"y").unwrap();
            plain.put(Table::Outbox, b"x", b"y").unwrap();
            write(&mut plain, &first);
            let mut below = plain.clone();
            let mut staged = Staged::new(&mut below);
            write(&mut plain, &then);
            write(&mut staged, &then);
            let (from, to) = ([from], [to]);
            for keys in [Keys::ALL, Keys { from: Bound::Excluded(&from), to: Bound::Included(&to) }] {
                for order in [Order::Ascending, Order::Descending] {
                    prop_assert_eq!(
                        staged.scan(Table::Due, keys, order, limit).unwrap(),
                        plain.scan(Table::Due, keys, order, limit).unwrap()
                    );
                }
            }
            for key in 0..6 {
                prop_assert_eq!(staged.get(Table::Due, &[key]).unwrap(), plain.get(Table::Due, &[key]).unwrap());
            }
            staged.commit().unwrap();
            prop_assert_eq!(below, plain);
        }
    }
}
