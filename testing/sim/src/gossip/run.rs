//! From a scenario to a report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use undertone_whisper::{Config, Pow, Watch};

use super::liar::{Attack, Liar, SLOW_KIB};
use super::measure::Measure;
use super::node::{Counted, Node, Post, Relay};
use crate::engine::{NodeId, Rolls as _, Sim};
use crate::figures::{mean, quantile, ratio};
use crate::layout::{Layout, second};
use crate::report::{Report, Slack};
use crate::scenario::{GossipPlan, Scenario, TrafficPlan};

/// Second of the first post: by then links that are dialled at the start stand.
const FIRST_POST: u32 = 3;

/// Runs a scenario to its end.
pub fn run(scenario: &Scenario, plan: &GossipPlan) -> Report {
    let Layout { mut sim, mut rng, skewed, .. } = Layout::new(scenario, machines(scenario, plan));
    for node in slow(sim.machines()) {
        sim.set_reading(node, SLOW_KIB);
    }
    post(scenario, &plan.traffic, &mut sim, &mut rng);
    let mut measure = Measure::new(scenario.nodes as usize, scenario.honest());
    sim.run(second(scenario.seconds), |at, node, told| measure.observe(at, node, told));
    report(scenario, &sim, measure, &skewed)
}

fn machines(scenario: &Scenario, plan: &GossipPlan) -> Vec<Node> {
    let normal = Config::default();
    let config = Config {
        watch: Watch::All,
        max_envelopes: plan.pool.envelopes.unwrap_or(normal.max_envelopes),
        max_bytes: plan.pool.bytes.unwrap_or(normal.max_bytes),
        ..normal
    };
    let relay = |_| Node::Relay(Relay::new(config));
    let attacks = plan.attacks.iter().copied().cycle();
    let liar = |(_, attack)| Node::Liar(Liar::new(attack, plan.flood));
    let honest = scenario.honest();
    (0..honest).map(relay).chain((honest..scenario.nodes).zip(attacks).map(liar)).collect()
}

fn slow(machines: &[Node]) -> Vec<NodeId> {
    let slow = |node: &Node| matches!(node, Node::Liar(liar) if liar.attack() == Attack::Slow);
    (0..).map(NodeId).zip(machines).filter(|(_, node)| slow(node)).map(|(node, _)| node).collect()
}

fn post(scenario: &Scenario, plan: &TrafficPlan, sim: &mut Sim<Node>, rng: &mut ChaCha20Rng) {
    let honest = u64::from(scenario.honest());
    let post =
        Post { data_bytes: plan.data_bytes, ttl: plan.ttl, pow: Pow::new(plan.pow).unwrap_or(Pow::ZERO) };
    let gap = Duration::from_secs(u64::from(plan.seconds)) / plan.envelopes;
    for number in 0..plan.envelopes {
        let node = NodeId(u32::try_from(rng.below(honest)).unwrap_or(0));
        sim.command(second(FIRST_POST).after(gap * number), node, post);
    }
}

/// Of the pairs of a post and another honest node, which arrived: between right clocks, to wrong ones, from them.
fn delivery(measure: &Measure, honest: u32, skewed: &BTreeSet<NodeId>) -> [(u64, u64); 3] {
    let mut pairs = [(0, 0); 3];
    for post in measure.posts() {
        for node in (0..honest).map(NodeId).filter(|node| *node != post.by) {
            let kind = match (skewed.contains(&post.by), skewed.contains(&node)) {
                (false, false) => 0,
                (false, true) => 1,
                (true, _) => 2,
            };
            if let Some((arrived, all)) = pairs.get_mut(kind) {
                *arrived += u64::from(post.reached(node));
                *all += 1;
            }
        }
    }
    pairs
}

/// What liars did, by kind, and how many envelopes they made that honest nodes may accept.
fn harm(sim: &Sim<Node>) -> (BTreeMap<Attack, u64>, u64) {
    let (mut did, mut junk) = (BTreeMap::new(), 0);
    for node in sim.machines() {
        if let Node::Liar(liar) = node {
            *did.entry(liar.attack()).or_default() += liar.did();
            junk += liar.made();
        }
    }
    (did, junk)
}

