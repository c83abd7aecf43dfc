//! The contract between what is said and whatever carries it.
//!
//! Above this line are messages, devices and ratchets; below it are envelopes, topics and peers. Neither side
//! knows the other: the messenger hands down opaque payload bytes with a [`Route`], and the transport turns the
//! route into whatever its network addresses by (Whisper: a topic and a key). Several transports can serve one
//! messenger, and one suite (`conformance`, with the feature `testing`), holds for all of them.
//!
//! ```text
//!   messenger ── Command: Listen · Unlisten · Send · History ──▶ transport
//!   messenger ◀─ Event: Received · Progress · Page ───────────── transport
//! ```
//!
//! # What a transport promises
//! - [`Received::author`] is proven: the payload carried a valid signature of that key. Unsigned traffic is dropped below.
//! - [`Received::sealed_to`] is `Some` only when the payload was encrypted to that key of ours.
//! - Progress of one [`SendId`] never goes back, and ends with at most one `Failed`.
//! - [`Progress::Relayed`] means that another node took it, not that the recipient has it.
//! - A message may arrive twice (over two peers, from history): whoever is above drops duplicates by message id.
//! - A message that an endpoint sent is not given back to it.
//! - While no peer is connected a message waits; it does not fail for that reason alone.
//!
//! # What it leaves out
//! Message formats, retries across restarts, and any notion of a chat.
//!
//! # Example
//! ```
//! use undertone_transport::{PublicName, Route};
//! let route = Route::Public(PublicName::new("status-lab")?);
//! assert_eq!(format!("{route:?}"), "Public(\"status-lab\")");
//! # Ok::<(), undertone_transport::BadName>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod memory;
mod message;
mod route;

pub use message::{
    Caps, Command, CommandError, Cursor, Event, Failure, Flush, History, HistorySupport, InboxId, Listen,
    OpenWith, Page, PageError, Progress, Received, Send, SendId, Via, WireId,
};
pub use route::{BadName, NegotiatedSecret, PublicName, Route};

use undertone_base::{Mono, Now};

/// A sans-IO transport. Poll order after every call: events until `None`, then `poll_timeout`.
pub trait Transport {
    /// What this transport can do. Constant for its life.
    fn caps(&self) -> Caps;

    /// Takes a command. What comes of it arrives as [`Event`]s.
    ///
    /// # Errors
    /// [`CommandError`]; the command then had no effect.
    fn command(&mut self, now: Now, command: Command) -> Result<(), CommandError>;

    /// Fires due timers; early and repeated calls are harmless.
    fn handle_timeout(&mut self, now: Now);

    /// The next event for the layer above, until `None`.
    fn poll_event(&mut self) -> Option<Event>;

    /// When [`Transport::handle_timeout`] wants to be called next.
    fn poll_timeout(&self) -> Option<Mono>;
}
