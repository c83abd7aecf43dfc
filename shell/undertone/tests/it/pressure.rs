//! An application that is slow to read.

use std::collections::BTreeSet;

use tokio::task::JoinSet;
use undertone::limits;
use undertone_messenger::{MessageState, Notice};

use undertone::ClientEvent;

use crate::{LONG, Person, Relay, chat, lab};

/// Requests are answered while nobody reads events, whatever waits; what came meanwhile is there afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_while_nobody_reads_events() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(300).await);
    let mut alice = Person::open(301, &dir.path().join("alice"), &[relay.enode()]).await;
    let mut bob = Person::open(302, &dir.path().join("bob"), &[relay.enode()]).await;
    alice.peers(1).await;
    bob.peers(1).await;

    // More notices than all queues on the way hold: each send makes at least two.
    let count = limits::EVENTS + 100;
    let mut sends = JoinSet::new();
    for n in 0..count {
        let client = alice.client.clone();
        sends.spawn(async move { client.send_text(lab(), &format!("line {n}")).await });
    }
    let mut ids = Vec::new();
    let answered = async {
        while let Some(outcome) = sends.join_next().await {
            ids.push(outcome.unwrap().unwrap());
        }
    };
    tokio::time::timeout(LONG, answered).await.expect("answers without a reader");
    assert_eq!(ids.len(), count);
    assert_eq!(alice.stored(lab()).await.len(), count);

    // Bob's message waits in the network or in the queues; the application finds it when it reads at last.
    let id = bob.client.send_text(chat(alice.me()), "Are you there?").await.unwrap();
    let mut own = 0;
    let mut of_bob = 0;
    while own < count || of_bob == 0 {
        let ClientEvent::Notice(Notice::Message(message)) = alice.next().await else { continue };
        match message.state {
            MessageState::Received => {
                assert_eq!(message.id, id);
                of_bob += 1;
            }
            _ => own += 1,
        }
    }
    assert_eq!((own, of_bob), (count, 1));
    bob.state(id, MessageState::Delivered).await;
    for person in [alice, bob] {
        person.stop().await;
    }
    relay.stop().await;
}

/// More queries at once than the store's queue holds: all are answered, and nothing that arrives is lost for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_queries_crowd_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    let alice = Person::open(311, dir.path(), &[]).await;
    let mut queries = JoinSet::new();
    for n in 0..3_000 {
        let client = alice.client.clone();
        queries.spawn(async move {
            match n % 10 {
                0 => client.send_text(lab(), &format!("line {n}")).await.map(|_| 0),
                _ => client.messages(lab(), 10).await.map(|page| page.len()),
            }
        });
    }
    let mut answered = 0;
    while let Some(outcome) = queries.join_next().await {
        outcome.unwrap().unwrap();
        answered += 1;
    }
    assert_eq!(answered, 3_000);
    assert_eq!(alice.stored(lab()).await.len(), 300);
    alice.stop().await;
}

/// A query that nobody waits for any more still stands in the store's queue: it counts until it was run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_queries_crowd_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    let alice = Person::open(341, dir.path(), &[]).await;
    for n in 0..100 {
        alice.client.send_text(lab(), &format!("line {n}")).await.unwrap();
    }
    for _ in 0..3_000 {
        tokio::select! {
            biased;
            _ = alice.client.messages(lab(), 1_000) => {}
            () = std::future::ready(()) => {}
        }
    }
    alice.client.send_text(lab(), "still here").await.unwrap();
    assert_eq!(alice.stored(lab()).await.len(), 101);
    alice.stop().await;
}

/// What was written down is not called refused because the client stops: whoever repeats it would say it twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_was_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let alice = Person::open(331, dir.path(), &[]).await;
    let mut sends = JoinSet::new();
    for n in 0..400 {
        let client = alice.client.clone();
        sends.spawn(async move { client.send_text(lab(), &format!("line {n}")).await });
    }
    let mut written = BTreeSet::new();
    written.extend(sends.join_next().await.unwrap().unwrap());
    alice.stop().await;
    while let Some(outcome) = sends.join_next().await {
        written.extend(outcome.unwrap());
    }
    let alice = Person::open(331, dir.path(), &[]).await;
    let stored: BTreeSet<_> = alice.stored(lab()).await.into_iter().map(|message| message.id).collect();
    assert_eq!(stored.len(), written.len());
    assert_eq!(stored, written);
    alice.stop().await;
}

/// Requests without end do not keep out what comes from the network.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_never_stops_asking_still_hears() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(350).await);
    let mut alice = Person::open(351, &dir.path().join("alice"), &[relay.enode()]).await;
    let mut bob = Person::open(352, &dir.path().join("bob"), &[relay.enode()]).await;
    alice.peers(1).await;
    bob.peers(1).await;
    alice.client.open_chat(lab()).await.unwrap();
    let mut askers = JoinSet::new();
    for _ in 0..2 * limits::REQUESTS {
        let client = alice.client.clone();
        // Changes nothing, so it makes no events.
        askers.spawn(async move { while client.mark_read(lab()).await.is_ok() {} });
    }
    let id = bob.client.send_text(chat(alice.me()), "Do you hear me?").await.unwrap();
    assert_eq!(alice.received().await.id, id);
    askers.shutdown().await;
    for person in [alice, bob] {
        person.stop().await;
    }
    relay.stop().await;
}

/// Whoever is not interested drops the events, and the client goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_when_its_events_were_dropped() {
    let (dir, relay) = (tempfile::tempdir().unwrap(), Relay::start(320).await);
    let Person { client, events, tasks } =
        Person::open(321, &dir.path().join("alice"), &[relay.enode()]).await;
    drop(events);
    let mut bob = Person::open(322, &dir.path().join("bob"), &[relay.enode()]).await;
    let id = client.send_text(chat(bob.me()), "I do not listen").await.unwrap();
    assert_eq!(bob.received().await.id, id);
    let back = bob.client.send_text(chat(*client.me()), "Noted").await.unwrap();
    bob.state(back, MessageState::Delivered).await;
    assert_eq!(client.messages(chat(bob.me()), 10).await.unwrap().len(), 2);
    assert!(tasks.shutdown(LONG).await.stuck.is_empty());
    bob.stop().await;
    relay.stop().await;
}
