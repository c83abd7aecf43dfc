//! How much peers may give us, and how fast we give to them.

use std::collections::VecDeque;

use undertone_base::{Mono, Now};

use super::receive::Candidate;
use super::{Refusal, Transmit, Whisper};
use crate::dialect::{Protocol, RateLimits};
use crate::envelope::RawEnvelope;
use crate::limits::{MAX_BUNDLE, MAX_HELD_ANSWERS, MAX_HELD_BYTES};
use crate::peer::{Peer, PeerId, Phase, Side, Wants};
use crate::rate::{RateLimiter, Source, Verdict};
use crate::wire::{PacketCode, PacketFault};

/// By which protocol, of which code, and its body.
pub(super) type Packet = (Protocol, PacketCode, Vec<u8>);

/// What of a packet may be taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Allowance {
    All,
    /// Envelopes of so many bytes, the most valuable first.
    Bytes(usize),
}

impl Whisper {
    /// Weighs a packet against the limits that we announced. Static and trusted peers have none.
    pub(super) fn admit(&mut self, now: Now, id: PeerId, len: usize) -> Result<Allowance, PacketFault> {
        if !self.is_limited(id) {
            return Ok(Allowance::All);
        }
        let ip = self.peers.get(&id).and_then(|peer| peer.ip);
        match self.rates.admit(now.mono, Source { peer: id, ip }, len) {
            Verdict::Ok => Ok(Allowance::All),
            Verdict::DeferUntil(until) => {
                self.defer(id, until);
                Ok(Allowance::All)
            }
            Verdict::Over { bytes, until } => {
                self.defer(id, until);
                Ok(Allowance::Bytes(bytes))
            }
            Verdict::Flood { .. } => Err(PacketFault::Flood),
        }
    }

    /// Whether any limit binds this peer.
    pub(super) fn is_limited(&self, id: PeerId) -> bool {
        self.rates.is_on() && self.peers.get(&id).is_some_and(|peer| !peer.exempt && !peer.trusted)
    }

    /// Asks for a pause in reading, once for the same one.
    fn defer(&mut self, id: PeerId, until: Mono) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.unread_until.is_none_or(|told| told < until) {
            peer.unread_until = Some(until);
            self.stats.deferred += 1;
            self.out.push_back(Transmit::Defer { peer: id, until });
        }
    }

    /// Which envelopes of a packet are taken within the limits, best first, and which are too many. One is worth its
    /// proof of work times the life that it has left, as in the pool.
    pub(super) fn within_limits<'a>(
        &mut self,
        now: Now,
        id: PeerId,
        raws: impl Iterator<Item = RawEnvelope<'a>>,
        allowance: Allowance,
    ) -> (Vec<Candidate<'a>>, Vec<(RawEnvelope<'a>, Refusal)>) {
        let mut left = match allowance {
            Allowance::All => usize::MAX,
            // Nothing is chosen, so nothing is hashed.
            Allowance::Bytes(0) => return (Vec::new(), raws.map(|raw| (raw, Refusal::TooMany)).collect()),
            Allowance::Bytes(left) => left,
        };
        let by_topic = self.limits_topics();
        let (mut within, mut over) = (Vec::new(), Vec::new());
        for one in best_first(now.unix.secs_u32(), raws) {
            let less = left.checked_sub(one.raw.bytes().len());
            let fits = |rates: &mut RateLimiter| {
                !by_topic || rates.admit_on_topic(now.mono, id, one.raw.header.topic)
            };
            match less.filter(|_| fits(&mut self.rates)) {
                Some(less) => {
                    left = less;
                    within.push(one);
                }
                None => over.push((one.raw, Refusal::TooMany)),
            }
        }
        (within, over)
    }

    /// Counts what leaves in what a peer takes in a second. An answer that would be too much waits, and leaves before
    /// anything else; a change of our wishes never waits, because what is taken and refused goes by it.
    pub(super) fn paced_out(&mut self, now: Now, out: Transmit) -> Option<Transmit> {
        let Transmit::Packet { peer: id, protocol, code, body } = out else { return Some(out) };
        if let Some(peer) = self.peers.get_mut(&id) {
            let is_answer = matches!(code, PacketCode::BATCH_ACK | PacketCode::MESSAGE_RESPONSE);
            if is_answer && let Some(at) = paced_until(peer, now.mono) {
                peer.hold_answer((protocol, code, body));
                if peer.has_answers_only() {
                    self.flush_at(id, at);
                }
                return None;
            }
            if let Some(side) = peer.side_mut(protocol) {
                paced(side, now.mono, body.len());
            }
        }
        Some(Transmit::Packet { peer: id, protocol, code, body })
    }

    /// The first answer that has waited for a peer which may have something to get, if it takes one now.
    pub(super) fn held_answer(&mut self, now: Now, id: PeerId) -> Option<Packet> {
        let peer = self.peers.get_mut(&id)?;
        if peer.answers.is_empty() || paced_until(peer, now.mono).is_some() {
            return None;
        }
        let (protocol, code, body) = peer.answers.pop_front()?;
        if let Some(side) = peer.side_mut(protocol) {
            paced(side, now.mono, body.len());
        }
        // There may be more, of answers or of envelopes.
        self.enqueue(id);
        Some((protocol, code, body))
    }

    /// Whether envelopes are counted by topic.
    pub(super) const fn limits_topics(&self) -> bool {
        self.wishes.packet_limits.topic > 0
    }
}

