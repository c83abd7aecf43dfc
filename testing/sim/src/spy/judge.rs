//! What observers make of what they saw.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;

use super::watch::Way;
use crate::engine::{NodeId, Rolls as _};

/// Who speaks, or who leads a list.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Client,
    Relay,
}

/// What a set of observers knows of one envelope, and the truth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sighting {
    /// What the author is.
    pub(super) author: Kind,
    /// What the first in the list is.
    leader: Option<Kind>,
    /// How many nodes handed it to an observer first.
    listed: usize,
    /// The author's place among them.
    place: Option<usize>,
    /// Nodes that are neither observers nor in the list.
    others: usize,
}

impl Sighting {
    /// What `observers` know; `None` when one of them is the author.
    pub(super) fn new(way: &Way, observers: &BTreeSet<NodeId>, [relays, nodes]: [u32; 2]) -> Option<Self> {
        if observers.contains(&way.author) {
            return None;
        }
        let arrival = |node: &NodeId| way.arrivals.get(node.index()).copied().flatten();
        let mut handed: Vec<_> = observers
            .iter()
            .filter_map(arrival)
            .filter(|arrival| !observers.contains(&arrival.from))
            .collect();
        handed.sort_by_key(|arrival| (arrival.micros, arrival.from));
        let mut list = Vec::new();
        for arrival in handed {
            if !list.contains(&arrival.from) {
                list.push(arrival.from);
            }
        }
        let kind = |node: NodeId| if node.0 < relays { Kind::Relay } else { Kind::Client };
        Some(Self {
            author: kind(way.author),
            leader: list.first().copied().map(kind),
            listed: list.len(),
            place: list.iter().position(|node| *node == way.author),
            others: (nodes as usize).saturating_sub(observers.len() + list.len()),
        })
    }

    /// Whether the first spy names the author.
    pub(super) fn named(&self) -> bool {
        self.place == Some(0)
    }
}

/// Places that are counted together: the first of each.
const PLACES: [usize; 7] = [0, 1, 2, 3, 4, 8, 16];

/// Where the author stands among [`PLACES`], or behind them all.
const NOWHERE: usize = PLACES.len();

/// How often the author stood where, by who led the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned(BTreeMap<Kind, [u64; NOWHERE + 1]>);

impl Learned {
    pub(super) fn learn(&mut self, sighting: &Sighting) {
        let Some(leader) = sighting.leader else { return };
        let group = sighting.place.map_or(NOWHERE, group_of);
        if let Some(count) = self.0.entry(leader).or_default().get_mut(group) {
            *count += 1;
        }
    }

    /// What `all` has that `part` has not.
    pub(super) fn without(&self, part: &Self) -> Self {
        let mut rest = self.clone();
        for (leader, counts) in &part.0 {
            for (all, less) in rest.0.entry(*leader).or_default().iter_mut().zip(counts) {
                *all = all.saturating_sub(*less);
            }
        }
        rest
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (leader, counts) in &other.0 {
            for (sum, more) in self.0.entry(*leader).or_default().iter_mut().zip(counts) {
                *sum += more;
            }
        }
    }

    /// Entropy of the posterior of this sighting, and its surprise, both in bits.
    pub(super) fn judge(&self, sighting: &Sighting) -> (f64, f64) {
        let Some(leader) = sighting.leader else {
            let blind = bits(sighting.others);
            return (blind, blind);
        };
        let counts = self.0.get(&leader).copied().unwrap_or_default();
        // How many nodes each count is spread over here.
        let mut sizes = [0_usize; NOWHERE + 1];
        for place in 0..sighting.listed {
            if let Some(size) = sizes.get_mut(group_of(place)) {
                *size += 1;
            }
        }
        if let Some(size) = sizes.get_mut(NOWHERE) {
            *size = sighting.others;
        }
        // Half a sighting more everywhere, so that nothing is impossible.
        let mut weights = [0.0_f64; NOWHERE + 1];
        for ((weight, count), size) in weights.iter_mut().zip(counts).zip(sizes) {
            *weight = if size == 0 { 0.0 } else { float(count) + 0.5 };
        }
        let sum: f64 = weights.iter().sum();
        let truth = sighting.place.map_or(NOWHERE, group_of);
        let (mut entropy, mut surprise) = (0.0, 0.0);
        for (group, (weight, size)) in weights.into_iter().zip(sizes).enumerate() {
            if size > 0 {
                let bits = -(weight / sum).log2() + bits(size);
                entropy += weight / sum * bits;
                surprise = if group == truth { bits } else { surprise };
            }
        }
        (entropy, surprise)
    }
}

fn group_of(place: usize) -> usize {
    PLACES.iter().rposition(|first| *first <= place).unwrap_or(0)
}

/// What it takes to guess one of so many.
pub(super) fn bits(count: usize) -> f64 {
    float(count.max(1) as u64).log2()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}

/// A mean, and the interval that it lies in at 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// How often worlds are drawn again for an interval.
const REDRAWS: usize = 1_000;

