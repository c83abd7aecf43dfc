//! The ground against bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

mod mangle;
