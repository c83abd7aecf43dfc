//! The ground of every layer: time, ids, secrets that wipe, a bounded reader, and whose fault an error is.
//!
//! Nothing here belongs to one protocol. Nothing here reads a clock, draws randomness or does IO: the types
//! are what the other crates of `core/` use to take those things as arguments.
//!
//! - [`Mono`], [`Unix`], [`Now`]: time as an argument.
//! - [`Secret`]: bytes that wipe on drop, print nothing and compare in constant time; [`wipe_stack`]: what calls with
//!   keys leave behind.
//! - [`fixed_bytes!`]: newtypes for ids of a fixed width.
//! - [`Reader`]: a cursor over hostile bytes that cannot index out of range.
//! - [`FaultClass`]: what every public error of the project can be asked.
//!
//! # Example
//!
//! ```
//! use undertone_base::{Mono, Now, Unix};
//! use std::time::Duration;
//!
//! let start = Now { mono: Mono::ZERO, unix: Unix::from_millis(1_600_000_000_000) };
//! let later = start.after(Duration::from_secs(15));
//! assert_eq!(later.unix.secs(), 1_600_000_015);
//! assert_eq!(later.mono.since(start.mono), Duration::from_secs(15));
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bytes;
mod fault;
mod reader;
mod secret;
mod store;
mod time;

#[doc(hidden)]
pub use const_hex as __hex;

pub use bytes::{ParseHexError, decode_hex};
pub use fault::{FaultClass, PeerFault, Severity};
pub use reader::{Reader, Truncated};
pub use secret::{Secret, wipe_stack};
pub use store::StoreError;
pub use time::{Mono, Now, Unix};
