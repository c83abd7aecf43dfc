//! Networks of these machines in virtual time: for the conformance suite, and for suites of what is above.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use undertone_base::{Mono, Now, Secret, Unix};
use undertone_crypto::{Keyring, keccak256};
use undertone_transport::conformance::Network;
use undertone_transport::{Caps, Command, CommandError, Event, Transport};

use crate::limits::MAX_PAYLOAD;
use crate::wire::PacketCode;
use crate::{
    Config, Dialects, Input, Link, PeerId, Pow, Protocol, Protocols, Transmit, TransportConfig, WakuMode,
    WakuVersion, Whisper, WhisperTransport,
};

/// Latency of a packet in milliseconds, drawn for each; packets of one link stay in order.
const LATENCY_MS: std::ops::RangeInclusive<u64> = 5..=50;

/// A machine of the network.
#[derive(Debug)]
pub enum Node {
    /// The transport of an endpoint.
    Endpoint(Box<WhisperTransport>),
    /// A relay without anybody on it.
    Relay(Box<Whisper>),
}

/// Machines and links in virtual time. Jobs run inline and take no time.
#[derive(Debug)]
pub struct WhisperNetwork {
    now: Now,
    rng: ChaCha20Rng,
    nodes: Vec<Node>,
    /// Both directions of each link: a node's name of its peer → that peer and its name of the node.
    links: BTreeMap<(usize, PeerId), (usize, PeerId)>,
    flying: BTreeMap<(Mono, u64), Flight>,
    last_arrival: BTreeMap<(usize, PeerId), Mono>,
    /// How many endpoints stand before the relays in `nodes`.
    endpoints: usize,
    /// What every link speaks.
    dialects: Dialects,
    next_id: u64,
    delivered: BTreeMap<(usize, PeerId), u64>,
}

#[derive(Debug)]
struct Flight {
    to: (usize, PeerId),
    protocol: Protocol,
    code: PacketCode,
    body: Vec<u8>,
}

impl WhisperNetwork {
    /// A proof of work of a bit or two, which takes no time.
    pub fn cheap() -> TransportConfig {
        TransportConfig { pow: Pow::STATUS_LARGE, large_pow: Pow::STATUS_LARGE, ..TransportConfig::default() }
    }

    /// An endpoint for each keyring, linked to each of `relays` relays, which form a line.
    pub fn with(seed: u64, keyrings: Vec<Arc<dyn Keyring>>, config: TransportConfig, relays: usize) -> Self {
        let mut net = Self::bare(seed);
        net.endpoints = keyrings.len();
        for (i, keyring) in keyrings.into_iter().enumerate() {
            let seed = Secret::new(keccak256(&[seed.to_be_bytes(), (i as u64).to_be_bytes()].concat()));
            net.nodes.push(Node::Endpoint(Box::new(WhisperTransport::new(config, keyring, &seed))));
        }
        for _ in 0..relays {
            let at = net.add_relay(&Config::default());
            for endpoint in 0..net.endpoints {
                net.link(endpoint, at);
            }
            if at > net.endpoints {
                net.link(at - 1, at);
            }
        }
        net
    }

    /// No machines.
    pub fn bare(seed: u64) -> Self {
        Self {
            now: Now { mono: Mono::ZERO, unix: Unix::from_millis(1_600_000_000_000) },
            rng: ChaCha20Rng::seed_from_u64(seed),
            nodes: Vec::new(),
            links: BTreeMap::new(),
            flying: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            endpoints: 0,
            dialects: Dialects::WHISPER,
            next_id: 0,
            delivered: BTreeMap::new(),
        }
    }

    /// As [`WhisperNetwork::with`], where links speak these and all machines are willing.
    pub fn over(dialects: Dialects, seed: u64, keyrings: Vec<Arc<dyn Keyring>>, relays: usize) -> Self {
        let config = Self::cheap();
        let gossip = Config { protocols: Protocols::BOTH, waku: WakuMode::Topics, ..config.gossip };
        let mut net = Self::bare(seed);
        net.dialects = dialects;
        net.endpoints = keyrings.len();
        for (i, keyring) in keyrings.into_iter().enumerate() {
            let seed = Secret::new(keccak256(&[seed.to_be_bytes(), (i as u64).to_be_bytes()].concat()));
            let config = TransportConfig { gossip, ..config };
            net.nodes.push(Node::Endpoint(Box::new(WhisperTransport::new(config, keyring, &seed))));
        }
        for _ in 0..relays {
            net.add_relay(&Config { protocols: Protocols::BOTH, ..Config::default() });
        }
        for relay in net.endpoints..net.nodes.len() {
            for other in 0..relay {
                if other < net.endpoints || other + 1 == relay {
                    net.link(other, relay);
                }
            }
        }
        net
    }

