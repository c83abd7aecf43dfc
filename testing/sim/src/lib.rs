//! The simulator: networks of the real machines of `core/` in virtual time. Same seed, same run, byte for byte.
//!
//! A machine of the core already takes time, bytes and randomness as arguments. This crate is the world that gives
//! them: an ordered queue of what happens next, links that are slow, break and heal, clocks that are wrong, nodes
//! that vanish, and liars. Nothing here reads a clock, and a day of network time costs what its packets cost.
//!
//! ```text
//!   scenarios/NAME.toml ──▶ Scenario ──▶ Layout: links, partitions, skew, churn; traffic, liars
//!                                                         │
//!        ┌────────────────── Sim<M: Machine> ─────────────▼───────────┐
//!        │  queue (time, order) ──▶ machine of a node ──▶ Cx: send,   │──▶ events ──▶ measurement
//!        │        ▲                                       datagram,   │                   │
//!        │        └──── latency, loss, reset, order ◀──── dial, emit  │                   ▼
//!        └────────────────────────────────────────────────────────────┘        Report ↔ baseline/NAME.toml
//! ```
//!
//! # What is modelled
//! - **Links** are streams, as TCP's: in order, nothing is lost inside one. What loses packets on the internet delays
//!   or breaks a stream; here a *reset* ends it with all that was under way, and it is dialled again. Who reads slowly
//!   is waited for.
//! - **Datagrams** go from address to address, say any address as their source, and are lost, doubled and reordered.
//!   Nothing but latency keeps them in order. A node has the addresses that its family gives it.
//! - **Clocks**: `Mono` runs alike everywhere, `Unix` is off by the skew of the node.
//! - **Jobs** (proof of work) run inline and take no time.
//! - **Not modelled**: CPU time, RLPx framing and compression. Bytes are those that the machine hands to its link.
//!
//! # Invariants
//! - One generator draws for the network and one for each node, all from the seed of the scenario.
//! - Two things at one instant happen in the order in which they were scheduled.
//! - A crashed node gets nothing, keeps no link, and starts cold.
//! - [`engine::Sim::log`] is a digest over everything that was dispatched, bytes included: equal logs, equal runs.
//!
//! # Adding a scenario
//! Of [`gossip`], [`mixed`], [`spy`], [`usage`] or [`discovery`]: a file in `scenarios/`, a test that names it (or `size = "large"`), then
//! `cargo xtask sim --bless NAME`, which writes `baseline/NAME.toml`; both are committed. Of something else: implement
//! [`engine::Machine`] for it and for its liars (one enum over both), a module beside those that puts them into a
//! [`layout::Layout`] and measures, and its own [`scenario::Family`].
//!
//! # Example
//! ```
//! let text = "seed = 7\nnodes = 6\ndegree = 2\nseconds = 20\n\
//!             [link]\nlatency_ms = [10, 40]\n\
//!             [family.gossip.traffic]\nenvelopes = 4\nseconds = 4\ndata_bytes = 100\nttl = 10\npow = 0.0001\n";
//! let scenario = undertone_sim::scenario::Scenario::parse("ring", text)?;
//! let report = scenario.run();
//! assert_eq!(report.value("delivery"), Some(1.0));
//! # Ok::<(), anyhow::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod archive;
pub mod discovery;
mod endpoint;
pub mod engine;
mod figures;
pub mod gossip;
pub mod layout;
pub mod mixed;
pub mod report;
pub mod scenario;
pub mod spy;
pub mod usage;
