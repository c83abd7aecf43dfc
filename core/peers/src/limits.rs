//! Every number of this crate, with its unit and origin.

use std::time::Duration;

/// Peers by default (geth: `MaxPeers`).
pub const MAX_PEERS: usize = 50;

/// One of so many peers is dialled by our own choice, the others come to us (geth: `defaultDialRatio`).
pub const DIAL_RATIO: usize = 3;

/// Attempts to dial under way at once (geth: `maxActiveDialTasks`).
pub const MAX_DIALS: usize = 16;

/// Of [`MAX_DIALS`], those that unreachable static peers cannot take from the others. Our choice.
pub const RESERVED_DIALS: usize = 4;

/// Inbound connections that have not finished their handshake (geth: `defaultMaxPendingPeers`).
pub const MAX_PENDING: usize = 50;

/// The same of one IPv4 address or IPv6 /64. Our choice: half, so that one host cannot keep all others out.
pub const MAX_PENDING_PER_HOST: usize = 25;

/// One connection is accepted from a host in this time, except from loopback and the local network (geth:
/// `inboundThrottleTime`).
pub const THROTTLE: Duration = Duration::from_secs(30);

/// Hosts that the throttle remembers; above it the oldest is forgotten. Our choice: 30 s of 136 new hosts a second.
pub const MAX_THROTTLED: usize = 4_096;

/// Places for inbound peers that one /24 (IPv4) or /56 (IPv6) can take. Our choice.
pub const INBOUND_PER_NARROW: usize = 3;

/// Peers that we choose to dial in one /24 or /56. Our choice: a second one there would tell us nothing new.
pub const DYNAMIC_PER_NARROW: usize = 1;

/// One of so many places of either kind can be taken by one /16 (IPv4) or /32 (IPv6), but at least as many as by a
/// narrow network. Our choice: a quarter.
pub const WIDE_SHARE: usize = 4;

/// The first pause before a peer is dialled again, on loopback and in the local network. Our choice.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// The longest pause to a peer on loopback. Our choice: a local peer that was restarted is found again soon, and
/// asking it costs nothing.
pub const BACKOFF_LOOPBACK: Duration = Duration::from_secs(5);

/// The longest pause in the local network and the shortest elsewhere: geth throttles a source for 30 s and itself
/// waits 5 s more (geth: `dialHistoryExpiration`).
pub const BACKOFF_REMOTE: Duration = Duration::from_secs(35);

/// A random part of at most this is added to [`BACKOFF_REMOTE`], so that two nodes that dial each other do not go on
/// doing so at the same moment. Our choice.
pub const BACKOFF_JITTER: Duration = Duration::from_secs(5);

/// A link that lived this long makes the next pause a first one again. Our choice, after the throttle.
pub const SETTLED: Duration = Duration::from_secs(30);

/// Points at which a peer is banned, in thousandths. Our choice.
pub const BAN_POINTS: u64 = 100_000;
