//! `undertone node` and `undertone bootnode`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::sync::mpsc;
use undertone_crypto::MemoryKeyring;
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, Host, NodeKey};
use undertone_node::{DiscoveryOptions, Node, NodeConfig, NodeEvent, load_or_make_node_key};
use undertone_runtime::{Environment, Tasks};

use crate::args::{
    BootNode, BootnodeArgs, DiscoveryArgs, Global, KeyArgs, NodeArgs, ReachArgs, Role, StartArgs,
};
use crate::interrupt::Interrupt;
use crate::ipc::Desk;
use crate::output::{DIM, GOOD, Ui, paint};
use crate::{Usage, home};

/// How long the tasks have to end in order; a router that has to take its mappings back is waited for.
const SHUTDOWN: Duration = Duration::from_secs(5);

pub(crate) async fn run(global: &Global, args: NodeArgs, ui: &Ui) -> Result<ExitCode> {
    let role = role(&args.role)?;
    let dir = home::data_dir(global)?;
    let _lock = home::own(&dir)?;
    let env = Environment::system()?;
    let mut config = NodeConfig::relay(key(&args.key, &dir, &env)?);
    config.role = role;
    config.dials = !args.role.contains(&Role::Boot);
    config.listen = Some(SocketAddr::from((args.addr, args.port)));
    config.peers = args.peers;
    config.trusted = args.trusted.iter().map(|enode| *enode.key()).collect();
    config.max_peers = args.maxpeers;
    config.dial_ratio = args.dialratio.into();
    config.min_pow = args.shh_pow;
    config.protocols = args.carriers.protocols();
    config.waku = args.carriers.mode();
    config.bridge = args.carriers.bridging();
    (config.packet_limits, config.byte_limits) = (args.carriers.packets, args.carriers.bytes);
    config.discovery = (!args.nodiscover).then(|| discovery(&args.starts, &args.discovery)).flatten();
    reach(&mut config, &args.reach, &dir);
    note_loopback(args.addr, &args.starts, ui);
    let does = match (role, config.dials) {
        (undertone_node::Role::Relay, true) => "relaying",
        (undertone_node::Role::Relay, false) => "relaying, and helping others to find each other",
        (_, true) => "listening only: a light node passes nothing on",
        (_, false) => "helping others to find each other",
    };
    let about = format!("start a node on {}:{}", args.addr, args.port);
    serve(config, &env, &dir, ui, does).await.context(about)
}

