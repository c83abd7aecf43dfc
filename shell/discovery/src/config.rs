//! What goes in and what comes out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use undertone_base::{FaultClass, Unix};
use undertone_devp2p::discv4::Network;
use undertone_devp2p::dnsdisc::Link;
use undertone_devp2p::enr::{EnrError, Record};
use undertone_devp2p::{Enode, NodeKey, discv4};

use crate::dns::DnsResolver;

/// How a node takes part in discovery.
#[derive(Clone, Debug)]
pub struct DiscoveryConfig {
    /// The node's key, the same as of its RLPx sessions.
    pub key: NodeKey,
    /// UDP address; port 0 takes any free one. Not used when neither `v4` nor `v5` is on.
    pub listen: SocketAddr,
    /// The RLPx port that the record says; 0 for a node that does not listen.
    pub tcp: u16,
    /// The address that the record says, when it is known. Stronger than any prediction, as
    /// [`Discovery::set_external`](crate::Discovery::set_external).
    pub advertise_ip: Option<IpAddr>,
    /// Nodes to start from. Names are resolved when they are needed, and again later.
    pub boot: Vec<Enode>,
    /// The same, as records: what v5 starts from.
    pub boot_records: Vec<Record>,
    /// Node lists in DNS.
    pub dns: Vec<Link>,
    /// Who answers for DNS.
    pub resolver: DnsResolver,
    /// Discovery v4.
    pub v4: bool,
    /// Discovery v5.1, on the same port.
    pub v5: bool,
    /// Whether random look-ups go on from the start; [`Discovery::walk`](crate::Discovery::walk) changes it.
    pub walk: bool,
    /// If not empty: nobody outside of these networks is asked or told of, and v4 answers nobody else.
    pub restrict: Vec<Network>,
    /// The file that keeps the record's number, the nodes and the numbers of the DNS lists.
    pub database: Option<PathBuf>,
}

impl DiscoveryConfig {
    /// v4 on a free port of 127.0.0.1, without boot nodes, lists, restriction and database, not walking.
    pub fn new(key: NodeKey) -> Self {
        Self {
            key,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            tcp: 0,
            advertise_ip: None,
            boot: Vec::new(),
            boot_records: Vec::new(),
            dns: Vec::new(),
            resolver: DnsResolver::System,
            v4: true,
            v5: false,
            walk: false,
            restrict: Vec::new(),
            database: None,
        }
    }
}

/// Who told of a node.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// Discovery v4: it proved its endpoint to us.
    V4,
    /// Discovery v5.1: it proved its key to us, or others told of it in a look-up.
    V5,
    /// A list in DNS: its signer vouches for it.
    Dns,
}

impl Source {
    /// Its name in logs and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V5 => "v5",
            Self::Dns => "dns",
        }
    }
}

/// A node that was found; it can come again. It may be anything: its RLPx port may be 0, then it cannot be dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The node.
    pub enode: Enode,
    /// Its record, if it is known. Verified.
    pub record: Option<Record>,
    /// Who told of it.
    pub source: Source,
}

/// A node of the tables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeView {
    /// The node.
    pub enode: Enode,
    /// Its record, if it is known.
    pub record: Option<Record>,
    /// Whose table it is in.
    pub source: Source,
}

/// How far the clock of another node is from ours, by the expiration of its Pong to a Ping of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClockSample {
    /// The addresses that one owner is likely to have: one source.
    pub prefix: Network,
    /// Its clock minus ours in milliseconds. To the second at best, and half a second less than the truth on average,
    /// because expirations are whole seconds, rounded down. A node whose packets live longer than geth's 20 seconds
    /// seems to be ahead by the difference.
    pub offset_ms: i64,
    /// When it was taken, by our clock.
    pub at: Unix,
}

/// Counters and sizes, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Counters of v4.
    pub v4: discv4::Stats,
    /// What v4 holds.
    pub sizes: discv4::Sizes,
    /// Nodes in the table of v5.
    pub v5_table: usize,
    /// Of these, nodes with a session.
    pub v5_connected: usize,
    /// Datagrams that were longer than 1,280 bytes and were refused unread.
    pub oversize: u64,
    /// Datagrams that v5 could not read and whose hash is not v4's either.
    pub garbage: u64,
    /// Found nodes that were dropped because nobody took them.
    pub found_dropped: u64,
    /// Datagrams that the system did not take for sending.
    pub send_failed: u64,
}

/// The answer to a Ping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pinged {
    /// Time until it came.
    pub rtt: Duration,
}

/// Why discovery cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The UDP address cannot be listened on.
    #[error("cannot listen on {address} for discovery")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The node's own record cannot be made.
    #[error("the node's record cannot be made")]
    Record(#[from] EnrError),
    /// Discovery v5 does not start.
    #[error("discovery v5 does not start: {reason}")]
    V5 {
        /// Why, in the words of its library.
        reason: &'static str,
    },
}

impl DiscoveryError {
    /// The machine's for the socket, else a bug of ours.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Listen { .. } => FaultClass::Environment,
            Self::Record(_) => FaultClass::Bug("own record"),
            Self::V5 { .. } => FaultClass::Bug("discovery v5"),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "discovery.listen",
            Self::Record(_) => "discovery.own_record",
            Self::V5 { .. } => "discovery.v5",
        }
    }
}