/// The mean over all worlds, each given as the sum and the number of its values; the interval is that of the means of as
/// many worlds drawn from these, with repetition.
pub(super) fn estimate(worlds: &[(f64, u64)], rng: &mut ChaCha20Rng) -> Estimate {
    let mean = |worlds: &mut dyn Iterator<Item = (f64, u64)>| {
        let (sum, count) = worlds.fold((0.0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        if count == 0 { 0.0 } else { sum / float(count) }
    };
    let mut means: Vec<f64> = (0..REDRAWS)
        .map(|_| {
            let drawn = |_| {
                let index = usize::try_from(rng.below(worlds.len() as u64)).unwrap_or(0);
                worlds.get(index).copied().unwrap_or_default()
            };
            mean(&mut (0..worlds.len()).map(drawn))
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| means.get(place).copied().unwrap_or_default();
    Estimate {
        mean: mean(&mut worlds.iter().copied()),
        low: at(REDRAWS / 40),
        high: at(REDRAWS - REDRAWS / 40 - 1),
    }
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng as _;
    use undertone_base::Mono;

    use super::super::watch::Watch;
    use super::*;
    use crate::endpoint::Told;
    use undertone_whisper::{EnvelopeHash, Topic};

    const RELAYS: u32 = 6;
    const HASH: EnvelopeHash = EnvelopeHash::from_bytes([1; 32]);
    const TOPIC: Topic = Topic::from_bytes([0; 4]);

    /// An envelope of `author` that came to relays: which, when, from whom.
    fn sighting(author: u32, arrivals: &[(u32, u64, u32)], observers: &[u32]) -> Option<Sighting> {
        let mut watch = Watch::new(RELAYS);
        let sealed = Told::Sealed { hash: HASH, bytes: 1, asked: Mono::ZERO };
        watch.observe(Mono::ZERO, NodeId(author), &sealed);
        for (to, millis, from) in arrivals {
            let told = Told::Carried { hash: HASH, topic: TOPIC, bytes: 1, from: NodeId(*from) };
            watch.observe(Mono::from_nanos(millis * 1_000_000), NodeId(*to), &told);
        }
        let observers = observers.iter().copied().map(NodeId).collect();
        let way = watch.ways().next().unwrap();
        Sighting::new(way, &observers, [RELAYS, 8])
    }

    #[test]
    fn the_first_spy_names_who_handed_it_over_first() {
        // 0 said it; 1 and 2 observe. 2 had it from 3, later than 1 had it from 0.
        let arrivals = [(1, 20, 0), (3, 10, 0), (2, 30, 3)];
        let seen = sighting(0, &arrivals, &[1, 2]).unwrap();
        assert!(seen.named());
        assert_eq!((seen.listed, seen.others, seen.leader), (2, 4, Some(Kind::Relay)));
        // 2 alone names 3, and 3 is not in its own list.
        let seen = sighting(0, &arrivals, &[2]).unwrap();
        assert_eq!((seen.named(), seen.place, seen.listed), (false, None, 1));
        // What observers hand each other says nothing, and they know what they said themselves.
        let seen = sighting(0, &[(3, 10, 0), (2, 30, 3)], &[2, 3]).unwrap();
        assert_eq!((seen.named(), seen.listed), (true, 1));
        assert_eq!(sighting(0, &arrivals, &[0, 2]), None);
        // A client leads.
        let seen = sighting(7, &[(1, 10, 7)], &[1]).unwrap();
        assert_eq!((seen.author, seen.leader, seen.named()), (Kind::Client, Some(Kind::Client), true));
    }

    #[test]
    fn a_posterior_has_the_entropy_of_what_it_learned() {
        let seen = sighting(0, &[(1, 10, 0)], &[1]).unwrap();
        assert_eq!((seen.listed, seen.others), (1, 6));
        let nothing = Learned::default().judge(&seen);
        // Nothing learned: one half for the listed one, one half for the six others.
        assert!((nothing.0 - (1.0 + 0.5 * 6.0_f64.log2())).abs() < 1e-9, "{nothing:?}");
        assert!((nothing.1 - 1.0).abs() < 1e-9);
        let mut learned = Learned::default();
        (0..100_000).for_each(|_| learned.learn(&seen));
        let (entropy, surprise) = learned.judge(&seen);
        assert!(entropy < 0.001 && surprise < 0.001, "the listed one it always was");
        let back = learned.without(&learned.clone()).judge(&seen);
        assert_eq!(back, nothing);
        let unseen = sighting(0, &[], &[1]).unwrap();
        assert_eq!(learned.judge(&unseen), (7.0_f64.log2(), 7.0_f64.log2()));
    }

    #[test]
    fn intervals_hold_the_mean_and_shrink() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let few: Vec<_> = (0..5_u32).map(|i| (f64::from(i), 4)).collect();
        let many: Vec<_> = (0..500_u32).map(|i| (f64::from(i % 5), 4)).collect();
        let (few, many) = (estimate(&few, &mut rng), estimate(&many, &mut rng));
        assert!((few.mean - 0.5).abs() < 1e-9 && (many.mean - 0.5).abs() < 1e-9);
        for one in [few, many] {
            assert!(one.low <= one.mean && one.mean <= one.high);
        }
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
        assert_eq!(estimate(&[], &mut rng).mean, 0.0);
    }
}
