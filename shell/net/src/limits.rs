//! Every number of this crate, with its unit and origin.

use std::time::Duration;

/// Time for one TCP connection, all addresses of a name together (geth: `defaultDialTimeout`).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections that are being dialled at once (geth: `maxActiveDialTasks`).
pub const MAX_DIALS: usize = 16;

/// Inbound connections that have not finished their handshake; above it nothing is accepted (geth:
/// `defaultMaxPendingPeers`).
pub const MAX_PENDING: usize = 50;

/// One connection is accepted from a source in this time, except from loopback and the local network (geth:
/// `inboundThrottleTime`).
pub const THROTTLE: Duration = Duration::from_secs(30);

/// Sources that the throttle remembers; above it the oldest is forgotten. Our choice: 30 s of 136 new sources a second.
pub const MAX_THROTTLED: usize = 4_096;

/// Time for one batch of frames to be taken by the peer's side (geth: `frameWriteTimeout`, for one frame).
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for the last bytes and for the peer to close after them (geth: `discWriteTimeout`).
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes read at once. Our choice: a bundle of small envelopes.
pub const READ_BUFFER: usize = 64 * 1_024;

/// Batches written before the other inputs get their turn. Our choice.
pub const MAX_BATCHES: usize = 4;

/// Messages that may wait for one peer; above it `send` says full. Our choice.
pub const QUEUED_MESSAGES: usize = 1_024;

/// Bytes of payload that may wait for one peer; above it `send` says full, except for one message when none waits.
/// Our choice: four of the largest messages of the whisper layer.
pub const QUEUED_BYTES: usize = 4 * 1_024 * 1_024;

/// Events that may wait for the node, of all peers together; above it the peers are not read. Our choice: 128 of the
/// largest messages are 128 MiB, small ones a few milliseconds of work.
pub const EVENTS: usize = 128;

/// Peers by default (geth: `MaxPeers`).
pub const MAX_PEERS: usize = 50;

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

/// Pause of the listener after an error, doubled up to [`ACCEPT_PAUSE_MAX`] (as Go's `net/http` does, less eagerly).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause of the listener.
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
