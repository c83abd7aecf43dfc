//! Discovery between real sockets on loopback.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod dns;
mod flood;
mod forged;
mod node;
mod peer;
mod record;
mod restart;
mod ten;
mod v5;
mod v5wire;
