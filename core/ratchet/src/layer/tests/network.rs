//! Two parties on a network that loses, reorders, repeats and damages.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::RatchetError;

#[derive(Clone, Debug)]
enum Op {
    /// Alice or Bob sends after so many hours.
    Send(bool, u8),
    /// The nth message that was ever sent arrives.
    Deliver(Index),
    /// The nth message arrives with one byte changed.
    Damage(Index, Index, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (any::<bool>(), prop_oneof![4 => Just(0u8), 1 => 1u8..30]).prop_map(|(by, wait)| Op::Send(by, wait)),
        4 => any::<Index>().prop_map(Op::Deliver),
        1 => (any::<Index>(), any::<Index>(), 1u8..).prop_map(|(m, at, flip)| Op::Damage(m, at, flip)),
    ]
}

struct Message {
    by_alice: bool,
    bytes: Vec<u8>,
    payload: Vec<u8>,
    protection: Protection,
    read: bool,
}

/// Runs a schedule and returns all bytes that were sent.
fn run(ops: &[Op], seed: u64) -> Result<Vec<Vec<u8>>, TestCaseError> {
    let (mut alice, mut bob) = (Party::new(seed), Party::new(seed + 1));
    let mut now = START;
    let mut sent: Vec<Message> = Vec::new();
    for (i, op) in ops.iter().enumerate() {
        match op {
            Op::Send(by_alice, hours) => {
                now = now.after(u32::from(*hours) * HOUR);
                let (from, to) = if *by_alice { (&mut alice, &bob) } else { (&mut bob, &alice) };
                let payload = format!("message {i}").into_bytes();
                let sealed = from.direct(now, &to.key(), &payload);
                let protection = sealed.protection;
                sent.push(Message {
                    by_alice: *by_alice,
                    bytes: sealed.bytes,
                    payload,
                    protection,
                    read: false,
                });
            }
            Op::Deliver(which) if !sent.is_empty() => {
                let at = which.index(sent.len());
                let message = &mut sent[at];
                let (from, to) = if message.by_alice { (&alice, &mut bob) } else { (&bob, &mut alice) };
                match to.open(now, &from.key(), &message.bytes) {
                    Ok(opened) => {
                        // The fallback has no protection against copies.
                        prop_assert!(!message.read || message.protection == Protection::DhOnly);
                        prop_assert_eq!(opened.protection, message.protection);
                        prop_assert_eq!(opened.payload.as_ref(), Some(&message.payload));
                        message.read = true;
                    }
                    Err(error) => {
                        // A schedule of less than two weeks keeps every prekey.
                        prop_assert!(message.read, "unread message refused: {error}");
                        prop_assert_eq!(error, OpenError::Ratchet(RatchetError::Duplicate));
                    }
                }
            }
            Op::Damage(which, at, flip) if !sent.is_empty() => {
                let message = &sent[which.index(sent.len())];
                let (from, to) = if message.by_alice { (&alice, &bob) } else { (&bob, &alice) };
                let mut bytes = message.bytes.clone();
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
                // Of damage that is not noticed (an unknown field, the sender's name in a DH-only message) only
                // the content matters. A copy of the party, so that the schedule goes on as if nothing came.
                let mut copy = (*to).clone();
                if let Ok(opened) = copy.open(now, &from.key(), &bytes) {
                    prop_assert_eq!(opened.payload.as_ref(), Some(&message.payload));
                }
            }
            _ => {}
        }
    }
    Ok(sent.into_iter().map(|message| message.bytes).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_message_is_read_once_or_refused_by_name(ops in prop::collection::vec(op(), 1..40)) {
        let once = run(&ops, 50)?;
        prop_assert_eq!(once, run(&ops, 50)?, "the same seed gives the same bytes");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_change_nothing_unless_they_open(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (alice, mut bob) = (Party::new(60), Party::new(61));
        let before = bob.store.clone();
        let _ = bob.open(START, &alice.key(), &bytes);
        let _ = bob.layer.learn(&mut bob.store, START, &alice.key(), &bytes);
        prop_assert_eq!(before, bob.store);
    }
}
