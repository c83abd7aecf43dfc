//! Starting and stopping.

use std::sync::Arc;

use tokio::runtime::Handle;
use undertone_crypto::MemoryKeyring;
use undertone_node::{Node, NodeConfig, NodeError};
use undertone_runtime::{Shutdown, Tasks};
use undertone_transport::{Command, Listen, OpenWith, Route};

use crate::{Actor, LONG, env, lab, person, relay};

async fn refused(config: NodeConfig) -> NodeError {
    let tasks = Tasks::new(Handle::current());
    let outcome = Node::start(config, Arc::new(MemoryKeyring::new()), &env(9), &tasks).await;
    let error = outcome.map(drop).expect_err("no node");
    assert!(tasks.running().is_empty(), "nothing runs after a refusal");
    error
}

#[tokio::test]
async fn a_minimum_proof_of_work_that_is_no_number_is_refused() {
    for pow in [f64::NAN, f64::INFINITY, -1.0] {
        let mut config = relay(1);
        config.min_pow = pow;
        assert_eq!(refused(config).await.code(), "node.min_pow", "{pow}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_named() {
    let first = Actor::start(1, relay(1)).await;
    let port = first.node.enode().endpoint().unwrap().tcp;
    let mut config = relay(2);
    config.listen = Some(([127, 0, 0, 1], port).into());
    let error = refused(config).await;
    assert_eq!(error.code(), "net.listen");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    assert_eq!(error.fault(), undertone_base::FaultClass::Environment);
    first.stop().await;
}

/// The port is free and the peers are told when a node has stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_can_be_started_again_with_its_key() {
    let at = |port: u16| {
        let mut config = relay(1);
        config.listen = Some(([127, 0, 0, 1], port).into());
        config
    };
    let port = undertone_support::lasting_port();
    let mut bob = Actor::start(1, at(port)).await;
    let enode = bob.node.enode();
    let mut alice = Actor::start(2, person(2, std::slice::from_ref(&enode))).await;
    alice.peers(1).await;
    bob.peers(1).await;
    let handle = bob.node.clone();
    bob.stop().await;
    alice.peers(0).await;
    assert_eq!(handle.command(Command::Listen(anything())).await.unwrap_err().code(), "node.gone");

    let mut bob = Actor::start(1, at(port)).await;
    assert_eq!(bob.node.enode(), enode);
    bob.peers(1).await;
    alice.peers(1).await;
    alice.stop().await;
    bob.stop().await;
}

fn anything() -> Listen {
    Listen { open_with: OpenWith::ByRoute, route: lab() }
}

/// A node that waits because nobody reads its events still stops at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_events_nobody_reads_stops_in_order() {
    let alice = Actor::start(3, person(3, &[])).await;
    let room = undertone_node::limits::EVENTS + undertone_node::limits::COMMANDS;
    for id in 0..room as u64 {
        let send = alice.message(id, Route::Partition(alice.public), None, vec![1]);
        alice.node.command(Command::Send(send)).await.unwrap();
    }
    let full = async {
        while alice.events.len() < undertone_node::limits::EVENTS {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, full).await.unwrap();
    let ended = tokio::time::timeout(LONG, alice.tasks.shutdown(LONG)).await.unwrap();
    assert_eq!(ended, Shutdown::default());
}

/// Whoever is not interested in events drops them, and the node goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_when_its_events_were_dropped() {
    let relay = Actor::start(4, relay(4)).await;
    let Actor { node, events, tasks, .. } = relay;
    drop(events);
    let alice = Actor::start(5, person(5, &[node.enode()])).await;
    let mut bob = Actor::start(6, person(6, &[node.enode()])).await;
    bob.listen(OpenWith::ByRoute, lab()).await;
    alice.send(1, lab(), None, "through it").await;
    assert_eq!(bob.received().await.payload, b"through it");
    alice.stop().await;
    bob.stop().await;
    assert_eq!(tasks.shutdown(LONG).await, Shutdown::default());
}
