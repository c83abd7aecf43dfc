//! Our discovery as the node runs it: v4 and v5.1 on one UDP port of loopback.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;
use undertone_crypto::PublicKey;
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, NodeKey};
use undertone_discovery::{Discovery, DiscoveryConfig, Found};
use undertone_runtime::{Environment, Tasks};
use undertone_support::until;

use crate::DEADLINE;

/// Time until somebody tells of a node: geth checks one of its nodes every 0 to 10 s.
const TOLD: Duration = Duration::from_secs(120);

/// Discovery and what it found.
pub(crate) struct Disc {
    runtime: Runtime,
    tasks: Tasks,
    discovery: Discovery,
    found: Arc<Mutex<Vec<Found>>>,
}

impl Disc {
    /// Starts from `boot`; its record says that RLPx listens on `tcp`.
    pub(crate) fn start(key: NodeKey, tcp: u16, boot: Vec<Enode>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let env = Environment::system()?;
        let tasks = Tasks::new(runtime.handle().clone());
        let mut config = DiscoveryConfig::new(key);
        config.tcp = tcp;
        config.advertise_ip = Some([127, 0, 0, 1].into());
        config.boot = boot;
        config.restrict = vec!["127.0.0.0/8".parse()?];
        config.v5 = true;
        let (discovery, mut receiver) = runtime.block_on(Discovery::start(config, &env, &tasks))?;
        let found = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&found);
        tasks.spawn("interop.found", async move {
            while let Some(node) = receiver.recv().await {
                lock(&notes).push(node);
            }
        });
        Ok(Self { runtime, tasks, discovery, found })
    }

    /// Its record.
    pub(crate) fn record(&self) -> Record {
        self.discovery.record()
    }

    /// Where it is.
    pub(crate) fn enode(&self) -> Enode {
        self.discovery.enode()
    }

    /// Waits until it has found the node of this key.
    pub(crate) fn await_found(&self, key: &PublicKey, deadline: Duration) -> Result<Enode> {
        let mut found = None;
        until(deadline, || {
            found = lock(&self.found).iter().find(|found| found.enode.key() == key).cloned();
            found.is_some()
        });
        let found = found.with_context(|| format!("not found; {:?}", self.discovery.stats()))?;
        Ok(found.enode)
    }

    /// Waits until it holds this node for alive.
    pub(crate) fn await_alive(&self, key: &PublicKey) -> Result<()> {
        let alive = || {
            let nodes = self.runtime.block_on(self.discovery.nodes());
            nodes.iter().any(|node| node.enode.key() == key)
        };
        ensure!(until(DEADLINE, alive), "it is not in the table; {:?}", self.discovery.stats());
        Ok(())
    }

    /// Asks the network for this node until somebody tells of it. A geth tells of nobody whom it has not checked since
    /// that node's own last Ping, so it takes some seconds, and luck.
    pub(crate) fn await_told(&self, node: &Enode) -> Result<()> {
        let mut closest = Vec::new();
        let told = until(TOLD, || {
            closest = self.runtime.block_on(self.discovery.lookup(&node.key().to_xy()));
            closest.first() == Some(node)
        });
        ensure!(told, "the closest to {node} are {closest:?}");
        Ok(())
    }

    /// Where the node of this key is.
    pub(crate) fn resolve(&self, key: &PublicKey) -> Option<Enode> {
        self.runtime.block_on(self.discovery.resolve(key))
    }

    /// Asks a node for its record, and waits for it.
    pub(crate) fn request_record(&self, enode: &Enode) -> Option<Record> {
        self.runtime.block_on(self.discovery.request_record(enode))
    }

    /// Pings a node; how long its answer took.
    pub(crate) fn ping(&self, enode: &Enode) -> Option<Duration> {
        self.runtime.block_on(self.discovery.ping(enode)).map(|pinged| pinged.rtt)
    }

    /// Stops it in order.
    pub(crate) fn stop(self) -> Result<()> {
        let Self { runtime, tasks, discovery, .. } = self;
        drop(discovery);
        let shutdown = runtime.block_on(tasks.shutdown(DEADLINE));
        ensure!(shutdown.panicked.is_none() && shutdown.stuck.is_empty(), "{shutdown:?}");
        Ok(())
    }
}

fn lock(found: &Mutex<Vec<Found>>) -> MutexGuard<'_, Vec<Found>> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}
