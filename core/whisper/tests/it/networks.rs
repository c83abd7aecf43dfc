//! Relays in lines, rings and meshes: everybody gets it once, nobody gets it back.

use std::time::Duration;

use undertone_transport::conformance::Network;
use undertone_whisper::testing::WhisperNetwork;
use undertone_whisper::{Config, Envelope, Header, Input, Topic};

const SECOND: Duration = Duration::from_secs(1);

fn relays(seed: u64, count: usize, links: impl IntoIterator<Item = (usize, usize)>) -> WhisperNetwork {
    let mut net = WhisperNetwork::bare(seed);
    for _ in 0..count {
        net.add_relay(&Config { min_pow: undertone_whisper::Pow::ZERO, ..Config::default() });
    }
    for (a, b) in links {
        net.link(a, b);
    }
    net.run(SECOND);
    net
}

fn post(net: &mut WhisperNetwork, at: usize, data: &[u8]) -> Envelope {
    let expiry = net.now().unix.secs_u32() + 15;
    let envelope = Envelope::new(Header { expiry, ttl: 15, topic: Topic::of("net") }, data, 1);
    net.input(at, Input::Post(envelope.clone()));
    envelope
}

#[test]
fn a_line_delivers_once_and_never_back() {
    let mut net = relays(1, 8, (1..8).map(|i| (i - 1, i)));
    let envelope = post(&mut net, 0, b"down the line");
    net.run(SECOND);
    for at in 0..8 {
        let engine = net.engine(at).unwrap();
        assert!(engine.envelope(&envelope.hash()).is_some(), "relay {at}");
        assert_eq!(engine.stats().duplicates, 0, "nothing came back to {at}");
        assert_eq!(net.bundles_to(at), u64::from(at > 0));
    }
}

#[test]
fn a_ring_meets_itself_once() {
    let mut net = relays(2, 9, (0..9).map(|i| (i, (i + 1) % 9)));
    let envelope = post(&mut net, 0, b"both ways round");
    net.run(SECOND);
    let mut duplicates = 0;
    for at in 0..9 {
        let engine = net.engine(at).unwrap();
        assert!(engine.envelope(&envelope.hash()).is_some(), "relay {at}");
        assert_eq!(engine.stats().accepted, 1);
        duplicates += engine.stats().duplicates;
    }
    // The two ways meet on one link, in one direction or, at the same moment, in both.
    assert!((1..=2).contains(&duplicates), "{duplicates}");
}

#[test]
fn a_mesh_with_many_writers_settles() {
    let links =
        (0..10).flat_map(|a| (a + 1..10).filter(move |b| (a * 7 + b * 3) % 4 == 0).map(move |b| (a, b)));
    let mut net = relays(3, 10, links.chain((1..10).map(|i| (i - 1, i))));
    for round in 0..20u8 {
        for at in 0..10 {
            post(&mut net, at, &[round, u8::try_from(at).unwrap()]);
        }
        net.run(Duration::from_millis(3));
    }
    net.run(SECOND);
    for at in 0..10 {
        let stats = net.engine(at).unwrap().stats();
        assert_eq!((stats.accepted, stats.dropped_peers), (200, 0), "relay {at}");
    }
    net.run(Duration::from_secs(20));
    assert!((0..10).all(|at| net.engine(at).unwrap().pooled() == (0, 0)), "all expired");
}

#[test]
fn a_healed_partition_gets_what_lives() {
    let mut net = relays(4, 4, [(0, 1), (2, 3)]);
    let envelope = post(&mut net, 0, b"other side");
    net.run(SECOND);
    assert!(net.engine(3).unwrap().envelope(&envelope.hash()).is_none());
    net.link(1, 2);
    net.run(SECOND);
    assert!(net.engine(3).unwrap().envelope(&envelope.hash()).is_some());
}
