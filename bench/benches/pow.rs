//! Row B3: attempts at a proof of work on one core: as they are made, in the widest lanes that the processor has; one
//! state at a time, with the processor's instructions for bits and without them; two in SSE2; the library's hasher
//! behind a midstate; and as the originals make them, who hash all of the envelope for each attempt.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use undertone_bench::random_bytes;
use undertone_crypto::{Keccak, keccak256};
use undertone_lanes::{Backend, Search as NonceSearch};
use undertone_whisper::pow::{Search, SearchStep, leading_zeros, ratio};
use undertone_whisper::{Header, Pow, Topic};

const HEADER: Header = Header { expiry: 1_600_000_050, ttl: 50, topic: Topic::from_bytes([1, 2, 3, 4]) };

/// Nobody finds this many zero bits while a bench runs.
const BITS: u32 = 33;

fn attempts(c: &mut Criterion) {
    for (size, name, whole) in [(400, "400 B", 100u64), (64 * 1024, "64 KiB", 4)] {
        let mut group = c.benchmark_group(format!("B3 attempts, {name}"));
        let data = random_bytes(size);
        group.throughput(Throughput::Elements(1_000));
        group.bench_function("lanes", |b| lanes(b, &data));
        group.bench_function("one state at a time", |b| with(b, &data, Backend::one_lane()));
        group.bench_function("one state at a time, anywhere", |b| with(b, &data, Backend::PORTABLE));
        if let Some(backend) = Backend::named("sse2") {
            group.bench_function("two states at a time", |b| with(b, &data, backend));
        }
        group.bench_function("sha3 behind a midstate", |b| midstate(b, &data));
        group.throughput(Throughput::Elements(whole));
        group.bench_function("whole envelope", |b| naive(b, &data, whole));
        group.finish();
    }
}

fn lanes(b: &mut criterion::Bencher<'_>, data: &[u8]) {
    let target = Pow::new(ratio(BITS, data.len() + 64, HEADER.ttl + 60)).unwrap();
    let fresh = Search::new(HEADER, data.to_vec(), target, 0x1234_5678_9abc_def0).unwrap();
    assert!(fresh.bits() >= BITS - 1, "{} bits", fresh.bits());
    let mut search = Some(fresh.clone());
    b.iter(|| {
        search = match search.take().unwrap().run(1_000) {
            SearchStep::Continue(search) => Some(search),
            SearchStep::Done(_) => Some(fresh.clone()),
        };
    });
}

fn with(b: &mut criterion::Bencher<'_>, data: &[u8], backend: Backend) {
    let search = NonceSearch::with_backend(&HEADER.encode_short(data), backend);
    let mut nonce = 0x1234_5678_9abc_def0u64;
    b.iter(|| {
        nonce = nonce.wrapping_add(1_000);
        black_box(search.first(nonce, 1_000, BITS))
    });
}

fn midstate(b: &mut criterion::Bencher<'_>, data: &[u8]) {
    let mut absorbed = Keccak::new();
    absorbed.absorb(&HEADER.encode_short(data));
    let mut nonce = 0x1234_5678_9abc_def0u64;
    b.iter(|| {
        for _ in 0..1_000 {
            nonce = nonce.wrapping_add(1);
            let mut hasher = absorbed.clone();
            hasher.absorb(&nonce.to_be_bytes());
            black_box(leading_zeros(&hasher.snapshot()) >= BITS);
        }
    });
}

fn naive(b: &mut criterion::Bencher<'_>, data: &[u8], attempts: u64) {
    let mut buffer = HEADER.encode_short(data);
    let at = buffer.len();
    buffer.resize(at + 8, 0);
    let mut nonce = 0x1234_5678_9abc_def0u64;
    b.iter(|| {
        for _ in 0..attempts {
            nonce = nonce.wrapping_add(1);
            buffer.truncate(at);
            buffer.extend_from_slice(&nonce.to_be_bytes());
            black_box(leading_zeros(&keccak256(&buffer)) >= BITS);
        }
    });
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = attempts);
criterion_main!(benches);
