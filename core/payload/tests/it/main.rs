//! Vectors of the reference and properties.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so when it fails"
)]

mod mangle;
mod properties;
mod vectors;
