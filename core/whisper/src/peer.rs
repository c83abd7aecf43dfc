//! What is known of one peer.

mod side;
mod wishes;

use std::collections::VecDeque;
use std::net::IpAddr;

use undertone_base::Mono;

pub(crate) use self::side::{Phase, Side, Wants, is_wanted, wanted_from, widens};
pub use self::wishes::WakuMode;
pub(crate) use self::wishes::Wishes;
use crate::confirm::BatchHash;
use crate::dialect::{Dialects, Protocol};
use crate::envelope::EnvelopeHash;
use crate::limits::{FORGIVE_EVERY, MAX_FAULTS};
use crate::pool::Slots;
use crate::skew::Readings;
use crate::wire::PacketCode;

/// A peer's name, given by the shell when it connects. Never reused within a run.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub u64);

/// A link that stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    /// The new name of the peer.
    pub peer: PeerId,
    /// What both ends speak.
    pub dialects: Dialects,
    /// Where the peer is, for the limits of one address.
    pub ip: Option<IpAddr>,
    /// Whether no limit of rates binds it: a static node, or one that the user trusts.
    pub exempt: bool,
}

impl Link {
    /// One of `shh/6` alone.
    pub const fn whisper(peer: PeerId) -> Self {
        Self::new(peer, Dialects::WHISPER)
    }

    /// One whose address does not matter.
    pub const fn new(peer: PeerId, dialects: Dialects) -> Self {
        Self { peer, dialects, ip: None, exempt: false }
    }
}

/// A packet of envelopes that the shell has not reported as sent.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    /// The local ones among them.
    pub(crate) own: Vec<EnvelopeHash>,
}

#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// What is said by `shh/6`. In a box, as the other: passes over all peers touch what is behind these alone.
    whisper: Option<Box<Side>>,
    /// What is said by Waku.
    waku: Option<Box<Side>>,
    /// What the peer has, by whichever protocol: it sent it, or it was sent to it.
    pub(crate) known: Slots,
    /// The credit: one packet of envelopes at a time, so that a burst is bundled while the link is busy.
    pub(crate) in_flight: Option<InFlight>,
    /// Whether it stands in the queue of those that may have something to get.
    pub(crate) queued: bool,
    /// Packets with envelopes of ours that it has not confirmed yet.
    pub(crate) unconfirmed: VecDeque<(BatchHash, Vec<EnvelopeHash>)>,
    /// Envelopes that it brought first since somebody asked.
    pub(crate) news: u32,
    /// When it last gave a sample of a clock.
    pub(crate) sampled: Option<Mono>,
    /// What its packets say of its clock, once some of it is refused for its time.
    pub(crate) readings: Option<Box<Readings>>,
    /// Since when it is linked.
    pub(crate) since: Mono,
    /// Answers that it takes when more than it said it takes in a second is over; while there are any it is queued or
    /// has a flush time.
    pub(crate) answers: VecDeque<(Protocol, PacketCode, Vec<u8>)>,
    /// Whether its direct packets are taken.
    pub(crate) trusted: bool,
    /// Whether no limit binds it.
    pub(crate) exempt: bool,
    /// Where it is.
    pub(crate) ip: Option<IpAddr>,
    /// Until when it was said not to be read.
    pub(crate) unread_until: Option<Mono>,
    /// Before this nothing goes to it: it has its own flush time, or has had what it takes in a second.
    pub(crate) flush_at: Option<Mono>,
    /// Whether it was said to be ready.
    pub(crate) announced: bool,
    faults: Faults,
}

impl Peer {
    /// A peer that has not said anything by any of these.
    pub(crate) fn new(now: Mono, dialects: Dialects, link: &Link) -> Self {
        Self {
            exempt: link.exempt,
            ip: link.ip,
            unread_until: None,
            flush_at: None,
            whisper: dialects.whisper.then(|| Box::new(Side::new(now, None))),
            waku: dialects.waku.map(|version| Box::new(Side::new(now, Some(version)))),
            known: Slots::default(),
            in_flight: None,
            queued: false,
            unconfirmed: VecDeque::new(),
            news: 0,
            sampled: None,
            readings: None,
            since: now,
            answers: VecDeque::new(),
            trusted: false,
            announced: false,
            faults: Faults { level: 0, since: now },
        }
    }

    /// One protocol of the link, if it has it.
    pub(crate) fn side(&self, protocol: Protocol) -> Option<&Side> {
        match protocol {
            Protocol::Whisper => self.whisper.as_deref(),
            Protocol::Waku => self.waku.as_deref(),
        }
    }

    /// One protocol of the link, if it has it.
    pub(crate) fn side_mut(&mut self, protocol: Protocol) -> Option<&mut Side> {
        match protocol {
            Protocol::Whisper => self.whisper.as_deref_mut(),
            Protocol::Waku => self.waku.as_deref_mut(),
        }
    }

    /// What the peer said by one protocol, and what it has by any.
    pub(crate) fn offer(&mut self, protocol: Protocol) -> Option<(&mut Side, &mut Slots)> {
        let side = match protocol {
            Protocol::Whisper => self.whisper.as_deref_mut(),
            Protocol::Waku => self.waku.as_deref_mut(),
        };
        Some((side?, &mut self.known))
    }

    /// What the link speaks, preferred first.
    pub(crate) fn sides(&self) -> impl Iterator<Item = (Protocol, &Side)> {
        PREFERRED.into_iter().filter_map(|protocol| Some((protocol, self.side(protocol)?)))
    }

    /// What the link speaks, preferred first.
    pub(crate) fn sides_mut(&mut self) -> impl Iterator<Item = (Protocol, &mut Side)> {
        let waku = self.waku.as_deref_mut().map(|side| (Protocol::Waku, side));
        waku.into_iter().chain(self.whisper.as_deref_mut().map(|side| (Protocol::Whisper, side)))
    }

    /// What the peer wants by one protocol, once that handshake is over.
    pub(crate) fn wants(&self, protocol: Protocol) -> Option<&Wants> {
        self.side(protocol).and_then(Side::wants)
    }

    /// What the peer wants by the preferred protocol whose handshake is over.
    pub(crate) fn first_wants(&self) -> Option<(Protocol, &Wants)> {
        self.sides().find_map(|(protocol, side)| Some((protocol, side.wants()?)))
    }

    /// Whether it may be asked what it wants: it is ready, not asked already, and its link is free.
    pub(crate) const fn may_wake(&self) -> bool {
        self.announced && !self.queued && self.in_flight.is_none() && self.flush_at.is_none()
    }

    /// Whether there are answers to give, and nothing else may go.
    pub(crate) fn has_answers_only(&self) -> bool {
        !self.answers.is_empty() && !self.queued && self.flush_at.is_none()
    }

    /// Whether a handshake should be over by now and is not.
    pub(crate) fn is_silent(&self, now: Mono) -> bool {
        self.sides().any(|(_, side)| side.is_silent(now))
    }

    /// Notes an envelope that no honest peer sends often; says whether that was one too many.
    pub(crate) fn blame(&mut self, now: Mono) -> bool {
        self.faults.add(now)
    }
}

/// By which protocol an envelope goes where several would do.
pub(crate) const PREFERRED: [Protocol; 2] = [Protocol::Waku, Protocol::Whisper];

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
