//! A node: peers and the privacy layer joined to sockets, and what finds and reaches those peers.
//!
//! ```text
//!   Command ─▶ ┌────────────┐ ─ packets, credit, faults ─▶ ┌─────┐
//!              │ one driver │                              │ net │ ◀──▶ TCP
//!   Event  ◀── │ task owns  │ ◀───────── events ────────── └─────┘
//!              │ Whisper    │ ── jobs ──▶ CPU pool          ▲   │ hungry, lost, worth remembering
//!              └────────────┘ ◀ results ─             found │   ▼
//!                                                      ┌────────────┐ ──▶ files `peers`, `nodes`
//!        discovery (UDP, DNS) ◀── walk, addresses ──── │ one keeper │
//!        router (UPnP, PCP, NAT-PMP) ── addresses ───▶ └────────────┘
//! ```
//! The driver is the only one that touches the machine. It takes what is there, in this order: shutdown, timers,
//! results of jobs, commands, orders, the network. The keeper joins what finds peers to what keeps them. [`Node::health`] and
//! the `admin_*` methods look at all of it.
//!
//! Every channel is bounded:
//!
//! | channel | capacity | when full |
//! |---|---|---|
//! | commands | [`limits::COMMANDS`] | the caller waits |
//! | orders | [`limits::ORDERS`] | the caller waits |
//! | events | [`limits::EVENTS`] | the driver waits: whoever takes the events must read them |
//! | results | [`limits::RESULTS`] | cannot be: there is room for every job that is out |
//! | network events | `undertone_net` | the peers' reads wait |
//!
//! It speaks Whisper, Waku or both over one pool ([`NodeConfig::protocols`]); to a peer that shares both an envelope goes
//! once, by Waku.
//!
//! What a node does for others is its [`Role`]: a relay asks for every topic and passes everything on, with an empty
//! keyring it opens nothing; a client asks for its own topics; a light one passes nothing on. A boot node is one that
//! dials nobody ([`NodeConfig::dials`]).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod admin;
mod clock;
mod config;
mod driver;
mod error;
mod health;
mod keeper;
mod links;
mod node;
mod node_key;
mod orders;
mod peers;
mod skew;
mod start;

pub use admin::{BanInfo, NodeInfo, PeerInfo, PeerNetwork, PeerQuality, Ports};
pub use clock::ClockNotice;
pub use config::{DiscoveryOptions, NodeConfig, Role};
pub use error::NodeError;
pub use health::{ClockHealth, DiscoveryHealth, FilesHealth, Health, MappedPort, NatHealth, PeersHealth};
pub use node::{Node, NodeEvent};
pub use node_key::load_or_make_node_key;
pub use orders::PeerWishes;

/// Capacities of the channels of a node, in messages.
pub mod limits {
    use std::time::Duration;

    /// Commands that wait for the driver.
    pub const COMMANDS: usize = 256;
    /// Orders that wait for the driver.
    pub const ORDERS: usize = 64;
    /// Events that wait for whoever reads them.
    pub const EVENTS: usize = 1_024;
    /// Results of jobs that wait for the driver: as many as can be out.
    pub const RESULTS: usize = undertone_whisper::limits::MAX_JOBS;
    /// How often peers are credited with what they brought. Our choice: seldom enough to cost nothing, often enough
    /// that a good peer is not rotated away.
    pub const CREDIT_EVERY: Duration = Duration::from_secs(2);
    /// How old a link is before the age of an envelope from it says something of clocks: what comes first is the pool of
    /// whoever gives it, as old as its life allows. Our choice: ten seconds for the pool, and until a sample of them has
    /// been taken and looked at.
    pub const YOUNG_LINK: Duration = Duration::from_secs(10)
        .saturating_add(undertone_whisper::limits::SAMPLE_WITHIN)
        .saturating_add(CREDIT_EVERY);
    /// How often discovery is asked for the clocks of others. Our choice: the estimate changes slowly.
    pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);
    /// From here on a clock counts as wrong. The difference at which others refuse what it dates
    /// ([`FUTURE_SECS`](undertone_whisper::limits::FUTURE_SECS)).
    pub const CLOCK_WRONG: Duration = Duration::from_secs(10);
    /// Up to here one that was wrong counts as right again. Our choice: half of that, so that it is not told to and fro.
    pub const CLOCK_RIGHT: Duration = Duration::from_secs(5);
    /// Network events that are handled before anything is sent, so that bundles form.
    pub const BATCH: usize = 64;
    /// Jobs that wait for a core: as many as can be out.
    pub const JOBS: usize = undertone_whisper::limits::MAX_JOBS;
    /// Attempts at a proof of work between two looks at whether the node stops: some milliseconds.
    pub const SLICE: u64 = 16_384;
}
