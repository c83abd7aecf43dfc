//! Keys that know their role and the few primitives that the Status stack is made of.
//!
//! Nothing here is invented: the curve is libsecp256k1, hashes and ciphers are RustCrypto. This crate only
//! fixes how the protocols use them (notes: `devp2p.md` 2.1, `whisper.md` 3, `security.md` 3 and 4), in one
//! place, with the checks that the originals lacked.
//!
//! | module | what | used by |
//! |---|---|---|
//! | [`PublicKey`], [`SecretKey`] | secp256k1 keys in every text and byte form | all |
//! | [`Signature`] | 65-byte recoverable ECDSA, `v` 0..=3 | RLPx, sealed, ratchet, payload |
//! | [`Keyring`] | sign and ECDH by key id, so that keys are reached and never copied | sealed, ratchet, messenger |
//! | [`ecies`] | AES-128-CTR + HMAC-SHA256 | RLPx, sealed |
//! | [`gcm`], [`ctr`] | AES-GCM with the nonce at the end; AES-CTR, 128-bit big-endian counter | sealed, ratchet |
//! | [`hash`], [`kdf`] | Keccak-256 (original padding), SHA-256, HMAC, HKDF, PBKDF2 | all |
//!
//! # Invariants
//! - A [`PublicKey`] is a valid point: not infinity, on the curve, coordinates below the field prime.
//! - Only the 04 form is taken as uncompressed: the hybrids 06 and 07, which libsecp256k1 parses, are refused.
//! - ECDH gives the raw 32-byte X coordinate, unhashed, padded on the left.
//! - Decryption failures are one opaque value: no oracle.
//!
//! # Example
//! ```
//! use undertone_crypto::{SecretKey, ecies};
//! let mut rng = rand::rng();
//! let bob = SecretKey::random(&mut rng);
//! let sealed = ecies::encrypt(&bob.public(), b"for bob", b"", &mut rng);
//! assert_eq!(ecies::decrypt(&sealed, b"", |point| Some(bob.ecdh(point)))?, b"for bob");
//! # Ok::<(), undertone_crypto::Opaque>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod ctr;
pub mod ecies;
pub mod gcm;
pub mod hash;
pub mod kdf;
mod key;
mod keyring;
mod signature;

pub use gcm::Opaque;
pub use hash::{Keccak, keccak256};
pub use key::{KeyError, PublicKey, SecretKey};
pub use keyring::{KeyId, Keyring, MemoryKeyring, UnknownKey};
pub use signature::{Signature, SignatureError};
