//! Row B1 from inside: what an envelope costs the gossip machine alone, taken in and refused, in packets of 64.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use undertone_base::{Mono, Now, Unix};
use undertone_bench::random_bytes;
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{
    Config, Envelope, Header, Input, Link, PeerId, Pow, Protocol, Topic, Transmit, Whisper,
};

const T0: u32 = 1_600_000_000;
const COUNT: usize = 64;
const GIVER: PeerId = PeerId(1);

fn now() -> Now {
    Now { mono: Mono::ZERO, unix: Unix::from_secs(u64::from(T0)) }
}

/// A relay with two peers and a pool that is in use.
fn relay(min_pow: Pow) -> Whisper {
    let mut relay = Whisper::new(&Config { min_pow, ..Config::default() });
    for peer in [GIVER, PeerId(2)] {
        relay.handle(now(), Input::Connected(Link::whisper(peer))).unwrap();
        let body = Status::default().encode();
        relay
            .handle(
                now(),
                Input::Packet { peer, protocol: Protocol::Whisper, code: PacketCode::STATUS, body: &body },
            )
            .unwrap();
    }
    relay
}

fn packet(expiry: u32, size: usize) -> Vec<u8> {
    let random = random_bytes(size * COUNT);
    let header = Header { expiry, ttl: 30, topic: Topic::from_bytes([1, 2, 3, 4]) };
    let envelopes: Vec<_> = random.chunks(size).map(|data| Envelope::new(header, data, 7)).collect();
    let items: Vec<u8> = envelopes.iter().flat_map(|envelope| envelope.bytes().to_vec()).collect();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut out);
    out.extend_from_slice(&items);
    out
}

fn give(mut relay: Whisper, body: &[u8]) -> Whisper {
    // A fault shows in the counters.
    let _ = relay.handle(
        now(),
        Input::Packet { peer: GIVER, protocol: Protocol::Whisper, code: PacketCode::MESSAGES, body },
    );
    while let Some(out) = relay.poll_transmit(now()) {
        std::hint::black_box::<Transmit>(out);
    }
    relay
}

fn envelopes(c: &mut Criterion) {
    let mut group = c.benchmark_group("B1 machine, an envelope of 400 B");
    group.throughput(Throughput::Elements(COUNT as u64));
    let (alive, dead) = (packet(T0 + 30, 400), packet(T0 - 60, 400));
    let open = relay(Pow::ZERO);
    let full = give(open.clone(), &alive);
    let strict = relay(Pow::new(1e9).unwrap());
    assert_eq!((full.stats().accepted, full.stats().relayed), (64, 64));
    assert_eq!(give(full.clone(), &alive).stats().duplicates, 64);
    assert_eq!(give(open.clone(), &dead).stats().expired, 64);
    assert_eq!(give(strict.clone(), &alive).stats().low_pow, 64);
    for (name, relay, body) in [
        ("new and relayed", &open, &alive),
        ("known", &full, &alive),
        ("expired", &open, &dead),
        ("too little work", &strict, &alive),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched(|| relay.clone(), |relay| give(relay, body), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn shapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("B1 machine, a packet");
    let open = relay(Pow::ZERO);
    let large = packet(T0 + 30, 16_000);
    for (name, body) in [("empty", vec![0xc0]), ("of one byte", vec![0x05]), ("of 1 MiB", large)] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| {
            b.iter_batched(|| open.clone(), |relay| give(relay, &body), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = envelopes, shapes);
criterion_main!(benches);
