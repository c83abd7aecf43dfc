//! What the record says of where the node is, and who learns of it.

use std::net::IpAddr;

use undertone_discovery::{DiscoveryConfig, Source};

use crate::node::{Node, answer, eventually, key};
use crate::peer::Peer;

#[tokio::test]
async fn a_node_says_an_address_only_if_it_knows_one() {
    let of = |listen: &str, advertise_ip: Option<IpAddr>| {
        let listen = listen.parse().unwrap();
        Node::start(DiscoveryConfig { listen, advertise_ip, tcp: 30_303, ..DiscoveryConfig::new(key(61)) })
    };
    let everywhere = of("0.0.0.0:0", None).await;
    let record = everywhere.discovery.record();
    assert_eq!((record.address(), record.tcp()), (None, Some(30_303)));
    assert_eq!(record.udp(), everywhere.discovery.local_addr().map(|at| at.port()));
    assert!(everywhere.discovery.enode().endpoint().is_none());
    // It learns it from its router, with the ports, and forgets it again.
    let ip: IpAddr = "34.1.2.3".parse().unwrap();
    let mut watch = everywhere.discovery.watch_record();
    everywhere.discovery.set_external(Some(ip));
    everywhere.discovery.set_ports(Some(4_000), Some(5_000));
    watch.wait_for(|record| record.tcp() == Some(4_000)).await.unwrap();
    let shown = everywhere.discovery.enode().to_string();
    assert!(shown.ends_with("@34.1.2.3:4000?discport=5000"), "{shown}");
    everywhere.discovery.set_ports(None, None);
    everywhere.discovery.set_external(None);
    watch.wait_for(|record| record.address().is_none() && record.tcp() == Some(30_303)).await.unwrap();
    everywhere.stop().await;

    let loopback = of("127.0.0.1:0", None).await;
    assert_eq!(loopback.discovery.record().address(), Some([127, 0, 0, 1].into()));
    loopback.stop().await;

    let fixed = of("0.0.0.0:0", Some(ip)).await;
    assert_eq!(fixed.discovery.record().address(), Some(ip));
    // A router that says nothing does not take away what the operator said.
    let mut watch = fixed.discovery.watch_record();
    fixed.discovery.set_ports(Some(4_001), None);
    watch.wait_for(|record| record.tcp() == Some(4_001)).await.unwrap();
    assert_eq!(fixed.discovery.record().address(), Some(ip));
    fixed.stop().await;
}

#[tokio::test]
async fn without_v4_and_v5_there_is_a_record_and_no_socket() {
    let config = DiscoveryConfig { v4: false, tcp: 7, ..DiscoveryConfig::new(key(62)) };
    let node = Node::start(config).await;
    assert_eq!((node.discovery.local_addr(), node.discovery.record().udp()), (None, None));
    assert_eq!(node.discovery.lookup(&[1; 64]).await, []);
    assert_eq!(node.discovery.resolve(&key(1).public()).await, None);
    assert_eq!(node.discovery.ping(&node.discovery.enode()).await, None);
    node.stop().await;
}

#[tokio::test]
async fn v5_tells_the_record_as_it_is_now() {
    let node = Node::start(DiscoveryConfig { v5: true, tcp: 5, ..DiscoveryConfig::new(key(63)) }).await;
    let mut watch = node.discovery.watch_record();
    node.discovery.set_ports(Some(4_002), None);
    watch.changed().await.unwrap();
    // By an enode, so that the record comes from the node itself.
    let boot = vec![node.discovery.enode()];
    let config = DiscoveryConfig { v4: false, v5: true, boot, ..DiscoveryConfig::new(key(64)) };
    let mut other = Node::start(config).await;
    eventually("found", || !other.found().is_empty()).await;
    let known = other.discovery.nodes().await;
    assert_eq!(
        known.iter().map(|node| node.record.clone()).collect::<Vec<_>>(),
        [Some(node.discovery.record())]
    );
    assert_eq!(known[0].source, Source::V5);
    // And again when it changes: the ping of a walk says that there is a newer one.
    node.discovery.set_ports(Some(4_003), None);
    watch.wait_for(|record| record.tcp() == Some(4_003)).await.unwrap();
    let key = key(63).public();
    let config = DiscoveryConfig {
        v4: false,
        v5: true,
        boot: vec![node.discovery.enode()],
        ..DiscoveryConfig::new(self::key(65))
    };
    let mut third = Node::start(config).await;
    eventually("found again", || !third.found().is_empty()).await;
    let found = answer("resolve", || third.discovery.resolve(&key)).await;
    assert_eq!(found.endpoint().unwrap().tcp, 4_003);
    for node in [node, other, third] {
        node.stop().await;
    }
}

#[tokio::test]
async fn nodes_find_each_other_over_ipv6() {
    let listen = "[::1]:0".parse().unwrap();
    for (v4, v5, source) in [(true, false, Source::V4), (false, true, Source::V5), (true, true, Source::V5)] {
        let config =
            |n, boot| DiscoveryConfig { v4, v5, listen, boot, tcp: 1, ..DiscoveryConfig::new(key(n)) };
        let boot = Node::start(config(66, vec![])).await;
        let enode = boot.discovery.enode();
        assert!(enode.to_string().contains("@[::1]:1?discport="), "{enode}");
        let mut second = Node::start(config(67, vec![enode.clone()])).await;
        let mut third = Node::start(config(68, vec![enode])).await;
        let wanted = (source, key(68).public());
        eventually("found", || second.found().contains(&wanted) && third.found().len() >= 2).await;
        for node in [boot, second, third] {
            node.stop().await;
        }
    }
}

#[tokio::test]
async fn a_restricted_node_knows_nobody_elsewhere() {
    let restrict = vec!["127.0.0.2/32".parse().unwrap()];
    let restricted = DiscoveryConfig { v5: true, tcp: 1, restrict, ..DiscoveryConfig::new(key(71)) };
    let mut node = Node::start(restricted).await;
    let boot = vec![node.discovery.enode()];
    let at = |listen: &str, n| {
        let (boot, listen) = (boot.clone(), listen.parse().unwrap());
        Node::start(DiscoveryConfig { listen, v5: true, tcp: 1, boot, ..DiscoveryConfig::new(key(n)) })
    };
    let outside = at("127.0.0.1:0", 72).await;
    let inside = at("127.0.0.2:0", 73).await;
    let inside_key = key(73).public();
    let both = [(Source::V4, inside_key), (Source::V5, inside_key)];
    eventually("who is inside", || both.iter().all(|wanted| node.found().contains(wanted))).await;
    assert!(node.found().iter().all(|(_, key)| *key == inside_key), "{:?}", node.known);
    let known = node.discovery.nodes().await;
    assert!(!known.is_empty() && known.iter().all(|node| *node.enode.key() == inside_key), "{known:?}");
    // v4 does not even answer.
    let peer = Peer::new(key(74), node.discovery.local_addr().unwrap()).await;
    let before = node.discovery.stats().v4;
    peer.send_bytes(&peer.ping_packet()).await;
    eventually("refused", || node.discovery.stats().v4.refused > before.refused).await;
    for node in [node, outside, inside] {
        node.stop().await;
    }
}
