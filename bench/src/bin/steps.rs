//! How long the longest single step of the gossip machine takes while its pool is full: what waits behind a step waits
//! that long, whatever the throughput is. The clock is the thread's own, so that others on the machine do not count.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a program")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use undertone_base::{Mono, Now, Unix};
use undertone_whisper::limits::POOL_ENVELOPES;
use undertone_whisper::wire::{PacketCode, Status, encode_bloom};
use undertone_whisper::{
    Bloom, Config, Envelope, Header, Input, Link, PeerId, Pow, Protocol, Topic, Transmit, Whisper,
};

const T0: u32 = 1_600_000_000;
const GIVER: PeerId = PeerId(0);
const TOPIC: Topic = Topic::from_bytes([1, 2, 3, 4]);
const OTHER: Topic = Topic::from_bytes([0x5c, 0x6c, 0x9b, 0x56]);
/// Envelopes in a packet, and bytes of data in each.
const BUNDLE: usize = 64;
const SIZE: usize = 400;
/// Life of an envelope, in seconds.
const TTL: u32 = 40;

fn main() {
    for peers in [2, 50, 1_000] {
        println!("{peers} peers, a pool of {POOL_ENVELOPES}:");
        let mut run = Run::new(peers);
        run.fill("fill, packets of 64", 0, POOL_ENVELOPES);
        run.fill("overflow, packets of 64", POOL_ENVELOPES, 20_000);
        run.wish("a peer asks for another topic", &Bloom::of_listener(OTHER));
        run.wish("a peer asks for all of it", &Bloom::of_listener(OTHER).union(&Bloom::of_listener(TOPIC)));
        run.expire("all of it expires");
    }
}

struct Run {
    machine: Whisper,
    now: Now,
}

/// The longest, how many there were, and all together.
#[derive(Default)]
struct Steps {
    longest: Duration,
    count: u32,
    all: Duration,
}

impl Steps {
    fn time<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let begin = worked();
        let out = step();
        let took = worked().saturating_sub(begin);
        self.longest = self.longest.max(took);
        self.count += 1;
        self.all += took;
        out
    }

    fn print(&self, name: &str) {
        println!(
            "  {name:32} longest {:>9.3} ms, {:>6} steps, all {:>9.3} ms",
            self.longest.as_secs_f64() * 1e3,
            self.count,
            self.all.as_secs_f64() * 1e3,
        );
    }
}

impl Run {
    /// All peers but the giver want nothing, so that what is timed is not the writing of packets.
    fn new(peers: u64) -> Self {
        let now = at(0);
        let mut machine = Whisper::new(&Config { min_pow: Pow::ZERO, ..Config::default() });
        for peer in (0..peers).map(PeerId) {
            machine.handle(now, Input::Connected(Link::whisper(peer))).unwrap();
            let status = Status { bloom: Some(Bloom::EMPTY), min_pow: Pow::ZERO, ..Status::default() };
            tell(&mut machine, now, peer, PacketCode::STATUS, &status.encode());
        }
        while machine.poll_event().is_some() || machine.poll_transmit(now).is_some() {}
        Self { machine, now }
    }

    fn fill(&mut self, name: &str, first: usize, count: usize) {
        let (mut taking, mut giving) = (Steps::default(), Steps::default());
        for first in (first..first + count).step_by(BUNDLE) {
            let body = packet(first);
            taking.time(|| tell(&mut self.machine, self.now, GIVER, PacketCode::MESSAGES, &body));
            self.drain(&mut giving);
        }
        taking.print(name);
        giving.print("  and whom it may concern");
    }

    fn wish(&mut self, name: &str, bloom: &Bloom) {
        self.now = at(self.now.unix.millis() - u64::from(T0) * 1_000 + 2_000);
        let mut steps = Steps::default();
        let body = encode_bloom(bloom);
        steps.time(|| tell(&mut self.machine, self.now, PeerId(1), PacketCode::BLOOM_FILTER, &body));
        self.drain(&mut steps);
        steps.print(name);
    }

    fn drain(&mut self, steps: &mut Steps) {
        loop {
            while self.machine.poll_event().is_some() {}
            let Some(out) = steps.time(|| self.machine.poll_transmit(self.now)) else { return };
            if let Transmit::Packet { peer, code: PacketCode::MESSAGES, .. } = out {
                steps.time(|| self.machine.handle(self.now, Input::Sent(peer))).unwrap();
            }
        }
    }

    fn expire(&mut self, name: &str) {
        self.now = at(u64::from(TTL + 1) * 1_000);
        let mut steps = Steps::default();
        while self.machine.poll_timeout().is_some_and(|due| due <= self.now.mono) {
            steps.time(|| self.machine.handle_timeout(self.now));
            self.drain(&mut Steps::default());
        }
        assert_eq!(self.machine.pooled(), (0, 0));
        steps.print(name);
    }
}

/// Time of this thread on a processor.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn at(millis: u64) -> Now {
    let unix = Unix::from_millis(u64::from(T0) * 1_000 + millis);
    Now { mono: Mono::from_nanos(millis * 1_000_000), unix }
}

fn tell(machine: &mut Whisper, now: Now, peer: PeerId, code: PacketCode, body: &[u8]) {
    machine.handle(now, Input::Packet { peer, protocol: Protocol::Whisper, code, body }).unwrap();
}

fn packet(first: usize) -> Vec<u8> {
    let header = Header { expiry: T0 + TTL, ttl: TTL, topic: TOPIC };
    let mut items = Vec::new();
    for number in first..first + BUNDLE {
        let mut data = [0xa5; SIZE];
        data[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        items.extend_from_slice(Envelope::new(header, &data, 7).bytes());
    }
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut out);
    out.extend_from_slice(&items);
    out
}
