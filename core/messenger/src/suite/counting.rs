//! A transaction that counts the rows that pass.

use std::cell::RefCell;
use std::collections::BTreeMap;

use undertone_base::StoreError;

use crate::store::{Keys, Order, Row, StoreTx, Table};

/// How many rows of each table.
pub type Rows = BTreeMap<Table, usize>;

/// Counts what is read and written.
#[derive(Debug)]
pub struct Counting<'a, T> {
    below: &'a mut T,
    read: RefCell<Rows>,
    written: Rows,
}

impl<'a, T> Counting<'a, T> {
    /// Nothing counted yet.
    pub const fn new(below: &'a mut T) -> Self {
        Self { below, read: RefCell::new(Rows::new()), written: Rows::new() }
    }

    /// The rows read: those that a scan gave, and every key that was asked for, there or not.
    pub fn read(&self) -> Rows {
        self.read.borrow().clone()
    }

    /// The rows put or deleted.
    pub const fn written(&self) -> &Rows {
        &self.written
    }

    fn note(&self, table: Table, rows: usize) {
        if rows > 0 {
            *self.read.borrow_mut().entry(table).or_default() += rows;
        }
    }
}

impl<T: StoreTx> StoreTx for Counting<'_, T> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.note(table, 1);
        self.below.get(table, key)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        *self.written.entry(table).or_default() += 1;
        self.below.put(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        *self.written.entry(table).or_default() += 1;
        self.below.delete(table, key)
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        let rows = self.below.scan(table, keys, order, limit)?;
        self.note(table, rows.len());
        Ok(rows)
    }
}
