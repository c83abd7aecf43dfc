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

/// Largest datagram of discovery v4, in bytes (geth: `maxPacketSize`).
pub const MAX_DATAGRAM: usize = 1_280;

/// Most nodes in one Neighbors packet: twelve of IPv6 still fit (geth: `maxNeighbors`).
pub const NEIGHBORS_PER_PACKET: usize = 12;

/// Lowest discovery port of a node that somebody tells of (geth drops ports up to 1024).
pub const MIN_NEIGHBOR_PORT: u16 = 1_025;

/// Nodes in a bucket, in an answer and in the result of a lookup: Kademlia's k (geth: `bucketSize`).
pub const BUCKET_SIZE: usize = 16;

/// Buckets; the first holds all log distances up to 240 (geth: `nBuckets`).
pub const BUCKETS: usize = 17;

/// Replacements of a bucket (geth: `maxReplacements`).
pub const REPLACEMENTS: usize = 10;

/// Nodes of one prefix of addresses in a bucket (geth: `bucketIPLimit`).
pub const BUCKET_PER_PREFIX: usize = 2;

/// Nodes of one prefix of addresses in the table (geth: `tableIPLimit`).
pub const TABLE_PER_PREFIX: usize = 10;

/// Nodes of one public address in the table. Our choice: keys cost nothing, addresses do.
pub const TABLE_PER_ADDRESS: usize = 1;

/// Random nodes of the table that a lookup asks before the closest, beside a boot node. Our choice: a lookup that asks
/// the closest alone is told of hostile nodes alone once it has met some.
pub const LOOKUP_DETOURS: usize = 2;

/// Requests of a lookup at the same time: Kademlia's α (geth: `alpha`).
pub const LOOKUP_PARALLEL: usize = 3;

/// Nodes that one lookup asks. Our choice: hostile nodes could go on naming closer ones; an honest network of a
/// million nodes needs about thirty.
pub const MAX_LOOKUP_ASKED: usize = 64;

/// Lookups that wait for their turn. Our choice; more are refused.
pub const MAX_LOOKUPS: usize = 16;

/// FindNode requests in a row without a node after which a node goes (geth: `maxFindnodeFailures`).
pub const MAX_FIND_FAILURES: u8 = 5;

/// Nodes that a bucket has when one of them may go for that (later geth: `bucketSize/4`).
pub const MIN_FOR_FAILURES: usize = BUCKET_SIZE / 4;

/// Records asked for at the same time. Our choice; more wait for the next ping.
pub const MAX_RECORD_REQUESTS: usize = 16;

/// Life of what we send (geth: `expiration`).
pub const PACKET_LIFETIME: Duration = Duration::from_secs(20);

/// Time for an answer (geth: `respTimeout`).
pub const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Time for a Pong. Our choice: a node like ours answers after a round trip of its own, so twice geth's.
pub const PONG_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Time that a peer gets to ping us and to take our Pong before we ask it (geth: `respTimeout` again).
pub const SETTLE_TIME: Duration = Duration::from_millis(500);

/// How long a proved endpoint counts (geth: `bondExpiration`; the specification says 12 hours).
pub const BOND: Duration = Duration::from_secs(24 * 3_600);

/// Proved endpoints that are remembered. Our choice: ten times the table.
pub const MAX_BONDS: usize = 4_096;

/// Pings that wait for their Pong; above it unknown nodes are not answered. Our choice.
pub const MAX_PINGS_OUT: usize = 256;

/// Window of the rates below. Our choice.
pub const RATE_WINDOW: Duration = Duration::from_secs(5);

/// Pings of unknown nodes that are answered to one prefix in a window. Our choice: an honest node sends two.
pub const MAX_UNPROVEN_PINGS: u32 = 10;

/// Requests that are answered to one prefix of proved nodes in a window. Our choice.
pub const MAX_REQUESTS: u32 = 100;

/// Prefixes that are counted in a window. Our choice.
pub const MAX_LIMITED: usize = 2_048;

/// Datagrams that wait to be written; further ones are dropped and counted. Our choice.
pub const MAX_DATAGRAMS_OUT: usize = 1_024;

/// Events that wait for the layer above; the oldest is dropped and counted. Our choice.
pub const MAX_DISCOVERY_EVENTS: usize = 1_024;

/// How long a statement about our endpoint counts (geth: `iptrackWindow`).
pub const VOTE_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Statements that decide (geth: `iptrackMinStatements`).
pub const MIN_VOTES: usize = 10;

/// Statements that are kept. Our choice.
pub const MAX_VOTES: usize = 256;

/// The table is filled anew (geth: `refreshInterval`).
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// An empty table is filled anew. Our choice.
pub const EMPTY_REFRESH: Duration = Duration::from_secs(10);

/// A table with less than a bucket of nodes is filled anew. Our choice: many nodes that start together know
/// nobody to tell of, and geth would wait for half an hour.
pub const THIN_REFRESH: Duration = Duration::from_secs(30);

/// Longest pause between two checks of a node in the table (geth: `revalidateInterval`).
pub const REVALIDATE_INTERVAL: Duration = Duration::from_secs(10);

/// Pause between two random lookups. Our choice, as in the fork that status-go runs.
pub const WALK_INTERVAL: Duration = Duration::from_secs(4);

/// The same while nobody wants to hear of nodes. Our choice: whoever was led astray at the start finds out.
pub const IDLE_WALK_INTERVAL: Duration = Duration::from_secs(60);

/// Nodes of the table are handed to the database (geth: `copyNodesInterval`).
pub const STORE_INTERVAL: Duration = Duration::from_secs(30);

/// Time in the table before a node goes to the database (geth: `seedMinTableTime`).
pub const STORE_AFTER: Duration = Duration::from_secs(5 * 60);

/// Nodes of the database that a refresh starts from (geth: `seedCount`).
pub const SEEDS: usize = 30;

/// Oldest Pong of such a node (geth: `seedMaxAge`).
pub const SEED_AGE: Duration = Duration::from_secs(5 * 24 * 3_600);

/// Nodes of the database that are taken at the start. Our choice.
pub const MAX_STORED: usize = 2_048;

/// Boot nodes that are taken. Our choice.
pub const MAX_BOOT_NODES: usize = 64;
