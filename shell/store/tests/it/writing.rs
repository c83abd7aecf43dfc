//! Batches, savepoints, order, and the ends of a writer.

use undertone_base::FaultClass;
use undertone_messenger::store::{StoreTx as _, Table};
use undertone_runtime::block_on;
use undertone_store::{SubmitError, WriterError, limits};

use crate::common::{Hold, Place, Refusal, Tell, dump, rows, writer};

#[test]
fn inputs_that_wait_share_one_commit() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    let hold = Hold::of(&writer);
    let answers: Vec<_> = (0..130).map(|n| writer.try_submit(Tell::Note(n)).unwrap()).collect();
    drop(hold);
    for (n, answer) in (0..).zip(answers) {
        assert_eq!(block_on(answer), Ok(n));
    }
    let stats = writer.stats();
    assert_eq!((stats.done, stats.batches), (130, 3), "64 + 64 + 2");
    writer.close_blocking().unwrap();
    assert_eq!(dump(&mut place.open()).len(), 260);
}

#[test]
fn a_batch_ends_with_its_window() {
    let place = Place::new();
    let (writer, clock) = writer(&place);
    let hold = Hold::of(&writer);
    let answers: Vec<_> = (0..4).map(|n| writer.try_submit(Tell::Slow(n, clock.clone())).unwrap()).collect();
    drop(hold);
    assert!(answers.into_iter().all(|answer| block_on(answer).is_ok()));
    assert_eq!(writer.stats().batches, 4);
}

#[test]
fn a_refused_input_leaves_every_row_and_its_neighbours() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    writer.submit_blocking(Tell::Note(0)).unwrap();
    let before = writer.read_blocking(rows).unwrap().unwrap();
    assert_eq!(writer.submit_blocking(Tell::Refuse), Err(SubmitError::Machine(Refusal::Asked)));
    assert_eq!(writer.read_blocking(rows).unwrap().unwrap(), before);

    let hold = Hold::of(&writer);
    let answers = [Tell::Note(1), Tell::Refuse, Tell::Note(2)].map(|tell| writer.try_submit(tell).unwrap());
    drop(hold);
    let outcomes = answers.map(block_on);
    assert_eq!(outcomes, [Ok(1), Err(SubmitError::Machine(Refusal::Asked)), Ok(2)]);
    let stats = writer.stats();
    assert_eq!((stats.done, stats.refused, stats.failed), (3, 2, 0));
    let after = writer.read_blocking(rows).unwrap().unwrap();
    assert_eq!(after.len(), 6);
    assert!(after.iter().all(|(table, ..)| *table != Table::Chat));
}

#[test]
fn a_query_sees_what_was_queued_before_it_and_nothing_after() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    let hold = Hold::of(&writer);
    let first = writer.try_submit(Tell::Note(1)).unwrap();
    let mut query = Box::pin(
        writer.read(|tx| (tx.get(Table::Message, &[0, 0, 0, 1]), tx.get(Table::Message, &[0, 0, 0, 2]))),
    );
    // One poll queues the query.
    let waker = std::task::Waker::noop();
    assert!(query.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    let second = writer.try_submit(Tell::Note(2)).unwrap();
    drop(hold);
    let (seen, unseen) = block_on(query).unwrap();
    assert!(seen.unwrap().is_some());
    assert_eq!(unseen, Ok(None));
    assert_eq!((block_on(first), block_on(second)), (Ok(1), Ok(2)));
    assert_eq!(writer.stats().batches, 2);
}

#[test]
fn a_panic_fails_its_batch_and_ends_the_writer() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    writer.submit_blocking(Tell::Note(0)).unwrap();
    let hold = Hold::of(&writer);
    let answers = [Tell::Note(1), Tell::Panic, Tell::Note(2)].map(|tell| writer.try_submit(tell).unwrap());
    drop(hold);
    for outcome in answers.map(block_on) {
        assert_eq!(outcome, Err(SubmitError::Writer(WriterError::Panicked)));
    }
    assert!(matches!(WriterError::Panicked.fault(), FaultClass::Bug(_)));
    assert_eq!(writer.submit_blocking(Tell::Note(3)), Err(SubmitError::Writer(WriterError::Panicked)));
    assert_eq!(writer.close_blocking(), Err(WriterError::Panicked));
    assert_eq!(dump(&mut place.open()).len(), 2, "what was committed before is there");
}

#[test]
fn a_query_that_panics_harms_nobody() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    let answer = writer.read_blocking(|_| panic!("on purpose"));
    assert_eq!(answer, Err::<(), _>(WriterError::Panicked));
    assert_eq!(writer.submit_blocking(Tell::Note(1)), Ok(1));
}

#[test]
fn a_full_queue_says_so() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    let hold = Hold::of(&writer);
    let answers: Vec<_> = (0..).map_while(|n| writer.try_submit(Tell::Note(n)).ok()).collect();
    assert_eq!(answers.len(), limits::QUEUE);
    let full = writer.try_submit(Tell::Note(0)).map(|_| ());
    assert_eq!(full, Err(WriterError::Full { limit: limits::QUEUE }));
    drop(hold);
    assert!(answers.into_iter().all(|answer| block_on(answer).is_ok()));
    let stats = writer.stats();
    assert_eq!(stats.done, 1024);
    assert_eq!(stats.batches, 16);
}

#[test]
fn closing_does_what_waits_and_refuses_what_comes_later() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    let other = writer.clone();
    let hold = Hold::of(&writer);
    let answer = writer.try_submit(Tell::Note(1)).unwrap();
    drop(hold);
    writer.close_blocking().unwrap();
    assert_eq!(block_on(answer), Ok(1));
    assert_eq!(other.submit_blocking(Tell::Note(2)), Err(SubmitError::Writer(WriterError::Closed)));
    assert_eq!(other.try_submit(Tell::Note(2)).unwrap_err(), WriterError::Closed);
    assert_eq!(other.read_blocking(|_| ()), Err(WriterError::Closed));
    assert!(!place.beside("-wal").exists(), "a closed database is one file");
    assert_eq!(dump(&mut place.open()).len(), 2);
}

#[test]
fn a_caller_that_went_away_does_not_undo_its_input() {
    let place = Place::new();
    let (writer, _) = writer(&place);
    drop(writer.try_submit(Tell::Note(1)).unwrap());
    assert_eq!(writer.read_blocking(rows).unwrap().unwrap().len(), 2);
}