pub(crate) async fn bootnode(global: &Global, args: BootnodeArgs, ui: &Ui) -> Result<ExitCode> {
    let env = Environment::system()?;
    if let Some(file) = &args.genkey {
        ensure!(!file.exists(), "{} exists already: a key that is in use must not be lost", file.display());
        let key = load_or_make_node_key(file, &mut env.rng())?;
        ui.note(&format!("{} a new key is in {}", paint(GOOD, "✓"), file.display()));
        if ui.json {
            ui.object(&json!({ "file": file, "publicKey": address(&key) }));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let dir = home::data_dir(global)?;
    if args.writeaddress {
        // Reading needs no ownership; a key that is not there yet is made, which does.
        let there = args.key.nodekeyhex.is_some()
            || args.key.nodekey.as_ref().map_or_else(|| dir.join("nodekey"), Clone::clone).exists();
        let _lock = if there { None } else { Some(home::own(&dir)?) };
        let address = address(&key(&args.key, &dir, &env)?);
        match ui.json {
            true => ui.object(&json!({ "publicKey": address })),
            false => ui.line(&address),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = home::own(&dir)?;
    let mut config = NodeConfig::relay(key(&args.key, &dir, &env)?);
    config.role = undertone_node::Role::Light;
    config.dials = false;
    config.max_peers = 0;
    let mut options = discovery(&args.starts, &args.discovery)
        .ok_or_else(|| Usage("a boot node without discovery v4 and v5 has nothing to do".to_owned()))?;
    options.listen = Some(args.addr);
    config.discovery = Some(options);
    reach(&mut config, &args.reach, &dir);
    note_loopback(args.addr.ip(), &args.starts, ui);
    let about = format!("start a boot node on {}", args.addr);
    serve(config, &env, &dir, ui, "helping others to find each other").await.context(about)
}

/// Runs a node until it is time to end. The first line of stdout is where it can be dialled.
async fn serve(config: NodeConfig, env: &Environment, dir: &Path, ui: &Ui, does: &str) -> Result<ExitCode> {
    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let (node, events) = Node::start(config, Arc::new(MemoryKeyring::new()), env, &tasks).await?;
    Desk::open(dir, node.clone(), None, &tasks)
        .unwrap_or_else(|error| ui.note(&format!("takes no requests of other processes: {error:#}")));
    let mut interrupt = Interrupt::listen()?;
    let info = node.admin_node_info();
    match ui.json {
        true => ui.object(&json!({ "event": "started", "enode": info.enode, "enr": info.enr })),
        false => ui.line(&info.enode),
    }
    ui.note(&paint(DIM, format!("{does}; ends with Ctrl-C")));

    let stop = tasks.token();
    tokio::select! {
        () = stop.cancelled() => {}
        () = interrupt.wait() => {}
        () = tell(events, ui) => {}
    }
    let ended = tasks.shutdown(SHUTDOWN).await;
    Ok(if ended.panicked.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn tell(mut events: mpsc::Receiver<NodeEvent>, ui: &Ui) {
    while let Some(event) = events.recv().await {
        match event {
            NodeEvent::Peers(count) => {
                if ui.json {
                    ui.object(&json!({ "event": "peers", "count": count }));
                }
                tracing::info!(count, "peers");
            }
            NodeEvent::Address(enode) => match ui.json {
                true => ui.object(&json!({ "event": "address", "enode": enode.to_string() })),
                false => ui.note(&format!("{} {enode}", paint(DIM, "others reach it as"))),
            },
            NodeEvent::Clock(notice) => match ui.json {
                true => ui.object(&crate::output::clock(&notice)),
                false => ui.note(&notice.to_string()),
            },
            _ => {}
        }
    }
}

/// What the roles come to: whether envelopes are passed on. A boot node that is no relay passes on nothing.
fn role(roles: &[Role]) -> Result<undertone_node::Role> {
    let has = |role| roles.contains(&role);
    if has(Role::Light) && has(Role::Relay) {
        return Err(
            Usage("a light node passes nothing on and a relay does: choose one of them".to_owned()).into()
        );
    }
    Ok(if has(Role::Relay) { undertone_node::Role::Relay } else { undertone_node::Role::Light })
}

/// How to find others; `None` when both protocols are off and no list is given.
pub(crate) fn discovery(starts: &StartArgs, protocols: &DiscoveryArgs) -> Option<DiscoveryOptions> {
    let mut options = DiscoveryOptions::default();
    (options.v4, options.v5) = (protocols.v4, protocols.v5);
    for node in &starts.bootnodes {
        match node {
            BootNode::Enode(enode) => options.boot.push(enode.clone()),
            BootNode::Record(record) => options.boot_records.push(Record::clone(record)),
        }
    }
    options.dns = starts.lists.clone();
    (options.v4 || options.v5 || !options.dns.is_empty()).then_some(options)
}

fn reach(config: &mut NodeConfig, args: &ReachArgs, dir: &Path) {
    config.nat = args.nat;
    config.restrict = args.netrestrict.clone();
    config.home = Some(dir.to_owned());
}

/// A socket on 127.0.0.1 cannot talk to other machines.
fn note_loopback(addr: IpAddr, starts: &StartArgs, ui: &Ui) {
    let far = |node: &BootNode| match node {
        BootNode::Enode(enode) => is_far(enode),
        BootNode::Record(record) => is_far(&record.to_enode()),
    };
    if addr.is_loopback() && (starts.bootnodes.iter().any(far) || !starts.lists.is_empty()) {
        ui.note("note: a node that listens on 127.0.0.1 finds nobody on other machines: use --addr 0.0.0.0");
    }
}

fn is_far(enode: &Enode) -> bool {
    enode.endpoint().is_some_and(|at| !matches!(at.host, Host::Ip(ip) if ip.is_loopback()))
}

fn key(args: &KeyArgs, dir: &Path, env: &Environment) -> Result<NodeKey> {
    if let Some(hex) = &args.nodekeyhex {
        return NodeKey::from_hex(hex).map_err(|_| {
            Usage("--nodekeyhex takes 64 hexadecimal digits of a private key".to_owned()).into()
        });
    }
    let file = args.nodekey.clone().unwrap_or_else(|| dir.join("nodekey"));
    Ok(load_or_make_node_key(&file, &mut env.rng())?)
}

/// The public key as geth's bootnode prints it: 128 digits.
fn address(key: &NodeKey) -> String {
    Enode::incomplete(key.public()).to_string().trim_start_matches("enode://").to_owned()
}
