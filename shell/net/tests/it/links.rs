//! Links: how they begin, end, and begin again.

use std::time::Duration;
use undertone_support::until_async;

use undertone_devp2p::{Closed, DisconnectReason, Endpoint, Enode, Host};
use undertone_net::{Direction, LinkEnd, NetConfig, NetError, NetEvent, SendRefused};
use undertone_peers::StaticError;
use undertone_runtime::Tasks;

use crate::{LONG, Node, config, key, pair};

fn by_peer(reason: DisconnectReason) -> LinkEnd {
    LinkEnd::Session(Closed::ByPeer(reason))
}

#[tokio::test]
async fn both_sides_see_each_other() {
    let mut bob = Node::start(config(2)).await;
    let mut alice = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    let NetEvent::Connected { peer, key: of_bob, client, direction, shared, .. } = alice.next().await else {
        panic!("not connected");
    };
    assert_eq!((of_bob, client.as_str(), direction), (key(2).public(), "test/2", Direction::Dialled));
    assert_eq!((shared.len(), shared[0].offset), (1, 16));
    bob.connected().await;
    let views = (alice.net.peers(), bob.net.peers());
    assert_eq!((views.0.len(), views.0[0].peer, views.0[0].key), (1, peer, key(2).public()));
    assert_eq!((views.1.len(), views.1[0].direction), (1, Direction::Inbound));
    assert_eq!(views.1[0].capabilities[0].to_string(), "shh/6");
    alice.stop().await;
    bob.stop().await;
}

