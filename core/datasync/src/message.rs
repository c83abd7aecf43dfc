//! One message of a pair.

use std::fmt;

use undertone_base::Unix;

use crate::id::{GroupId, SyncId};
use crate::proto;

/// A body, the pair it belongs to and when it was queued. Its id is a function of the three.
#[derive(Clone, Eq, PartialEq)]
pub struct SyncMessage {
    /// Which pair.
    pub group: GroupId,
    /// Seconds since 1970, signed on the wire. The sender's word, checked by nobody.
    pub timestamp: i64,
    /// Encoded application metadata; opaque here.
    pub body: Vec<u8>,
}

/// Makes the message for `body`, queued `at` (whole seconds count), and the id that its ack will name.
///
/// The same body queued for the same pair within the same second is the same message.
///
/// ```
/// use undertone_base::Unix;
/// use undertone_crypto::SecretKey;
/// use undertone_datasync::{GroupId, wrap};
///
/// let alice = SecretKey::from_slice(&[0xa1; 32])?.public();
/// let bob = SecretKey::from_slice(&[0xb2; 32])?.public();
/// let (id, message) = wrap(GroupId::of_pair(&alice, &bob), Unix::from_secs(1_600_000_000), b"hello".to_vec());
/// assert_eq!(id.to_string(), "0xa95a52226732dc643ecbc977d752453b2f8bb5a25095b60ffe04aba842ab981d");
/// assert_eq!(message.id(), id);
/// # Ok::<(), undertone_crypto::KeyError>(())
/// ```
pub fn wrap(group: GroupId, at: Unix, body: Vec<u8>) -> (SyncId, SyncMessage) {
    let message = SyncMessage { group, timestamp: i64::try_from(at.secs()).unwrap_or(i64::MAX), body };
    (message.id(), message)
}

impl SyncMessage {
    /// The id that an ack of this message names.
    pub fn id(&self) -> SyncId {
        SyncId::of(self.group.as_bytes(), self.timestamp, &self.body)
    }

    pub(crate) fn to_proto(&self) -> proto::Message {
        proto::Message {
            group_id: self.group.as_bytes().to_vec(),
            timestamp: self.timestamp,
            body: self.body.clone(),
        }
    }
}

impl fmt::Debug for SyncMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SyncMessage({}, group {}, {} bytes)",
            self.id().short(),
            self.group.short(),
            self.body.len()
        )
    }
}

/// A message as it came. Its id covers the group id in whatever length that has, so the received bytes are
/// kept until [`receive`](crate::receive) has compared them.
#[derive(Clone, Eq, PartialEq)]
pub struct RawSyncMessage {
    /// 32 bytes from anybody honest.
    pub group_id: Vec<u8>,
    /// Seconds since 1970, signed on the wire.
    pub timestamp: i64,
    /// Encoded application metadata.
    pub body: Vec<u8>,
}

impl RawSyncMessage {
    /// The id that an ack of this message would name.
    pub fn id(&self) -> SyncId {
        SyncId::of(&self.group_id, self.timestamp, &self.body)
    }

    pub(crate) fn from_proto(message: proto::Message) -> Self {
        Self { group_id: message.group_id, timestamp: message.timestamp, body: message.body }
    }
}

impl From<SyncMessage> for RawSyncMessage {
    fn from(message: SyncMessage) -> Self {
        Self { group_id: message.group.as_bytes().to_vec(), timestamp: message.timestamp, body: message.body }
    }
}

impl fmt::Debug for RawSyncMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawSyncMessage({}, {} bytes)", self.id().short(), self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_body() {
        let message =
            SyncMessage { group: GroupId::from_bytes([1; 32]), timestamp: 1, body: b"secret".to_vec() };
        assert!(!format!("{message:?}").contains("115"), "no byte of the body");
        assert!(format!("{message:?}").ends_with("group 01010101, 6 bytes)"));
    }
}
