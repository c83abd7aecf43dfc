//! From a packet to the pool.

use undertone_base::Now;
use undertone_lanes::{Backend, Input as Hashed, keccak256_each};

use super::confirm::Answer;
use super::rates::Allowance;
use super::{Bridge, Event, LIST_HEADER, Refusal, Watch, Whisper};
use crate::dialect::Protocol;
use crate::envelope::{Envelope, EnvelopeHash, RawEnvelope};
use crate::limits::{
    FUTURE_SECS, HASHED_TOGETHER, LAST_SECS, MAX_MESSAGE, MAX_TTL, READ_AFTER, VERY_OLD_SECS,
};
use crate::peer::PeerId;
use crate::pool::Origin;
use crate::pow::Preimage;
use crate::skew::{ClockSample, SampleKind};
use crate::wire::{Messages, PacketFault};

/// Who brought an envelope, and by what; `None` = it was posted here.
type Giver = Option<(PeerId, Protocol)>;

/// An envelope of a packet, with the hash behind its proof of work where that was made.
pub(super) struct Candidate<'a> {
    pub(super) raw: RawEnvelope<'a>,
    pub(super) proof: Option<[u8; 32]>,
}

impl<'a> Candidate<'a> {
    const fn unhashed(raw: RawEnvelope<'a>) -> Self {
        Self { raw, proof: None }
    }
}

/// An envelope that may be taken: it lives, and it is not too large.
struct Living<'a> {
    raw: RawEnvelope<'a>,
    preimage: Preimage<'a>,
    proof: Option<[u8; 32]>,
    /// When it was made, in Unix seconds.
    sent: u32,
}

/// One that is not in the pool.
struct Fresh<'a> {
    living: Living<'a>,
    hash: EnvelopeHash,
}

impl Whisper {
    pub(super) fn messages(
        &mut self,
        now: Now,
        giver: (PeerId, Protocol),
        body: &[u8],
        allowance: Allowance,
    ) -> Result<(), PacketFault> {
        let (id, protocol) = giver;
        let before = (self.pool.end(), self.stats.accepted);
        let mistimed = self.stats.early + self.stats.expired;
        // Of what is not even looked at nothing is said: silence is not taken.
        let answers = allowance != Allowance::Bytes(0) && self.confirms(id, protocol);
        let mut answer = answers.then(Answer::default);
        let raws = Messages::decode(body)?.iter();
        if self.watch == Watch::Traffic {
            let received = |raw: RawEnvelope<'_>| Event::Received { hash: raw.hash(), peer: id };
            self.events.extend(Messages::decode(body)?.iter().map(received));
        }
        let verdict = if allowance == Allowance::All && !(self.limits_topics() && self.is_limited(id)) {
            self.take_all(now, giver, raws.map(Candidate::unhashed), answer.as_mut())
        } else {
            let (within, over) = self.within_limits(now, id, raws, allowance);
            for (raw, refusal) in &over {
                self.count(*refusal);
                if let Some(answer) = &mut answer {
                    answer.refused(raw, *refusal);
                }
            }
            self.take_all(now, giver, within.into_iter(), answer.as_mut())
        };
        // What is held until its time has not arrived, but it takes room.
        if (self.pool.end(), self.stats.accepted) != before {
            self.settle(now);
        }
        if let Some(answer) = answer.filter(|_| verdict.is_ok()) {
            self.answer(id, protocol, body, &answer);
        }
        self.read_clock(now, id, body, self.stats.early + self.stats.expired > mistimed);
        verdict
    }

