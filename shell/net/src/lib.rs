//! RLPx over TCP: a listener, a dialler, one task per connection that runs a devp2p session, and the peer manager
//! that decides about all of them.
//!
//! Implements `devp2p.md` 2.8 to 2.10 and joins section 7, which `undertone_peers` implements, to sockets. Left out:
//! discovery and port mapping, which are crates of their own and meet this one in the node.
//!
//! ```text
//!   node ── send, disconnect ──▶ mailbox of each link (bounded: Full) ─┐
//!     ▲                                                                │
//!     └── events (bounded: the peer waits) ── connection task: Session ┤ bytes ◀▶ peer
//!                                                 ▲        │ admit, establish, closed
//!   listener ── accept? ── socket ────────────────┤        ▼
//!   dialler ◀── poll_dial ── connect ── socket ───┘   Registry: Peers and mailboxes, one lock
//!                                                          │ hungry, unresolved, memory (watched: the newest counts)
//!   discovery ── found, resolved ─────────────────────────▶│ trust, ban, static …
//! ```
//!
//! # Invariants
//! - One task owns a socket and its session; nothing else touches them.
//! - Every decision about a peer is the manager's: this crate has no rule of its own.
//! - A peer is known under one key once: a second link is refused (0x05), whoever made it, or takes its place.
//! - Before the cryptography of a handshake come the checks of the address (banned, restricted, throttled, too many of
//!   one host), of the size and of the point; [`limits::HANDSHAKES_AT_ONCE`] compute at a time.
//! - Per peer events come in order: `Connected`, messages, `Disconnected`; none after that, none without the first.
//! - What a peer can make us hold is bounded: one read and one unfinished frame of it, [`limits::QUEUED_BYTES`] and
//!   twice the session's own queue towards it. A peer that takes nothing for 20 s is cut.
//! - What all peers can is too: of frames larger than a read, [`limits::LARGE_FRAMES`] are unfinished at a time.
//! - After a shutdown no task is left; each peer was told 0x08, if it listened, within one second.
//!
//! # Example
//! ```
//! use undertone_devp2p::{Capability, NodeKey, Offer};
//! use undertone_net::{Net, NetConfig, NetEvent};
//! use undertone_runtime::{Environment, Tasks};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let env = Environment::system()?;
//! let tasks = Tasks::new(tokio::runtime::Handle::current());
//! let config = || {
//!     let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
//!     NetConfig::new(NodeKey::random(&mut env.rng()), "example/v1", vec![offer])
//! };
//! let listen = Some("127.0.0.1:0".parse()?);
//! let (bob, mut to_bob) = Net::start(NetConfig { listen, ..config() }, &env, &tasks).await?;
//! let (alice, mut to_alice) = Net::start(config(), &env, &tasks).await?;
//! alice.add_static(bob.enode())?;
//! let Some(NetEvent::Connected { peer, .. }) = to_alice.recv().await else { panic!() };
//! alice.send(peer, 0, 1, b"hello".to_vec())?;
//! while !matches!(to_bob.recv().await, Some(NetEvent::Message { .. })) {}
//! # let _ = tasks.shutdown(std::time::Duration::from_secs(5)).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod config;
mod connection;
mod dial;
pub mod limits;
mod listen;
mod mailbox;
mod net;
mod registry;
mod stats;

pub use config::{Direction, LinkEnd, NetConfig, NetError, NetEvent, PeerId, PeerView, SendRefused};
pub use net::Net;
pub use stats::Counters;
