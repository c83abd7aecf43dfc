//! Discovery over sockets: v4 and v5.1 on one UDP port, DNS lists, the node database.
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
