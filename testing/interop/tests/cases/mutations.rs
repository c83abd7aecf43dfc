//! The same seeded packets, most of them wrong, thrown at a live original and at a node of ours: does the link end, what
//! is passed on to others, and what is the thrower sent afterwards?
//!
//! ```text
//!   throwers ──shot, marker──▶ target ──▶ listener     each over a link of its own
//!   feeder ───four probes────▶        ──▶ throwers, as far as they asked for them
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use undertone_devp2p::Enode;
use undertone_node::Role;
use undertone_support::until;
use undertone_whisper::limits::MAX_TTL;
use undertone_whisper::wire::Messages;
use undertone_whisper::{Envelope, EnvelopeHash, Header, Protocols, RawEnvelope};

use crate::DEADLINE;
use crate::bare::{Bare, Side};
use crate::geth::{Geth, Setup as GethSetup};
use crate::made::packet;
use crate::mutate::{Dialect, Kind, Shot, Thrower, open_status, topics};
use crate::ours::Ours;
use crate::statusd::{Setup, Statusd};

/// Shots at once: each is a link with a thread.
const VOLLEY: usize = 14;

/// How long after the first of them all who want a probe have it: each peer of an original has a tick of 300 ms.
const TICKS: Duration = Duration::from_millis(900);

/// How far ahead the envelopes of [`Kind::Near`] are made at most, and a second: we pass them on when they are due.
const AHEAD: Duration = Duration::from_secs(7);

/// Our price where geth is the other target, which has it from its command line.
const GETH_PRICE: f64 = 0.002;

/// What a stock status-go asks for, whatever it is told.
const STATUSD_PRICE: f64 = 0.000_002;

/// geth: four of each kind.
pub(super) fn geth_and_we_judge_alike() -> Result<()> {
    let setup = GethSetup { min_pow: Some(GETH_PRICE), max_peers: 60, ..GethSetup::default() };
    let geth = Geth::with(setup)?;
    let ours = Ours::with(Role::Relay, |config| config.min_pow = GETH_PRICE)?;
    compare(1, Dialect::Whisper, [&geth.enode, &ours.enode()], (GETH_PRICE, Original::Geth), 4)?;
    ours.stop()
}

/// A stock status-go, by each of its protocols: two of each kind.
pub(super) fn statusd_and_we_judge_alike() -> Result<()> {
    let statusd = Statusd::start(Setup::BOTH)?;
    let ours = Ours::with(Role::Relay, |config| config.protocols = Protocols::BOTH)?;
    for (seed, dialect) in [(2, Dialect::Whisper), (3, Dialect::Waku0), (4, Dialect::Waku1)] {
        compare(seed, dialect, [&statusd.enode, &ours.enode()], (STATUSD_PRICE, Original::StatusGo), 2)
            .with_context(|| format!("{dialect:?}"))?;
    }
    ours.stop()
}

/// The other target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Original {
    Geth,
    StatusGo,
}

/// What came of a shot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Outcome {
    kept: bool,
    /// Which of the probes the thrower was sent, a bit each.
    probes: u8,
}

