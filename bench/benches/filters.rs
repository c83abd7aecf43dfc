//! Ten installed filters beside ten thousand on the same traffic: packets of 64 envelopes of 400 B through the gossip
//! machine, of which one in eight is for somebody here, is opened and read.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use undertone_base::{Mono, Now, Secret, Unix};
use undertone_bench::rng;
use undertone_crypto::{MemoryKeyring, keccak256};
use undertone_sealed::{Padding, SealRequest, SealTo, seal};
use undertone_whisper::filters::{Arrival, Filter, FilterId, FilterKey, Filters};
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{
    Config, Envelope, Event, Header, Input, Link, PeerId, Pow, Protocol, Topic, Transmit, Watch, Whisper,
};

const T0: u32 = 1_600_000_000;
const COUNT: u32 = 64;
const PEER: PeerId = PeerId(1);

fn now() -> Now {
    Now { mono: Mono::ZERO, unix: Unix::from_secs(u64::from(T0)) }
}

fn topic(n: u32) -> Topic {
    let [a, b, c, d, ..] = keccak256(&n.to_be_bytes());
    Topic::from_bytes([a, b, c, d])
}

fn key(n: u32) -> Arc<Secret<32>> {
    Arc::new(Secret::new(keccak256(&[&n.to_be_bytes()[..], b"key"].concat())))
}

/// Each on a topic of its own with a key of its own.
fn install(count: u32) -> (Filters, Vec<FilterId>) {
    let mut filters = Filters::new(Arc::new(MemoryKeyring::new()));
    let filter = |n| Filter { topics: [topic(n)].into(), ..Filter::of(FilterKey::Symmetric(key(n))) };
    let ids = (0..count).map(|n| filters.install(filter(n)).unwrap()).collect();
    (filters, ids)
}

/// Of every `one_in` envelopes one is for one of the first ten filters.
fn traffic(one_in: u32) -> Vec<Envelope> {
    let mut random = rng(0);
    let mut sealed = |n: u32| {
        let request = SealRequest {
            payload: &[7; 200],
            signer: None,
            seal_to: SealTo::Symmetric(&key(n)),
            padding: Padding::Auto,
        };
        let header = Header { expiry: T0 + 30, ttl: 30, topic: topic(n) };
        Envelope::new(header, &seal(&request, &mut random).unwrap(), 7)
    };
    (0..COUNT).map(|n| sealed(if n % one_in == 0 { n / one_in % 10 } else { 1_000_000 + n })).collect()
}

/// All that arrive are looked at, opened and read.
fn read(filters: &mut Filters, ids: &[FilterId], envelopes: &[Envelope]) -> usize {
    for envelope in envelopes {
        filters.offer(envelope, Arrival::Broadcast);
    }
    while let Some(job) = filters.poll_job() {
        filters.job_done(job.run());
    }
    ids.iter().take(10).map(|id| filters.take(*id).unwrap().len()).sum()
}

fn relay() -> Whisper {
    let config = Config { min_pow: Pow::ZERO, watch: Watch::All, ..Config::default() };
    let mut relay = Whisper::new(&config);
    relay.handle(now(), Input::Connected(Link::whisper(PEER))).unwrap();
    let body = Status::default().encode();
    let (peer, protocol) = (PEER, Protocol::Whisper);
    relay.handle(now(), Input::Packet { peer, protocol, code: PacketCode::STATUS, body: &body }).unwrap();
    relay
}

/// A packet comes to a node and is read by those who installed filters.
fn receive(relay: &mut Whisper, filters: &mut Filters, ids: &[FilterId], body: &[u8]) -> usize {
    let (peer, protocol) = (PEER, Protocol::Whisper);
    relay.handle(now(), Input::Packet { peer, protocol, code: PacketCode::MESSAGES, body }).unwrap();
    let accepted = std::iter::from_fn(|| relay.poll_event()).filter_map(|event| match event {
        Event::Accepted { envelope, .. } => Some(envelope),
        _ => None,
    });
    let accepted: Vec<_> = accepted.collect();
    while let Some(out) = relay.poll_transmit(now()) {
        std::hint::black_box::<Transmit>(out);
    }
    read(filters, ids, &accepted)
}

fn filters(c: &mut Criterion) {
    let (some, none) = (traffic(8), traffic(COUNT * 2));
    let items: Vec<u8> = some.iter().flat_map(|envelope| envelope.bytes().to_vec()).collect();
    let mut body = Vec::new();
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut body);
    body.extend_from_slice(&items);
    let relay = relay();
    for (title, which) in [
        ("filters, an envelope of 400 B through a node", 0),
        ("filters, an envelope of 400 B alone, one in eight opened", 1),
        ("filters, an envelope of 400 B alone, for nobody", 2),
    ] {
        let mut group = c.benchmark_group(title);
        group.throughput(Throughput::Elements(u64::from(COUNT)));
        for count in [10, 10_000] {
            let (mut filters, ids) = install(count);
            group.bench_function(count.to_string(), |b| match which {
                0 => b.iter_batched_ref(
                    || relay.clone(),
                    |relay| assert_eq!(receive(relay, &mut filters, &ids, &body), 8),
                    BatchSize::SmallInput,
                ),
                1 => b.iter(|| assert_eq!(read(&mut filters, &ids, &some), 8)),
                // The first of them is for the first filter.
                _ => b.iter(|| assert_eq!(read(&mut filters, &ids, &none[1..]), 0)),
            });
        }
        group.finish();
    }
    // And on one topic with one key: one attempt for all of them.
    let mut group = c.benchmark_group("filters, an envelope for each of them");
    for count in [10, 10_000] {
        let mut filters = Filters::new(Arc::new(MemoryKeyring::new()));
        let filter = Filter { topics: [topic(0)].into(), ..Filter::of(FilterKey::Symmetric(key(0))) };
        let ids: Vec<_> = (0..count).map(|_| filters.install(filter.clone()).unwrap()).collect();
        group.throughput(Throughput::Elements(count));
        group.bench_function(count.to_string(), |b| {
            b.iter(|| {
                read(&mut filters, &[], &some[..1]);
                ids.iter().for_each(|id| assert_eq!(filters.take(*id).unwrap().len(), 1));
            });
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = filters);
criterion_main!(benches);
