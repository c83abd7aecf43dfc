//! Random lists of what both shells and the wire may do, against a model that only remembers what was sent.

use std::time::Duration;

use proptest::prelude::*;
use undertone_devp2p::{Closed, DisconnectReason, Event};

use crate::pair::{Cut, Pair};

#[derive(Clone, Debug)]
enum Op {
    /// Dialled (or accepted) sends this code with a payload of this many bytes.
    Send { dialled: bool, code: u64, length: usize },
    /// The wire moves one read each way.
    Step,
    /// Time passes.
    Pass { seconds: u64 },
    /// One side says goodbye.
    Goodbye { dialled: bool, reason: u64 },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => (any::<bool>(), 0u64..130, 0usize..5_000)
            .prop_map(|(dialled, code, length)| Op::Send { dialled, code, length }),
        8 => Just(Op::Step),
        3 => (0u64..40).prop_map(|seconds| Op::Pass { seconds }),
        1 => (any::<bool>(), 0u64..0x13).prop_map(|(dialled, reason)| Op::Goodbye { dialled, reason }),
    ];
    prop::collection::vec(op, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_sent_arrives_once_and_in_order_until_somebody_says_goodbye(
        seed in 0u64..1_000, most in 1u32..3_000, ops in ops(),
    ) {
        let mut pair = Pair::established(seed, Cut::Random(most));
        let mut sent = [Vec::new(), Vec::new()];
        let mut goodbyes = [None, None];
        for op in ops {
            match op {
                Op::Send { dialled, code, length } => {
                    let end = if dialled { &mut pair.dialled } else { &mut pair.accepted };
                    let closed = end.session.is_closed();
                    let payload = vec![u8::try_from(code).unwrap(); length];
                    let taken = end.session.send(pair.now, 0, code, &payload).is_ok();
                    prop_assert_eq!(taken, !closed && code < 128);
                    if taken {
                        sent[usize::from(dialled)].push((0, code, payload));
                    }
                }
                Op::Step => {
                    pair.step(None);
                }
                Op::Pass { seconds } => pair.pass(Duration::from_secs(seconds)),
                Op::Goodbye { dialled, reason } => {
                    let end = if dialled { &mut pair.dialled } else { &mut pair.accepted };
                    let reason = DisconnectReason::from_wire(reason);
                    if !end.session.is_closed() {
                        goodbyes[usize::from(dialled)] = Some(reason);
                    }
                    end.session.disconnect(reason);
                }
            }
        }
        pair.settle();
        let over = goodbyes.iter().any(Option::is_some);
        for dialled in [true, false] {
            let end = if dialled { &mut pair.dialled } else { &mut pair.accepted };
            prop_assert_eq!(end.session.is_closed(), over);
            let ours = goodbyes[usize::from(dialled)];
            let theirs = goodbyes[usize::from(!dialled)];
            if over {
                let expected = match (ours, theirs) {
                    (Some(reason), _) => Closed::ByUs(reason),
                    (None, Some(reason)) => {
                        Closed::ByPeer(DisconnectReason::from_wire(u64::from(reason.wire())))
                    }
                    (None, None) => panic!("it is over"),
                };
                prop_assert_eq!(end.events.pop(), Some(Event::Closed(expected)));
            }
            let got = end.messages();
            let all = &sent[usize::from(!dialled)];
            // Whoever says goodbye hears no more; whoever hears it has heard all that came before.
            match ours.is_none() {
                true => prop_assert_eq!(&got, all),
                false => prop_assert!(all.starts_with(&got)),
            }
        }
    }
}