/// Throws `rounds` shots of each kind at both and compares what comes of them.
fn compare(
    seed: u64,
    dialect: Dialect,
    targets: [&Enode; 2],
    (price, original): (f64, Original),
    rounds: usize,
) -> Result<()> {
    let mut thrower = Thrower::new(seed, dialect, price)?;
    let kinds = Kind::of(dialect);
    // Those that are due later first.
    let order = |kind: &Kind| *kind != Kind::Near;
    let mut all: Vec<_> = kinds.iter().copied().cycle().take(kinds.len() * rounds).collect();
    all.sort_by_key(order);
    let ranges = [Range::open(targets[0], dialect)?, Range::open(targets[1], dialect)?];
    let mut thrown: Vec<(Shot, [Outcome; 2])> = Vec::new();
    for kinds in all.chunks(VOLLEY) {
        let volley = Volley::make(&mut thrower, kinds)?;
        let [theirs, ours] = std::thread::scope(|scope| {
            ranges
                .each_ref()
                .map(|range| scope.spawn(|| range.throw(&volley)))
                .map(std::thread::ScopedJoinHandle::join)
        });
        let outcomes = |joined: std::thread::Result<Result<Vec<Outcome>>>| {
            joined.unwrap_or_else(|_| bail!("a volley panicked"))
        };
        let both = outcomes(theirs).context("theirs")?.into_iter().zip(outcomes(ours).context("ours")?);
        thrown.extend(volley.shots.into_iter().zip(both.map(|(theirs, ours)| [theirs, ours])));
    }
    until(AHEAD, || false);
    let passed_on = ranges.each_ref().map(Range::passed_on);
    let mut excused = BTreeMap::<&str, usize>::new();
    let mut wrong = Vec::new();
    for (n, (shot, [theirs, ours])) in thrown.iter().enumerate() {
        let passed = |by: &BTreeSet<EnvelopeHash>| {
            envelopes(shot).into_iter().filter(|(hash, _)| by.contains(hash)).collect::<BTreeMap<_, _>>()
        };
        let [by_them, by_us] = passed_on.each_ref().map(passed);
        let same_envelopes = by_them.keys().eq(by_us.keys());
        if same_envelopes && theirs == ours {
            continue;
        }
        let left_out = by_them.iter().filter(|(hash, _)| !by_us.contains_key(hash));
        let alike = same_envelopes || left_out.map(|(_, header)| header).all(is_not_ours_to_pass_on);
        match excuse(original, shot, (theirs, ours), alike) {
            Some(why) => *excused.entry(why).or_default() += 1,
            None => wrong.push(format!(
                "{n}: theirs {theirs:?} and {} passed on, ours {ours:?} and {}: {shot:02x?}",
                by_them.len(),
                by_us.len()
            )),
        }
    }
    let mut hit = BTreeMap::<Kind, usize>::new();
    thrown.iter().for_each(|(shot, _)| *hit.entry(shot.kind).or_default() += 1);
    ensure!(hit.len() == kinds.len() && hit.values().all(|count| *count == rounds), "hits: {hit:?}");
    let dropped = thrown.iter().filter(|(_, [theirs, _])| !theirs.kept).count();
    eprintln!(
        "interop: {original:?} by {dialect:?}: {} packets, {rounds} of each of {} kinds; it ended {dropped} links; we differ \
         as documented in {excused:?}",
        thrown.len(),
        kinds.len()
    );
    ensure!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), thrown.len(), wrong.join("\n"));
    Ok(())
}

/// Envelopes that an original passes on and we do not: those of no life, of years, of more life than there was time, and
/// those in their last seconds.
fn is_not_ours_to_pass_on(header: &Header) -> bool {
    header.ttl == 0 || header.ttl > MAX_TTL || header.ttl > header.expiry
}

/// Why we may differ: each is a `DEVIATION` in the code. `alike`: the same envelopes were passed on, but for
/// [`is_not_ours_to_pass_on`].
fn excuse(
    original: Original,
    shot: &Shot,
    (theirs, ours): (&Outcome, &Outcome),
    alike: bool,
) -> Option<&'static str> {
    let code = shot.packet.as_ref().map(|(code, _)| *code);
    let patient = !theirs.kept && ours.kept;
    if original == Original::Geth && code == Some(1) && theirs.kept && !ours.kept && has_tail(shot) {
        return Some("what stands behind a packet of envelopes");
    }
    match (original, code) {
        _ if !alike => None,
        _ if theirs == ours => Some("lives that we do not take"),
        (Original::Geth, Some(1)) if patient && is_messages(shot) => Some("no envelope costs a link"),
        (Original::StatusGo, Some(20)) if patient => Some("limits that are none"),
        (Original::StatusGo, Some(11 | 12)) if patient => Some("confirmations that nobody asked for"),
        (Original::StatusGo, Some(22)) if theirs.kept && ours.kept => Some("half of a change"),
        _ => None,
    }
}

fn is_messages(shot: &Shot) -> bool {
    shot.packet.as_ref().is_some_and(|(_, body)| Messages::decode(body).is_ok())
}

fn has_tail(shot: &Shot) -> bool {
    let whole = |body: &[u8]| (1..body.len()).rev().any(|end| Messages::decode(&body[..end]).is_ok());
    shot.packet.as_ref().is_some_and(|(_, body)| Messages::decode(body).is_err() && whole(body))
}

