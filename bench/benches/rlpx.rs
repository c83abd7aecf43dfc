//! Row B5: frames in each direction, and handshakes on each side. All on one core.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::time::{Duration, Instant};

use criterion::{BatchSize, Bencher, Criterion, Throughput, criterion_group, criterion_main};
use undertone_base::Now;
use undertone_bench::{ChaCha20Rng, random_bytes, rng};
use undertone_devp2p::handshake::{Initiator, Recipient, Step};
use undertone_devp2p::{Admission, Capability, Config, Event, NodeKey, Offer, Session};

/// Frames that wait to be read at a time: few, so that they are warm as if they just came.
const WAITING: u64 = 8;

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

fn write(session: &mut Session, payload: &[u8]) -> Vec<u8> {
    session.send(Now::default(), 0, 1, payload).unwrap();
    session.poll_transmit().unwrap()
}

fn read(session: &mut Session, bytes: &[u8], rng: &mut ChaCha20Rng) -> Event {
    session.receive(Now::default(), bytes, rng);
    session.poll_event().unwrap()
}

fn frames(c: &mut Criterion) {
    type Routine = fn(&mut Bencher<'_>, &[u8]);
    let directions: [(&str, Routine); 3] =
        [("write", only_write), ("read", only_read), ("write and read", write_and_read)];
    for (direction, routine) in directions {
        let mut group = c.benchmark_group(format!("B5 frames, {direction}"));
        for (size, name) in [(400, "400 B"), (64 * 1024, "64 KiB"), (512 * 1024, "512 KiB")] {
            let payload = random_bytes(size);
            group.throughput(Throughput::Bytes(u64::try_from(size).unwrap()));
            group.bench_function(name, |b| routine(b, &payload));
        }
        group.finish();
    }
}

fn only_write(b: &mut Bencher<'_>, payload: &[u8]) {
    let (mut left, _) = pair(&mut rng(1));
    b.iter(|| write(&mut left, payload));
}

fn only_read(b: &mut Bencher<'_>, payload: &[u8]) {
    let mut rng = rng(1);
    let (mut left, mut right) = pair(&mut rng);
    b.iter_batched(
        || write(&mut left, payload),
        |bytes| read(&mut right, &bytes, &mut rng),
        BatchSize::NumIterations(WAITING),
    );
}

fn write_and_read(b: &mut Bencher<'_>, payload: &[u8]) {
    let mut rng = rng(1);
    let (mut left, mut right) = pair(&mut rng);
    b.iter(|| {
        let bytes = write(&mut left, payload);
        read(&mut right, &bytes, &mut rng)
    });
}

fn handshakes(c: &mut Criterion) {
    let mut group = c.benchmark_group("B5 handshake");
    group.throughput(Throughput::Elements(1));
    group.bench_function("responder", responder);
    group.bench_function("initiator", initiator);
    group.finish();
}

/// From the auth packet to the keys and the ack.
fn responder(b: &mut Bencher<'_>) {
    let mut rng = rng(2);
    let (left, right) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
    let (_, auth) = Initiator::start(&left, right.public(), &mut rng);
    b.iter(|| done(Recipient::new().read(&right, &auth, &mut rng).unwrap()));
}

/// Both halves of the initiator; the answer between them is not counted.
fn initiator(b: &mut Bencher<'_>) {
    let mut rng = rng(2);
    let (left, right) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
    b.iter_custom(|times| {
        let mut spent = Duration::ZERO;
        for _ in 0..times {
            let start = Instant::now();
            let (phase, auth) = Initiator::start(&left, right.public(), &mut rng);
            spent += start.elapsed();
            let (_, ack) = done(Recipient::new().read(&right, &auth, &mut rng).unwrap());
            let start = Instant::now();
            let keyed = done(phase.read(&left, &ack).unwrap());
            spent += start.elapsed();
            drop(keyed);
        }
        spent
    });
}

fn done<S, T>(step: Step<S, T>) -> T {
    match step {
        Step::Done(value, _) => value,
        Step::More(..) => std::process::abort(),
    }
}

criterion_group!(name = benches; config = undertone_bench::criterion(); targets = frames, handshakes);
criterion_main!(benches);
