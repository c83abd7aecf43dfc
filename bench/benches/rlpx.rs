//! Row B5: frames through two sessions, and handshakes on the responder's side.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use undertone_base::Now;
use undertone_devp2p::handshake::{Initiator, Recipient, Step};
use undertone_devp2p::{Admission, Capability, Config, Event, NodeKey, Offer, Session};
use undertone_support::{ChaCha20Rng, rng};

fn config(key: NodeKey) -> Config {
    Config::new(key, "bench", vec![Offer { capability: Capability::new("shh", 6), length: 128 }])
}

/// Two established sessions.
fn pair(rng: &mut ChaCha20Rng) -> (Session, Session) {
    let now = Now::default();
    let (a, b) = (NodeKey::random(rng), NodeKey::random(rng));
    let mut left = Session::dial(config(a), b.public(), now, rng);
    let mut right = Session::accept(config(b), now);
    for _ in 0..4 {
        shuttle(&mut left, &mut right, rng);
        shuttle(&mut right, &mut left, rng);
    }
    (left, right)
}

fn shuttle(from: &mut Session, to: &mut Session, rng: &mut ChaCha20Rng) {
    let now = Now::default();
    while let Some(bytes) = from.poll_transmit() {
        to.receive(now, &bytes, rng);
    }
    while let Some(event) = to.poll_event() {
        if matches!(event, Event::Authenticated(_)) {
            to.admit(now, Admission::Admit, rng);
        }
    }
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("rlpx/frames");
    for size in [400usize, 64 * 1024, 512 * 1024] {
        // Random bytes: snappy can save nothing, as with sealed envelopes.
        let mut payload = vec![0; size];
        rand_core_fill(&mut payload);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("write and read {size} B"), |b| {
            let mut rng = rng(1);
            let (mut left, mut right) = pair(&mut rng);
            b.iter(|| {
                left.send(Now::default(), 0, 1, &payload).unwrap();
                let bytes = left.poll_transmit().unwrap();
                right.receive(Now::default(), &bytes, &mut rng);
                right.poll_event().unwrap()
            });
        });
    }
    group.finish();
}

fn handshakes(c: &mut Criterion) {
    c.bench_function("rlpx/handshake responder", |b| {
        let mut rng = rng(2);
        let (initiator, responder) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
        let (_, auth) = Initiator::start(&initiator, responder.public(), &mut rng);
        b.iter_batched(
            Recipient::new,
            |phase| match phase.read(&responder, &auth, &mut rng).unwrap() {
                Step::Done(done, _) => done,
                Step::More(..) => std::process::abort(),
            },
            BatchSize::SmallInput,
        );
    });
}

fn rand_core_fill(bytes: &mut [u8]) {
    use undertone_base::Secret;
    let mut rng = rng(3);
    for chunk in bytes.chunks_mut(32) {
        let random = Secret::<32>::random(&mut rng);
        for (to, from) in chunk.iter_mut().zip(random.expose()) {
            *to = *from;
        }
    }
}

criterion_group!(benches, frames, handshakes);
criterion_main!(benches);
