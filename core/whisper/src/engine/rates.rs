//! How much peers may give us, and how fast we give to them.

use undertone_base::{Mono, Now};

use super::{Refusal, Transmit, Whisper};
use crate::dialect::{Protocol, RateLimits};
use crate::envelope::RawEnvelope;
use crate::limits::MAX_BUNDLE;
use crate::peer::{PeerId, Wants};
use crate::rate::{Source, Verdict};
use crate::wire::PacketFault;

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
    ) -> (Vec<RawEnvelope<'a>>, Vec<(RawEnvelope<'a>, Refusal)>) {
        let Allowance::Bytes(mut left) = allowance else { return self.within_topics(now, id, raws) };
        if left == 0 {
            // Nothing is chosen, so nothing is hashed.
            return (Vec::new(), raws.map(|raw| (raw, Refusal::TooMany)).collect());
        }
        let (mut within, mut over) = (Vec::new(), Vec::new());
        for raw in best_first(now.unix.secs_u32(), raws) {
            match left.checked_sub(raw.bytes().len()) {
                Some(less) => {
                    left = less;
                    within.push(raw);
                }
                None => over.push((raw, Refusal::TooMany)),
            }
        }
        let (within, more) = self.within_topics(now, id, within.into_iter());
        over.extend(more);
        (within, over)
    }

    fn within_topics<'a>(
        &mut self,
        now: Now,
        id: PeerId,
        raws: impl Iterator<Item = RawEnvelope<'a>>,
    ) -> (Vec<RawEnvelope<'a>>, Vec<(RawEnvelope<'a>, Refusal)>) {
        let mut over = Vec::new();
        if !self.limits_topics() {
            return (raws.collect(), over);
        }
        let mut within = best_first(now.unix.secs_u32(), raws);
        within.retain(|raw| {
            let fits = self.rates.admit_on_topic(now.mono, id, raw.header.topic);
            if !fits {
                over.push((*raw, Refusal::TooMany));
            }
            fits
        });
        (within, over)
    }

    /// Whether envelopes are counted by topic.
    pub(super) const fn limits_topics(&self) -> bool {
        self.wishes.packet_limits.topic > 0
    }

    /// When this peer may get the next packet by the limits that it announced, if not now.
    pub(super) fn paced_until(&mut self, now: Now, id: PeerId, protocol: Protocol) -> Option<Mono> {
        let side = self.peers.get_mut(&id)?.side_mut(protocol)?;
        let (packets, bytes) = limits_of(side.wants()?);
        if (packets, bytes) == (RateLimits::NONE, RateLimits::NONE) {
            return None;
        }
        Some(side.pace.ready_at(now.mono, &packets, &bytes)).filter(|at| *at > now.mono)
    }

    /// A packet has left for this peer.
    pub(super) fn paced(&mut self, now: Now, id: PeerId, protocol: Protocol, len: usize) {
        let Some(side) = self.peers.get_mut(&id).and_then(|peer| peer.side_mut(protocol)) else { return };
        let Some((packets, bytes)) = side.wants().map(limits_of) else { return };
        side.pace.sent(now.mono, &packets, &bytes, len);
    }
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

fn best_first<'a>(now: u32, raws: impl Iterator<Item = RawEnvelope<'a>>) -> Vec<RawEnvelope<'a>> {
    let raws: Vec<_> = raws.collect();
    let mut ranked: Vec<(f64, usize)> = Vec::with_capacity(raws.len());
    let preimages: Vec<_> = raws.iter().map(RawEnvelope::preimage).collect();
    let proofs = super::receive::hash_all(preimages.iter().map(|preimage| preimage.input()).collect());
    for (at, (raw, proof)) in raws.iter().zip(&proofs).enumerate() {
        let left = raw.header.expiry.saturating_sub(now).saturating_add(1);
        // A ttl of 0 would be worth the most, and is refused.
        let pow = if raw.header.ttl == 0 { 0.0 } else { raw.work_of(proof).strict(raw.header.ttl) };
        ranked.push((pow * f64::from(left), at));
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().filter_map(|(_, at)| raws.get(at).copied()).collect()
}
