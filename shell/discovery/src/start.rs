//! Putting it together.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;
use undertone_base::Now;
use undertone_devp2p::discv4::{Config, Contact, Discovery as Machine, Walk};
use undertone_devp2p::enr::{Entries, LocalRecord};
use undertone_runtime::{Environment, Tasks};

use crate::boot;
use crate::config::{DiscoveryConfig, DiscoveryError};
use crate::database::Database;
use crate::discovery::{Shared, Wanted};
use crate::dns::Follower;
use crate::found::{Finder, FoundReceiver, queue};
use crate::limits::MAX_COMMANDS;
use crate::socket::Io;
use crate::task::{Command, Core, Task, Waiting};
use crate::v5::{Rules, Setup, V5};

/// What the handle is made of.
pub(crate) struct Started {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) wanted: watch::Sender<Wanted>,
    pub(crate) guard: DropGuard,
    pub(crate) found: FoundReceiver,
}

pub(crate) async fn start(
    config: DiscoveryConfig,
    env: &Environment,
    tasks: &Tasks,
) -> Result<Started, DiscoveryError> {
    let now = env.now();
    let socket = bind(&config).await?;
    let address = socket.as_ref().map(|(_, address)| *address);
    let mut database = Database::open(config.database.clone(), now);
    let local = local_record(&config, address, &database, now)?;
    if database.content().own.as_ref() != Some(local.record()) {
        database.set_own(local.record().clone());
        database.save(now).await;
    }
    let machine = machine(&config, local, &database, now);
    let io = open(&config, socket, &machine).await?;
    let shared = Arc::new(Shared::new(env.clone(), machine.record().clone(), address));
    let (commands, receiver) = mpsc::channel(MAX_COMMANDS);
    let (finder, found) = queue();
    let first = Wanted { walk: config.walk, ..Wanted::default() };
    let (wanted, wants) = watch::channel(first);
    let stop = tasks.token().child_token();
    spawn_helpers(&config, env, tasks, &database, (&commands, &finder, &stop));
    let core = Core {
        rng: env.rng(),
        machine,
        v4: config.v4,
        advertise: config.advertise_ip,
        walk: config.walk,
        database,
        shared: Arc::clone(&shared),
        found: finder,
        waiting: Waiting::default(),
    };
    let task = Task { env: env.clone(), stop: stop.clone(), commands: receiver, wanted: wants, io, core };
    tasks.spawn("discovery", task.run());
    Ok(Started { shared, commands, wanted, guard: stop.drop_guard(), found })
}

async fn bind(config: &DiscoveryConfig) -> Result<Option<(Arc<UdpSocket>, SocketAddr)>, DiscoveryError> {
    if !config.v4 && !config.v5 {
        return Ok(None);
    }
    let refused = |source| DiscoveryError::Listen { address: config.listen, source };
    let socket = UdpSocket::bind(config.listen).await.map_err(refused)?;
    let address = socket.local_addr().map_err(refused)?;
    tracing::info!(%address, v4 = config.v4, v5 = config.v5, "discovery");
    Ok(Some((Arc::new(socket), address)))
}

