//! What a node keeps when it ends, in order or not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_devp2p::discv4::Packet;
use undertone_discovery::DiscoveryConfig;
use undertone_runtime::{Clock, Environment, ManualClock};
use undertone_support::until_async;

use crate::node::{LONG, Node, eventually, key};
use crate::peer::Peer;

fn config(path: &Path) -> DiscoveryConfig {
    DiscoveryConfig { database: Some(path.to_owned()), tcp: 30_303, ..DiscoveryConfig::new(key(31)) }
}

#[tokio::test]
async fn the_number_of_the_record_never_goes_back_even_if_the_node_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nodes");
    let node = Node::start(config(&path)).await;
    let first = node.discovery.record();
    assert!(first.seq() > 1_700_000_000_000, "a lost database is no way back");
    let ip: IpAddr = "34.1.2.3".parse().unwrap();
    let mut watch = node.discovery.watch_record();
    node.discovery.set_external(Some(ip));
    watch.changed().await.unwrap();
    let told = node.discovery.record();
    assert_eq!((told.seq(), told.address()), (first.seq() + 1, Some(ip)));
    // Killed now: what is on the disk is what counts.
    let kept = dir.path().join("kept");
    std::fs::copy(&path, &kept).unwrap();
    node.stop().await;

    // The address was a router's word, and is not known at the start. The port is another one, too.
    let port = SocketAddr::from((Ipv4Addr::LOCALHOST, undertone_support::lasting_port()));
    let again = Node::start(DiscoveryConfig { listen: port, ..config(&kept) }).await;
    assert_eq!(again.discovery.record().seq(), told.seq() + 1);
    let last = again.discovery.record();
    again.stop().await;
    // A start that changes nothing changes nothing.
    let same = Node::start(DiscoveryConfig { listen: port, ..config(&kept) }).await;
    assert_eq!(same.discovery.record(), last);
    same.stop().await;
    // With the address of its operator, twice.
    let fixed = |listen| DiscoveryConfig { advertise_ip: Some(ip), listen, ..config(&kept) };
    for _ in 0..2 {
        let node = Node::start(fixed(port)).await;
        assert_eq!(
            (node.discovery.record().seq(), node.discovery.record().address()),
            (last.seq() + 1, Some(ip))
        );
        node.stop().await;
    }
    // Another key is another node.
    let other = Node::start(DiscoveryConfig { key: key(32), ..config(&kept) }).await;
    assert_eq!(other.discovery.record().key(), &key(32).public());
    other.stop().await;
}

#[tokio::test]
async fn who_proved_its_endpoint_need_not_do_it_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nodes");
    let hand = ManualClock::new(Now { mono: Mono::ZERO, unix: Unix::from_secs(1_790_000_000) });
    let env = Environment::fixed(1, Clock::manual(hand.clone()), BTreeMap::new());
    let node = Node::start_in(config(&path), &env).await;
    // A node of ours as the friend: it answers when it is asked whether it is there.
    let boot = vec![node.discovery.enode()];
    let friend =
        Node::start_in(DiscoveryConfig { boot, tcp: 5, ..DiscoveryConfig::new(key(33)) }, &env).await;
    // The clock stands still, so that nothing expires.
    let settled = |node: &Node| {
        let sizes = node.discovery.stats().sizes;
        (sizes.table, sizes.bonds, sizes.pings) == (1, 1, 0)
    };
    let both = until_async(LONG, || settled(&node) && settled(&friend)).await;
    assert!(both, "{:?} {:?}", node.discovery.stats(), friend.discovery.stats());
    // Five minutes in the table make it worth keeping.
    let before = std::fs::read(&path).unwrap();
    hand.advance(Duration::from_secs(400));
    for _ in 0..2 {
        // A request wakes the task, which sees the time.
        assert_eq!(node.discovery.nodes().await.len(), 1);
    }
    eventually("nodes are written", || std::fs::read(&path).unwrap() != before).await;
    let kept = dir.path().join("kept");
    std::fs::copy(&path, &kept).unwrap();
    node.stop().await;

    let again = Node::start_in(config(&kept), &env).await;
    assert_eq!(again.discovery.stats().sizes.bonds, 0, "shown once it runs");
    again.discovery.nodes().await;
    eventually("bonds are restored", || again.discovery.stats().sizes.bonds == 1).await;
    // Who was proved is answered at once, at another port too: a bond is by address.
    let mut peer = Peer::new(key(33), again.discovery.local_addr().unwrap()).await;
    peer.set_clock(&env);
    let find = Packet::FindNode { target: [1; 64], expiration: peer.expiration() };
    peer.send(&find).await;
    let answer = async { while !matches!(peer.next().await.packet, Packet::Neighbors { .. }) {} };
    assert!(tokio::time::timeout(LONG, answer).await.is_ok());
    again.stop().await;
    friend.stop().await;
}

#[tokio::test]
async fn a_damaged_database_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nodes");
    std::fs::write(&path, b"nonsense").unwrap();
    let node = Node::start(config(&path)).await;
    assert_eq!(std::fs::read(dir.path().join("nodes.damaged")).unwrap(), b"nonsense");
    assert!(std::fs::read(&path).unwrap().starts_with(b"UNDB"));
    node.stop().await;
}

#[tokio::test]
async fn boot_nodes_are_resolved_by_name() {
    let boot = Node::start(DiscoveryConfig { tcp: 6, ..DiscoveryConfig::new(key(41)) }).await;
    let enode = boot.discovery.enode().to_string().replace("127.0.0.1", "boot.test");
    let hosts = BTreeMap::from([("boot.test".to_owned(), vec![IpAddr::from([127, 0, 0, 1])])]);
    let env = Environment::fixed(1, Clock::system(), hosts);
    for (v4, v5) in [(true, false), (false, true)] {
        let config =
            DiscoveryConfig { boot: vec![enode.parse().unwrap()], v4, v5, ..DiscoveryConfig::new(key(42)) };
        if v5 {
            // It speaks v4 only.
            continue;
        }
        let mut node = Node::start_in(config, &env).await;
        eventually("found by name", || !node.found().is_empty()).await;
        node.stop().await;
    }
    boot.stop().await;
}
