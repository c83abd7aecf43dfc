//! Following lists for as long as the node runs.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use undertone_devp2p::discv4::{Contact, Network};
use undertone_devp2p::dnsdisc::{Link, TreeEvent};
use undertone_devp2p::enr::Record;

use super::pump::Pump;
use super::{Asker, DnsResolver};
use crate::config::{Found, Source};
use crate::found::Finder;
use crate::limits::MAX_DNS_KEPT;
use crate::task::Command;

/// Reads the configured lists and those that they name, and looks every half hour whether they changed.
pub(crate) struct Follower {
    pub(crate) links: Vec<Link>,
    /// The highest numbers seen, from the database.
    pub(crate) seen: BTreeMap<Link, u64>,
    pub(crate) resolver: DnsResolver,
    /// If not empty: nodes elsewhere are left out.
    pub(crate) restrict: Vec<Network>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) found: Finder,
}

/// What a list last had.
#[derive(Debug, Default)]
struct Kept {
    nodes: Vec<Found>,
    read: Read,
}

/// When the nodes came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Read {
    #[default]
    Before,
    Now,
}

impl Follower {
    pub(crate) async fn run(self, stop: CancellationToken) {
        // Ends by the token alone, or with the task that takes the nodes.
        stop.run_until_cancelled(self.follow()).await;
    }

    /// Nodes come once when a list is read, and those that are kept again whenever it was looked at: whoever dials may
    /// have had no use for them then.
    async fn follow(self) {
        let mut pump = Pump::new(Asker::new(&self.resolver));
        let add = |pump: &mut Pump, link: Link| {
            let seen = self.seen.get(&link).copied().unwrap_or_default();
            pump.add(link, seen);
        };
        self.links.iter().for_each(|link| add(&mut pump, link.clone()));
        // As many lists as the pump reads.
        let mut kept: BTreeMap<Link, Kept> = BTreeMap::new();
        loop {
            let (link, event) = pump.next().await;
            let sent = match event {
                TreeEvent::Node(record) => self.node(record, kept.entry(link).or_default()).await,
                TreeEvent::Link(other) => {
                    add(&mut pump, other);
                    Ok(())
                }
                TreeEvent::Root { seq } => {
                    kept.remove(&link);
                    self.commands.send(Command::List { link, seq }).await
                }
                TreeEvent::Synced { seq } => {
                    tracing::debug!(domain = link.domain(), seq, "node list read");
                    let kept = kept.entry(link).or_default();
                    if std::mem::replace(&mut kept.read, Read::Before) == Read::Before {
                        kept.nodes.iter().for_each(|found| self.found.send(found.clone()));
                    }
                    Ok(())
                }
                TreeEvent::Failed(error) => {
                    let (domain, code) = (link.domain(), error.code());
                    tracing::warn!(domain, %error, code, "node list cannot be read");
                    Ok(())
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// The signer of a list is a stranger: a node at an address that cannot be public is left out.
    async fn node(&self, record: Record, kept: &mut Kept) -> Result<(), mpsc::error::SendError<Command>> {
        let Some(contact) = Contact::of_record(&record) else { return Ok(()) };
        let ip = contact.address.ip();
        if !self.restrict.is_empty() && !self.restrict.iter().any(|network| network.contains(ip)) {
            return Ok(());
        }
        let found = Found { enode: contact.to_enode(), record: Some(record.clone()), source: Source::Dns };
        self.found.send(found.clone());
        kept.read = Read::Now;
        kept.nodes.retain(|other| other.enode.key() != found.enode.key());
        if kept.nodes.len() < MAX_DNS_KEPT {
            kept.nodes.push(found);
        }
        self.commands.send(Command::Listed(vec![record])).await
    }
}
