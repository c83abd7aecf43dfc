//! Keccak-256 over several inputs at once.
//!
//! Implements `Keccak-f[1600]` of FIPS 202 (3.2) over one state in plain words, with and without BMI, over two in SSE2,
//! four in AVX2 and eight in AVX-512, chosen at run time, and Keccak-256 of the original submission over it (rate 136,
//! padding 0x01 … 0x80). A search for a nonce does no more of an attempt than differs from the one before and is looked at.
//!
//! Left out: everything else that a hash library has. Two things need many hashes at once, the search for a proof of
//! work and the envelopes of a packet, and both hash what is public; all other hashing stays with `sha3`
//! (decision 010). Nothing here is wiped.
//!
//! ```text
//!   inputs ──▶ blocks ──▶ lane 0 ─┐                       ┌──▶ digest, the lane takes the next input
//!              (padded)   lane 1 ─┼─▶ absorb: f(s ⊕ b) ───┤
//!                         …       ┘   of all lanes
//!
//!   prefix ──▶ midstate ──▶ half of a round ─┐
//!                           nonces ──────────┴─▶ the other half, 22 rounds, one word of the last ──▶ the first nonce
//!                           (one word each)                                                          with enough zeros
//! ```
//!
//! # Invariants
//! - Every backend gives the same digests and finds the same nonce: tests force each one that the processor has and
//!   say which they had to skip.
//! - A nonce is given out for the zeros of its whole digest, computed apart from the search.
//! - `unsafe` is in `bmi.rs`, `sse2.rs`, `avx2.rs` and `avx512.rs` alone: two calls behind a value that only detection
//!   makes, and in the last three two conversions between arrays and vectors of the same size.
//!
//! # Example
//! ```
//! use undertone_lanes::{Input, keccak256_each};
//! let envelopes = [b"one".as_slice(), b"two", b"three"].map(Input::new);
//! let mut ids = [[0; 32]; 3];
//! keccak256_each(&envelopes, &mut ids);
//! assert!(ids[0] != ids[1] && ids[1] != ids[2]);
//! ```
#![allow(unsafe_code, reason = "vector instructions; every block says why it is sound")]
#![deny(clippy::undocumented_unsafe_blocks)]
#![warn(missing_docs)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod backend;
#[cfg(target_arch = "x86_64")]
mod bmi;
mod each;
mod half;
mod input;
mod permute;
mod rounds;
mod scalar;
mod search;
#[cfg(target_arch = "x86_64")]
mod sse2;

pub use backend::Backend;
pub use each::keccak256_each;
pub use input::Input;
pub use search::Search;
