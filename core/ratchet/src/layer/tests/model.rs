//! Random schedules over several people with several devices each, on a network that loses, repeats and reorders,
//! beside Mallory, who knows everything public.
//!
//! What must hold, whatever the schedule:
//! - what is opened is what was sent, by whom it says, for one of its recipients' devices, and by the ratchet once;
//! - what is refused is refused with a typed error, and without a single write;
//! - no message key, no ephemeral key and no nonce is used for two messages;
//! - when the network heals, two round trips lead any two devices to one session that both use.
//!
//! Each run says which seeds it used and how often each kind of step and each bound was hit, and fails where one was
//! never. `UNDERTONE_SEED` is the first seed (0 without it): a run with another one plays other schedules.
//! `UNDERTONE_SOAK`, with any value, makes 10,000 short and 200 long schedules of it instead of 2,000 and 20.

mod device;
mod excess;
mod mallory;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use rand_core::Rng;
use undertone_support::ChaCha20Rng;

use self::world::World;

/// How often something happened.
type Counts = BTreeMap<String, u64>;

fn count(counts: &mut Counts, what: impl Into<String>) {
    *counts.entry(what.into()).or_default() += 1;
}

/// A number below `n`, which is not 0.
fn below(rng: &mut ChaCha20Rng, n: usize) -> usize {
    usize::try_from(rng.next_u64() % u64::try_from(n).unwrap()).unwrap()
}

/// What a schedule is like.
#[derive(Clone, Copy, Debug)]
struct Profile {
    steps: usize,
    people: usize,
    /// Devices of each at the start.
    devices: usize,
    /// Per cent of copies that never arrive.
    loss: usize,
    /// How far a copy can be overtaken.
    window: usize,
    /// Weight of state losses among the steps.
    amnesia: usize,
    /// Messages of one burst; 0 for a schedule without.
    burst: usize,
    /// At which step Mallory opens more sessions than are kept; beyond the last for a schedule without.
    crowd_at: usize,
    /// Whether everything happens that fills a bound and is too long for a step among others.
    eventful: bool,
    /// Whether, among that, more is left out than one call erases.
    erasing: bool,
    /// Whether all devices are looked at when the network heals, or the first of each person.
    heal_all: bool,
}

impl Profile {
    /// One in five hundred is eventful, and one in two thousand all that and more.
    fn short(rng: &mut ChaCha20Rng, seed: u64) -> Self {
        let eventful = seed % 500 == 250;
        Self {
            steps: 60,
            people: 2 + below(rng, 3),
            devices: if eventful { 1 } else { 1 + below(rng, 3) },
            loss: below(rng, 51),
            window: [1, 4, 32, 2_000][below(rng, 4)],
            amnesia: 1 + below(rng, 4),
            burst: 0,
            crowd_at: usize::MAX,
            eventful,
            erasing: seed % 2_000 == 250,
            heal_all: eventful || seed.is_multiple_of(8),
        }
    }

    /// Every fifth has a person who loses state all the time, which fills what is remembered of one identity, and
    /// every fifth one a network that is silent for long, which fills what is kept of skipped messages.
    fn long(rng: &mut ChaCha20Rng, seed: u64) -> Self {
        let (forgetful, silent) = (seed.is_multiple_of(5), seed % 5 == 1);
        Self {
            steps: 2_500,
            people: if forgetful || silent { 2 } else { 2 + below(rng, 3) },
            devices: if silent { 1 } else { 1 + below(rng, 3) },
            loss: if silent { 5 } else { below(rng, 51) },
            window: 2_000,
            amnesia: if forgetful { 40 } else { 2 },
            burst: if silent { 990 } else { 0 },
            crowd_at: if forgetful { 1_000 } else { usize::MAX },
            eventful: seed % 5 == 2,
            erasing: seed % 20 == 2,
            heal_all: true,
        }
    }
}

