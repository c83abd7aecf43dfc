//! The peer manager at work: whom it lets in, dials, drops and remembers, over real links.

use std::time::Duration;

use undertone_base::{FaultClass, PeerFault, Severity};
use undertone_devp2p::{Closed, DisconnectReason};
use undertone_net::{Direction, LinkEnd, NetConfig};
use undertone_peers::{BanTarget, Source};
use undertone_support::until_async;

use crate::raw::{PING, Raw, compress, secret};
use crate::{LONG, Node, by_hand, config, key, pair};

fn dialling(seed: u64) -> NetConfig {
    NetConfig { dynamic: true, max_peers: 9, ..config(seed) }
}

fn by_us(reason: DisconnectReason) -> LinkEnd {
    LinkEnd::Session(Closed::ByUs(reason))
}

fn by_peer(reason: DisconnectReason) -> LinkEnd {
    LinkEnd::Session(Closed::ByPeer(reason))
}

/// In virtual time, so that the second is one whatever the machine does.
#[tokio::test(start_paused = true)]
async fn a_boot_node_is_connected_within_a_second_of_the_start() {
    let mut bob = Node::start(config(2)).await;
    let (mut alice, _) = by_hand(NetConfig { boot: vec![bob.net.enode()], ..dialling(1) }).await;
    // The hand stands still: whatever happens happens at time zero.
    alice.connected().await;
    bob.connected().await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn who_is_found_is_dialled_until_there_are_enough() {
    let mut bob = Node::start(config(2)).await;
    let mut alice = Node::start(dialling(1)).await;
    let mut hungry = alice.net.hungry();
    assert!(*hungry.wait_for(|hungry| *hungry).await.unwrap());
    assert!(alice.net.found(bob.net.enode(), Source::V4));
    alice.connected().await;
    bob.connected().await;
    assert_eq!(alice.net.peers()[0].direction, Direction::Dialled);
    assert_eq!((alice.net.counts().dynamic, bob.net.counts().inbound), (1, 1));
    assert!(!alice.net.found(alice.net.enode(), Source::V4), "itself");
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn a_node_that_may_not_dial_dials_nobody() {
    let bob = Node::start(config(2)).await;
    let alice = Node::start(NetConfig { dynamic: false, boot: vec![bob.net.enode()], ..dialling(1) }).await;
    alice.net.found(bob.net.enode(), Source::V5);
    assert!(!until_async(Duration::from_millis(50), || alice.tasks.running().contains(&"net.dial")).await);
    assert!(bob.net.peers().is_empty());
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn who_is_trusted_gets_in_and_leaves_when_trust_is_taken_back() {
    let mut bob = Node::start(NetConfig { max_peers: 1, ..config(2) }).await;
    let _first = Raw::established(&mut bob, 9).await;
    let late = secret(10).public();
    assert_eq!(Raw::keyed(&bob, 10).await.seen().await, "Disconnect(c104, not compressed)");
    assert!(bob.net.trust(late) && !bob.net.trust(late));
    assert_eq!(bob.net.trusted(), [late]);
    let raw = Raw::established(&mut bob, 10).await;
    assert_eq!(bob.net.peers().iter().map(|peer| peer.trusted).collect::<Vec<_>>(), [false, true]);
    // Without a place of its own it has to go.
    assert!(bob.net.untrust(&late) && !bob.net.untrust(&late));
    assert_eq!(raw.seen().await, "Disconnect(c104, snappy-compressed)");
    assert_eq!(bob.disconnected().await, by_us(DisconnectReason::TOO_MANY_PEERS));
    assert_eq!(bob.net.peers().len(), 1);
    bob.stop().await;
}

#[tokio::test]
async fn who_is_trusted_from_the_start_gets_in() {
    let trusted = vec![secret(10).public()];
    let mut bob = Node::start(NetConfig { max_peers: 0, trusted, ..config(2) }).await;
    assert_eq!(Raw::keyed(&bob, 9).await.seen().await, "Disconnect(c104, not compressed)");
    let _raw = Raw::established(&mut bob, 10).await;
    bob.stop().await;
}

/// The link that the peer made is no less that of a static peer.
#[tokio::test]
async fn a_static_peer_that_is_removed_is_told_so_whoever_made_the_link() {
    let mut bob = Node::start(config(2)).await;
    let mut alice = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    alice.connected().await;
    bob.connected().await;
    assert!(bob.net.add_static(alice.net.enode()).unwrap());
    assert!(!bob.net.add_static(alice.net.enode()).unwrap(), "known exactly so");
    assert!(bob.net.absent().is_empty() && bob.net.peers()[0].fixed);
    assert!(bob.net.remove_static(alice.net.enode().key()));
    assert_eq!(alice.disconnected().await, by_peer(DisconnectReason::REQUESTED));
    assert_eq!(bob.disconnected().await, by_us(DisconnectReason::REQUESTED));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test]
async fn who_is_banned_is_put_out_and_stays_out() {
    let (alice, _, mut bob, _) = pair().await;
    let target = BanTarget::Key(key(1).public());
    bob.net.ban(target, Some(Duration::from_secs(3_600)));
    bob.disconnected().await;
    assert!(until_async(LONG, || alice.net.absent().len() == 1).await);
    // It comes back after its pause, and is refused.
    assert!(until_async(LONG, || bob.net.stats().handshakes_failed.contains_key("net.closed_by_us")).await);
    assert!(bob.net.peers().is_empty());
    let bans = bob.net.bans();
    assert!(bans.len() == 1 && bans[0].0 == target && bans[0].1 <= Some(Duration::from_secs(3_600)));
    assert!(bob.net.unban(target) && !bob.net.unban(target));
    bob.connected().await;
    alice.stop().await;
    bob.stop().await;
}

/// Faults that end no link by themselves add up to a ban.
#[tokio::test]
async fn enough_faults_are_a_ban() {
    let mut bob = Node::start(config(2)).await;
    let raw = Raw::established(&mut bob, 9).await;
    let peer = bob.net.peers()[0].peer;
    let fault = FaultClass::Peer(PeerFault { severity: Severity::Serious, disconnect: None });
    let mut faults = 0;
    while bob.net.bans().is_empty() {
        bob.net.fault(peer, fault);
        faults += 1;
        assert!(faults < 1_000, "faults without end");
    }
    assert!(faults > 1, "one fault is not enough");
    assert!(raw.seen().await.starts_with("Disconnect("));
    bob.disconnected().await;
    bob.stop().await;
}

/// Time of a ping, by the node's clock.
#[tokio::test(start_paused = true)]
async fn an_answered_ping_is_timed() {
    let (mut bob, hand) = by_hand(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    assert_eq!(bob.net.peers()[0].rtt, None);
    hand.pass(Duration::from_secs(15)).await;
    assert_eq!(raw.next().await, "msg2(c0)");
    hand.pass(Duration::from_millis(80)).await;
    raw.raw(PING + 1, &compress(&[0xc0])).await;
    hand.pass(Duration::from_millis(1)).await;
    assert_eq!(bob.net.peers()[0].rtt, Some(Duration::from_millis(80)));
    bob.net.useful(bob.net.peers()[0].peer, 3);
    assert!(bob.net.peers()[0].usefulness > 0);
    bob.stop().await;
}

/// What one run remembers the next one dials first.
#[tokio::test]
async fn a_good_peer_is_remembered_and_dialled_at_the_next_start() {
    let mut bob = Node::start(config(2)).await;
    let alice = Node::start(dialling(1)).await;
    alice.net.found(bob.net.enode(), Source::Dns);
    bob.connected().await;
    assert!(until_async(LONG, || alice.net.peers().len() == 1).await);
    alice.net.useful(alice.net.peers()[0].peer, 10);
    let remembered = alice.net.remembered();
    assert_eq!(remembered.iter().map(|peer| &peer.enode).collect::<Vec<_>>(), [&bob.net.enode()]);
    alice.stop().await;
    let mut alice = Node::start(NetConfig { remembered, ..dialling(1) }).await;
    alice.connected().await;
    alice.stop().await;
    bob.stop().await;
}
