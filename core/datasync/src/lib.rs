//! What has arrived: the MVDS payload around every one-to-one message, acknowledgement and resending.
//!
//! Implements `payloads.md` 6.1 and 6.3 (vacp2p 2/MVDS, batch mode, as the peers in the field speak it).
//!
//! Left out: INTERACTIVE mode (OFFER first), which no peer uses; 4/MVDS-META and 3/REMOTE-LOG; state per
//! device, batching of messages and byte budgets, which come later.
//!
//! ```text
//! body ── wrap ──► SyncMessage ──► Pending ──► SyncPayloadOut ──► security layer
//!                                    ▲ │ due? after_send: 5 s, 15 s, 60 s, 10 min …
//!                  acked: delete it ─┘ └ requested: after_request
//!
//! security layer ── unwrap ──► Plain ─────────────► the layer above, unchanged
//!                     └──────► SyncPayload ── receive ──► Received { deliver, acked, requested, offered }
//!                                                             └ valid? commit ──► Acks ──► SyncPayloadOut
//! ```
//!
//! Everything here is a pure value: no clock, no store, no IO. The messenger keeps [`Pending::to_stored`] in
//! the same transaction as the message itself, and turns [`Acks`] into bytes only after the commit.
//!
//! # Invariants
//! - A payload that we send is never empty and never holds an OFFER or a REQUEST.
//! - Only a message of the group of the authenticated pair is delivered; others are never acked.
//! - Every valid message is acked, duplicates included, one ack per id. (The reference does not ack
//!   duplicates, so that a lost ack makes its peers repeat for ever.)
//! - An ack counts only from the peer to whom the message went: the messenger looks [`Pending`] up by peer
//!   and id.
//! - Counts and sizes are checked before anything is allocated for them ([`limits`]).
//!
//! # Example
//!
//! ```
//! use undertone_base::Unix;
//! use undertone_crypto::SecretKey;
//! use undertone_datasync::{Acks, GroupId, Pending, Unwrapped, receive, unwrap, wrap};
//!
//! let alice = SecretKey::from_slice(&[0xa1; 32])?.public();
//! let bob = SecretKey::from_slice(&[0xb2; 32])?.public();
//! let now = Unix::from_secs(1_600_000_000);
//!
//! // Alice
//! let (id, message) = wrap(GroupId::of_pair(&alice, &bob), now, b"metadata".to_vec());
//! let pending = Pending::new(bob, message, now);
//! let sent = pending.payload().to_bytes();
//!
//! // Bob
//! let Unwrapped::Sync(payload) = unwrap(sent)? else { unreachable!() };
//! let received = receive(payload, &bob, &alice);
//! assert_eq!(received.deliver[0].body, b"metadata");
//! let mut acks = Acks::new();
//! acks.add(received.deliver[0].id);
//! // … commit …
//! let answer = acks.into_payloads(1_000)[0].to_bytes();
//!
//! // Alice again
//! let Unwrapped::Sync(payload) = unwrap(answer)? else { unreachable!() };
//! assert_eq!(receive(payload, &alice, &bob).acked, [id]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod acks;
mod error;
mod id;
pub mod limits;
mod message;
mod payload;
mod pending;
mod proto;
mod receive;
mod scan;

pub use acks::Acks;
pub use error::DatasyncError;
pub use id::{GroupId, SyncId};
pub use message::{RawSyncMessage, SyncMessage, wrap};
pub use payload::{SyncPayload, SyncPayloadOut, Unwrapped, unwrap};
pub use pending::Pending;
pub use receive::{Delivery, Received, receive};
