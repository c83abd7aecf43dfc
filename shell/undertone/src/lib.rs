//! Status Protocol SDK: an account and a messenger on a node, behind one async facade.
//!
//! ```text
//!   Client ─ requests ─▶ ┌───────────┐ ─ inputs ──▶ store thread: messenger step, durable commit
//!                        │ one pilot │ ◀─ effects ─ (undertone_store::Writer)
//!   events ◀──────────── │ task      │ ─ commands ▶ node: envelopes, peers, sockets
//!                        └───────────┘ ◀─ events ── (undertone_node::Node)
//! ```
//! An effect of a step leaves only after the commit that the step was part of. The pilot hands inputs on without
//! waiting for their commit, so that many share one; their effects keep the order of the inputs.
//!
//! # What is left out
//! Groups, history from mail servers.
//!
//! # Example
//! An echo bot (`examples/echo.rs` runs it):
//! ```no_run
//! # use undertone::{Accounts, Client, ClientConfig, ClientEvent};
//! # use undertone_messenger::{MessageState, Notice};
//! # async fn bot(key: undertone_account::ChatKey, home: std::path::PathBuf) -> Result<(), undertone::ClientError> {
//! # let env = undertone_runtime::Environment::system().unwrap();
//! # let tasks = undertone_runtime::Tasks::new(tokio::runtime::Handle::current());
//! let (client, mut events) = Client::open(key, ClientConfig::new(home), &env, &tasks).await?;
//! while let Some(event) = events.recv().await {
//!     if let ClientEvent::Notice(Notice::Message(m)) = event
//!         && m.state == MessageState::Received
//!     {
//!         client.send_text(m.chat, &format!("you said: {}", m.text)).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accounts;
mod client;
mod error;
mod offline;
mod people;
mod pilot;

pub use accounts::{Account, Accounts, AccountsError};
pub use client::{Client, ClientConfig, ClientEvent};
pub use error::ClientError;
pub use offline::Offline;

/// The file of an account's messages.
pub(crate) const MESSAGES: &str = "messages.db";

/// Capacities, in messages.
pub mod limits {
    /// Requests of the application that wait for the pilot; more wait in the caller.
    pub const REQUESTS: usize = 256;
    /// Events that wait for the application. Above it the pilot takes nothing more from the network, and
    /// answers requests all the same.
    pub const EVENTS: usize = 1_024;
    /// Inputs whose commit is awaited at once.
    pub const IN_FLIGHT: usize = 256;
    /// Queries that wait for the store at once; more wait in the caller. With [`IN_FLIGHT`] they stay below what the
    /// store's queue holds, so no input from the network ever finds it full.
    pub const QUERIES: usize = 256;
    const _: () = assert!(IN_FLIGHT + QUERIES < undertone_store::limits::QUEUE);
}
