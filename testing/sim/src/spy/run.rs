//! From a scenario to a report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use undertone_transport::Route;
use undertone_whisper::{Advertise, Config, Dialects, TransportConfig, Watch as Which};

use super::judge::{Kind, Learned, Sighting, bits, estimate};
use super::plan::{Asks, Policy, SpyPlan};
use super::watch::Watch;
use crate::endpoint::{Endpoint, Person, Say, Setup, Trace};
use crate::engine::{Log, NodeId, Rolls as _, Sim};
use crate::figures::{quantile, ratio};
use crate::layout::second;
use crate::report::{Report, Slack};
use crate::scenario::{Scenario, share};

/// Second of the first envelope: by then all links stand.
const FIRST: u32 = 3;

/// One way to run a world.
type Setting = (Policy, Asks);

/// All that are run. What relays do with their own words is asked of those alone.
fn settings() -> impl Iterator<Item = Setting> {
    let all = Policy::ALL.into_iter().flat_map(|policy| Asks::ALL.map(|asks| (policy, asks)));
    all.filter(|setting| *setting != (Policy::Own, Asks::All))
}

/// Runs all worlds of a scenario.
pub fn run(scenario: &Scenario, plan: &SpyPlan) -> Report {
    let mut all = Worlds { log: Log::new(), peers: Vec::new(), runs: BTreeMap::new() };
    for number in 0..plan.worlds {
        let world = World::new(scenario, plan, number);
        all.peers.extend(world.degrees());
        for setting in settings() {
            let (watch, log) = world.run(scenario, plan, setting);
            all.log = all.log.then(log);
            all.runs.entry(setting).or_default().push(watch);
        }
    }
    all.report(scenario, plan)
}

/// A topology, and what is said in it.
struct World {
    seed: u64,
    people: Vec<Person>,
    edges: BTreeSet<(NodeId, NodeId)>,
    relays: u32,
    says: Vec<(NodeId, Route, usize)>,
}

impl World {
    fn new(scenario: &Scenario, plan: &SpyPlan, number: u32) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed);
        rng.set_stream(u64::from(number) + 1);
        let seed = scenario.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number));
        let people: Vec<_> = (0..scenario.nodes).map(|node| Person::new(seed, node)).collect();
        let mut edges = BTreeSet::new();
        let below = |rng: &mut ChaCha20Rng, end: u32| u32::try_from(rng.below(u64::from(end))).unwrap_or(0);
        for node in 0..scenario.nodes {
            let [least, most] = plan.dials;
            let wanted =
                if node < plan.relays { least + below(&mut rng, most - least + 1) } else { plan.attach };
            let mut dialled = BTreeSet::new();
            while dialled.len() < wanted as usize {
                let peer = below(&mut rng, plan.relays);
                if peer != node && dialled.insert(peer) {
                    edges.insert((NodeId(node.min(peer)), NodeId(node.max(peer))));
                }
            }
        }
        let clients = scenario.nodes - plan.relays;
        let mut say = || {
            let author = NodeId(below(&mut rng, scenario.nodes));
            let to = (plan.relays + below(&mut rng, clients)) as usize;
            people.get(to).map(|reader| (author, Route::Partition(reader.key), to))
        };
        let says = (0..plan.envelopes).filter_map(|_| say()).collect();
        Self { seed, edges, relays: plan.relays, says, people }
    }

    /// Links among relays, by relay.
    fn degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0; self.relays as usize];
        for (a, b) in self.edges.iter().filter(|(_, b)| b.0 < self.relays) {
            for end in [a, b] {
                if let Some(degree) = degrees.get_mut(end.index()) {
                    *degree += 1;
                }
            }
        }
        degrees
    }

    fn run(&self, scenario: &Scenario, plan: &SpyPlan, (policy, asks): Setting) -> (Watch, Log) {
        let mut sim = Sim::new(self.seed, scenario.link, self.machines(policy, asks));
        for (a, b) in &self.edges {
            sim.link(*a, *b);
        }
        let gap = Duration::from_millis(u64::from(plan.gap_ms));
        for (number, (author, route, to)) in (0..).zip(&self.says) {
            let Some(reader) = self.people.get(*to) else { continue };
            let flush = policy.say(if author.0 < self.relays { Kind::Relay } else { Kind::Client });
            let say = Say { route: route.clone(), to: reader.key, bytes: plan.bytes, flush };
            sim.command(second(FIRST).after(gap * number), *author, say);
        }
        let mut watch = Watch::new(self.relays);
        sim.run(second(scenario.seconds), |at, node, told| watch.observe(at, node, &told));
        (watch, sim.log())
    }

    fn machines(&self, policy: Policy, asks: Asks) -> Vec<Endpoint> {
        let speaks: Arc<[Dialects]> = self.people.iter().map(|_| Dialects::WHISPER).collect();
        let machine = |(number, person): (u32, &Person)| {
            let relay = number < self.relays;
            let flush = policy.flush(if relay { Kind::Relay } else { Kind::Client });
            let gossip = Config { watch: Which::All, flush, ..Config::default() };
            let advertise = if relay { Advertise::Everything } else { asks.advertise() };
            let listens = if relay { Vec::new() } else { vec![person.listen(Route::Partition(person.key))] };
            let config = TransportConfig { gossip, advertise, report: true, ..TransportConfig::default() };
            let speaks = speaks.clone();
            Endpoint::new(Setup { person: person.clone(), config, listens, speaks, trace: Trace::Off })
        };
        (0..).zip(&self.people).map(machine).collect()
    }
}

