//! What is said: application messages, their identity, validation and clocks.
//!
//! Implements `payloads.md` 2 (metadata, all of it), 3.1, 3.2, 3.4 and 3.8 (chat messages, contact updates and
//! the pairing of devices) and 4 (clocks); in the
//! terms of the originals 6/PAYLOADS 0.3 as status-go 0.60 speaks it.
//!
//! Left out: every other payload type, whose numbers are known ([`MessageType`]) but whose contents are not
//! read yet; push notifications; what a message means for chats and contacts, which is the messenger's.
//!
//! ```text
//! ChatMessageOut ── encode ──► payload ── Metadata::sign ──► bytes + MessageId ──► data sync
//!
//! data sync ──► RawMetadata ── identify ──► Identified { author, attribution, id, kind, payload }
//!                                               │ parse
//!                                               ▼
//!                                        RawChatMessage ── check ──► CheckedChatMessage
//! ```
//!
//! # Invariants
//! - An id is computed over the bytes as they came, never over a new encoding of them.
//! - The author is the key that the signature recovers; whether that key also sent the message is
//!   [`Attribution`], and one-to-one messages need [`Identified::require_direct`].
//! - A [`CheckedChatMessage`] has passed every check of [`RawChatMessage::check`]; there is no other way to
//!   make one. What we send passes the same checks.
//! - `Debug` shows sizes, never what was said.
//!
//! # Example
//!
//! ```
//! use undertone_base::Unix;
//! use undertone_crypto::{MemoryKeyring, SecretKey};
//! use undertone_payload::{ChatMessageOut, Clock, MessageType, Metadata, Parsed, RawMetadata};
//!
//! let mut keyring = MemoryKeyring::new();
//! let alice_key = SecretKey::from_slice(&[0xa1; 32])?;
//! let alice = alice_key.public();
//! let signer = keyring.insert(alice_key);
//! let bob = SecretKey::from_slice(&[0xb2; 32])?.public();
//! let now = Unix::from_millis(1_600_000_000_000);
//!
//! let message = ChatMessageOut::one_to_one(&bob, "hello", Clock::bid(Clock::NONE, now), now);
//! let sent = Metadata::sign(MessageType::CHAT_MESSAGE, message.encode()?, &keyring, &signer)?;
//!
//! let received = RawMetadata::decode(sent.as_bytes().to_vec())?.identify(&alice)?;
//! assert_eq!(received.require_direct()?, &alice);
//! assert_eq!(received.id(), sent.id());
//! let Parsed::Chat(raw) = received.parse()? else { unreachable!() };
//! assert_eq!(raw.check(now)?.text(), "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chat;
mod clock;
mod code;
mod contact;
mod id;
pub mod limits;
mod metadata;
mod pair;
mod parse;
mod proto;

pub use chat::{
    Audio, AudioType, ChatError, ChatKind, ChatMessageOut, ChatMessageType, CheckedChatMessage, ComposeError,
    Content, ContentType, Image, ImageType, RawChatMessage, Sticker,
};
pub use clock::{Clock, ClockError};
pub use contact::{ContactUpdate, ContactUpdateError, RawContactUpdate};
pub use id::{MessageId, MessageType};
pub use metadata::{Attribution, Identified, Metadata, MetadataError, RawMetadata};
pub use pair::{PairError, PairInstallation, RawPairInstallation};
pub use parse::{Parsed, PayloadError};
