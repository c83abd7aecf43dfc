//! Who is who: from a phrase to the chat key, and every form in which keys are kept, shown and named.
//!
//! Implements `identity.md` 1 to 5, 7 and 8 of the notes: BIP39, BIP32, EIP-1581 paths, EIP-55 addresses, key
//! UIDs, Web3 secret storage 3 (and reading 1), multibase key texts, three-word names, identicons, links, emoji
//! hashes and colour rings; QR codes and safety codes beside them. The older written text is `status-im/specs`
//! 2/ACCOUNT; where it errs (trap T3) the running originals are followed.
//!
//! Left out: public derivation of BIP32, keycards, accounts from before 14 May 2018 (a derivation of their own),
//! resolving ENS names, reading QR codes from images, and all files and prompts: a shell reads and writes what is
//! computed here.
//!
//! ```text
//!   words ── Mnemonic ── seed(passphrase) ──► Seed ──► ExtendedKey (m) ──► KeyUid
//!                                                          │
//!                               m/43'/60'/1581'/0'/0       │       m/44'/60'/0'/0/i
//!                          ┌───────────────────────────────┴───────────────┐
//!                       ChatKey ──► keystore::seal ──► key file         WalletKey
//!                          │     └► backup::Backup::seal ──► backup file
//!                          │              keystore::KeyFile::open ◄── geth, status-go
//!                          └─ public ──► key_text (0x04…, 0x02…, zQ3sh…), Address
//!                               │  └───► three_word_name, Identicon, EmojiHash, ColourRing, SafetyCode
//!                               └──────► link::profile ──► qr::svg, qr::terminal
//!          text from anywhere ── link::Link::parse ──► Link (a typed wish, never acted upon here)
//! ```
//!
//! # Invariants
//! - Nothing that holds a secret prints it: words through [`Mnemonic::expose_words`] and extended keys through
//!   [`ExtendedKey::expose_xprv`] only; both are wiped.
//! - Errors carry positions and sizes, never words, keys or text of a file.
//! - A key file is decrypted only after its mac was right, and its cost is checked before a byte is allocated.
//! - The chat key derives nothing else.
//! - A link is read, never followed; what begins like a key is a key or an error, never a name.
//!
//! # Example
//!
//! ```
//! use undertone_account::{ChatKey, ExtendedKey, KeyUid, Language, Mnemonic, WordCount};
//! use undertone_account::{key_text, three_word_name};
//!
//! let mut rng = rand::rng();
//! let phrase = Mnemonic::generate(WordCount::Twelve, Language::English, &mut rng);
//! let master = ExtendedKey::master(&phrase.seed(""))?;
//! let me = ChatKey::derive(&master)?;
//! let text = key_text::chat_key(&me.public());
//! assert!(text.starts_with("zQ3sh"));
//! assert_eq!(key_text::parse(&text)?, me.public());
//! println!("{} {} {}", KeyUid::of(&master.public()).short(), me.address(), three_word_name(&me.public()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod alias;
pub mod backup;
mod colour;
mod diagnosis;
mod emoji_hash;
mod extended;
mod identicon;
mod ink;
pub mod key_text;
pub mod keystore;
mod language;
pub mod limits;
pub mod link;
mod mnemonic;
mod multibase;
mod path;
pub mod qr;
mod roles;
mod safety_code;

pub use address::{Address, AddressError, KeyUid};
pub use alias::three_word_name;
pub use colour::{ColourRing, Segment, colour_id};
pub use diagnosis::{Diagnosis, NEAREST, Reading};
pub use emoji_hash::EmojiHash;
pub use extended::{ExtendedKey, ExtendedKeyError};
pub use identicon::Identicon;
pub use ink::{Ink, Rgb};
pub use language::Language;
pub use mnemonic::{Mnemonic, MnemonicError, Seed, WordCount};
pub use multibase::Base;
pub use path::{ChildNumber, Path, PathError};
pub use roles::{ChatKey, WalletKey};
pub use safety_code::SafetyCode;
