//! What a peer said by one protocol, and what it was offered by it.

use std::collections::BTreeMap;

use undertone_base::Mono;

use crate::dialect::WakuVersion;
use crate::limits::{CLOSE_SECS, RESCAN_EVERY, STATUS_TIMEOUT};
use crate::rate::Pace;
use crate::wire;
use crate::{Bloom, Envelope};

/// What a peer announced. Whisper has no words for all of it.
pub(crate) type Wants = wire::waku::Status;

/// How far the handshake is. Our Status left when the peer connected.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    AwaitStatus { until: Mono },
    Ready(Wants),
}

/// One protocol of a link.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) phase: Phase,
    /// The version, where there are several.
    pub(crate) version: Option<WakuVersion>,
    /// The first arrival that was not offered yet.
    pub(crate) cursor: u64,
    /// Envelopes whose work a slow clock could find too little: arrival, and when each is old enough (Unix seconds).
    pub(crate) deferred: BTreeMap<u64, u32>,
    /// What found no room among the deferred: the first such arrival, and when the first of them is old enough. From then
    /// on what arrived since is looked at again.
    pub(crate) crowded_out: Option<(u64, u32)>,
    /// What the peer was given, by the limits that it announced here.
    pub(crate) pace: Pace,
    /// The first of them for which a timer runs.
    next_due: Option<u32>,
    rescan: Rescan,
}

impl Side {
    pub(crate) fn new(now: Mono, version: Option<WakuVersion>) -> Self {
        Self {
            phase: Phase::AwaitStatus { until: now.after(STATUS_TIMEOUT) },
            version,
            cursor: 0,
            deferred: BTreeMap::new(),
            crowded_out: None,
            pace: Pace::default(),
            next_due: None,
            rescan: Rescan::Never,
        }
    }

    /// What the peer wants, once the handshake is over.
    pub(crate) const fn wants(&self) -> Option<&Wants> {
        match &self.phase {
            Phase::Ready(wants) => Some(wants),
            Phase::AwaitStatus { .. } => None,
        }
    }

    /// Puts other wishes in the place of those that were there, and gives these.
    pub(crate) fn replace(&mut self, wants: Wants) -> Option<Wants> {
        match &mut self.phase {
            Phase::Ready(old) => Some(std::mem::replace(old, wants)),
            Phase::AwaitStatus { .. } => None,
        }
    }

    /// Whether the handshake should be over by now and is not.
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
        let listed = self.deferred.values().min().copied();
        let first = listed.into_iter().chain(self.crowded_out.map(|(_, due)| due)).min();
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
}

/// When passed-over envelopes are looked at again.
#[derive(Clone, Copy, Debug)]
enum Rescan {
    Never,
    Done(Mono),
    Due(Mono),
}

/// Whether this peer wants this envelope: both tests are the ones for which geth would drop us if we were wrong.
pub(crate) fn is_wanted(wants: &Wants, envelope: &Envelope) -> bool {
    envelope.strict_pow() >= wants.min_pow.value() && wants.interest.wants(envelope.topic())
}

/// When an envelope that this peer wants may be sent to it, in Unix seconds, if that is not at once.
///
/// A peer whose clock is behind sees an envelope of the future and divides by a longer life; geth drops whoever sent it
/// one that falls below its minimum by that. With work to spare, or a little older, no such clock matters.
pub(crate) fn wanted_from(wants: &Wants, envelope: &Envelope) -> Option<u32> {
    let ttl = envelope.header().ttl;
    let longer = f64::from(ttl) / f64::from(ttl.saturating_add(CLOSE_SECS));
    let close = envelope.strict_pow() * longer < wants.min_pow.value();
    close.then(|| envelope.header().expiry.saturating_sub(ttl).saturating_add(CLOSE_SECS))
}

/// Whether wishes `new` may let through what `old` did not.
pub(crate) fn widens(old: &Wants, new: &Wants) -> bool {
    new.min_pow < old.min_pow || !old.interest.covers(&new.interest)
}

impl From<wire::Status> for Wants {
    fn from(status: wire::Status) -> Self {
        Self {
            min_pow: status.min_pow,
            interest: status.bloom.map_or(wire::Interest::Everything, wire::Interest::bloom),
            service: status.service,
            confirmations: status.confirmations,
            packet_limits: status.limits,
            byte_limits: crate::RateLimits::NONE,
        }
    }
}

impl From<&Wants> for wire::Status {
    fn from(wants: &Wants) -> Self {
        Self {
            min_pow: wants.min_pow,
            bloom: match &wants.interest {
                wire::Interest::Everything => None,
                wire::Interest::Bloom(bloom) => Some(*bloom),
                wire::Interest::Topics(topics) => {
                    Some(topics.iter().map(Bloom::of_envelope).fold(Bloom::EMPTY, |all, one| all.union(&one)))
                }
            },
            service: wants.service,
            confirmations: wants.confirmations,
            limits: wants.packet_limits,
        }
    }
}
