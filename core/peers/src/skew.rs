//! How far the clock of this machine is from those of others.
//!
//! Each source has one voice, its latest; the answer is the median of the voices. Nothing is said below three sources,
//! and few voices come from discovery, where addresses are cheap. It is an indication for a person, not a clock.
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

use std::collections::BTreeMap;
use std::net::IpAddr;

use undertone_base::Mono;
use undertone_crypto::PublicKey;

use crate::address::narrow;
use crate::id::Id;
use crate::limits::{MAX_SKEW_NETWORKS, MAX_SKEW_PEERS, MIN_SKEW_SOURCES, SKEW_LIFE};

/// Whose clock a sample is about. One source has one voice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SkewSource {
    /// A node of discovery, by its address: all of one /24 (IPv4) or /56 (IPv6) are one source.
    Address(IpAddr),
    /// A peer.
    Peer(PublicKey),
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

/// The latest sample of each source: of at most [`MAX_SKEW_PEERS`] peers and [`MAX_SKEW_NETWORKS`] networks; the oldest
/// goes first. A sample counts for [`SKEW_LIFE`].
#[derive(Clone, Debug, Default)]
pub struct ClockSkew {
    peers: BTreeMap<Id, Sample>,
    networks: BTreeMap<IpAddr, Sample>,
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
            SkewSource::Peer(key) => insert(&mut self.peers, Id::of(&key), sample, MAX_SKEW_PEERS),
            SkewSource::Address(ip) => insert(&mut self.networks, narrow(ip), sample, MAX_SKEW_NETWORKS),
        }
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

    fn alive(&self, now: Mono) -> impl Iterator<Item = &Sample> {
        let all = self.peers.values().chain(self.networks.values());
        all.filter(move |sample| now.since(sample.at) < SKEW_LIFE)
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

    fn peer(seed: u64) -> SkewSource {
        SkewSource::Peer(SecretKey::random(&mut undertone_support::rng(seed)).public())
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
