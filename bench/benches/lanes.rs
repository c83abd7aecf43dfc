//! Rows B3 and B1: attempts at a nonce, of one permutation each, on one core with each set of instructions that the
//! processor has, and the hashes of a packet of envelopes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use undertone_bench::random_bytes;
use undertone_lanes::{Backend, Input, Search};

/// Envelopes of a packet, and their bytes.
const PACKET: (usize, usize) = (64, 425);

/// All that the processor has, and the one that is used.
fn backends() -> impl Iterator<Item = (&'static str, Backend)> {
    let named = Backend::NAMES.iter().filter_map(|name| Some((*name, Backend::named(name)?)));
    named.chain([("best", Backend::best())])
}

fn attempts(c: &mut Criterion) {
    let mut group = c.benchmark_group("B3 lanes, attempts of one block");
    group.throughput(Throughput::Elements(1_000));
    for (name, backend) in backends() {
        let search = Search::with_backend(&[7; 20], backend);
        let mut nonce = 0u64;
        group.bench_function(name, |b| {
            b.iter(|| {
                nonce = nonce.wrapping_add(1_000);
                black_box(search.first(nonce, 1_000, 60))
            });
        });
    }
    group.finish();
}

fn packet(c: &mut Criterion) {
    let (count, size) = PACKET;
    let mut group = c.benchmark_group("B1 lanes, hashes of 425 B");
    let texts: Vec<_> = (0..count).map(|_| random_bytes(size)).collect();
    let inputs: Vec<_> = texts.iter().map(|text| Input::new(text)).collect();
    let mut out = vec![[0; 32]; count];
    group.throughput(Throughput::Elements(count as u64));
    for (name, backend) in backends() {
        group.bench_function(name, |b| b.iter(|| backend.keccak256_each(black_box(&inputs), &mut out)));
    }
    group.finish();
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = attempts, packet);
criterion_main!(benches);
