//! Who is told that envelopes were taken, and who tells us.

use undertone_base::Now;
use undertone_crypto::keccak256;

use super::{Event, Refusal, Transmit, Whisper};
use crate::confirm::{
    BatchHash, NotTaken, decode_ack, decode_response, encode_ack, encode_response, error_code, is_of_clocks,
};
use crate::dialect::Protocol;
use crate::envelope::{EnvelopeHash, RawEnvelope};
use crate::limits::{MAX_ACKS, MAX_LISTED, MAX_UNCONFIRMED};
use crate::peer::PeerId;
use crate::skew::{ClockFault, ClockSample, SampleKind};
use crate::wire::{PacketCode, PacketFault};

/// Whether packets of envelopes are confirmed to peers that ask for it, and confirmations asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Confirm {
    /// As geth: our Status has four items, and what a link took counts as sent.
    #[default]
    Never,
    /// As status-go, when an envelope is in the pool: what a relay that keeps nothing can promise.
    AtOnce,
    /// When [`Input::Durable`](super::Input::Durable) answers [`Event::AckReady`].
    WhenDurable,
}

/// Names a confirmation that waits for what it confirms to be stored. Never reused within a run.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AckId(u64);

/// What of a packet was refused, collected for the answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    errors: Vec<(EnvelopeHash, Refusal)>,
    /// Too many to list; then nothing is said, because what is not listed would count as taken.
    overflow: bool,
}

impl Answer {
    /// Notes a refusal. One that has just expired is no error, as in the originals.
    pub(super) fn refused(&mut self, raw: &RawEnvelope<'_>, refusal: Refusal) {
        if refusal == Refusal::Expired {
            return;
        }
        if self.errors.len() >= MAX_LISTED {
            self.overflow = true;
            return;
        }
        self.errors.push((raw.hash(), refusal));
    }
}

impl Whisper {
    /// Whether this peer and we confirm to each other by this protocol.
    pub(super) fn confirms(&self, id: PeerId, protocol: Protocol) -> bool {
        let wants = self.peers.get(&id).and_then(|peer| peer.wants(protocol));
        self.confirm != Confirm::Never && wants.is_some_and(|wants| wants.confirmations)
    }

    /// Answers a packet of envelopes, now or when it is durable.
    pub(super) fn answer(&mut self, peer: PeerId, protocol: Protocol, body: &[u8], answer: &Answer) {
        if answer.overflow {
            return;
        }
        let batch = BatchHash::from_bytes(keccak256(body));
        let (code, body) = if answer.errors.is_empty() {
            (PacketCode::BATCH_ACK, encode_ack(&batch))
        } else {
            let texts: Vec<_> = answer.errors.iter().map(|(_, refusal)| refusal.to_string()).collect();
            let errors = answer.errors.iter().zip(&texts).map(|((hash, refusal), text)| NotTaken {
                hash: *hash,
                code: error_code(protocol, refusal.is_of_clocks()),
                text: text.as_bytes(),
            });
            (PacketCode::MESSAGE_RESPONSE, encode_response(&batch, &errors.collect::<Vec<_>>()))
        };
        let packet = Transmit::Packet { peer, protocol, code, body };
        if self.confirm == Confirm::AtOnce {
            return self.out.push_back(packet);
        }
        let id = AckId(self.next_ack);
        self.next_ack += 1;
        if self.acks.len() >= MAX_ACKS {
            self.acks.pop_first();
        }
        self.acks.insert(id, packet);
        self.events.push_back(Event::AckReady { peer, ack: id });
    }

    pub(super) fn durable(&mut self, id: AckId) {
        if let Some(packet) = self.acks.remove(&id)
            && let Transmit::Packet { peer, .. } = &packet
            && self.peers.contains_key(peer)
        {
            self.out.push_back(packet);
        }
    }

    /// Our envelopes left in a packet to a peer that will confirm it.
    pub(super) fn await_confirmation(&mut self, id: PeerId, body: &[u8], own: Vec<EnvelopeHash>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.unconfirmed.len() >= MAX_UNCONFIRMED {
            peer.unconfirmed.pop_front();
        }
        peer.unconfirmed.push_back((BatchHash::from_bytes(keccak256(body)), own));
    }

    /// A packet of either kind from a peer that confirms.
    pub(super) fn confirmation(
        &mut self,
        now: Now,
        id: PeerId,
        code: PacketCode,
        body: &[u8],
    ) -> Result<(), PacketFault> {
        let (batch, errors) = if code == PacketCode::BATCH_ACK {
            (decode_ack(body)?, Vec::new())
        } else {
            let Some(response) = decode_response(body)? else { return Ok(()) };
            response
        };
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(at) = peer.unconfirmed.iter().position(|(waiting, _)| *waiting == batch) else {
            return Ok(());
        };
        let Some((_, own)) = peer.unconfirmed.remove(at) else { return Ok(()) };
        if let Some(offset_ms) =
            errors.iter().find_map(|error| ClockFault::of_text(error.text)).map(ClockFault::least_offset_ms)
        {
            let sample = ClockSample { peer: id, offset_ms, kind: SampleKind::Text };
            if self.first_seen.keep(now, peer.sampled, sample) {
                peer.sampled = Some(now.mono);
            }
        }
        for hash in own {
            self.events.push_back(match errors.iter().find(|error| error.hash == hash) {
                None => Event::Confirmed { hash, peer: id, batch },
                Some(error) => {
                    self.stats.refused += 1;
                    self.stats.refused_for_clock += u64::from(is_of_clocks(error.code));
                    let clock = ClockFault::of_text(error.text);
                    Event::Refused { hash, peer: id, batch, code: error.code, clock }
                }
            });
        }
        Ok(())
    }
}