/// The envelopes of a shot.
fn envelopes(shot: &Shot) -> Vec<(EnvelopeHash, Header)> {
    let of = |raw: RawEnvelope<'_>| (raw.hash(), raw.header);
    match &shot.packet {
        Some((1, body)) => {
            let end = (1..=body.len()).rev().find(|end| Messages::decode(&body[..*end]).is_ok());
            let messages = end.and_then(|end| Messages::decode(&body[..end]).ok());
            messages.map(|messages| messages.iter().map(of).collect()).unwrap_or_default()
        }
        Some((_, body)) => RawEnvelope::decode(body).map(of).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Shots that are thrown together, and what shows how they were taken.
struct Volley {
    shots: Vec<Shot>,
    /// One for each shot: whoever is still there passes it on.
    markers: Vec<Envelope>,
    probes: Vec<Envelope>,
}

impl Volley {
    fn make(thrower: &mut Thrower, kinds: &[Kind]) -> Result<Self> {
        let mut probes = Vec::new();
        for topic in topics() {
            probes.extend([thrower.probe(topic, false)?, thrower.probe(topic, true)?]);
        }
        let markers = kinds.iter().map(|_| thrower.good()).collect::<Result<_>>()?;
        let shots = kinds.iter().map(|kind| thrower.shot(*kind)).collect::<Result<_>>()?;
        Ok(Self { shots, markers, probes })
    }
}

/// A target with somebody who hears what it passes on, and somebody who feeds it.
struct Range<'a> {
    target: &'a Enode,
    dialect: Dialect,
    listener: Bare,
    feeder: Bare,
}

impl<'a> Range<'a> {
    fn open(target: &'a Enode, dialect: Dialect) -> Result<Self> {
        let (listener, feeder) = (link(target, dialect)?, link(target, dialect)?);
        for link in [&listener, &feeder] {
            link.await_messages(1)?;
            link.send(0, &open_status(dialect))?;
        }
        Ok(Self { target, dialect, listener, feeder })
    }

    fn passed_on(&self) -> BTreeSet<EnvelopeHash> {
        hashes(&self.listener)
    }

    fn throw(&self, volley: &Volley) -> Result<Vec<Outcome>> {
        let mut links = Vec::new();
        for (shot, marker) in volley.shots.iter().zip(&volley.markers) {
            let link = link(self.target, self.dialect)?;
            let (code, status) = shot.first.clone().unwrap_or_else(|| (0, open_status(self.dialect)));
            let marker = (1, packet(&[marker]));
            for (code, body) in [(code, status)].into_iter().chain(shot.packet.clone()).chain([marker]) {
                // It may be over by now.
                let _ = link.send(code, &body);
            }
            links.push(link);
        }
        let marked =
            |n: usize| volley.markers.get(n).is_some_and(|marker| self.passed_on().contains(&marker.hash()));
        let settled =
            until(DEADLINE, || links.iter().enumerate().all(|(n, link)| link.is_over() || marked(n)));
        ensure!(settled, "a link neither ended nor went on");
        self.feeder.send(1, &packet(&volley.probes.iter().collect::<Vec<_>>()))?;
        let there =
            until(DEADLINE, || volley.probes.iter().all(|probe| self.passed_on().contains(&probe.hash())));
        ensure!(there, "probes are not passed on: {:?}", self.feeder.closed());
        until(TICKS, || false);
        Ok(links
            .iter()
            .enumerate()
            .map(|(n, link)| {
                let got = hashes(link);
                let bit = |(at, probe): (usize, &Envelope)| u8::from(got.contains(&probe.hash())) << at;
                Outcome {
                    kept: marked(n) && !link.is_over(),
                    probes: volley.probes.iter().enumerate().map(bit).sum(),
                }
            })
            .collect())
    }
}

fn link(target: &Enode, dialect: Dialect) -> Result<Bare> {
    let offer = match dialect {
        Dialect::Whisper => ("shh", 6, 128),
        Dialect::Waku0 => ("waku", 0, 128),
        Dialect::Waku1 => ("waku", 1, 128),
    };
    let link = Bare::dial(target, &Side::offering(vec![offer])?)?;
    link.await_established()?;
    Ok(link)
}

/// The envelopes that came over a link.
fn hashes(link: &Bare) -> BTreeSet<EnvelopeHash> {
    let messages = link.messages();
    let bodies = messages.iter().filter(|(code, _)| *code == 1);
    bodies
        .filter_map(|(_, body)| Messages::decode(body).ok())
        .flat_map(|all| all.iter().map(|raw| raw.hash()))
        .collect()
}
