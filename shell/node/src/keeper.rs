//! The task that keeps the parts of a node in step: discovery feeds the peer manager, the router's answers go into the
//! record, good peers go to the disk, the clocks of others into the estimate.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use undertone_crypto::PublicKey;
use undertone_devp2p::Enode;
use undertone_devp2p::enr::Record;
use undertone_discovery::{Discovery, Found, FoundReceiver};
use undertone_nat::{Nat, NatStatus, Protocol};
use undertone_peers::skew::{SkewKind, SkewSource};
use undertone_peers::{Remembered, Source};
use undertone_runtime::{Tasks, write_private};

use crate::limits;
use crate::node::{Inner, NodeEvent};

/// Where the good peers of a run are kept for the next one.
const PEERS_FILE: &str = "peers";

pub(crate) struct Keeper {
    node: Arc<Inner>,
    found: Option<FoundReceiver>,
    /// Overflow: dropped; the handle knows it too.
    events: mpsc::Sender<NodeEvent>,
    tasks: Tasks,
    stop: CancellationToken,
    /// Where the node was said to be.
    shown: Enode,
    /// Static peers that are being looked up.
    asked: BTreeSet<PublicKey>,
}

/// What else changes, and wakes the keeper. `None` when it cannot any more.
struct Watched {
    router: Option<watch::Receiver<NatStatus>>,
    record: Option<watch::Receiver<Record>>,
    hungry: Option<watch::Receiver<bool>>,
    lost: Option<watch::Receiver<BTreeSet<PublicKey>>>,
    memory: Option<watch::Receiver<Vec<Remembered>>>,
}

impl Keeper {
    pub(crate) fn new(
        node: Arc<Inner>,
        found: Option<FoundReceiver>,
        events: mpsc::Sender<NodeEvent>,
        tasks: &Tasks,
    ) -> Self {
        let shown = node.enode();
        let (tasks, stop) = (tasks.clone(), tasks.token());
        Self { node, found, events, tasks, stop, shown, asked: BTreeSet::new() }
    }

    /// Runs until the token is cancelled. Order of service: shutdown, the router, what the peer manager wants, the clock,
    /// found nodes.
    pub(crate) async fn run(mut self) {
        let mut watched = self.watched();
        let mut sample = interval_at(Instant::now() + limits::SAMPLE_EVERY, limits::SAMPLE_EVERY);
        sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        loop {
            self.show();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                status = changed(&mut watched.router) => self.router(&status),
                _ = changed(&mut watched.record) => {}
                hungry = changed(&mut watched.hungry) => self.walk(hungry),
                lost = changed(&mut watched.lost) => self.resolve(lost),
                peers = changed(&mut watched.memory) => self.remember(peers).await,
                _ = sample.tick() => self.sample(),
                found = next(&mut self.found) => match found {
                    Some(found) => self.found(found),
                    None => self.found = None,
                },
            }
        }
        self.remember(self.node.net.remembered()).await;
    }

    fn watched(&self) -> Watched {
        let net = &self.node.net;
        let mut hungry = net.hungry();
        // What is wanted at the start is wanted too.
        hungry.mark_changed();
        Watched {
            router: self.node.nat.as_ref().map(Nat::status),
            record: self.node.discovery.as_ref().map(Discovery::watch_record),
            hungry: Some(hungry),
            lost: Some(net.unresolved()),
            memory: Some(net.memory()),
        }
    }

    fn found(&self, found: Found) {
        let source = match found.source {
            undertone_discovery::Source::Dns => Source::Dns,
            undertone_discovery::Source::V4 => Source::V4,
            undertone_discovery::Source::V5 => Source::V5,
        };
        // A boot node of discovery alone has nothing to connect to.
        if found.enode.endpoint().is_some_and(|endpoint| endpoint.tcp != 0) {
            tracing::trace!(peer = %found.enode, source = found.source.name(), "found");
            self.node.net.found(found.enode, source);
        }
    }

    fn walk(&self, hungry: bool) {
        if let Some(discovery) = self.node.discovery.as_ref().filter(|_| self.node.dials) {
            discovery.walk(hungry);
        }
    }

    /// Looks up where static peers are now. The manager asks seldom: after a minute, doubled up to an hour.
    fn resolve(&mut self, lost: BTreeSet<PublicKey>) {
        for key in lost.difference(&self.asked) {
            let (node, stop, key) = (Arc::clone(&self.node), self.stop.clone(), *key);
            self.tasks.spawn("node.resolve", async move {
                let find = async {
                    match &node.discovery {
                        Some(discovery) => discovery.resolve(&key).await,
                        None => None,
                    }
                };
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    found = find => node.net.resolved(&key, found),
                }
            });
        }
        self.asked = lost;
    }

    /// What the router says goes into the record.
    fn router(&self, status: &NatStatus) {
        let Some(discovery) = &self.node.discovery else { return };
        discovery.set_external(status.external);
        let mapped =
            |protocol| status.mapped.iter().find(|(port, _)| port.protocol == protocol).map(|(_, n)| *n);
        discovery.set_ports(mapped(Protocol::Tcp), mapped(Protocol::Udp));
    }

    /// Says where others can dial the node, when that has changed.
    fn show(&mut self) {
        let enode = self.node.enode();
        if enode != self.shown {
            tracing::info!(%enode, "the node's address has changed");
            self.shown = enode.clone();
            let _ = self.events.try_send(NodeEvent::Address(enode));
        }
    }

    fn sample(&self) {
        let Some(discovery) = &self.node.discovery else { return };
        let now = self.node.env.now();
        let mut skew = self.node.skew.lock();
        for sample in discovery.clock_samples() {
            // The youngest of each source is given again at every look; what came since the last one counts.
            let age = Duration::from_millis(now.unix.millis().saturating_sub(sample.at.millis()));
            let Some(address) = address_of(&sample.prefix).filter(|_| age <= 2 * limits::SAMPLE_EVERY) else {
                continue;
            };
            skew.sample(now.mono, SkewSource::Address(address), SkewKind::Discovery, sample.offset_ms);
        }
    }

    async fn remember(&self, peers: Vec<Remembered>) {
        let Some(home) = self.node.home.clone() else { return };
        write_peers(home, peers).await;
    }
}

