//! From a scenario to a report.

use std::rc::Rc;
use std::time::Duration;

use undertone_base::Mono;

use super::honest::Honest;
use super::liar::Liar;
use super::measure::{Known, Linked};
use super::node::Node;
use super::plan::DiscoveryPlan;
use super::world::World;
use crate::engine::{NodeId, Rolls as _, Sim};
use crate::figures::{quantile, ratio};
use crate::layout::{Layout, second};
use crate::report::{Report, Slack};
use crate::scenario::Scenario;

/// Runs a scenario to its end.
pub fn run(scenario: &Scenario, plan: &DiscoveryPlan) -> Report {
    let world = Rc::new(World::new(scenario, plan));
    let Layout { mut sim, mut rng, sides, .. } = Layout::new(scenario, machines(&world, scenario, plan));
    for (node, ip) in (0..).map(NodeId).zip(world.addresses()) {
        sim.give_address(node, ip);
    }
    for node in (plan.boot..scenario.honest()).map(NodeId) {
        let millis = rng.below(u64::from(plan.arrive) * 1_000);
        sim.start_late(node, Mono::ZERO.after(Duration::from_millis(millis)));
    }
    let mut views = Vec::new();
    for at in plan.checkpoints.iter().chain([&scenario.seconds]) {
        sim.run(second(*at), |_, _, ()| {});
        let known = Known::take(&world, sim.machines(), sides.first());
        let linked = plan.peers.map(|_| Linked::take(&world, sim.machines()));
        views.push((*at, known, linked));
    }
    report(scenario, &sim, &views)
}

fn machines(world: &Rc<World>, scenario: &Scenario, plan: &DiscoveryPlan) -> Vec<Node> {
    let honest = world.honest.iter().map(|me| Node::Honest(Honest::new(Rc::clone(world), me.clone(), plan)));
    let liars = (0..scenario.nodes.saturating_sub(scenario.honest()) as usize)
        .map(|number| Node::Liar(Liar::new(Rc::clone(world), number, plan.liars)));
    honest.chain(liars).collect()
}

fn report(scenario: &Scenario, sim: &Sim<Node>, views: &[(u32, Known, Option<Linked>)]) -> Report {
    const SOME: Slack = Slack::Relative(0.15);
    let mut report = Report::new(scenario.name.clone(), sim.log());
    let liars = scenario.honest() < scenario.nodes;
    for (at, known, linked) in views {
        let at = if *at == scenario.seconds { String::new() } else { format!("_at_{at}") };
        known.put(&mut report, &at, liars);
        if let Some(linked) = linked {
            linked.put(&mut report, &at);
        }
    }
    let honest = || sim.machines().iter().filter_map(Node::honest);
    let mut took: Vec<u32> = honest().filter_map(Honest::took).collect();
    took.sort_unstable();
    let seconds = |share| quantile(&took, share) / 1_000.0;
    report.put("ten_known_p50_s", seconds(0.5), SOME);
    report.put("ten_known_p99_s", seconds(0.99), Slack::Relative(0.3));
    report.put("ten_known_most_s", seconds(1.0), Slack::Relative(0.5));
    let count = |is: fn(&Honest) -> bool| ratio(honest().filter(|node| is(node)).count() as u64, 1);
    report.put("without_ten", count(|node| node.took().is_none()), Slack::Absolute(0.0));
    report.put("records_moved", count(Honest::is_misled), Slack::Absolute(10.0));
    let (traffic, nodes) = (sim.traffic(), u64::from(scenario.nodes));
    report.put("datagrams_per_node", ratio(traffic.datagrams, nodes), SOME);
    report.put("kib_per_node", ratio(traffic.bytes, nodes * 1_024), SOME);
    report
}
