//! Every limit of this crate. The numbers are our choice; the reason is with each.

use std::time::Duration;

/// Inputs that share one durable commit. At 64 the synchronisation of the disk is a small part of the work; more only
/// makes a failed commit cost more.
pub const MAX_BATCH: usize = 64;
/// Time after which a batch is committed although more inputs wait. Well below what a person notices.
pub const BATCH_WINDOW: Duration = Duration::from_millis(5);
/// Inputs and queries that wait for the writer. Overflow: `submit` and `read` wait, `try_submit` says `Full`.
pub const QUEUE: usize = 1024;
/// How long SQLite waits for another connection to the same file. Only a foreign tool can hold it: the data directory
/// is locked.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after the last commit the log is erased. Long enough that the messages of one turn share it, short enough
/// that a person who puts the machine down has nothing left in it.
pub const LOG_QUIET: Duration = Duration::from_secs(1);
/// How long after the first commit the log is erased however busy the store is: what is promised
/// (`docs/protocol/security.md`, *stolen running device*).
pub const LOG_AGE: Duration = Duration::from_secs(2);
/// Commits after which the log is erased, whatever the time. Erasing so many takes about as long as ten of them.
pub const LOG_COMMITS: usize = 256;
/// How long until the log is tried again that could not be erased, because a foreign tool reads the database.
pub const LOG_RETRY: Duration = Duration::from_secs(5);
/// Prepared statements kept. Three per table and the shapes of scan that the messenger uses.
pub(crate) const STATEMENTS: usize = 128;
/// Bytes that the log file keeps after a checkpoint; it grows beyond only while a query holds a snapshot.
pub(crate) const WAL_KEPT: u32 = 4 * 1024 * 1024;
