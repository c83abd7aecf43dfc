//! What is known of one peer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use undertone_base::Mono;

use crate::confirm::BatchHash;
use crate::envelope::EnvelopeHash;
use crate::limits::{FORGIVE_EVERY, MAX_FAULTS, RESCAN_EVERY, SEAL_SKEW_SECS, STATUS_TIMEOUT};
use crate::pool::Slots;
use crate::wire::{Service, Status};
use crate::{Bloom, Envelope, Pow};

/// A peer's name, given by the shell when it connects. Never reused within a run.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub u64);

/// How far the handshake is. Our Status left when the peer connected.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    AwaitStatus { until: Mono },
    Ready(Status),
}

/// A packet of envelopes that the shell has not reported as sent.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    /// The local ones among them.
    pub(crate) own: Vec<EnvelopeHash>,
}

#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) phase: Phase,
    /// What the peer has: it sent it, or it was sent to it.
    pub(crate) known: Slots,
    /// The first arrival that was not offered yet.
    pub(crate) cursor: u64,
    /// The credit: one packet of envelopes at a time, so that a burst is bundled while the link is busy.
    pub(crate) in_flight: Option<InFlight>,
    /// Whether it stands in the queue of those that may have something to get.
    pub(crate) queued: bool,
    /// Envelopes whose work a slow clock could find too little: arrival, and when each is old enough (Unix seconds).
    pub(crate) deferred: BTreeMap<u64, u32>,
    /// The first of them for which a timer runs.
    next_due: Option<u32>,
    /// Packets with envelopes of ours that it has not confirmed yet.
    pub(crate) unconfirmed: VecDeque<(BatchHash, Vec<EnvelopeHash>)>,
    /// Envelopes that it brought first since somebody asked.
    pub(crate) news: u32,
    /// When it last gave a sample of a clock.
    pub(crate) sampled: Option<Mono>,
    rescan: Rescan,
    faults: Faults,
}

impl Peer {
    pub(crate) fn new(now: Mono) -> Self {
        Self {
            phase: Phase::AwaitStatus { until: now.after(STATUS_TIMEOUT) },
            known: Slots::default(),
            cursor: 0,
            in_flight: None,
            queued: false,
            deferred: BTreeMap::new(),
            next_due: None,
            unconfirmed: VecDeque::new(),
            news: 0,
            sampled: None,
            rescan: Rescan::Never,
            faults: Faults { level: 0, since: now },
        }
    }

    /// Whether its handshake should be over by now and is not.
    pub(crate) fn is_silent(&self, now: Mono) -> bool {
        matches!(self.phase, Phase::AwaitStatus { until } if until <= now)
    }

    /// The envelopes that were passed over may be wanted now. Says when to look again.
    pub(crate) fn wants_more(&mut self, now: Mono) -> Mono {
        let at = match self.rescan {
            Rescan::Never => now,
            Rescan::Done(last) => now.max(last.after(RESCAN_EVERY)),
            Rescan::Due(at) => at,
        };
        self.rescan = Rescan::Due(at);
        at
    }

    /// Starts the second look when it is time; says whether it did.
    pub(crate) fn rescan(&mut self, now: Mono) -> bool {
        let due = matches!(self.rescan, Rescan::Due(at) if at <= now);
        if due {
            self.rescan = Rescan::Done(now);
            self.cursor = 0;
        }
        due
    }

    /// When the first deferred envelope is due, if no timer runs for it.
    pub(crate) fn schedule(&mut self) -> Option<u32> {
        let first = self.deferred.values().min().copied();
        if first == self.next_due {
            return None;
        }
        self.next_due = first;
        first
    }

    /// Whether a deferred envelope is due; its timer has fired then.
    pub(crate) fn is_due(&mut self, secs: u32) -> bool {
        let due = self.next_due.is_some_and(|due| due <= secs);
        if due {
            self.next_due = None;
        }
        due
    }

