//! How far the clock of this machine is from those of others.
//!
//! Each source has one voice, its latest; the answer is the median of the voices. Nothing is said below three sources,
//! and few voices come from discovery, where addresses are cheap. Keys cost nothing at all: the peers of one public
//! network are one source, together with what discovery says of it, and have no voice once the last of them is gone. It
//! is an indication for a person, not a clock.
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
use crate::limits::{MAX_SKEW_NETWORKS, MAX_SKEW_PEERS, MIN_SKEW_SOURCES, SKEW_LIFE};

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
    /// The time of an envelope that was first seen within two seconds of another peer.
    Envelope,
    /// The text with which a peer refuses us for the time.
    TimeSyncText,
}

/// What the sources say together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SkewEstimate {
    /// Median of the others' clocks minus ours, in milliseconds: positive when ours is behind.
    pub offset_ms: i64,
    /// How many sources.
    pub sources: usize,
}

/// The latest sample of each source: at most [`MAX_SKEW_PEERS`] of peers and [`MAX_SKEW_NETWORKS`] of discovery; the
/// oldest goes first. A sample counts for [`SKEW_LIFE`], one of a peer no longer than there are links from there
/// ([`ClockSkew::keep_peers`]).
#[derive(Clone, Debug, Default)]
pub struct ClockSkew {
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

impl ClockSkew {
    /// The other's clock minus ours, in milliseconds. Replaces what this source said before.
    pub fn sample(&mut self, now: Mono, source: SkewSource, kind: SkewKind, offset_ms: i64) {
        let sample = Sample { at: now, kind, offset_ms };
        match source {
            SkewSource::Peer { key, ip } => {
                insert(&mut self.peers, Voice::of(&key, ip), sample, MAX_SKEW_PEERS);
            }
            SkewSource::Address(ip) => insert(&mut self.networks, narrow(ip), sample, MAX_SKEW_NETWORKS),
        }
    }

    /// These are all peers that are linked now. What others said is forgotten: whoever wants to be heard has to stay.
    pub fn keep_peers(&mut self, linked: impl IntoIterator<Item = (PublicKey, IpAddr)>) {
        let linked: BTreeSet<Voice> = linked.into_iter().map(|(key, ip)| Voice::of(&key, ip)).collect();
        self.peers.retain(|voice, _| linked.contains(voice));
    }

    /// The median over sources; `None` below [`MIN_SKEW_SOURCES`]. Of an even number the mean of the middle two.
    pub fn estimate(&self, now: Mono) -> Option<SkewEstimate> {
        let mut offsets: Vec<i64> = self.alive(now).map(|sample| sample.offset_ms).collect();
        let sources = offsets.len();
        if sources < MIN_SKEW_SOURCES {
            return None;
        }
        offsets.sort_unstable();
        let (low, high) = (offsets.get(sources.saturating_sub(1) / 2)?, offsets.get(sources / 2)?);
        let mean = i128::midpoint(i128::from(*low), i128::from(*high));
        Some(SkewEstimate { offset_ms: i64::try_from(mean).ok()?, sources })
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
        let is_alive = move |sample: &Sample| now.since(sample.at) < SKEW_LIFE;
        let is_spoken_for =
            move |network: &IpAddr| self.peers.get(&Voice::Network(*network)).is_some_and(is_alive);
        let discovered = self.networks.iter().filter(move |(network, _)| !is_spoken_for(network));
        let all = self.peers.values().chain(discovered.map(|(_, sample)| sample));
        all.filter(move |sample| is_alive(sample))
    }
}

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
            skew.sample(Mono::ZERO, peer(1), SkewKind::TimeSyncText, 1_000 + n);
        }
        assert_eq!(skew.estimate(Mono::ZERO), None, "still two");
        for host in 1..50 {
            skew.sample(Mono::ZERO, SkewSource::Address([11, 0, 0, host].into()), SkewKind::Discovery, 30);
        }
        assert_eq!(skew.estimate(Mono::ZERO), Some(SkewEstimate { offset_ms: 30, sources: 3 }));
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
