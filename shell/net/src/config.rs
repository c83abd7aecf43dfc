//! What goes in and what comes out.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use undertone_base::{FaultClass, Severity, Unix};
use undertone_crypto::PublicKey;
use undertone_devp2p::discv4::Network;
use undertone_devp2p::{Capability, Closed, Config, DisconnectReason, Enode, NodeKey, Offer, Shared};
use undertone_peers::limits::{DIAL_RATIO, MAX_PEERS};
use undertone_peers::{Ending, LinkId, Remembered};

use crate::limits::LARGE_FRAMES;

/// A connection. Never reused within a run.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub(crate) LinkId);

impl PeerId {
    /// Its number, for logs and for maps of other layers.
    pub const fn number(self) -> u64 {
        self.0.number()
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.0)
    }
}

/// Who made the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// We.
    Dialled,
    /// The peer.
    Inbound,
}

impl Direction {
    pub(crate) const fn of(direction: undertone_peers::Direction) -> Self {
        match direction {
            undertone_peers::Direction::Dialled(_) => Self::Dialled,
            undertone_peers::Direction::Inbound => Self::Inbound,
        }
    }
}

/// What a node is on the network.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Its key.
    pub key: NodeKey,
    /// What it calls itself in its Hello.
    pub client: String,
    /// The capabilities that it offers.
    pub offers: Vec<Offer>,
    /// Where it listens, if it does; port 0 takes any free one.
    pub listen: Option<SocketAddr>,
    /// Whom it dials, and dials again whenever they are not connected.
    pub static_peers: Vec<Enode>,
    /// Whom it lets in whatever the limits.
    pub trusted: Vec<PublicKey>,
    /// Peers at once. Static and trusted ones may exceed it, but count. Fewer when the process may not open so many
    /// sockets.
    pub max_peers: usize,
    /// Whether it also dials whom [`Net::found`](crate::Net::found) names, whom it remembers, and boot nodes.
    pub dynamic: bool,
    /// Of `max_peers`, one in so many is dialled by its own choice, the others are for those that come.
    pub dial_ratio: usize,
    /// The networks of which peers are dialled and let in; none means all.
    pub restrict: Vec<Network>,
    /// Dialled when there is nobody else, if `dynamic`.
    pub boot: Vec<Enode>,
    /// What an earlier run gave with [`Net::memory`](crate::Net::memory): dialled first, if `dynamic`.
    pub remembered: Vec<Remembered>,
    /// Largest message of a capability in bytes, decompressed.
    pub max_message: usize,
    /// Large frames that are received at the same time, of all peers together.
    pub large_frames: usize,
}

impl NetConfig {
    /// One that neither listens nor dials anybody but static peers, with the limits of the originals.
    pub fn new(key: NodeKey, client: &str, offers: Vec<Offer>) -> Self {
        Self {
            key,
            client: client.to_owned(),
            offers,
            listen: None,
            static_peers: Vec::new(),
            trusted: Vec::new(),
            max_peers: MAX_PEERS,
            dynamic: false,
            dial_ratio: DIAL_RATIO,
            restrict: Vec::new(),
            boot: Vec::new(),
            remembered: Vec::new(),
            max_message: Config::MAX_MESSAGE,
            large_frames: LARGE_FRAMES,
        }
    }
}

/// Why the network cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl NetError {
    /// The machine's.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Listen { .. } => FaultClass::Environment,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "net.listen",
        }
    }
}

/// Why a message was not taken. Nothing was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendRefused {
    /// Too much waits for this peer. [`NetEvent::Writable`] comes when it has gone out.
    #[error("too much waits for the peer")]
    Full,
    /// The peer is not connected.
    #[error("the peer is not connected")]
    Gone,
    /// Larger than the limit for messages.
    #[error("message of {size} bytes is over the limit of {max}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The capability is not shared with the peer, or has no such code.
    #[error("no such message on this link")]
    UnknownMessage,
}

impl SendRefused {
    /// The peer's when it is slow or gone, else the caller's.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Full | Self::Gone => FaultClass::peer(Severity::Mild),
            Self::TooLarge { .. } | Self::UnknownMessage => FaultClass::Caller,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full => "net.full",
            Self::Gone => "net.gone",
            Self::TooLarge { .. } => "net.too_large",
            Self::UnknownMessage => "net.no_such_message",
        }
    }
}

