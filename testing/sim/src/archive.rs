//! An archive of the simulator's own, and a client that asks it: what a mail server costs whoever is mostly offline.
//!
//! The product's mail server is not built yet. This one stands beside a real relay, keeps what that relay pools, and
//! speaks the protocol of mail servers on the wire (`whisper.md` 7.3 to 7.5), so that bytes can be counted. It keeps
//! everything, in memory, and limits nobody.
//!
//! ```text
//!   client: filter, times ──126──▶ relay (the real machine) ──▶ Archive
//!   client ◀──127, each envelope── relay ◀── Input::SendDirect ── a page
//!   client ◀──125, cursor or none──────────────────────────────── its end
//! ```
//!
//! # Invariants
//! - A client trusts the archive from its first request to the last answer, and not longer.
//! - It asks back to when it last heard the network live, and [`LOOK_BACK`] before that, so nothing falls between.
//! - What one life of the client has opened, a later one does not deliver again: [`Fetch`] remembers it across restarts, as
//!   the messenger's store does.

mod fetch;
mod keep;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(test)]
pub(crate) use self::fetch::LOOK_BACK;
pub(crate) use self::fetch::{Fetch, Step};
pub(crate) use self::keep::Archive;
pub(crate) use self::wire::{COMPLETE, Request};
