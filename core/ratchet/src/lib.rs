//! Who can read it: prekey bundles, X3DH, the Double Ratchet and the `ProtocolMessage`.
//!
//! Implements `security.md` 1 to 5 and 6.3 of the handbook, which describes status-go v0.60.0 as it runs on
//! the network (specs: Status 5/SECURE-TRANSPORT; later vac 53 and 54). Written from that text.
//!
//! Left out: which topic a message goes to (`payload` and `transport` decide by [`Sealed::agreed`]); whether
//! the layer is on at all (`messenger` decides); answering a message that was not for this device (the caller
//! does, by the rule of [`OpenError::DeviceNotFound`]); pairing messages; hash ratchets of communities.
//!
//! ```text
//!  payload ──seal_direct──► per device: session? ─no─► X3DH on its prekey ─► new session
//!                                │ yes                                          │
//!                                └────────────► Ratchet::seal ◄─────────────────┘
//!                                                    │           + own bundle, signed now
//!                                              ProtocolMessage ──► envelope (signed by the sender)
//!
//!  bytes ──decode──► ProtocolMessage ─► each RawBundle ─verify─► VerifiedBundle ─► devices
//!                          │
//!                          └─► entry for this device ─► skipped key? session? X3DH? ─► payload
//! ```
//!
//! # Invariants
//! - Nothing unverified is stored: only a [`VerifiedBundle`] reaches a table, and a session only with the
//!   message that authenticated on it.
//! - A refused message leaves the store as it was. All writes of a call happen at its end.
//! - Every key of the store names both identities.
//! - A message key is used once and leaves the state together with the plaintext.
//! - The identity's private key stays in the keyring.
//! - Everything that a peer can grow is bounded ([`limits`]); the eviction rule stands at the bound.
//!
//! # Attacks and answers
//! - *Bundle substitution*: a bundle counts for the identity that signed it, after its signature; an older one never
//!   takes the place of a newer, and what begins again below its version is believed of the device itself alone.
//! - *Replayed opening*: it serves one session, whatever its device is called, and none after another took its place.
//! - *Session take-over*: a session is named by both identities; one that takes the place of another is told
//!   ([`Opened::replaced`]).
//! - *Skipped-key exhaustion*: bounds by message, session and identity; the oldest keys leave.
//! - *Stripped headers*: a failure is an error and never plaintext; [`Opened::protection`] says what there was.
//! - *Negated keys* agree on every DH: whole keys are compared, and the envelope's signature names the sender.
//!
//! # Example
//!
//! ```
//! use undertone_base::{Now, Unix};
//! use undertone_crypto::{MemoryKeyring, SecretKey};
//! use undertone_ratchet::{Context, Encryption, InstallationId, LocalIdentity, MemoryRatchetStore, Protection};
//!
//! let mut rng = rand::rng();
//! let now = Now { unix: Unix::from_secs(1_600_000_000), ..Now::default() };
//! let mut keyring = MemoryKeyring::new();
//! let mut party = |rng: &mut _| {
//!     let id = keyring.insert(SecretKey::random(rng));
//!     let own = LocalIdentity::new(&keyring, id).unwrap();
//!     (Encryption::new(own, InstallationId::random(rng)), MemoryRatchetStore::new())
//! };
//! let (alice, mut at_alice) = party(&mut rng);
//! let (bob, mut at_bob) = party(&mut rng);
//!
//! // Alice knows no device of Bob yet.
//! let mut cx = Context { store: &mut at_alice, keyring: &keyring, now, rng: &mut rng };
//! let first = alice.seal_direct(&mut cx, bob.own().public(), b"hello").unwrap();
//! assert_eq!(first.protection, Protection::DhOnly);
//!
//! // Bob reads it, and has learned Alice's device from the bundle beside it.
//! let mut cx = Context { store: &mut at_bob, keyring: &keyring, now, rng: &mut rng };
//! let opened = bob.open(&mut cx, alice.own().public(), &first.bytes).unwrap();
//! assert_eq!(opened.payload.as_deref(), Some(&b"hello"[..]));
//! let reply = bob.seal_direct(&mut cx, alice.own().public(), b"hi").unwrap();
//! assert_eq!(reply.protection, Protection::Pfs);
//! assert!(reply.agreed);
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bundle;
pub mod dh_only;
mod error;
mod installation;
mod keys;
mod layer;
pub mod limits;
mod prekey;
mod protocol;
pub mod ratchet;
mod session;
mod store;
mod stored;
mod tables;
#[cfg(test)]
mod testing;
pub mod x3dh;

mod proto {
    #![allow(clippy::all, missing_docs, unreachable_pub, reason = "generated")]
    #[rustfmt::skip]
    pub(crate) mod stored;
    #[rustfmt::skip]
    pub(crate) mod wire;
}

pub use bundle::{Entry, RawBundle, VerifiedBundle};
pub use error::{BundleError, OpenError, ProtocolError, RatchetError, SealError};
pub use installation::InstallationId;
pub use keys::{
    ChainKey, EphemeralKey, EphemeralPublic, LocalIdentity, MessageKey, NegotiatedSecret, PrekeyId,
    PrekeyPrivate, RatchetPair, RatchetPublic, RemoteIdentity, RootKey, SessionKey,
};
pub use layer::{
    Context, DeviceChange, Enabled, Encryption, Erased, Kind, Learned, Opened, Protection, Sealed,
};
pub use protocol::ProtocolMessage;
pub use session::{Role, Session, SessionId};
pub use store::{MemoryRatchetStore, RatchetStore, Row, Table};
pub use stored::{Device, FiledKey, OwnPrekey, OwnState};
