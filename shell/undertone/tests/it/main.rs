//! Clients over real TCP on the loopback interface, through a relay.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod bot;
mod killed;
mod memory;
mod pressure;
mod silent;
mod talk;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use undertone::{Client, ClientConfig, ClientEvent};
use undertone_account::ChatKey;
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_devp2p::{Enode, NodeKey};
use undertone_messenger::{ChatId, Message, MessageState, Notice};
use undertone_node::{Node, NodeConfig, NodeEvent};
use undertone_payload::MessageId;
use undertone_runtime::{Environment, Shutdown, Tasks};
use undertone_transport::PublicName;

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(120);
/// A port of 0 on loopback.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A chat key of its own for each seed.
fn key(seed: u64) -> ChatKey {
    ChatKey::new(SecretKey::random(&mut undertone_support::rng(seed)))
}

fn chat(with: PublicKey) -> ChatId {
    ChatId::OneToOne(with)
}

fn lab() -> ChatId {
    ChatId::Public(PublicName::new("lab").unwrap())
}

/// A node that only relays; its events are not wanted.
struct Relay {
    node: Node,
    _events: mpsc::Receiver<NodeEvent>,
    tasks: Tasks,
}

impl Relay {
    async fn start(seed: u64) -> Self {
        Self::with(NodeConfig::relay(NodeKey::random(&mut undertone_support::rng(seed)))).await
    }

    /// One that looks for others, beginning with these.
    async fn seeking(seed: u64, boot: &[Enode]) -> Self {
        let mut config = NodeConfig::relay(NodeKey::random(&mut undertone_support::rng(seed)));
        let mut options = undertone_node::DiscoveryOptions::default();
        options.boot = boot.to_vec();
        config.discovery = Some(options);
        Self::with(config).await
    }

    async fn with(mut config: NodeConfig) -> Self {
        config.listen = Some(ANY);
        let (env, tasks) = (Environment::system().unwrap(), Tasks::new(Handle::current()));
        let keyring = Arc::new(MemoryKeyring::new());
        let (node, _events) = Node::start(config, keyring, &env, &tasks).await.unwrap();
        Self { node, _events, tasks }
    }

    fn enode(&self) -> Enode {
        self.node.enode()
    }

    async fn stop(self) {
        assert_eq!(self.tasks.shutdown(LONG).await, Shutdown::default());
    }
}

/// A client with tasks of its own, so that it can be stopped alone.
struct Person {
    client: Client,
    events: mpsc::Receiver<ClientEvent>,
    tasks: Tasks,
}

impl Person {
    async fn open(seed: u64, home: &Path, peers: &[Enode]) -> Self {
        let mut config = ClientConfig::new(home.to_owned());
        config.peers = peers.to_vec();
        Self::with(key(seed), config).await
    }

    async fn with(key: ChatKey, config: ClientConfig) -> Self {
        let (env, tasks) = (Environment::system().unwrap(), Tasks::new(Handle::current()));
        let (client, events) = Client::open(key, config, &env, &tasks).await.unwrap();
        Self { client, events, tasks }
    }

    fn me(&self) -> PublicKey {
        *self.client.me()
    }

    async fn next(&mut self) -> ClientEvent {
        timeout(LONG, self.events.recv()).await.expect("an event in time").expect("an open channel")
    }

    /// The next message of somebody else.
    async fn received(&mut self) -> Message {
        loop {
            if let ClientEvent::Notice(Notice::Message(message)) = self.next().await
                && message.state == MessageState::Received
            {
                return *message;
            }
        }
    }

    async fn state(&mut self, id: MessageId, wanted: MessageState) {
        loop {
            if let ClientEvent::Notice(Notice::State { id: of, state, .. }) = self.next().await
                && of == id
                && state == wanted
            {
                return;
            }
        }
    }

    async fn peers(&mut self, wanted: usize) {
        while !matches!(self.next().await, ClientEvent::Peers(count) if count == wanted) {}
    }

    async fn stored(&self, chat: ChatId) -> Vec<Message> {
        self.client.messages(chat, 10_000).await.unwrap()
    }

    async fn stop(self) {
        assert_eq!(self.tasks.shutdown(LONG).await, Shutdown::default());
        assert!(self.tasks.running().is_empty());
    }
}
