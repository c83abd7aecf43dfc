//! What the crate promises to others.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod capabilities;
mod discovery;
mod discv4;
mod dnsdisc;
mod ecies;
mod enode;
mod enr;
mod errors;
mod mangle;
mod model;
mod net;
mod node_key;
mod pair;
mod properties;
mod session;
mod silent;
