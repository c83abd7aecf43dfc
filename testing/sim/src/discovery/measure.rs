//! Who knows whom.

use std::collections::BTreeSet;

use super::company::Peer;
use super::node::Node;
use super::world::World;
use crate::engine::NodeId;
use crate::figures::{quantile, ratio};
use crate::report::{Report, Slack};

const SOME: Slack = Slack::Relative(0.15);
const RATE: Slack = Slack::Absolute(0.1);
/// Of the worst of few nodes.
const WORST: Slack = Slack::Absolute(0.25);

/// What honest nodes know at one time.
#[derive(Debug)]
pub(super) struct Known {
    /// By honest node: how many, and how many of them are liars.
    counts: Vec<u32>,
    /// In thousandths.
    hostile: Vec<u32>,
    across: Vec<u32>,
    parts: usize,
}

impl Known {
    pub(super) fn take(world: &World, nodes: &[Node], side: Option<&BTreeSet<NodeId>>) -> Self {
        let mut known = Self { counts: Vec::new(), hostile: Vec::new(), across: Vec::new(), parts: 0 };
        let mut groups = Groups::new(world.honest.len());
        for (me, node) in (0..).map(NodeId).zip(nodes).filter_map(|(me, node)| Some((me, node.honest()?))) {
            let all = node.known();
            let honest: Vec<NodeId> =
                all.iter().filter_map(|contact| world.honest_at(contact.address.ip())).collect();
            honest.iter().for_each(|other| groups.join(me.index(), other.index()));
            known.counts.push(u32::try_from(all.len()).unwrap_or(u32::MAX));
            known.hostile.push(thousandths(all.len() - honest.len(), all.len()));
            if let Some(side) = side {
                let other = |node: &&NodeId| side.contains(node) != side.contains(&me);
                known.across.push(thousandths(honest.iter().filter(other).count(), all.len()));
            }
        }
        known.parts = groups.count();
        [&mut known.counts, &mut known.hostile, &mut known.across]
            .into_iter()
            .for_each(|list| list.sort_unstable());
        known
    }

    /// Adds the figures; `at` ends their names.
    pub(super) fn put(&self, report: &mut Report, at: &str, liars: bool) {
        let mut put = |name: &str, value, slack| report.put(format!("{name}{at}"), value, slack);
        put("known_min", quantile(&self.counts, 0.0), Slack::Relative(0.25));
        put("known_p50", quantile(&self.counts, 0.5), SOME);
        put("known_max", quantile(&self.counts, 1.0), SOME);
        put("parts", ratio(self.parts as u64, 1), Slack::Absolute(0.0));
        if liars {
            put("hostile_known_p50", quantile(&self.hostile, 0.5) / 1_000.0, RATE);
            put("hostile_known_max", quantile(&self.hostile, 1.0) / 1_000.0, RATE);
        }
        if !self.across.is_empty() {
            put("across_min", quantile(&self.across, 0.0) / 1_000.0, RATE);
            put("across_p50", quantile(&self.across, 0.5) / 1_000.0, RATE);
        }
    }
}

/// Whom honest nodes are linked to at one time.
#[derive(Debug)]
pub(super) struct Linked {
    /// By honest node: links, and of them those that it dialled.
    counts: Vec<u32>,
    dialled: Vec<u32>,
    /// In thousandths of them: those to honest nodes.
    honest: Vec<u32>,
    honest_dialled: Vec<u32>,
    honest_inbound: Vec<u32>,
    /// Nodes without a link to an honest node.
    isolated: usize,
}

impl Linked {
    pub(super) fn take(world: &World, nodes: &[Node]) -> Self {
        let mut linked = Self {
            counts: Vec::new(),
            dialled: Vec::new(),
            honest: Vec::new(),
            honest_dialled: Vec::new(),
            honest_inbound: Vec::new(),
            isolated: 0,
        };
        for node in nodes.iter().filter_map(Node::honest) {
            let peers = node.peers();
            let (dialled, inbound): (Vec<Peer>, Vec<Peer>) = peers.iter().partition(|peer| peer.dialled);
            let honest = |peers: &[Peer]| peers.iter().filter(|peer| world.is_honest(peer.node)).count();
            linked.counts.push(u32::try_from(peers.len()).unwrap_or(u32::MAX));
            linked.dialled.push(u32::try_from(dialled.len()).unwrap_or(u32::MAX));
            linked.honest.push(thousandths(honest(&peers), peers.len()));
            linked.honest_dialled.push(thousandths(honest(&dialled), dialled.len()));
            linked.honest_inbound.push(thousandths(honest(&inbound), inbound.len()));
            linked.isolated += usize::from(honest(&peers) == 0);
        }
        let Self { counts, dialled, honest, honest_dialled, honest_inbound, .. } = &mut linked;
        [counts, dialled, honest, honest_dialled, honest_inbound]
            .into_iter()
            .for_each(|list| list.sort_unstable());
        linked
    }

    /// Adds the figures; `at` ends their names.
    pub(super) fn put(&self, report: &mut Report, at: &str) {
        let mut put = |name: &str, value, slack| report.put(format!("{name}{at}"), value, slack);
        put("links_min", quantile(&self.counts, 0.0), Slack::Relative(0.5));
        put("links_p50", quantile(&self.counts, 0.5), SOME);
        put("dialled_p50", quantile(&self.dialled, 0.5), SOME);
        let share = |list: &[u32], share| quantile(list, share) / 1_000.0;
        put("honest_links_min", share(&self.honest, 0.0), WORST);
        put("honest_links_p01", share(&self.honest, 0.01), WORST);
        put("honest_links_p50", share(&self.honest, 0.5), RATE);
        put("honest_dialled_p50", share(&self.honest_dialled, 0.5), WORST);
        put("honest_inbound_p50", share(&self.honest_inbound, 0.5), RATE);
        put("isolated", ratio(self.isolated as u64, 1), Slack::Absolute(10.0));
    }
}

fn thousandths(of: usize, all: usize) -> u32 {
    u32::try_from((of * 1_000).checked_div(all).unwrap_or(0)).unwrap_or(u32::MAX)
}

/// Sets of nodes that know each other, over whatever others.
#[derive(Debug)]
struct Groups(Vec<usize>);

impl Groups {
    fn new(nodes: usize) -> Self {
        Self((0..nodes).collect())
    }

    fn root(&self, mut node: usize) -> usize {
        while let Some(parent) = self.0.get(node).filter(|parent| **parent != node) {
            node = *parent;
        }
        node
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(parent) = self.0.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    }

    fn count(&self) -> usize {
        self.0.iter().enumerate().filter(|(node, parent)| node == *parent).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_what_is_connected() {
        let mut groups = Groups::new(6);
        for (a, b) in [(0, 1), (4, 5), (5, 1), (2, 2)] {
            groups.join(a, b);
        }
        assert_eq!(groups.count(), 3);
        assert_eq!((thousandths(1, 3), thousandths(1, 0)), (333, 0));
    }
}
