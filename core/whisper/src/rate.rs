//! How much a peer may give in a second: token buckets for addresses, peers and topics.
//!
//! ```text
//!            within the limit        a second's worth more      more than that        ten times the limit
//! packet ──▶ Ok                      DeferUntil: taken, then    Over: the best of it   Flood: nothing of it,
//!                                    nothing is read for a while  is taken               the link may end
//! ```
//!
//! A bucket holds one second of its limit, and as much again may be owed: what is owed is paid by not reading, for at
//! most a second. A peer whose reading stops when it is told loses nothing. One that gives on loses what is worth least,
//! which is for the caller to choose.
//!
//! - Owns: the buckets. Inputs: [`RateLimiter::admit`], [`RateLimiter::admit_on_topic`], [`RateLimiter::forget`]. No
//!   timers: a bucket is filled when it is looked at.
//! - A limit of 0 is none. Whoever is exempt (static and trusted peers) is not asked about.
//! - An address is paid for by all its peers, so its excess defers and drops, and ends no link: only a peer's own does.
//! - Topics are counted per peer. Counted for all, whoever floods a topic would silence it.
//! - Numbers are whole: same inputs, same verdicts.
//!
//! DEVIATION: status-go counts and does nothing, or, if told to, ends the link that happens to be read when a counter of
//! all peers is full; tokens come in steps of 100 ms, and none at all below a limit of 5 (tests
//! `whoever_is_read_no_faster_loses_nothing`, `small_limits_refill`, `no_link_ends_below_ten_times_the_limit`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use undertone_base::Mono;

use crate::limits::{FLOOD_FACTOR, MAX_MESSAGE, MAX_RATED_ADDRESSES, MAX_RATED_PEERS, MAX_RATED_TOPICS};
use crate::{PeerId, RateLimits, Topic};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is within the limits.
    Ok,
    /// It is taken, and nothing of this peer should be read before then, which is at most a second away.
    DeferUntil(Mono),
    /// It is too much.
    Over {
        /// Bytes of it that may be taken, the most valuable first; 0 if it is one packet too many.
        bytes: usize,
        /// When reading may go on, at most a second away.
        until: Mono,
    },
    /// The peer has offered more than [`FLOOD_FACTOR`] times its limit in every second of some while. Nothing is taken.
    Flood {
        /// When reading may go on, if the link is kept; at most a second away.
        until: Mono,
    },
}

/// Where a packet comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Source {
    /// Which link.
    pub peer: PeerId,
    /// The other end's address, if it has one.
    pub ip: Option<IpAddr>,
}

/// What one node takes of others. Bounded by [`MAX_RATED_PEERS`], [`MAX_RATED_ADDRESSES`] and [`MAX_RATED_TOPICS`] per
/// peer: the entry that was used longest ago goes, so a liar with many topics forgets only its own, and addresses are
/// dearer than what one of them may give.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    packets: RateLimits,
    bytes: RateLimits,
    peers: Recent<PeerId, PeerBuckets>,
    addresses: Recent<Address, Pair>,
}

impl RateLimiter {
    /// With limits of packets, of their bytes, and of envelopes on a topic (that of `packets`).
    pub const fn new(packets: RateLimits, bytes: RateLimits) -> Self {
        Self {
            packets,
            bytes,
            peers: Recent::new(MAX_RATED_PEERS),
            addresses: Recent::new(MAX_RATED_ADDRESSES),
        }
    }

    /// Other limits from now on. What was used stays used.
    pub const fn set(&mut self, packets: RateLimits, bytes: RateLimits) {
        self.packets = packets;
        self.bytes = bytes;
    }

    /// Whether there is any limit.
    pub fn is_on(&self) -> bool {
        self.packets != RateLimits::NONE || self.bytes != RateLimits::NONE
    }

