//! Every number of this crate, with its unit and origin.

use std::time::Duration;

/// Time for one TCP connection, all addresses of a name together (geth: `defaultDialTimeout`).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Handshakes whose cryptography runs at the same moment. Our choice: one takes 0.2 ms of a core, so that with one at a
/// time a flood delays others by that much and never takes more than one core.
pub const HANDSHAKES_AT_ONCE: usize = 1;

/// Time for one batch of frames to be taken by the peer's side (geth: `frameWriteTimeout`, for one frame).
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for the last bytes and for the peer to close after them (geth: `discWriteTimeout`).
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes read at once. Our choice: a bundle of small envelopes.
pub const READ_BUFFER: usize = 64 * 1_024;

/// Frames of more than [`READ_BUFFER`] that are received at the same time, of all peers together; who begins another one
/// waits, and is cut when its turn does not come within the time for a message. Our choice: of the largest of the whisper
/// layer they are less than 64 MiB.
pub const LARGE_FRAMES: usize = 48;

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

/// Pause of the listener after an error, doubled up to [`ACCEPT_PAUSE_MAX`] (as Go's `net/http` does, less eagerly).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause of the listener.
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
