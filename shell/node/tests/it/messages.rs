//! Payloads between people through a relay.

use undertone_node::NodeEvent;
use undertone_transport::{Command, Event, Failure, OpenWith, Progress, Route, SendId};
use undertone_whisper::Report;

use crate::{Actor, lab, person, relay};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_hear_each_other_directly() {
    let mut bob = Actor::start(1, relay(1)).await;
    let alice = Actor::start(2, person(2, &[bob.node.enode()])).await;
    bob.listen(OpenWith::ByRoute, lab()).await;
    alice.send(1, lab(), None, "hello").await;
    let received = bob.received().await;
    assert_eq!(received.payload, b"hello");
    alice.stop().await;
    bob.peers(0).await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_and_sealed_payloads_pass_through_a_relay() {
    let mut watched = relay(10);
    watched.watch = true;
    let mut relay = Actor::start(10, watched).await;
    let enode = relay.node.enode();
    let mut speaking = person(11, std::slice::from_ref(&enode));
    speaking.watch = true;
    let mut alice = Actor::start(11, speaking).await;
    let mut bob = Actor::start(12, person(12, &[enode])).await;
    relay.peers(2).await;
    bob.listen(OpenWith::ByRoute, lab()).await;
    let own = Route::Partition(bob.public);
    bob.listen(OpenWith::Identity(bob.me), own.clone()).await;

    alice.send(1, lab(), None, "to everyone").await;
    let sealed = loop {
        if let Report::Sealed { send, envelope } = alice.report().await {
            assert_eq!(send, SendId(1));
            break envelope;
        }
    };
    assert_eq!(alice.progress().await, (SendId(1), Progress::Relayed));
    let public = bob.received().await;
    assert_eq!((public.payload.as_slice(), public.route), (b"to everyone".as_slice(), lab()));
    assert_eq!((public.author, public.sealed_to), (alice.public, None));
    let Report::Carried { envelope, .. } = relay.report().await else { panic!("the relay made nothing") };
    assert_eq!(envelope.hash(), sealed.hash(), "the relay carried what alice sealed");

    alice.send(2, own.clone(), Some(bob.public), "to bob").await;
    assert_eq!(alice.progress().await, (SendId(2), Progress::Relayed));
    let private = bob.received().await;
    assert_eq!((private.payload.as_slice(), private.route), (b"to bob".as_slice(), own));
    assert_eq!((private.author, private.sealed_to), (alice.public, Some(bob.public)));

    for actor in [alice, bob, relay] {
        actor.stop().await;
    }
}

/// The whole feed of status-go, from one node to whoever looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_reports_who_took_what_and_all_that_passes() {
    let mut watched = relay(13);
    (watched.watch, watched.traffic) = (true, true);
    let mut relay = Actor::start(13, watched).await;
    let mut speaking = person(14, &[relay.node.enode()]);
    speaking.watch = true;
    let mut alice = Actor::start(14, speaking).await;
    relay.peers(1).await;
    alice.send(1, lab(), None, "to everyone").await;
    let Report::Sealed { send: SendId(1), envelope } = alice.report().await else { panic!("not sealed") };
    let Report::Confirmed { hash, .. } = alice.report().await else { panic!("not confirmed") };
    assert_eq!(hash, envelope.hash());
    let Report::Arrived { hash, .. } = relay.report().await else { panic!("nothing came") };
    assert_eq!(hash, envelope.hash());
    let Report::Carried { envelope: carried, .. } = relay.report().await else { panic!("not taken") };
    assert_eq!(carried.hash(), hash);
    for actor in [alice, relay] {
        actor.stop().await;
    }
}

/// What is sent before any peer is there waits for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_without_peers_leaves_when_one_comes() {
    let mut alice = Actor::start(20, person(20, &[])).await;
    alice.send(1, lab(), None, "is anybody there?").await;
    while !matches!(
        alice.next().await,
        NodeEvent::Transport(Event::Progress { id: SendId(1), progress: Progress::Queued })
    ) {}
    let mut bob = Actor::start(21, relay(21)).await;
    bob.listen(OpenWith::ByRoute, lab()).await;
    alice.node.add_peer(bob.node.enode());
    assert_eq!(bob.received().await.payload, b"is anybody there?");
    assert_eq!(alice.progress().await, (SendId(1), Progress::Relayed));
    assert_eq!(alice.node.peers().len(), 1);
    for actor in [alice, bob] {
        actor.stop().await;
    }
}

/// Each refusal of the transport comes back as a failure of the send that it belongs to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_commands_come_back_as_failed() {
    let mut alice = Actor::start(30, person(30, &[])).await;
    let large = vec![0; 2 * 1024 * 1024];
    alice.node.command(Command::Send(alice.message(1, lab(), None, large))).await.unwrap();
    assert_eq!(alice.progress().await, (SendId(1), Progress::Failed(Failure::TooLarge)));

    let partition = Route::Partition(alice.public);
    alice.send(2, partition, None, "sealed to nobody").await;
    assert_eq!(alice.progress().await, (SendId(2), Progress::Failed(Failure::Refused)));

    let mut foreign = alice.message(3, lab(), None, b"as somebody else".to_vec());
    let secret = undertone_crypto::SecretKey::random(&mut undertone_support::rng(99));
    foreign.sign_as = undertone_crypto::MemoryKeyring::new().insert(secret);
    alice.node.command(Command::Send(foreign)).await.unwrap();
    assert_eq!(alice.progress().await, (SendId(3), Progress::Failed(Failure::Refused)));
    alice.stop().await;
}

/// More refusals than events have room: none is lost while somebody reads late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_refusal_is_lost_when_events_are_read_late() {
    let mut alice = Actor::start(31, person(31, &[])).await;
    let count = undertone_node::limits::EVENTS as u64 + 100;
    let sends: Vec<_> =
        (0..count).map(|id| alice.message(id, Route::Partition(alice.public), None, vec![1])).collect();
    let node = alice.node.clone();
    let sender = async move {
        for send in sends {
            node.command(Command::Send(send)).await.unwrap();
        }
    };
    let reader = async {
        // Nothing is read before the driver has filled its events.
        let full = async {
            while alice.events.len() < undertone_node::limits::EVENTS {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::LONG, full).await.unwrap();
        for id in 0..count {
            assert_eq!(alice.progress().await, (SendId(id), Progress::Failed(Failure::Refused)));
        }
    };
    tokio::join!(sender, reader);
    alice.stop().await;
}