    /// Notes an envelope that no honest peer sends often; says whether that was one too many.
    pub(crate) fn blame(&mut self, now: Mono) -> bool {
        self.faults.add(now)
    }
}

/// When passed-over envelopes are looked at again.
#[derive(Clone, Copy, Debug)]
enum Rescan {
    Never,
    Done(Mono),
    Due(Mono),
}

/// A leaky bucket of faults.
#[derive(Clone, Copy, Debug)]
struct Faults {
    level: u32,
    since: Mono,
}

impl Faults {
    fn add(&mut self, now: Mono) -> bool {
        let gone = now.since(self.since).as_nanos() / FORGIVE_EVERY.as_nanos();
        let gone = u32::try_from(gone).unwrap_or(u32::MAX);
        self.level = self.level.saturating_sub(gone);
        self.since = self.since.after(FORGIVE_EVERY.saturating_mul(gone)).min(now);
        if self.level == 0 {
            self.since = now;
        }
        self.level += 1;
        self.level > MAX_FAULTS
    }
}

/// Whether this peer wants this envelope: both tests are the ones for which geth would drop us if we were wrong.
pub(crate) fn wants(status: &Status, envelope: &Envelope) -> bool {
    envelope.strict_pow() >= status.min_pow.value()
        && status.bloom.is_none_or(|bloom| bloom.wants(envelope.topic()))
}

/// When an envelope that this peer wants may be sent to it, in Unix seconds, if that is not at once.
///
/// A peer whose clock is behind sees an envelope of the future and divides by a longer life; geth drops whoever sent it
/// one that falls below its minimum by that. With work to spare, or a little older, no such clock matters.
pub(crate) fn wanted_from(status: &Status, envelope: &Envelope) -> Option<u32> {
    let ttl = envelope.header().ttl;
    let longer = f64::from(ttl) / f64::from(ttl.saturating_add(SEAL_SKEW_SECS));
    let close = envelope.strict_pow() * longer < status.min_pow.value();
    close.then(|| envelope.header().expiry.saturating_sub(ttl).saturating_add(SEAL_SKEW_SECS))
}

/// Whether wishes `new` may let through what `old` did not.
pub(crate) fn widens(old: &Status, new: &Status) -> bool {
    let covered = |bloom: &Option<Bloom>| bloom.unwrap_or(Bloom::FULL);
    new.min_pow < old.min_pow || !covered(&old.bloom).contains(&covered(&new.bloom))
}

/// A value that peers may still go by for a while after it changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerant<T> {
    current: T,
    earlier: Option<(T, Mono)>,
}

impl<T: Copy> Tolerant<T> {
    pub(crate) const fn new(current: T) -> Self {
        Self { current, earlier: None }
    }

    pub(crate) const fn current(&self) -> T {
        self.current
    }

    /// Puts a new value in force; `merge` joins what is still tolerated with what is replaced.
    pub(crate) fn set(&mut self, value: T, now: Mono, window: Duration, merge: impl FnOnce(T, T) -> T) {
        let old = match self.earlier {
            Some((earlier, until)) if until > now => merge(earlier, self.current),
            _ => self.current,
        };
        self.earlier = Some((old, now.after(window)));
        self.current = value;
    }

    /// Whether the value in force or a tolerated one passes.
    pub(crate) fn any(&self, now: Mono, pass: impl Fn(T) -> bool) -> bool {
        pass(self.current) || self.earlier.is_some_and(|(earlier, until)| until > now && pass(earlier))
    }
}

/// The requirement and filter that we announce.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) min_pow: Tolerant<Pow>,
    /// `None` = all.
    pub(crate) bloom: Tolerant<Option<Bloom>>,
    pub(crate) service: Service,
    pub(crate) confirmations: bool,
}

impl Wishes {
    pub(crate) const fn status(&self) -> Status {
        Status {
            min_pow: self.min_pow.current(),
            bloom: self.bloom.current(),
            service: self.service,
            confirmations: self.confirmations,
        }
    }
}
