//! The handle of a node.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use undertone_base::Secret;
use undertone_crypto::Keyring;
use undertone_devp2p::{Capability, Enode, NodeKey, Offer};
use undertone_net::{Net, NetConfig, PeerView};
use undertone_runtime::{Environment, Pool, Tasks};
use undertone_transport::Command;
use undertone_whisper::{Advertise, Pow, Report, TransportConfig, WhisperTransport};

use crate::driver::Driver;
use crate::error::NodeError;
use crate::limits;

/// Codes of the `shh/6` capability (`devp2p.md` 2.7).
const SHH_LENGTH: u64 = 128;

/// What a node is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeConfig {
    /// Its key.
    pub key: NodeKey,
    /// Where it listens; `None`: it only dials.
    pub listen: Option<SocketAddr>,
    /// Peers to stay connected to.
    pub peers: Vec<Enode>,
    /// How many peers at most, static ones not counted.
    pub max_peers: usize,
    /// Least proof of work of envelopes, from 0. Status nodes use 0.000002.
    pub min_pow: f64,
    /// Whether it asks for every topic, as a relay does, or only for what it listens to.
    pub relay: bool,
    /// Whether accepted envelopes and sealed sends are reported ([`NodeEvent::Report`]).
    pub watch: bool,
}

impl NodeConfig {
    /// A relay with this key that listens nowhere and knows nobody yet.
    pub fn relay(key: NodeKey) -> Self {
        Self {
            key,
            listen: None,
            peers: Vec::new(),
            max_peers: 50,
            min_pow: Pow::STATUS_LARGE.value(),
            relay: true,
            watch: false,
        }
    }
}

/// From a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// How many peers speak Whisper with us now.
    Peers(usize),
    /// What the privacy layer did, when [`NodeConfig::watch`] asks for it.
    Report(Report),
    /// For the layer above.
    Transport(undertone_transport::Event),
}

/// A running node. Clones are the same node; it runs until its [`Tasks`] stop.
#[derive(Clone, Debug)]
pub struct Node {
    net: Net,
    commands: mpsc::Sender<Command>,
}

impl Node {
    /// Starts a node that signs and opens with the keys of `keyring`. The receiver must be read: a full one stops
    /// the node. When the receiver is dropped the node goes on without telling anybody.
    ///
    /// # Errors
    /// [`NodeError::Net`] (the address is taken …), [`NodeError::Threads`], [`NodeError::MinPow`].
    pub async fn start(
        config: NodeConfig,
        keyring: Arc<dyn Keyring>,
        env: &Environment,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<NodeEvent>), NodeError> {
        let min_pow = Pow::new(config.min_pow).ok_or(NodeError::MinPow)?;
        let mut transport = TransportConfig::default();
        transport.gossip.min_pow = min_pow;
        transport.advertise = if config.relay { Advertise::Everything } else { Advertise::Interest };
        transport.report = config.watch;
        let seed = Secret::random(&mut env.rng());
        let whisper = WhisperTransport::new(transport, keyring, &seed);

        let pool = Pool::per_core(limits::JOBS).map_err(NodeError::Threads)?;
        let offers = vec![Offer { capability: Capability::new("shh", 6), length: SHH_LENGTH }];
        let mut net = NetConfig::new(config.key, &client_name(), offers);
        net.listen = config.listen;
        net.static_peers = config.peers;
        net.max_peers = config.max_peers;
        let (net, network) = Net::start(net, env, tasks).await?;

        let (commands, inbox) = mpsc::channel(limits::COMMANDS);
        let (events, outbox) = mpsc::channel(limits::EVENTS);
        let driver = Driver::new(whisper, net.clone(), pool, env.clone(), events, tasks.token());
        tasks.spawn("node", driver.run(inbox, network));
        Ok((Self { net, commands }, outbox))
    }

    /// Where the node can be dialled.
    pub fn enode(&self) -> Enode {
        self.net.enode()
    }

    /// Hands a command to the transport. A refusal comes back as a failed progress of the send.
    ///
    /// # Errors
    /// [`NodeError::Gone`] after the node has stopped.
    pub async fn command(&self, command: Command) -> Result<(), NodeError> {
        self.commands.send(command).await.map_err(|_| NodeError::Gone)
    }

    /// The way of [`Node::command`], for a caller that must not wait.
    pub const fn sender(&self) -> &mpsc::Sender<Command> {
        &self.commands
    }

    /// Stays connected to a node from now on.
    pub fn add_peer(&self, enode: Enode) {
        let _ = self.net.add_static(enode);
    }

    /// The peers of this moment.
    pub fn peers(&self) -> Vec<PeerView> {
        self.net.peers()
    }
}

/// As geth names itself: name, version, platform.
fn client_name() -> String {
    let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    format!("Undertone/v{version}/{os}-{arch}/rust")
}
