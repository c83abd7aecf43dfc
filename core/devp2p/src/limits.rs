//! Every number of this crate, with its unit and origin.

use std::time::Duration;

/// Largest frame body that the 24-bit size field can say, in bytes (`devp2p.md` 2.4).
pub const MAX_FRAME: usize = 0xff_ffff;

/// Largest auth or ack packet without its size prefix, in bytes. Later geth (v1.14.6) uses the same.
pub const MAX_HANDSHAKE_PACKET: usize = 2_048;

/// Padding of an EIP-8 packet, in bytes: 100 to 299, as geth draws it. Below 100 geth 1.9.7 waits for ever.
pub const HANDSHAKE_PADDING: std::ops::RangeInclusive<usize> = 100..=299;

/// Longest message id in bytes: an integer of 64 bits and its RLP prefix.
pub const MESSAGE_ID: usize = 9;

/// Largest Hello payload in bytes (geth: `baseProtocolMaxMsgSize`).
pub const MAX_HELLO: usize = 2_048;

/// Capabilities of a peer that we look at. Our choice: a Hello of 2,048 bytes has room for about 600.
pub const MAX_CAPABILITIES: usize = 64;

/// Time for auth, ack and both Hellos together (geth: `handshakeTimeout`).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer that sends no message for this long is cut (geth: `frameReadTimeout`).
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// We ping after sending nothing, or hearing nothing, for this long (geth: `pingInterval`, which it keeps always).
pub const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Pings of a peer in one [`PING_INTERVAL`]; above it the link ends. An honest peer sends one; the bound
/// answers CVE-2023-40591.
pub const MAX_PINGS: u32 = 30;

/// Bytes that may wait to be written before `send` says congested. One larger message is taken when nothing
/// waits. Our choice: four bundles of the whisper layer.
pub const MAX_QUEUED: usize = 2 * 1024 * 1024;

/// Bytes that a peer may have sent while the shell decides whether to admit it. Our choice: a Hello fits.
pub const MAX_EARLY: usize = 4_096;

/// Length of a plain (pre-EIP-8) auth packet, and the shortest EIP-8 one geth reads, in bytes.
pub const PLAIN_AUTH: usize = 307;

/// The same of the ack packet.
pub const PLAIN_ACK: usize = 210;

/// Capacity of the receive buffer that an idle link keeps, in bytes. Our choice: the usual read of a socket, so
/// that a thousand links do not each keep the room of their largest frame.
pub const IDLE_BUFFER: usize = 64 * 1024;
