//! Who said it, what kind it is, and what names it.

use std::fmt;

use prost::Message as _;
use undertone_base::{FaultClass, Severity};
use undertone_crypto::{KeyId, Keyring, PublicKey, Signature, SignatureError, UnknownKey, keccak256};

use crate::id::{MessageId, MessageType};
use crate::limits::METADATA_MAX;
use crate::proto::ApplicationMetadataMessage;

/// A metadata message to send, signed as a rule.
///
/// | tag | length | content |
/// |---|---|---|
/// | `0a` | 65 | signature over the Keccak-256 of the payload: r (32), s (32), v (0 to 3) |
/// | `12` | varint | payload |
/// | `18` | – | type, varint |
///
/// Signatures are deterministic, so the same payload signed again has the same bytes and the same id.
#[derive(Clone, Eq, PartialEq)]
pub struct Metadata {
    author: PublicKey,
    id: MessageId,
    bytes: Vec<u8>,
}

impl Metadata {
    /// Signs `payload` with the key `signer`.
    ///
    /// # Errors
    /// [`UnknownKey`] when the keyring has no such key.
    pub fn sign(
        kind: MessageType,
        payload: Vec<u8>,
        keyring: &(impl Keyring + ?Sized),
        signer: &KeyId,
    ) -> Result<Self, UnknownKey> {
        let author = keyring.public(signer).ok_or(UnknownKey(*signer))?;
        let signature = keyring.sign(signer, &keccak256(&payload))?;
        let bytes = ApplicationMetadataMessage {
            signature: signature.as_bytes().to_vec(),
            payload,
            r#type: kind.number(),
        }
        .encode_to_vec();
        Ok(Self { author, id: MessageId::of(Some(&author), &bytes), bytes })
    }

    /// Leaves `payload` unsigned: its author is who signs the envelope, `author`. For
    /// [`MessageType::PAIR_INSTALLATION`] alone; nobody takes a chat message like that.
    pub fn unsigned(kind: MessageType, payload: Vec<u8>, author: PublicKey) -> Self {
        let bytes = ApplicationMetadataMessage { signature: Vec::new(), payload, r#type: kind.number() }
            .encode_to_vec();
        Self { author, id: MessageId::of(None, &bytes), bytes }
    }

    /// Whose key signed it, or signs the envelope.
    pub const fn author(&self) -> &PublicKey {
        &self.author
    }

    /// The id that every receiver will compute; known before anything is on the wire.
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// The bytes to hand down.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes to hand down.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metadata({}, {} bytes)", self.id.short(), self.bytes.len())
    }
}

/// Received metadata: shape only. Tolerant: unknown fields are skipped, but they count for the id.
#[derive(Clone, PartialEq)]
pub struct RawMetadata {
    received: Vec<u8>,
    fields: ApplicationMetadataMessage,
}

impl RawMetadata {
    /// Takes the bytes that came out of the data sync layer, as they are.
    ///
    /// Empty input is metadata, too: unsigned, of type 0.
    ///
    /// # Errors
    /// [`MetadataError::TooLarge`], [`MetadataError::Malformed`].
    pub fn decode(received: Vec<u8>) -> Result<Self, MetadataError> {
        if received.len() > METADATA_MAX {
            return Err(MetadataError::TooLarge { got: received.len() });
        }
        let fields =
            ApplicationMetadataMessage::decode(received.as_slice()).map_err(|_| MetadataError::Malformed)?;
        Ok(Self { received, fields })
    }

    /// Finds author and id. `transport_signer` is the key that the layers below authenticated; it is the
    /// author of what is unsigned.
    ///
    /// A changed payload or `v` is no error here: it recovers the key of some other, random author. And the
    /// type is signed by nobody. What must come from a certain person is checked by
    /// [`Identified::require_direct`].
    ///
    /// # Errors
    /// [`MetadataError::Signature`] when the signature is neither absent nor one that a key can have made.
    pub fn identify(self, transport_signer: &PublicKey) -> Result<Identified, MetadataError> {
        let Self { received, fields } = self;
        let signer = if fields.signature.is_empty() {
            None
        } else {
            let signature = Signature::from_slice(&fields.signature).map_err(MetadataError::Signature)?;
            Some(signature.recover(&keccak256(&fields.payload)).map_err(MetadataError::Signature)?)
        };
        let attribution = match &signer {
            None => Attribution::Unsigned,
            Some(key) if key == transport_signer => Attribution::Direct,
            Some(_) => Attribution::Relayed,
        };
        Ok(Identified {
            author: signer.unwrap_or(*transport_signer),
            attribution,
            id: MessageId::of(signer.as_ref(), &received),
            kind: MessageType::from_wire(fields.r#type),
            payload: fields.payload,
        })
    }
}

impl fmt::Debug for RawMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = MessageType::from_wire(self.fields.r#type);
        write!(f, "RawMetadata({kind:?}, {} bytes)", self.received.len())
    }
}