/// What happens on the network. Per peer: `Connected`, then the rest in order, then `Disconnected`, the last.
#[derive(Debug)]
pub enum NetEvent {
    /// A peer was let in and both Hellos are exchanged.
    Connected {
        /// The connection.
        peer: PeerId,
        /// Whose key the handshake proved.
        key: PublicKey,
        /// Where it is.
        address: SocketAddr,
        /// Who made the connection.
        direction: Direction,
        /// What the peer calls itself; bytes that are no UTF-8 are replaced. Untrusted: up to 2,048 bytes of anything.
        client: String,
        /// The shared capabilities; messages are addressed by the index.
        shared: Vec<Shared>,
        /// Whether it is static or trusted: limits do not bind it.
        exempt: bool,
    },
    /// A message of a capability.
    Message {
        /// From whom.
        peer: PeerId,
        /// Index into the shared capabilities.
        capability: usize,
        /// Its code.
        code: u64,
        /// Its payload, decompressed.
        payload: Vec<u8>,
    },
    /// All bytes queued for the peer have been written to its socket.
    Writable {
        /// Which.
        peer: PeerId,
        /// How many messages that is: as many as `Net::send` has taken for this peer since it connected, or fewer
        /// when it has taken more meanwhile.
        written: u64,
    },
    /// The connection is over.
    Disconnected {
        /// Which.
        peer: PeerId,
        /// Why.
        closed: LinkEnd,
    },
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkEnd {
    /// By the rules of the protocol.
    Session(Closed),
    /// The connection broke: closed without a word (`UnexpectedEof`), reset, not read for too long (`TimedOut`).
    Io(io::ErrorKind),
}

impl LinkEnd {
    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Session(Closed::ByPeer(_)) => "net.closed_by_peer",
            Self::Session(Closed::ByUs(_)) => "net.closed_by_us",
            Self::Session(Closed::Fault(fault)) => fault.code(),
            Self::Io(io::ErrorKind::UnexpectedEof) => "net.eof",
            Self::Io(io::ErrorKind::TimedOut) => "net.write_timeout",
            Self::Io(_) => "net.io",
        }
    }

    /// What the peer manager makes of it; `proved` if both Hellos were there. Before that nothing is held against a
    /// key: whoever replays a recorded auth gets that far with another's.
    pub(crate) const fn ending(&self, proved: bool) -> Ending {
        match self {
            Self::Session(Closed::ByPeer(reason)) if !proved || refusal(*reason) => Ending::Refused(*reason),
            Self::Session(Closed::ByPeer(_) | Closed::ByUs(_)) => Ending::Clean,
            Self::Session(Closed::Fault(fault)) if proved => Ending::Fault(fault.fault()),
            // It took nothing for too long, and our memory meanwhile.
            Self::Io(io::ErrorKind::TimedOut) if proved => Ending::Fault(FaultClass::peer(Severity::Mild)),
            Self::Session(Closed::Fault(_)) | Self::Io(_) => Ending::Broken,
        }
    }
}

/// Whether the reason says that there is no place for us: geth looks again after the Hellos.
const fn refusal(reason: DisconnectReason) -> bool {
    matches!(
        reason,
        DisconnectReason::ALREADY_CONNECTED
            | DisconnectReason::INCOMPATIBLE_VERSION
            | DisconnectReason::SELF
            | DisconnectReason::TOO_MANY_PEERS
            | DisconnectReason::UNEXPECTED_IDENTITY
            | DisconnectReason::USELESS_PEER
    )
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(Closed::ByPeer(reason)) => write!(f, "the peer closed: {reason}"),
            Self::Session(Closed::ByUs(reason)) => write!(f, "we closed: {reason}"),
            Self::Session(Closed::Fault(fault)) => write!(f, "fault: {fault}"),
            Self::Io(kind) => write!(f, "connection: {kind}"),
        }
    }
}

/// A connected peer.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// The connection.
    pub peer: PeerId,
    /// Whose key the handshake proved.
    pub key: PublicKey,
    /// Where it is.
    pub address: SocketAddr,
    /// Who made the connection.
    pub direction: Direction,
    /// What it calls itself. Untrusted.
    pub client: String,
    /// The shared capabilities.
    pub capabilities: Vec<Capability>,
    /// Since when, by the wall clock.
    pub since: Unix,
    /// Whether it is a static peer.
    pub fixed: bool,
    /// Whether it is trusted.
    pub trusted: bool,
    /// Points for usefulness, in thousandths, as the peer manager counts them; they halve with time.
    pub usefulness: u64,
    /// Points for faults, in thousandths; enough of them are a ban.
    pub faults: u64,
    /// Time of the last answered ping.
    pub rtt: Option<Duration>,
}