    /// Adds a relay and gives its index.
    pub fn add_relay(&mut self, config: &Config) -> usize {
        self.nodes.push(Node::Relay(Box::new(Whisper::new(config))));
        self.nodes.len().saturating_sub(1)
    }

    /// Links two machines.
    pub fn link(&mut self, a: usize, b: usize) {
        let (peer_of_a, peer_of_b) = (PeerId(self.id()), PeerId(self.id()));
        self.links.insert((a, peer_of_a), (b, peer_of_b));
        self.links.insert((b, peer_of_b), (a, peer_of_a));
        self.input(a, Input::Connected(Link::new(peer_of_a, self.dialects)));
        self.input(b, Input::Connected(Link::new(peer_of_b, self.dialects)));
    }

    /// Cuts all links of a machine; what is under way on them is lost.
    pub fn unlink(&mut self, at: usize) {
        let cut: Vec<_> = self.links.keys().filter(|(node, _)| *node == at).copied().collect();
        for end in cut {
            self.cut(end);
        }
    }

    /// A machine.
    pub fn node(&self, at: usize) -> Option<&Node> {
        self.nodes.get(at)
    }

    /// The gossip machine of a node.
    pub fn engine(&self, at: usize) -> Option<&Whisper> {
        Some(match self.nodes.get(at)? {
            Node::Endpoint(endpoint) => endpoint.engine(),
            Node::Relay(relay) => relay,
        })
    }

    /// Packets of envelopes that a node got from each of its neighbours.
    pub fn bundles_to(&self, at: usize) -> u64 {
        self.delivered.iter().filter(|((node, _), _)| *node == at).map(|(_, count)| count).sum()
    }

    /// Gives a machine an input; faults show in its counters.
    pub fn input(&mut self, at: usize, input: Input<'_>) {
        let now = self.now;
        let _fault = match self.nodes.get_mut(at) {
            Some(Node::Endpoint(endpoint)) => endpoint.handle(now, input),
            Some(Node::Relay(relay)) => relay.handle(now, input),
            None => Ok(()),
        };
    }

