//! Making a list.

use std::collections::BTreeMap;

use super::DnsError;
use super::entry::{Entry, Link, Root, TreeHash};
use crate::enr::Record;
use crate::limits::DNS_CHILDREN;
use crate::node_key::NodeKey;
use undertone_crypto::PublicKey;

/// A signed list, ready to be published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tree {
    key: PublicKey,
    root: Root,
    entries: BTreeMap<TreeHash, Entry>,
}

impl Tree {
    /// Builds and signs a list. Nodes are sorted by id, links by text, doubles are dropped. A higher `seq` than
    /// that of the list published before makes readers take the new one.
    pub fn build(records: &[Record], links: &[Link], seq: u64, key: &NodeKey) -> Self {
        let mut entries = BTreeMap::new();
        let nodes: BTreeMap<_, _> = records.iter().map(|r| (*r.id(), Entry::Node(r.clone()))).collect();
        let links: BTreeMap<_, _> = links.iter().map(|l| (l.to_string(), Entry::Link(l.clone()))).collect();
        let nodes = subtree(&mut entries, nodes.into_values().collect());
        let links = subtree(&mut entries, links.into_values().collect());
        Self { key: key.public(), root: Root::sign(nodes, links, seq, key), entries }
    }

    /// Name and text of every TXT record when the root is at `domain`. A text above 255 bytes is published as
    /// several strings of one record.
    pub fn records(&self, domain: &str) -> BTreeMap<String, String> {
        let below = self.entries.iter().map(|(hash, entry)| (format!("{hash}.{domain}"), entry.to_string()));
        below.chain([(domain.to_owned(), self.root.to_string())]).collect()
    }

    /// What readers are given to find the list at `domain`.
    ///
    /// # Errors
    /// [`DnsError::Link`] when `domain` is no name.
    pub fn link(&self, domain: &str) -> Result<Link, DnsError> {
        Link::new(self.key, domain)
    }

    /// The signed root.
    pub const fn root(&self) -> &Root {
        &self.root
    }
}

/// Adds the entries and the branches above them; gives the hash of the topmost.
fn subtree(all: &mut BTreeMap<TreeHash, Entry>, mut entries: Vec<Entry>) -> TreeHash {
    // As geth builds it: a single entry is its own subtree, up to a branch's children hang on one branch, and
    // more are cut into parts that each hold as many full branches as fit.
    if entries.len() == 1 || entries.is_empty() {
        return add(all, entries.pop().unwrap_or(Entry::Branch(Vec::new())));
    }
    if entries.len() <= DNS_CHILDREN {
        let children = entries.into_iter().map(|entry| add(all, entry)).collect();
        return add(all, Entry::Branch(children));
    }
    let mut part = DNS_CHILDREN;
    while part.saturating_mul(DNS_CHILDREN) < entries.len() {
        part = part.saturating_mul(DNS_CHILDREN);
    }
    let children = entries.chunks(part).map(|part| subtree(all, part.to_vec())).collect();
    add(all, Entry::Branch(children))
}

fn add(all: &mut BTreeMap<TreeHash, Entry>, entry: Entry) -> TreeHash {
    let hash = TreeHash::of(&entry.to_string());
    all.insert(hash.clone(), entry);
    hash
}
