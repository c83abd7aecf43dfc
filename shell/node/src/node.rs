//! The handle of a node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use undertone_base::Mono;
use undertone_crypto::{Keyring, PublicKey};
use undertone_devp2p::{Endpoint, Enode, Host};
use undertone_discovery::Discovery;
use undertone_nat::{Nat, NatMode};
use undertone_net::{Net, PeerView};
use undertone_runtime::{Environment, Tasks};
use undertone_transport::Command;
use undertone_whisper::{Pow, Protocols, Report};

use crate::clock::ClockNotice;
use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::orders::Order;
use crate::skew::Skew;

/// From a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// Where others can dial the node has changed.
    Address(Enode),
    /// The clock of this machine is wrong, or is right again.
    Clock(ClockNotice),
    /// How many peers speak Whisper or Waku with us now.
    Peers(usize),
    /// What the privacy layer did, when [`NodeConfig::watch`] asks for it.
    Report(Report),
    /// For the layer above.
    Transport(undertone_transport::Event),
}

/// A running node. Clones are the same node; it runs until its [`Tasks`] stop.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
    commands: mpsc::Sender<Command>,
    pub(crate) orders: mpsc::Sender<Order>,
}

/// What the handle and the tasks of a node share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) own: PublicKey,
    pub(crate) name: String,
    pub(crate) env: Environment,
    pub(crate) net: Net,
    pub(crate) discovery: Option<Discovery>,
    pub(crate) nat: Option<Nat>,
    pub(crate) nat_mode: NatMode,
    /// How many ports the router was asked for.
    pub(crate) ports: usize,
    /// Where it listens for peers.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) max_peers: usize,
    /// Whether it dials by its own choice.
    pub(crate) dials: bool,
    pub(crate) min_pow: Pow,
    pub(crate) protocols: Protocols,
    /// How many boot nodes and lists discovery was given; `None` when it is off.
    pub(crate) starts: Option<Starts>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) started: Mono,
    pub(crate) skew: Skew,
}

/// What discovery was told to use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts {
    pub(crate) v4: bool,
    pub(crate) v5: bool,
    pub(crate) given: usize,
}

impl Node {
    /// Starts a node that signs and opens with the keys of `keyring`. The receiver must be read: a full one stops
    /// the node. When the receiver is dropped the node goes on without telling anybody.
    ///
    /// # Errors
    /// [`NodeError::Net`] (the address is taken …), [`NodeError::Discovery`], [`NodeError::Threads`],
    /// [`NodeError::MinPow`], [`NodeError::Mute`].
    pub async fn start(
        config: NodeConfig,
        keyring: Arc<dyn Keyring>,
        env: &Environment,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<NodeEvent>), NodeError> {
        let (inner, commands, orders, events) = crate::start::start(config, keyring, env, tasks).await?;
        Ok((Self { inner, commands, orders }, events))
    }

    /// Where the node can be dialled, as far as it knows: with the address and the ports that its router shows, or that
    /// other nodes told it. A node that listens on every address and has not learned any better is shown as 127.0.0.1
    /// (or ::1). Port 0: it does not listen.
    pub fn enode(&self) -> Enode {
        self.inner.enode()
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

    /// The peers of this moment.
    pub fn peers(&self) -> Vec<PeerView> {
        self.inner.net.peers()
    }

    /// Discovery, when it is on.
    pub fn discovery(&self) -> Option<&Discovery> {
        self.inner.discovery.as_ref()
    }
}

impl Inner {
    pub(crate) fn enode(&self) -> Enode {
        if let Some(enode) = self.discovery.as_ref().map(Discovery::enode)
            && enode.endpoint().is_some()
        {
            return enode;
        }
        let external = self.nat.as_ref().and_then(|nat| nat.status().borrow().external);
        let udp = self.discovery.as_ref().and_then(Discovery::local_addr);
        let ip = self.listen.or(udp).map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| shown(address.ip()));
        let port = |address: Option<SocketAddr>| address.map_or(0, |address| address.port());
        let endpoint =
            Endpoint { host: Host::Ip(external.unwrap_or(ip)), tcp: port(self.listen), udp: port(udp) };
        Enode::new(self.own, endpoint)
    }
}

/// An address that can be dialled, at least from here, for one that is listened on.
const fn shown(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}
