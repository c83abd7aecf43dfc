//! The messenger's port over one SQLite transaction.

use std::cell::Cell;
use std::fmt;
use std::ops::Bound;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, ToSql};
use undertone_base::StoreError;
use undertone_messenger::store::{Keys, Order, Row, StoreTx, Table};

use crate::error::extended_code;

/// The rows, inside a transaction that someone else began and ends. There is no way to SQL from here.
///
/// After the first error every further call fails: SQLite rolls back on its own for some errors (disk full, read or
/// write error), and a statement after that would be a transaction of its own.
pub struct SqlTx<'a> {
    conn: &'a Connection,
    failure: Cell<Option<StoreError>>,
}

impl<'a> SqlTx<'a> {
    /// The connection must be inside a transaction; outside of one every call fails.
    pub(crate) const fn new(conn: &'a Connection) -> Self {
        Self { conn, failure: Cell::new(None) }
    }

    /// The first error, also when the caller has swallowed it.
    pub(crate) const fn failure(&self) -> Option<StoreError> {
        self.failure.get()
    }

    fn run<T>(
        &self,
        table: Table,
        what: &'static str,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        if let Some(error) = self.failure.get() {
            return Err(error);
        }
        let result = if self.conn.is_autocommit() {
            Err(StoreError::Unavailable)
        } else {
            statement(self.conn).map_err(|e| store_error(table, what, &e))
        };
        result.inspect_err(|error| self.failure.set(Some(*error)))
    }
}

impl StoreTx for SqlTx<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.run(table, "get", |conn| {
            let sql = format!("SELECT v FROM \"{}\" WHERE k = ?1", table.name());
            conn.prepare_cached(&sql)?.query_row([key], |row| row.get(0)).optional()
        })
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.run(table, "put", |conn| {
            let sql = format!(
                "INSERT INTO \"{}\" (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
                table.name()
            );
            conn.prepare_cached(&sql)?.execute([key, value]).map(drop)
        })
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.run(table, "delete", |conn| {
            let sql = format!("DELETE FROM \"{}\" WHERE k = ?1", table.name());
            conn.prepare_cached(&sql)?.execute([key]).map(drop)
        })
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.run(table, "scan", |conn| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut sql = format!("SELECT k, v FROM \"{}\" WHERE ?1 > 0", table.name());
            let mut values: Vec<&dyn ToSql> = vec![&limit];
            for (bound, included, excluded) in [(&keys.from, ">=", ">"), (&keys.to, "<=", "<")] {
                let (key, relation) = match bound {
                    Bound::Included(key) => (key, included),
                    Bound::Excluded(key) => (key, excluded),
                    Bound::Unbounded => continue,
                };
                values.push(key);
                sql.push_str(&format!(" AND k {relation} ?{}", values.len()));
            }
            sql.push_str(match order {
                Order::Ascending => " ORDER BY k ASC LIMIT ?1",
                Order::Descending => " ORDER BY k DESC LIMIT ?1",
            });
            let mut statement = conn.prepare_cached(&sql)?;
            let rows = statement.query_map(values.as_slice(), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }
}

impl fmt::Debug for SqlTx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlTx").field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// Codes and names go to the log, never SQLite's text: it can quote values.
fn store_error(table: Table, what: &'static str, error: &rusqlite::Error) -> StoreError {
    tracing::trace!(table = table.name(), what, sqlite = extended_code(error), "statement failed");
    match (error, error.sqlite_error_code()) {
        (rusqlite::Error::InvalidColumnType(..), _)
        | (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
            StoreError::Corrupt(table.name())
        }
        _ => StoreError::Unavailable,
    }
}
