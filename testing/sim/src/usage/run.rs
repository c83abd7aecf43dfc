//! From a scenario to a report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use undertone_transport::{Flush, Listen, Route};
use undertone_whisper::{
    Advertise, Config, Dialects, EnvelopeHash, Protocols, Stats, Topic, TransportConfig, WakuMode,
    WakuVersion, Watch, topic_of,
};

use super::model::{Case, ENVELOPES_A_DAY, Load, mib};
use super::plan::UsagePlan;
use crate::endpoint::{Endpoint, Person, Say, Setup, Told, Trace, secret};
use crate::engine::{Log, NodeId, Rolls as _, Sim};
use crate::figures::ratio;
use crate::layout::second;
use crate::report::{Report, Slack};
use crate::scenario::Scenario;

/// Second of the first envelope: by then all links stand.
const FIRST: u32 = 3;

const DAY: f64 = 86_400.0;

/// How clients take part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    /// A bloom filter, several relays.
    Whisper,
    /// Topic interest, one relay.
    Waku,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Whisper => "whisper",
            Self::Waku => "waku",
        }
    }
}

/// Runs a scenario in both modes.
pub fn run(scenario: &Scenario, plan: &UsagePlan) -> Report {
    let town = Town::new(scenario, plan);
    let (whisper, log) = town.run(scenario, plan, Mode::Whisper);
    let (waku, other) = town.run(scenario, plan, Mode::Waku);
    let mut report = Report::new(scenario.name.clone(), log.then(other));
    town.report(plan, [(Mode::Whisper, &whisper), (Mode::Waku, &waku)], &mut report);
    report
}

/// Who lives here, and what is written.
struct Town {
    seed: u64,
    people: Vec<Person>,
    relays: u32,
    writes: Vec<(NodeId, NodeId, Route)>,
}

/// What a run came to, over all clients.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    sent: u64,
    opened: u64,
    envelope_bytes: u64,
    /// Bytes of envelopes on topics that the client listens to, once each.
    wanted: u64,
    /// Envelopes that it does not listen to, and their bytes.
    foreign: u64,
    foreign_bytes: u64,
    stats: Stats,
    bytes: u64,
    sent_bytes: u64,
    relay_bytes: u64,
    pool: usize,
}

