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
            conn.prepare_cached(&sql::get(table))?.query_row([key], |row| row.get(0)).optional()
        })
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.run(table, "put", |conn| conn.prepare_cached(&sql::put(table))?.execute([key, value]).map(drop))
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.run(table, "delete", |conn| conn.prepare_cached(&sql::delete(table))?.execute([key]).map(drop))
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.run(table, "scan", |conn| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut values: Vec<&dyn ToSql> = vec![&limit];
            for bound in [&keys.from, &keys.to] {
                if let Bound::Included(key) | Bound::Excluded(key) = bound {
                    values.push(key);
                }
            }
            let mut statement = conn.prepare_cached(&sql::scan(table, keys, order))?;
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

/// Compiles the statements of a message to somebody, so that the first one does not wait for them: together they take
/// longer than its rows. A statement that is missing here is compiled when it is used.
pub(crate) fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    use Table::{
        Chat, Contact, Device, Due, Message, Meta, Negotiated, Outbox, OwnState, Pending, Session, Timeline,
    };
    let read = [Meta, Chat, OwnState, Session, Negotiated, Contact].map(sql::get);
    let written = [Meta, Chat, Message, Timeline, Outbox, Pending, OwnState, Session].map(sql::put);
    let prefix = Keys { from: Bound::Included(&[]), to: Bound::Excluded(&[]) };
    let scanned =
        [(Device, prefix), (Due, Keys::ALL)].map(|(of, keys)| sql::scan(of, keys, Order::Ascending));
    for sql in read.iter().chain(&written).chain(&scanned) {
        drop(conn.prepare_cached(sql)?);
    }
    Ok(())
}

/// The statements. A table's name is a word of the port's, and all that varies are the shapes.
mod sql {
    use std::ops::Bound;

    use undertone_messenger::store::{Keys, Order, Table};

    pub(super) fn get(table: Table) -> String {
        format!("SELECT v FROM \"{}\" WHERE k = ?1", table.name())
    }

    pub(super) fn put(table: Table) -> String {
        format!(
            "INSERT INTO \"{}\" (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            table.name()
        )
    }

    pub(super) fn delete(table: Table) -> String {
        format!("DELETE FROM \"{}\" WHERE k = ?1", table.name())
    }

    /// `?1` is the limit; the bounds that there are follow. SQLite looks into a limit that is a bare parameter when it
    /// plans, and so compiles the statement anew whenever it is bound; into a sum it does not look.
    pub(super) fn scan(table: Table, keys: Keys<'_>, order: Order) -> String {
        let mut sql = format!("SELECT k, v FROM \"{}\" WHERE ?1 > 0", table.name());
        let mut value = 1;
        for (bound, included, excluded) in [(keys.from, ">=", ">"), (keys.to, "<=", "<")] {
            let relation = match bound {
                Bound::Included(_) => included,
                Bound::Excluded(_) => excluded,
                Bound::Unbounded => continue,
            };
            value += 1;
            sql.push_str(&format!(" AND k {relation} ?{value}"));
        }
        sql.push_str(match order {
            Order::Ascending => " ORDER BY k ASC LIMIT ?1 + 0",
            Order::Descending => " ORDER BY k DESC LIMIT ?1 + 0",
        });
        sql
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

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    /// What is compiled at the opening stays compiled, whatever is bound to it.
    #[test]
    fn no_statement_is_compiled_twice() {
        let mut conn = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&mut conn).unwrap();
        prepare(&conn).unwrap();
        conn.execute_batch("BEGIN").unwrap();
        let mut tx = SqlTx::new(&conn);
        for n in 0..3u8 {
            tx.put(Table::Device, &[7, n], &[n]).unwrap();
            tx.put(Table::Meta, &[n], &[n]).unwrap();
            tx.get(Table::Meta, &[n]).unwrap();
            for limit in [1, 100] {
                assert!(!tx.scan_prefix(Table::Device, &[7], Order::Ascending, limit).unwrap().is_empty());
                tx.scan(Table::Due, Keys::ALL, Order::Ascending, limit).unwrap();
            }
        }
        let prefix = Keys { from: Bound::Included(&[]), to: Bound::Excluded(&[]) };
        let used = [
            sql::get(Table::Meta),
            sql::put(Table::Meta),
            sql::scan(Table::Device, prefix, Order::Ascending),
            sql::scan(Table::Due, Keys::ALL, Order::Ascending),
        ];
        for text in used {
            let statement = conn.prepare_cached(&text).unwrap();
            assert!(statement.get_status(StatementStatus::Run) >= 3, "{text}");
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{text}");
        }
    }
}
