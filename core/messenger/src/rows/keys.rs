//! Keys of rows. Numbers are big-endian, so that byte order is their order.

use undertone_base::{Reader, StoreError, Unix};
use undertone_crypto::PublicKey;
use undertone_datasync::SyncId;
use undertone_payload::MessageId;
use undertone_transport::{PublicName, SendId};

use crate::ChatId;

const ONE_TO_ONE: u8 = 1;
const PUBLIC: u8 = 2;

/// `kind (1) || length (1) || compressed key or name`. No key is the beginning of another.
pub(crate) fn chat_key(chat: &ChatId) -> Vec<u8> {
    let compressed;
    let (kind, bytes) = match chat {
        ChatId::OneToOne(key) => {
            compressed = key.to_compressed();
            (ONE_TO_ONE, compressed.as_slice())
        }
        ChatId::Public(name) => (PUBLIC, name.as_str().as_bytes()),
    };
    // A name has at most 128 bytes.
    let mut out = vec![kind, u8::try_from(bytes.len()).unwrap_or(u8::MAX)];
    out.extend_from_slice(bytes);
    out
}

/// The reverse of [`chat_key`].
pub(super) fn chat_of(key: &[u8]) -> Option<ChatId> {
    let mut reader = Reader::new(key);
    let [kind, len] = reader.take::<2>().ok()?;
    let bytes = reader.sub(len.into()).ok()?;
    reader.finish().ok()?;
    match kind {
        ONE_TO_ONE => PublicKey::from_compressed(bytes).ok().map(ChatId::OneToOne),
        PUBLIC => PublicName::new(std::str::from_utf8(bytes).ok()?).ok().map(ChatId::Public),
        _ => None,
    }
}

/// `chat key || clock (8)`: how the keys of all messages of one clock begin.
pub(crate) fn clock_key(chat: &ChatId, clock: u64) -> Vec<u8> {
    let mut out = chat_key(chat);
    out.extend_from_slice(&clock.to_be_bytes());
    out
}

/// `chat key || clock (8) || message id (32)`.
pub(crate) fn timeline_key(chat: &ChatId, clock: u64, id: &MessageId) -> Vec<u8> {
    let mut out = clock_key(chat, clock);
    out.extend_from_slice(id.as_bytes());
    out
}

/// `peer (33) || sync id (32)`: an acknowledgement counts only from the peer that the message went to.
pub(crate) fn pending_key(peer: &PublicKey, id: &SyncId) -> Vec<u8> {
    let mut out = peer.to_compressed().to_vec();
    out.extend_from_slice(id.as_bytes());
    out
}

pub(crate) fn contact_key(person: &PublicKey) -> [u8; 33] {
    person.to_compressed()
}

/// What is due at a time: `time (8) || kind (1) || key of the row`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// What is kept only for a time, as one step does not erase all of it.
    Erase,
    /// A row of table Outbox.
    Outbox(SendId),
    /// A row of table Pending.
    Pending(Vec<u8>),
}

impl Due {
    pub(crate) fn key(&self, at: Unix) -> Vec<u8> {
        let mut out = at.millis().to_be_bytes().to_vec();
        match self {
            Self::Erase => out.push(3),
            Self::Outbox(id) => {
                out.push(1);
                out.extend_from_slice(&id.0.to_be_bytes());
            }
            Self::Pending(key) => {
                out.push(2);
                out.extend_from_slice(key);
            }
        }
        out
    }

    pub(crate) fn parse(key: &[u8]) -> Result<(Unix, Self), StoreError> {
        Self::read(key).ok_or(StoreError::Corrupt("due time"))
    }

    fn read(key: &[u8]) -> Option<(Unix, Self)> {
        let mut reader = Reader::new(key);
        let at = Unix::from_millis(u64::from_be_bytes(reader.take::<8>().ok()?));
        match reader.take::<1>().ok()? {
            [1] => {
                let id = u64::from_be_bytes(reader.take::<8>().ok()?);
                reader.finish().ok()?;
                Some((at, Self::Outbox(SendId(id))))
            }
            [2] => Some((at, Self::Pending(reader.rest().to_vec()))),
            [3] => reader.finish().ok().map(|()| (at, Self::Erase)),
            _ => None,
        }
    }
}