    fn take_all<'a>(
        &mut self,
        now: Now,
        (id, protocol): (PeerId, Protocol),
        raws: impl Iterator<Item = Candidate<'a>>,
        mut answer: Option<&mut Answer>,
    ) -> Result<(), PacketFault> {
        let mut verdict = Ok(());
        let mut raws = raws.peekable();
        while raws.peek().is_some() {
            for (raw, refusal) in self.receive(now, Some((id, protocol)), raws.by_ref().take(HASHED_TOGETHER))
            {
                self.count(refusal);
                if let Some(answer) = &mut answer {
                    answer.refused(&raw, refusal);
                }
                let serious = matches!(refusal, Refusal::LowPow | Refusal::Unwanted);
                if serious && self.peers.get_mut(&id).is_some_and(|peer| peer.blame(now.mono)) {
                    // The rest of the packet is still taken, as geth does.
                    verdict = Err(PacketFault::Unwanted);
                }
            }
        }
        verdict
    }

    pub(super) fn post(&mut self, now: Now, envelope: &Envelope) -> Result<(), Refusal> {
        let header = envelope.header();
        if header.expiry < now.unix.secs_u32().saturating_add(LAST_SECS) {
            return Err(Refusal::Expired);
        }
        // Above, even a packet of its own would cost us every peer; what a peer sent came in such a packet.
        let body = envelope.bytes().len() + LIST_HEADER;
        if body > MAX_MESSAGE {
            return Err(Refusal::TooLarge { got: body });
        }
        let raw = RawEnvelope::decode(envelope.bytes()).map_err(|_| Refusal::Ttl)?;
        if let Some((_, refusal)) = self.receive(now, None, std::iter::once(Candidate::unhashed(raw))).pop() {
            return Err(refusal);
        }
        self.settle(now);
        Ok(())
    }

    /// The checks of `whisper.md` 1.1, cheap ones first, then the pool. The hashes of all are made in lanes: names
    /// first, and proofs of work only of what is new. What is refused is taken by nobody.
    fn receive<'a>(
        &mut self,
        now: Now,
        from: Giver,
        candidates: impl Iterator<Item = Candidate<'a>>,
    ) -> Vec<(RawEnvelope<'a>, Refusal)> {
        let mut refused = Vec::new();
        let living: Vec<_> = candidates
            .filter_map(|one| {
                let raw = one.raw;
                living(one, now.unix.secs_u32()).map_err(|refusal| refused.push((raw, refusal))).ok()
            })
            .collect();
        let mut fresh = Vec::with_capacity(living.len());
        for (living, name) in name_all(living) {
            let hash = EnvelopeHash::from_bytes(name);
            if !self.knows(now, from, &hash) {
                fresh.push(Fresh { living, hash });
            }
        }
        prove_all(&mut fresh);
        let twins = any_twins(&fresh);
        for fresh in &fresh {
            if !twins || !self.knows(now, from, &fresh.hash) {
                let taken = self.take(now, from, fresh);
                refused.extend(taken.err().map(|refusal| (fresh.living.raw, refusal)));
            }
        }
        refused
    }

    /// Whether an envelope is in the pool, or was; if so, that its giver has it. One of our own that comes from somebody whom
    /// we did not send it is in the network, whatever those say whom we did.
    fn knows(&mut self, now: Now, from: Giver, hash: &EnvelopeHash) -> bool {
        if let Some(slot) = self.pool.find(hash) {
            self.stats.duplicates += 1;
            if let Some((id, protocol)) = from
                && let Some(peer) = self.peers.get_mut(&id)
            {
                let is_local = self.pool.get(slot).is_some_and(|(_, origin)| origin.is_local());
                if is_local && !peer.known.contains(slot) {
                    self.events.push_back(Event::Returned { hash: *hash, peer: id });
                }
                peer.known.insert(slot);
                self.sample_clock(now, id, hash);
                if self.bridge == Bridge::Off {
                    self.pool.came_by(slot, protocol);
                }
            }
            return true;
        }
        let evicted = from.is_some() && self.pool.was_evicted(hash);
        self.stats.duplicates += u64::from(evicted);
        evicted
    }

    fn take(&mut self, now: Now, from: Giver, fresh: &Fresh<'_>) -> Result<(), Refusal> {
        let Fresh { living: Living { raw, sent, proof, .. }, hash } = fresh;
        let work = proof.as_ref().map_or_else(|| raw.work(), |proof| raw.work_of(proof));
        let ahead = sent.checked_sub(now.unix.secs_u32()).filter(|diff| *diff > 0);
        let lived = ahead.map_or(raw.header.ttl, |diff| raw.header.ttl.saturating_add(diff + 1));
        if let Some((_, protocol)) = from {
            let pow = work.geth(lived);
            if !self.wishes.min_pow.any(now.mono, |min| pow >= min.value()) {
                // What our clock alone makes cheap was dear enough for whoever passed it on.
                let as_made = work.geth(raw.header.ttl);
                let by_our_clock = self.wishes.min_pow.any(now.mono, |min| as_made >= min.value());
                return Err(if by_our_clock { Refusal::Early } else { Refusal::LowPow });
            }
            if !self.wishes.ask_for(now.mono, protocol, raw.header.topic) {
                return Err(Refusal::Unwanted);
            }
        }
        let envelope = raw.to_envelope(*hash, &work);
        if self.watch != Watch::Subscribed || self.topics.contains_key(&envelope.topic()) {
            self.events
                .push_back(Event::Accepted { envelope: envelope.clone(), from: from.map(|(id, _)| id) });
        }
        let origin = from.map_or(Origin::Local, |(_, protocol)| Origin::Remote(protocol));
        let slot = self.pool.insert(envelope, origin, ahead.map(|_| *sent));
        if let Some((id, _)) = from
            && let Some(peer) = self.peers.get_mut(&id)
        {
            peer.known.insert(slot);
            peer.news = peer.news.saturating_add(1);
            self.first_seen.first(now, id, *hash, *sent);
        }
        self.stats.accepted += 1;
        Ok(())
    }

    /// A duplicate may say how far the clock of whoever sealed it is from ours.
    fn sample_clock(&mut self, now: Now, from: PeerId, hash: &EnvelopeHash) {
        let Some(sample) = self.first_seen.again(now, from, hash) else { return };
        let Some(giver) = self.peers.get_mut(&sample.peer) else { return };
        if self.first_seen.keep(now, giver.sampled, sample) {
            giver.sampled = Some(now.mono);
        }
    }

    /// A packet may say how far the giver's clock is from ours, if something of it was refused for its time or that was so
    /// before. Nothing is hashed for it, and it is done seldom.
    fn read_clock(&mut self, now: Now, id: PeerId, body: &[u8], mistimed: bool) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let reads = mistimed || peer.readings.as_ref().is_some_and(|readings| readings.is_reading());
        if !reads || now.mono < peer.since.after(READ_AFTER) {
            return;
        }
        let readings = peer.readings.get_or_insert_default();
        if !readings.is_due(now.mono) {
            return;
        }
        let Ok(raws) = Messages::decode(body) else { return };
        let plausible = |raw: &RawEnvelope<'_>| (1..=MAX_TTL).contains(&raw.header.ttl);
        let freshest = raws.iter().filter(plausible).filter_map(|raw| raw.sent()).max();
        if let Some(offset_ms) = freshest.and_then(|sent| readings.add(now, sent)) {
            // They are seldom enough by themselves.
            let sample = ClockSample { peer: id, offset_ms, kind: SampleKind::Envelope };
            self.first_seen.keep(now, None, sample);
        }
    }

    const fn count(&mut self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::Early => &mut self.stats.early,
            Refusal::Expired | Refusal::VeryOld => &mut self.stats.expired,
            Refusal::TooLarge { .. } | Refusal::Ttl => &mut self.stats.unacceptable,
            Refusal::LowPow => &mut self.stats.low_pow,
            Refusal::TooMany => &mut self.stats.too_many,
            Refusal::Unwanted => &mut self.stats.unwanted,
        };
        *counter += 1;
    }
}