/// Runs so many schedules on two threads and adds up what they hit.
fn run(schedules: u64, profile: fn(&mut ChaCha20Rng, u64) -> Profile) -> Counts {
    let first = first_seed();
    let last = first.wrapping_add(schedules - 1);
    let worker = |half: u64| {
        let mut counts = Counts::new();
        for n in (0..schedules).filter(|n| n % 2 == half) {
            let mut rng = undertone_support::rng(n);
            let profile = profile(&mut rng, n);
            let what = format!("seed {}, {profile:?}", first.wrapping_add(n));
            let mut world = World::new(profile, rng, what);
            world.play();
            world.heal();
            for (what, n) in world.counts {
                *counts.entry(what).or_default() += n;
            }
        }
        counts
    };
    let counts = std::thread::scope(|scope| {
        let other = scope.spawn(|| worker(1));
        let mut counts = worker(0);
        for (what, n) in other.join().unwrap() {
            *counts.entry(what).or_default() += n;
        }
        counts
    });
    report(&format!("model test: {schedules} schedules, seeds {first} to {last}"), &counts);
    counts
}

/// What `undertone_support::rng` adds to each seed.
#[expect(
    clippy::disallowed_methods,
    reason = "which schedules are played is said from outside, as with the soak"
)]
fn first_seed() -> u64 {
    std::env::var("UNDERTONE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

/// Past the harness, which shows nothing of a test that succeeds.
fn report(head: &str, counts: &Counts) {
    let mut text = head.to_owned();
    let mut of = "";
    for (what, n) in counts {
        let (kind, what) = what.split_once(": ").unwrap();
        if of == kind {
            write!(text, ", {what} {n}").unwrap();
        } else {
            write!(text, "\n  {kind}: {what} {n}").unwrap();
            of = kind;
        }
    }
    text.push('\n');
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// More of them in the soak.
fn schedules(gate: u64, soak: u64) -> u64 {
    if std::env::var_os("UNDERTONE_SOAK").is_some() { soak } else { gate }
}

const STEPS: [&str; 29] = [
    "step: send",
    "step: send to own devices",
    "step: both begin at once",
    "step: deliver in order",
    "step: deliver out of order",
    "step: drop",
    "step: duplicate",
    "step: rotate prekeys",
    "step: lose state",
    "step: lose state under the old name",
    "step: restore a backup",
    "step: new device",
    "step: disable and enable",
    "step: pair",
    "step: erase what is outdated",
    "step: burst",
    "step: two thousand under way in any order",
    "step: an opening that is two weeks old",
    "step: a long conversation",
    "step: begin anew without end",
    "step: leave out messages",
    "step: more to erase than at once",
    "mallory: replay",
    "mallory: claim another's message",
    "mallory: flip a bit",
    "mallory: swap bundles",
    "mallory: use another's device name",
    "mallory: sessions without end",
    "mallory: more than is allowed",
];

const OUTCOMES: [&str; 10] = [
    "opened: ratchet",
    "opened: dh-only",
    "opened: empty",
    "refused: open.device_not_found",
    "refused: open.not_paired",
    "refused: ratchet.duplicate",
    "refused: ratchet.bad_mac",
    "refused: bundle.signature",
    "answered: a message that was not for this device",
    "healed: one session",
];

/// Every name in `limits.rs`.
fn bounds() -> Vec<String> {
    let names = include_str!("../../limits.rs").lines().filter_map(|line| line.strip_prefix("pub const "));
    let bounds: Vec<_> = names.map(|rest| format!("bound: {}", rest.split_once(':').unwrap().0)).collect();
    assert_eq!(bounds.len(), 27);
    bounds
}

fn everything_is_hit(counts: &Counts) {
    let bounds = bounds();
    let bounds = bounds.iter().map(String::as_str);
    let wanted = STEPS.into_iter().chain(OUTCOMES).chain(bounds);
    let missing: Vec<_> = wanted.filter(|what| !counts.contains_key(*what)).collect();
    assert!(missing.is_empty(), "never hit: {missing:?}");
}

#[test]
fn two_thousand_schedules() {
    everything_is_hit(&run(schedules(2_000, 10_000), Profile::short));
}

#[test]
fn twenty_long_schedules() {
    let counts = run(schedules(20, 200), Profile::long);
    everything_is_hit(&counts);
    assert!(counts.contains_key("step: two weeks pass"));
}