impl Town {
    fn new(scenario: &Scenario, plan: &UsagePlan) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed);
        rng.set_stream(u64::MAX);
        let people: Vec<_> = (0..scenario.nodes).map(|node| Person::new(scenario.seed, node)).collect();
        let users = scenario.nodes - plan.relays;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not negative")]
        let count = (f64::from(users) * ENVELOPES_A_DAY * f64::from(plan.window) / DAY).round() as u32;
        let mut readers: Vec<u32> = (plan.relays..scenario.nodes).collect();
        rng.shuffle(&mut readers);
        let write = |number: u32| {
            let reader = readers.get((number % users) as usize).copied().unwrap_or(plan.relays);
            let other = u32::try_from(rng.below(u64::from(users - 1))).unwrap_or(0);
            let author = plan.relays + (reader - plan.relays + 1 + other) % users;
            let key = people.get(reader as usize)?.key;
            // By rounds over the readers, so that everybody gets both.
            let private = (number / users).is_multiple_of(2);
            let route = if private { Route::Partition(key) } else { Route::Personal(key) };
            Some((NodeId(author), NodeId(reader), route))
        };
        let writes = (0..count).filter_map(write).collect();
        Self { seed: scenario.seed, relays: plan.relays, writes, people }
    }

    fn users(&self) -> u32 {
        u32::try_from(self.people.len()).unwrap_or(u32::MAX) - self.relays
    }

    fn run(&self, scenario: &Scenario, plan: &UsagePlan, mode: Mode) -> (Sums, Log) {
        let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed);
        let mut sim = Sim::new(self.seed, scenario.link, self.machines(plan, mode));
        for a in 0..self.relays {
            (a + 1..self.relays).for_each(|b| sim.link(NodeId(a), NodeId(b)));
        }
        let attach = if mode == Mode::Waku { 1 } else { plan.attach };
        for user in self.relays..scenario.nodes {
            let mut relays: Vec<NodeId> = (0..self.relays).map(NodeId).collect();
            rng.shuffle(&mut relays);
            relays.into_iter().take(attach as usize).for_each(|relay| sim.link(NodeId(user), relay));
        }
        let gap = Duration::from_secs(u64::from(plan.window))
            / u32::try_from(self.writes.len()).unwrap_or(1).max(1);
        for (number, (author, reader, route)) in (0..).zip(&self.writes) {
            let Some(to) = self.people.get(reader.index()) else { continue };
            let say = Say { route: route.clone(), to: to.key, bytes: plan.bytes, flush: Flush::Fast };
            sim.command(second(FIRST).after(gap * number), *author, say);
        }
        let mut tally = Tally { relays: self.relays, topics: self.topics(), ..Tally::default() };
        sim.run(second(scenario.seconds), |_, node, told| tally.observe(node, &told));
        (tally.sums(&sim), sim.log())
    }

    /// What users listen to on which others write.
    fn topics(&self) -> BTreeMap<NodeId, BTreeSet<Topic>> {
        let of = |person: &Person| {
            let routes = [Route::Partition(person.key), Route::Personal(person.key)];
            routes.iter().filter_map(topic_of).collect()
        };
        (0..).map(NodeId).zip(&self.people).map(|(node, person)| (node, of(person))).collect()
    }

    fn machines(&self, plan: &UsagePlan, mode: Mode) -> Vec<Endpoint> {
        let client = match mode {
            Mode::Waku => Dialects::waku(WakuVersion::V1),
            Mode::Whisper => Dialects::WHISPER,
        };
        let speaks = |node: u32| if node < self.relays { Dialects::both(WakuVersion::V1) } else { client };
        let speaks: Arc<[Dialects]> = (0..).zip(&self.people).map(|(node, _)| speaks(node)).collect();
        let machine = |(number, person): (u32, &Person)| {
            let relay = number < self.relays;
            let advertise = if relay { Advertise::Everything } else { Advertise::Interest };
            let gossip = Config {
                watch: Watch::All,
                protocols: Protocols::BOTH,
                waku: WakuMode::Topics,
                ..Config::default()
            };
            let config = TransportConfig { gossip, advertise, report: true, ..TransportConfig::default() };
            let listens = if relay { Vec::new() } else { self.listens(plan, number, person) };
            let speaks = speaks.clone();
            Endpoint::new(Setup { person: person.clone(), config, listens, speaks, trace: Trace::Off })
        };
        (0..).zip(&self.people).map(machine).collect()
    }

    /// The partition, the topic of one's own, and topics on which nobody writes in this run.
    fn listens(&self, plan: &UsagePlan, number: u32, person: &Person) -> Vec<Listen> {
        let quiet = (2..plan.topics).map(|usage| Route::Personal(secret(self.seed, number, usage).public()));
        let own = [Route::Partition(person.key), Route::Personal(person.key)];
        own.into_iter().chain(quiet).map(|route| person.listen(route)).collect()
    }
}

/// Adds up what clients tell.
#[derive(Debug, Default)]
struct Tally {
    relays: u32,
    topics: BTreeMap<NodeId, BTreeSet<Topic>>,
    readers: BTreeSet<(NodeId, EnvelopeHash)>,
    sums: Sums,
}

impl Tally {
    fn observe(&mut self, node: NodeId, told: &Told) {
        if node.0 < self.relays {
            return;
        }
        let sums = &mut self.sums;
        match told {
            Told::Carried { topic, bytes, .. } => {
                if self.topics.get(&node).is_some_and(|topics| topics.contains(topic)) {
                    sums.wanted += *bytes as u64;
                } else {
                    sums.foreign += 1;
                    sums.foreign_bytes += *bytes as u64;
                }
            }
            Told::Received(hash) => sums.opened += u64::from(self.readers.insert((node, *hash))),
            Told::Sealed { bytes, .. } => {
                sums.sent += 1;
                sums.envelope_bytes += *bytes as u64;
            }
            _ => {}
        }
    }

