//! Discovery between real sockets on loopback.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod node;
mod ten;
