//! What arrived on our topics: opened in parallel, delivered in order of arrival, once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use undertone_base::Mono;
use undertone_crypto::{PublicKey, keccak256};
use undertone_transport::Listen;

use crate::envelope::Envelope;
use crate::limits::{MAX_INBOX, MAX_INBOX_BYTES, MAX_SEEN, SEEN_FOR};
use crate::transport::job::{JobId, OpenWork};

/// An envelope and, once that is known, what was in it.
enum Inbound {
    Done(Option<Box<Delivery>>),
    Running,
    Waiting(Box<OpenWork>),
}

/// What came out of an envelope.
pub(crate) struct Delivery {
    pub(crate) envelope: Envelope,
    pub(crate) listen: Listen,
    pub(crate) author: PublicKey,
    pub(crate) payload: Vec<u8>,
}

/// Bounded by [`MAX_INBOX`] and [`MAX_INBOX_BYTES`], which hold envelopes that the pool may have given up: above
/// them the oldest that waits is dropped and counted, so whoever floods a topic delays and loses messages of that
/// moment, and nothing else.
#[derive(Default)]
pub(crate) struct Inbox {
    entries: BTreeMap<JobId, Inbound>,
    waiting: VecDeque<JobId>,
    /// Bytes of the envelopes that wait.
    bytes: usize,
    seen: Seen,
    dropped: u64,
}

impl Inbox {
    pub(crate) fn push(&mut self, id: JobId, work: OpenWork) {
        let size = work.envelope.bytes().len();
        while self.waiting.len() >= MAX_INBOX || self.bytes.saturating_add(size) > MAX_INBOX_BYTES {
            let Some(oldest) = self.waiting.pop_front() else { break };
            if let Some(Inbound::Waiting(work)) = self.entries.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(work.envelope.bytes().len());
            }
            self.dropped += 1;
        }
        self.bytes = self.bytes.saturating_add(size);
        self.entries.insert(id, Inbound::Waiting(Box::new(work)));
        self.waiting.push_back(id);
    }

    /// The next envelope to open.
    pub(crate) fn start(&mut self) -> Option<(JobId, Box<OpenWork>)> {
        let id = self.waiting.pop_front()?;
        match self.entries.insert(id, Inbound::Running) {
            Some(Inbound::Waiting(work)) => {
                self.bytes = self.bytes.saturating_sub(work.envelope.bytes().len());
                Some((id, work))
            }
            _ => None,
        }
    }

    /// Notes a result and gives what can be delivered now, in order.
    pub(crate) fn finish(
        &mut self,
        id: JobId,
        delivery: Option<Box<Delivery>>,
        now: Mono,
    ) -> impl Iterator<Item = Delivery> + use<> {
        if let Some(entry) = self.entries.get_mut(&id) {
            *entry = Inbound::Done(delivery);
        }
        let mut out = Vec::new();
        while let Some(first) = self.entries.first_entry() {
            if !matches!(first.get(), Inbound::Done(_)) {
                break;
            }
            if let Inbound::Done(Some(delivery)) = first.remove()
                && self.seen.insert(delivery.envelope.data(), now)
            {
                out.push(*delivery);
            }
        }
        out.into_iter()
    }

    /// Whether this data was delivered or sent before, in whatever envelope.
    pub(crate) fn has_seen(&self, data: &[u8]) -> bool {
        self.seen.hashes.contains(&keccak256(data))
    }

    /// Marks data that must not be delivered.
    pub(crate) fn mark_seen(&mut self, data: &[u8], now: Mono) {
        self.seen.insert(data, now);
    }

    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

/// Hashes of data, oldest forgotten first: after [`SEEN_FOR`], or above [`MAX_SEEN`]. Only what opened with one
/// of our keys and what we sent gets here.
#[derive(Default)]
struct Seen {
    hashes: BTreeSet<[u8; 32]>,
    order: VecDeque<(Mono, [u8; 32])>,
}

impl Seen {
    /// Whether it is new.
    fn insert(&mut self, data: &[u8], now: Mono) -> bool {
        let full = |seen: &Self| seen.order.len() >= MAX_SEEN;
        let stale = |seen: &Self| seen.order.front().is_some_and(|(at, _)| at.after(SEEN_FOR) <= now);
        while full(self) || stale(self) {
            if let Some((_, hash)) = self.order.pop_front() {
                self.hashes.remove(&hash);
            }
        }
        let hash = keccak256(data);
        let new = self.hashes.insert(hash);
        if new {
            self.order.push_back((now, hash));
        }
        new
    }
}
