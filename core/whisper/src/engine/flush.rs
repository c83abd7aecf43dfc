//! When a peer gets what it may have.

use std::time::Duration;

use rand_core::Rng;
use undertone_base::{Mono, Now};

use super::Whisper;
use crate::limits::MAX_BLEND;
use crate::peer::PeerId;

/// When envelopes leave.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FlushPolicy {
    /// At once, in order of arrival: what a relay does, where each hop counts.
    #[default]
    Fast,
    /// Each peer has flush times of its own, each drawn from the whole of [`MAX_BLEND`] after the first envelope that it
    /// may get: own envelopes and relayed ones leave together, shuffled, and no peer gets an own one before others by
    /// rule. What a chat client does, and what [`Whisper::with_seed`] is for.
    Blended,
}

impl Whisper {
    /// Every peer may have something to get.
    pub(super) fn wake_all(&mut self, now: Now) {
        if self.flush == FlushPolicy::Fast {
            // For every packet of envelopes: one pass, and nothing is looked up.
            for (id, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.may_wake()) {
                peer.queued = true;
                self.queue.push_back(*id);
            }
            return;
        }
        let ids: Vec<_> = self.peers.iter().filter(|(_, peer)| peer.may_wake()).map(|(id, _)| *id).collect();
        for id in ids {
            self.wake(now, id);
        }
    }

    /// A peer may have something to get: now, or at a time that nobody can guess.
    pub(super) fn wake(&mut self, now: Now, id: PeerId) {
        if !self.peers.get(&id).is_some_and(crate::peer::Peer::may_wake) {
            return;
        }
        match self.flush {
            FlushPolicy::Fast => self.enqueue(id),
            FlushPolicy::Blended => {
                let nanos = u64::try_from(MAX_BLEND.as_nanos()).unwrap_or(u64::MAX - 1);
                let wait = Duration::from_nanos(self.rng.next_u64() % (nanos + 1));
                self.flush_at(id, now.mono.after(wait));
            }
        }
    }

    /// Nothing goes to this peer before then.
    pub(super) fn flush_at(&mut self, id: PeerId, at: Mono) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.flush_at = Some(at);
            self.timers.insert((at, id));
        }
    }

    /// The time of a peer has come, if it had one.
    pub(super) fn flush_due(&mut self, now: Now, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.flush_at.is_some_and(|at| at <= now.mono) {
            peer.flush_at = None;
            if peer.may_wake() || peer.has_answers_only() {
                self.enqueue(id);
            }
        }
    }

    pub(super) fn enqueue(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.queued = true;
            self.queue.push_back(id);
        }
    }

    /// Puts envelopes into an order that says nothing of their arrival.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        if self.flush == FlushPolicy::Blended {
            for last in (1..items.len()).rev() {
                // A bias of 2^-40 for bundles of millions.
                let bound = u64::try_from(last).unwrap_or(u64::MAX - 1) + 1;
                let at = usize::try_from(self.rng.next_u64() % bound).unwrap_or(last);
                items.swap(last, at);
            }
        }
    }
}
