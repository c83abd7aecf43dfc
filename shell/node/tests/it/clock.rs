//! A person whose clock is wrong is told so, by peers that refuse what they send for its time, while they are there.

use std::collections::BTreeMap;
use std::time::Duration;

use undertone_base::Now;
use undertone_node::{ClockNotice, NodeConfig, NodeEvent};
use undertone_runtime::{Clock, Environment, ManualClock};
use undertone_support::until_async;

use crate::{Actor, LONG, lab, person, relay};

/// A clock that stands at a time, or so far before or after it: how far two are apart is the same however slow the
/// machine is.
fn standing(seed: u64, mut now: Now, seconds: i64) -> Environment {
    let unix = i64::try_from(now.unix.secs()).unwrap() + seconds;
    now.unix = undertone_base::Unix::from_secs(u64::try_from(unix).unwrap());
    Environment::fixed(seed, Clock::manual(ManualClock::new(now)), BTreeMap::new())
}

async fn notice_of(seed: u64, relays: usize, seconds: i64) -> Option<ClockNotice> {
    let now = Clock::system().now();
    let mut others = Vec::new();
    for n in 0..relays {
        let seed = seed + 1 + n as u64;
        others.push(Actor::start_in(seed, relay(seed), &standing(seed, now, 0)).await);
    }
    let enodes: Vec<_> = others.iter().map(|relay| relay.node.enode()).collect();
    let config: NodeConfig = person(seed, &enodes);
    let mut alice = Actor::start_in(seed, config, &standing(seed, now, seconds)).await;
    alice.peers(relays).await;
    while alice.node.peer_wishes().await.unwrap().iter().any(|peer| peer.whisper.is_none()) {
        tokio::task::yield_now().await;
    }
    alice.send(1, lab(), None, "at another time").await;
    let refused = || async { alice.node.envelope_stats().await.unwrap().refused_for_clock };
    while refused().await < relays as u64 {
        tokio::task::yield_now().await;
    }
    // Its next look at the clocks is due within two seconds; what few sources say is not even told then.
    let patience = if relays < 3 { Duration::from_secs(5) } else { LONG };
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
    let ahead = notice_of(200, 3, 25).await.unwrap();
    assert_eq!((ahead.sources, ahead.to_string().as_str()), (3, "your clock is about 10 s ahead"));
    let behind = notice_of(210, 3, -300).await.unwrap();
    assert_eq!((behind.sources, behind.to_string().as_str()), (3, "your clock is about 20 s behind"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_are_not() {
    assert_eq!(notice_of(220, 2, 25).await, None);
}
