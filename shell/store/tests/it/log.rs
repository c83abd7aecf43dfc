//! What a thief with the account's secret finds in the log: the rows of now, not those of before.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use undertone_messenger::store::{StoreTx as _, Table};
use undertone_store::limits;
use undertone_support::until;

use crate::common::{Place, Tell, scribe_key, writer};

/// Whatever a loaded machine does.
const PATIENCE: Duration = Duration::from_secs(60);
/// A log's header, and a frame of it.
const HEADER: usize = 32;
const FRAME: usize = 24 + 4096;

/// Each value that the replaced row has in one of the states that the files give when the log is cut behind a frame.
fn states(place: &Place) -> BTreeSet<u32> {
    let log = fs::read(place.beside("-wal")).unwrap_or_default();
    let frames = log.len().saturating_sub(HEADER) / FRAME;
    let cuts = std::iter::once(0).chain((0..=frames).map(|n| HEADER + n * FRAME));
    cuts.filter_map(|cut| stolen(place, log.get(..cut)?)).collect()
}

/// The replaced row in a copy of the files with this log.
fn stolen(place: &Place, log: &[u8]) -> Option<u32> {
    let copy = Place::new();
    fs::create_dir_all(copy.database().parent().unwrap()).unwrap();
    fs::copy(place.database(), copy.database()).unwrap();
    fs::copy(place.beside(".salt"), copy.beside(".salt")).unwrap();
    fs::write(copy.beside("-wal"), log).unwrap();
    let row = copy.open().transact(|tx| tx.get(Table::Session, b"session")).unwrap();
    row.map(|row| scribe_key(&row))
}

#[test]
fn a_replaced_key_is_in_no_state_of_the_log_a_second_after_the_last_commit() {
    let place = Place::new();
    let (writer, hand) = writer(&place);
    for n in 0..20 {
        writer.submit_blocking(Tell::Replace(n)).unwrap();
    }
    assert!(states(&place).len() >= 19, "the test sees what is there while the clock stands still");
    hand.advance(limits::LOG_QUIET);
    assert!(until(PATIENCE, || writer.stats().log_erased == 1));
    assert_eq!(states(&place), [19].into());
    // Nothing new, and an input that changes nothing: nothing is done again.
    hand.advance(limits::LOG_QUIET * 3);
    writer.read_blocking(|_| ()).unwrap();
    writer.submit_blocking(Tell::Nothing).unwrap();
    hand.advance(limits::LOG_QUIET * 3);
    writer.read_blocking(|_| ()).unwrap();
    assert_eq!(writer.stats().log_erased, 1);
    writer.submit_blocking(Tell::Replace(20)).unwrap();
    hand.advance(limits::LOG_QUIET);
    assert!(until(PATIENCE, || writer.stats().log_erased == 2));
    assert_eq!(states(&place), [20].into());
}

#[test]
fn a_store_that_is_never_quiet_erases_its_log_all_the_same() {
    let place = Place::new();
    let (writer, hand) = writer(&place);
    let commits = u32::try_from(limits::LOG_COMMITS).unwrap();
    for n in 0..2 * commits {
        writer.submit_blocking(Tell::Replace(n)).unwrap();
    }
    assert!(until(PATIENCE, || writer.stats().log_erased == 2), "by the number of commits");
    assert_eq!(states(&place), [2 * commits - 1].into());

    let step = limits::LOG_QUIET / 2;
    let mut passed = Duration::ZERO;
    while passed <= limits::LOG_AGE {
        writer.submit_blocking(Tell::Replace(commits)).unwrap();
        hand.advance(step);
        passed += step;
    }
    writer.submit_blocking(Tell::Replace(commits)).unwrap();
    assert!(until(PATIENCE, || writer.stats().log_erased == 3), "by the age of the first commit");
}

#[test]
fn the_log_of_a_killed_process_is_erased_when_the_store_is_opened() {
    let place = Place::new();
    let (writer, _hand) = writer(&place);
    for n in 0..5 {
        writer.submit_blocking(Tell::Replace(n)).unwrap();
    }
    let copy = Place::new();
    fs::create_dir_all(copy.database().parent().unwrap()).unwrap();
    for suffix in ["", "-wal", ".salt"] {
        fs::copy(place.beside(suffix), copy.beside(suffix)).unwrap();
    }
    assert!(states(&copy).len() >= 4);
    let open = copy.open();
    assert_eq!(states(&copy), [4].into());
    drop(open);
}

#[test]
fn closing_leaves_nothing_in_the_log_that_goes() {
    let place = Place::new();
    let (writer, _hand) = writer(&place);
    for n in 0..5 {
        writer.submit_blocking(Tell::Replace(n)).unwrap();
    }
    // Another name of the same file: SQLite removes its own.
    fs::hard_link(place.beside("-wal"), place.beside("-kept")).unwrap();
    assert!(fs::metadata(place.beside("-kept")).unwrap().len() > 0);
    writer.close_blocking().unwrap();
    assert!(!place.beside("-wal").exists());
    assert_eq!(fs::read(place.beside("-kept")).unwrap(), b"");
}

#[test]
fn a_program_without_a_writer_keeps_no_more_than_so_many_commits() {
    let place = Place::new();
    let mut database = place.open();
    for n in 0..limits::LOG_COMMITS {
        let n = u32::try_from(n).unwrap().to_be_bytes();
        database.transact(|tx| tx.put(Table::Session, b"session", &n)).unwrap();
    }
    assert_eq!(states(&place).len(), 1);
    let read = database.transact(|tx| tx.get(Table::Session, b"session"));
    assert!(read.unwrap().is_some());
}
