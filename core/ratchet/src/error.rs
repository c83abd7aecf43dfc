//! Why something was refused, and whose fault it is.

use undertone_base::{FaultClass, Severity, StoreError};
use undertone_crypto::{Opaque, UnknownKey};

/// Why bytes are not a `ProtocolMessage` that we read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// More than [`MAX_BUNDLES`](crate::limits::MAX_BUNDLES) bundles.
    #[error("{got} bundles in one message")]
    Bundles {
        /// How many.
        got: usize,
    },
    /// More than [`MAX_DIRECT_ENTRIES`](crate::limits::MAX_DIRECT_ENTRIES) ciphertexts.
    #[error("{got} ciphertexts in one message")]
    Entries {
        /// How many.
        got: usize,
    },
    /// Not protobuf of this shape, or text that is not UTF-8.
    #[error("not a protocol message")]
    Malformed,
    /// Above [`MAX_PAYLOAD`](crate::limits::MAX_PAYLOAD) or
    /// [`MAX_MESSAGE`](crate::limits::MAX_MESSAGE).
    #[error("{got} bytes are too many")]
    TooLong {
        /// Length in bytes.
        got: usize,
    },
}

impl ProtocolError {
    /// Always the sender. Bytes of another protocol arrive here as a matter of course, so mild.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Malformed => FaultClass::peer(Severity::Mild),
            Self::Bundles { .. } | Self::Entries { .. } | Self::TooLong { .. } => {
                FaultClass::peer(Severity::Serious)
            }
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bundles { .. } => "protocol.bundles",
            Self::Entries { .. } => "protocol.entries",
            Self::Malformed => "protocol.malformed",
            Self::TooLong { .. } => "protocol.too_long",
        }
    }
}

/// Which of the strict rules a bundle breaks (`security.md` 2.3). Rules are tried in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Rule 3: the identity is not a compressed point.
    #[error("bundle identity is not a key")]
    Identity,
    /// Rule 1: an installation id that is not allowed.
    #[error("bundle names a device in a forbidden way")]
    Installation,
    /// Rule 1: a prekey that is not a compressed point.
    #[error("bundle holds a prekey that is not a key")]
    Prekey,
    /// Rule 1: the same prekey twice.
    #[error("bundle holds a prekey twice")]
    PrekeyTwice,
    /// Rule 3: no signature of 65 bytes with a recovery id of 0 or 1, or one that another key made.
    #[error("bundle signature is not by its identity")]
    Signature,
    /// Rule 2: before July 2017 or more than a day ahead.
    #[error("bundle timestamp is not plausible")]
    Timestamp,
    /// Rule 1: more than [`MAX_BUNDLE_ENTRIES`](crate::limits::MAX_BUNDLE_ENTRIES), or more bytes than
    /// [`MAX_BUNDLE_BYTES`](crate::limits::MAX_BUNDLE_BYTES).
    #[error("bundle is too large")]
    TooLarge,
}

impl BundleError {
    /// The rule of `security.md` 2.3 that is broken, 1 to 3.
    pub const fn rule(&self) -> u8 {
        match self {
            Self::Installation | Self::Prekey | Self::PrekeyTwice | Self::TooLarge => 1,
            Self::Timestamp => 2,
            Self::Identity | Self::Signature => 3,
        }
    }

    /// The sender.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Timestamp => FaultClass::peer(Severity::Mild),
            _ => FaultClass::peer(Severity::Serious),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Identity => "bundle.identity",
            Self::Installation => "bundle.installation",
            Self::Prekey => "bundle.prekey",
            Self::PrekeyTwice => "bundle.prekey_twice",
            Self::Signature => "bundle.signature",
            Self::Timestamp => "bundle.timestamp",
            Self::TooLarge => "bundle.too_large",
        }
    }
}

/// Why a ratchet refuses a message. Its state is as before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RatchetError {
    /// Forged, damaged, or made with a state that is not ours.
    #[error("message does not authenticate")]
    BadMac,
    /// The key of this message was used or given up: it is a copy, or older than what is kept.
    #[error("message was read before or is too old")]
    Duplicate,
    /// Our chain has sent 2^32 - 1 messages without an answer.
    #[error("sending chain is exhausted")]
    Exhausted,
    /// The ratchet key of the header is not a compressed point.
    #[error("ratchet key is not a key")]
    Key,
    /// Shorter than IV and MAC.
    #[error("ciphertext of {got} bytes is too short")]
    TooShort {
        /// Length in bytes.
        got: usize,
    },
    /// More than [`MAX_SKIP`](crate::limits::MAX_SKIP) messages of a chain would be skipped.
    #[error("message is too far ahead")]
    TooManySkipped,
}

impl RatchetError {
    /// Whose fault.
    pub const fn fault(&self) -> FaultClass {
        match self {
            // Also what a peer causes that lost its state.
            Self::BadMac | Self::Duplicate | Self::TooManySkipped => FaultClass::peer(Severity::Mild),
            Self::Exhausted => FaultClass::Caller,
            Self::Key | Self::TooShort { .. } => FaultClass::peer(Severity::Serious),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadMac => "ratchet.bad_mac",
            Self::Duplicate => "ratchet.duplicate",
            Self::Exhausted => "ratchet.exhausted",
            Self::Key => "ratchet.key",
            Self::TooShort { .. } => "ratchet.too_short",
            Self::TooManySkipped => "ratchet.too_many_skipped",
        }
    }
}