/// Whether an envelope is there twice.
fn any_twins(fresh: &[Fresh<'_>]) -> bool {
    if fresh.len() < 2 {
        return false;
    }
    let mut hashes: Vec<_> = fresh.iter().map(|fresh| fresh.hash).collect();
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// The names of all. While lanes would stand idle, proofs are made with them: they cost nothing more.
fn name_all(mut living: Vec<Living<'_>>) -> impl Iterator<Item = (Living<'_>, [u8; 32])> {
    let unproved = living.iter().filter(|one| one.proof.is_none()).count();
    let spare = living.len() + unproved <= Backend::best().lanes();
    let names = living.iter().map(|one| Hashed::new(one.raw.bytes()));
    let proofs = living.iter().filter(|one| spare && one.proof.is_none()).map(|one| one.preimage.input());
    let mut hashes = hash_all(names.chain(proofs).collect());
    let proofs = hashes.split_off(living.len());
    for (one, proof) in living.iter_mut().filter(|one| one.proof.is_none()).zip(proofs) {
        one.proof = Some(proof);
    }
    living.into_iter().zip(hashes)
}

/// Makes the proofs that are not made yet.
fn prove_all(fresh: &mut [Fresh<'_>]) {
    let unproved = fresh.iter().filter(|fresh| fresh.living.proof.is_none());
    let proofs = hash_all(unproved.map(|fresh| fresh.living.preimage.input()).collect());
    for (fresh, proof) in fresh.iter_mut().filter(|fresh| fresh.living.proof.is_none()).zip(proofs) {
        fresh.living.proof = Some(proof);
    }
}

pub(super) fn hash_all(inputs: Vec<Hashed<'_>>) -> Vec<[u8; 32]> {
    let mut hashes = vec![[0; 32]; inputs.len()];
    keccak256_each(&inputs, &mut hashes);
    hashes
}

fn living(Candidate { raw, proof }: Candidate<'_>, now: u32) -> Result<Living<'_>, Refusal> {
    let sent = check_times(&raw, now)?;
    if raw.size() > MAX_MESSAGE {
        return Err(Refusal::TooLarge { got: raw.size() });
    }
    Ok(Living { preimage: raw.preimage(), raw, proof, sent })
}

/// Whether an envelope lives, by a clock of `now` Unix seconds; gives when it was made.
///
/// DEVIATION: geth and status-go take a ttl of 0 (infinite PoW), one above the expiry (both wrap around and refuse
/// by chance) and one of 136 years. Here all three are refused, and nobody is dropped for any of it: the deployed
/// status-go never drops for an envelope, and a clock that is wrong is not malice (test `acceptance_by_time`).
fn check_times(raw: &RawEnvelope<'_>, now: u32) -> Result<u32, Refusal> {
    let expiry = raw.header.expiry;
    let sent = raw.sent().ok_or(Refusal::Ttl)?;
    if raw.header.ttl == 0 || raw.header.ttl > MAX_TTL {
        return Err(Refusal::Ttl);
    }
    if sent > now.saturating_add(FUTURE_SECS) {
        return Err(Refusal::Early);
    }
    if expiry.saturating_add(VERY_OLD_SECS) < now {
        return Err(Refusal::VeryOld);
    }
    if expiry < now {
        return Err(Refusal::Expired);
    }
    Ok(sent)
}
