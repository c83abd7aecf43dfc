//! The schema and how an older one becomes it.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::error::OpenError;

/// In order; the number of a migration is its place, from 1. Never edit one that was released: append.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/001_tables.sql")];

/// The schema that this version writes: the number of its last migration.
#[expect(clippy::cast_possible_truncation, reason = "the number of files in one folder")]
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// Brings the database to [`SCHEMA_VERSION`] in one transaction.
pub(crate) fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    apply(conn, MIGRATIONS)
}

fn apply(conn: &mut Connection, migrations: &[&str]) -> Result<(), OpenError> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&tx)?;
    if found > known {
        return Err(OpenError::NewerVersion { found, known });
    }
    if found == known {
        return Ok(());
    }
    for (number, sql) in (1u32..).zip(migrations) {
        if number > found {
            tx.execute_batch(sql)?;
        }
    }
    tx.execute("UPDATE schema SET version = ?1", [known])?;
    tx.commit()?;
    tracing::info!(from = found, to = known, "database schema migrated");
    Ok(())
}

/// The schema of the file, 0 for a new one, whose version row this makes.
fn version(tx: &Transaction<'_>) -> Result<u32, OpenError> {
    let mut names = tx.prepare("SELECT count(*), coalesce(sum(name = 'schema'), 0) FROM sqlite_schema")?;
    let (all, schema): (u32, u32) = names.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match (all, schema) {
        (0, _) => {
            tx.execute_batch(
                "CREATE TABLE schema (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
                 INSERT INTO schema (one, version) VALUES (1, 0);",
            )?;
            Ok(0)
        }
        (_, 0) => Err(OpenError::Corrupt),
        _ => tx
            .query_row("SELECT version FROM schema", [], |row| row.get(0))
            .optional()?
            .ok_or(OpenError::Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use undertone_messenger::store::Table;

    use super::*;

    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    fn tables(conn: &Connection) -> BTreeSet<String> {
        let mut all = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn every_table_of_the_port_is_there_and_no_other() {
        let mut conn = memory();
        migrate(&mut conn).unwrap();
        let mut expected: BTreeSet<String> = Table::ALL.iter().map(|t| t.name().to_owned()).collect();
        assert!(expected.insert("schema".to_owned()));
        assert_eq!(tables(&conn), expected);
        migrate(&mut conn).unwrap();
    }

    #[test]
    fn the_list_is_the_folder() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), MIGRATIONS.len());
        for ((number, file), listed) in (1..).zip(&files).zip(MIGRATIONS) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(&format!("{number:03}_")), "{name}");
            assert_eq!(std::fs::read_to_string(file).unwrap(), *listed);
        }
    }

    #[test]
    fn a_later_migration_finds_the_rows_of_the_earlier_schema() {
        let mut conn = memory();
        migrate(&mut conn).unwrap();
        conn.execute("INSERT INTO chat (k, v) VALUES (x'01', x'02')", []).unwrap();
        let two = [MIGRATIONS[0], "ALTER TABLE chat ADD COLUMN later BLOB; UPDATE chat SET later = v;"];
        apply(&mut conn, &two).unwrap();
        let later: Vec<u8> = conn.query_row("SELECT later FROM chat", [], |row| row.get(0)).unwrap();
        assert_eq!(later, [2]);
        let refused = migrate(&mut conn).unwrap_err();
        assert!(matches!(refused, OpenError::NewerVersion { found: 2, known: 1 }), "{refused:?}");
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut conn = memory();
        migrate(&mut conn).unwrap();
        let before = tables(&conn);
        let broken = [MIGRATIONS[0], "CREATE TABLE extra (x); CREATE TABLE chat (x);"];
        apply(&mut conn, &broken).unwrap_err();
        assert_eq!(tables(&conn), before);
        migrate(&mut conn).unwrap();
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let mut conn = memory();
        conn.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(migrate(&mut conn), Err(OpenError::Corrupt)));
        assert_eq!(tables(&conn).len(), 1);
    }
}
