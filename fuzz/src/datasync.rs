//! What the security layer hands up, and what the store hands back.

use undertone_crypto::{PublicKey, SecretKey};
use undertone_datasync::{Acks, Pending, Unwrapped, receive, unwrap};

/// An MVDS payload between two fixed people (the keys of `mvds.json`).
pub fn sync_payload(data: &[u8]) {
    let Ok(Unwrapped::Sync(payload)) = unwrap(data.to_vec()) else { return };
    let (alice, bob) = (person(0xa1), person(0xb2));
    let received = receive(payload, &alice, &bob);
    let mut acks = Acks::new();
    for delivery in &received.deliver {
        acks.add(delivery.id);
    }
    for answer in acks.into_payloads(1_000) {
        assert!(matches!(unwrap(answer.to_bytes()), Ok(Unwrapped::Sync(_))), "our own answer is a payload");
    }
}

/// A row of the outbox, from a store that somebody may have written to.
pub fn sync_stored(data: &[u8]) {
    if let Ok(pending) = Pending::from_stored(data) {
        let again = Pending::from_stored(&pending.to_stored());
        assert_eq!(again.map(|p| p.to_stored()), Ok(pending.to_stored()));
    }
}

fn person(byte: u8) -> PublicKey {
    SecretKey::from_slice(&[byte; 32]).expect("a scalar in range").public()
}
