//! From a scenario to a report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use undertone_base::Mono;
use undertone_transport::{Flush, Listen, Route};
use undertone_whisper::{
    Advertise, Bloom, Config, Dialects, Protocols, Requests, Topic, TransportConfig, WakuMode, WakuVersion,
    Watch, topic_of,
};

use super::model::ENVELOPES_A_DAY;
use super::plan::UsagePlan;
use super::presence::Presence;
use super::tally::{Sums, Tally};
use super::tell::Runs;
use crate::archive::{Archive, Fetch};
use crate::endpoint::{Endpoint, Mail, Person, Say, Setup, Trace, secret};
use crate::engine::{Log, NodeId, Rolls as _, Sim};
use crate::layout::second;
use crate::report::Report;
use crate::scenario::Scenario;

/// Second of the first envelope: by then all links stand.
pub(super) const FIRST: u32 = 3;

const DAY: f64 = 86_400.0;

/// The relay with an archive beside it, where there is one.
const ARCHIVE: NodeId = NodeId(0);

/// How clients take part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    /// A bloom filter, several relays.
    Whisper,
    /// Topic interest, one relay.
    Waku,
    /// As Whisper for a tenth of the time; the rest from an archive, by so many filters.
    Away { queries: u32 },
}

/// Runs a scenario in all modes.
pub fn run(scenario: &Scenario, plan: &UsagePlan) -> Report {
    let town = Town::new(scenario, plan);
    let run = |mode| town.run(scenario, plan, mode);
    let (whisper, log) = run(Mode::Whisper);
    let (waku, second) = run(Mode::Waku);
    let (away, third) = run(Mode::Away { queries: plan.away.queries });
    let (unsplit, fourth) = run(Mode::Away { queries: 1 });
    let mut report = Report::new(scenario.name.clone(), log.then(second).then(third).then(fourth));
    let (users, day) = (town.users(), DAY / f64::from(plan.window));
    Runs { users, day, whisper, waku, away, unsplit }.put(plan, &mut report);
    report
}

/// Who lives here, and what is written.
struct Town {
    seed: u64,
    people: Vec<Person>,
    relays: u32,
    writes: Vec<Write>,
}

/// Somebody writes to somebody.
#[derive(Clone, Debug)]
struct Write {
    at: Mono,
    author: NodeId,
    reader: NodeId,
    route: Route,
}

impl Town {
    fn new(scenario: &Scenario, plan: &UsagePlan) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed);
        rng.set_stream(u64::MAX);
        let people: Vec<_> = (0..scenario.nodes).map(|node| Person::new(scenario.seed, node)).collect();
        let users = scenario.nodes - plan.relays;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not negative")]
        let count = (f64::from(users) * ENVELOPES_A_DAY * f64::from(plan.window) / DAY).round() as u32;
        let gap = Duration::from_secs(u64::from(plan.window)) / count.max(1);
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
            let at = second(FIRST).after(gap * number);
            Some(Write { at, author: NodeId(author), reader: NodeId(reader), route })
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
        self.link(&mut sim, plan, mode, &mut rng);
        let mut tally = Tally::new(self.relays, self.topics());
        let mut writes = self.writes.clone();
        if let Mode::Away { .. } = mode {
            let presence = Presence::mostly_away(plan, self.users(), scenario.seconds);
            presence.apply(&mut sim);
            self.reassign(&mut writes, &presence, &mut rng);
            let missed = writes.iter().filter(|write| presence.is_away(write.reader, write.at));
            tally.expect_misses(missed.map(|write| (write.at, write.author)));
        }
        for Write { at, author, reader, route } in writes {
            let Some(to) = self.people.get(reader.index()) else { continue };
            let say = Say { route, to: to.key, bytes: plan.bytes, flush: Flush::Fast };
            sim.command(at, author, say);
        }
        sim.run(second(scenario.seconds), |_, node, told| tally.observe(node, &told));
        (tally.sums(&sim), sim.log())
    }

    /// Relays to each other, clients to some of them, among these the one with the archive.
    fn link(&self, sim: &mut Sim<Endpoint>, plan: &UsagePlan, mode: Mode, rng: &mut ChaCha20Rng) {
        for a in 0..self.relays {
            (a + 1..self.relays).for_each(|b| sim.link(NodeId(a), NodeId(b)));
        }
        let attach = if mode == Mode::Waku { 1 } else { plan.attach };
        for user in (self.relays..).take(self.users() as usize) {
            let mut relays: Vec<_> = (0..self.relays).map(NodeId).collect();
            rng.shuffle(&mut relays);
            if let Mode::Away { .. } = mode {
                // The others stay in their order.
                relays.sort_by_key(|relay| *relay != ARCHIVE);
            }
            relays.into_iter().take(attach as usize).for_each(|relay| sim.link(NodeId(user), relay));
        }
    }

    /// Who is away writes nothing: each message is written by somebody who is there, or as soon as somebody is.
    fn reassign(&self, writes: &mut [Write], presence: &Presence, rng: &mut ChaCha20Rng) {
        for write in writes {
            for _ in 0..60 {
                let others = (self.relays..).take(self.users() as usize).map(NodeId);
                let there: Vec<_> = others
                    .filter(|other| *other != write.reader && presence.is_settled(*other, write.at))
                    .collect();
                let drawn = usize::try_from(rng.below(there.len() as u64)).unwrap_or(0);
                if let Some(author) = there.get(drawn) {
                    write.author = *author;
                    break;
                }
                write.at = write.at.after(Duration::from_secs(1));
            }
        }
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
            Mode::Away { .. } | Mode::Whisper => Dialects::WHISPER,
        };
        let speaks = |node: u32| if node < self.relays { Dialects::both(WakuVersion::V1) } else { client };
        let speaks: Arc<[Dialects]> = (0..).zip(&self.people).map(|(node, _)| speaks(node)).collect();
        let machine = |(number, person): (u32, &Person)| {
            let relay = number < self.relays;
            let listens = if relay { Vec::new() } else { self.listens(plan, number, person) };
            let mail = match mode {
                Mode::Away { .. } if NodeId(number) == ARCHIVE => Mail::Keeps(Archive::default()),
                Mode::Away { queries } if !relay => {
                    Mail::Asks(Fetch::new(ARCHIVE, blooms(&listens, queries), plan.away.page))
                }
                _ => Mail::None,
            };
            let serves = matches!(mail, Mail::Keeps(_));
            let gossip = Config {
                watch: Watch::All,
                protocols: Protocols::BOTH,
                waku: WakuMode::Topics,
                requests: if serves { Requests::Serve } else { Requests::Ignore },
                ..Config::default()
            };
            let advertise = if relay { Advertise::Everything } else { Advertise::Interest };
            let config = TransportConfig { gossip, advertise, report: true, ..TransportConfig::default() };
            let speaks = speaks.clone();
            let setup = Setup { person: person.clone(), config, listens, speaks, trace: Trace::Off };
            Endpoint::with_mail(setup, mail)
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

/// The topics of a client in so many filters.
fn blooms(listens: &[Listen], queries: u32) -> Vec<Bloom> {
    let each = listens.len().div_ceil(queries as usize).max(1);
    let bloom = |some: &[Listen]| {
        let topics = some.iter().filter_map(|listen| topic_of(&listen.route));
        topics.fold(Bloom::EMPTY, |all, topic| all.union(&Bloom::of_listener(topic)))
    };
    listens.chunks(each).map(bloom).collect()
}