    /// Whether a packet with a body of `bytes` is taken.
    ///
    /// ```
    /// use undertone_base::Mono;
    /// use undertone_whisper::rate::{RateLimiter, Source, Verdict};
    /// use undertone_whisper::{PeerId, RateLimits};
    ///
    /// let mut limiter = RateLimiter::new(RateLimits { peer: 1, ..RateLimits::NONE }, RateLimits::NONE);
    /// let source = Source { peer: PeerId(1), ip: None };
    /// assert_eq!(limiter.admit(Mono::ZERO, source, 400), Verdict::Ok);
    /// assert_eq!(limiter.admit(Mono::ZERO, source, 400), Verdict::DeferUntil(Mono::from_nanos(1_000_000_000)));
    /// ```
    pub fn admit(&mut self, now: Mono, source: Source, bytes: usize) -> Verdict {
        let peer_limits = Limit { packets: self.packets.peer, bytes: self.bytes.peer };
        let ip_limits = Limit { packets: self.packets.ip, bytes: self.bytes.ip };
        let offered = u64::try_from(bytes).unwrap_or(u64::MAX);
        let peer = self.peers.entry(source.peer);
        let mut none = Pair::default();
        let address = match source.ip {
            Some(ip) if ip_limits.is_on() => self.addresses.entry(Address::of(ip)),
            _ => &mut none,
        };
        let flood = peer.offered.is_flood(now, peer_limits, offered);
        let room = peer.taken.room(now, peer_limits).min(address.room(now, ip_limits));
        let taken = if flood || room.packets == 0 { None } else { Some(room.bytes.min(offered)) };
        if let Some(taken) = taken {
            peer.taken.charge(peer_limits, taken);
            address.charge(ip_limits, taken);
        }
        let until = peer.taken.paid_at(now, peer_limits).max(address.paid_at(now, ip_limits));
        match taken {
            _ if flood => Verdict::Flood { until },
            Some(taken) if taken == offered && until <= now => Verdict::Ok,
            Some(taken) if taken == offered => Verdict::DeferUntil(until),
            taken => {
                Verdict::Over { bytes: usize::try_from(taken.unwrap_or(0)).unwrap_or(usize::MAX), until }
            }
        }
    }

    /// Whether one more envelope of this topic is taken from this peer. Ask about the most valuable of a packet first.
    pub fn admit_on_topic(&mut self, now: Mono, peer: PeerId, topic: Topic) -> bool {
        let limit = self.packets.topic;
        if limit == 0 {
            return true;
        }
        // Who uses more topics in a second than there are buckets shares them: what was used of the one that is reused
        // counts on, or whoever goes round 257 topics had no limit on any.
        let bucket = self.peers.entry(peer).topics.entry_after(topic, Option::unwrap_or_default);
        bucket.drain(now, limit);
        let fits = bucket.room(limit, 1) > 0;
        if fits {
            bucket.charge(limit, 1);
        }
        fits
    }

    /// The link has ended. Its address is remembered.
    pub fn forget(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
    }

    /// Peers and addresses that are remembered.
    pub fn len(&self) -> (usize, usize) {
        (self.peers.len(), self.addresses.len())
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }
}

/// What we give to one peer, by the limits that it announced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace(Pair);

impl Pace {
    /// When the next packet may leave: now, or when what was sent before is paid for, a second from now at most.
    pub fn ready_at(&mut self, now: Mono, packets: &RateLimits, bytes: &RateLimits) -> Mono {
        let limit = Limit { packets: packets.peer, bytes: bytes.peer };
        self.0.drain(now, limit);
        let one = Pair { packets: self.0.packets.with(limit.packets, 1), bytes: self.0.bytes };
        one.paid_at(now, limit)
    }

    /// A packet has left.
    pub fn sent(&mut self, now: Mono, packets: &RateLimits, bytes: &RateLimits, body: usize) {
        let limit = Limit { packets: packets.peer, bytes: bytes.peer };
        self.0.drain(now, limit);
        self.0.charge(limit, u64::try_from(body).unwrap_or(u64::MAX));
    }
}

/// What shares a bucket: an IPv4 address, or the half of an IPv6 address that one subscriber gets whole.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Address(u64);

impl Address {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(u64::from(u32::from(ip))),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.octets();
                let [_, _, _, _, e, f, g, h, ..] = ip.octets();
                Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// Two limits in one second; 0 is none.
#[derive(Clone, Copy, Debug)]
struct Limit {
    packets: u64,
    bytes: u64,
}

impl Limit {
    const fn is_on(self) -> bool {
        self.packets > 0 || self.bytes > 0
    }
}

/// What may be taken.
#[derive(Clone, Copy, Debug)]
struct Room {
    packets: u64,
    bytes: u64,
}

impl Room {
    fn min(self, other: Self) -> Self {
        Self { packets: self.packets.min(other.packets), bytes: self.bytes.min(other.bytes) }
    }
}

#[derive(Clone, Debug)]
struct PeerBuckets {
    /// What was taken.
    taken: Pair,
    /// What was offered, by [`FLOOD_FACTOR`] times the limits.
    offered: Pair,
    /// Envelopes on topics.
    topics: Recent<Topic, Bucket>,
}

impl Default for PeerBuckets {
    fn default() -> Self {
        Self { taken: Pair::default(), offered: Pair::default(), topics: Recent::new(MAX_RATED_TOPICS) }
    }
}

/// The bucket of packets and that of their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    packets: Bucket,
    bytes: Bucket,
}

impl Pair {
    fn drain(&mut self, now: Mono, limit: Limit) {
        self.packets.drain(now, limit.packets);
        self.bytes.drain(now, limit.bytes);
    }

