//! The payload: recognised on receipt, made for sending.

use std::fmt;

use prost::Message as _;

use crate::error::DatasyncError;
use crate::id::SyncId;
use crate::limits::{IDS_MAX, MESSAGES_MAX, PAYLOAD_MAX};
use crate::message::{RawSyncMessage, SyncMessage};
use crate::{proto, scan};

/// What decrypted bytes turned out to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unwrapped {
    /// No data sync payload: the bytes unchanged, which belong to the layer above as they are.
    Plain(Vec<u8>),
    /// A payload with at least one part.
    Sync(SyncPayload),
}

/// A received payload; shape only, nothing in it is believed yet ([`receive`](crate::receive)).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SyncPayload {
    /// Ids that the sender says it keeps.
    pub acks: Vec<SyncId>,
    /// Ids that the sender could send.
    pub offers: Vec<SyncId>,
    /// Ids that the sender asks for.
    pub requests: Vec<SyncId>,
    /// Messages.
    pub messages: Vec<RawSyncMessage>,
}

/// Tells a data sync payload from plain bytes. There is no marker: what does not parse, and what holds no
/// ack, offer, request or message, is plain. Tolerant: unknown fields are skipped, as proto3 wants.
///
/// # Errors
/// [`DatasyncError`] when a limit is exceeded; counts are taken before anything is allocated.
pub fn unwrap(bytes: Vec<u8>) -> Result<Unwrapped, DatasyncError> {
    if bytes.len() > PAYLOAD_MAX {
        return Err(DatasyncError::TooLarge { got: bytes.len(), max: PAYLOAD_MAX });
    }
    let Some(counts) = scan::count(&bytes).filter(|counts| counts.ids > 0 || counts.messages > 0) else {
        return Ok(Unwrapped::Plain(bytes));
    };
    if counts.ids > IDS_MAX {
        return Err(DatasyncError::TooManyIds { got: counts.ids, max: IDS_MAX });
    }
    if counts.messages > MESSAGES_MAX {
        return Err(DatasyncError::TooManyMessages { got: counts.messages, max: MESSAGES_MAX });
    }
    Ok(match proto::Payload::decode(bytes.as_slice()) {
        Ok(payload) => Unwrapped::Sync(SyncPayload::from_proto(payload)),
        Err(_) => Unwrapped::Plain(bytes),
    })
}

impl SyncPayload {
    fn from_proto(payload: proto::Payload) -> Self {
        let ids = |wire: Vec<Vec<u8>>| wire.iter().map(|id| SyncId::from_wire(id)).collect();
        Self {
            acks: ids(payload.acks),
            offers: ids(payload.offers),
            requests: ids(payload.requests),
            messages: payload.messages.into_iter().map(RawSyncMessage::from_proto).collect(),
        }
    }
}

/// A payload to send: acks and messages, never an OFFER or a REQUEST, never empty.
///
/// Offers crash the reference when they come twice (`payloads.md` trap 22); an empty payload is an envelope
/// for nothing (trap 20). Neither can be expressed.
#[derive(Clone, PartialEq)]
pub struct SyncPayloadOut(proto::Payload);

impl SyncPayloadOut {
    /// A payload with these parts, or `None` when there are none.
    pub fn new<'a>(
        acks: impl IntoIterator<Item = SyncId>,
        messages: impl IntoIterator<Item = &'a SyncMessage>,
    ) -> Option<Self> {
        let payload = proto::Payload {
            acks: acks.into_iter().map(|id| id.as_bytes().to_vec()).collect(),
            messages: messages.into_iter().map(SyncMessage::to_proto).collect(),
            ..proto::Payload::default()
        };
        (!payload.acks.is_empty() || !payload.messages.is_empty()).then_some(Self(payload))
    }

    /// A payload with one message.
    pub fn message(message: &SyncMessage) -> Self {
        Self(proto::Payload { messages: vec![message.to_proto()], ..proto::Payload::default() })
    }

    /// How many bytes [`SyncPayloadOut::to_bytes`] gives.
    pub fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    /// The encoding. Parts in this order:
    ///
    /// | tag | length | content |
    /// |---|---|---|
    /// | `ca b8 02` | 32 | an ack, repeated |
    /// | `e2 b8 02` | varint | a message, repeated: |
    /// | – `8a f7 02` | 32 | group id |
    /// | – `90 f7 02` | – | timestamp, varint; absent when zero |
    /// | – `9a f7 02` | varint | body; absent when empty |
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

impl fmt::Debug for SyncPayloadOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncPayloadOut({} acks, {} messages)", self.0.acks.len(), self.0.messages.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeat(part: &[u8], times: usize) -> Vec<u8> {
        part.repeat(times)
    }

    #[test]
    fn every_limit_is_taken_and_one_more_is_refused() {
        let ack = [0xca, 0xb8, 0x02, 0x00];
        assert!(matches!(unwrap(repeat(&ack, IDS_MAX)), Ok(Unwrapped::Sync(_))));
        let too_many = unwrap(repeat(&ack, IDS_MAX + 1));
        assert_eq!(too_many, Err(DatasyncError::TooManyIds { got: IDS_MAX + 1, max: IDS_MAX }));

        let message = [0xe2, 0xb8, 0x02, 0x00];
        assert!(matches!(unwrap(repeat(&message, MESSAGES_MAX)), Ok(Unwrapped::Sync(_))));
        let too_many = unwrap(repeat(&message, MESSAGES_MAX + 1));
        assert_eq!(
            too_many,
            Err(DatasyncError::TooManyMessages { got: MESSAGES_MAX + 1, max: MESSAGES_MAX })
        );

        assert!(matches!(unwrap(vec![0xff; PAYLOAD_MAX]), Ok(Unwrapped::Plain(_))));
        let too_large = unwrap(vec![0xff; PAYLOAD_MAX + 1]);
        assert_eq!(too_large, Err(DatasyncError::TooLarge { got: PAYLOAD_MAX + 1, max: PAYLOAD_MAX }));
    }

    #[test]
    fn codes_are_distinct() {
        let all = [
            DatasyncError::TooLarge { got: 0, max: 0 }.code(),
            DatasyncError::TooManyIds { got: 0, max: 0 }.code(),
            DatasyncError::TooManyMessages { got: 0, max: 0 }.code(),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn an_empty_payload_cannot_be_made() {
        assert_eq!(SyncPayloadOut::new([], []), None);
    }
}
