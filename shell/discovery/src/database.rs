//! What discovery keeps across restarts: one file, replaced whole.
//!
//! ```text
//! offset  size  content
//!      0     4  "UNDB"
//!      4     1  version, 1
//!      5     …  sections: tag (1), length (4, big-endian), content
//!   last    32  Keccak-256 of all before
//! ```
//! Sections: 1 the node's own record, as RLP; 2 a node that proved its endpoint (`StoredNode`), any number; 3 the
//! sequence number (8, big-endian) and the address of a DNS list, any number. Other tags are skipped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use undertone_base::{Mono, Now, Reader, Unix};
use undertone_crypto::keccak256;
use undertone_devp2p::NodeId;
use undertone_devp2p::discv4::StoredNode;
use undertone_devp2p::dnsdisc::Link;
use undertone_devp2p::enr::Record;
use undertone_devp2p::limits::{MAX_STORED, SEED_AGE};
use undertone_runtime::write_private;

use crate::limits::{MAX_DATABASE, MAX_DNS_SEQS, SAVE_INTERVAL};

const MAGIC: [u8; 4] = *b"UNDB";
const VERSION: u8 = 1;
const OWN: u8 = 1;
const NODE: u8 = 2;
const LIST: u8 = 3;

/// What is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Content {
    /// The node's own record, with the highest number that was ever told to others.
    pub(crate) own: Option<Record>,
    /// Who proved its endpoint; at most [`MAX_STORED`], the least recent goes.
    pub(crate) nodes: BTreeMap<NodeId, StoredNode>,
    /// The highest number seen of each list; at most [`MAX_DNS_SEQS`], further ones are not kept.
    pub(crate) lists: BTreeMap<Link, u64>,
}

/// The content and its file, if there is one.
#[derive(Debug)]
pub(crate) struct Database {
    path: Option<PathBuf>,
    content: Content,
    changed: bool,
    next_save: Mono,
    warned: bool,
}

impl Database {
    /// Reads the file. One that is damaged is renamed, and the node starts without.
    pub(crate) fn open(path: Option<PathBuf>, now: Now) -> Self {
        let content = path.as_deref().and_then(load).unwrap_or_default();
        // The first nodes are kept soon: a run that is killed after ten minutes has not been for nothing.
        Self { path, content, changed: false, next_save: now.mono, warned: false }
    }

    pub(crate) const fn content(&self) -> &Content {
        &self.content
    }

    /// Keeps the node's own record. Must be [saved](Self::save) before the record is told to others.
    pub(crate) fn set_own(&mut self, record: Record) {
        self.content.own = Some(record);
        self.changed = true;
    }

    /// Keeps nodes, each by its key, and forgets those that nobody would start from.
    pub(crate) fn add_nodes(&mut self, nodes: Vec<StoredNode>, now: Unix) {
        for node in nodes {
            self.content.nodes.insert(*node.contact.id(), node);
        }
        let age =
            |node: &StoredNode| Duration::from_millis(now.millis().saturating_sub(node.last_pong.millis()));
        self.content.nodes.retain(|_, node| age(node) < SEED_AGE);
        while self.content.nodes.len() > MAX_STORED {
            let oldest = self.content.nodes.iter().min_by_key(|(_, node)| node.last_pong).map(|(id, _)| *id);
            oldest.and_then(|id| self.content.nodes.remove(&id));
        }
        self.changed = true;
    }

    /// Keeps the number of a list if it is higher than the known one.
    pub(crate) fn set_list(&mut self, link: Link, seq: u64) {
        let known = self.content.lists.get(&link).copied();
        if known.is_none() && self.content.lists.len() >= MAX_DNS_SEQS {
            return;
        }
        if known.is_none_or(|known| known < seq) {
            self.content.lists.insert(link, seq);
            self.changed = true;
        }
    }

    /// Whether there is something to save, and it is time to.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.changed && self.path.is_some() && self.next_save <= now.mono
    }

    /// Writes the file if anything changed. A failure is warned of once; it is tried again at the next occasion.
    pub(crate) async fn save(&mut self, now: Now) {
        self.next_save = now.mono.after(SAVE_INTERVAL);
        let Some(path) = self.path.clone().filter(|_| self.changed) else { return };
        let bytes = encode(&self.content);
        let shown = path.clone();
        let written = tokio::task::spawn_blocking(move || write_private(&path, &bytes)).await;
        match written {
            Ok(Ok(())) => (self.changed, self.warned) = (false, false),
            Ok(Err(error)) if !self.warned => {
                self.warned = true;
                let code = error.code();
                tracing::warn!(path = %shown.display(), %error, code, "the database of nodes cannot be written");
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

fn load(path: &Path) -> Option<Content> {
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            let code = "discovery.database";
            tracing::warn!(path = %path.display(), %error, code, "the database of nodes cannot be read");
            return None;
        }
    };
    let content = decode(&bytes);
    if content.is_none() {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".damaged");
        let moved = fs::rename(path, &aside).is_ok();
        let code = "discovery.database_damaged";
        tracing::warn!(path = %path.display(), moved, code, "the database of nodes is damaged: starting without it");
    }
    content
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there is more, which is as good as a wrong hash.
    let limit = u64::try_from(MAX_DATABASE).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn encode(content: &Content) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    let mut section = |tag: u8, bytes: &[u8]| {
        // No section comes near 4 GiB: records have 300 bytes, links 260.
        let length = u32::try_from(bytes.len()).unwrap_or_default();
        out.push(tag);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(bytes);
    };
    if let Some(own) = &content.own {
        section(OWN, own.as_bytes());
    }
    for node in content.nodes.values() {
        section(NODE, &node.encode());
    }
    for (link, seq) in &content.lists {
        let mut bytes = seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(link.to_string().as_bytes());
        section(LIST, &bytes);
    }
    let hash = keccak256(&out);
    out.extend_from_slice(&hash);
    out
}

/// `None` for a file that is not whole, is of another version, or was written by nobody of ours. A single node or list
/// that does not read is left out: its form may have changed.
fn decode(bytes: &[u8]) -> Option<Content> {
    if bytes.len() > MAX_DATABASE {
        return None;
    }
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if keccak256(body) != hash {
        return None;
    }
    let mut reader = Reader::new(body);
    if reader.take::<4>().ok()? != MAGIC || reader.take::<1>().ok()? != [VERSION] {
        return None;
    }
    let mut content = Content::default();
    while let Ok([tag]) = reader.take::<1>() {
        let length = usize::try_from(u32::from_be_bytes(reader.take().ok()?)).ok()?;
        let section = reader.sub(length).ok()?;
        match tag {
            OWN => content.own = Some(Record::decode(section).ok()?),
            NODE if content.nodes.len() < MAX_STORED => {
                if let Some(node) = StoredNode::decode(section) {
                    content.nodes.insert(*node.contact.id(), node);
                }
            }
            LIST if content.lists.len() < MAX_DNS_SEQS => {
                if let Some((link, seq)) = decode_list(section) {
                    content.lists.insert(link, seq);
                }
            }
            _ => {}
        }
    }
    Some(content)
}

fn decode_list(section: &[u8]) -> Option<(Link, u64)> {
    let mut reader = Reader::new(section);
    let seq = u64::from_be_bytes(reader.take().ok()?);
    let link = std::str::from_utf8(reader.rest()).ok()?.parse().ok()?;
    Some((link, seq))
}

#[cfg(test)]
mod tests;
