//! Who sends more than we said we take is read later; others and those whom we know are not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use undertone_base::Unix;
use undertone_node::NodeConfig;
use undertone_runtime::{Clock, Environment, ManualClock};
use undertone_transport::OpenWith;
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{Envelope, Header, RateLimits, Stats, Topic};

use crate::hostile::Liar;
use crate::{Actor, lab, person, relay};

/// Packets a second that a peer may send. A bucket holds a second of it, and as much may be owed.
const LIMIT: u32 = 20;

/// Bytes in an envelope of the flood: a read of a socket holds one of them or two, so that a pause comes in time.
const SIZE: usize = 40 * 1_024;

fn limited(seed: u64) -> NodeConfig {
    let mut config = relay(seed);
    config.packet_limits = RateLimits { peer: LIMIT.into(), ..RateLimits::NONE };
    config
}

/// A packet with one envelope that is good, and like no other.
fn packet(number: u32, size: usize) -> Vec<u8> {
    let now: Unix = Clock::system().now().unix;
    let header =
        Header { expiry: u32::try_from(now.secs()).unwrap() + 60, ttl: 60, topic: Topic::of("flood") };
    let mut data = vec![0x5a; size];
    data[..4].copy_from_slice(&number.to_be_bytes());
    let mut nonce = 0;
    let envelope = loop {
        let envelope = Envelope::new(header, &data, nonce);
        if envelope.strict_pow() >= 0.000_01 {
            break envelope;
        }
        nonce += 1;
    };
    let [.., high, low] = envelope.bytes().len().to_be_bytes();
    [&[0xf9, high, low], envelope.bytes()].concat()
}

async fn stats(actor: &Actor) -> Stats {
    actor.node.envelope_stats().await.unwrap()
}

async fn settled(actor: &Actor, packets: u64) -> Stats {
    loop {
        let stats = stats(actor).await;
        if stats.accepted + stats.too_many >= packets {
            return stats;
        }
        tokio::task::yield_now().await;
    }
}

/// A peer that floods is read at the pace that it was told, and keeps its link; what an honest one says meanwhile arrives
/// at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_peer_is_slowed_and_no_other() {
    let mut relay = Actor::start(230, limited(230)).await;
    let peers = [relay.node.enode()];
    let alice = Actor::start(231, person(231, &peers)).await;
    let mut bob = Actor::start(232, person(232, &peers)).await;
    bob.listen(OpenWith::ByRoute, lab()).await;
    relay.peers(2).await;
    let liar = Liar::connect(233, &relay).await;
    relay.peers(3).await;
    liar.say(PacketCode::STATUS, &Status::default().encode());
    let started = Instant::now();
    let sent = AtomicU32::new(0);
    // As much as the link takes, without end.
    let flood = async {
        loop {
            let number = sent.load(Ordering::Relaxed);
            sent.fetch_add(
                u32::from(liar.offer(PacketCode::MESSAGES, packet(number, SIZE))),
                Ordering::Relaxed,
            );
            tokio::task::yield_now().await;
        }
    };
    let honest = async {
        while stats(&relay).await.deferred == 0 {
            tokio::task::yield_now().await;
        }
        alice.send(1, lab(), None, "meanwhile").await;
        assert_eq!(bob.received().await.payload, b"meanwhile");
        // Whoever waited for the end of the flood would hear nothing: it has none.
        let wanted = stats(&relay).await.accepted.max(u64::from(LIMIT) * 5);
        while stats(&relay).await.accepted < wanted + 1 {
            tokio::task::yield_now().await;
        }
        wanted
    };
    let wanted = tokio::select! {
        wanted = honest => wanted,
        () = flood => unreachable!("it has no end"),
    };
    // Two seconds' worth at once, then a second's worth a second.
    let least = Duration::from_secs(2);
    assert!(started.elapsed() >= least, "{wanted} in {:?}", started.elapsed());
    assert_eq!(relay.node.peers().len(), 3, "the flooder keeps its link below ten times the limit");
    liar.stop().await;
    for actor in [alice, bob, relay] {
        actor.stop().await;
    }
}

/// Whoever is trusted, or becomes it, loses nothing and is not slowed. On one thread, so that the whole burst is in one
/// read; and the relay's clock stands, so that a slow machine forgives nothing.
#[tokio::test]
async fn who_is_trusted_is_free_of_limits() {
    const BURST: u32 = LIMIT * 4;
    let clock = ManualClock::new(Clock::system().now());
    let standing = Environment::fixed(240, Clock::manual(clock.clone()), BTreeMap::new());
    let mut relay = Actor::start_in(240, limited(240), &standing).await;
    let liar = Liar::connect(241, &relay).await;
    relay.peers(1).await;
    liar.say(PacketCode::STATUS, &Status::default().encode());
    for number in 0..BURST {
        liar.say(PacketCode::MESSAGES, &packet(number, 300));
    }
    let bound = settled(&relay, BURST.into()).await;
    assert!(bound.deferred > 0 && bound.too_many > 0, "{bound:?}");
    liar.stop().await;
    // Its link is read again, to its end.
    clock.advance(Duration::from_secs(5));
    relay.peers(0).await;

    let friend = Liar::with_key(242, &relay, |key| relay.node.admin_add_trusted_peer(key)).await;
    relay.peers(1).await;
    friend.say(PacketCode::STATUS, &Status::default().encode());
    for number in BURST..2 * BURST {
        friend.say(PacketCode::MESSAGES, &packet(number, 300));
    }
    let free = settled(&relay, (2 * BURST).into()).await;
    assert_eq!(free.accepted - bound.accepted, u64::from(BURST), "{free:?}");
    assert_eq!((free.deferred, free.too_many), (bound.deferred, bound.too_many));
    friend.stop().await;
    relay.stop().await;
}
