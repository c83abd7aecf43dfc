//! Row B4: sealed payloads of 400 bytes, which are padded to 512 on the way.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use criterion::{Criterion, criterion_group, criterion_main};
use undertone_base::Secret;
use undertone_bench::{random_bytes, rng};
use undertone_crypto::{KeyId, Keyring, MemoryKeyring, PublicKey, SecretKey};
use undertone_sealed::{Padding, SealRequest, SealTo, open_asymmetric, open_symmetric, seal};

const PAYLOAD: usize = 400;

struct Fixture {
    ring: MemoryKeyring,
    alice: KeyId,
    bob: KeyId,
    bob_public: PublicKey,
    eve: KeyId,
    topic: Secret<32>,
    payload: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let mut rng = rng(1);
        let mut ring = MemoryKeyring::new();
        let [alice, bob, eve] = [(); 3].map(|()| ring.insert(SecretKey::random(&mut rng)));
        let bob_public = ring.public(&bob).unwrap();
        let (topic, payload) = (Secret::random(&mut rng), random_bytes(PAYLOAD));
        Self { ring, alice, bob, bob_public, eve, topic, payload }
    }

    fn to_topic(&self) -> SealRequest<'_> {
        self.signed(SealTo::Symmetric(&self.topic))
    }

    fn to_bob(&self) -> SealRequest<'_> {
        self.signed(SealTo::Asymmetric(&self.bob_public))
    }

    fn signed<'a>(&'a self, seal_to: SealTo<'a>) -> SealRequest<'a> {
        let signer = Some((&self.ring as &dyn Keyring, self.alice));
        SealRequest { payload: &self.payload, signer, seal_to, padding: Padding::Auto }
    }
}

fn open(c: &mut Criterion) {
    let fixture = Fixture::new();
    let (mut rng, other) = (rng(2), Secret::new([7; 32]));
    let to_topic = seal(&fixture.to_topic(), &mut rng).unwrap();
    let to_bob = seal(&fixture.to_bob(), &mut rng).unwrap();
    let mut group = c.benchmark_group("B4 open");
    group.bench_function("symmetric, signed", |b| {
        b.iter(|| open_symmetric(&fixture.topic, &to_topic).unwrap());
    });
    group.bench_function("asymmetric, signed", |b| {
        b.iter(|| open_asymmetric(&fixture.ring, fixture.bob, &to_bob).unwrap());
    });
    group.bench_function("symmetric, not for us", |b| {
        b.iter(|| open_symmetric(&other, &to_topic).unwrap_err());
    });
    group.bench_function("asymmetric, not for us", |b| {
        b.iter(|| open_asymmetric(&fixture.ring, fixture.eve, &to_bob).unwrap_err());
    });
    group.finish();
}

fn sealing(c: &mut Criterion) {
    let fixture = Fixture::new();
    let mut rng = rng(3);
    let mut group = c.benchmark_group("B4 seal");
    group.bench_function("symmetric, signed", |b| {
        b.iter(|| seal(&fixture.to_topic(), &mut rng).unwrap());
    });
    group.bench_function("asymmetric, signed", |b| {
        b.iter(|| seal(&fixture.to_bob(), &mut rng).unwrap());
    });
    group.finish();
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = open, sealing);
criterion_main!(benches);
