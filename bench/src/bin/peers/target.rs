//! The node that is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use undertone_crypto::MemoryKeyring;
use undertone_devp2p::{Enode, Host, NodeKey};
use undertone_node::{Node, NodeConfig};
use undertone_runtime::{Environment, Tasks};

use crate::Other;
use crate::process::Process;

/// A node in another process, ended with this value if it was started for it.
pub(crate) struct Target {
    pub(crate) enode: Enode,
    pub(crate) process: Process,
    child: Option<Child>,
}

impl Target {
    /// The one that was named, or a new one of ours.
    pub(crate) fn of(other: Other, max_peers: usize) -> Result<Self> {
        if let (Some(enode), Some(pid)) = (other.enode, other.pid) {
            return Ok(Self { enode, process: Process::of(pid)?, child: None });
        }
        let mut child = Command::new(std::env::current_exe()?)
            .args(["target", "--max-peers", &max_peers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output of the node")?).read_line(&mut line)?;
        let enode = line.trim().parse().context("the node says no enode")?;
        Ok(Self { enode, process: Process::of(child.id())?, child: Some(child) })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let endpoint = self.enode.endpoint().context("an enode without an endpoint")?;
        let Host::Ip(ip) = endpoint.host else { anyhow::bail!("give an address, not a name") };
        Ok(SocketAddr::new(ip, endpoint.tcp))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // The end of its input ends it.
        drop(child.stdin.take());
        if let Err(error) = child.wait() {
            eprintln!("the node did not end: {error}");
        }
    }
}

/// Is that node.
pub(crate) fn run(max_peers: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let env = Environment::system()?;
    let tasks = Tasks::new(runtime.handle().clone());
    let mut config = NodeConfig::relay(NodeKey::random(&mut env.rng()));
    config.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.max_peers = max_peers;
    let keyring = Arc::new(MemoryKeyring::new());
    let (node, mut events) = runtime.block_on(Node::start(config, keyring, &env, &tasks))?;
    tasks.spawn("events", async move { while events.recv().await.is_some() {} });
    println!("{}", node.enode());
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let shutdown = runtime.block_on(tasks.shutdown(Duration::from_secs(10)));
    ensure!(shutdown.panicked.is_none(), "{shutdown:?}");
    Ok(())
}
