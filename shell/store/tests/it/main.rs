//! The store through its public face: the port's suite, files and keys, batches, a killed process.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod conformance;
mod crash;
mod log;
mod opening;
mod silent;
mod talk;
mod writing;
