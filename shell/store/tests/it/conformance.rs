//! The port's suite, inside one transaction of a real encrypted file.

use std::cell::RefCell;

use undertone_base::StoreError;
use undertone_messenger::store::{Keys, Order, Row, StoreTx, Table};
use undertone_store::Database;

use crate::common::Place;

/// Each call in a transaction of its own, which is stricter: every row goes through a commit.
struct Committed {
    database: RefCell<Database>,
    _place: Place,
}

impl Committed {
    fn new() -> Self {
        let place = Place::new();
        Self { database: RefCell::new(place.open()), _place: place }
    }
}

impl StoreTx for Committed {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.borrow_mut().transact(|tx| tx.get(table, key))
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.database.get_mut().transact(|tx| tx.put(table, key, value))
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.database.get_mut().transact(|tx| tx.delete(table, key))
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.database.borrow_mut().transact(|tx| tx.scan(table, keys, order, limit))
    }
}

undertone_messenger::store_conformance!(Committed::new());

mod in_one_transaction {
    use undertone_messenger::store::conformance::{rows_are_kept, scans_are_ordered};
    use undertone_store::SqlTx;

    use super::*;

    /// The port by reference, so that the suite can own it.
    struct Inside<'a, 'b>(&'a mut SqlTx<'b>);

    impl StoreTx for Inside<'_, '_> {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.0.get(table, key)
        }

        fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
            self.0.put(table, key, value)
        }

        fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
            self.0.delete(table, key)
        }

        fn scan(
            &self,
            table: Table,
            keys: Keys<'_>,
            order: Order,
            limit: usize,
        ) -> Result<Vec<Row>, StoreError> {
            self.0.scan(table, keys, order, limit)
        }
    }

    #[test]
    fn the_suite_passes_before_any_commit() {
        let place = Place::new();
        let suites: [fn(Inside<'_, '_>); 2] = [|tx| rows_are_kept(tx), |tx| scans_are_ordered(tx)];
        for suite in suites {
            place
                .open()
                .transact(|tx| {
                    suite(Inside(tx));
                    Err::<(), _>(StoreError::Unavailable)
                })
                .unwrap_err();
        }
    }
}