    fn sums(self, sim: &Sim<Endpoint>) -> Sums {
        let mut sums = self.sums;
        for (node, machine) in (0..).zip(sim.machines()) {
            let (counted, stats) = (machine.counted(), machine.stats());
            if node < self.relays {
                sums.relay_bytes += counted.bytes;
                continue;
            }
            sums.bytes += counted.bytes;
            sums.sent_bytes += counted.sent;
            sums.stats.accepted += stats.accepted;
            sums.stats.duplicates += stats.duplicates;
            sums.pool = sums.pool.max(counted.pool_bytes);
        }
        sums
    }
}

impl Sums {
    /// Envelopes of others that were accepted.
    const fn came(&self) -> u64 {
        self.stats.accepted.saturating_sub(self.sent)
    }

    /// Bytes on links for each byte of different envelopes.
    fn per_byte(&self) -> f64 {
        ratio(self.bytes, self.wanted + self.foreign_bytes)
    }
}

impl Town {
    fn report(&self, plan: &UsagePlan, [whisper, waku]: [(Mode, &Sums); 2], report: &mut Report) {
        const SOME: Slack = Slack::Relative(0.1);
        const NONE: Slack = Slack::Absolute(0.0);
        let (users, day) = (f64::from(self.users()), DAY / f64::from(plan.window));
        let a_day = |bytes: u64, of: f64| mib(ratio(bytes, 1) * day / of);
        report.put("users", users, NONE);
        report.put("envelopes", ratio(whisper.1.sent, 1), NONE);
        report.put("topics", f64::from(plan.topics), NONE);
        report.put("envelope_bytes", ratio(whisper.1.envelope_bytes, whisper.1.sent), SOME);
        for (mode, sums) in [whisper, waku] {
            let name = mode.name();
            let copies = ratio(sums.came() + sums.stats.duplicates, sums.came());
            report.put(format!("delivery_{name}"), ratio(sums.opened, sums.sent), Slack::Absolute(0.005));
            report.put(format!("copies_{name}"), copies, SOME);
            report.put(format!("overhead_{name}"), sums.per_byte() / copies, SOME);
            report.put(format!("sent_mib_{name}"), a_day(sums.sent_bytes, users), SOME);
            report.put(format!("relay_mib_{name}"), a_day(sums.relay_bytes, f64::from(plan.relays)), SOME);
            report.put(format!("pool_kib_{name}"), ratio(sums.pool as u64, 1_024), SOME);
        }
        let load = self.load(whisper.1, waku.1);
        report.put("false_positives", load.false_positives, Slack::Absolute(0.01));
        report.put("factor_day", day, NONE);
        let once = |sums: &Sums| a_day(sums.wanted + sums.foreign_bytes, users);
        let measured = |case| match case {
            Case::Partitions => Some(a_day(whisper.1.wanted, users)),
            Case::FalsePositives => Some(once(whisper.1)),
            Case::Duplicates => Some(a_day(whisper.1.bytes, users)),
            Case::MostlyOffline => None,
            Case::Waku => Some(a_day(waku.1.bytes, users)),
        };
        for case in Case::ALL {
            let here = measured(case).unwrap_or_else(|| mib(load.bytes(case, users)));
            let model = mib(Load::MODEL.bytes(case, users));
            report.put(format!("{}_mib", case.name()), here, SOME);
            report.put(format!("{}_model", case.name()), model, NONE);
            report.put(format!("{}_ratio", case.name()), here / model, SOME);
        }
        for (name, many) in [("100", 100.0), ("10k", 10_000.0), ("1m", 1_000_000.0)] {
            report.put(format!("factor_{name}"), many / users, NONE);
            for case in Case::ALL {
                report.put(format!("{}_mib_{name}", case.name()), mib(load.bytes(case, many)), SOME);
                report.put(format!("{}_model_{name}", case.name()), mib(Load::MODEL.bytes(case, many)), NONE);
            }
        }
    }

    /// What is measured, in the form of the model.
    fn load(&self, whisper: &Sums, waku: &Sums) -> Load {
        // Of each envelope all users but its author, its reader and the reader's mates may be bothered.
        let pairs = whisper.sent * u64::from(self.users().saturating_sub(2));
        Load {
            envelope: ratio(whisper.envelope_bytes, whisper.sent),
            false_positives: ratio(whisper.foreign, pairs),
            whisper: whisper.per_byte(),
            waku: waku.per_byte(),
        }
    }
}
