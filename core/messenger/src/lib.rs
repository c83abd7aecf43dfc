//! Chats: composing, sending, receiving and the states of a message.
//!
//! Implements `messenger.md` 1, 2, 3 (one-to-one and public chats), 6 (which routes are listened to and when
//! the contact code is published) and `payloads.md` 6.3, over the layers of `payload`, `datasync`, `ratchet`
//! and whatever keeps the contract of `transport`. In the terms of the originals: what the Messenger of
//! status-go 0.60 does with its chats, without the losses of `messenger.md` 13.
//!
//! What we make of people (added, verified, blocked) is said by commands alone and not sent, unless we ask for a contact
//! update; what they say of themselves is kept beside it and changes none of it; a chat that a
//! stranger opened is a request until we write, add, block or decline. Our other devices are shown and count for
//! nothing until they are enabled here; then they get a copy of each one-to-one message, and theirs is filed as ours.
//!
//! Left out until later versions: groups, reactions, syncing
//! contacts and reads between our devices, history, removing our own chats and messages, attachments (of an image, a sticker or audio only the text
//! is kept), notes to oneself ([`Fault::Oneself`]). Messages of types
//! that nothing is done with yet are acknowledged and forgotten, because their senders would repeat them for
//! ever. [`MessageState::Stored`] is reached only if an inbox is the first to take a message: its send is
//! forgotten as soon as any peer has it.
//!
//! ```text
//!  Command::Send                                     Received
//!       │ ChatMessageOut, clock bid                      │ ratchet: open        refused ─► Undecodable
//!       │ metadata: signed, message id                   │ datasync: unwrap                (nothing written)
//!       │ datasync: wrapped, Pending                     │ metadata: author, id
//!       │ ratchet: sealed                                │ payload: checked
//!       ▼                                                ▼
//!  ┌─ one transaction ────────────────────────────────────────────────────────────┐
//!  │ Chat · Message · Timeline · Pending · Outbox · ratchet     … and the ack in the Outbox
//!  └──────────────────────────────────────────────────────────────────────────────┘
//!       │ only when it is durable
//!       ▼
//!  Effect::Transport(Send) · Effect::Notify · Effect::WakeAt
//! ```
//!
//! # How a message of ours gets there
//!
//! | table | from | until |
//! |---|---|---|
//! | Outbox | it is sealed | a peer took it, or it failed |
//! | Pending (one-to-one) | it is composed | its acknowledgement, by the peer it went to |
//! | Due | a peer took it, or it failed | 5 s, 15 s, 60 s, then 600 s later; then it is sealed anew |
//!
//! A contact code of the recipient, which every start publishes, brings what is due later forward: whoever was
//! away for an hour does not wait ten minutes more.
//!
//! So every pending message waits either for the transport (Outbox) or for the clock (Due), over any number
//! of restarts; only one that was given up waits for neither, and its late acknowledgement still counts.
//! A public message has no acknowledgement: it is tried six times and is done when a peer took it.
//!
//! # Invariants
//! - A step writes at its end, all or nothing; a refused input writes nothing, not even in the ratchet.
//!   (The key of a refused message is then derived once more for the next one, as for a lost message.)
//! - An effect belongs to what was written: no ciphertext without its ratchet state, no acknowledgement
//!   without the message.
//! - Every message is announced once, whatever comes twice.
//! - States of a message go forwards only; what is shown as its protection is the weakest form in which it left.
//! - A [`SendId`](undertone_transport::SendId) is never used again, in any run.
//! - What strangers can grow is bounded ([`limits`]). What a person has looked at or decided about never gives way:
//!   above a bound the oldest leaves that nobody has, or the newest is refused, and its sender, not being
//!   acknowledged, repeats it.
//! - The same inputs with the same randomness at the same times leave the same rows, byte for byte.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use undertone_base::{Now, Unix};
//! use undertone_crypto::{MemoryKeyring, SecretKey};
//! use undertone_messenger::store::MemoryStore;
//! use undertone_messenger::{ChatId, Command, Effect, Input, MessageState, Messenger, Notice};
//!
//! let mut rng = rand::rng();
//! let now = Now { unix: Unix::from_secs(1_600_000_000), ..Now::default() };
//! let bob = SecretKey::random(&mut rng).public();
//! let mut keyring = MemoryKeyring::new();
//! let identity = keyring.insert(SecretKey::random(&mut rng));
//! let alice = Messenger::new(Arc::new(keyring), identity)?;
//!
//! let mut store = MemoryStore::new();
//! let start = alice.open(&mut store, now, &mut rng)?; // listens, publishes the contact code
//! let send = Command::Send { chat: ChatId::OneToOne(bob), text: "hello".to_owned() };
//! let effects = alice.step(&mut store, now, &mut rng, Input::Command(send))?;
//! // … commit the store; only then hand the effects out …
//! let composed = effects.iter().find_map(|effect| match effect {
//!     Effect::Notify(Notice::Message(message)) => Some(message),
//!     _ => None,
//! });
//! assert_eq!(composed.map(|message| message.state), Some(MessageState::Composed));
//! # assert!(!start.is_empty());
//! # Ok::<(), undertone_messenger::Fault>(())
//! ```
//!
//! # Features
//! `testing`: the conformance suite for stores (`store_conformance!`) and the messenger's suite for
//! transports (`messenger_suite!`), with the `World` that it runs in.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backup;
mod chat;
mod chats;
mod compose;
mod contact;
mod contacts;
mod device;
mod devices;
mod fault;
mod heal;
mod io;
pub mod limits;
mod messenger;
mod names;
mod outbox;
mod own;
mod progress;
mod proto;
mod queries;
mod receive;
mod rows;
mod security;
mod staged;
mod step;
pub mod store;
#[cfg(feature = "testing")]
pub mod suite;
mod timer;
mod updates;

#[cfg(test)]
mod tests;

pub use backup::{RestoreError, Restored};
pub use chat::{Chat, ChatId, FailReason, Message, MessageState, OpenedBy, ParseChatIdError};
pub use contact::{Contact, ContactState, Profile, Verification, VerifiedBy};
pub use device::Device;
pub use fault::Fault;
pub use io::{Command, Effect, Input, Notice, Pfs, Protection, Sizes, Trace, TraceStep, Undecodable};
pub use messenger::Messenger;
pub use names::{NameMoved, NamePin};
pub use queries::Place;
pub use undertone_ratchet::InstallationId;
