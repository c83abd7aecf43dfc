//! What a node is.

use std::net::SocketAddr;
use std::path::PathBuf;

use undertone_crypto::PublicKey;
use undertone_devp2p::discv4::Network;
use undertone_devp2p::dnsdisc::Link;
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, NodeKey};
use undertone_discovery::DnsResolver;
use undertone_nat::NatMode;
use undertone_whisper::wire::Service;
use undertone_whisper::{Advertise, Bridge, FlushPolicy, Pow, Protocols, RateLimits, WakuMode, WakuVersion};

/// What a node does for others.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// Asks for the topics that it listens to, and passes on what comes to it.
    #[default]
    Client,
    /// Asks for the topics that it listens to and passes nothing on; its Status says so (`whisper.md` 5.6). Cheapest,
    /// and its peers know that whatever it sends is its own.
    Light,
    /// Asks for every topic and passes everything on.
    Relay,
}

impl Role {
    pub(crate) const fn advertise(self) -> Advertise {
        match self {
            Self::Relay => Advertise::Everything,
            Self::Client | Self::Light => Advertise::Interest,
        }
    }

    pub(crate) const fn service(self) -> Service {
        match self {
            Self::Light => Service::Light,
            Self::Client | Self::Relay => Service::Full,
        }
    }
}

/// How other nodes are found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiscoveryOptions {
    /// Discovery v4 over UDP.
    pub v4: bool,
    /// Discovery v5.1 over the same port.
    pub v5: bool,
    /// Where it listens; `None`: as for peers, with the same port number, or on any free port of 127.0.0.1 when the node
    /// does not listen for peers.
    pub listen: Option<SocketAddr>,
    /// Nodes to start from.
    pub boot: Vec<Enode>,
    /// The same, as records.
    pub boot_records: Vec<Record>,
    /// Node lists in DNS.
    pub dns: Vec<Link>,
    /// Who answers for DNS.
    pub resolver: DnsResolver,
}

impl Default for DiscoveryOptions {
    /// v4 and v5.1, with nobody to start from.
    fn default() -> Self {
        Self {
            v4: true,
            v5: true,
            listen: None,
            boot: Vec::new(),
            boot_records: Vec::new(),
            dns: Vec::new(),
            resolver: DnsResolver::System,
        }
    }
}

/// What a node is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeConfig {
    /// Its key.
    pub key: NodeKey,
    /// What it does for others.
    pub role: Role,
    /// Where it listens; `None`: it only dials.
    pub listen: Option<SocketAddr>,
    /// Peers to stay connected to.
    pub peers: Vec<Enode>,
    /// Nodes that are let in whatever the limits.
    pub trusted: Vec<PublicKey>,
    /// How many peers at most, static and trusted ones not counted. Reduced to what the limit of open files allows.
    pub max_peers: usize,
    /// One in so many peers is dialled by the node's own choice; the places of the others are for those that come. 0 is
    /// the usual one.
    pub dial_ratio: usize,
    /// Whether it dials anybody by its own choice, which takes [`NodeConfig::discovery`] too. A boot node does not: it
    /// keeps its places for those that come.
    pub dials: bool,
    /// If not empty: it has to do with these networks only.
    pub restrict: Vec<Network>,
    /// How it gets through a router. Without effect where it listens on loopback.
    pub nat: NatMode,
    /// How it finds others; `None`: not at all, it knows [`NodeConfig::peers`] only.
    pub discovery: Option<DiscoveryOptions>,
    /// The directory that keeps what it has learned (`peers`, `nodes`) for the next start; `None`: nothing is kept.
    pub home: Option<PathBuf>,
    /// Which protocols it speaks: Whisper, Waku, or both over one pool.
    pub protocols: Protocols,
    /// The versions of Waku that it offers, where it speaks Waku. A link has the highest that both ends offer.
    pub waku_versions: Vec<WakuVersion>,
    /// How peers of Waku are told which topics it wants. A relay wants all of them, whatever this says.
    pub waku: WakuMode,
    /// Whether envelopes of others go on by another protocol than they came by.
    pub bridge: Bridge,
    /// When envelopes leave: at once, or after a wait of its own for each peer, so that nobody sees whose they are.
    pub flush: FlushPolicy,
    /// Packets a second that it says it takes; whoever sends more is read later. Static and trusted peers are free.
    pub packet_limits: RateLimits,
    /// Bytes a second, the same.
    pub byte_limits: RateLimits,
    /// Least proof of work of envelopes, from 0. Status nodes use 0.000002.
    pub min_pow: f64,
    /// Whether accepted envelopes and what becomes of our own are reported ([`NodeEvent::Report`](crate::NodeEvent::Report)).
    pub watch: bool,
    /// Whether it is also reported in whose packets envelopes come, again and again, and when those of others end: as much as
    /// passes. Without effect unless [`NodeConfig::watch`] is set.
    pub traffic: bool,
}

impl NodeConfig {
    /// A relay with this key that speaks Whisper alone, listens nowhere, knows nobody yet, and does not look.
    pub fn relay(key: NodeKey) -> Self {
        Self {
            key,
            role: Role::Relay,
            listen: None,
            peers: Vec::new(),
            trusted: Vec::new(),
            max_peers: MAX_PEERS,
            dial_ratio: 0,
            dials: true,
            restrict: Vec::new(),
            nat: NatMode::None,
            discovery: None,
            home: None,
            protocols: Protocols::WHISPER,
            waku_versions: vec![WakuVersion::V0, WakuVersion::V1],
            waku: WakuMode::Bloom,
            bridge: Bridge::On,
            flush: FlushPolicy::Fast,
            packet_limits: RateLimits::NONE,
            byte_limits: RateLimits::NONE,
            min_pow: Pow::STATUS_LARGE.value(),
            watch: false,
            traffic: false,
        }
    }
}

/// Peers of a node by default (`geth: --maxpeers`).
const MAX_PEERS: usize = 50;
