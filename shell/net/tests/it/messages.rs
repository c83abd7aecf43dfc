//! Messages, their order, and what happens when one side is slow.

use std::time::Duration;

use undertone_net::{NetEvent, SendRefused, limits};

use crate::pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_all_sizes_go_both_ways() {
    let (mut alice, to_bob, mut bob, to_alice) = pair().await;
    for (code, size) in [0, 1, 15, 16, 17, 1_000, 65_535, 65_536, 1_048_576].into_iter().enumerate() {
        let code = u64::try_from(code).unwrap();
        let payload: Vec<u8> = (0..size).map(|n: usize| (n * 7 + size).to_le_bytes()[0]).collect();
        alice.net.send(to_bob, 0, code, payload.clone()).unwrap();
        bob.net.send(to_alice, 0, code, payload.clone()).unwrap();
        assert_eq!(bob.message().await, (code, payload.clone()));
        assert_eq!(alice.message().await, (code, payload));
    }
    let stats = bob.net.stats();
    assert_eq!((stats.handshakes_ok, stats.messages_in, stats.dropped), (1, 9, 0));
    assert!(stats.bytes_in > 1_000 && stats.bytes_out > 1_000);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_refused_with_its_reason() {
    let (alice, to_bob, bob, _) = pair().await;
    let max = 1_048_576 + 1_024;
    let send = |capability, code, size| alice.net.send(to_bob, capability, code, vec![0; size]);
    assert_eq!(send(0, 0, max + 1), Err(SendRefused::TooLarge { size: max + 1, max }));
    assert_eq!(send(0, 128, 1), Err(SendRefused::UnknownMessage));
    assert_eq!(send(1, 0, 1), Err(SendRefused::UnknownMessage));
    assert_eq!(send(0, 127, max), Ok(()));
    bob.stop().await;
    alice.stop().await;
}

/// The receiver takes nothing until the sender is refused: the peer's socket, our session and our queue are full
/// then. Afterwards everything arrives, once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_holds_up_the_sender_and_loses_nothing() {
    let (mut alice, to_bob, mut bob, _) = pair().await;
    let payload = |n: u32| {
        // Bytes that do not compress.
        let mut bytes = vec![0; 1_000];
        rand_core::Rng::fill_bytes(&mut undertone_support::rng(n.into()), &mut bytes);
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        bytes
    };
    let (mut sent, mut refused) = (0u32, 0u32);
    while refused < 5 {
        match alice.net.send(to_bob, 0, 5, payload(sent)) {
            Ok(()) => (sent, refused) = (sent + 1, 0),
            Err(SendRefused::Full) => {
                // Room comes while the buffers on the way still fill; five times in a row without any they are full.
                let next = tokio::time::timeout(Duration::from_millis(100), alice.next()).await;
                assert!(matches!(next, Err(_) | Ok(NetEvent::Writable { .. })));
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
        assert!(sent < 200_000, "nothing is bounded");
    }
    assert!(sent > 2_000, "{sent}");
    for n in 0..sent {
        assert_eq!(bob.message().await, (5, payload(n)));
    }
    let NetEvent::Writable { peer, .. } = alice.next().await else { panic!("writable follows full") };
    assert_eq!(peer, to_bob);
    assert_eq!(bob.net.stats().messages_in, u64::from(sent));
    alice.stop().await;
    bob.stop().await;
}

/// Two sides that both write more than the system's buffers hold would wait for each other for ever if either read
/// only after it has written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_may_write_much_at_once() {
    let (mut alice, to_bob, mut bob, to_alice) = pair().await;
    let mut bytes = vec![0; 1_000_000];
    rand_core::Rng::fill_bytes(&mut undertone_support::rng(1), &mut bytes);
    for node in [(&alice, to_bob), (&bob, to_alice)] {
        for code in 0..4 {
            node.0.net.send(node.1, 0, code, bytes.clone()).unwrap();
        }
    }
    for code in 0..4 {
        assert_eq!(alice.message().await.0, code);
        assert_eq!(bob.message().await.0, code);
    }
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_small_messages_arrive_in_order() {
    let (mut alice, to_bob, mut bob, _) = pair().await;
    let count = 20_000u32;
    let send = async {
        let mut next = 0u32;
        while next < count {
            match alice.net.send(to_bob, 0, 1, next.to_le_bytes().to_vec()) {
                Ok(()) => next += 1,
                Err(SendRefused::Full) => assert!(matches!(alice.next().await, NetEvent::Writable { .. })),
                Err(other) => panic!("{other}"),
            }
        }
    };
    let receive = async {
        for n in 0..count {
            assert_eq!(bob.message().await, (1, n.to_le_bytes().to_vec()));
        }
    };
    tokio::join!(send, receive);
    assert!(u32::try_from(limits::QUEUED_MESSAGES).unwrap() < count, "the queue was full meanwhile");
    bob.stop().await;
    alice.stop().await;
}
