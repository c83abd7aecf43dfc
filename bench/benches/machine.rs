//! No row of its own: primitives whose anchors were taken with the same libraries, so that machines compare.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use criterion::{Criterion, criterion_group, criterion_main};
use undertone_bench::rng;
use undertone_crypto::{SecretKey, Signature, keccak256};

fn primitives(c: &mut Criterion) {
    let mut rng = rng(1);
    let (own, other) = (SecretKey::random(&mut rng), SecretKey::random(&mut rng).public());
    let digest = [7; 32];
    let signature = Signature::sign(&digest, &own);
    let mut group = c.benchmark_group("machine");
    group.bench_function("Keccak-256 of 64 B", |b| b.iter(|| keccak256(std::hint::black_box(&[7; 64]))));
    group.bench_function("secp256k1 ECDH", |b| b.iter(|| own.ecdh(&other)));
    group.bench_function("secp256k1 recover", |b| b.iter(|| signature.recover(&digest).unwrap()));
    group.bench_function("secp256k1 sign", |b| b.iter(|| Signature::sign(&digest, &own)));
    group.finish();
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = primitives);
criterion_main!(benches);
