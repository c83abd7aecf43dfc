//! How far the clock of this machine is from those of others.
//!
//! Each source has one voice, its latest; the answer is the median of the voices. Below three sources nothing is said,
//! unless whoever is linked is fewer: then all of them have to speak, and of two that differ the one that says less
//! counts. Few voices come from discovery, where addresses are cheap. Keys cost nothing at all: the peers of one public
//! network are one source, together with what discovery says of it, and have no voice once the last of them is gone. It
//! is an indication for a person, not a clock, and says on how many sources it rests.
//!
//! A refusal says no more than how far two clocks are apart at least, so a figure of the same source that explains it
//! counts instead.
//!
//! ```
//! use undertone_base::Mono;
//! use undertone_peers::skew::{ClockSkew, SkewKind, SkewSource};
//! let mut skew = ClockSkew::default();
//! for (last, offset) in [(1, -90_000), (2, -88_000), (3, 5_000_000)] {
//!     let peer = SkewSource::Address([11, 0, last, 1].into());
//!     skew.sample(Mono::ZERO, peer, SkewKind::Discovery, offset);
//! }
//! assert_eq!(skew.estimate(Mono::ZERO).unwrap().offset_ms, -88_000, "ours is ahead by 88 s");
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use undertone_base::Mono;
use undertone_crypto::PublicKey;

use crate::address::{Subnet, narrow};
use crate::id::Id;
use crate::limits::{MAX_SKEW_NETWORKS, MAX_SKEW_PEERS, MIN_SKEW_SOURCES, SKEW_LIFE, SKEW_NOISE};

/// Whose clock a sample is about. One source has one voice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SkewSource {
    /// A node of discovery, by its address: all of one /24 (IPv4) or /56 (IPv6) are one source.
    Address(IpAddr),
    /// A peer: those of one /24 (IPv4) or /56 (IPv6) are one source. On this machine and in the local network, which
    /// no limit of subnets concerns, each key is one.
    Peer {
        /// Its key.
        key: PublicKey,
        /// Where its link comes from.
        ip: IpAddr,
    },
}

/// What a sample was taken from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SkewKind {
    /// The expiration of a discovery packet.
    Discovery,
    /// The time of envelopes: of one that came from two peers within two seconds, or of the freshest that a peer gives
    /// when some are refused for their time.
    Envelope,
    /// The text with which a peer refuses us for the time: the least offset that explains it.
    TimeSyncText,
}

/// What the sources say together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SkewEstimate {
    /// Median of the others' clocks minus ours, in milliseconds: positive when ours is behind.
    pub offset_ms: i64,
    /// Whether that is how far apart the clocks are, or how far at least.
    pub precision: SkewPrecision,
    /// How many sources. Below [`MIN_SKEW_SOURCES`] they are all whom we are linked to.
    pub sources: usize,
}

/// What an offset is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SkewPrecision {
    /// The offset, to some seconds.
    About,
    /// The least that it is: refusals say no more.
    AtLeast,
}

/// The latest sample of each source: at most [`MAX_SKEW_PEERS`] of peers and [`MAX_SKEW_NETWORKS`] of discovery; the
/// oldest goes first. A sample counts for [`SKEW_LIFE`], one of a peer no longer than there are links from there
/// ([`ClockSkew::keep_peers`]).
#[derive(Clone, Debug, Default)]
pub struct ClockSkew {
    /// How many voices those have who are linked, whether they have spoken or not.
    linked: usize,
    peers: BTreeMap<Voice, Sample>,
    networks: BTreeMap<IpAddr, Sample>,
}

/// What has one voice among peers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Voice {
    /// A narrow public network.
    Network(IpAddr),
    /// A peer near by.
    Key(Id),
}

impl Voice {
    fn of(key: &PublicKey, ip: IpAddr) -> Self {
        Subnet::of(ip).map_or_else(|| Self::Key(Id::of(key)), |subnet| Self::Network(subnet.narrow))
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Mono,
    kind: SkewKind,
    offset_ms: i64,
}

impl Sample {
    fn is_alive(&self, now: Mono) -> bool {
        now.since(self.at) < SKEW_LIFE
    }

    const fn is_bound(&self) -> bool {
        matches!(self.kind, SkewKind::TimeSyncText)
    }

    const fn precision(&self) -> SkewPrecision {
        if self.is_bound() { SkewPrecision::AtLeast } else { SkewPrecision::About }
    }