impl Peer {
    fn hold_answer(&mut self, answer: Packet) {
        self.answers.push_back(answer);
        let bytes = |answers: &VecDeque<Packet>| answers.iter().map(|(_, _, body)| body.len()).sum::<usize>();
        while self.answers.len() > MAX_HELD_ANSWERS || bytes(&self.answers) > MAX_HELD_BYTES {
            self.answers.pop_front();
        }
    }
}

/// When a peer may get the next packet by the limits that it announced, if not now.
pub(super) fn paced_until(peer: &mut Peer, now: Mono) -> Option<Mono> {
    let ready_at = |side: &mut Side| {
        let Side { phase: Phase::Ready(wants), pace, .. } = side else { return None };
        if (wants.packet_limits, wants.byte_limits) == (RateLimits::NONE, RateLimits::NONE) {
            return None;
        }
        let (packets, bytes) = limits_of(wants);
        Some(pace.ready_at(now, &packets, &bytes)).filter(|at| *at > now)
    };
    peer.sides_mut().filter_map(|(_, side)| ready_at(side)).max()
}

/// A packet leaves by this protocol.
pub(super) fn paced(side: &mut Side, now: Mono, len: usize) {
    let Side { phase: Phase::Ready(wants), pace, .. } = side else { return };
    let (packets, bytes) = limits_of(wants);
    pace.sent(now, &packets, &bytes, len);
}

/// Largest bundle for a peer: what it takes in a second, if that is less than ours.
pub(super) fn bundle_limit(wants: &Wants) -> usize {
    match limits_of(wants).1.peer {
        0 => MAX_BUNDLE,
        limit => usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_BUNDLE),
    }
}

/// The limits that bind us as one peer at one address.
fn limits_of(wants: &Wants) -> (RateLimits, RateLimits) {
    let own = |limits: &RateLimits| {
        let peer = match (limits.ip, limits.peer) {
            (0, limit) | (limit, 0) => limit,
            (ip, peer) => ip.min(peer),
        };
        RateLimits { peer, ..RateLimits::NONE }
    };
    (own(&wants.packet_limits), own(&wants.byte_limits))
}

/// What was hashed for its worth is not hashed again when it is taken.
fn best_first<'a>(now: u32, raws: impl Iterator<Item = RawEnvelope<'a>>) -> Vec<Candidate<'a>> {
    let raws: Vec<_> = raws.collect();
    let preimages: Vec<_> = raws.iter().map(RawEnvelope::preimage).collect();
    let proofs = super::receive::hash_all(preimages.iter().map(|preimage| preimage.input()).collect());
    let worth = |(raw, proof): (RawEnvelope<'a>, [u8; 32])| {
        let left = raw.header.expiry.saturating_sub(now).saturating_add(1);
        // A ttl of 0 would be worth the most, and is refused.
        let pow = if raw.header.ttl == 0 { 0.0 } else { raw.work_of(&proof).strict(raw.header.ttl) };
        (pow * f64::from(left), Candidate { raw, proof: Some(proof) })
    };
    let mut ranked: Vec<_> = raws.into_iter().zip(proofs).map(worth).collect();
    // Stable: of two that are worth the same the first comes first.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().map(|(_, one)| one).collect()
}
