//! Discovery over sockets: v4 and v5.1 on one UDP port, node lists in DNS, and the database of nodes.
//!
//! Implements `devp2p.md` 3 (discovery v4), 4 (v5.1), 5 (EIP-1459) and 6.3 (prediction of the endpoint) between
//! sockets; the rules of v4, of records and of lists are the machines of `undertone_devp2p`, v5.1 is the crate
//! `discv5`. Left out: the topic discovery of 2019 that status-go runs, which shares nothing with v5.1 but its name;
//! TALK, which is answered with nothing; port mapping, which tells its result by [`Discovery::set_external`] and
//! [`Discovery::set_ports`]; and the choice of whom to dial.
//!
//! ```text
//!   UDP socket ──▶ (v5) ──▶ task: machine of v4 ──▶ Found (bounded: the oldest goes) ──▶ peer manager
//!             ◀───────────── │    │                   ▲
//!     names of boot nodes ───┘    ├ record: stored, then told to v4, v5 and watchers
//!     lists in DNS ── resolver ───┤                   │
//!                        └────────┼───────────────────┘
//!                                 └ database: one file, replaced whole
//! ```
//!
//! # Invariants
//! - One task owns machine, socket and database; the tasks of the library of v5 run inside it (see the module `v5`).
//! - A record that is told to anybody is on the disk: its number never goes back, even if the node is killed, and
//!   if the file is lost it goes on from the milliseconds since 1970.
//! - Nobody gets more bytes than it sent before it proved its address, in v4 and in v5.
//! - A datagram of v4 that was read from the socket reaches the machine, whatever v5 gets or thinks of its sender.
//! - What others can make it hold is bounded: the limits of the machine, [`limits`], and what `discv5` keeps of
//!   strangers for a second.
//! - Found nodes are strangers' words. Those of a list or of v5 are at addresses that whoever told of them may tell.
//!
//! # Randomness
//! Ours comes from the [`Environment`](undertone_runtime::Environment). `discv5` draws its nonces and ephemeral keys from
//! its own generator, which is the system's.
//!
//! # Example
//! ```
//! use undertone_devp2p::NodeKey;
//! use undertone_discovery::{Discovery, DiscoveryConfig};
//! use undertone_runtime::{Environment, Tasks};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let env = Environment::system()?;
//! let tasks = Tasks::new(tokio::runtime::Handle::current());
//! let config = || DiscoveryConfig { tcp: 30_303, ..DiscoveryConfig::new(NodeKey::random(&mut env.rng())) };
//! let (boot, _) = Discovery::start(config(), &env, &tasks).await?;
//! let fresh = DiscoveryConfig { boot: vec![boot.enode()], ..config() };
//! let (node, mut found) = Discovery::start(fresh, &env, &tasks).await?;
//! assert_eq!(found.recv().await.map(|found| found.enode), Some(boot.enode()));
//! assert_eq!(node.request_record(&boot.enode()).await, Some(boot.record()));
//! # let _ = tasks.shutdown(std::time::Duration::from_secs(5)).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod boot;
mod clock;
mod config;
mod database;
mod discovery;
mod dns;
mod found;
pub mod limits;
mod socket;
mod start;
mod task;
mod v5;

pub use config::{ClockSample, DiscoveryConfig, DiscoveryError, Found, NodeView, Pinged, Source, Stats};
pub use discovery::Discovery;
pub use dns::{DnsResolver, TreeContent, sync_tree};
pub use found::FoundReceiver;
