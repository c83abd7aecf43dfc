//! Every number of this crate, with its unit and origin.

use std::time::Duration;

/// Found nodes that wait for whoever dials; above it the oldest is dropped and counted. Our choice: what was found
/// later is more likely to be there still.
pub const MAX_FOUND: usize = 512;

/// Requests of handles that wait for the task; above it the caller waits. Our choice.
pub const MAX_COMMANDS: usize = 64;

/// Requests of handles that wait for an answer from the network; above it the newest is answered with nothing. Our
/// choice.
pub const MAX_WAITING: usize = 64;

/// Time for a node to send its record or its Pong. Our choice: a ping, the half second of `SETTLE_TIME`, the request
/// and the half second of its answer, with room.
pub const RECORD_TIMEOUT: Duration = Duration::from_secs(3);

/// Time for a look-up. Our choice: as discovery v5 bounds its queries, and more than v4 needs for all that it may ask.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// A boot node whose name was not resolved is asked for again after this time, doubled up to [`RESOLVE_RETRY_MAX`].
/// Our choice.
pub const RESOLVE_RETRY: Duration = Duration::from_secs(5);

/// Longest pause between two attempts to resolve the name of a boot node. Our choice.
pub const RESOLVE_RETRY_MAX: Duration = Duration::from_secs(10 * 60);

/// Names of boot nodes are resolved again after this time, because addresses change. Our choice: the refresh interval
/// of the table.
pub const RESOLVE_AGAIN: Duration = Duration::from_secs(30 * 60);

/// Prefixes of which the offset of the clock is kept. Our choice: a median needs few.
pub const MAX_CLOCK_SAMPLES: usize = 64;

/// Nodes that proved their endpoints are written to the database this often, and the node's own record at once. Our choice: each write is a whole file
/// that is synchronised to the disk.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Largest file of the database that is read, in bytes. Our choice: above it all of `MAX_STORED` nodes with the largest
/// records and [`MAX_DNS_TREES`] lists.
pub const MAX_DATABASE: usize = 2 * 1_024 * 1_024;

/// Lists in DNS that are read at once, those inside other lists counted. Our choice.
pub const MAX_DNS_TREES: usize = 16;

/// Nodes of one list that are told of again whenever the list was looked at. Our choice: several times the peers of a
/// node; further ones are told of once.
pub const MAX_DNS_KEPT: usize = 256;

/// Lists whose sequence numbers the database keeps. Our choice: room for lists that are not configured just now.
pub const MAX_DNS_SEQS: usize = 64;

/// Pause between two random look-ups of discovery v5. Our choice: as of v4.
pub const V5_WALK_INTERVAL: Duration = Duration::from_secs(4);

/// Pause between two look-ups of discovery v5 while it has sessions with fewer nodes than a bucket holds, doubled up to
/// [`V5_THIN_INTERVAL_MAX`] while nobody new is found. Our choice.
pub const V5_THIN_INTERVAL: Duration = Duration::from_secs(1);

/// Longest such pause. Our choice: as v4 fills a thin table.
pub const V5_THIN_INTERVAL_MAX: Duration = Duration::from_secs(30);

/// Pause between two look-ups of a thick table of a node that does not walk. Our choice: as v4 refreshes its table.
pub const V5_REFRESH_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Longest pause between two attempts of v5 to reach its boot nodes while it knows nobody. Our choice.
pub const V5_BOOT_INTERVAL_MAX: Duration = Duration::from_secs(5 * 60);

/// Nodes that v5 asks how they see our address, at the same time. Our choice.
pub const MAX_V5_PINGS: usize = 4;

/// Addresses that v5 exempts from its bans by address, see `v5`. Our choice: four times the nodes that its table
/// holds in practice.
pub const MAX_V5_PERMITS: usize = 4_096;
