//! What a shell stands on: the clock, randomness and names from one place, tasks that can be stopped, a bounded
//! pool for CPU work, and files that only their owner can read.
//!
//! No protocol lives here and no socket is opened here; the cores get [`Now`](undertone_base::Now) and a generator
//! as arguments, and this crate is where the shells take both from. Left out: a virtual network (the simulator runs
//! the cores without any shell) and Windows (`lock` and `files` are Unix only).
//!
//! ```text
//!   Environment ── now(), rng(), resolve() ──▶ the loop of a shell ──▶ handle(now, …) of a core
//!   Tasks       ── spawn(name, future) ──▶ one task per machine, stopped stage by stage
//!   Pool        ── submit(job) ──▶ worker threads ──▶ the job's own callback
//!   DataDirLock, private_dir, write_private ──▶ the data directory
//! ```
//!
//! Invariants:
//! - Monotonic time never goes back and counts from the first use in the process, in every clock alike.
//! - A task that panics stops all the others, and its name is kept.
//! - Nothing here grows without a limit that its constructor names.
//! - A file written by [`write_private`] is the old one or the new one after a crash, never a mixture, and at no
//!   moment readable by others.
//!
//! Features: `testing` adds `Environment::fixed`.
//!
//! # Example
//!
//! ```
//! use std::num::NonZeroUsize;
//! use undertone_runtime::{Environment, Pool};
//!
//! let env = Environment::system()?;
//! assert!(env.now().mono <= env.now().mono);
//! let pool = Pool::new(NonZeroUsize::MIN, 16)?;
//! let sum = undertone_runtime::block_on(pool.run(|| (1..=100).sum::<u32>())?)?;
//! assert_eq!(sum, 5050);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod block;
mod core_dump;
mod environment;
mod file_limit;
mod files;
mod lock;
mod pool;
mod tasks;

pub use block::block_on;
pub use core_dump::forbid_core_dumps;
pub use environment::{Clock, Environment, EnvironmentError, ManualClock, limits};
pub use file_limit::{FileLimit, RESERVED_FILES};
pub use files::{FileError, private_dir, sync_dir, write_private};
pub use lock::{DataDirLock, LOCK_FILE, LockError};
pub use pool::{Pool, PoolError};
pub use tasks::{Shutdown, Tasks};
pub use tokio_util::sync::CancellationToken;
