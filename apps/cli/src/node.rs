//! `undertone node`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use undertone_crypto::MemoryKeyring;
use undertone_devp2p::NodeKey;
use undertone_node::{Node, NodeConfig, NodeEvent, load_or_make_node_key};
use undertone_runtime::{Environment, Tasks};

use crate::args::{Global, NodeArgs};
use crate::interrupt::Interrupt;
use crate::output::{DIM, Ui, paint};
use crate::{Usage, home};

/// How long the tasks have to end in order.
const SHUTDOWN: Duration = Duration::from_secs(5);

pub(crate) async fn run(global: &Global, args: NodeArgs, ui: &Ui) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let _lock = home::own(&dir)?;
    let env = Environment::system()?;
    let mut config = NodeConfig::relay(key(&args, &dir, &env)?);
    config.listen = Some(SocketAddr::from((args.addr, args.port)));
    config.peers = args.peer.peers;
    config.max_peers = args.maxpeers;
    config.min_pow = args.shh_pow;

    let tasks = Tasks::new(tokio::runtime::Handle::current());
    let (node, mut events) = Node::start(config, Arc::new(MemoryKeyring::new()), &env, &tasks)
        .await
        .with_context(|| format!("start a node on {}:{}", args.addr, args.port))?;
    let mut interrupt = Interrupt::listen()?;
    let enode = node.enode().to_string();
    match ui.json {
        true => ui.object(&json!({ "event": "started", "enode": enode })),
        false => ui.line(&enode),
    }
    ui.note(&paint(DIM, "relaying; ends with Ctrl-C"));

    let stop = tasks.token();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = interrupt.wait() => break,
            event = events.recv() => match event {
                Some(NodeEvent::Peers(count)) => {
                    if ui.json {
                        ui.object(&json!({ "event": "peers", "count": count }));
                    }
                    tracing::info!(count, "peers");
                }
                Some(_) => {}
                None => break,
            },
        }
    }
    let ended = tasks.shutdown(SHUTDOWN).await;
    Ok(if ended.panicked.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn key(args: &NodeArgs, dir: &std::path::Path, env: &Environment) -> Result<NodeKey> {
    if let Some(hex) = &args.nodekeyhex {
        return NodeKey::from_hex(hex).map_err(|_| {
            Usage("--nodekeyhex takes 64 hexadecimal digits of a private key".to_owned()).into()
        });
    }
    let file = args.nodekey.clone().unwrap_or_else(|| dir.join("nodekey"));
    Ok(load_or_make_node_key(&file, &mut env.rng())?)
}
