//! What holds for all inputs.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use undertone_base::Unix;
use undertone_crypto::SecretKey;
use undertone_datasync::{
    Acks, GroupId, Pending, RawSyncMessage, SyncId, SyncMessage, SyncPayloadOut, Unwrapped, receive, unwrap,
};

fn message() -> impl Strategy<Value = SyncMessage> {
    (any::<[u8; 32]>(), any::<i64>(), vec(any::<u8>(), 0..64)).prop_map(|(group, timestamp, body)| {
        SyncMessage { group: GroupId::from_bytes(group), timestamp, body }
    })
}

fn ids() -> impl Strategy<Value = Vec<SyncId>> {
    vec(any::<[u8; 32]>().prop_map(SyncId::from_bytes), 0..8)
}

fn pending() -> impl Strategy<Value = Pending> {
    (message(), 1u8..=255, 0u64..1 << 50, vec(0u64..100_000, 0..6)).prop_map(|(message, key, at, sends)| {
        let peer = SecretKey::from_slice(&[key.min(0xfe); 32]).unwrap().public();
        let start = Pending::new(peer, message, Unix::from_millis(at));
        sends.iter().fold(start, |state, later| state.after_send(Unix::from_millis(at + later)))
    })
}

proptest! {
    #[test]
    fn any_bytes_are_plain_or_sync(bytes in vec(any::<u8>(), 0..256)) {
        match unwrap(bytes.clone()).unwrap() {
            Unwrapped::Plain(same) => prop_assert_eq!(same, bytes),
            Unwrapped::Sync(p) => {
                prop_assert!(p.acks.len() + p.offers.len() + p.requests.len() + p.messages.len() > 0);
            }
        }
    }

    #[test]
    fn what_is_sent_is_recognised(acks in ids(), messages in vec(message(), 0..8)) {
        let Some(out) = SyncPayloadOut::new(acks.clone(), &messages) else {
            prop_assert!(acks.is_empty() && messages.is_empty());
            return Ok(());
        };
        let bytes = out.to_bytes();
        prop_assert_eq!(bytes.len(), out.encoded_len());
        let Unwrapped::Sync(back) = unwrap(bytes).unwrap() else { panic!("not recognised") };
        prop_assert_eq!(back.acks, acks);
        let messages: Vec<RawSyncMessage> = messages.into_iter().map(Into::into).collect();
        prop_assert_eq!(back.messages, messages);
        prop_assert!(back.offers.is_empty() && back.requests.is_empty());
    }

    #[test]
    fn a_changed_payload_never_delivers_to_another_pair(
        messages in vec(message(), 1..4), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let mut bytes = SyncPayloadOut::new([], &messages).unwrap().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let a = SecretKey::from_slice(&[1; 32]).unwrap().public();
        let b = SecretKey::from_slice(&[2; 32]).unwrap().public();
        if let Unwrapped::Sync(payload) = unwrap(bytes).unwrap() {
            prop_assert!(receive(payload, &a, &b).deliver.is_empty());
        }
    }

    #[test]
    fn acks_are_split_without_loss(ids in ids(), max in 0usize..200) {
        let mut acks = Acks::new();
        ids.iter().for_each(|id| { acks.add(*id); });
        let mut back = Vec::new();
        for payload in acks.into_payloads(max) {
            prop_assert!(payload.encoded_len() <= max.max(36));
            let Unwrapped::Sync(payload) = unwrap(payload.to_bytes()).unwrap() else { panic!("not recognised") };
            back.extend(payload.acks);
        }
        prop_assert_eq!(back, ids);
    }

    #[test]
    fn stored_and_loaded_is_the_same(state in pending()) {
        prop_assert_eq!(Pending::from_stored(&state.to_stored()), Ok(state));
    }

    #[test]
    fn any_stored_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Pending::from_stored(&bytes);
    }

    #[test]
    fn a_sent_message_comes_due_within_ten_minutes(state in pending(), now in 0u64..1 << 50) {
        let now = Unix::from_millis(now);
        let state = state.after_send(now);
        prop_assert!(!state.due(now.after(Duration::from_millis(4_999))));
        prop_assert!(state.due(now.after(Duration::from_secs(600))));
        prop_assert!(state.clone().after_request(now).next_at() <= state.next_at());
    }
}
