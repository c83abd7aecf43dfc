//! The pool: every living envelope once, bounded, in order of arrival.

mod names;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use self::names::Names;
use crate::dialect::Protocol;
use crate::envelope::{Envelope, EnvelopeHash};
use crate::evicted::Evicted;
use crate::limits::{POOL_LOW_WATER_16THS, PORTION, PORTION_BYTES};

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
    /// How much is in each second of `by_expiry`: what has expired counts no more, though it is taken out in portions.
    seconds: BTreeMap<u32, Amount>,
    held: BTreeSet<(u32, Slot)>,
    arrival: BTreeMap<u64, Slot>,
    next_seq: u64,
    bytes: usize,
    /// Where those are that go next, and eight bytes of their names.
    condemned: VecDeque<(Slot, u64)>,
    evicted: Evicted,
    max_count: usize,
    max_bytes: usize,
}

/// Envelopes and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    count: usize,
    bytes: usize,
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
            seconds: BTreeMap::new(),
            held: BTreeSet::new(),
            arrival: BTreeMap::new(),
            next_seq: 0,
            bytes: 0,
            condemned: VecDeque::new(),
            evicted: Evicted::new(max_count),
            max_count,
            max_bytes,
        }
    }

    /// Envelopes that live at `now` (Unix seconds), and their bytes.
    pub(crate) fn living(&self, now: u32) -> (usize, usize) {
        self.seconds.range(..now).fold((self.by_hash.len(), self.bytes), |(count, bytes), (_, dead)| {
            (count.saturating_sub(dead.count), bytes.saturating_sub(dead.bytes))
        })
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

    /// Every envelope, held ones and expired ones too, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Envelope> {
        self.entries.iter().flatten().map(|entry| &entry.envelope)
    }

    /// Whether this envelope was here and had to go for want of room.
    pub(crate) fn was_evicted(&self, hash: &EnvelopeHash) -> bool {
        self.evicted.contains(prefix(hash))
    }

    /// Takes an envelope that is not here. With `held_until`, in Unix seconds, it arrives only then.
    ///
    /// DEVIATION: the originals pass on at once what is up to ten seconds ahead of their clocks, to peers whose clocks may be
    /// behind theirs (test `a_future_envelope_is_held_until_due`).
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
        let second = self.seconds.entry(expiry).or_default();
        second.count += 1;
        second.bytes = second.bytes.saturating_add(envelope.bytes().len());
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

    /// Lets a portion of what is held until `now` (Unix seconds) or earlier arrive; says whether anything did.
    pub(crate) fn release(&mut self, now: u32) -> bool {
        let mut any = false;
        for _ in 0..PORTION {
            let Some((due, slot)) = self.held.first().copied().filter(|(due, _)| *due <= now) else { break };
            self.held.remove(&(due, slot));
            self.arrive(slot);
            any = true;
        }
        any
    }

    /// When the next held envelope is due and the next one expires, in Unix seconds.
    pub(crate) fn next_change(&self) -> Option<u32> {
        let due = self.held.first().map(|(due, _)| *due);
        let gone = self.seconds.keys().next().map(|expiry| expiry.saturating_add(1));
        due.into_iter().chain(gone).min()
    }

    /// Takes out a portion of what expired before `now` (Unix seconds): the whole of a flood expires within a second or
    /// two, and whatever else waits for this machine would wait for all of it. [`Pool::next_change`] is over as long as
    /// some is left.
    pub(crate) fn take_expired(&mut self, now: u32) -> Vec<Removed> {
        let (mut gone, mut bytes) = (Vec::new(), 0);
        while gone.len() < PORTION && bytes < PORTION_BYTES {
            let Some(removed) = self.pop_expired(now) else { break };
            bytes += removed.envelope.bytes().len();
            gone.push(removed);
        }
        gone
    }

    /// Takes out one envelope with expiry before `now` (Unix seconds).
    fn pop_expired(&mut self, now: u32) -> Option<Removed> {
        let (_, slot) = self.by_expiry.first().copied().filter(|(expiry, _)| *expiry < now)?;
        self.remove(slot)
    }

    /// Makes the pool fit its limits again. What has expired goes first, and no more of it than needs to: so much as came
    /// in since.
    pub(crate) fn make_room(&mut self, now: u32) -> Vec<Removed> {
        let mut gone = Vec::new();
        while self.is_over() {
            let Some(removed) = self.pop_expired(now) else { break };
            gone.push(removed);
        }
        gone
    }

    /// Makes the pool fit its limits again: lowest PoW × remaining life first, so an envelope that cost much or
    /// has most of its life left stays; local ones last. One pass condemns a sixteenth of the limits, and as much of it
    /// goes as came in.
    pub(crate) fn evict(&mut self, now: u32) -> Vec<Removed> {
        let mut gone = Vec::new();
        while self.is_over() {
            let Some((slot, name)) = self.condemned.pop_front() else {
                self.condemn(now);
                if self.condemned.is_empty() {
                    break;
                }
                continue;
            };
            // It may have expired, and its slot be another's.
            if self.get(slot).is_some_and(|(envelope, _)| prefix(&envelope.hash()) == name) {
                gone.extend(self.remove(slot));
            }
        }
        for removed in gone.iter().filter(|removed| !removed.origin.is_local()) {
            self.evicted.forget(now);
            let expiry = removed.envelope.header().expiry;
            self.evicted.insert(prefix(&removed.envelope.hash()), expiry);
        }
        gone
    }

    /// Looks at everything, and lists what is worth least.
    fn condemn(&mut self, now: u32) {
        let entries = self.entries.iter().zip(0..).filter_map(|(entry, slot)| Some((entry.as_ref()?, slot)));
        // Nothing is worth less than 0, and above it the bits of floats are in their order.
        let mut ranked: BinaryHeap<Reverse<(u64, Slot)>> =
            entries.map(|(entry, slot)| Reverse((worth(entry, now).to_bits(), slot))).collect();
        let (most, most_bytes) = (low_water(self.max_count), low_water(self.max_bytes));
        let (mut count, mut bytes) = (self.by_hash.len(), self.bytes);
        while count > most || bytes > most_bytes {
            let Some(Reverse((_, slot))) = ranked.pop() else { break };
            let Some((envelope, _)) = self.get(slot) else { continue };
            count = count.saturating_sub(1);
            bytes = bytes.saturating_sub(envelope.bytes().len());
            let name = prefix(&envelope.hash());
            self.condemned.push_back((slot, name));
        }
    }

    const fn is_over(&self) -> bool {
        self.by_hash.len() > self.max_count || self.bytes > self.max_bytes
    }

    fn remove(&mut self, slot: Slot) -> Option<Removed> {
        let Entry { envelope, place } = self.entry(slot)?.take()?;
        let (seq, origin) = (place.seq(), place.origin());
        self.free.push(slot);
        self.bytes = self.bytes.saturating_sub(envelope.bytes().len());
        self.by_hash.remove(short(&envelope.hash()), slot);
        let expiry = envelope.header().expiry;
        self.by_expiry.remove(&(expiry, slot));
        if let Some(second) = self.seconds.get_mut(&expiry) {
            second.count = second.count.saturating_sub(1);
            second.bytes = second.bytes.saturating_sub(envelope.bytes().len());
            if second.count == 0 {
                self.seconds.remove(&expiry);
            }
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
