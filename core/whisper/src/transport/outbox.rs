//! What is on its way out: waiting, being sealed, pooled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use undertone_crypto::{KeyId, PublicKey};
use undertone_transport::{Route, SendId};

use crate::ClockFault;
use crate::Topic;
use crate::envelope::EnvelopeHash;
use crate::limits::{MAX_OUTBOX, MAX_OUTBOX_BYTES, MAX_SEAL_TRIES, MAX_SEALING};
use crate::transport::job::JobId;

/// Order of sends.
pub(crate) type Turn = u64;

/// One send. It is forgotten when the first peer took it or when it failed.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: SendId,
    pub(crate) route: Route,
    pub(crate) topic: Topic,
    pub(crate) to: Option<PublicKey>,
    pub(crate) sign_as: KeyId,
    pub(crate) payload: Arc<[u8]>,
    /// How often its envelope was too old when it was done.
    pub(crate) stale: u32,
    /// What a peer that did not take it said of our clock.
    pub(crate) clock: Option<ClockFault>,
}

/// Bounded by [`MAX_OUTBOX`] and [`MAX_OUTBOX_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    sends: BTreeMap<Turn, Outgoing>,
    waiting: BTreeSet<Turn>,
    sealing: BTreeMap<JobId, Turn>,
    pooled: BTreeMap<EnvelopeHash, Turn>,
    next: Turn,
    bytes: usize,
}

impl Outbox {
    /// Takes a send that waits; `false` when there is no room.
    pub(crate) fn push(&mut self, send: Outgoing) -> bool {
        let bytes = self.bytes.saturating_add(send.payload.len());
        if self.sends.len() >= MAX_OUTBOX || bytes > MAX_OUTBOX_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.waiting.insert(self.next);
        self.sends.insert(self.next, send);
        self.next += 1;
        true
    }

    /// Sends that wait and for which `ready` holds, as many as may be sealed at once.
    pub(crate) fn startable(&self, ready: impl Fn(&Outgoing) -> bool) -> Vec<Turn> {
        let room = MAX_SEALING.saturating_sub(self.sealing.len());
        let due = |turn: &&Turn| self.sends.get(turn).is_some_and(&ready);
        self.waiting.iter().filter(due).take(room).copied().collect()
    }

    pub(crate) fn get(&self, turn: Turn) -> Option<&Outgoing> {
        self.sends.get(&turn)
    }

    pub(crate) fn started(&mut self, turn: Turn, job: JobId) {
        if self.waiting.remove(&turn) {
            self.sealing.insert(job, turn);
        }
    }

    /// The send that this job sealed.
    pub(crate) fn sealed(&mut self, job: JobId) -> Option<Turn> {
        self.sealing.remove(&job)
    }

    pub(crate) fn pooled(&mut self, turn: Turn, hash: EnvelopeHash) {
        self.pooled.insert(hash, turn);
    }

    /// The send whose envelope this is, if nobody took it so far.
    pub(crate) fn of_envelope(&mut self, hash: &EnvelopeHash) -> Option<Turn> {
        self.pooled.remove(hash)
    }

    /// Notes that a peer did not take this envelope; gives the send that it is of.
    pub(crate) fn refused(&mut self, hash: &EnvelopeHash, clock: Option<ClockFault>) -> Option<SendId> {
        let send = self.sends.get_mut(self.pooled.get(hash)?)?;
        send.clock = clock.or(send.clock);
        Some(send.id)
    }

    pub(crate) fn wait_again(&mut self, turn: Turn) {
        if self.sends.contains_key(&turn) {
            self.waiting.insert(turn);
        }
    }

    /// Counts an envelope that was too old when it was done; `false` when that happened too often.
    pub(crate) fn retry(&mut self, turn: Turn) -> bool {
        let Some(send) = self.sends.get_mut(&turn) else { return false };
        send.stale += 1;
        send.stale < MAX_SEAL_TRIES && self.waiting.insert(turn)
    }

    pub(crate) fn end(&mut self, turn: Turn) -> Option<SendId> {
        self.waiting.remove(&turn);
        let send = self.sends.remove(&turn)?;
        self.bytes = self.bytes.saturating_sub(send.payload.len());
        Some(send.id)
    }

    /// The sends on a route that are not being sealed yet.
    pub(crate) fn waiting_on(&self, route: &Route) -> Vec<Turn> {
        let on_it = |turn: &&Turn| self.sends.get(turn).is_some_and(|send| send.route == *route);
        self.waiting.iter().filter(on_it).copied().collect()
    }

    pub(crate) fn uses(&self, route: &Route) -> bool {
        self.sends.values().any(|send| send.route == *route)
    }
}
