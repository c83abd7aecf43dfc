//! Row B1 from inside: what an envelope costs the gossip machine alone, taken in and refused for each reason, by either
//! protocol, in packets of 64.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, missing_docs, reason = "a bench")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use undertone_base::{Mono, Now, Unix};
use undertone_bench::random_bytes;
use undertone_whisper::wire::{PacketCode, Status, waku};
use undertone_whisper::{
    Bloom, Config, Dialects, Envelope, Header, Input, Link, PeerId, Pow, Protocol, Protocols, RateLimits,
    Stats, Topic, Transmit, WakuMode, WakuVersion, Whisper,
};

const T0: u32 = 1_600_000_000;
const COUNT: usize = 64;
const GIVER: PeerId = PeerId(1);
const TOPIC: Topic = Topic::from_bytes([1, 2, 3, 4]);
const OTHER: Topic = Topic::from_bytes([0x5c, 0x6c, 0x9b, 0x56]);

fn now() -> Now {
    Now { mono: Mono::ZERO, unix: Unix::from_secs(u64::from(T0)) }
}

fn open() -> Config {
    Config { min_pow: Pow::ZERO, protocols: Protocols::BOTH, ..Config::default() }
}

/// A relay with two peers of one protocol.
fn relay(config: &Config, protocol: Protocol) -> Whisper {
    let mut relay = Whisper::new(config);
    for peer in [GIVER, PeerId(2)] {
        let (dialects, body) = match protocol {
            Protocol::Whisper => (Dialects::WHISPER, Status::default().encode()),
            Protocol::Waku => {
                let version = WakuVersion::V1;
                let status = waku::Status { min_pow: Pow::ZERO, ..waku::Status::default() };
                (Dialects::waku(version), status.encode(version))
            }
        };
        relay.handle(now(), Input::Connected(Link::new(peer, dialects))).unwrap();
        relay.handle(now(), Input::Packet { peer, protocol, code: PacketCode::STATUS, body: &body }).unwrap();
    }
    drain(&mut relay);
    relay
}

fn drain(relay: &mut Whisper) {
    while let Some(out) = relay.poll_transmit(now()) {
        std::hint::black_box::<Transmit>(out);
    }
}

fn envelopes_of(expiry: u32, size: usize) -> Vec<Vec<u8>> {
    let random = random_bytes(size * COUNT);
    let header = Header { expiry, ttl: 30, topic: TOPIC };
    random.chunks(size).map(|data| Envelope::new(header, data, 7).bytes().to_vec()).collect()
}

fn packet(envelopes: &[Vec<u8>]) -> Vec<u8> {
    let items = envelopes.concat();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut out);
    out.extend_from_slice(&items);
    out
}

fn give(mut relay: Whisper, protocol: Protocol, body: &[u8]) -> Whisper {
    // A fault shows in the counters.
    let _ = relay.handle(now(), Input::Packet { peer: GIVER, protocol, code: PacketCode::MESSAGES, body });
    drain(&mut relay);
    relay
}

/// What a case is called, its relay and packet, and the counter that shows that it is what it says.
type Case = (&'static str, Whisper, Vec<u8>, fn(&Stats) -> u64);

fn cases(protocol: Protocol) -> Vec<Case> {
    let alive = packet(&envelopes_of(T0 + 30, 400));
    let fresh = relay(&open(), protocol);
    let config = |change: fn(&mut Config)| {
        let mut config = open();
        change(&mut config);
        relay(&config, protocol)
    };
    let full = give(fresh.clone(), protocol, &alive);
    let mut broken = envelopes_of(T0 + 30, 400);
    // The last topic has three bytes, and all before it are read in vain.
    broken.last_mut().unwrap()[9] = 0x83;
    let mut selective = config(|config| {
        config.bloom = Some(Bloom::of_listener(OTHER));
        config.waku = WakuMode::Topics;
    });
    selective.handle(now(), Input::SetTopics(vec![OTHER])).unwrap();
    drain(&mut selective);
    let mut exhausted = config(|config| config.packet_limits = RateLimits { peer: 1, ..RateLimits::NONE });
    for _ in 0..2 {
        exhausted = give(exhausted, protocol, &[0xc0]);
    }
    let halved = config(|config| config.byte_limits = RateLimits { peer: 7_000, ..RateLimits::NONE });
    let by_topic = config(|config| config.packet_limits = RateLimits { topic: 8, ..RateLimits::NONE });
    vec![
        ("new and relayed", fresh.clone(), alive.clone(), |stats| stats.accepted),
        ("known", full, alive.clone(), |stats| stats.duplicates),
        ("expired", fresh.clone(), packet(&envelopes_of(T0 - 60, 400)), |stats| stats.expired),
        ("of the future", fresh.clone(), packet(&envelopes_of(T0 + 90, 400)), |stats| stats.early),
        (
            "too little work",
            config(|config| config.min_pow = Pow::new(1e9).unwrap()),
            alive.clone(),
            |stats| stats.low_pow,
        ),
        ("unwanted topic", selective, alive.clone(), |stats| stats.unwanted),
        ("undecodable", fresh, packet(&broken), |stats| {
            COUNT as u64 * (stats.dropped_peers + stats.forgiven)
        }),
        ("over the limit of packets", exhausted, alive.clone(), |stats| stats.too_many),
        ("over the limit of bytes, the best taken", halved, alive.clone(), |stats| {
            stats.too_many + stats.accepted
        }),
        ("over the limit of a topic, the best taken", by_topic, alive, |stats| {
            stats.too_many + stats.accepted
        }),
    ]
}

fn envelopes(c: &mut Criterion) {
    for protocol in [Protocol::Whisper, Protocol::Waku] {
        let mut group = c.benchmark_group(format!("B1 machine, an envelope of 400 B by {protocol:?}"));
        group.throughput(Throughput::Elements(COUNT as u64));
        for (name, relay, body, counter) in cases(protocol) {
            let before = counter(&relay.stats());
            let after = counter(&give(relay.clone(), protocol, &body).stats());
            assert_eq!(after - before, COUNT as u64, "{name}");
            group.bench_function(name, |b| {
                b.iter_batched(|| relay.clone(), |relay| give(relay, protocol, &body), BatchSize::SmallInput);
            });
        }
        group.finish();
    }
}

fn shapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("B1 machine, a packet");
    let large = packet(&envelopes_of(T0 + 30, 16_000));
    for protocol in [Protocol::Whisper, Protocol::Waku] {
        let open = relay(&open(), protocol);
        for (name, body) in [("empty", &vec![0xc0]), ("of one byte", &vec![0x05]), ("of 1 MiB", &large)] {
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(format!("{name} by {protocol:?}"), |b| {
                b.iter_batched(|| open.clone(), |relay| give(relay, protocol, body), BatchSize::SmallInput);
            });
        }
    }
    group.finish();
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = envelopes, shapes);
criterion_main!(benches);
