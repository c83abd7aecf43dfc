//! The handle of a node, and how its parts are started.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use undertone_base::{Mono, Secret};
use undertone_crypto::{Keyring, PublicKey};
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Capability, Endpoint, Enode, Host, Offer};
use undertone_discovery::{Discovery, DiscoveryConfig};
use undertone_nat::{Nat, NatConfig, NatMode, Port, Protocol};
use undertone_net::{Net, NetConfig, PeerView};
use undertone_runtime::{Environment, FileLimit, Pool, Tasks};
use undertone_transport::Command;
use undertone_whisper::{Pow, Report, TransportConfig, WhisperTransport};

use crate::config::{DiscoveryOptions, NodeConfig};
use crate::driver::Driver;
use crate::error::NodeError;
use crate::keeper::{Keeper, read_peers};
use crate::limits;
use crate::skew::Skew;

/// Codes of the `shh/6` capability (`devp2p.md` 2.7).
const SHH_LENGTH: u64 = 128;
/// The nodes that discovery knew, in the node's directory.
const NODES_FILE: &str = "nodes";
/// What a router's list of mappings shows.
const MAPPED_TCP: &str = "undertone p2p";
const MAPPED_UDP: &str = "undertone discovery";

/// From a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEvent {
    /// Where others can dial the node has changed.
    Address(Enode),
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
    pub(crate) inner: Arc<Inner>,
    commands: mpsc::Sender<Command>,
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
    /// [`NodeError::MinPow`].
    pub async fn start(
        config: NodeConfig,
        keyring: Arc<dyn Keyring>,
        env: &Environment,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<NodeEvent>), NodeError> {
        let min_pow = Pow::new(config.min_pow).ok_or(NodeError::MinPow)?;
        let mut transport = TransportConfig::default();
        transport.gossip.min_pow = min_pow;
        transport.gossip.service = config.role.service();
        transport.advertise = config.role.advertise();
        transport.report = config.watch;
        let seed = Secret::random(&mut env.rng());
        let whisper = WhisperTransport::new(transport, keyring, &seed);
        let pool = Pool::per_core(limits::JOBS).map_err(NodeError::Threads)?;

        let (net, network) = Net::start(net_config(&config), env, tasks).await?;
        // The network has raised the limit as far as it goes, and said so when that is not enough.
        let max_peers = config.max_peers.min(FileLimit::current().peers());
        let listen = config.listen.and_then(|address| listening(&net, address));
        let (discovery, found) = match &config.discovery {
            Some(options) => {
                let started =
                    Discovery::start(discovery_config(&config, options, listen), env, tasks).await?;
                (Some(started.0), Some(started.1))
            }
            None => (None, None),
        };
        let udp = discovery.as_ref().and_then(Discovery::local_addr);
        let ports = ports(listen, udp);
        let wanted = ports.len();
        let nat = start_nat(config.nat, ports, listen.or(udp), env, tasks);

        let inner = Arc::new(Inner {
            own: config.key.public(),
            name: client_name(),
            env: env.clone(),
            net: net.clone(),
            discovery,
            nat,
            nat_mode: config.nat,
            ports: wanted,
            listen,
            max_peers,
            dials: config.dials,
            min_pow,
            starts: config.discovery.as_ref().map(starts),
            home: config.home,
            started: env.now().mono,
            skew: Skew::default(),
        });
        let (commands, inbox) = mpsc::channel(limits::COMMANDS);
        let (events, outbox) = mpsc::channel(limits::EVENTS);
        let keeper = Keeper::new(Arc::clone(&inner), found, events.clone(), tasks);
        let driver = Driver::new(whisper, net, pool, env.clone(), inner.skew.clone(), events, tasks.token());
        tasks.spawn("node", driver.run(inbox, network));
        tasks.spawn("node.keep", keeper.run());
        Ok((Self { inner, commands }, outbox))
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

fn net_config(config: &NodeConfig) -> NetConfig {
    let offers = vec![Offer { capability: Capability::new("shh", 6), length: SHH_LENGTH }];
    let mut net = NetConfig::new(config.key.clone(), &client_name(), offers);
    net.listen = config.listen;
    net.static_peers = config.peers.clone();
    net.trusted = config.trusted.clone();
    net.max_peers = config.max_peers;
    net.dial_ratio = config.dial_ratio;
    net.restrict = config.restrict.clone();
    // As geth: without discovery nobody is dialled but static peers.
    net.dynamic = config.dials && config.discovery.is_some();
    if let Some(options) = config.discovery.as_ref().filter(|_| net.dynamic) {
        let boot = options.boot.iter().cloned().chain(options.boot_records.iter().map(Record::to_enode));
        net.boot = boot.filter(|node| node.endpoint().is_some_and(|at| at.tcp != 0)).collect();
        net.remembered = config.home.as_deref().map(read_peers).unwrap_or_default();
    }
    net
}

/// The address with the port that it really has.
fn listening(net: &Net, configured: SocketAddr) -> Option<SocketAddr> {
    let port = net.enode().endpoint().map(|endpoint| endpoint.tcp)?;
    Some(SocketAddr::new(configured.ip(), port))
}

fn discovery_config(
    config: &NodeConfig,
    options: &DiscoveryOptions,
    listen: Option<SocketAddr>,
) -> DiscoveryConfig {
    let mut discovery = DiscoveryConfig::new(config.key.clone());
    discovery.listen = options.listen.or(listen).unwrap_or_else(|| outward(options));
    discovery.tcp = listen.map_or(0, |address| address.port());
    discovery.advertise_ip = match config.nat {
        NatMode::ExtIp(ip) => Some(ip),
        _ => None,
    };
    discovery.boot = options.boot.clone();
    discovery.boot_records = options.boot_records.clone();
    discovery.dns = options.dns.clone();
    discovery.resolver = options.resolver.clone();
    discovery.v4 = options.v4;
    discovery.v5 = options.v5;
    // The peer manager says when.
    discovery.walk = false;
    discovery.restrict = config.restrict.clone();
    discovery.database = config.home.as_ref().map(|home| home.join(NODES_FILE));
    discovery
}

/// Where a node that does not listen for peers asks from: any port, of this machine alone when whoever it asks is on it.
fn outward(options: &DiscoveryOptions) -> SocketAddr {
    let here = |host: &Host| matches!(host, Host::Ip(ip) if ip.is_loopback());
    let all_here = options.boot.iter().all(|node| node.endpoint().is_some_and(|to| here(&to.host)));
    let near = all_here && options.boot_records.is_empty() && options.dns.is_empty();
    let ip = if near { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    SocketAddr::from((ip, 0))
}

/// What a router is to map. Nothing that listens on loopback.
fn ports(tcp: Option<SocketAddr>, udp: Option<SocketAddr>) -> Vec<Port> {
    let tcp = tcp.and_then(|address| Port::of(Protocol::Tcp, address, MAPPED_TCP));
    let udp = udp.and_then(|address| Port::of(Protocol::Udp, address, MAPPED_UDP));
    tcp.into_iter().chain(udp).collect()
}

fn start_nat(
    mode: NatMode,
    ports: Vec<Port>,
    local: Option<SocketAddr>,
    env: &Environment,
    tasks: &Tasks,
) -> Option<Nat> {
    let useful = match mode {
        NatMode::None => false,
        NatMode::ExtIp(_) => true,
        _ => !ports.is_empty(),
    };
    if !useful {
        return None;
    }
    let mut config = NatConfig::new(mode, ports);
    config.local = match local.map(|address| address.ip()) {
        Some(IpAddr::V4(ip)) if !ip.is_unspecified() => Some(ip),
        _ => None,
    };
    Some(Nat::with(config, env, tasks))
}

fn starts(options: &DiscoveryOptions) -> Starts {
    let given = options.boot.len() + options.boot_records.len() + options.dns.len();
    Starts { v4: options.v4, v5: options.v5, given }
}

/// As geth names itself: name, version, platform.
fn client_name() -> String {
    let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    format!("Undertone/v{version}/{os}-{arch}/rust")
}