/// What honest nodes counted: sums, and the fullest of each.
fn count(sim: &Sim<Node>) -> Counted {
    let mut all = Counted::default();
    for node in sim.machines() {
        let Node::Relay(relay) = node else { continue };
        let one = relay.counted();
        all = Counted {
            stats: super::node::sum(&all.stats, &one.stats),
            posted: all.posted + one.posted,
            bytes: all.bytes + one.bytes,
            pool_envelopes: all.pool_envelopes.max(one.pool_envelopes),
            pool_bytes: all.pool_bytes.max(one.pool_bytes),
            queued: all.queued.max(one.queued),
        };
    }
    all
}

fn report(scenario: &Scenario, sim: &Sim<Node>, mut measure: Measure, skewed: &BTreeSet<NodeId>) -> Report {
    const RATE: Slack = Slack::Absolute(0.005);
    const SOME: Slack = Slack::Relative(0.1);
    let honest = scenario.honest();
    let [right, to_skewed, from_skewed] = delivery(&measure, honest, skewed);
    let (all, (did, junk)) = (count(sim), harm(sim));
    let (stats, traffic) = (all.stats, sim.traffic());
    let received = stats.accepted.saturating_sub(all.posted);
    for list in [&mut measure.latency, &mut measure.hop, &mut measure.hops] {
        list.sort_unstable();
    }
    let millis = |sorted: &[u32], share| quantile(sorted, share) / 1_000.0;

    let mut report = Report::new(scenario.name.clone(), sim.log());
    report.put("delivery", ratio(right.0, right.1), RATE);
    if scenario.skew.is_some() {
        report.put("delivery_to_skewed", ratio(to_skewed.0, to_skewed.1), Slack::Absolute(0.05));
        report.put("delivery_from_skewed", ratio(from_skewed.0, from_skewed.1), Slack::Absolute(0.05));
    }
    let once = (all.posted + junk) * u64::from(honest.saturating_sub(1));
    report.put("accepts", ratio(received, once), SOME);
    report.put("copies", ratio(received + stats.duplicates, received), SOME);
    report.put("bytes_per_accepted", ratio(all.bytes, received), SOME);
    report.put("envelopes_per_packet", ratio(stats.relayed, stats.bundles), SOME);
    report.put("latency_p50_ms", millis(&measure.latency, 0.5), SOME);
    report.put("latency_p99_ms", millis(&measure.latency, 0.99), SOME);
    report.put("latency_most_ms", millis(&measure.latency, 1.0), Slack::Relative(0.25));
    report.put("hop_p50_ms", millis(&measure.hop, 0.5), SOME);
    report.put("hop_p99_ms", millis(&measure.hop, 0.99), SOME);
    report.put("hops_mean", mean(&measure.hops), SOME);
    report.put("hops_most", quantile(&measure.hops, 1.0), Slack::Absolute(2.0));
    report.put("pool_envelopes_most", ratio(all.pool_envelopes as u64, 1), SOME);
    report.put("pool_kib_most", ratio(all.pool_bytes as u64, 1_024), SOME);
    report.put("refused_early", ratio(stats.early, 1), SOME);
    report.put("refused_expired", ratio(stats.expired, 1), SOME);
    report.put("evicted", ratio(stats.evicted, 1), SOME);
    report.put("drops_of_honest", ratio(measure.drops_of_honest, 1), Slack::Absolute(0.0));
    report.put("drops_of_liars", ratio(measure.drops_of_liars, 1), SOME);
    if !did.is_empty() {
        report.put("queued_kib_most", ratio(all.queued as u64, 1_024), SOME);
        report.put("ignored_packets", ratio(stats.ignored_packets, 1), SOME);
    }
    for (attack, count) in did {
        report.put(attack.figure(), ratio(count, 1), SOME);
    }
    report.put("resets", ratio(traffic.resets, 1), SOME);
    report.put("links", ratio(traffic.links, 1), SOME);
    report.put("virtual_packets", ratio(traffic.packets, 1), SOME);
    report
}
