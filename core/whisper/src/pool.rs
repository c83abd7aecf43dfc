//! The pool: every living envelope once, bounded, in order of arrival.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use self::names::Names;
use crate::dialect::Protocol;
use crate::envelope::{Envelope, EnvelopeHash};
use crate::evicted::Evicted;
use crate::limits::POOL_LOW_WATER_16THS;

/// Where an envelope is. Reused after it is gone.
pub(crate) type Slot = u32;

/// Whose an envelope is, and by which protocols it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// Posted here: evicted last, reported when sent and when it ends.
    Local,
    /// A peer's, by one protocol.
    Remote(Protocol),
    /// Peers', by both.
    Both,
}

impl Origin {
    /// When it came by this protocol too.
    const fn and(self, protocol: Protocol) -> Self {
        match (self, protocol) {
            (Self::Remote(Protocol::Whisper), Protocol::Waku)
            | (Self::Remote(Protocol::Waku), Protocol::Whisper) => Self::Both,
            _ => self,
        }
    }

    /// Whether it may go on by this protocol where none is a bridge to another.
    pub(crate) fn came_by(self, protocol: Protocol) -> bool {
        self == Self::Both || self == Self::Remote(protocol)
    }

    pub(crate) const fn is_local(self) -> bool {
        matches!(self, Self::Local)
    }
}

#[derive(Clone, Debug)]
struct Entry {
    envelope: Envelope,
    place: Place,
}

/// Position in the order of arrival, and in the lowest bits whose it is: a byte of its own would cost eight.
#[derive(Clone, Copy, Debug)]
struct Place(u64);

/// No position: a number that no count of arrivals reaches.
const HELD: u64 = u64::MAX >> 2;

impl Place {
    const fn new(seq: u64, origin: Origin) -> Self {
        Self(
            seq << 2
                | match origin {
                    Origin::Local => 0,
                    Origin::Remote(Protocol::Whisper) => 1,
                    Origin::Remote(Protocol::Waku) => 2,
                    Origin::Both => 3,
                },
        )
    }

    /// [`HELD`] while it is held.
    const fn seq(self) -> u64 {
        self.0 >> 2
    }

    const fn origin(self) -> Origin {
        match self.0 & 3 {
            0 => Origin::Local,
            1 => Origin::Remote(Protocol::Whisper),
            2 => Origin::Remote(Protocol::Waku),
            _ => Origin::Both,
        }
    }
}

/// Envelopes by slot, hash, expiry and arrival.
///
/// The index by hash has four bytes of each, a fifth of the memory of the whole; the rest is compared in the entry, so a
/// liar gains one comparison by each envelope with a prefix that is there (2^32 work).
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_hash: Names,
    by_expiry: BTreeSet<(u32, Slot)>,
    /// The first of `by_expiry`, which is asked for after every packet.
    first_expiry: Option<u32>,
    held: BTreeSet<(u32, Slot)>,
    arrival: BTreeMap<u64, Slot>,
    next_seq: u64,
    bytes: usize,
    evicted: Evicted,
    max_count: usize,
    max_bytes: usize,
}

/// What left the pool.
#[derive(Clone, Debug)]
pub(crate) struct Removed {
    pub(crate) slot: Slot,
    pub(crate) envelope: Envelope,
    pub(crate) origin: Origin,
}

impl Pool {
    /// An empty one. The key, which nobody should know, spreads the index.
    pub(crate) const fn new(max_count: usize, max_bytes: usize, key: u64) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            by_hash: Names::new(key),
            by_expiry: BTreeSet::new(),
            first_expiry: None,
            held: BTreeSet::new(),
            arrival: BTreeMap::new(),
            next_seq: 0,
            bytes: 0,
            evicted: Evicted::new(max_count),
            max_count,
            max_bytes,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// One after the youngest arrival.
    pub(crate) const fn end(&self) -> u64 {
        self.next_seq
    }