    /// Whether this is a figure that explains a refusal.
    fn explains(&self, now: Mono, refusal: &Self) -> bool {
        let is_figure = !self.is_bound() && self.is_alive(now);
        let same_side = self.offset_ms.signum() == refusal.offset_ms.signum();
        let far =
            self.offset_ms.unsigned_abs().saturating_add(SKEW_NOISE_MS) >= refusal.offset_ms.unsigned_abs();
        is_figure && same_side && far
    }
}

impl ClockSkew {
    /// The other's clock minus ours, in milliseconds. Replaces what this source said before, but for a refusal that this
    /// explains.
    pub fn sample(&mut self, now: Mono, source: SkewSource, kind: SkewKind, offset_ms: i64) {
        let sample = Sample { at: now, kind, offset_ms };
        match source {
            SkewSource::Peer { key, ip } => {
                let voice = Voice::of(&key, ip);
                let explained = self.peers.get(&voice).is_some_and(|said| said.explains(now, &sample));
                if !(sample.is_bound() && explained) {
                    insert(&mut self.peers, voice, sample, MAX_SKEW_PEERS);
                }
            }
            SkewSource::Address(ip) => insert(&mut self.networks, narrow(ip), sample, MAX_SKEW_NETWORKS),
        }
    }

    /// These are all peers that are linked now; to be told whenever one comes or goes. What others said is forgotten:
    /// whoever wants to be heard has to stay.
    pub fn keep_peers(&mut self, linked: impl IntoIterator<Item = (PublicKey, IpAddr)>) {
        let linked: BTreeSet<Voice> = linked.into_iter().map(|(key, ip)| Voice::of(&key, ip)).collect();
        self.peers.retain(|voice, _| linked.contains(voice));
        self.linked = linked.len();
    }

    /// The median over sources, of an even number the mean of the middle two. Of fewer than [`MIN_SKEW_SOURCES`] what all
    /// who are linked agree on, if they have all spoken; otherwise `None`.
    pub fn estimate(&self, now: Mono) -> Option<SkewEstimate> {
        let mut voices: Vec<&Sample> = self.alive(now).collect();
        let sources = voices.len();
        if sources < MIN_SKEW_SOURCES {
            return self.estimate_of_few(now);
        }
        voices.sort_unstable_by_key(|sample| sample.offset_ms);
        let (low, high) = (voices.get(sources.saturating_sub(1) / 2)?, voices.get(sources / 2)?);
        if low.is_bound() || high.is_bound() {
            // What is at least this far is not half as far again.
            let offset_ms = nearer(low, high).offset_ms;
            return Some(SkewEstimate { offset_ms, precision: SkewPrecision::AtLeast, sources });
        }
        let mean = i128::midpoint(i128::from(low.offset_ms), i128::from(high.offset_ms));
        Some(SkewEstimate { offset_ms: i64::try_from(mean).ok()?, precision: SkewPrecision::About, sources })
    }

    /// Discovery has no word here: one address of it would decide.
    fn estimate_of_few(&self, now: Mono) -> Option<SkewEstimate> {
        let voices: Vec<&Sample> = self.peers.values().filter(|sample| sample.is_alive(now)).collect();
        let least = match voices.as_slice() {
            [one] => one,
            [one, other] => {
                let least = nearer(one, other);
                let same_side = one.offset_ms.signum() == other.offset_ms.signum();
                (same_side || least.offset_ms.unsigned_abs() <= SKEW_NOISE_MS).then_some(least)?
            }
            _ => return None,
        };
        let estimate =
            SkewEstimate { offset_ms: least.offset_ms, precision: least.precision(), sources: voices.len() };
        (voices.len() == self.linked).then_some(estimate)
    }

    /// How many sources there are of each kind, for people who look into it.
    pub fn sources(&self, now: Mono) -> BTreeMap<SkewKind, usize> {
        let mut kinds = BTreeMap::<SkewKind, usize>::new();
        for sample in self.alive(now) {
            let count = kinds.entry(sample.kind).or_default();
            *count = count.saturating_add(1);
        }
        kinds
    }

