//! What goes in and what comes out.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use undertone_base::{FaultClass, Mono, Severity, Unix};
use undertone_crypto::PublicKey;
use undertone_devp2p::discv4::Network;
use undertone_devp2p::{DisconnectReason, Enode};

use crate::address::Reach;
use crate::limits::{DIAL_RATIO, MAX_PEERS};
use crate::remembered::Remembered;

/// What the manager is to aim at.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's own key: never dialled, never let in.
    pub own: PublicKey,
    /// Peers at once. Static and trusted ones may exceed it, but count.
    pub max_peers: usize,
    /// At most `max_peers / dial_ratio` peers are dialled by our own choice; 0 means [`DIAL_RATIO`]. The rest of
    /// `max_peers` is for inbound ones. A ratio of 1 leaves no place for inbound peers: a light client.
    pub dial_ratio: usize,
    /// Whether anybody is dialled beside the static peers. Without it every place is for inbound peers.
    pub dynamic: bool,
    /// Networks of which peers are dialled and let in; empty for all.
    pub restrict: Vec<Network>,
    /// Dialled when there is nobody else. Trusted to exist, not to be honest.
    pub boot: Vec<Enode>,
    /// What an earlier run gave with [`Event::Remember`]; more than the limit is cut.
    pub remembered: Vec<Remembered>,
}

impl Config {
    /// With the limits of the originals, dialling whoever is found.
    pub const fn new(own: PublicKey) -> Self {
        Self {
            own,
            max_peers: MAX_PEERS,
            dial_ratio: DIAL_RATIO,
            dynamic: true,
            restrict: Vec::new(),
            boot: Vec::new(),
            remembered: Vec::new(),
        }
    }

    /// How many peers are dialled by our own choice; at least one if any.
    pub(crate) fn dynamic_limit(&self) -> usize {
        if !self.dynamic || self.max_peers == 0 {
            return 0;
        }
        let ratio = if self.dial_ratio == 0 { DIAL_RATIO } else { self.dial_ratio };
        self.max_peers.checked_div(ratio).unwrap_or_default().max(1)
    }

    pub(crate) fn inbound_limit(&self) -> usize {
        self.max_peers.saturating_sub(self.dynamic_limit())
    }
}

/// A link: one connection whose handshake has named a key. Never reused within a run.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub(crate) u64);

/// An attempt to dial. Never reused within a run.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialId(pub(crate) u64);

macro_rules! number {
    ($name:ident) => {
        impl $name {
            /// Its number, for logs and for maps of other layers.
            pub const fn number(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

number!(LinkId);
number!(DialId);

/// Who made a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// We, by this attempt.
    Dialled(DialId),
    /// The peer.
    Inbound,
}

/// Why somebody is dialled.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum DialKind {
    /// A boot node, because there is nobody else.
    Boot,
    /// One of those that were found or remembered.
    Dynamic,
    /// The operator wants it.
    Static,
}

/// Somebody to dial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dial {
    /// To be given back with [`crate::Peers::dial_over`].
    pub id: DialId,
    /// Why.
    pub kind: DialKind,
    /// Whom. It has an endpoint with a TCP port; the host may be a name only for static and boot nodes. What a name
    /// resolves to is to be asked of [`crate::Peers::allows`] before connecting.
    pub enode: Enode,
}

/// How far an attempt to dial came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attempt {
    /// No TCP connection: not resolved, refused, timed out.
    Unreachable,
    /// A TCP connection, but it was never established: handshake failed, or either side refused.
    Failed,
    /// Established for this long.
    Lived(Duration),
}

/// What became of an attempt to dial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DialOutcome {
    /// How far away the address is that was tried; of a name that did not resolve, [`Reach::Lan`].
    pub reach: Reach,
    /// How far it came.
    pub attempt: Attempt,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// The connection broke or timed out without anybody's fault.
    Broken,
    /// Either side said goodbye, or it was asked for.
    Clean,
    /// It ended for this fault, which is counted if it is the peer's: [`crate::Peers::fault`] must not be told of it too.
    Fault(FaultClass),
    /// The peer refused us.
    Refused(DisconnectReason),
}

/// From where a candidate is known. All are untrusted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// A node list in DNS.
    Dns,
    /// An earlier run.
    Remembered,
    /// Discovery v4.
    V4,
    /// Discovery v5.
    V5,
}

