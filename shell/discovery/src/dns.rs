//! Node lists in DNS: who answers, and how lists are read.

mod follow;
mod pump;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::time::timeout;
use undertone_devp2p::dnsdisc::{DnsError, Link, TreeEvent, TxtRecord};
use undertone_devp2p::enr::Record;
use undertone_devp2p::limits::DNS_TIMEOUT;

pub(crate) use follow::Follower;
use pump::Pump;

/// Who answers for DNS.
#[derive(Clone, Default)]
pub enum DnsResolver {
    /// The servers that the system is configured to ask.
    #[default]
    System,
    /// Only these servers, by UDP and, when an answer does not fit, by TCP.
    Servers(Arc<Vec<SocketAddr>>),
    /// These records and nobody: for tests. Names are without a dot at their end.
    Fixed(Arc<BTreeMap<String, Vec<TxtRecord>>>),
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("System"),
            Self::Servers(servers) => write!(f, "Servers({servers:?})"),
            Self::Fixed(zone) => write!(f, "Fixed({} names)", zone.len()),
        }
    }
}

/// A resolver that is ready to be asked. Clones share it.
#[derive(Clone)]
pub(crate) enum Asker {
    /// The system names no servers.
    Nobody,
    Hickory(Arc<TokioResolver>),
    Fixed(Arc<BTreeMap<String, Vec<TxtRecord>>>),
}

impl Asker {
    pub(crate) fn new(resolver: &DnsResolver) -> Self {
        let builder = match resolver {
            DnsResolver::Fixed(zone) => return Self::Fixed(Arc::clone(zone)),
            DnsResolver::System => TokioResolver::builder_tokio(),
            DnsResolver::Servers(servers) => {
                let servers = servers.iter().map(|address| {
                    let connections =
                        [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                            connection.port = address.port();
                            connection
                        });
                    NameServerConfig::new(address.ip(), true, connections.to_vec())
                });
                let config = ResolverConfig::from_name_servers(servers.collect());
                Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
            }
        };
        match builder.map(configure).and_then(ResolverBuilder::build) {
            Ok(resolver) => Self::Hickory(Arc::new(resolver)),
            Err(error) => {
                let code = "discovery.resolver";
                tracing::warn!(%error, code, "no resolver is configured: node lists in dns cannot be read");
                Self::Nobody
            }
        }
    }

    /// The TXT records of a name; `None` when nobody answers in time, or with an error.
    pub(crate) async fn txt(&self, name: &str) -> Option<Vec<TxtRecord>> {
        match self {
            Self::Nobody => None,
            Self::Fixed(zone) => zone.get(name).cloned(),
            Self::Hickory(resolver) => {
                // The dot: no other names are tried.
                let lookup = resolver.lookup(format!("{name}."), RecordType::TXT);
                let answer = match timeout(DNS_TIMEOUT, lookup).await.ok()? {
                    Ok(answer) => answer,
                    Err(error) => {
                        tracing::debug!(name, %error, "no answer");
                        return None;
                    }
                };
                let txt = answer.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(txt) => Some(txt.txt_data.iter().map(|part| part.to_vec()).collect()),
                    _ => None,
                });
                Some(txt.collect())
            }
        }
    }
}

/// Nothing is kept: a list is read again only when its root has changed. Files of the system do not matter.
fn configure(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> ResolverBuilder<TokioRuntimeProvider> {
    let options = builder.options_mut();
    options.timeout = DNS_TIMEOUT;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder
}

/// One list, read once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TreeContent {
    /// Sequence number of its root.
    pub seq: u64,
    /// Records of nodes, verified.
    pub records: Vec<Record>,
    /// Other lists that it names; they were not read.
    pub links: Vec<Link>,
}

/// Reads one list, once. Takes a third of a second for each entry, which is what resolvers are asked at most. May be
/// cancelled.
///
/// # Errors
/// [`DnsError`] of the first entry that is missing or wrong.
pub async fn sync_tree(link: &Link, resolver: &DnsResolver) -> Result<TreeContent, DnsError> {
    let mut pump = Pump::new(Asker::new(resolver));
    pump.add(link.clone(), 0);
    let (mut records, mut links) = (Vec::new(), Vec::new());
    loop {
        match pump.next().await.1 {
            TreeEvent::Failed(error) => return Err(error),
            TreeEvent::Link(link) => links.push(link),
            TreeEvent::Node(record) => records.push(record),
            TreeEvent::Root { .. } => {}
            TreeEvent::Synced { seq } => return Ok(TreeContent { seq, records, links }),
        }
    }
}

#[cfg(test)]
mod tests;
