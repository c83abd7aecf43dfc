//! v4 is heard whatever else comes from the same address.

use rand_core::Rng;
use undertone_devp2p::NodeId;
use undertone_discovery::DiscoveryConfig;
use undertone_support::rng;

use crate::node::{Node, eventually, key};
use crate::peer::Peer;
use crate::v5wire::random_packet;

/// Datagrams of each kind between two requests of v4: fewer than the smallest usual buffer of a socket holds, because
/// what the kernel drops nobody hears.
const BURST: usize = 40;

#[tokio::test]
async fn a_flood_of_v5_and_of_garbage_does_not_silence_v4_from_the_same_address() {
    let node = Node::start(DiscoveryConfig { v5: true, tcp: 1, ..DiscoveryConfig::new(key(1)) }).await;
    let at = node.discovery.local_addr().unwrap();
    let id = *NodeId::of(&key(1).public()).as_bytes();
    let peer = Peer::new(key(2), at).await;
    // The flood has another port of the same address, and a node id of its own for each datagram.
    let flood = Peer::new(key(3), at).await;
    let mut rng = rng(4);
    let mut total = 0;
    peer.bond().await;
    // Fewer requests than v4 answers to one address in five seconds.
    for round in 0..80 {
        for n in 0..BURST {
            let (mut from, mut random) = ([0; 32], [0; 64]);
            rng.fill_bytes(&mut random);
            // One sender goes on and on, the others come once.
            if n % 4 != 0 {
                from.copy_from_slice(&random[32..]);
            }
            flood.socket.send_to(&random_packet(&from, &id, &random), at).await.unwrap();
            let mut garbage = vec![0; 63 + n * 10];
            rng.fill_bytes(&mut garbage);
            flood.socket.send_to(&garbage, at).await.unwrap();
            total += 2;
        }
        if round % 2 == 0 {
            peer.ping_is_answered().await;
        } else {
            peer.find_is_answered().await;
        }
    }
    assert_eq!(total, 6_400);
    let stats = node.discovery.stats();
    assert!(stats.garbage >= 3_100, "v5 read the garbage and handed it over: {stats:?}");
    // Who is new is heard too.
    Peer::new(key(5), at).await.bond().await;
    node.stop().await;
}

#[tokio::test]
async fn an_address_that_v5_may_ask_is_exempt_from_its_bans() {
    let boot = Node::start(DiscoveryConfig { v5: true, tcp: 1, ..DiscoveryConfig::new(key(11)) }).await;
    let boot_records = vec![boot.discovery.record()];
    let config = DiscoveryConfig { v5: true, tcp: 1, boot_records, ..DiscoveryConfig::new(key(12)) };
    let node = Node::start(config).await;
    eventually("a session", || node.discovery.stats().v5_connected == 1).await;
    // What the library does to an address when a node there answers with records that were not asked for. The list is
    // one for the process, so that any instance can write it.
    let mut secret = [5; 32];
    let secret = enr::CombinedKey::secp256k1_from_bytes(&mut secret).unwrap();
    let enr = discv5::Enr::empty(&secret).unwrap();
    let listen = discv5::ListenConfig::default();
    // Making an instance would empty the list, so that its permits are told again.
    let mut config = discv5::ConfigBuilder::new(listen);
    let mut list = discv5::PermitBanList::default();
    list.permit_ips.insert([127, 0, 0, 1].into());
    let other = discv5::Discv5::new(enr, secret, config.permit_ban_list(list).build()).unwrap();
    other.ban_ip([127, 0, 0, 1].into(), None);
    let peer = Peer::new(key(13), node.discovery.local_addr().unwrap()).await;
    peer.bond().await;
    other.ban_ip_remove(&[127, 0, 0, 1].into());
    node.stop().await;
    boot.stop().await;
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    for v5 in [false, true] {
        let node = Node::start(DiscoveryConfig { v5, ..DiscoveryConfig::new(key(21)) }).await;
        let peer = Peer::new(key(22), node.discovery.local_addr().unwrap()).await;
        let mut ping = peer.ping_packet();
        ping.resize(1_281, 0);
        // Bytes behind the list are allowed, and signed by the hash: this one would be good if it were shorter.
        let hash = undertone_crypto::keccak256(&ping[32..]);
        ping[..32].copy_from_slice(&hash);
        peer.send_bytes(&ping).await;
        ping.truncate(1_280);
        let hash = undertone_crypto::keccak256(&ping[32..]);
        ping[..32].copy_from_slice(&hash);
        peer.send_bytes(&ping).await;
        let challenge = peer.next().await;
        assert_eq!(challenge.packet.kind(), 1, "v5 {v5}");
        let stats = node.discovery.stats();
        assert_eq!((stats.oversize, stats.garbage, stats.v4.sent), (u64::from(!v5), u64::from(v5), 1));
        node.stop().await;
    }
}

/// What v5 keeps of strangers it keeps for a second: their number times half a kilobyte.
#[test]
fn a_flood_of_v5_costs_little_memory() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cost = allocation_counter::measure(|| {
        runtime.block_on(async {
            let node = Node::start(DiscoveryConfig { v5: true, ..DiscoveryConfig::new(key(31)) }).await;
            let at = node.discovery.local_addr().unwrap();
            let id = *NodeId::of(&key(31).public()).as_bytes();
            let peer = Peer::new(key(32), at).await;
            let (mut rng, mut answers, mut buffer) = (rng(6), 0, [0; 1_280]);
            for _ in 0..200 {
                for _ in 0..50 {
                    let (mut from, mut random) = ([0; 32], [0; 64]);
                    rng.fill_bytes(&mut from);
                    rng.fill_bytes(&mut random);
                    peer.socket.send_to(&random_packet(&from, &id, &random), at).await.unwrap();
                }
                for _ in 0..50 {
                    // A challenge is shorter than what it answers.
                    assert_eq!(peer.socket.recv(&mut buffer).await.unwrap(), 63);
                    answers += 1;
                }
            }
            assert_eq!(answers, 10_000);
            node.stop().await;
        });
    });
    assert!(cost.bytes_max < 16 * 1_024 * 1_024, "{cost:?}");
}
