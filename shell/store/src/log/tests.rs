//! Deaths in the middle of an erasure, readers in its way, and when it is due.

use std::fs;
use std::path::PathBuf;

use undertone_base::Secret;
use undertone_messenger::store::{StoreTx as _, Table};

use super::*;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.0.path().join(format!("x.db{suffix}"))
    }

    fn open(&self) -> Database {
        Database::open(&self.file(""), &Secret::new([1; 32]), &mut undertone_support::rng(1)).unwrap()
    }

    /// Another directory with the same files and this log.
    fn with_log(&self, log: &[u8]) -> Self {
        let copy = Self::new();
        for suffix in ["", ".salt"] {
            fs::copy(self.file(suffix), copy.file(suffix)).unwrap();
        }
        fs::write(copy.file("-wal"), log).unwrap();
        copy
    }
}

fn put(database: &mut Database, n: u8) {
    let rows = |tx: &mut crate::SqlTx<'_>| {
        tx.put(Table::Session, b"session", &[n; 300])?;
        tx.put(Table::Message, &[n], &[n; 3000])
    };
    database.transact(rows).unwrap();
}

/// The replaced row and how many there are of the others, in a file that SQLite finds nothing wrong with.
fn newest(place: &Place) -> (u8, usize) {
    let mut database = place.open();
    let sound: String = database.conn().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let read = |tx: &mut crate::SqlTx<'_>| {
        let row = tx.get(Table::Session, b"session")?.unwrap_or_default();
        Ok::<_, StoreError>((
            row[0],
            (1..=u8::MAX).filter(|n| tx.get(Table::Message, &[*n]).unwrap().is_some()).count(),
        ))
    };
    database.transact(read).unwrap()
}

#[test]
fn whoever_dies_while_the_log_is_erased_has_every_row() {
    let place = Place::new();
    let mut database = place.open();
    (1..=20).for_each(|n| put(&mut database, n));
    assert!(database.checkpoint("PRAGMA wal_checkpoint(RESTART)").unwrap());
    let log = fs::read(place.file("-wal")).unwrap();
    let header = usize::try_from(HEADER).unwrap();
    let headless = [&vec![0; header], &log[header..]].concat();
    assert_eq!(newest(&place.with_log(&log)), (20, 20), "not begun");
    assert_eq!(newest(&place.with_log(&headless)), (20, 20), "the header only");
    // In which order the disk takes what follows is its own affair.
    for (first, last) in [(header, log.len() / 2), (log.len() / 2, log.len()), (header, log.len())] {
        let mut half = headless.clone();
        half[first..last].fill(0);
        assert_eq!(newest(&place.with_log(&half)), (20, 20), "{first} to {last}");
        assert_eq!(newest(&place.with_log(&half[..last])), (20, 20), "cut at {last}");
    }
    // Why the header is first: with it, what is left of the log is a log.
    let mut wrong = log.clone();
    wrong[log.len() / 2..].fill(0);
    let copy = place.with_log(&wrong);
    let old = std::panic::catch_unwind(|| newest(&copy));
    assert!(old.is_err() || old.is_ok_and(|found| found != (20, 20)), "the test would see it");
}

#[test]
fn the_log_is_overwritten_before_it_is_cut_off() {
    let place = Place::new();
    let mut database = place.open();
    (1..=20).for_each(|n| put(&mut database, n));
    let before = fs::read(database.log_path()).unwrap();
    let copy = place.file("-copy");
    fs::write(&copy, &before).unwrap();
    overwrite(&copy).unwrap();
    assert_eq!(fs::read(&copy).unwrap(), vec![0; before.len()]);
    assert!(database.erase_log().unwrap());
    assert_eq!(fs::read(database.log_path()).unwrap(), b"");
    assert!(overwrite(&place.file("-nowhere")).is_err());
}

#[test]
fn a_reader_puts_it_off_and_sees_what_it_saw() {
    let place = Place::new();
    let mut database = place.open();
    put(&mut database, 1);
    let reader = place.open();
    reader.begin_read().unwrap();
    let rows = |of: &Database| -> u32 {
        of.conn().query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows(&reader), 1);
    put(&mut database, 2);
    assert_eq!(database.renew_log(), Ok(false));
    let waits: u128 =
        database.conn().query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0)).unwrap().into();
    assert_eq!(waits, limits::BUSY_TIMEOUT.as_millis(), "a message waits as before");
    assert_eq!(rows(&reader), 1, "as when it began");
    put(&mut database, 3);
    reader.roll_back();
    assert_eq!(rows(&reader), 3);
    assert_eq!(database.renew_log(), Ok(true));
    assert_eq!((rows(&reader), rows(&database)), (3, 3));
    put(&mut database, 4);
    assert_eq!((rows(&reader), rows(&database)), (4, 4));
    drop(reader);
    drop(database);
    assert_eq!(newest(&place), (4, 4));
}

#[test]
fn somebody_elses_commit_is_not_overwritten() {
    let place = Place::new();
    let mut database = place.open();
    put(&mut database, 1);
    let mut other = place.open();
    for n in 2..40 {
        put(&mut other, n);
        assert!(database.renew_log().is_ok());
    }
    other.begin().unwrap();
    assert_eq!(database.renew_log(), Ok(false), "another writes");
    other.roll_back();
    assert_eq!(database.renew_log(), Ok(true));
    drop((database, other));
    assert_eq!(newest(&place), (39, 39));
}

#[test]
fn it_is_due_after_a_second_of_quiet_and_at_the_latest_after_two() {
    let at = |millis: u64| Mono::ZERO.after(Duration::from_millis(millis));
    let left = |keeping: &Keeping, millis| keeping.wait(at(millis), false).map(|d| d.as_millis());
    let mut keeping = Keeping::default();
    assert_eq!(left(&keeping, 0), None);
    keeping.committed(at(5000));
    assert_eq!(left(&keeping, 5000), Some(1000));
    keeping.committed(at(5900));
    assert_eq!(left(&keeping, 6000), Some(900));
    keeping.committed(at(6800));
    assert_eq!(left(&keeping, 6800), Some(200), "two seconds after the first");
    assert_eq!(left(&keeping, 9000), Some(0));
    assert_eq!(keeping.wait(at(6800), true), Some(Duration::ZERO), "full");
    keeping.refused(at(7000));
    assert_eq!(left(&keeping, 7000), Some(5000), "not at once");
    assert_eq!(keeping.wait(at(7000), true), Some(limits::LOG_RETRY));
    assert_eq!(left(&keeping, 12_000), Some(0));
    keeping.erased();
    assert_eq!(left(&keeping, 12_000), None);
}
