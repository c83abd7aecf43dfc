//! From a scenario to a report.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use undertone_transport::{Flush, Route};
use undertone_whisper::{
    Advertise, Bridge, Config, Dialects, Pow, Protocols, TransportConfig, WakuVersion, Watch,
};

use super::plan::MixedPlan;
use super::tally::{Kind, Tally};
use crate::endpoint::{Endpoint, Person, Say, Setup, Trace};
use crate::engine::{NodeId, Rolls as _, Sim};
use crate::figures::{quantile, ratio};
use crate::layout::second;
use crate::report::{Report, Slack};
use crate::scenario::Scenario;

/// Second of the first envelope: by then all links stand.
const FIRST: u32 = 3;

/// Runs a scenario to its end.
pub fn run(scenario: &Scenario, plan: &MixedPlan) -> Report {
    let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed);
    rng.set_stream(u64::MAX);
    let people: Vec<_> = (0..scenario.nodes).map(|node| Person::new(scenario.seed, node)).collect();
    let mut sim = Sim::new(scenario.seed, scenario.link, machines(scenario, plan, &people));
    let edges = edges(scenario, plan, &mut rng);
    for (a, b) in &edges {
        sim.link(*a, *b);
    }
    let gap = Duration::from_secs(u64::from(plan.traffic.seconds)) / plan.traffic.envelopes;
    for number in 0..plan.traffic.envelopes {
        let [author, reader] = [0; 2].map(|_| below(&mut rng, scenario.nodes));
        let Some(reader) = people.get(reader as usize) else { continue };
        let bytes = plan.traffic.data_bytes as usize;
        let say = Say { route: Route::Partition(reader.key), to: reader.key, bytes, flush: Flush::Fast };
        sim.command(second(FIRST).after(gap * number), NodeId(author), say);
    }
    let mut tally = Tally::new(*plan);
    sim.run(second(scenario.seconds), |at, node, told| tally.observe(at, node, &told));
    report(scenario, plan, &sim, &tally, &edges)
}

fn below(rng: &mut ChaCha20Rng, end: u32) -> u32 {
    u32::try_from(rng.below(u64::from(end))).unwrap_or(0)
}

fn machines(scenario: &Scenario, plan: &MixedPlan, people: &[Person]) -> Vec<Endpoint> {
    let old = |node: NodeId| node.0.is_multiple_of(2);
    let speaks = |node: NodeId| match Kind::of(plan, node) {
        Kind::Bridge => Dialects::both(WakuVersion::V1),
        Kind::Waku if old(node) => Dialects::waku(WakuVersion::V0),
        Kind::Waku => Dialects::waku(WakuVersion::V1),
        Kind::Whisper => Dialects::WHISPER,
    };
    let speaks: Arc<[Dialects]> = (0..scenario.nodes).map(NodeId).map(speaks).collect();
    let machine = |person: &Person| {
        let gossip = Config {
            watch: Watch::All,
            protocols: Protocols::BOTH,
            bridge: if plan.bridging { Bridge::On } else { Bridge::Off },
            ..Config::default()
        };
        let config = TransportConfig {
            gossip,
            advertise: Advertise::Everything,
            ttl: plan.traffic.ttl,
            pow: Pow::new(plan.traffic.pow).unwrap_or(Pow::ZERO),
            report: true,
            ..TransportConfig::default()
        };
        let (person, speaks) = (person.clone(), speaks.clone());
        Endpoint::new(Setup { person, config, listens: Vec::new(), speaks, trace: Trace::On })
    };
    people.iter().map(machine).collect()
}

fn edges(scenario: &Scenario, plan: &MixedPlan, rng: &mut ChaCha20Rng) -> BTreeSet<(NodeId, NodeId)> {
    let mut edges = BTreeSet::new();
    let bridges = plan.plain()..scenario.nodes;
    let mut dial = |node: u32, among: std::ops::Range<u32>, count: u32| {
        let mut dialled = BTreeSet::new();
        while dialled.len() < count as usize {
            let peer = among.start + below(rng, among.end - among.start);
            if peer != node && dialled.insert(peer) {
                edges.insert((NodeId(node.min(peer)), NodeId(node.max(peer))));
            }
        }
    };
    for node in 0..plan.plain() {
        let kind = if node < plan.whisper { 0..plan.whisper } else { plan.whisper..plan.plain() };
        dial(node, kind, plan.dials);
        dial(node, bridges.clone(), plan.bridges);
    }
    for node in bridges.clone() {
        dial(node, bridges.clone(), bridges.end - bridges.start - 1);
    }
    edges
}

fn report(
    scenario: &Scenario,
    plan: &MixedPlan,
    sim: &Sim<Endpoint>,
    tally: &Tally,
    edges: &BTreeSet<(NodeId, NodeId)>,
) -> Report {
    const SOME: Slack = Slack::Relative(0.1);
    const NONE: Slack = Slack::Absolute(0.0);
    let mut report = Report::new(scenario.name.clone(), sim.log());
    let [all, across] = tally.delivery(scenario.nodes);
    let latency = tally.latency();
    let [bridge, other] = [true, false].map(|bridge| tally.receptions(bridge));
    let bridges = u64::from(scenario.nodes - plan.plain());
    report.put("posts", ratio(tally.posts(), 1), NONE);
    report.put("delivery", ratio(all.0, all.1), Slack::Absolute(0.005));
    report.put("delivery_across", ratio(across.0, across.1), Slack::Absolute(0.005));
    report.put("taken_twice", ratio(tally.taken_twice, 1), NONE);
    report.put("twice_on_a_link", ratio(tally.again(), 1), NONE);
    report.put("crossed", ratio(tally.crossed(), bridge + other), Slack::Absolute(0.02));
    report.put("copies", ratio(bridge + other, tally.posts() * u64::from(scenario.nodes)), SOME);
    report.put("latency_p50_ms", quantile(&latency, 0.5) / 1_000.0, SOME);
    report.put("latency_p99_ms", quantile(&latency, 0.99) / 1_000.0, SOME);
    report.put("bridge_copies", ratio(bridge, tally.posts() * bridges), SOME);
    report.put("other_copies", ratio(other, tally.posts() * u64::from(plan.plain())), SOME);
    for (name, is_bridge) in [("bridge_kib_per_link", true), ("other_kib_per_link", false)] {
        let here = |node: NodeId| (Kind::of(plan, node) == Kind::Bridge) == is_bridge;
        let links = edges.iter().flat_map(|(a, b)| [a, b]).filter(|node| here(**node)).count() as u64;
        let nodes = (0..).map(NodeId).zip(sim.machines()).filter(|(node, _)| here(*node));
        let bytes: u64 = nodes.map(|(_, node)| node.counted().bytes + node.counted().sent).sum();
        report.put(name, ratio(bytes, links * 1_024), SOME);
    }
    report.put("drops", ratio(tally.drops, 1), NONE);
    report
}
