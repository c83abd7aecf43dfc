//! RLPx over TCP: a listener, a dialler for static peers, and one task per connection that runs a devp2p session.
//!
//! Implements `devp2p.md` 2.8 to 2.10 and, of section 7, the limits, the admission and the static peers. Left out, for
//! later: discovery, port mapping, dynamic dialling, trusted peers, lists of allowed networks.
//!
//! ```text
//!             Net ── send, disconnect ──▶ mailbox of each peer (bounded: Full) ─┐
//!   node ◀── events (bounded: the peer waits) ◀── connection task: Session ◀────┘
//!                                                        ▲ │ bytes
//!   listener ── accept, throttle ── socket ──────────────┤ ▼
//!   dialler of each static peer ── connect ── socket ────┘ peer
//! ```
//!
//! # Invariants
//! - One task owns a socket and its session; nothing else touches them.
//! - A peer is known under one key once: a second link is refused (0x05), whoever made it.
//! - Per peer events come in order: `Connected`, messages, `Disconnected`; none after that, none without the first.
//! - What a peer can make us hold is bounded: one read and one unfinished frame of it, [`limits::QUEUED_BYTES`] and
//!   twice the session's own queue towards it. A peer that takes nothing for 20 s is cut.
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
//! alice.add_static(bob.enode());
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

mod address;
mod backoff;
mod config;
mod connection;
mod dial;
pub mod limits;
mod listen;
mod net;
mod registry;
mod stats;

pub use config::{Direction, LinkEnd, NetConfig, NetError, NetEvent, PeerId, PeerView, SendRefused};
pub use net::Net;
pub use stats::Counters;