/// How sure the author is, given who signed the transport envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attribution {
    /// Signed by the key that also signed the envelope.
    Direct,
    /// Signed by another key than the envelope: somebody passes on what the author once signed, maybe to
    /// another recipient than it was meant for (`security.md` S14).
    Relayed,
    /// Not signed: the author is the signer of the envelope.
    Unsigned,
}

/// Metadata with author and id. The payload is still only bytes.
#[derive(Clone, Eq, PartialEq)]
pub struct Identified {
    author: PublicKey,
    attribution: Attribution,
    id: MessageId,
    kind: MessageType,
    payload: Vec<u8>,
}

impl Identified {
    /// Who said it.
    pub const fn author(&self) -> &PublicKey {
        &self.author
    }

    /// How that is known.
    pub const fn attribution(&self) -> Attribution {
        self.attribution
    }

    /// What names it.
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// What it says it is.
    pub const fn kind(&self) -> MessageType {
        self.kind
    }

    /// The encoded message.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// S14: the author, provided that the author itself sent it. Required for one-to-one messages.
    ///
    /// DEVIATION: the reference takes a signed message out of anybody's envelope, and an unsigned one as the
    /// word of the envelope's signer (`payloads.md` 2, trap 7; `security.md` S14). No peer sends a chat
    /// message either way. Pinned by `relayed_and_unsigned_messages_are_not_direct`.
    ///
    /// # Errors
    /// [`MetadataError::Relayed`], [`MetadataError::Unsigned`].
    pub const fn require_direct(&self) -> Result<&PublicKey, MetadataError> {
        match self.attribution {
            Attribution::Direct => Ok(&self.author),
            Attribution::Relayed => Err(MetadataError::Relayed),
            Attribution::Unsigned => Err(MetadataError::Unsigned),
        }
    }
}

impl fmt::Debug for Identified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identified")
            .field("author", &self.author)
            .field("attribution", &self.attribution)
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}

/// Why metadata was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not the protobuf of metadata.
    #[error("not application metadata")]
    Malformed,
    /// Signed by another key than the envelope, where the author itself must send.
    #[error("signed by another key than its envelope")]
    Relayed,
    /// A signature that no key can have made.
    #[error("signature names no author")]
    Signature(#[source] SignatureError),
    /// Longer than [`METADATA_MAX`].
    #[error("metadata of {got} bytes exceeds {METADATA_MAX}")]
    TooLarge {
        /// Bytes that came.
        got: usize,
    },
    /// Not signed, where a signature is needed.
    #[error("not signed")]
    Unsigned,
}

impl MetadataError {
    /// Whoever sent it.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Serious)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "metadata.malformed",
            Self::Relayed => "metadata.relayed",
            Self::Signature(reason) => reason.code(),
            Self::TooLarge { .. } => "metadata.too_large",
            Self::Unsigned => "metadata.unsigned",
        }
    }
}

#[cfg(test)]
mod tests {
    use undertone_crypto::SecretKey;

    use super::*;

    #[test]
    fn nothing_at_all_is_unsigned_metadata_of_no_type() {
        let signer = SecretKey::from_slice(&[1; 32]).unwrap().public();
        let read = RawMetadata::decode(Vec::new()).unwrap().identify(&signer).unwrap();
        assert_eq!((read.author(), read.kind()), (&signer, MessageType::UNKNOWN));
        assert_eq!(read.require_direct(), Err(MetadataError::Unsigned));
    }

    #[test]
    fn the_limit_is_taken_and_one_more_is_refused() {
        // One unknown field that fills the limit.
        let mut bytes = vec![0x7a, 0xfc, 0xff, 0x3f];
        bytes.resize(METADATA_MAX, 0);
        assert!(RawMetadata::decode(bytes.clone()).is_ok());
        bytes.push(0);
        assert_eq!(RawMetadata::decode(bytes), Err(MetadataError::TooLarge { got: METADATA_MAX + 1 }));
    }

    #[test]
    fn an_unknown_signer_signs_nothing() {
        let id = KeyId::from_bytes([9; 32]);
        let keyring = undertone_crypto::MemoryKeyring::new();
        let refused = Metadata::sign(MessageType::CHAT_MESSAGE, Vec::new(), &keyring, &id);
        assert_eq!(refused, Err(UnknownKey(id)));
    }

    #[test]
    fn codes_are_distinct() {
        let all = [
            MetadataError::Malformed,
            MetadataError::Relayed,
            MetadataError::Signature(SignatureError::Unrecoverable),
            MetadataError::TooLarge { got: 0 },
            MetadataError::Unsigned,
        ]
        .map(|error| error.code());
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
