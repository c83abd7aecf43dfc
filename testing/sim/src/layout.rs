//! From a scenario to a world, whatever runs in it: who is linked to whom, and what goes wrong when.

use std::collections::BTreeSet;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use undertone_base::Mono;

use crate::engine::{Machine, NodeId, Rolls as _, Sim};
use crate::scenario::{Scenario, share};

/// The stream of the generator that lays a scenario out; far from those of nodes and network.
const LAYOUT: u64 = u64::MAX;

/// A world at time zero.
#[derive(Debug)]
pub struct Layout<M: Machine> {
    /// Linked, with everything scheduled that the scenario does to it.
    pub sim: Sim<M>,
    /// For what the family draws itself.
    pub rng: ChaCha20Rng,
    /// Nodes with a wrong clock.
    pub skewed: BTreeSet<NodeId>,
    /// By partition: the nodes of its smaller side.
    pub sides: Vec<BTreeSet<NodeId>>,
}

impl<M: Machine> Layout<M> {
    /// Puts machines, one for each node, into the world of a scenario.
    pub fn new(scenario: &Scenario, machines: Vec<M>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed);
        rng.set_stream(LAYOUT);
        let sim = Sim::new(scenario.seed, scenario.link, machines);
        let mut layout = Self { sim, rng, skewed: BTreeSet::new(), sides: Vec::new() };
        layout.link(scenario);
        layout.skew(scenario);
        layout.part(scenario);
        layout.churn(scenario);
        layout
    }

    /// The union of `degree / 2` random rings, each pair once.
    fn link(&mut self, scenario: &Scenario) {
        let mut edges = BTreeSet::new();
        for _ in 0..scenario.degree / 2 {
            let ring = self.shuffled(scenario.nodes);
            let next = ring.iter().cycle().skip(1);
            edges.extend(ring.iter().zip(next).map(|(a, b)| (*a.min(b), *a.max(b))));
        }
        for (a, b) in edges {
            self.sim.link(a, b);
        }
    }

    fn skew(&mut self, scenario: &Scenario) {
        let Some(plan) = scenario.skew else { return };
        let nodes = self.shuffled(scenario.honest());
        for (position, node) in nodes.into_iter().take(share(scenario.nodes, plan.share) as usize).enumerate()
        {
            let millis = i64::from(plan.seconds) * 1_000;
            self.sim.set_skew(node, if position % 2 == 0 { millis } else { -millis });
            self.skewed.insert(node);
        }
    }

    fn part(&mut self, scenario: &Scenario) {
        for cut in &scenario.partition {
            let mut side = self.shuffled(scenario.nodes);
            side.truncate(share(scenario.nodes, cut.share) as usize);
            self.sim.partition(second(cut.from), second(cut.until), &side);
            self.sides.push(side.into_iter().collect());
        }
    }

    fn churn(&mut self, scenario: &Scenario) {
        let Some(plan) = scenario.churn else { return };
        let nodes = self.shuffled(scenario.honest());
        for node in nodes.into_iter().take(share(scenario.nodes, plan.share) as usize) {
            let span = u64::from(plan.until.saturating_sub(plan.from)) * 1_000;
            let at = second(plan.from).after(Duration::from_millis(self.rng.below(span)));
            self.sim.crash(at, node, Duration::from_millis(u64::from(plan.down_ms)));
        }
    }

    fn shuffled(&mut self, nodes: u32) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = (0..nodes).map(NodeId).collect();
        self.rng.shuffle(&mut nodes);
        nodes
    }
}

/// A second of virtual time.
pub fn second(number: u32) -> Mono {
    Mono::ZERO.after(Duration::from_secs(u64::from(number)))
}
