//! Vectors made by the originals.

mod clock;
mod confirm;
mod crash;
mod differential;
mod expiry;
mod flush;
mod gossip;
mod properties;
mod rates;
mod receive;
mod vectors;
mod waku;

use undertone_base::{Mono, Now, Unix};

use crate::wire::{PacketCode, Status, encode_messages};
use crate::{
    Config, Envelope, Event, Fault, Header, Input, Link, PeerId, Protocol, Topic, Transmit, Whisper,
};

const T0: u32 = 1_600_000_000;
const STATUS_TOPIC: Topic = Topic::from_bytes([0xcd, 0x42, 0x37, 0x60]);

fn at(millis: u64) -> Now {
    Now {
        mono: Mono::from_nanos(millis * 1_000_000),
        unix: Unix::from_millis(u64::from(T0) * 1_000 + millis),
    }
}

fn envelope(expiry: u32, ttl: u32, data: &[u8]) -> Envelope {
    Envelope::new(Header { expiry, ttl, topic: STATUS_TOPIC }, data, 7)
}

fn body(envelopes: &[&Envelope]) -> Vec<u8> {
    let len = envelopes.iter().map(|e| e.bytes().len()).sum();
    encode_messages(envelopes.iter().map(|e| e.bytes()), len)
}

fn open_config() -> Config {
    Config { min_pow: crate::Pow::ZERO, ..Config::default() }
}

/// Connects a peer and takes our Status to it.
fn join(engine: &mut Whisper, now: Now, peer: u64, theirs: &Status) {
    engine.handle(now, Input::Connected(Link::whisper(PeerId(peer)))).unwrap();
    let code = PacketCode::STATUS;
    engine
        .handle(
            now,
            Input::Packet { peer: PeerId(peer), protocol: Protocol::Whisper, code, body: &theirs.encode() },
        )
        .unwrap();
    let status = |out: &Transmit| matches!(out, Transmit::Packet { code: PacketCode::STATUS, .. });
    assert!(transmits(engine, now).iter().any(status));
}

fn give(engine: &mut Whisper, now: Now, peer: u64, envelopes: &[&Envelope]) -> Result<(), Fault> {
    let body = body(envelopes);
    engine.handle(
        now,
        Input::Packet {
            peer: PeerId(peer),
            protocol: Protocol::Whisper,
            code: PacketCode::MESSAGES,
            body: &body,
        },
    )
}

fn transmits(engine: &mut Whisper, now: Now) -> Vec<Transmit> {
    std::iter::from_fn(|| engine.poll_transmit(now)).collect()
}

fn events(engine: &mut Whisper) -> Vec<Event> {
    std::iter::from_fn(|| engine.poll_event()).collect()
}

/// The envelopes that go out now: (peer, data), packets confirmed.
fn relayed(engine: &mut Whisper, now: Now) -> Vec<(u64, Vec<u8>)> {
    let mut out = Vec::new();
    loop {
        let sent = transmits(engine, now);
        if sent.is_empty() {
            return out;
        }
        for transmit in sent {
            let Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } = transmit else { continue };
            let messages = crate::wire::Messages::decode(&body).unwrap();
            out.extend(messages.iter().map(|raw| (peer.0, raw.data.to_vec())));
            engine.handle(now, Input::Sent(peer)).unwrap();
        }
    }
}