/// Why a received message was not opened. The store is as before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A bundle whose signature is not by its identity: peers refuse the whole message, and so do we.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Nothing in it is for this device: the sender does not know it. Answer with [`seal_dh`] of an empty
    /// payload, so that it learns our bundle; not more often than every two hours, to contacts only
    /// (`security.md` 5.3).
    ///
    /// [`seal_dh`]: crate::Encryption::seal_dh
    #[error("message is for other devices")]
    DeviceNotFound,
    /// The DH-only form does not open.
    #[error("DH-only message cannot be opened")]
    DhOnly(#[from] Opaque),
    /// The sender's installation id is missing or not allowed, and a session needs one.
    #[error("sender's device has no usable name")]
    Installation,
    /// The key that opens a session or a DH-only message is not a compressed point.
    #[error("ephemeral key is not a key")]
    Key,
    /// The keyring has lost our identity.
    #[error(transparent)]
    Keyring(#[from] UnknownKey),
    /// A ciphertext without any header.
    #[error("ciphertext names no key")]
    NoKey,
    /// Neither a public nor a direct payload.
    #[error("message has no payload")]
    NoPayload,
    /// Signed by our own identity from a device that does not know this one.
    #[error("message is from a device that is not paired")]
    NotPaired,
    /// Our own message has come back to us.
    #[error("message is our own")]
    OwnEcho,
    /// Not a `ProtocolMessage`: perhaps the layer was off at the sender (`security.md` 7).
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The Double Ratchet refused it.
    #[error(transparent)]
    Ratchet(#[from] RatchetError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It opens a session on a prekey that is not ours or was erased.
    #[error("message uses an unknown prekey")]
    UnknownPrekey,
    /// It belongs to a session that does not exist here.
    #[error("message belongs to no session")]
    UnknownSession,
}

impl OpenError {
    /// Whose fault.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Bundle(e) => e.fault(),
            Self::DeviceNotFound
            | Self::NotPaired
            | Self::OwnEcho
            | Self::UnknownPrekey
            | Self::UnknownSession
            | Self::NoPayload => FaultClass::peer(Severity::Mild),
            Self::DhOnly(e) => e.fault(),
            Self::Installation | Self::Key | Self::NoKey => FaultClass::peer(Severity::Serious),
            Self::Keyring(e) => e.fault(),
            Self::Protocol(e) => e.fault(),
            Self::Ratchet(e) => e.fault(),
            Self::Store(e) => e.fault(),
        }
    }

    /// Whether the sender works with a state that this device does not have: it wrote to other devices, or in a
    /// session or on a prekey that is gone here. Taking in its bundles ([`learn`]) and answering with an empty
    /// [`seal_dh`], which carries ours, leads both to a session again. Not more often than every two hours for one
    /// identity, and to contacts only (`security.md` 5.3, S10).
    ///
    /// [`learn`]: crate::Encryption::learn
    /// [`seal_dh`]: crate::Encryption::seal_dh
    pub const fn wants_answer(&self) -> bool {
        matches!(
            self,
            Self::DeviceNotFound
                | Self::UnknownPrekey
                | Self::UnknownSession
                | Self::Ratchet(RatchetError::BadMac | RatchetError::TooManySkipped)
        )
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bundle(e) => e.code(),
            Self::DeviceNotFound => "open.device_not_found",
            Self::DhOnly(_) => "open.dh_only",
            Self::Installation => "open.installation",
            Self::Key => "open.key",
            Self::Keyring(e) => e.code(),
            Self::NoKey => "open.no_key",
            Self::NoPayload => "open.no_payload",
            Self::NotPaired => "open.not_paired",
            Self::OwnEcho => "open.own_echo",
            Self::Protocol(e) => e.code(),
            Self::Ratchet(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::UnknownPrekey => "open.unknown_prekey",
            Self::UnknownSession => "open.unknown_session",
        }
    }
}

/// Why nothing was encrypted. The store is as before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A public message without payload: no receiver can tell it from no message.
    #[error("public payload is empty")]
    EmptyPublic,
    /// The keyring has lost our identity.
    #[error(transparent)]
    Keyring(#[from] UnknownKey),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Above [`MAX_PAYLOAD`](crate::limits::MAX_PAYLOAD).
    #[error("payload of {got} bytes is too long")]
    TooLong {
        /// Length in bytes.
        got: usize,
    },
}

impl SealError {
    /// Whose fault.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::EmptyPublic | Self::TooLong { .. } => FaultClass::Caller,
            Self::Keyring(e) => e.fault(),
            Self::Store(e) => e.fault(),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyPublic => "seal.empty_public",
            Self::Keyring(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::TooLong { .. } => "seal.too_long",
        }
    }
}