/// In virtual time, which passes only where something waits for a timer.
#[tokio::test(start_paused = true)]
async fn a_stopped_node_says_that_it_quits_within_a_second() {
    let (alice, to_bob, mut bob, _) = pair().await;
    let start = tokio::time::Instant::now();
    alice.tasks.shutdown(LONG).await.panicked.ok_or(()).unwrap_err();
    assert!(start.elapsed() <= Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(alice.tasks.running().is_empty() && alice.net.peers().is_empty());
    assert_eq!(bob.disconnected().await, by_peer(DisconnectReason::QUITTING));
    assert_eq!(alice.net.send(to_bob, 0, 0, vec![]), Err(SendRefused::Gone));
    bob.stop().await;
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_network() {
    let (alice, _, mut bob, _) = pair().await;
    drop(alice.net);
    assert_eq!(bob.disconnected().await, by_peer(DisconnectReason::QUITTING));
    bob.stop().await;
}

#[tokio::test]
async fn dropping_the_receiver_ends_the_links() {
    let (alice, to_bob, mut bob, to_alice) = pair().await;
    drop(alice.events);
    bob.net.send(to_alice, 0, 0, vec![1]).unwrap();
    assert_eq!(bob.disconnected().await, by_peer(DisconnectReason::QUITTING));
    let _ = (to_bob, alice.net);
    bob.stop().await;
}

/// The same key comes back on the same port, as a relay does that was restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_restarted_is_dialled_again() {
    let listen = Some(([127, 0, 0, 1], undertone_support::lasting_port()).into());
    let mut bob = Node::start(NetConfig { listen, ..config(2) }).await;
    let enode = bob.net.enode();
    let mut alice =
        Node::start(NetConfig { static_peers: vec![enode.clone()], listen: None, ..config(1) }).await;
    let first = alice.connected().await;
    bob.connected().await;
    bob.stop().await;
    assert_eq!(alice.disconnected().await, by_peer(DisconnectReason::QUITTING));
    assert!(alice.net.peers().is_empty());

    let mut bob = Node::start(NetConfig { listen, ..config(2) }).await;
    assert_eq!(bob.net.enode(), enode);
    let second = alice.connected().await;
    assert_ne!(first, second, "numbers are not used again");
    let to_alice = bob.connected().await;
    bob.net.send(to_alice, 0, 9, b"again".to_vec()).unwrap();
    assert_eq!(alice.message().await, (9, b"again".to_vec()));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn what_was_queued_goes_out_before_a_disconnect() {
    let (mut alice, to_bob, mut bob, _) = pair().await;
    for code in 0..100 {
        alice.net.send(to_bob, 0, code, vec![7; 500]).unwrap();
    }
    alice.net.disconnect(to_bob, DisconnectReason::SUBPROTOCOL_ERROR);
    for code in 0..100 {
        assert_eq!(bob.message().await, (code, vec![7; 500]));
    }
    assert_eq!(bob.disconnected().await, by_peer(DisconnectReason::SUBPROTOCOL_ERROR));
    let end = LinkEnd::Session(Closed::ByUs(DisconnectReason::SUBPROTOCOL_ERROR));
    assert_eq!(alice.disconnected().await, end);
    alice.connected().await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn a_removed_static_peer_is_disconnected_and_not_dialled_again() {
    let (mut alice, _, mut bob, _) = pair().await;
    assert!(alice.net.remove_static(bob.net.enode().key()));
    assert_eq!(bob.disconnected().await, by_peer(DisconnectReason::REQUESTED));
    alice.disconnected().await;
    assert!(until_async(LONG, || !alice.tasks.running().contains(&"net.dial")).await);
    alice.net.add_static(bob.net.enode()).unwrap();
    alice.connected().await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn both_dialling_at_once_end_with_one_link() {
    let mut bob = Node::start(config(2)).await;
    let mut alice = Node::start(config(1)).await;
    alice.net.add_static(bob.net.enode()).unwrap();
    bob.net.add_static(alice.net.enode()).unwrap();
    alice.connected().await;
    bob.connected().await;
    let settled = || (alice.net.peers().len(), bob.net.peers().len()) == (1, 1);
    assert!(until_async(LONG, settled).await);
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn a_second_link_of_a_key_is_refused() {
    let (alice, _, bob, _) = pair().await;
    let twin = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    bob.counted("net.closed_by_us").await;
    twin.counted("net.closed_by_peer").await;
    assert_eq!((alice.net.peers().len(), bob.net.peers().len(), twin.net.peers().len()), (1, 1, 0));
    twin.stop().await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn more_peers_than_allowed_are_refused_but_those_that_we_dial_are_not() {
    let mut bob = Node::start(NetConfig { max_peers: 1, ..config(2) }).await;
    let mut carol = Node::start(config(3)).await;
    let alice = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    bob.connected().await;
    let dave = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(4) }).await;
    dave.counted("net.closed_by_peer").await;
    bob.counted("net.closed_by_us").await;
    bob.net.add_static(carol.net.enode()).unwrap();
    bob.connected().await;
    carol.connected().await;
    assert_eq!(bob.net.peers().len(), 2);
    for node in [alice, bob, carol, dave] {
        node.stop().await;
    }
}

#[tokio::test]
async fn whom_it_cannot_dial_a_node_leaves_out() {
    let bob = Node::start(config(2)).await;
    assert_eq!(bob.net.add_static(bob.net.enode()), Err(StaticError::Myself));
    let deaf = Node::start(NetConfig { listen: None, ..config(5) }).await;
    // It may say where it listens one day; until then there is nothing to dial.
    assert_eq!(bob.net.add_static(deaf.net.enode()), Ok(true));
    let unresolved = bob.net.unresolved();
    assert!(until_async(LONG, || unresolved.borrow().contains(deaf.net.enode().key())).await);
    assert!(!bob.tasks.running().contains(&"net.dial"), "neither itself nor port 0");
    bob.stop().await;
    deaf.stop().await;
}

#[tokio::test]
async fn another_node_than_the_dialled_one_is_no_peer() {
    let bob = Node::start(config(2)).await;
    let mut alice = config(1);
    alice.static_peers = vec![Enode::new(key(3).public(), bob.net.enode().endpoint().unwrap().clone())];
    let alice = Node::start(alice).await;
    bob.counted("rlpx.handshake").await;
    alice.counted("net.eof").await;
    assert!(bob.net.peers().is_empty() && alice.net.peers().is_empty());
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test]
async fn a_name_is_resolved_when_it_is_dialled() {
    let mut bob = Node::start(config(2)).await;
    let hosts = [("relay.test".to_owned(), vec![[127, 0, 0, 1].into()])].into();
    let env = undertone_runtime::Environment::fixed(1, undertone_runtime::Clock::system(), hosts);
    let port = bob.net.enode().endpoint().unwrap().tcp;
    let at = |name: &str, of| {
        Enode::new(key(of).public(), Endpoint { host: Host::Name(name.to_owned()), tcp: port, udp: 0 })
    };
    let static_peers = vec![at("nowhere.test", 3), at("relay.test", 2)];
    let mut alice = Node::start_in(NetConfig { static_peers, ..config(1) }, &env).await;
    alice.connected().await;
    bob.connected().await;
    alice.counted("net.resolve").await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let bob = Node::start(config(2)).await;
    let endpoint = bob.net.enode().endpoint().unwrap().tcp;
    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let again = NetConfig { listen: Some(([127, 0, 0, 1], endpoint).into()), ..config(3) };
    let error = undertone_net::Net::start(again, &crate::env(1), &tasks).await.unwrap_err();
    assert!(matches!(error, NetError::Listen { .. }) && error.code() == "net.listen");
    assert!(tasks.running().is_empty());
    bob.stop().await;
}
