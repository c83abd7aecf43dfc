//! Faults: the n-th write fails, the disk is full, the commit fails, SQLite rolls back by itself.

use undertone_base::{Now, Secret, StoreError};
use undertone_messenger::store::{Keys, Order, StoreTx as _, Table};
use undertone_runtime::{Clock, ManualClock, block_on};

use super::*;
use crate::writer::{Answer, Stats, Writer};

/// Writes so many rows of its own and answers the number it was given.
struct Rows {
    count: u8,
    /// Goes on after an error and answers `Ok`, as a careless machine would.
    swallows: bool,
}

impl Machine for Rows {
    type Input = u8;
    type Output = u8;
    type Error = StoreError;

    fn step(&mut self, tx: &mut SqlTx<'_>, input: u8) -> Result<u8, StoreError> {
        for n in 0..self.count {
            let written = tx.put(Table::Message, &[input, n], &[input; 512]);
            if !self.swallows {
                written?;
            }
        }
        Ok(input)
    }
}

fn database(dir: &tempfile::TempDir) -> Database {
    Database::open(&dir.path().join("x.db"), &Secret::new([1; 32]), &mut undertone_support::rng(1)).unwrap()
}

/// After `allowed` more inserts, each insert into `message` raises, in this way, until the fuse is changed.
fn fuse(database: &Database, allowed: u32, way: &str) {
    let sql = format!(
        "CREATE TEMP TABLE fuse (left INTEGER);
         INSERT INTO fuse VALUES ({allowed});
         CREATE TEMP TRIGGER burn BEFORE INSERT ON main.message BEGIN
             SELECT RAISE({way}, 'fuse') FROM fuse WHERE left <= 0;
             UPDATE fuse SET left = left - 1;
         END;"
    );
    database.conn().execute_batch(&sql).unwrap();
}

fn start(database: Database, machine: Rows) -> Writer<Rows> {
    // Its log is erased by no clock.
    let still = Clock::manual(ManualClock::new(Now::default()));
    Writer::start(database, machine, still).unwrap()
}

/// Queues all inputs while the thread is held by a query, so that they make one batch.
fn together(writer: &Writer<Rows>, inputs: &[u8]) -> Vec<Outcome<Rows>> {
    let (begun, has_begun) = std::sync::mpsc::sync_channel(0);
    let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
    let holder = writer.clone();
    let held = std::thread::spawn(move || {
        holder.read_blocking(move |_| {
            begun.send(()).unwrap();
            let _ = released.recv();
        })
    });
    has_begun.recv().unwrap();
    let answers: Vec<Answer<Rows>> = inputs.iter().map(|n| writer.try_submit(*n).unwrap()).collect();
    drop(release);
    held.join().unwrap().unwrap();
    answers.into_iter().map(block_on).collect()
}

fn keys(writer: &Writer<Rows>) -> Vec<Vec<u8>> {
    let rows = writer.read_blocking(|tx| tx.scan(Table::Message, Keys::ALL, Order::Ascending, usize::MAX));
    rows.unwrap().unwrap().into_iter().map(|(k, _)| k).collect()
}

const UNAVAILABLE: StoreError = StoreError::Unavailable;

#[test]
fn a_fault_at_the_nth_write_undoes_that_input_alone() {
    for allowed in 0..=9u8 {
        for swallows in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let database = database(&dir);
            fuse(&database, u32::from(allowed), "FAIL");
            let writer = start(database, Rows { count: 3, swallows });
            let outcomes = together(&writer, &[1, 2, 3]);
            let whole = allowed / 3;
            for (n, outcome) in (1..=3).zip(outcomes) {
                match (n <= whole, swallows) {
                    (true, _) => assert_eq!(outcome, Ok(n)),
                    (false, false) => assert_eq!(outcome, Err(SubmitError::Machine(UNAVAILABLE))),
                    (false, true) => assert_eq!(outcome, Err(SubmitError::Writer(UNAVAILABLE.into()))),
                }
            }
            let expected: Vec<_> = (1..=whole).flat_map(|n| (0..3).map(move |row| vec![n, row])).collect();
            assert_eq!(keys(&writer), expected, "{allowed} writes allowed");
        }
    }
}

#[test]
fn when_sqlite_rolls_back_by_itself_the_batch_fails_and_nothing_slips_through() {
    for swallows in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let database = database(&dir);
        fuse(&database, 4, "ROLLBACK");
        let writer = start(database, Rows { count: 3, swallows });
        let outcomes = together(&writer, &[1, 2]);
        assert_eq!(outcomes, [(); 2].map(|()| Err(SubmitError::Writer(UNAVAILABLE.into()))));
        assert!(keys(&writer).is_empty(), "the first input was done, but never committed");
        assert_eq!(writer.stats(), Stats { failed: 2, ..Stats::default() });
        // The roll back has restored the fuse: the writer goes on.
        assert_eq!(writer.submit_blocking(9), Ok(9));
        assert_eq!(keys(&writer).len(), 3);
    }
}

