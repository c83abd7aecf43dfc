//! Envelopes, the packets of the capability, and the gossip machine between three peers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_whisper::wire::{self, Messages, PacketCode, Status};
use undertone_whisper::{
    Config, EnvelopeHash, Event, Input, Link, PeerId, Pow, Protocol, RawEnvelope, Transmit, Watch, Whisper,
};

/// Envelopes that the machine under test may keep: few, so that the bound is met.
const MAX_ENVELOPES: usize = 8;

/// One envelope.
pub fn envelope(data: &[u8]) {
    let Ok(raw) = RawEnvelope::decode(data) else { return };
    let (hash, work) = (raw.hash(), raw.work());
    let kept = raw.to_envelope(hash, &work);
    assert_eq!(kept.bytes(), data, "what is kept is what came");
    assert_eq!(kept.data(), raw.data);
    assert_eq!(RawEnvelope::decode(kept.bytes()).map(|again| again.hash()), Ok(kept.hash()));
    let _ = (raw.sent(), work.geth(kept.header().ttl), kept.strict_pow(), kept.sent_at());
}

/// The body of any packet.
pub fn whisper_packet(data: &[u8]) {
    if let Ok(status) = Status::decode(data) {
        assert_eq!(Status::decode(&status.encode()), Ok(status));
    }
    if let Ok(pow) = wire::decode_pow(data) {
        assert_eq!(wire::decode_pow(&wire::encode_pow(pow)), Ok(pow));
    }
    if let Ok(bloom) = wire::decode_bloom(data) {
        assert_eq!(wire::encode_bloom(&bloom), data, "there is one encoding");
    }
    if let Ok(messages) = Messages::decode(data) {
        for raw in messages.iter() {
            envelope(raw.to_envelope(raw.hash(), &raw.work()).bytes());
        }
    }
}

/// The machine. The input is a list of records: operation, length (2 bytes), that many bytes. The operation's
/// low bits name a peer, the next ones say whether it is a packet (of which code), time that passes, or a link
/// that comes or goes.
pub fn whisper_node(data: &[u8]) {
    let mut node = Node::new();
    for (op, body) in crate::records(data) {
        node.step(op, body);
    }
}

struct Node {
    machine: Whisper,
    now: Now,
    /// What each peer brought, which must never be sent back to it.
    brought: BTreeMap<u64, BTreeSet<EnvelopeHash>>,
}

impl Node {
    fn new() -> Self {
        let config = Config {
            min_pow: Pow::ZERO,
            watch: Watch::All,
            max_envelopes: MAX_ENVELOPES,
            ..Config::default()
        };
        let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
        let mut node = Self { machine: Whisper::new(&config), now, brought: BTreeMap::new() };
        for peer in 0..3 {
            node.connect(peer);
        }
        node
    }

    fn connect(&mut self, peer: u64) {
        self.brought.insert(peer, BTreeSet::new());
        let _ = self.machine.handle(self.now, Input::Connected(Link::whisper(PeerId(peer))));
        let body = Status::default().encode();
        self.packet(peer, PacketCode::STATUS, &body);
    }

    fn step(&mut self, op: u8, body: &[u8]) {
        let peer = u64::from(op & 3) % 3;
        match op >> 2 & 7 {
            0..=2 => self.packet(peer, PacketCode::MESSAGES, body),
            3 => self.packet(peer, PacketCode::POW_REQUIREMENT, body),
            4 => self.packet(peer, PacketCode::BLOOM_FILTER, body),
            5 => self.packet(peer, PacketCode(u64::from(op >> 5) * 18), body),
            6 => {
                self.now = self.now.after(Duration::from_millis(100 * body.len() as u64));
                self.machine.handle_timeout(self.now);
            }
            _ => {
                let _ = self.machine.handle(self.now, Input::Disconnected(PeerId(peer)));
                self.connect(peer);
            }
        }
        self.drain();
    }

    fn packet(&mut self, peer: u64, code: PacketCode, body: &[u8]) {
        if code == PacketCode::MESSAGES
            && let Ok(messages) = Messages::decode(body)
        {
            let seen = self.brought.entry(peer).or_default();
            seen.extend(messages.iter().map(|raw| raw.hash()));
        }
        let _ = self
            .machine
            .handle(self.now, Input::Packet { peer: PeerId(peer), protocol: Protocol::Whisper, code, body });
    }

    fn drain(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            if let Event::Accepted { envelope, from } = event {
                let bytes = RawEnvelope::decode(envelope.bytes()).expect("what is accepted is an envelope");
                assert_eq!(bytes.hash(), envelope.hash());
                assert!(from.is_some(), "nothing was posted here");
            }
        }
        while let Some(transmit) = self.machine.poll_transmit(self.now) {
            match transmit {
                Transmit::Disconnect { peer, .. } => self.connect(peer.0),
                Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } => {
                    let messages = Messages::decode(&body).expect("what is sent is a list of envelopes");
                    for raw in messages.iter() {
                        let back = self.brought.get(&peer.0).is_some_and(|seen| seen.contains(&raw.hash()));
                        assert!(!back, "an envelope goes back to where it came from");
                    }
                    let _ = self.machine.handle(self.now, Input::Sent(peer));
                }
                Transmit::Defer { .. } | Transmit::Packet { .. } => {}
            }
        }
        assert!(self.machine.pooled().0 <= MAX_ENVELOPES, "the pool is bounded");
    }
}
