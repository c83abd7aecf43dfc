//! A transaction that counts the rows that pass.

use std::cell::RefCell;
use std::collections::BTreeMap;

use undertone_base::StoreError;
use undertone_messenger::store::{Keys, Order, Row, StoreTx, Table};

/// Counts what is read, whether by key or by scan; a key that is not there counts as well.
pub(crate) struct Counting<'a, T> {
    below: &'a mut T,
    rows: RefCell<BTreeMap<Table, usize>>,
}

impl<'a, T> Counting<'a, T> {
    pub(crate) const fn new(below: &'a mut T) -> Self {
        Self { below, rows: RefCell::new(BTreeMap::new()) }
    }

    pub(crate) fn into_rows(self) -> BTreeMap<Table, usize> {
        self.rows.into_inner()
    }

    fn note(&self, table: Table, rows: usize) {
        *self.rows.borrow_mut().entry(table).or_default() += rows;
    }
}

impl<T: StoreTx> StoreTx for Counting<'_, T> {
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
        if !rows.is_empty() {
            self.note(table, rows.len());
        }
        Ok(rows)
    }
}
