//! Nodes over real TCP on the loopback interface.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod clock;
mod company;
mod hostile;
mod life;
mod messages;
mod rates;
mod waku;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use undertone_crypto::{KeyId, MemoryKeyring, PublicKey, SecretKey};
use undertone_devp2p::{Enode, NodeKey};
use undertone_node::{Node, NodeConfig, NodeEvent};
use undertone_runtime::{Clock, Environment, Shutdown, Tasks};
use undertone_transport::{
    Command, Event, Flush, Listen, OpenWith, Progress, PublicName, Received, Route, Send, SendId,
};
use undertone_whisper::Report;

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(120);
/// A port of 0 on loopback.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn env(seed: u64) -> Environment {
    Environment::fixed(seed, Clock::system(), BTreeMap::new())
}

fn node_key(seed: u64) -> NodeKey {
    NodeKey::random(&mut undertone_support::rng(seed))
}

/// A relay with the key of this seed, on a port of its own.
fn relay(seed: u64) -> NodeConfig {
    let mut config = NodeConfig::relay(node_key(seed));
    config.listen = Some(ANY);
    config
}

/// A node of a person, which only dials.
fn person(seed: u64, peers: &[Enode]) -> NodeConfig {
    let mut config = NodeConfig::relay(node_key(seed));
    config.role = undertone_node::Role::Client;
    config.peers = peers.to_vec();
    config
}

/// A node with one identity and tasks of its own, so that it can be stopped alone.
struct Actor {
    node: Node,
    events: mpsc::Receiver<NodeEvent>,
    tasks: Tasks,
    me: KeyId,
    public: PublicKey,
}

impl Actor {
    async fn start(seed: u64, config: NodeConfig) -> Self {
        Self::start_in(seed, config, &env(seed)).await
    }

    async fn start_in(seed: u64, config: NodeConfig, env: &Environment) -> Self {
        let tasks = Tasks::new(Handle::current());
        let secret = SecretKey::random(&mut undertone_support::rng(1_000 + seed));
        let public = secret.public();
        let mut keyring = MemoryKeyring::new();
        let me = keyring.insert(secret);
        let (node, events) = Node::start(config, Arc::new(keyring), env, &tasks).await.unwrap();
        Self { node, events, tasks, me, public }
    }

    async fn next(&mut self) -> NodeEvent {
        timeout(LONG, self.events.recv()).await.expect("an event in time").expect("an open channel")
    }

    /// Reads events until this many peers speak Whisper.
    async fn peers(&mut self, wanted: usize) {
        loop {
            if matches!(self.next().await, NodeEvent::Peers(count) if count == wanted) {
                return;
            }
        }
    }

    async fn received(&mut self) -> Received {
        loop {
            if let NodeEvent::Transport(Event::Received(received)) = self.next().await {
                return *received;
            }
        }
    }

    /// The next progress other than `Queued`.
    async fn progress(&mut self) -> (SendId, Progress) {
        loop {
            match self.next().await {
                NodeEvent::Transport(Event::Progress { progress: Progress::Queued, .. }) => {}
                NodeEvent::Transport(Event::Progress { id, progress }) => return (id, progress),
                _ => {}
            }
        }
    }

    async fn report(&mut self) -> Report {
        loop {
            if let NodeEvent::Report(report) = self.next().await {
                return report;
            }
        }
    }

    async fn listen(&self, open_with: OpenWith, route: Route) {
        self.node.command(Command::Listen(Listen { open_with, route })).await.unwrap();
    }

    async fn send(&self, id: u64, route: Route, to: Option<PublicKey>, text: &str) {
        let payload = text.as_bytes().to_vec();
        self.node.command(Command::Send(self.message(id, route, to, payload))).await.unwrap();
    }

    fn message(&self, id: u64, route: Route, to: Option<PublicKey>, payload: Vec<u8>) -> Send {
        let (id, sign_as) = (SendId(id), self.me);
        Send { id, route, to, sign_as, payload, ephemeral: false, flush: Flush::Fast }
    }

    async fn stop(self) {
        assert_eq!(self.tasks.shutdown(LONG).await, Shutdown::default());
        assert!(self.tasks.running().is_empty());
    }
}

fn lab() -> Route {
    Route::Public(PublicName::new("lab").unwrap())
}
