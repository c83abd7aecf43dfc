//! How the parts of a node are started, and in which order: the network first, which finds its port, then discovery on the
//! same port, then the router for both.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::mpsc;
use undertone_base::Secret;
use undertone_crypto::Keyring;
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Host, Offer};
use undertone_discovery::{Discovery, DiscoveryConfig, DiscoveryError, FoundReceiver};
use undertone_nat::{Nat, NatConfig, NatMode, Port, Protocol};
use undertone_net::{Net, NetConfig};
use undertone_runtime::{Environment, FileLimit, Pool, Tasks};
use undertone_transport::Command;
use undertone_whisper::{Confirm, Pow, TransportConfig, Watch, WhisperTransport};

use crate::config::{DiscoveryOptions, NodeConfig};
use crate::driver::Driver;
use crate::error::NodeError;
use crate::keeper::{Keeper, read_peers};
use crate::limits;
use crate::links;
use crate::node::{Inner, NodeEvent, Starts};
use crate::orders::Order;
use crate::skew::Skew;

/// The nodes that discovery knew, in the node's directory.
const NODES_FILE: &str = "nodes";
/// What a router's list of mappings shows.
const MAPPED_TCP: &str = "undertone p2p";
const MAPPED_UDP: &str = "undertone discovery";

type Started = (Arc<Inner>, mpsc::Sender<Command>, mpsc::Sender<Order>, mpsc::Receiver<NodeEvent>);

pub(crate) async fn start(
    config: NodeConfig,
    keyring: Arc<dyn Keyring>,
    env: &Environment,
    tasks: &Tasks,
) -> Result<Started, NodeError> {
    let min_pow = Pow::new(config.min_pow).ok_or(NodeError::MinPow)?;
    let offers = links::offers(&config);
    if offers.is_empty() {
        return Err(NodeError::Mute);
    }
    let seed = Secret::random(&mut env.rng());
    let whisper = WhisperTransport::new(transport_config(&config, min_pow), keyring, &seed);
    let pool = Pool::per_core(limits::JOBS).map_err(NodeError::Threads)?;

    let (net, network) = Net::start(net_config(&config, offers), env, tasks).await?;
    let listen = config.listen.and_then(|address| listening(&net, address));
    let (discovery, found) = match &config.discovery {
        Some(options) => {
            let (discovery, found) = start_discovery(&config, options, listen, env, tasks).await?;
            (Some(discovery), Some(found))
        }
        None => (None, None),
    };
    let inner = Arc::new(join(config, min_pow, net.clone(), discovery, listen, env, tasks));

    let (commands, inbox) = mpsc::channel(limits::COMMANDS);
    let (events, outbox) = mpsc::channel(limits::EVENTS);
    let keeper = Keeper::new(Arc::clone(&inner), found, events.clone(), tasks);
    let (orders, told) = mpsc::channel(limits::ORDERS);
    let driver = Driver::new(whisper, net, pool, env.clone(), inner.skew.clone(), events, tasks.token());
    tasks.spawn("node", driver.run(inbox, told, network));
    tasks.spawn("node.keep", keeper.run());
    Ok((inner, commands, orders, outbox))
}

/// What is shared, with the router asked for the ports that are listened on.
fn join(
    config: NodeConfig,
    min_pow: Pow,
    net: Net,
    discovery: Option<Discovery>,
    listen: Option<SocketAddr>,
    env: &Environment,
    tasks: &Tasks,
) -> Inner {
    let udp = discovery.as_ref().and_then(Discovery::local_addr);
    let ports = ports(listen, udp);
    Inner {
        own: config.key.public(),
        name: client_name(),
        env: env.clone(),
        net,
        discovery,
        ports: ports.len(),
        nat: start_nat(config.nat, ports, listen.or(udp), env, tasks),
        nat_mode: config.nat,
        listen,
        // The network has raised the limit as far as it goes, and said so when that is not enough.
        max_peers: config.max_peers.min(FileLimit::current().peers()),
        dials: config.dials,
        min_pow,
        protocols: config.protocols,
        starts: config.discovery.as_ref().map(starts),
        home: config.home,
        started: env.now().mono,
        skew: Skew::default(),
    }
}

fn transport_config(config: &NodeConfig, min_pow: Pow) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.gossip.min_pow = min_pow;
    // Nothing is kept beyond the pool, so what is in it is as durable as it gets.
    transport.gossip.confirm = Confirm::AtOnce;
    transport.gossip.service = config.role.service();
    transport.gossip.protocols = config.protocols;
    transport.gossip.waku = config.waku;
    transport.gossip.bridge = config.bridge;
    transport.gossip.flush = config.flush;
    transport.gossip.packet_limits = config.packet_limits;
    transport.gossip.byte_limits = config.byte_limits;
    transport.advertise = config.role.advertise();
    transport.report = config.watch;
    if config.watch && config.traffic {
        transport.gossip.watch = Watch::Traffic;
    }
    transport
}

fn net_config(config: &NodeConfig, offers: Vec<Offer>) -> NetConfig {
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

/// On the UDP port of the same number as the TCP port. Where the system chose that and somebody has the other, on any.
async fn start_discovery(
    config: &NodeConfig,
    options: &DiscoveryOptions,
    listen: Option<SocketAddr>,
    env: &Environment,
    tasks: &Tasks,
) -> Result<(Discovery, FoundReceiver), DiscoveryError> {
    let mut wanted = discovery_config(config, options, listen);
    let chosen = options.listen.is_none() && config.listen.is_some_and(|address| address.port() == 0);
    match Discovery::start(wanted.clone(), env, tasks).await {
        Err(DiscoveryError::Listen { source, .. }) if chosen && source.kind() == ErrorKind::AddrInUse => {
            wanted.listen.set_port(0);
            Discovery::start(wanted, env, tasks).await
        }
        started => started,
    }
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
