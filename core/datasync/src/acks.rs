//! Acknowledgements that wait for the commit.

use std::collections::BTreeSet;

use crate::id::SyncId;
use crate::limits::{ACK_LEN, ACKS_MAX};
use crate::payload::SyncPayloadOut;

/// Ids to acknowledge to one peer, each once, at most [`ACKS_MAX`].
///
/// Whoever holds it adds the id of each message that proved valid (a duplicate of a committed message is
/// valid), and turns it into payloads only after the commit. Dropped before that, nothing was promised; lost
/// after it, by a crash, the peer repeats its message and the duplicate is acked. So it needs no store.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Acks {
    order: Vec<SyncId>,
    seen: BTreeSet<SyncId>,
}

impl Acks {
    /// Nothing to acknowledge.
    pub const fn new() -> Self {
        Self { order: Vec::new(), seen: BTreeSet::new() }
    }

    /// Remembers `id`; whether it is now among the acks. `false` only when [`ACKS_MAX`] others are: that
    /// message is not acked, and its sender repeats it.
    pub fn add(&mut self, id: SyncId) -> bool {
        if self.seen.contains(&id) {
            return true;
        }
        if self.order.len() >= ACKS_MAX {
            return false;
        }
        self.seen.insert(id);
        self.order.push(id);
        true
    }

    /// How many ids.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is nothing to acknowledge.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The payloads to send after the commit, each at most `max_bytes` long (36 bytes an ack; one ack at
    /// least, whatever `max_bytes` is). None when there is nothing to acknowledge.
    pub fn into_payloads(self, max_bytes: usize) -> Vec<SyncPayloadOut> {
        let each = (max_bytes / ACK_LEN).max(1);
        self.order.chunks(each).filter_map(|ids| SyncPayloadOut::new(ids.iter().copied(), [])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> SyncId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        SyncId::from_bytes(bytes)
    }

    #[test]
    fn payloads_are_split_under_the_limit_and_lose_nothing() {
        let mut acks = Acks::new();
        for n in 0..100 {
            assert!(acks.add(id(n)));
            assert!(acks.add(id(n)), "twice is once");
        }
        assert_eq!(acks.len(), 100);
        let payloads = acks.into_payloads(360 + 35);
        assert_eq!(payloads.len(), 10);
        assert!(payloads.iter().all(|p| p.encoded_len() == 360));
    }

    #[test]
    fn nothing_to_acknowledge_is_nothing_to_send() {
        assert!(Acks::new().is_empty());
        assert_eq!(Acks::new().into_payloads(1_000), []);
    }

    #[test]
    fn a_full_list_refuses_new_ids_only() {
        let mut acks = Acks::new();
        assert!((0..ACKS_MAX).all(|n| acks.add(id(n))));
        assert!(!acks.add(id(ACKS_MAX)));
        assert!(acks.add(id(0)));
    }
}
