//! Forged pings at the socket.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use undertone_base::Unix;
use undertone_devp2p::discv4::{Packet, WireEndpoint};
use undertone_discovery::DiscoveryConfig;
use undertone_runtime::{Clock, Environment, ManualClock};

use crate::node::{Node, key};
use crate::peer::Peer;

/// Memory that a flood may cost, in bytes.
const BUDGET: i64 = 8 * 1_024 * 1_024;

/// Time of fifty datagrams: 2,500 a second.
const PACE: Duration = Duration::from_millis(20);

/// Pings that are well signed, by keys that nobody has.
fn pings(count: u64, to: SocketAddr, now: Unix) -> Vec<Vec<u8>> {
    let ping = |n: u64| {
        let [.., a, b] = n.to_be_bytes();
        let claimed = SocketAddr::from(([45, a, b, 1], 30303));
        let packet = Packet::Ping {
            version: 4,
            from: WireEndpoint::new(claimed, 30303),
            to: WireEndpoint::new(to, 0),
            expiration: now.secs() + 3_600,
            enr_seq: Some(9),
            padding: None,
        };
        packet.encode(&key(1_000 + n))
    };
    (0..count).map(ping).collect()
}

async fn flood(count: usize) {
    // What is answered is counted by time, so that time goes by the datagram and not by the machine.
    let hand = ManualClock::new(Environment::system().unwrap().now());
    let env = Environment::fixed(1, Clock::manual(hand.clone()), BTreeMap::new());
    let config = DiscoveryConfig { tcp: 1, ..DiscoveryConfig::new(key(51)) };
    let node = Node::start_in(config, &env).await;
    let to = node.discovery.local_addr().unwrap();
    let pings = pings(500, to, env.now().unix);
    let mut sources = Vec::new();
    for n in 0..100 {
        sources.push(UdpSocket::bind((Ipv4Addr::new(127, 0, 1, n + 1), 0)).await.unwrap());
    }
    let (mut bytes_in, mut bytes_out, mut packets_out) = (vec![0; sources.len()], vec![0; sources.len()], 0);
    let mut buffer = [0; 2_000];
    let mut sent = 0;
    let seen = |stats: undertone_discovery::Stats| usize::try_from(stats.v4.received).unwrap();
    while sent < count {
        // No more at once than the socket holds: what the kernel drops costs nothing.
        for _ in 0..50 {
            let (ping, from) = (&pings[sent % pings.len()], sent % sources.len());
            sources[from].send_to(ping, to).await.unwrap();
            bytes_in[from] += ping.len();
            sent += 1;
        }
        crate::node::eventually("all are read", || seen(node.discovery.stats()) >= sent).await;
        hand.advance(PACE);
        for (from, source) in sources.iter().enumerate() {
            while let Ok(length) = source.try_recv(&mut buffer) {
                bytes_out[from] += length;
                packets_out += 1;
            }
        }
    }
    for (from, (came, went)) in bytes_in.iter().zip(&bytes_out).enumerate() {
        assert!(went <= came, "{from}: {went} bytes for {came}");
    }
    let (total_in, total_out) = (bytes_in.iter().sum::<usize>(), bytes_out.iter().sum::<usize>());
    assert!(packets_out > 0 && total_out <= total_in / 5, "{total_out} for {total_in}");
    let sizes = node.discovery.stats().sizes;
    assert_eq!((sizes.table, sizes.bonds, sizes.votes, sizes.queries), (0, 0, 0, 0));
    // Who is real gets through when the last of the forged ones are forgotten.
    hand.advance(Duration::from_secs(10));
    // A request wakes the task, which sees the time.
    node.discovery.nodes().await;
    crate::node::eventually("pings are over", || node.discovery.stats().sizes.pings == 0).await;
    let mut real = Peer::new(key(52), to).await;
    real.set_clock(&env);
    real.bond().await;
    node.stop().await;
}

/// All in one thread, so that what the node allocates is counted too.
fn cost_of(count: usize) -> allocation_counter::AllocationInfo {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let warm = runtime.block_on(async { allocation_counter::measure(|| ()) });
    assert_eq!(warm.bytes_current, 0);
    allocation_counter::measure(|| runtime.block_on(flood(count)))
}

#[test]
fn forged_pings_cost_no_memory_and_no_bandwidth() {
    let cost = cost_of(50_000);
    assert!(cost.bytes_max < u64::try_from(BUDGET).unwrap(), "{cost:?}");
    assert!(cost.bytes_current < BUDGET / 8, "{cost:?}");
}

#[test]
#[ignore = "a million datagrams: `cargo xtask soak` runs it"]
fn a_million_forged_pings_cost_no_more() {
    let cost = cost_of(1_000_000);
    assert!(cost.bytes_max < u64::try_from(BUDGET).unwrap(), "{cost:?}");
}