fn address_of(network: &undertone_devp2p::discv4::Network) -> Option<IpAddr> {
    network.to_string().split('/').next()?.parse().ok()
}

/// Reads what the last run wrote. A file that cannot be read is set aside with a warning: the node starts without it.
pub(crate) fn read_peers(home: &Path) -> Vec<Remembered> {
    let file = home.join(PEERS_FILE);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, code = "node.peers_file", "the remembered peers cannot be read");
            return Vec::new();
        }
    };
    undertone_peers::remembered::decode(&bytes).unwrap_or_else(|error| {
        tracing::warn!(%error, code = error.code(), "the remembered peers are set aside");
        let _ = std::fs::rename(&file, home.join(format!("{PEERS_FILE}.damaged")));
        Vec::new()
    })
}

async fn write_peers(home: PathBuf, peers: Vec<Remembered>) {
    let write = move || write_private(&home.join(PEERS_FILE), &undertone_peers::remembered::encode(&peers));
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, code = error.code(), "the peers cannot be written down"),
        // The runtime stops.
        Err(_) => {}
    }
}

/// The next value of something watched; never when there is nothing, or nobody changes it any more.
async fn changed<T: Clone>(watched: &mut Option<watch::Receiver<T>>) -> T {
    if let Some(receiver) = watched
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    *watched = None;
    std::future::pending().await
}

async fn next(found: &mut Option<FoundReceiver>) -> Option<Found> {
    match found {
        Some(found) => found.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use undertone_base::Unix;
    use undertone_support::rng;

    #[tokio::test]
    async fn peers_survive_the_disk_and_a_damaged_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_peers(dir.path()).is_empty());
        let key = undertone_devp2p::NodeKey::random(&mut rng(1)).public();
        let at = undertone_devp2p::Endpoint {
            host: undertone_devp2p::Host::Ip("10.0.0.1".parse().unwrap()),
            tcp: 30303,
            udp: 30303,
        };
        let peer = Remembered { enode: Enode::new(key, at), last: Unix::from_secs(1), merit: 7 };
        write_peers(dir.path().to_owned(), vec![peer.clone()]).await;
        assert_eq!(read_peers(dir.path()), [peer]);

        std::fs::write(dir.path().join(PEERS_FILE), b"not a list").unwrap();
        assert!(read_peers(dir.path()).is_empty());
        assert!(!dir.path().join(PEERS_FILE).exists());
        assert_eq!(std::fs::read(dir.path().join("peers.damaged")).unwrap(), b"not a list");
    }
}
