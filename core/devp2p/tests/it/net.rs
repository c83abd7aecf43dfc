//! A network of discovery machines in virtual time: seeded latency, nothing is lost unless a test wants it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand_core::Rng;
use undertone_base::{Mono, Now, Unix};
use undertone_devp2p::discv4::{Config, Discovery, Event, Input};
use undertone_devp2p::enr::{Entries, LocalRecord};
use undertone_devp2p::{Enode, NodeKey};
use undertone_support::{ChaCha20Rng, rng};

pub(crate) fn start() -> Now {
    Now { mono: Mono::ZERO, unix: Unix::from_secs(1_780_000_000) }
}

/// A record that says where the node is.
pub(crate) fn local(key: &NodeKey, at: SocketAddr) -> LocalRecord {
    let entries = Entries::default().with_discovery(at).with_tcp(at.port());
    LocalRecord::new(key.clone(), entries, None).unwrap()
}

/// The address of node `n`: a /24 of its own.
pub(crate) fn address(n: usize) -> SocketAddr {
    let [.., a, b] = u32::try_from(n).unwrap().to_be_bytes();
    SocketAddr::from(([34, a, b, 7], 30303))
}

pub(crate) fn key(n: usize) -> NodeKey {
    NodeKey::random(&mut rng(u64::try_from(n).unwrap() + 1_000))
}

pub(crate) struct Net {
    pub(crate) now: Now,
    pub(crate) nodes: BTreeMap<SocketAddr, Discovery>,
    pub(crate) events: Vec<(SocketAddr, Event)>,
    pub(crate) rng: ChaCha20Rng,
    flying: BTreeMap<(Mono, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    count: u64,
    /// Bytes between each pair, in the order of sending.
    pub(crate) bytes: BTreeMap<(SocketAddr, SocketAddr), usize>,
    /// Hash over all that was sent.
    pub(crate) transcript: undertone_crypto::Keccak,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: start(),
            nodes: BTreeMap::new(),
            events: Vec::new(),
            rng: rng(seed),
            flying: BTreeMap::new(),
            count: 0,
            bytes: BTreeMap::new(),
            transcript: undertone_crypto::Keccak::new(),
        }
    }

    pub(crate) fn add(&mut self, n: usize, boot: &[Enode]) {
        let config = Config { boot: boot.to_vec(), ..Config::new(local(&key(n), address(n))) };
        self.add_with(n, config);
    }

    pub(crate) fn add_with(&mut self, n: usize, config: Config) {
        self.nodes.insert(address(n), Discovery::new(config, self.now));
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.mono.after(time);
        loop {
            self.drain();
            let timers = self.nodes.values().filter_map(Discovery::poll_timeout).min();
            let next = self.flying.keys().next().map(|(at, _)| *at);
            let Some(next) = [timers, next].into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.after(next.since(self.now.mono));
            self.step();
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    fn step(&mut self) {
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now.mono) {
            let (from, to, bytes) = entry.remove();
            if let Some(node) = self.nodes.get_mut(&to) {
                let _ = node.handle(self.now, Input::Datagram { from, bytes: &bytes }, &mut self.rng);
            }
        }
        for node in self.nodes.values_mut() {
            // One call may make another due: a lookup that ends lets the next begin.
            for turn in 0.. {
                if node.poll_timeout().is_none_or(|at| at > self.now.mono) {
                    break;
                }
                assert!(turn < 20, "a timer that is not served: {node:?}");
                node.handle_timeout(self.now, &mut self.rng);
            }
        }
    }

    fn drain(&mut self) {
        for (from, node) in &mut self.nodes {
            while let Some(sent) = node.poll_transmit(self.now) {
                self.transcript.absorb(&sent.bytes);
                *self.bytes.entry((*from, sent.to)).or_default() += sent.bytes.len();
                let latency = Duration::from_millis(10 + u64::from(self.rng.next_u32() % 90));
                self.count += 1;
                self.flying.insert((self.now.mono.after(latency), self.count), (*from, sent.to, sent.bytes));
            }
            while let Some(event) = node.poll_event() {
                self.events.push((*from, event));
            }
        }
    }
}