    fn room(&mut self, now: Mono, limit: Limit) -> Room {
        self.drain(now, limit);
        Room { packets: self.packets.room(limit.packets, 2), bytes: self.bytes.room(limit.bytes, 2) }
    }

    fn charge(&mut self, limit: Limit, bytes: u64) {
        self.packets.charge(limit.packets, 1);
        self.bytes.charge(limit.bytes, bytes);
    }

    fn paid_at(&self, now: Mono, limit: Limit) -> Mono {
        let wait = self.packets.debt(limit.packets).max(self.bytes.debt(limit.bytes));
        now.after(wait)
    }

    /// Notes what is offered; says whether that was more than [`FLOOD_FACTOR`] times the limit in each second since the
    /// bucket was last empty. It holds two seconds of that, so that nothing is a flood that is less in every second of
    /// some clock; and one packet of the largest size is never one.
    fn is_flood(&mut self, now: Mono, limit: Limit, bytes: u64) -> bool {
        let limit = Limit {
            packets: limit.packets.saturating_mul(FLOOD_FACTOR),
            bytes: limit.bytes.saturating_mul(FLOOD_FACTOR),
        };
        self.drain(now, limit);
        let least = u64::try_from(MAX_MESSAGE).unwrap_or(u64::MAX);
        let over = |bucket: Bucket, limit: u64, least: u64, more: u64| {
            limit > 0 && bucket.with(limit, more).used > tokens(limit.saturating_mul(2).max(least))
        };
        let flood = over(self.packets, limit.packets, 1, 1) || over(self.bytes, limit.bytes, least, bytes);
        if !flood {
            self.charge(limit, bytes);
        }
        flood
    }
}

/// Tokens that are gone, in billionths: a limit of one in a second gives one billionth back in a nanosecond.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    used: u128,
    at: Mono,
}

impl Bucket {
    /// Without a limit nothing is used, and no time passes for those who have one.
    fn drain(&mut self, now: Mono, limit: u64) {
        if limit == 0 {
            return;
        }
        let back = now.since(self.at).as_nanos().saturating_mul(u128::from(limit));
        self.used = self.used.saturating_sub(back);
        self.at = self.at.max(now);
    }

    /// Whole tokens below `seconds` of the limit.
    fn room(self, limit: u64, seconds: u64) -> u64 {
        if limit == 0 {
            return u64::MAX;
        }
        let left = tokens(limit).saturating_mul(u128::from(seconds)).saturating_sub(self.used);
        u64::try_from(left / NANOS).unwrap_or(u64::MAX)
    }

    fn charge(&mut self, limit: u64, count: u64) {
        *self = self.with(limit, count);
    }

    fn with(self, limit: u64, count: u64) -> Self {
        let more = if limit == 0 { 0 } else { tokens(count) };
        Self { used: self.used.saturating_add(more), at: self.at }
    }

    /// How long until no more than one second of the limit is used; a second at most, whatever the limit was before.
    fn debt(self, limit: u64) -> Duration {
        if limit == 0 {
            return Duration::ZERO;
        }
        let nanos = self.used.saturating_sub(tokens(limit)).div_ceil(u128::from(limit)).min(NANOS);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Billionths in a token, and nanoseconds in a second.
const NANOS: u128 = 1_000_000_000;

fn tokens(count: u64) -> u128 {
    u128::from(count).saturating_mul(NANOS)
}

/// A map that forgets what was used longest ago when it is full.
#[derive(Clone, Debug)]
struct Recent<K, V> {
    entries: BTreeMap<K, (V, u64)>,
    order: BTreeMap<u64, K>,
    next: u64,
    max: usize,
}

impl<K: Copy + Ord, V: Default> Recent<K, V> {
    const fn new(max: usize) -> Self {
        Self { entries: BTreeMap::new(), order: BTreeMap::new(), next: 0, max }
    }

    fn entry(&mut self, key: K) -> &mut V {
        self.entry_after(key, |_| V::default())
    }

    /// As [`Recent::entry`]; what is new is made of what it takes the place of.
    fn entry_after(&mut self, key: K, new: impl FnOnce(Option<V>) -> V) -> &mut V {
        self.next += 1;
        let mut forgotten = None;
        if !self.entries.contains_key(&key)
            && self.entries.len() >= self.max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            forgotten = self.entries.remove(&oldest).map(|(value, _)| value);
        }
        let (value, used) = self.entries.entry(key).or_insert_with(|| (new(forgotten), self.next));
        self.order.remove(used);
        *used = self.next;
        self.order.insert(self.next, key);
        value
    }

    fn remove(&mut self, key: &K) {
        if let Some((_, used)) = self.entries.remove(key) {
            self.order.remove(&used);
        }
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests;
