//! The handle, and what it shares with the task.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;
use undertone_crypto::PublicKey;
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, NodeId};
use undertone_runtime::{Environment, Tasks};

use crate::boot;
use crate::clock::Clocks;
use crate::config::{ClockSample, DiscoveryConfig, DiscoveryError, NodeView, Pinged, Stats};
use crate::found::FoundReceiver;
use crate::limits::{LOOKUP_TIMEOUT, RECORD_TIMEOUT};
use crate::start;
use crate::task::Command;

/// Discovery of a node. Clones are the same; when the last is dropped, or the tasks are stopped, it ends and keeps what
/// it knows in its database.
#[derive(Clone, Debug)]
pub struct Discovery {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    wanted: Arc<watch::Sender<Wanted>>,
    _guard: Arc<DropGuard>,
}

/// What the node wants; the last word counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) external: Option<IpAddr>,
    pub(crate) tcp: Option<u16>,
    pub(crate) udp: Option<u16>,
    pub(crate) walk: bool,
}

/// What the task shows.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) env: Environment,
    pub(crate) record: watch::Sender<Record>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) state: Mutex<State>,
}

/// The part that changes all the time.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) stats: Stats,
    pub(crate) clocks: Clocks,
}

impl Shared {
    pub(crate) fn new(env: Environment, record: Record, address: Option<SocketAddr>) -> Self {
        Self { env, record: watch::Sender::new(record), address, state: Mutex::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Discovery {
    /// Opens the socket and the database, and begins to look for nodes. May be cancelled: nothing has started then.
    ///
    /// A database that is damaged or cannot be written is no reason to fail: it is set aside, with a warning.
    ///
    /// # Errors
    /// [`DiscoveryError`].
    pub async fn start(
        config: DiscoveryConfig,
        env: &Environment,
        tasks: &Tasks,
    ) -> Result<(Self, FoundReceiver), DiscoveryError> {
        let started = start::start(config, env, tasks).await?;
        let discovery = Self {
            shared: started.shared,
            commands: started.commands,
            wanted: Arc::new(started.wanted),
            _guard: Arc::new(started.guard),
        };
        Ok((discovery, started.found))
    }

    /// The node's record as others see it now.
    pub fn record(&self) -> Record {
        self.shared.record.borrow().clone()
    }

    /// The record, and each later version of it.
    pub fn watch_record(&self) -> watch::Receiver<Record> {
        self.shared.record.subscribe()
    }

    /// The enode of the record; incomplete while it says no address.
    pub fn enode(&self) -> Enode {
        self.record().to_enode()
    }

    /// The UDP address that is listened on; `None` when neither v4 nor v5 is on.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.address
    }

    /// Our address as a router says it. Predictions no longer change the record then. `None` takes that back.
    pub fn set_external(&self, ip: Option<IpAddr>) {
        self.want(|wanted| wanted.external = ip);
    }

    /// The ports that a router maps to ours; `None` where it maps none.
    pub fn set_ports(&self, tcp: Option<u16>, udp: Option<u16>) {
        self.want(|wanted| (wanted.tcp, wanted.udp) = (tcp, udp));
    }

    /// Starts or stops random look-ups.
    pub fn walk(&self, on: bool) {
        self.want(|wanted| wanted.walk = on);
    }

    /// The nodes closest to a key that v4 finds, closest first. Takes seconds. May be cancelled.
    pub async fn lookup(&self, target: &[u8; 64]) -> Vec<Enode> {
        let target = *target;
        self.ask(LOOKUP_TIMEOUT, |reply| Command::Lookup { target, reply }).await.unwrap_or_default()
    }

    /// Where the node with this key is: from the tables, else by looking for it with all that is on. `None` when
    /// nobody knows it. Takes seconds. May be cancelled.
    pub async fn resolve(&self, key: &PublicKey) -> Option<Enode> {
        let id = NodeId::of(key);
        if let Some(known) = self.nodes().await.into_iter().find(|node| NodeId::of(node.enode.key()) == id) {
            return Some(known.enode);
        }
        let by_v4 = async {
            let found = self.lookup(&key.to_xy()).await;
            found.into_iter().find(|enode| enode.key() == key)
        };
        let by_v5 = async {
            let find = self.ask(RECORD_TIMEOUT, |reply| Command::FindV5 { id, reply }).await?;
            let found = timeout(LOOKUP_TIMEOUT, find).await.ok()?;
            found.into_iter().find(|record| record.id() == &id).map(|record| record.to_enode())
        };
        first_some(by_v4, by_v5).await
    }

    /// The record of a node, asked of itself by v4. `None` when it does not answer, or sends one that is not good. May
    /// be cancelled.
    pub async fn request_record(&self, enode: &Enode) -> Option<Record> {
        let contact = boot::contact(&self.shared.env, enode).await?;
        self.ask(RECORD_TIMEOUT, |reply| Command::Record { contact, reply }).await
    }

    /// Pings a node by v4. `None` when it does not answer. May be cancelled.
    pub async fn ping(&self, enode: &Enode) -> Option<Pinged> {
        let contact = boot::contact(&self.shared.env, enode).await?;
        self.ask(RECORD_TIMEOUT, |reply| Command::Ping { contact, reply }).await
    }

    /// Nodes to start from, or to ask next: they get no more trust than those that another node tells of.
    pub async fn offer(&self, nodes: Vec<Enode>) {
        let mut contacts = Vec::new();
        for enode in nodes {
            contacts.extend(boot::contact(&self.shared.env, &enode).await);
        }
        // When discovery has ended nobody is left to take them.
        let _ = self.commands.send(Command::Offer(contacts)).await;
    }

    /// Nodes of the tables that have answered.
    pub async fn nodes(&self) -> Vec<NodeView> {
        self.ask(RECORD_TIMEOUT, |reply| Command::Nodes { reply }).await.unwrap_or_default()
    }

    /// How far the clocks of others are from ours, one sample of each prefix of addresses, the youngest last.
    pub fn clock_samples(&self) -> Vec<ClockSample> {
        self.shared.state().clocks.samples()
    }

    /// Counters and sizes.
    pub fn stats(&self) -> Stats {
        self.shared.state().stats
    }

    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        self.wanted.send_modify(change);
    }

    async fn ask<T>(
        &self,
        within: Duration,
        make: impl FnOnce(oneshot::Sender<Option<T>>) -> Command,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let both = async {
            self.commands.send(make(reply)).await.ok()?;
            answer.await.ok()?
        };
        timeout(within, both).await.ok()?
    }
}

/// The first answer that is one.
async fn first_some<T>(a: impl Future<Output = Option<T>>, b: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::pin!(a, b);
    tokio::select! {
        found = &mut a => match found {
            Some(found) => Some(found),
            None => b.await,
        },
        found = &mut b => match found {
            Some(found) => Some(found),
            None => a.await,
        },
    }
}