/// What came out of all worlds.
struct Worlds {
    log: Log,
    peers: Vec<u32>,
    runs: BTreeMap<Setting, Vec<Watch>>,
}

impl Worlds {
    fn report(mut self, scenario: &Scenario, plan: &SpyPlan) -> Report {
        let mut report = Report::new(scenario.name.clone(), self.log);
        self.peers.sort_unstable();
        report.put("worlds", ratio(u64::from(plan.worlds), 1), Slack::Absolute(0.0));
        report.put("envelopes", ratio(u64::from(plan.envelopes), 1), Slack::Absolute(0.0));
        for (name, share) in [("peers_min", 0.0), ("peers_p50", 0.5), ("peers_max", 1.0)] {
            report.put(name, quantile(&self.peers, share), Slack::Absolute(0.0));
        }
        for policy in Policy::ALL {
            self.cost(policy, &mut report);
        }
        for share_of in &plan.observers {
            let count = share(scenario.nodes, *share_of);
            let percent = (share_of * 100.0).round();
            report.put(
                format!("entropy_most_{percent}"),
                bits((scenario.nodes - count) as usize),
                Slack::Absolute(0.0),
            );
            for setting in self.runs.keys() {
                self.judge(scenario, plan, *setting, (count, percent), &mut report);
            }
        }
        report
    }

