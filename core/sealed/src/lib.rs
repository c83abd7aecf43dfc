//! The sealed payload: what is inside an envelope, padded, signed and encrypted so that only a key holder can
//! tell what it is.
//!
//! Implements the data field of Whisper v6 (EIP-627, `whisper.md` 3) and RFC 26 as the deployed nodes read and
//! write it. Where text and code differ, the code's form is taken: `v` of a signature is 0 or 1, the GCM nonce is
//! twelve bytes at the end, the size field is little-endian with one to three bytes.
//!
//! Left out: envelopes, topics, proof of work (`whisper`), and Parity's different payload form.
//!
//! ```text
//!  payload ── flags, size, padding ── signature ──▶ plaintext ── AES-256-GCM or ECIES ──▶ data of an envelope
//!  Opened  ◀─ flags, size, padding ◀─ recover ──── plaintext ◀─ key holder only ───────── data of an envelope
//! ```
//!
//! # Invariants
//! - A plaintext that we pad is a multiple of [`SIZE_CLASS`] bytes, so its length tells a class and not a size.
//! - Opening never panics and gives one opaque error: a foreign key, changed bytes and a malformed plaintext look
//!   the same. For most of what a node sees this is the normal case.
//! - [`Opened::author`] is recovered, not compared: whoever cares compares it with the key that it expects.
//!
//! # Attacks and answers
//! - *Short bodies* that crash go-ethereum 1.9.7 (a valid MAC over less than an IV, a size beyond the end) are
//!   refused by length before they are read.
//! - *Replay under another header*: the data field does not know its envelope. Deduplicate by the hash of the data.
//! - *Changed plaintext of a signed message* recovers another key: never treat "signed" as "signed by the expected".
//!
//! # Example
//! ```
//! use undertone_base::Secret;
//! use undertone_crypto::{Keyring, MemoryKeyring, SecretKey};
//! use undertone_sealed::{Padding, SealRequest, SealTo, open_symmetric, seal};
//!
//! let mut rng = rand::rng();
//! let mut ring = MemoryKeyring::new();
//! let alice = ring.insert(SecretKey::random(&mut rng));
//! let key = Secret::random(&mut rng);
//!
//! let request = SealRequest {
//!     payload: b"hello",
//!     signer: Some((&ring, alice)),
//!     seal_to: SealTo::Symmetric(&key),
//!     padding: Padding::Auto,
//! };
//! let data = seal(&request, &mut rng)?;
//! assert_eq!(data.len(), 256 + 28);
//!
//! let opened = open_symmetric(&key, &data)?;
//! assert_eq!(opened.payload, b"hello");
//! assert_eq!(opened.author, ring.public(&alice));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod open;
mod plaintext;
mod seal;
#[cfg(test)]
mod tests;

pub use open::{Opened, open_asymmetric, open_symmetric};
pub use plaintext::{MAX_PAYLOAD, Padding, SIZE_CLASS};
pub use seal::{Form, SealError, SealRequest, SealTo, seal, sealed_len};
