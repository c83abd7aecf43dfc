//! Networks over real TCP on the loopback interface.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod flood;
mod hostile;
mod links;
mod manager;
mod messages;
mod points;
mod raw;
mod slow;
mod violations;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use undertone_support::until_async;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use undertone_base::Now;
use undertone_devp2p::{Capability, NodeKey, Offer};
use undertone_net::{LinkEnd, Net, NetConfig, NetEvent, PeerId};
use undertone_runtime::{Clock, Environment, ManualClock, Shutdown, Tasks};

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(120);
/// A port of 0 on loopback.
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A network with tasks of its own, so that it can be stopped alone.
struct Node {
    net: Net,
    events: mpsc::Receiver<NetEvent>,
    tasks: Tasks,
}

fn env(seed: u64) -> Environment {
    Environment::fixed(seed, Clock::system(), BTreeMap::new())
}

fn key(seed: u64) -> NodeKey {
    NodeKey::random(&mut undertone_support::rng(seed))
}

/// With the key of this seed, listening on a port of its own.
fn config(seed: u64) -> NetConfig {
    let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
    NetConfig { listen: Some(ANY), ..NetConfig::new(key(seed), &format!("test/{seed}"), vec![offer]) }
}

impl Node {
    async fn start(config: NetConfig) -> Self {
        Self::start_in(config, &env(1)).await
    }

    async fn start_in(config: NetConfig, env: &Environment) -> Self {
        let tasks = Tasks::new(Handle::current());
        let (net, events) = Net::start(config, env, &tasks).await.unwrap();
        Self { net, events, tasks }
    }

    async fn next(&mut self) -> NetEvent {
        timeout(LONG, self.events.recv()).await.expect("an event in time").expect("an open channel")
    }

    async fn connected(&mut self) -> PeerId {
        loop {
            if let NetEvent::Connected { peer, .. } = self.next().await {
                return peer;
            }
        }
    }

    async fn disconnected(&mut self) -> LinkEnd {
        loop {
            if let NetEvent::Disconnected { closed, .. } = self.next().await {
                return closed;
            }
        }
    }

    async fn message(&mut self) -> (u64, Vec<u8>) {
        loop {
            if let NetEvent::Message { code, payload, capability: 0, .. } = self.next().await {
                return (code, payload);
            }
        }
    }

    async fn stop(self) {
        assert_eq!(self.tasks.shutdown(LONG).await, Shutdown::default());
        assert!(self.tasks.running().is_empty());
    }

    /// Connections that have a task.
    fn links(&self) -> usize {
        self.tasks.running().iter().filter(|name| **name == "net.peer").count()
    }

    /// Waits until the counters say so.
    async fn counted(&self, code: &str) {
        let failed = || self.net.stats().handshakes_failed.contains_key(code);
        assert!(until_async(LONG, failed).await, "{code}: {:?}", self.net.stats());
    }
}

/// Two nodes, of which the first dialled the second.
async fn pair() -> (Node, PeerId, Node, PeerId) {
    let mut bob = Node::start(config(2)).await;
    let mut alice = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    let (to_bob, to_alice) = (alice.connected().await, bob.connected().await);
    (alice, to_bob, bob, to_alice)
}

/// A node in virtual time and the hand that moves it. The runtime's clock must be paused.
async fn by_hand(config: NetConfig) -> (Node, Hand) {
    let clock = ManualClock::new(Now::default());
    let env = Environment::fixed(1, Clock::manual(clock.clone()), BTreeMap::new());
    (Node::start_in(config, &env).await, Hand { clock })
}

/// Moves the node's clock and the runtime's together.
struct Hand {
    clock: ManualClock,
}

impl Hand {
    async fn pass(&self, by: Duration) {
        // What is under way arrives before the time has passed.
        settle().await;
        self.clock.advance(by);
        tokio::time::advance(by).await;
        settle().await;
    }
}

/// Every task of this thread gets its turns, and the sockets are looked at each time before virtual time moves, by a
/// millisecond. Loopback delivers within the system call that sends.
async fn settle() {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