    /// What a policy costs.
    fn cost(&self, policy: Policy, report: &mut Report) {
        let runs = Asks::ALL.iter().filter_map(|asks| self.runs.get(&(policy, *asks))).flatten();
        let (mut arrived, mut pairs, mut latency) = (0, 0, Vec::new());
        for watch in runs {
            let (some, all) = watch.delivery();
            (arrived, pairs) = (arrived + some, pairs + all);
            latency.extend(watch.ways().flat_map(|way| way.arrivals.iter().flatten()).map(|a| a.micros));
        }
        latency.sort_unstable();
        let name = policy.name();
        report.put(format!("delivery_{name}"), ratio(arrived, pairs), Slack::Absolute(0.005));
        for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
            let millis = quantile(&latency, share) / 1_000.0;
            report.put(format!("latency_{label}_ms_{name}"), millis, Slack::Relative(0.1));
        }
    }

    /// What observers of this number make of it.
    fn judge(
        &self,
        scenario: &Scenario,
        plan: &SpyPlan,
        setting: Setting,
        (count, percent): (u32, f64),
        report: &mut Report,
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed ^ u64::from(count));
        let watches = self.runs.get(&setting).map_or(&[][..], Vec::as_slice);
        let worlds: Vec<Vec<Sighting>> =
            watches.iter().map(|watch| sightings(watch, plan, [scenario.nodes, count], &mut rng)).collect();
        let learned: Vec<Learned> = worlds.iter().map(|world| learn(world)).collect();
        let mut all = Learned::default();
        learned.iter().for_each(|one| all.add(one));
        let (policy, asks) = setting;
        let kinds = match setting {
            (_, Asks::All) => vec![(Kind::Client, "client_asks_all")],
            (Policy::Clients, Asks::Own) => vec![(Kind::Client, "client_asks_own")],
            // What clients do says next to nothing of those who speak as relays.
            (_, Asks::Own) => vec![(Kind::Client, "client_asks_own"), (Kind::Relay, "relay")],
        };
        for (kind, name) in kinds {
            let tail = format!("{}_{name}_{percent}", policy.name());
            let of = |value: &dyn Fn(&Sighting, &Learned) -> f64| -> Vec<(f64, u64)> {
                let world = |(world, own): (&Vec<Sighting>, &Learned)| {
                    let others = all.without(own);
                    let spoken = world.iter().filter(|sighting| sighting.author == kind);
                    spoken.fold((0.0, 0), |sum, one| (sum.0 + value(one, &others), sum.1 + 1))
                };
                worlds.iter().zip(&learned).map(world).collect()
            };
            let named = of(&|sighting, _| f64::from(u8::from(sighting.named())));
            let entropy = of(&|sighting, others| others.judge(sighting).0);
            for (label, values, slack) in [("named", named, 0.03), ("entropy", entropy, 0.25)] {
                let estimate = estimate(&values, &mut rng);
                report.put(format!("{label}_{tail}"), estimate.mean, Slack::Absolute(slack));
                report.put(format!("{label}_low_{tail}"), estimate.low, Slack::Absolute(2.0 * slack));
                report.put(format!("{label}_high_{tail}"), estimate.high, Slack::Absolute(2.0 * slack));
            }
        }
        let (mut entropy, mut surprise, mut count) = (0.0, 0.0, 0);
        for (world, own) in worlds.iter().zip(&learned) {
            let others = all.without(own);
            for sighting in world {
                let bits = others.judge(sighting);
                (entropy, surprise, count) = (entropy + bits.0, surprise + bits.1, count + 1);
            }
        }
        let tail = format!("{}_{}_{percent}", policy.name(), asks.name());
        report.put(format!("verdicts_{tail}"), ratio(count, 1), Slack::Relative(0.1));
        for (label, sum) in [("entropy", entropy), ("surprise", surprise)] {
            report.put(format!("{label}_{tail}"), sum / ratio(count, 1), Slack::Absolute(0.25));
        }
    }
}

/// What sets of observers, drawn from the relays of one run, know of its envelopes.
fn sightings(
    watch: &Watch,
    plan: &SpyPlan,
    [nodes, count]: [u32; 2],
    rng: &mut ChaCha20Rng,
) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    for _ in 0..plan.draws {
        let mut relays: Vec<NodeId> = (0..plan.relays).map(NodeId).collect();
        rng.shuffle(&mut relays);
        let observers = relays.into_iter().take(count as usize).collect();
        sightings.extend(watch.ways().filter_map(|way| Sighting::new(way, &observers, [plan.relays, nodes])));
    }
    sightings
}

fn learn(world: &[Sighting]) -> Learned {
    let mut learned = Learned::default();
    world.iter().for_each(|sighting| learned.learn(sighting));
    learned
}
