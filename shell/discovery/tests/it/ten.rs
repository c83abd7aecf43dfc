//! Ten nodes find each other from one boot node.

use undertone_devp2p::enr::Record;
use undertone_discovery::{DiscoveryConfig, Source};

use crate::node::{Node, answer, eventually, key};

/// How the boot node is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Boot {
    Enode,
    Record,
}

async fn ten(v4: bool, v5: bool, boot: Boot) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut record: Option<Record> = None;
    for n in 0..10 {
        let mut config =
            DiscoveryConfig { v4, v5, tcp: 30_000 + n, ..DiscoveryConfig::new(key(100 + u64::from(n))) };
        match boot {
            Boot::Enode => config.boot = record.iter().map(|record| record.to_enode()).collect(),
            Boot::Record => config.boot_records = record.iter().cloned().collect(),
        }
        let node = Node::start(config).await;
        record.get_or_insert_with(|| node.discovery.record());
        nodes.push(node);
    }
    let expected: Vec<Source> = [(v4, Source::V4), (v5, Source::V5)]
        .into_iter()
        .filter_map(|(on, source)| on.then_some(source))
        .collect();
    let keys: Vec<_> = nodes.iter().map(|node| *node.discovery.record().key()).collect();
    eventually("all know all", || {
        nodes.iter_mut().all(|node| {
            let own = *node.discovery.record().key();
            let known = node.found();
            expected
                .iter()
                .all(|source| keys.iter().all(|key| *key == own || known.contains(&(*source, *key))))
        })
    })
    .await;
    nodes
}

async fn end(nodes: Vec<Node>) {
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn over_v4_alone() {
    let nodes = ten(true, false, Boot::Enode).await;
    // And each can be looked up by its key, with the port that it dials by.
    let wanted = nodes[7].discovery.enode();
    let found = answer("resolve", || nodes[3].discovery.resolve(wanted.key())).await;
    assert_eq!(found, wanted);
    let record = answer("its record", || nodes[2].discovery.request_record(&wanted)).await;
    assert_eq!(record, nodes[7].discovery.record());
    answer("its pong", || nodes[2].discovery.ping(&wanted)).await;
    assert!(nodes[2].discovery.nodes().await.iter().all(|node| node.source == Source::V4));
    let samples = nodes[2].discovery.clock_samples();
    assert_eq!(samples.len(), 1, "all are in one prefix");
    // Whole seconds, and what a busy machine delays for longer than 20 is not taken at all.
    assert!((-20_000..=1_000).contains(&samples[0].offset_ms), "{samples:?}");
    let look = || async {
        let found = nodes[2].discovery.lookup(&wanted.key().to_xy()).await;
        found.into_iter().find(|enode| *enode == wanted)
    };
    answer("a look-up", look).await;
    end(nodes).await;
}

#[tokio::test]
async fn over_v5_alone() {
    let nodes = ten(false, true, Boot::Enode).await;
    let wanted = nodes[7].discovery.enode();
    assert_eq!(answer("resolve", || nodes[3].discovery.resolve(wanted.key())).await, wanted);
    assert_eq!(nodes[3].discovery.request_record(&wanted).await, None, "that is v4's");
    assert_eq!(nodes[3].discovery.stats().v4.sent, 0);
    end(nodes).await;
}

#[tokio::test]
async fn over_both_on_one_port() {
    let nodes = ten(true, true, Boot::Record).await;
    let wanted = nodes[7].discovery.enode();
    assert_eq!(answer("resolve", || nodes[3].discovery.resolve(wanted.key())).await, wanted);
    let record = answer("its record", || nodes[3].discovery.request_record(&wanted)).await;
    assert_eq!(record, nodes[7].discovery.record());
    end(nodes).await;
}
