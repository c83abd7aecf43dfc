//! What a payload of an authenticated peer means for us.

use std::collections::BTreeSet;
use std::fmt;

use undertone_crypto::PublicKey;

use crate::id::{GroupId, SyncId};
use crate::payload::SyncPayload;

/// A message of the right pair, to be validated by the layer above.
#[derive(Clone, Eq, PartialEq)]
pub struct Delivery {
    /// What the ack will name, once the message is valid and committed.
    pub id: SyncId,
    /// Encoded application metadata.
    pub body: Vec<u8>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery({}, {} bytes)", self.id.short(), self.body.len())
    }
}

/// A payload sorted out. Every list holds each id once, in the order of its first appearance.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Received {
    /// Messages to hand on. Each valid one is acked after its commit, and so is one that was already known.
    pub deliver: Vec<Delivery>,
    /// Ids that the peer keeps: the [`Pending`](crate::Pending) of this id *and this peer* is done.
    pub acked: Vec<SyncId>,
    /// Ids that the peer asks for: a [`Pending`](crate::Pending) of this id and this peer is brought forward.
    pub requested: Vec<SyncId>,
    /// Ids that the peer offers. One that is known may be acked, which ends the offering; one that is not is
    /// ignored, because we send no REQUEST.
    pub offered: Vec<SyncId>,
    /// How many messages named another group than that of this pair. They are neither delivered nor acked.
    pub foreign: usize,
}

/// Sorts out what `peer`, whose key the layers below authenticated, sent to `ours`.
///
/// Checks, per message:
/// - D1: its group is that of the pair, all 32 bytes and no more; else it is counted in [`Received::foreign`] and forgotten.
/// - D2: each id once; the reference repeats messages within one payload (`payloads.md` trap 23).
///
/// DEVIATION: the reference takes any group (`payloads.md` 6.2) and would pass a stranger's message on to the
/// members of that group; D1 does not. Pinned by `a_foreign_group_is_neither_delivered_nor_acked`.
pub fn receive(payload: SyncPayload, ours: &PublicKey, peer: &PublicKey) -> Received {
    let group = GroupId::of_pair(ours, peer);
    let mut received = Received {
        acked: once(payload.acks),
        requested: once(payload.requests),
        offered: once(payload.offers),
        ..Received::default()
    };
    let mut seen = BTreeSet::new();
    for message in payload.messages {
        if message.group_id != group.as_bytes() {
            received.foreign = received.foreign.saturating_add(1);
            continue;
        }
        let id = message.id();
        if seen.insert(id) {
            received.deliver.push(Delivery { id, body: message.body });
        }
    }
    received
}

fn once(mut ids: Vec<SyncId>) -> Vec<SyncId> {
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

#[cfg(test)]
mod tests {
    use undertone_base::Unix;
    use undertone_crypto::SecretKey;

    use super::*;
    use crate::{RawSyncMessage, wrap};

    fn key(byte: u8) -> PublicKey {
        SecretKey::from_slice(&[byte; 32]).unwrap().public()
    }

    #[test]
    fn a_foreign_group_is_neither_delivered_nor_acked() {
        let (alice, bob, carol) = (key(0xa1), key(0xb2), key(0xc3));
        let (_, foreign) = wrap(GroupId::of_pair(&alice, &carol), Unix::from_secs(1), b"not yours".to_vec());
        let (id, ours) = wrap(GroupId::of_pair(&alice, &bob), Unix::from_secs(1), b"yours".to_vec());
        let mut long = RawSyncMessage::from(ours.clone());
        long.group_id.push(0);
        let payload =
            SyncPayload { messages: vec![foreign.into(), long, ours.into()], ..SyncPayload::default() };
        let received = receive(payload, &bob, &alice);
        assert_eq!(received.deliver, [Delivery { id, body: b"yours".to_vec() }]);
        assert_eq!(received.foreign, 2);
    }

    #[test]
    fn every_id_counts_once_in_order() {
        let (alice, bob) = (key(0xa1), key(0xb2));
        let (_, message) = wrap(GroupId::of_pair(&alice, &bob), Unix::from_secs(1), b"twice".to_vec());
        let [a, b] = [SyncId::from_bytes([2; 32]), SyncId::from_bytes([1; 32])];
        let payload = SyncPayload {
            acks: vec![a, b, a],
            offers: vec![b, b],
            requests: vec![b, a, b],
            messages: vec![message.clone().into(), message.into()],
        };
        let received = receive(payload, &bob, &alice);
        assert_eq!(received.deliver.len(), 1);
        assert_eq!(received.acked, [a, b]);
        assert_eq!(received.offered, [b]);
        assert_eq!(received.requested, [b, a]);
        assert_eq!(received.foreign, 0);
    }

    #[test]
    fn own_devices_are_a_pair_too() {
        let alice = key(0xa1);
        let (_, message) = wrap(GroupId::of_pair(&alice, &alice), Unix::from_secs(1), b"note".to_vec());
        let payload = SyncPayload { messages: vec![message.into()], ..SyncPayload::default() };
        assert_eq!(receive(payload, &alice, &alice).deliver.len(), 1);
    }
}
