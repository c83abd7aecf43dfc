//! Who got what over which link.

use std::collections::BTreeMap;

use undertone_base::Mono;
use undertone_whisper::EnvelopeHash;

use super::plan::MixedPlan;
use crate::endpoint::Told;
use crate::engine::{LinkId, NodeId};

/// What a node speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Bridge,
    Waku,
    Whisper,
}

impl Kind {
    pub(super) const fn of(plan: &MixedPlan, node: NodeId) -> Self {
        if node.0 < plan.whisper {
            Self::Whisper
        } else if node.0 < plan.plain() {
            Self::Waku
        } else {
            Self::Bridge
        }
    }
}

/// What the events of a run add up to.
#[derive(Debug)]
pub(super) struct Tally {
    plan: MixedPlan,
    posts: BTreeMap<EnvelopeHash, (NodeId, Mono)>,
    /// When a node took an envelope.
    taken: BTreeMap<(EnvelopeHash, NodeId), Mono>,
    /// How often an envelope came over a link to a node.
    came: BTreeMap<(EnvelopeHash, LinkId, NodeId), u32>,
    pub(super) taken_twice: u64,
    pub(super) drops: u64,
}

impl Tally {
    pub(super) const fn new(plan: MixedPlan) -> Self {
        Self {
            plan,
            posts: BTreeMap::new(),
            taken: BTreeMap::new(),
            came: BTreeMap::new(),
            taken_twice: 0,
            drops: 0,
        }
    }

    pub(super) fn observe(&mut self, at: Mono, node: NodeId, told: &Told) {
        match told {
            Told::Came { hash, link } => *self.came.entry((*hash, *link, node)).or_default() += 1,
            Told::Carried { hash, .. } => {
                let before = self.taken.insert((*hash, node), at);
                self.taken_twice += u64::from(before.is_some());
            }
            Told::Dropped => self.drops += 1,
            Told::Sealed { hash, .. } => {
                self.posts.insert(*hash, (node, at));
            }
            _ => {}
        }
    }

    pub(super) fn posts(&self) -> u64 {
        self.posts.len() as u64
    }

    /// Of the pairs of an envelope and another node, how many arrived, and how many there are: all, and those of a
    /// Whisper and a Waku node.
    pub(super) fn delivery(&self, nodes: u32) -> [(u64, u64); 2] {
        let mut pairs = [(0, 0); 2];
        for (hash, (author, _)) in &self.posts {
            for node in (0..nodes).map(NodeId).filter(|node| node != author) {
                let [from, to] = [*author, node].map(|node| Kind::of(&self.plan, node));
                let across = from != to && from != Kind::Bridge && to != Kind::Bridge;
                let arrived = u64::from(self.taken.contains_key(&(*hash, node)));
                let [all, far] = &mut pairs;
                *all = (all.0 + arrived, all.1 + 1);
                if across {
                    *far = (far.0 + arrived, far.1 + 1);
                }
            }
        }
        pairs
    }

    /// Microseconds from each post to each arrival, sorted.
    pub(super) fn latency(&self) -> Vec<u32> {
        let micros = |((hash, _), at): (&(EnvelopeHash, NodeId), &Mono)| {
            let (_, posted) = self.posts.get(hash)?;
            u32::try_from(at.since(*posted).as_micros()).ok()
        };
        let mut latency: Vec<u32> = self.taken.iter().filter_map(micros).collect();
        latency.sort_unstable();
        latency
    }

    /// Receptions, by whether a node is a bridge.
    pub(super) fn receptions(&self, bridge: bool) -> u64 {
        let counts = |node: &NodeId| (Kind::of(&self.plan, *node) == Kind::Bridge) == bridge;
        self.came.iter().filter(|((_, _, node), _)| counts(node)).map(|(_, count)| u64::from(*count)).sum()
    }

    /// Receptions over a link and in a direction that had carried the envelope.
    pub(super) fn again(&self) -> u64 {
        self.came.values().map(|count| u64::from(count.saturating_sub(1))).sum()
    }

    /// Receptions of an envelope that the other end of the link got over it too.
    pub(super) fn crossed(&self) -> u64 {
        let mut ends: BTreeMap<(EnvelopeHash, LinkId), u64> = BTreeMap::new();
        for (hash, link, _) in self.came.keys() {
            *ends.entry((*hash, *link)).or_default() += 1;
        }
        ends.values().filter(|ends| **ends > 1).sum()
    }
}