#[test]
fn a_commit_that_fails_lets_no_output_out() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir);
    // A deferred constraint is looked at by the commit and not before.
    database
        .conn()
        .execute_batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (id REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER orphan AFTER INSERT ON message WHEN new.k = x'0200'
             BEGIN INSERT INTO child VALUES (7); END;",
        )
        .unwrap();
    let writer = start(database, Rows { count: 1, swallows: false });
    let outcomes = together(&writer, &[1, 2, 3]);
    assert_eq!(outcomes, [(); 3].map(|()| Err(SubmitError::Writer(UNAVAILABLE.into()))));
    assert!(keys(&writer).is_empty());
    assert_eq!(together(&writer, &[1, 3]), [Ok(1), Ok(3)]);
    assert_eq!(keys(&writer), [[1, 0], [3, 0]]);
    assert_eq!(writer.stats(), Stats { batches: 1, done: 2, failed: 3, ..Stats::default() });
}

#[test]
fn a_full_disk_is_an_error_and_room_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir);
    let pages: u32 = database.conn().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    database.conn().query_row(&format!("PRAGMA max_page_count = {}", pages + 4), [], |_| Ok(())).unwrap();
    let writer = start(database, Rows { count: 64, swallows: false });
    let outcomes = together(&writer, &[1, 2]);
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert!(keys(&writer).is_empty());
    writer.close_blocking().unwrap();
    // The limit belongs to the connection.
    let writer = start(self::database(&dir), Rows { count: 64, swallows: false });
    assert_eq!(together(&writer, &[1, 2]), [Ok(1), Ok(2)]);
    assert_eq!(keys(&writer).len(), 128);
}

#[test]
fn outside_a_transaction_nothing_runs() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir);
    assert_eq!(SqlTx::new(database.conn()).put(Table::Chat, b"k", b"v"), Err(UNAVAILABLE));
    database.begin().unwrap();
    assert_eq!(SqlTx::new(database.conn()).get(Table::Chat, b"k"), Ok(None));
    database.roll_back();
}

#[test]
fn the_settings_are_the_ones_that_the_crate_promises() {
    let dir = tempfile::tempdir().unwrap();
    let database = database(&dir);
    let number = |pragma: &str| -> i64 {
        database.conn().query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(number("synchronous"), 2, "FULL");
    let on = ["foreign_keys", "secure_delete", "cell_size_check", "fullfsync", "checkpoint_fullfsync"];
    assert!(on.iter().all(|pragma| number(pragma) == 1));
    assert_eq!(number("trusted_schema"), 0);
    assert_eq!(number("temp_store"), 2, "MEMORY");
    let text = |pragma: &str| -> String {
        database.conn().query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(text("cipher_page_size"), "4096");
    assert_eq!(text("cipher_hmac_algorithm"), "HMAC_SHA512");
    assert_eq!(text("cipher_use_hmac"), "1");
    assert_eq!(text("cipher_plaintext_header_size"), "0");
    assert_eq!(text("cipher_memory_security"), "1");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let newer = database(&dir);
    newer.conn().execute("UPDATE schema SET version = 99", []).unwrap();
    newer.close().unwrap();
    let refused =
        Database::open(&dir.path().join("x.db"), &Secret::new([1; 32]), &mut undertone_support::rng(1));
    assert_eq!(refused.unwrap_err().to_string(), "the database has schema 99, this version knows up to 1");
}

#[test]
fn a_reader_in_the_way_puts_the_erasure_off_and_it_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let hand = ManualClock::new(Now::default());
    let rows = Rows { count: 1, swallows: false };
    let writer = Writer::start(database(&dir), rows, Clock::manual(hand.clone())).unwrap();
    writer.submit_blocking(1).unwrap();
    let reader = database(&dir);
    reader.begin_read().unwrap();
    reader.conn().query_row("SELECT count(*) FROM message", [], |_| Ok(())).unwrap();
    writer.submit_blocking(2).unwrap();
    hand.advance(limits::LOG_AGE);
    // Between two requests the thread looks at the clock, and tries.
    writer.read_blocking(|_| ()).unwrap();
    writer.read_blocking(|_| ()).unwrap();
    assert_eq!(writer.stats().log_erased, 0);
    reader.roll_back();
    hand.advance(limits::LOG_RETRY);
    assert!(undertone_support::until(Duration::from_secs(60), || writer.stats().log_erased == 1));
    assert_eq!(keys(&writer).len(), 2);
}
