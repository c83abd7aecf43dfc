//! Messages that wait until somebody takes them: one copy each, bounded for each filter and for all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use undertone_base::Unix;
use undertone_crypto::PublicKey;

use super::FilterId;
use crate::limits::{MAX_FILTER_BYTES, MAX_FILTER_MESSAGES, MAX_KEPT_BYTES, MAX_KEPT_PLACES};
use crate::{EnvelopeHash, Header};

/// What was in an envelope, and what stood on it. Nothing on it is authenticated.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Expiry, ttl and topic.
    pub header: Header,
    /// The envelope.
    pub hash: EnvelopeHash,
    /// Its PoW as geth counts it; infinite for a ttl of 0.
    pub pow: f64,
    /// Who signed it, if anybody did.
    pub author: Option<PublicKey>,
    /// Which of our key pairs opened it; `None` for a shared key.
    pub recipient: Option<PublicKey>,
    /// The payload.
    pub payload: Vec<u8>,
    /// Whatever stood after it.
    pub padding: Vec<u8>,
}

impl Message {
    /// When it was made by what is on it: expiry minus ttl.
    pub fn sent_at(&self) -> Unix {
        Unix::from_secs(u64::from(self.header.expiry.wrapping_sub(self.header.ttl)))
    }

    /// What it costs to keep.
    fn size(&self) -> usize {
        size_of::<Self>().saturating_add(self.payload.len()).saturating_add(self.padding.len())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("header", &self.header)
            .field("hash", &self.hash)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish_non_exhaustive()
    }
}

/// All messages that some filter still has to give.
#[derive(Default)]
pub(super) struct Store {
    /// By order of arrival; never without a filter.
    messages: BTreeMap<u64, Entry>,
    by_hash: BTreeMap<EnvelopeHash, u64>,
    /// Filters that have something.
    filters: BTreeMap<FilterId, Kept>,
    bytes: usize,
    /// Pairs of a filter and a message in it.
    places: usize,
}

struct Entry {
    message: Arc<Message>,
    size: usize,
    filters: BTreeSet<FilterId>,
}

/// What one filter has to give, by order of arrival.
#[derive(Default)]
struct Kept {
    places: BTreeSet<u64>,
    bytes: usize,
}

/// What became of a message that was put into filters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Put {
    /// Filters that have got it.
    pub(super) filled: u64,
    /// Messages that filters lost for it, counted in each.
    pub(super) dropped: u64,
}

impl Store {
    /// Puts a message into filters, in each once until it is taken, and drops the oldest above the bounds.
    pub(super) fn put(&mut self, arrival: u64, message: &Arc<Message>, filters: &[FilterId]) -> Put {
        let mut put = Put::default();
        for filter in filters {
            put.filled += u64::from(self.put_one(arrival, message, *filter));
            put.dropped += self.shrink_one(*filter);
        }
        put.dropped += self.shrink();
        put
    }

    fn put_one(&mut self, arrival: u64, message: &Arc<Message>, filter: FilterId) -> bool {
        let place = *self.by_hash.entry(message.hash).or_insert(arrival);
        let entry = self.messages.entry(place).or_insert_with(|| {
            let size = message.size();
            self.bytes = self.bytes.saturating_add(size);
            Entry { message: message.clone(), size, filters: BTreeSet::new() }
        });
        if !entry.filters.insert(filter) {
            return false;
        }
        let kept = self.filters.entry(filter).or_default();
        kept.places.insert(place);
        kept.bytes = kept.bytes.saturating_add(entry.size);
        self.places += 1;
        true
    }

    /// Holds one filter to its bounds; the last message stays.
    fn shrink_one(&mut self, filter: FilterId) -> u64 {
        let mut dropped = 0;
        while let Some(kept) = self.filters.get(&filter)
            && (kept.places.len() > MAX_FILTER_MESSAGES
                || (kept.bytes > MAX_FILTER_BYTES && kept.places.len() > 1))
            && let Some(oldest) = kept.places.first().copied()
        {
            self.empty(oldest, filter);
            dropped += 1;
        }
        dropped
    }

    /// Holds all of them to theirs.
    fn shrink(&mut self) -> u64 {
        let mut dropped = 0;
        while (self.places > MAX_KEPT_PLACES || self.bytes > MAX_KEPT_BYTES)
            && let Some((place, entry)) = self.messages.first_key_value()
        {
            let place = *place;
            for filter in entry.filters.clone() {
                self.empty(place, filter);
                dropped += 1;
            }
        }
        dropped
    }

    /// Everything that a filter has to give, in order of arrival.
    pub(super) fn take(&mut self, filter: FilterId) -> Vec<Arc<Message>> {
        let places = self.filters.get(&filter).map(|kept| kept.places.clone()).unwrap_or_default();
        let give = |place| {
            let message = self.messages.get(&place)?.message.clone();
            self.empty(place, filter);
            Some(message)
        };
        places.into_iter().filter_map(give).collect()
    }

    /// One filter has given a message, or lost it.
    fn empty(&mut self, place: u64, filter: FilterId) {
        let Some(entry) = self.messages.get_mut(&place) else { return };
        let size = entry.size;
        if entry.filters.remove(&filter) {
            self.places = self.places.saturating_sub(1);
        }
        if entry.filters.is_empty()
            && let Some(entry) = self.messages.remove(&place)
        {
            self.bytes = self.bytes.saturating_sub(size);
            self.by_hash.remove(&entry.message.hash);
        }
        let Some(kept) = self.filters.get_mut(&filter) else { return };
        if kept.places.remove(&place) {
            kept.bytes = kept.bytes.saturating_sub(size);
        }
        if kept.places.is_empty() {
            self.filters.remove(&filter);
        }
    }

    pub(super) fn kept(&self) -> (usize, usize) {
        (self.messages.len(), self.bytes)
    }

    /// Pairs of a filter and a message in it.
    #[cfg(test)]
    pub(super) const fn places(&self) -> usize {
        self.places
    }
}
