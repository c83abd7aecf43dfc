//! A person whose clock is wrong is told so, by peers that refuse what they send for its time, while they are there, and by
//! how fresh what comes is.

use std::collections::BTreeMap;
use std::time::Duration;

use undertone_base::Now;
use undertone_node::{ClockNotice, NodeEvent};
use undertone_runtime::{Clock, Environment, ManualClock};
use undertone_support::until_async;
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{Envelope, Header, Topic};

use crate::hostile::Liar;
use crate::{Actor, LONG, lab, person, relay};

/// A clock that stands at a time, or so far before or after it: how far two are apart is the same however slow the
/// machine is.
fn standing(seed: u64, mut now: Now, seconds: i64) -> Environment {
    let unix = i64::try_from(now.unix.secs()).unwrap() + seconds;
    now.unix = undertone_base::Unix::from_secs(u64::try_from(unix).unwrap());
    Environment::fixed(seed, Clock::manual(ManualClock::new(now)), BTreeMap::new())
}

/// What a person is told whose clock is so far off, with so many relays that refuse what it sends and so many that
/// take it.
async fn notice_of(seed: u64, (relays, silent): (usize, usize), seconds: i64) -> Option<ClockNotice> {
    let now = Clock::system().now();
    let mut others = Vec::new();
    for n in 0..relays + silent {
        let seed = seed + 1 + n as u64;
        // Whose clock is as wrong as ours has nothing to say of it.
        let theirs = if n < relays { 0 } else { seconds };
        others.push(Actor::start_in(seed, relay(seed), &standing(seed, now, theirs)).await);
    }
    let enodes: Vec<_> = others.iter().map(|relay| relay.node.enode()).collect();
    let config = person(seed, &enodes);
    let mut alice = Actor::start_in(seed, config, &standing(seed, now, seconds)).await;
    alice.peers(relays + silent).await;
    while alice.node.peer_wishes().await.unwrap().iter().any(|peer| peer.whisper.is_none()) {
        tokio::task::yield_now().await;
    }
    alice.send(1, lab(), None, "at another time").await;
    let refused = || async { alice.node.envelope_stats().await.unwrap().refused_for_clock };
    while refused().await < relays as u64 {
        tokio::task::yield_now().await;
    }
    // Its next look at the clocks is due within two seconds; what two of three say is not even told then.
    let patience = if silent > 0 { Duration::from_secs(5) } else { LONG };
    let mut notice = None;
    until_async(patience, || {
        while let Ok(event) = alice.events.try_recv() {
            if let NodeEvent::Clock(said) = event {
                notice = Some(said);
            }
        }
        notice.is_some()
    })
    .await;
    let sources = || alice.node.health().clock.sources;
    assert_eq!(sources(), notice.map_or(0, |notice| notice.sources));
    for relay in others {
        relay.stop().await;
    }
    let forgotten = until_async(LONG, || sources() == 0).await;
    assert!(forgotten, "whoever is gone has no voice");
    alice.stop().await;
    notice
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_peers_that_refuse_for_time_are_believed() {
    let ahead = notice_of(200, (3, 0), 25).await.unwrap();
    assert_eq!((ahead.sources, ahead.to_string().as_str()), (3, "your clock is at least 10 s ahead"));
    let behind = notice_of(210, (3, 0), -300).await.unwrap();
    assert_eq!((behind.sources, behind.to_string().as_str()), (3, "your clock is at least 20 s behind"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_are_not() {
    assert_eq!(notice_of(220, (2, 1), 25).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_or_two_are_believed_where_there_are_no_more() {
    let one = notice_of(250, (1, 0), 25).await.unwrap().to_string();
    assert_eq!(one, "your clock is at least 10 s ahead, by the word of one relay alone");
    let two = notice_of(260, (2, 0), -60).await.unwrap().to_string();
    assert_eq!(two, "your clock is at least 20 s behind, by the word of two relays alone");
}

/// A packet with one envelope that was sealed at this time. How dear it is does not matter: its time is looked at first.
fn fresh(sent: u64, number: u64) -> Vec<u8> {
    let expiry = u32::try_from(sent + 15).unwrap();
    let header = Header { expiry, ttl: 15, topic: Topic::of("busy") };
    let envelope = Envelope::new(header, &number.to_be_bytes(), number);
    let len = u8::try_from(envelope.bytes().len()).unwrap();
    assert!(len < 56, "a list with a header of one byte");
    [&[0xc0 + len], envelope.bytes()].concat()
}

/// What a person reads who sends nothing, whose clock is so far ahead, and whose relays carry something in each second. Time
/// goes by the hand.
async fn figure_of(seed: u64, relays: u64, ahead: i64) -> String {
    let mut now = Clock::system().now();
    now.unix = undertone_base::Unix::from_secs(now.unix.secs());
    let hand = ManualClock::new(now);
    let env = Environment::fixed(seed, Clock::manual(hand.clone()), BTreeMap::new());
    let mut alice = Actor::start_in(seed, relay(seed), &env).await;
    let mut others = Vec::new();
    for n in 1..=relays {
        let other = Liar::connect(seed + n, &alice).await;
        other.say(PacketCode::STATUS, &Status::default().encode());
        others.push(other);
    }
    alice.peers(usize::try_from(relays).unwrap()).await;
    for second in 1..=16 {
        hand.advance(Duration::from_secs(1));
        let sent = hand.now().unix.secs().checked_add_signed(-ahead).unwrap();
        for (n, other) in (0..).zip(&others) {
            other.say(PacketCode::MESSAGES, &fresh(sent, 100 * second + n));
        }
        while {
            let stats = alice.node.envelope_stats().await.unwrap();
            stats.early + stats.expired < second * relays
        } {
            tokio::task::yield_now().await;
        }
    }
    let mut said = None;
    let heard = until_async(LONG, || {
        while let Ok(event) = alice.events.try_recv() {
            if let NodeEvent::Clock(notice) = event {
                said = Some(notice.to_string());
            }
        }
        said.is_some()
    });
    assert!(heard.await, "{relays} relays, {ahead} s");
    for other in others {
        other.stop().await;
    }
    alice.stop().await;
    said.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sends_nothing_reads_the_figure_by_what_relays_bring() {
    for (n, ahead, says) in [
        (0, 25, "your clock is about 25 s ahead"),
        (1, -25, "your clock is about 25 s behind"),
        (2, 60, "your clock is about 60 s ahead"),
        (3, -300, "your clock is about 300 s behind"),
    ] {
        let one = figure_of(300 + 10 * n, 1, ahead).await;
        assert_eq!(one, format!("{says}, by the word of one relay alone"));
        assert_eq!(figure_of(350 + 10 * n, 3, ahead).await, says);
    }
}