    pub(crate) fn find(&self, hash: &EnvelopeHash) -> Option<Slot> {
        let is_it = |slot| self.get(slot).is_some_and(|(envelope, _)| envelope.hash() == *hash);
        self.by_hash.find(short(hash), is_it)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<(&Envelope, Origin)> {
        let entry = self.entries.get(usize::try_from(slot).ok()?)?.as_ref()?;
        Some((&entry.envelope, entry.place.origin()))
    }

    /// Arrivals from `seq` on. Held envelopes are not among them.
    pub(crate) fn arrivals(&self, seq: u64) -> impl Iterator<Item = (u64, Slot, &Envelope, Origin)> {
        self.arrival.range(seq..).filter_map(|(seq, slot)| {
            let (envelope, origin) = self.get(*slot)?;
            Some((*seq, *slot, envelope, origin))
        })
    }

    /// What arrived at this place, if it is still here.
    pub(crate) fn arrival(&self, seq: u64) -> Option<(u64, Slot, &Envelope, Origin)> {
        let slot = *self.arrival.get(&seq)?;
        let (envelope, origin) = self.get(slot)?;
        Some((seq, slot, envelope, origin))
    }

    /// Every envelope, held ones too, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Envelope> {
        self.entries.iter().flatten().map(|entry| &entry.envelope)
    }

    /// Whether this envelope was here and had to go for want of room.
    pub(crate) fn was_evicted(&self, hash: &EnvelopeHash) -> bool {
        self.evicted.contains(prefix(hash))
    }

