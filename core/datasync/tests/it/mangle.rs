//! Bad input, systematically: payloads and stored rows, mangled.

use undertone_base::Unix;
use undertone_crypto::SecretKey;
use undertone_datasync::{GroupId, Pending, SyncId, SyncPayloadOut, Unwrapped, receive, unwrap, wrap};
use undertone_support::mangle::{self, Mutation, Trial, Whose};
use undertone_vectors::{hex, load};

fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::protobuf(sample));
    made
}

#[test]
fn mangled_payloads_are_refused_or_plain_or_of_this_pair() {
    let [alice, bob] = [0xa1, 0xb2].map(|byte| SecretKey::from_slice(&[byte; 32]).unwrap().public());
    let group = GroupId::of_pair(&alice, &bob);
    let (honest, message) = wrap(group, Unix::from_secs(1_600_000_000), b"hello".to_vec());
    let acks = [SyncId::from_bytes([3; 32]), SyncId::from_bytes([4; 32])];
    let ours = SyncPayloadOut::new(acks, [&message, &message]).unwrap().to_bytes();
    let flow = hex(&load("messenger_flow")["steps"][0]["3_datasync"]["encoded"]);
    // A message of four bytes, which is none, becomes a value of 56, twice. `MESSAGES_MAX` bounds them all together.
    let mut trial = Trial::new(Whose::Peer).holding(48);
    for mutation in of(&ours).into_iter().chain(of(&flow)) {
        let read = trial.run(&mutation, |b| unwrap(b.to_vec()), |e| (e.fault(), e.code()));
        match read {
            None => {}
            Some(Unwrapped::Plain(bytes)) => assert_eq!(bytes, mutation.bytes),
            Some(Unwrapped::Sync(payload)) => {
                let parts = payload.acks.len()
                    + payload.offers.len()
                    + payload.requests.len()
                    + payload.messages.len();
                assert!(parts > 0, "{}", mutation.name);
                let received = receive(payload, &bob, &alice);
                for delivery in &received.deliver {
                    assert!(delivery.id != honest || delivery.body == b"hello", "{}", mutation.name);
                }
            }
        }
    }
    trial.at_least(2_500, 0);
}

#[test]
fn mangled_waiting_messages_are_a_corrupt_store() {
    let [alice, bob] = [0xa1, 0xb2].map(|byte| SecretKey::from_slice(&[byte; 32]).unwrap().public());
    let at = Unix::from_secs(1_600_000_000);
    let (_, message) = wrap(GroupId::of_pair(&alice, &bob), at, b"hello".to_vec());
    let sample = Pending::new(bob, message, at).after_send(at).to_stored();
    let mut trial = Trial::new(Whose::Environment);
    for mutation in of(&sample) {
        if let Some(row) = trial.run(&mutation, Pending::from_stored, |e| (e.fault(), e.code())) {
            assert_eq!(Pending::from_stored(&row.to_stored()).as_ref(), Ok(&row), "{}", mutation.name);
        }
    }
    trial.at_least(700, 200);
}
