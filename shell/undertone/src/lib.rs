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
//! # A bot
//! The crates are not published yet: depend on this one by path or by git.
//!
//! ```toml
//! [dependencies]
//! undertone = { path = "undertone/shell/undertone" }   # or git = "…"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread", "signal"] }
//!
//! # Without this, a debug build takes 17 seconds of CPU for every password.
//! [profile.dev.package."*"]
//! opt-level = 2
//! ```
//!
//! All of it (`examples/bot.rs`; `undertone send` talks to it):
//!
//! ```no_run
#![doc = include_str!("../examples/bot.rs")]
//! ```
//!
//! - **Accounts**: [`Accounts::create`] makes one with new words, [`Accounts::import`] takes words,
//!   [`Accounts::import_key`] a private key, [`Accounts::restore`] a backup; [`Account::unlock`] gives the key.
//! - **Chats** are named by [`messenger::ChatId`]: a person's key as `0x04…`, a public chat as `#name` (which the program
//!   takes as `public:NAME`, too). [`account::key_text::parse`] reads the other forms of a key (`zQ3sh…`).
//! - **People, devices, settings**: methods for what is told and asked most often; [`Client::command`] and
//!   [`Client::query`] for everything else that the messenger can be told and asked.
//! - **Without a network**: [`Offline`].
//!
//! ```
//! use undertone::account::key_text;
//! use undertone::crypto::PublicKey;
//! use undertone::messenger::{ChatId, Command};
//!
//! let lab: ChatId = "#lab".parse()?; // for Client::open_chat and Client::send_text
//! let bob: PublicKey = key_text::parse("zQ3shPyZJnxZK4Bwyx9QsaksNKDYTPmpwPvGSjMYVHoXHeEgB")?;
//! let to_bob = ChatId::OneToOne(bob);
//! let never_again = Command::Block(bob); // for Client::command
//! # assert!(to_bob.to_string().starts_with("0x04") && lab.to_string() == "#lab");
//! # drop(never_again);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it ends
//! A client runs until its [`Tasks`](runtime::Tasks) stop: `tasks.shutdown(deadline).await`, which tells whether a task
//! had panicked or was stuck. That is also what follows when [`Client::open`] fails: its node may run already. A program
//! that is killed instead loses nothing that it was told was done. [`ClientEvent::Stopped`] is the last event when the disk
//! fails.
//!
//! # What blocks
//! Everything `async` here may be awaited on any runtime with timers and I/O enabled. Not `async`, and slow:
//!
//! | call | how long | why |
//! |---|---|---|
//! | [`Accounts::create`], [`Accounts::import`], [`Accounts::import_key`], [`Accounts::add`], [`Account::unlock`] | a good part of a second, 256 MiB | scrypt, as geth has it |
//! | [`Accounts::back_up`], [`BackupFile::open`](account::backup::BackupFile::open), [`Accounts::restore`] | the same | scrypt |
//! | [`Accounts::change_password`] | twice that | scrypt to open, scrypt to seal |
//! | [`Offline`], every call | milliseconds | the disk |
//!
//! Call these on [`tokio::task::spawn_blocking`] as the bot does. **In a debug build** scrypt and the ciphers are more
//! than twenty times slower, and the profile of Undertone's own workspace does not reach yours: put
//! `[profile.dev.package."*"]` with `opt-level = 2` into your `Cargo.toml`.
//!
//! # The layers below
//! Whatever this crate takes or gives stands in the module of its layer, so that a program needs no other crate of
//! Undertone: an enode is [`devp2p::Enode`], a name of a public chat [`transport::PublicName`]. Each layer can be used
//! without this crate, too: `undertone-whisper` is a machine without sockets, `undertone-ratchet` needs a key and a
//! store, `undertone-sealed` is two functions.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accounts;
mod client;
mod dice;
mod error;
mod offline;
mod people;
mod pilot;

#[doc(no_inline)]
pub use undertone_account as account;
#[doc(no_inline)]
pub use undertone_base as base;
#[doc(no_inline)]
pub use undertone_crypto as crypto;
#[doc(no_inline)]
pub use undertone_devp2p as devp2p;
#[doc(no_inline)]
pub use undertone_messenger as messenger;
#[doc(no_inline)]
pub use undertone_net as net;
#[doc(no_inline)]
pub use undertone_node as node;
#[doc(no_inline)]
pub use undertone_payload as payload;
#[doc(no_inline)]
pub use undertone_runtime as runtime;
#[doc(no_inline)]
pub use undertone_store as store;
#[doc(no_inline)]
pub use undertone_transport as transport;
#[doc(no_inline)]
pub use undertone_whisper as whisper;

pub use accounts::{Account, Accounts, AccountsError, Damage, DamagedAccount};
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