/// The record as far as the node knows itself.
///
// DEVIATION: geth says 127.0.0.1 until it knows better (`devp2p.md` 6.3). Here a node that listens on all addresses says
// none until it learns one from others or from its router, as v5.1 asks; one that listens on loopback only says so.
// Pinned by `a_node_says_an_address_only_if_it_knows_one`.
fn local_record(
    config: &DiscoveryConfig,
    address: Option<SocketAddr>,
    database: &Database,
    now: Now,
) -> Result<LocalRecord, DiscoveryError> {
    let mut entries = Entries::default();
    if config.tcp != 0 {
        entries = entries.with_tcp(config.tcp);
    }
    if let Some(address) = address {
        entries = entries.with_udp(address.port());
        if address.is_ipv6() {
            // By EIP-778 `udp` would do; the library of v5 looks for `udp6` only, geth for `udp` only.
            entries = entries.with_uint(b"udp6", u64::from(address.port()));
        }
    }
    if let Some(ip) = config.advertise_ip.or_else(|| own_address(config, address)) {
        entries = entries.with_ip(ip);
    }
    let own = database.content().own.as_ref().filter(|own| *own.key() == config.key.public());
    let local = match own {
        Some(own) => LocalRecord::new(config.key.clone(), entries, Some(own)),
        // DEVIATION: geth 1.9.7 begins with 1 (`devp2p.md` 1.3), so that after a lost database others keep the old
        // record. The number of any record before is below the milliseconds since 1970, as later geth counts too.
        // Pinned by `the_number_of_the_record_never_goes_back_even_if_the_node_is_killed`.
        None => LocalRecord::starting_at(config.key.clone(), entries, now.unix.millis().max(1)),
    };
    Ok(local?)
}

/// The address that is listened on, if it is one.
fn own_address(config: &DiscoveryConfig, address: Option<SocketAddr>) -> Option<IpAddr> {
    Some(address.unwrap_or(config.listen).ip()).filter(|ip| !ip.is_unspecified())
}

fn machine(config: &DiscoveryConfig, local: LocalRecord, database: &Database, now: Now) -> Machine {
    let mut stored: Vec<_> = database.content().nodes.values().cloned().collect();
    stored.sort_by_key(|node| std::cmp::Reverse(node.last_pong));
    let records = config.boot_records.iter().map(|record| record.to_enode());
    let config = Config {
        boot: config.boot.iter().cloned().chain(records).collect(),
        stored,
        restrict: config.restrict.clone(),
        walk: if config.walk { Walk::On } else { Walk::Off },
        external: config.advertise_ip,
        ..Config::new(local)
    };
    Machine::new(config, now)
}

async fn open(
    config: &DiscoveryConfig,
    socket: Option<(Arc<UdpSocket>, SocketAddr)>,
    machine: &Machine,
) -> Result<Io, DiscoveryError> {
    let Some((socket, address)) = socket else {
        return Ok(Io::nobody());
    };
    if !config.v5 {
        return Ok(Io::own(socket));
    }
    let boot: Vec<_> = config.boot.iter().filter_map(Contact::of_enode).collect();
    let known = boot.iter().map(|contact| contact.address.ip());
    let known = known.chain(config.boot_records.iter().filter_map(|record| record.address()));
    let setup = Setup {
        key: config.key.clone(),
        record: machine.record().clone(),
        socket: Arc::clone(&socket),
        rules: Rules::new(address.ip(), known, config.restrict.clone()),
        boot,
        boot_records: config.boot_records.clone(),
    };
    let v5 = V5::start(setup).await.map_err(|reason| DiscoveryError::V5 { reason })?;
    Ok(Io::shared(socket, v5))
}

type Ends<'a> = (&'a mpsc::Sender<Command>, &'a Finder, &'a tokio_util::sync::CancellationToken);

/// The tasks that resolve names and read lists, if there are any.
fn spawn_helpers(
    config: &DiscoveryConfig,
    env: &Environment,
    tasks: &Tasks,
    database: &Database,
    (commands, finder, stop): Ends<'_>,
) {
    let named: Vec<_> = config.boot.iter().filter(|enode| boot::has_name(enode)).cloned().collect();
    if !named.is_empty() {
        let resolve = boot::resolve(env.clone(), named, commands.clone(), stop.clone());
        tasks.spawn("discovery.boot", resolve);
    }
    if !config.dns.is_empty() {
        let follower = Follower {
            links: config.dns.clone(),
            seen: database.content().lists.clone(),
            resolver: config.resolver.clone(),
            restrict: config.restrict.clone(),
            commands: commands.clone(),
            found: finder.clone(),
        };
        tasks.spawn("discovery.dns", follower.run(stop.clone()));
    }
}