/// Whom a ban is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum BanTarget {
    /// An address; of IPv6 the whole /64 in which one host has any address it likes.
    Ip(IpAddr),
    /// A key.
    Key(PublicKey),
}

/// Why a connection was not accepted. To be closed without a word and before any cryptography.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The address is banned.
    #[error("the address is banned")]
    Banned,
    /// Too many handshakes are under way.
    #[error("too many handshakes are under way")]
    Busy,
    /// Too many handshakes of this address are under way.
    #[error("too many handshakes of one address are under way")]
    BusySource,
    /// Outside of the networks that are allowed.
    #[error("outside of the allowed networks")]
    Restricted,
    /// One from this address was accepted moments ago.
    #[error("one from this address was accepted moments ago")]
    Throttled,
}

impl Refusal {
    /// The peer's, mildly: honest peers meet each of them.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Mild)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Banned => "peers.banned",
            Self::Busy => "peers.busy",
            Self::BusySource => "peers.busy_source",
            Self::Restricted => "peers.restricted",
            Self::Throttled => "peers.throttled",
        }
    }
}

/// Why a node cannot be a static peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StaticError {
    /// It is this node.
    #[error("that is this node itself")]
    Myself,
    /// Its address is outside of the networks that are allowed.
    #[error("outside of the allowed networks")]
    Restricted,
}

impl StaticError {
    /// The caller's.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Myself => "peers.static_self",
            Self::Restricted => "peers.static_restricted",
        }
    }
}

/// What the layer above has to do or to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Somebody was banned for faults. Links that this concerns get a [`Event::Disconnect`] of their own.
    Banned {
        /// Whom.
        target: BanTarget,
        /// Until when.
        until: Mono,
    },
    /// End this link with this reason; then say [`crate::Peers::closed`]. It counts until then.
    Disconnect {
        /// Which.
        link: LinkId,
        /// What to send.
        reason: DisconnectReason,
    },
    /// More candidates are wanted: discovery should walk. At first nothing is wanted.
    Hungry,
    /// What to write to disk for the next start: the whole list, replacing what was written before.
    Remember(Vec<Remembered>),
    /// A static node is unreachable or has no endpoint: look its endpoint up, then say [`crate::Peers::resolved`].
    Resolve(PublicKey),
    /// No more candidates are wanted.
    Satisfied,
}

/// A link that is established.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerView {
    /// The link.
    pub link: LinkId,
    /// Whose key was proved.
    pub key: PublicKey,
    /// Where it is.
    pub address: SocketAddr,
    /// Who made the link.
    pub direction: Direction,
    /// Whether it is a static peer.
    pub fixed: bool,
    /// Whether it is trusted.
    pub trusted: bool,
    /// Since when, by the wall clock.
    pub since: Unix,
    /// For how long.
    pub age: Duration,
    /// Points for usefulness, in thousandths: a new envelope first delivered is 1,000; halves every ten minutes.
    pub usefulness: u64,
    /// Points for faults, in thousandths, halving every half hour; a ban comes at
    /// [`crate::limits::BAN_POINTS`].
    pub faults: u64,
    /// Time of the last answered ping.
    pub rtt: Option<Duration>,
}

/// A static peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StaticView {
    /// As the operator gave it.
    pub enode: Enode,
    /// The link, if one is established.
    pub link: Option<LinkId>,
}

/// Counts, for metrics and for `doctor`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Links established.
    pub peers: usize,
    /// Of them, in a place for inbound peers.
    pub inbound: usize,
    /// Of them, in a place for peers that we chose to dial.
    pub dynamic: usize,
    /// Of them, static or trusted ones, which no limit concerns.
    pub exempt: usize,
    /// Links without a Hello.
    pub unproved: usize,
    /// Accepted connections whose handshake is under way.
    pub pending: usize,
    /// Attempts to dial that are under way and not yet established.
    pub dialling: usize,
    /// Candidates.
    pub candidates: usize,
    /// Peers remembered for the next start.
    pub remembered: usize,
    /// Keys and addresses banned; some may be over already.
    pub banned: usize,
    /// Peers let go to make room for others, since the start.
    pub rotated: u64,
    /// Connections and links refused, since the start.
    pub refused: u64,
}