    /// Connects a machine to what it is connected to when the network starts.
    fn join(&mut self, endpoint: usize) {
        for relay in self.endpoints..self.nodes.len() {
            self.link(endpoint, relay);
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn cut(&mut self, end: (usize, PeerId)) {
        let Some(other) = self.links.remove(&end) else { return };
        self.links.remove(&other);
        self.flying.retain(|_, flight| flight.to != end && flight.to != other);
        self.input(end.0, Input::Disconnected(end.1));
        self.input(other.0, Input::Disconnected(other.1));
    }

    /// Lets every machine do what it can without time passing.
    fn pump(&mut self) {
        for at in 0..self.nodes.len() {
            self.run_jobs(at);
            while let Some(out) = self.poll(at) {
                match out {
                    Transmit::Packet { peer, protocol, code, body } => {
                        self.fly((at, peer), (protocol, code), body);
                    }
                    Transmit::Defer { .. } => {}
                    Transmit::Disconnect { peer, .. } => self.cut((at, peer)),
                }
            }
        }
    }

    fn run_jobs(&mut self, at: usize) {
        let now = self.now;
        if let Some(Node::Endpoint(endpoint)) = self.nodes.get_mut(at) {
            while let Some(job) = endpoint.poll_job() {
                endpoint.job_done(now, job.run());
            }
        }
    }

    fn poll(&mut self, at: usize) -> Option<Transmit> {
        let now = self.now;
        match self.nodes.get_mut(at)? {
            Node::Endpoint(endpoint) => endpoint.poll_transmit(now),
            Node::Relay(relay) => relay.poll_transmit(now),
        }
    }

    fn fly(&mut self, from: (usize, PeerId), (protocol, code): (Protocol, PacketCode), body: Vec<u8>) {
        let Some(to) = self.links.get(&from).copied() else { return };
        let (low, high) = (*LATENCY_MS.start(), *LATENCY_MS.end());
        let latency = Duration::from_millis(low + self.rng.next_u64() % (high - low + 1));
        let earliest = self.last_arrival.get(&to).copied().unwrap_or(Mono::ZERO);
        let at = self.now.mono.after(latency).max(earliest);
        self.last_arrival.insert(to, at);
        let id = self.id();
        self.flying.insert((at, id), Flight { to, protocol, code, body });
        if code == PacketCode::MESSAGES {
            self.input(from.0, Input::Sent(from.1));
        }
    }

    fn next(&self) -> Option<Mono> {
        let timers = self.nodes.iter().filter_map(|node| match node {
            Node::Endpoint(endpoint) => endpoint.poll_timeout(),
            Node::Relay(relay) => relay.poll_timeout(),
        });
        timers.chain(self.flying.keys().next().map(|(at, _)| *at)).min()
    }

    fn land(&mut self) {
        while let Some(first) = self.flying.first_entry().filter(|e| e.key().0 <= self.now.mono) {
            let Flight { to: (at, peer), protocol, code, body } = first.remove();
            if code == PacketCode::MESSAGES {
                *self.delivered.entry((at, peer)).or_default() += 1;
            }
            self.input(at, Input::Packet { peer, protocol, code, body: &body });
        }
        let now = self.now;
        for node in &mut self.nodes {
            match node {
                Node::Endpoint(endpoint) => endpoint.handle_timeout(now),
                Node::Relay(relay) => relay.handle_timeout(now),
            }
        }
    }
}

impl Network for WhisperNetwork {
    /// Two relays between the endpoints: each message reaches an endpoint over two ways.
    fn new(seed: u64, keyrings: Vec<Arc<dyn Keyring>>) -> Self {
        Self::with(seed, keyrings, Self::cheap(), 2)
    }

    fn now(&self) -> Now {
        self.now
    }

    fn caps(&self) -> Caps {
        Caps::live_only(MAX_PAYLOAD)
    }

    fn command(&mut self, at: usize, command: Command) -> Result<(), CommandError> {
        let now = self.now;
        match self.nodes.get_mut(at) {
            Some(Node::Endpoint(endpoint)) => endpoint.command(now, command),
            _ => Err(CommandError::Unsupported),
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            self.pump();
            let Some(at) = self.next().filter(|at| *at <= end.mono) else { break };
            // A timer of this very moment has fired already: never stand still.
            let step = at.since(self.now.mono).max(Duration::from_millis(1));
            self.now = self.now.after(step);
            self.land();
        }
        self.now = if self.now.mono > end.mono { self.now } else { end };
    }

    fn events(&mut self, at: usize) -> Vec<Event> {
        match self.nodes.get_mut(at) {
            Some(Node::Endpoint(endpoint)) => std::iter::from_fn(|| endpoint.poll_event()).collect(),
            _ => Vec::new(),
        }
    }

    fn set_online(&mut self, at: usize, online: bool) {
        self.unlink(at);
        if online {
            self.join(at);
        }
    }
}

/// Declares a network whose links speak something else than `shh/6` alone.
macro_rules! network_over {
    ($(#[$doc:meta])* $name:ident, $dialects:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub WhisperNetwork);

        impl Network for $name {
            fn new(seed: u64, keyrings: Vec<Arc<dyn Keyring>>) -> Self {
                Self(WhisperNetwork::over($dialects, seed, keyrings, 2))
            }

            fn now(&self) -> Now {
                self.0.now()
            }

            fn caps(&self) -> Caps {
                self.0.caps()
            }

            fn command(&mut self, at: usize, command: Command) -> Result<(), CommandError> {
                self.0.command(at, command)
            }

            fn run(&mut self, time: Duration) {
                self.0.run(time);
            }

            fn events(&mut self, at: usize) -> Vec<Event> {
                self.0.events(at)
            }

            fn set_online(&mut self, at: usize, online: bool) {
                self.0.set_online(at, online);
            }
        }
    };
}

network_over! {
    /// Links of `waku/0`, where topics are asked for by name.
    WakuV0Network, Dialects::waku(WakuVersion::V0)
}
network_over! {
    /// Links of `waku/1`, where topics are asked for by name.
    WakuV1Network, Dialects::waku(WakuVersion::V1)
}
network_over! {
    /// Links that speak `shh/6` and `waku/1` at once.
    MixedNetwork, Dialects::both(WakuVersion::V1)
}
