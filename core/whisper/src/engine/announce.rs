//! What we ask of peers, told to all of them.

use undertone_base::{Mono, Now};

use super::{Transmit, Whisper};
use crate::dialect::{Protocol, RateLimits};
use crate::limits::{ANNOUNCE_EVERY, TOLERANCE};
use crate::wire::{self, PacketCode, waku};
use crate::{Bloom, Pow, Topic};

/// What peers were told of the topics that are wanted, and when they will hear more.
#[derive(Clone, Debug)]
pub(super) struct Told {
    bloom: Option<Bloom>,
    waku: waku::Status,
    at: Option<Mono>,
    /// When what has changed since is told.
    pub(super) due: Option<Mono>,
}

impl Told {
    pub(super) const fn new(bloom: Option<Bloom>, waku: waku::Status) -> Self {
        Self { bloom, waku, at: None, due: None }
    }
}

impl Whisper {
    /// At once: it is rare, and the price of what is being sealed.
    pub(super) fn set_min_pow(&mut self, now: Now, pow: Pow) {
        self.wishes.min_pow.set(pow, now.mono, TOLERANCE, Pow::min);
        self.told.waku.min_pow = pow;
        let change = waku::Options { min_pow: Some(pow), ..waku::Options::default() };
        self.announce(Some((PacketCode::POW_REQUIREMENT, wire::encode_pow(pow))), Some(&change));
    }

    /// At once: peers pace what they send by it.
    pub(super) fn set_limits(&mut self, packets: RateLimits, bytes: RateLimits) {
        self.wishes.packet_limits = packets;
        self.wishes.byte_limits = bytes;
        self.rates.set(packets, bytes);
        let new = self.wishes.waku_status();
        (self.told.waku.packet_limits, self.told.waku.byte_limits) = (packets, bytes);
        let change = waku::Options {
            packet_limits: Some(new.packet_limits),
            byte_limits: Some(new.byte_limits),
            ..waku::Options::default()
        };
        self.announce(Some((PacketCode::RATE_LIMITS, packets.encode())), Some(&change));
    }

    pub(super) fn set_bloom(&mut self, now: Now, bloom: Option<Bloom>) {
        self.wishes.set_bloom(bloom, now.mono);
        self.tell_soon(now);
    }

    pub(super) fn set_topics(&mut self, now: Now, topics: Vec<Topic>) {
        self.wishes.set_topics(topics, now.mono);
        self.tell_soon(now);
    }

    pub(super) fn set_interest(&mut self, now: Now, bloom: Option<Bloom>, topics: Vec<Topic>) {
        if *self.wishes.bloom.current() != bloom {
            self.wishes.set_bloom(bloom, now.mono);
        }
        self.wishes.set_topics(topics, now.mono);
        self.tell_soon(now);
    }

    /// The first change leaves at once, those that follow it closely together.
    fn tell_soon(&mut self, now: Now) {
        let next = self.told.at.map(|told| told.after(ANNOUNCE_EVERY)).filter(|next| *next > now.mono);
        match next {
            Some(next) => self.told.due = Some(next),
            None => self.tell(now),
        }
    }

    /// Tells what has changed.
    pub(super) fn tell(&mut self, now: Now) {
        (self.told.at, self.told.due) = (Some(now.mono), None);
        let bloom = *self.wishes.bloom.current();
        let bloom_changed = std::mem::replace(&mut self.told.bloom, bloom) != bloom;
        let packet = bloom_changed
            .then(|| (PacketCode::BLOOM_FILTER, wire::encode_bloom(&bloom.unwrap_or(Bloom::FULL))));
        let status = self.wishes.waku_status();
        let options = status.changes_since(&self.told.waku);
        self.told.waku = status;
        self.announce(packet, Some(&options).filter(|options| **options != waku::Options::default()));
    }

    /// Sends the same to every peer by the words of each protocol. Its Status has already left, so nothing overtakes it.
    fn announce(&mut self, packet: Option<(PacketCode, Vec<u8>)>, change: Option<&waku::Options>) {
        for (id, peer) in &self.peers {
            for (protocol, side) in peer.sides() {
                let (code, body) = match (protocol, side.version) {
                    (Protocol::Waku, Some(version)) => {
                        let Some(change) = change else { continue };
                        (PacketCode::STATUS_UPDATE, change.encode(version))
                    }
                    _ => {
                        let Some((code, body)) = &packet else { continue };
                        (*code, body.clone())
                    }
                };
                self.out.push_back(Transmit::Packet { peer: *id, protocol, code, body });
            }
        }
    }
}