    /// Takes an envelope that is not here. With `held_until`, in Unix seconds, it arrives only then.
    pub(crate) fn insert(&mut self, envelope: Envelope, origin: Origin, held_until: Option<u32>) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.entries.len() == self.entries.capacity() {
                // An eighth more, not twice as much: the slack is memory that no envelope uses.
                self.entries.reserve_exact(self.entries.len() / 8 + 64);
            }
            self.entries.push(None);
            Slot::try_from(self.entries.len().saturating_sub(1)).unwrap_or(Slot::MAX)
        });
        self.bytes = self.bytes.saturating_add(envelope.bytes().len());
        self.by_hash.insert(short(&envelope.hash()), slot);
        let expiry = envelope.header().expiry;
        self.by_expiry.insert((expiry, slot));
        self.first_expiry = Some(self.first_expiry.map_or(expiry, |first| first.min(expiry)));
        if let Some(entry) = self.entry(slot) {
            *entry = Some(Entry { envelope, place: Place::new(HELD, origin) });
        }
        match held_until {
            Some(due) => {
                self.held.insert((due, slot));
            }
            None => self.arrive(slot),
        }
        slot
    }

    /// Notes that an envelope came by another protocol too: it arrives again, for the peers who may have it now.
    pub(crate) fn came_by(&mut self, slot: Slot, protocol: Protocol) -> bool {
        let Some(Some(entry)) = self.entry(slot) else { return false };
        let (old, seq) = (entry.place.origin(), entry.place.seq());
        let new = old.and(protocol);
        entry.place = Place::new(seq, new);
        if new == old || seq == HELD {
            return false;
        }
        self.arrival.remove(&seq);
        self.arrive(slot);
        true
    }

    /// Lets what is held until `now` (Unix seconds) or earlier arrive; says whether anything did.
    pub(crate) fn release(&mut self, now: u32) -> bool {
        let mut any = false;
        while let Some((due, slot)) = self.held.first().copied().filter(|(due, _)| *due <= now) {
            self.held.remove(&(due, slot));
            self.arrive(slot);
            any = true;
        }
        any
    }

    /// When the next held envelope is due and the next one expires, in Unix seconds.
    pub(crate) fn next_change(&self) -> Option<u32> {
        let due = self.held.first().map(|(due, _)| *due);
        let gone = self.first_expiry.map(|expiry| expiry.saturating_add(1));
        due.into_iter().chain(gone).min()
    }

    /// Takes out one envelope with expiry before `now` (Unix seconds).
    pub(crate) fn pop_expired(&mut self, now: u32) -> Option<Removed> {
        self.first_expiry.filter(|expiry| *expiry < now)?;
        let (_, slot) = self.by_expiry.first().copied()?;
        self.remove(slot)
    }

    /// Makes the pool fit its limits again: lowest PoW × remaining life first, so an envelope that cost much or
    /// has most of its life left stays; local ones last. One pass frees a sixteenth of the limits.
    pub(crate) fn shrink(&mut self, now: u32) -> Vec<Removed> {
        if self.len() <= self.max_count && self.bytes <= self.max_bytes {
            return Vec::new();
        }
        let mut ranked: Vec<(f64, Slot)> = Vec::with_capacity(self.len());
        for (index, entry) in self.entries.iter().enumerate() {
            if let (Some(entry), Ok(slot)) = (entry, Slot::try_from(index)) {
                ranked.push((worth(entry, now), slot));
            }
        }
        ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (count, bytes) = (low_water(self.max_count), low_water(self.max_bytes));
        let mut gone: Vec<Removed> = Vec::new();
        for (_, slot) in ranked {
            if self.len() <= count && self.bytes <= bytes {
                break;
            }
            gone.extend(self.remove(slot));
        }
        self.evicted.forget(now);
        for removed in gone.iter().filter(|removed| !removed.origin.is_local()) {
            let expiry = removed.envelope.header().expiry;
            self.evicted.insert(prefix(&removed.envelope.hash()), expiry);
        }
        gone
    }

    fn remove(&mut self, slot: Slot) -> Option<Removed> {
        let Entry { envelope, place } = self.entry(slot)?.take()?;
        let (seq, origin) = (place.seq(), place.origin());
        self.free.push(slot);
        self.bytes = self.bytes.saturating_sub(envelope.bytes().len());
        self.by_hash.remove(short(&envelope.hash()), slot);
        let expiry = envelope.header().expiry;
        self.by_expiry.remove(&(expiry, slot));
        if self.first_expiry == Some(expiry) {
            self.first_expiry = self.by_expiry.first().map(|(expiry, _)| *expiry);
        }
        if seq == HELD {
            let due = envelope.header().expiry.wrapping_sub(envelope.header().ttl);
            self.held.remove(&(due, slot));
        } else {
            self.arrival.remove(&seq);
        }
        Some(Removed { slot, envelope, origin })
    }

    fn arrive(&mut self, slot: Slot) {
        let seq = self.next_seq;
        if let Some(Some(entry)) = self.entry(slot) {
            entry.place = Place::new(seq, entry.place.origin());
            self.next_seq += 1;
            self.arrival.insert(seq, slot);
        }
    }

    fn entry(&mut self, slot: Slot) -> Option<&mut Option<Entry>> {
        self.entries.get_mut(usize::try_from(slot).ok()?)
    }
}

const fn low_water(limit: usize) -> usize {
    limit - limit / 16 * (16 - POOL_LOW_WATER_16THS)
}

fn worth(entry: &Entry, now: u32) -> f64 {
    match entry.place.origin() {
        Origin::Local => f64::INFINITY,
        Origin::Remote(_) | Origin::Both => {
            let left = entry.envelope.header().expiry.saturating_sub(now).saturating_add(1);
            entry.envelope.strict_pow() * f64::from(left)
        }
    }
}

fn short(hash: &EnvelopeHash) -> u32 {
    hash.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn prefix(hash: &EnvelopeHash) -> u64 {
    hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A set of slots, a bit each.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Slots(Vec<u64>);

impl Slots {
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }

    pub(crate) fn insert(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        if let Some(w) = self.0.get_mut(word) {
            *w |= bit;
        }
    }

    pub(crate) fn remove(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if let Some(w) = self.0.get_mut(word) {
            *w &= !bit;
        }
    }
}

fn place(slot: Slot) -> (usize, u64) {
    (usize::try_from(slot / 64).unwrap_or(usize::MAX), 1 << (slot % 64))
}
