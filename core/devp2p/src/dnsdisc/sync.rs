//! Reading a list, as a machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use undertone_base::{Mono, Now};

use super::DnsError;
use super::entry::{Entry, Link, Root, TreeHash, TxtRecord, join_txt};
use crate::enr::Record;
use crate::limits::{
    DNS_QUERY_INTERVAL, DNS_RECHECK, DNS_RETRY, DNS_TIMEOUT, MAX_DNS_DEPTH, MAX_DNS_ENTRIES, MAX_DNS_QUERIES,
};

/// Names a question; never used twice by one machine.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct QueryId(u64);

/// A question to the resolver: the TXT records of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// To be given back with the answer.
    pub id: QueryId,
    /// The name, without a dot at its end.
    pub name: String,
}

/// What reading a list gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TreeEvent {
    /// The reading was given up and begins again after [`DNS_RETRY`]. What came before stands.
    Failed(DnsError),
    /// The list names another list, which whoever owns this machine may follow.
    Link(Link),
    /// A record, verified; its node may be anything.
    Node(Record),
    /// A newer root was verified. Its number is to be stored with the link, and given to the next
    /// [`TreeSync::new`].
    Root {
        /// Sequence number.
        seq: u64,
    },
    /// All of the list was read, or it is as it was.
    Synced {
        /// Sequence number.
        seq: u64,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Subtree {
    Links,
    Nodes,
}

#[derive(Clone, Debug)]
struct Wanted {
    hash: TreeHash,
    subtree: Subtree,
    depth: u8,
}

#[derive(Clone, Debug)]
struct Asked {
    /// `None` for the root.
    wanted: Option<Wanted>,
    deadline: Mono,
}

/// Reads one list, and looks every half hour whether it changed.
///
/// Owns the set of hashes still to ask for, bounded by [`MAX_DNS_ENTRIES`]. Links are read before nodes. An
/// entry that is wrong ends the reading: the signer, or whoever answers for the resolver, is not sound. Poll
/// queries until `None`, feed answers, drain events; wake up at [`Self::poll_timeout`].
#[derive(Clone, Debug)]
pub struct TreeSync {
    link: Link,
    seen: u64,
    root: Option<Root>,
    wanted: VecDeque<Wanted>,
    known: BTreeSet<TreeHash>,
    asked: BTreeMap<QueryId, Asked>,
    events: VecDeque<TreeEvent>,
    next_id: u64,
    next_query: Mono,
    /// When to ask for the root; `None` while reading.
    next_root: Option<Mono>,
}

impl TreeSync {
    /// Starts at once. `seen` is the highest sequence number ever seen of this link, 0 if none: the resolver
    /// cannot bring back an older list.
    pub const fn new(link: Link, seen: u64, now: Now) -> Self {
        Self {
            link,
            seen,
            root: None,
            wanted: VecDeque::new(),
            known: BTreeSet::new(),
            asked: BTreeMap::new(),
            events: VecDeque::new(),
            next_id: 0,
            next_query: now.mono,
            next_root: Some(now.mono),
        }
    }

    /// Which list this is.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The highest sequence number seen.
    pub const fn seq(&self) -> u64 {
        self.seen
    }

    /// What to ask the resolver, until `None`.
    pub fn poll_query(&mut self, now: Now) -> Option<Query> {
        if now.mono < self.next_query || self.asked.len() >= MAX_DNS_QUERIES {
            return None;
        }
        let (wanted, name) = if self.next_root.is_some_and(|at| at <= now.mono) {
            self.next_root = None;
            (None, self.link.domain().to_owned())
        } else {
            let wanted = self.wanted.pop_front()?;
            let name = format!("{}.{}", wanted.hash, self.link.domain());
            (Some(wanted), name)
        };
        let id = QueryId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.next_query = now.mono.after(DNS_QUERY_INTERVAL);
        self.asked.insert(id, Asked { wanted, deadline: now.mono.after(DNS_TIMEOUT) });
        Some(Query { id, name })
    }

    /// The answer of the resolver: the TXT records of the name, or `None` when it failed. An answer to a question
    /// that was given up is ignored.
    pub fn handle_answer(&mut self, now: Now, id: QueryId, answer: Option<&[TxtRecord]>) {
        let Some(asked) = self.asked.remove(&id) else { return };
        let texts: Vec<_> = answer.unwrap_or_default().iter().filter_map(join_txt).collect();
        let outcome = match asked.wanted {
            None => self.take_root(&texts),
            Some(wanted) => self.take_entry(&wanted, &texts),
        };
        match outcome {
            Ok(()) => self.finish(now),
            Err(error) => self.fail(now, error),
        }
    }

    /// Gives up questions whose time is over. Early calls are harmless.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.asked.values().any(|asked| asked.deadline <= now.mono) {
            self.fail(now, DnsError::TimedOut);
        }
    }

    /// What happened, until `None`.
    pub fn poll_event(&mut self) -> Option<TreeEvent> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`] and [`Self::poll_query`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let deadline = self.asked.values().map(|asked| asked.deadline).min();
        let room = self.asked.len() < MAX_DNS_QUERIES;
        let query = (room && !self.wanted.is_empty()).then_some(self.next_query);
        let root = self.next_root.map(|at| at.max(self.next_query));
        [deadline, query, root].into_iter().flatten().min()
    }

    fn take_root(&mut self, texts: &[String]) -> Result<(), DnsError> {
        let text = texts.iter().find(|text| Root::is_root(text)).ok_or(DnsError::Missing)?;
        let root: Root = text.parse()?;
        root.verify(self.link.key())?;
        // DEVIATION: geth 1.9.7 takes any signed root (`devp2p.md` 5), so that whoever answers for the resolver can
        // bring back an old list. Pinned by `an_older_root_is_a_replay`.
        if root.seq < self.seen {
            return Err(DnsError::Replayed { seen: self.seen, got: root.seq });
        }
        if root.seq > self.seen {
            self.events.push_back(TreeEvent::Root { seq: root.seq });
        }
        self.seen = root.seq;
        let before = self.root.replace(root.clone());
        self.known.clear();
        if before.as_ref().is_none_or(|before| before.links != root.links) {
            self.want(root.links, Subtree::Links, 0)?;
        }
        if before.as_ref().is_none_or(|before| before.nodes != root.nodes) {
            self.want(root.nodes, Subtree::Nodes, 0)?;
        }
        Ok(())
    }

    fn take_entry(&mut self, wanted: &Wanted, texts: &[String]) -> Result<(), DnsError> {
        let text = texts.iter().find(|text| Entry::is_entry(text)).ok_or(DnsError::Missing)?;
        if !wanted.hash.names(text) {
            return Err(DnsError::HashMismatch);
        }
        match (text.parse()?, wanted.subtree) {
            (Entry::Branch(children), subtree) => {
                let depth = wanted.depth.saturating_add(1);
                if depth > MAX_DNS_DEPTH {
                    return Err(DnsError::TooDeep { max: MAX_DNS_DEPTH });
                }
                children.into_iter().try_for_each(|child| self.want(child, subtree, depth))
            }
            (Entry::Link(link), Subtree::Links) => {
                self.events.push_back(TreeEvent::Link(link));
                Ok(())
            }
            (Entry::Node(record), Subtree::Nodes) => {
                self.events.push_back(TreeEvent::Node(record));
                Ok(())
            }
            (Entry::Link(_), Subtree::Nodes) | (Entry::Node(_), Subtree::Links) => {
                Err(DnsError::WrongSubtree)
            }
        }
    }

    fn want(&mut self, hash: TreeHash, subtree: Subtree, depth: u8) -> Result<(), DnsError> {
        // Both subtrees may be the same empty branch, which is asked for twice.
        if depth > 0 && self.known.contains(&hash) {
            return Ok(());
        }
        if self.known.len() >= MAX_DNS_ENTRIES {
            return Err(DnsError::TooManyEntries { max: MAX_DNS_ENTRIES });
        }
        self.known.insert(hash.clone());
        let wanted = Wanted { hash, subtree, depth };
        match subtree {
            Subtree::Links => self.wanted.push_front(wanted),
            Subtree::Nodes => self.wanted.push_back(wanted),
        }
        Ok(())
    }

    fn finish(&mut self, now: Now) {
        if self.wanted.is_empty() && self.asked.is_empty() && self.next_root.is_none() {
            self.known.clear();
            self.next_root = Some(now.mono.after(DNS_RECHECK));
            self.events.push_back(TreeEvent::Synced { seq: self.seen });
        }
    }

    fn fail(&mut self, now: Now, error: DnsError) {
        self.wanted.clear();
        self.known.clear();
        self.asked.clear();
        // Half a list was read: all of it is asked for again.
        self.root = None;
        self.next_root = Some(now.mono.after(DNS_RETRY));
        self.events.push_back(TreeEvent::Failed(error));
    }
}