    /// Of a network from which a peer has spoken, what discovery says does not count beside it.
    fn alive(&self, now: Mono) -> impl Iterator<Item = &Sample> {
        let is_alive = move |sample: &Sample| sample.is_alive(now);
        let is_spoken_for =
            move |network: &IpAddr| self.peers.get(&Voice::Network(*network)).is_some_and(is_alive);
        let discovered = self.networks.iter().filter(move |(network, _)| !is_spoken_for(network));
        let all = self.peers.values().chain(discovered.map(|(_, sample)| sample));
        all.filter(move |sample| is_alive(sample))
    }
}

const fn nearer<'a>(one: &'a Sample, other: &'a Sample) -> &'a Sample {
    if one.offset_ms.unsigned_abs() <= other.offset_ms.unsigned_abs() { one } else { other }
}

const SKEW_NOISE_MS: u64 = 1_000 * SKEW_NOISE.as_secs();

fn insert<K: Copy + Ord>(samples: &mut BTreeMap<K, Sample>, key: K, sample: Sample, limit: usize) {
    if !samples.contains_key(&key) && samples.len() >= limit {
        let oldest = samples.iter().min_by_key(|(_, sample)| sample.at).map(|(key, _)| *key);
        if let Some(oldest) = oldest {
            samples.remove(&oldest);
        }
    }
    samples.insert(key, sample);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use undertone_crypto::SecretKey;

    use super::*;

    fn key(seed: u64) -> PublicKey {
        SecretKey::random(&mut undertone_support::rng(seed)).public()
    }

    /// Each in a network of its own.
    fn ip(seed: u64) -> IpAddr {
        let [.., high, low] = seed.to_be_bytes();
        [20, high, low, 1].into()
    }

    fn peer(seed: u64) -> SkewSource {
        SkewSource::Peer { key: key(seed), ip: ip(seed) }
    }

    fn skew(offsets: &[i64]) -> ClockSkew {
        let mut skew = ClockSkew::default();
        for (seed, offset) in (0..).zip(offsets) {
            skew.sample(Mono::ZERO, peer(seed), SkewKind::Envelope, *offset);
        }
        skew
    }

    fn offset(offsets: &[i64]) -> Option<i64> {
        skew(offsets).estimate(Mono::ZERO).map(|estimate| estimate.offset_ms)
    }

    #[test]
    fn the_median_speaks_for_three_and_more() {
        assert_eq!(offset(&[]), None);
        assert_eq!(offset(&[5, 5]), None);
        assert_eq!(offset(&[5, -1_000_000_000, 7]), Some(5));
        assert_eq!(offset(&[1, 2, 4, 9_000]), Some(3));
        assert_eq!(offset(&[i64::MAX, i64::MAX, i64::MAX, i64::MAX]), Some(i64::MAX));
        assert_eq!(offset(&[i64::MIN, i64::MIN, i64::MAX, i64::MAX]), Some(0));
    }

    #[test]
    fn a_source_has_one_voice_and_the_last_word() {
        let mut skew = skew(&[10, 20]);
        for n in 0..50 {
            skew.sample(Mono::ZERO, peer(1), SkewKind::TimeSyncText, 100_000 + n);
        }
        assert_eq!(skew.estimate(Mono::ZERO), None, "still two");
        for host in 1..50 {
            skew.sample(Mono::ZERO, SkewSource::Address([11, 0, 0, host].into()), SkewKind::Discovery, 30);
        }
        assert_eq!(
            skew.estimate(Mono::ZERO),
            Some(SkewEstimate { offset_ms: 30, precision: SkewPrecision::About, sources: 3 })
        );
        let kinds = skew.sources(Mono::ZERO);
        let one = |kind| (kind, 1);
        let expected = [SkewKind::Discovery, SkewKind::Envelope, SkewKind::TimeSyncText].map(one);
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn peers_of_one_network_have_one_voice_however_many_keys() {
        let say = |skew: &mut ClockSkew, seed, ip: &str| {
            let source = SkewSource::Peer { key: key(seed), ip: ip.parse().unwrap() };
            skew.sample(Mono::ZERO, source, SkewKind::Envelope, -86_399_000);
        };
        let mut liars = ClockSkew::default();
        for seed in 0..100 {
            say(&mut liars, seed, &format!("8.8.4.{seed}"));
            say(&mut liars, seed, &format!("::ffff:8.8.4.{seed}"));
            say(&mut liars, seed, &format!("2a01:4f8:1:{seed:x}::1"));
        }
        assert_eq!(liars.estimate(Mono::ZERO), None, "two networks");
        assert_eq!(liars.peers.len(), 2);
        let discovered = SkewSource::Address([8, 8, 4, 200].into());
        liars.sample(Mono::ZERO, discovered, SkewKind::Discovery, -86_399_000);
        assert_eq!(liars.estimate(Mono::ZERO), None, "discovery adds none of where a peer has spoken");
        assert_eq!(liars.sources(Mono::ZERO).get(&SkewKind::Discovery), None);

        for near in ["127.0.0.1", "192.168.0.7", "::1", "fd00::1"] {
            let mut skew = ClockSkew::default();
            for seed in 0..3 {
                say(&mut skew, seed, near);
            }
            assert_eq!(skew.estimate(Mono::ZERO).unwrap().sources, 3, "{near}: each key is one");
        }
    }

    #[test]
    fn a_voice_ends_with_the_last_link_from_there() {
        let mut skew = skew(&[1, 2, 3]);
        let near = SkewSource::Peer { key: key(8), ip: [127, 0, 0, 1].into() };
        skew.sample(Mono::ZERO, near, SkewKind::Envelope, 4);
        let discovered = SkewSource::Address(ip(0));
        skew.sample(Mono::ZERO, discovered, SkewKind::Discovery, 9);
        let left = |skew: &ClockSkew| skew.peers.values().map(|sample| sample.offset_ms).collect::<Vec<_>>();
        let here = [127, 0, 0, 1].into();
        skew.keep_peers([(key(0), ip(0)), (key(1), ip(1)), (key(2), ip(2)), (key(8), here)]);
        assert_eq!(left(&skew), [1, 2, 3, 4]);
        // The second's network has another link yet, under another key; near by another key is another peer.
        skew.keep_peers([(key(0), ip(0)), (key(7), ip(1)), (key(9), here)]);
        assert_eq!(left(&skew), [1, 2]);
        assert_eq!(skew.estimate(Mono::ZERO), None);
        skew.keep_peers([(key(7), ip(1))]);
        assert_eq!(left(&skew), [2]);
        let kinds = skew.sources(Mono::ZERO);
        assert_eq!(kinds.get(&SkewKind::Discovery), Some(&1), "what discovery says is none of a link's");
        skew.keep_peers([]);
        assert_eq!((skew.peers.len(), skew.networks.len()), (0, 1));
    }

    /// Links to the first so many peers; what each has said, by refusals where it is a bound.
    fn linked(links: u64, said: &[(SkewKind, i64)]) -> Option<(i64, SkewPrecision, usize)> {
        let mut skew = ClockSkew::default();
        skew.keep_peers((0..links).map(|seed| (key(seed), ip(seed))));
        for (seed, (kind, offset)) in (0..).zip(said) {
            skew.sample(Mono::ZERO, peer(seed), *kind, *offset);
        }
        skew.estimate(Mono::ZERO).map(|e| (e.offset_ms, e.precision, e.sources))
    }

    #[test]
    fn whoever_has_fewer_than_three_links_goes_by_all_of_them() {
        use SkewKind::{Envelope, TimeSyncText};
        use SkewPrecision::{About, AtLeast};
        assert_eq!(linked(0, &[(Envelope, -25_000)]), None, "not linked");
        assert_eq!(linked(1, &[]), None);
        assert_eq!(linked(1, &[(Envelope, -25_000)]), Some((-25_000, About, 1)));
        assert_eq!(linked(1, &[(TimeSyncText, -10_000)]), Some((-10_000, AtLeast, 1)));
        assert_eq!(linked(2, &[(Envelope, -25_000)]), None, "the other is silent");
        assert_eq!(linked(2, &[(Envelope, -25_000), (Envelope, -9_000_000)]), Some((-25_000, About, 2)));
        assert_eq!(linked(2, &[(TimeSyncText, 20_000), (Envelope, 61_000)]), Some((20_000, AtLeast, 2)));
        assert_eq!(linked(2, &[(Envelope, -500), (Envelope, 9_000)]), Some((-500, About, 2)));
        assert_eq!(linked(2, &[(Envelope, -25_000), (Envelope, 25_000)]), None, "one says the reverse");
        // With three and more, one host or two decide nothing.
        assert_eq!(linked(3, &[(Envelope, -25_000)]), None);
        assert_eq!(linked(3, &[(Envelope, -25_000), (Envelope, -25_000)]), None);
        let honest = [(Envelope, -400), (Envelope, -900)];
        assert_eq!(linked(3, &[honest[0], (Envelope, -9_000_000), honest[1]]), Some((-900, About, 3)));
    }

    #[test]
    fn one_address_of_discovery_decides_nothing_beside_one_link() {
        let mut skew = ClockSkew::default();
        skew.keep_peers([(key(0), ip(0))]);
        for seed in 100..102 {
            skew.sample(Mono::ZERO, SkewSource::Address(ip(seed)), SkewKind::Discovery, -86_399_000);
            assert_eq!(skew.estimate(Mono::ZERO), None);
        }
        skew = ClockSkew::default();
        skew.keep_peers([(key(0), ip(0))]);
        skew.sample(Mono::ZERO, peer(0), SkewKind::Envelope, -200);
        skew.sample(Mono::ZERO, SkewSource::Address(ip(100)), SkewKind::Discovery, -86_399_000);
        assert_eq!(skew.estimate(Mono::ZERO).map(|estimate| estimate.offset_ms), Some(-200));
    }

    #[test]
    fn a_figure_stands_while_it_explains_what_is_refused() {
        use SkewKind::{Envelope, TimeSyncText};
        let one = |said: &[(u64, SkewKind, i64)]| {
            let mut skew = ClockSkew::default();
            skew.keep_peers([(key(0), ip(0))]);
            let mut last = Mono::ZERO;
            for (secs, kind, offset) in said {
                last = Mono::ZERO.after(Duration::from_secs(*secs));
                skew.sample(last, peer(0), *kind, *offset);
            }
            skew.estimate(last).unwrap().offset_ms
        };
        assert_eq!(one(&[(0, TimeSyncText, -10_000), (1, Envelope, -26_000)]), -26_000);
        assert_eq!(one(&[(0, Envelope, -26_000), (1, TimeSyncText, -10_000)]), -26_000);
        assert_eq!(one(&[(0, Envelope, -8_000), (1, TimeSyncText, -10_000)]), -8_000, "to some seconds");
        assert_eq!(one(&[(0, Envelope, -1_000), (1, TimeSyncText, -10_000)]), -10_000, "the clock was set");
        assert_eq!(one(&[(0, Envelope, -26_000), (1, TimeSyncText, 20_000)]), 20_000, "the clock was set");
        let old = SKEW_LIFE.as_secs();
        assert_eq!(one(&[(0, Envelope, -26_000), (old, TimeSyncText, -10_000)]), -10_000);
    }

    #[test]
    fn bounds_in_the_middle_are_bounds() {
        use SkewKind::{Envelope, TimeSyncText};
        use SkewPrecision::{About, AtLeast};
        let (text, figure) = ((TimeSyncText, -10_000), (Envelope, -25_000));
        assert_eq!(linked(3, &[text, text, text]), Some((-10_000, AtLeast, 3)));
        assert_eq!(linked(3, &[text, figure, figure]), Some((-25_000, About, 3)));
        assert_eq!(linked(4, &[text, text, figure, figure]), Some((-10_000, AtLeast, 4)));
    }

    #[test]
    fn samples_expire() {
        let skew = skew(&[1, 2, 3]);
        assert!(skew.estimate(Mono::ZERO.after(SKEW_LIFE - Duration::from_nanos(1))).is_some());
        assert_eq!(skew.estimate(Mono::ZERO.after(SKEW_LIFE)), None);
    }

    #[test]
    fn discovery_cannot_outvote_peers_and_nothing_grows() {
        let mut skew = skew(&[0; 20]);
        for n in 0..5_000_u32 {
            let [.., b, c, d] = n.to_be_bytes();
            skew.sample(
                Mono::ZERO,
                SkewSource::Address([60 + b, c, d, 1].into()),
                SkewKind::Discovery,
                99_999,
            );
        }
        assert_eq!(skew.networks.len(), MAX_SKEW_NETWORKS);
        assert_eq!(skew.estimate(Mono::ZERO).unwrap().offset_ms, 0);
        for seed in 0..200 {
            skew.sample(Mono::ZERO, peer(seed), SkewKind::Envelope, 0);
        }
        assert_eq!(skew.peers.len(), MAX_SKEW_PEERS);
    }
}
