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

/// Largest node record, in bytes, header of the list included (EIP-778).
pub const MAX_RECORD: usize = 300;

/// Children of a branch in the node lists that we make (geth: `maxChildren`).
pub const DNS_CHILDREN: usize = 18;

/// Children of a branch that we read. Our choice: what fits into [`MAX_DNS_TEXT`] with the shortest hashes.
pub const MAX_DNS_BRANCH: usize = 100;

/// Longest text of a TXT record that we look at, in bytes. Our choice: four times the longest record of a node.
pub const MAX_DNS_TEXT: usize = 2_048;

/// Longest name of a node list, in bytes: a hash of 52 digits and a dot before it stay below the 253 of DNS.
pub const MAX_DNS_NAME: usize = 200;

/// Entries that we read of one list. Our choice: a signer could publish without end.
pub const MAX_DNS_ENTRIES: usize = 5_000;

/// Levels of branches that we follow. Our choice: five hold more than a million nodes.
pub const MAX_DNS_DEPTH: u8 = 8;

/// Questions to the resolver at the same time. Our choice.
pub const MAX_DNS_QUERIES: usize = 3;

/// Time between two questions: three in a second (later geth: `defaultRateLimit`).
pub const DNS_QUERY_INTERVAL: Duration = Duration::from_millis(334);

/// An unanswered question is given up (geth: `defaultTimeout`).
pub const DNS_TIMEOUT: Duration = Duration::from_secs(5);

/// The root of a list is asked for again (geth: `defaultRecheck`).
pub const DNS_RECHECK: Duration = Duration::from_secs(30 * 60);

/// A list that failed is tried again. Our choice.
pub const DNS_RETRY: Duration = Duration::from_secs(5 * 60);
