//! Envelopes, the packets of the capability, and the gossip machine between three peers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_whisper::wire::{self, Messages, PacketCode, Status, waku};
use undertone_whisper::{
    Config, Dialects, EnvelopeHash, Event, Input, Link, PeerId, Pow, Protocol, Protocols, RateLimits,
    RawEnvelope, Requests, Topic, Transmit, WakuMode, WakuVersion, Watch, Whisper,
};

/// Envelopes that the machine under test may keep: few, so that the bound is met.
const MAX_ENVELOPES: usize = 8;

/// A change of options (Waku).
const UPDATE: PacketCode = PacketCode(22);

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
        assert!(
            data.starts_with(&wire::encode_bloom(&bloom)),
            "there is one encoding; what stands behind it is skipped"
        );
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
    let mut node = Node::new(Config::default(), [Dialects::WHISPER; 3]);
    for (op, body) in crate::records(data) {
        node.step(op, body);
    }
}

/// The machine between a peer of Whisper, one of Waku v0 and one of both, with limits of rates. The same list; an
/// operation of the third kind names its protocol and code itself, one of the fifth is a wish of the node's own.
pub fn waku_node(data: &[u8]) {
    let few = RateLimits { ip: 0, peer: 20, topic: 10 };
    let config = Config {
        protocols: Protocols::BOTH,
        waku: WakuMode::Topics,
        requests: Requests::Serve,
        packet_limits: few,
        byte_limits: RateLimits { ip: 20_000, ..RateLimits::NONE },
        ..Config::default()
    };
    let kinds = [Dialects::WHISPER, Dialects::waku(WakuVersion::V0), Dialects::both(WakuVersion::V1)];
    let mut node = Node::new(config, kinds);
    for (op, body) in crate::records(data) {
        node.waku_step(op, body);
    }
}

struct Node {
    machine: Whisper,
    kinds: [Dialects; 3],
    now: Now,
    /// What each peer brought, which must never be sent back to it.
    brought: BTreeMap<u64, BTreeSet<EnvelopeHash>>,
}

impl Node {
    fn new(config: Config, kinds: [Dialects; 3]) -> Self {
        let config = Config { min_pow: Pow::ZERO, watch: Watch::All, max_envelopes: MAX_ENVELOPES, ..config };
        let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
        let mut node = Self { machine: Whisper::new(&config), kinds, now, brought: BTreeMap::new() };
        for peer in 0..3 {
            node.connect(peer);
        }
        node
    }

    fn connect(&mut self, peer: u64) {
        self.brought.insert(peer, BTreeSet::new());
        let dialects = self.kinds[peer as usize];
        let link = Link { ip: Some([10, 0, 0, 1].into()), ..Link::new(PeerId(peer), dialects) };
        let _ = self.machine.handle(self.now, Input::Connected(link));
        if dialects.whisper {
            self.packet(peer, PacketCode::STATUS, &Status::default().encode());
        }
        if let Some(version) = dialects.waku {
            let status = waku::Status { min_pow: Pow::ZERO, ..waku::Status::default() };
            self.packet_of(peer, Protocol::Waku, PacketCode::STATUS, &status.encode(version));
        }
    }

    fn waku_step(&mut self, op: u8, body: &[u8]) {
        let peer = u64::from(op & 3) % 3;
        let protocol = if op >> 5 & 1 == 0 { Protocol::Waku } else { Protocol::Whisper };
        match op >> 2 & 7 {
            0 | 1 => self.packet_of(peer, protocol, PacketCode::MESSAGES, body),
            2 => {
                let Some((code, body)) = body.split_first() else { return };
                self.packet_of(peer, protocol, PacketCode(u64::from(*code)), body);
            }
            3 => self.packet_of(peer, Protocol::Waku, UPDATE, body),
            4 => self.wish(op >> 5, peer, body),
            5 => self.packet_of(peer, Protocol::Whisper, PacketCode::BLOOM_FILTER, body),
            _ => self.step(op, body),
        }
        self.drain();
    }

    fn wish(&mut self, which: u8, peer: u64, body: &[u8]) {
        let topics = body.chunks_exact(4).filter_map(Topic::from_slice);
        let input = match which {
            0 => Input::Trust(PeerId(peer)),
            1 => Input::Distrust(PeerId(peer)),
            2 => Input::SetTopics(topics.collect()),
            _ => Input::SetLimits { packets: RateLimits::NONE, bytes: RateLimits::NONE },
        };
        self.machine.handle(self.now, input).expect("wishes have no fault");
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
        self.packet_of(peer, Protocol::Whisper, code, body);
    }

    fn packet_of(&mut self, peer: u64, protocol: Protocol, code: PacketCode, body: &[u8]) {
        if code == PacketCode::MESSAGES
            && let Ok(messages) = Messages::decode(body)
        {
            let seen = self.brought.entry(peer).or_default();
            seen.extend(messages.iter().map(|raw| raw.hash()));
        }
        let input = Input::Packet { peer: PeerId(peer), protocol, code, body };
        let _ = self.machine.handle(self.now, input);
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
                Transmit::Defer { until, .. } => {
                    assert!(until <= self.now.mono.after(Duration::from_secs(1)), "a second at most");
                }
                Transmit::Packet { .. } => {}
            }
        }
        assert!(self.machine.pooled().0 <= MAX_ENVELOPES, "the pool is bounded");
    }
}
