//! What holds for any input.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::{self, Messages};
use crate::{Bloom, Pow, RawEnvelope};

fn any_envelope() -> impl Strategy<Value = Envelope> {
    let times = prop_oneof![
        (any::<u32>(), any::<u32>()),
        (0u32..60, 0u32..60).prop_map(|(left, ttl)| (T0 - 25 + left, ttl)),
    ];
    (times, any::<[u8; 4]>(), vec(any::<u8>(), 0..80), any::<u64>()).prop_map(
        |((expiry, ttl), topic, data, nonce)| {
            Envelope::new(Header { expiry, ttl, topic: Topic::from_bytes(topic) }, &data, nonce)
        },
    )
}

/// A move against or in a machine with three peers.
#[derive(Clone, Debug)]
enum Op {
    Bytes(u64, u64, Vec<u8>),
    Bloom(u64, [u8; 64]),
    Connect(u64),
    Disconnect(u64),
    Give(u64, Vec<Envelope>),
    Post(Envelope),
    Pow(u64, u64),
    Sent(u64),
    Status(u64, u64),
    Wait(u64),
}

fn any_op() -> impl Strategy<Value = Op> {
    let peer = || 0u64..3;
    prop_oneof![
        (peer(), 0u64..130, vec(any::<u8>(), 0..40)).prop_map(|(p, c, b)| Op::Bytes(p, c, b)),
        (peer(), vec(any::<u8>(), 64)).prop_map(|(p, b)| Op::Bloom(p, b.try_into().unwrap())),
        peer().prop_map(Op::Connect),
        peer().prop_map(Op::Disconnect),
        (peer(), vec(any_envelope(), 0..4)).prop_map(|(p, e)| Op::Give(p, e)),
        any_envelope().prop_map(Op::Post),
        (peer(), any::<u64>()).prop_map(|(p, b)| Op::Pow(p, b)),
        peer().prop_map(Op::Sent),
        (peer(), any::<u64>()).prop_map(|(p, b)| Op::Status(p, b)),
        (0u64..3_000).prop_map(Op::Wait),
    ]
}

/// Plays moves and gives all outputs; checks what must hold after each.
fn play(ops: &[Op]) -> (Vec<Transmit>, Vec<Event>) {
    let config = Config { max_envelopes: 20, max_bytes: 1_500, ..open_config() };
    let mut engine = Whisper::new(&config);
    let (mut out, mut all_events, mut now, mut millis) = (Vec::new(), Vec::new(), at(0), 0);
    let mut had: std::collections::BTreeSet<(u64, Vec<u8>)> = std::collections::BTreeSet::new();
    for op in ops {
        let _fault = match op {
            Op::Bytes(p, c, b) => engine.handle(
                now,
                Input::Packet {
                    peer: PeerId(*p),
                    protocol: Protocol::Whisper,
                    code: PacketCode(*c),
                    body: b,
                },
            ),
            Op::Bloom(p, b) => {
                let body = wire::encode_bloom(&Bloom::from_bytes(*b));
                engine.handle(
                    now,
                    Input::Packet {
                        peer: PeerId(*p),
                        protocol: Protocol::Whisper,
                        code: PacketCode::BLOOM_FILTER,
                        body: &body,
                    },
                )
            }
            Op::Connect(p) => engine.handle(now, Input::Connected(Link::whisper(PeerId(*p)))),
            Op::Disconnect(p) => engine.handle(now, Input::Disconnected(PeerId(*p))),
            Op::Give(p, e) => {
                had.extend(e.iter().map(|e| (*p, e.bytes().to_vec())));
                give(&mut engine, now, *p, &e.iter().collect::<Vec<_>>())
            }
            Op::Post(e) => engine.handle(now, Input::Post(e.clone())),
            Op::Pow(p, bits) => {
                let body = alloy_rlp::encode(*bits);
                engine.handle(
                    now,
                    Input::Packet {
                        peer: PeerId(*p),
                        protocol: Protocol::Whisper,
                        code: PacketCode::POW_REQUIREMENT,
                        body: &body,
                    },
                )
            }
            Op::Sent(p) => engine.handle(now, Input::Sent(PeerId(*p))),
            Op::Status(p, bits) => {
                let min_pow = Pow::from_wire(*bits).unwrap_or(Pow::ZERO);
                let body = Status { min_pow, ..Status::default() }.encode();
                engine.handle(
                    now,
                    Input::Packet {
                        peer: PeerId(*p),
                        protocol: Protocol::Whisper,
                        code: PacketCode::STATUS,
                        body: &body,
                    },
                )
            }
            Op::Wait(ms) => {
                millis += ms;
                now = at(millis);
                engine.handle_timeout(now);
                assert!(engine.poll_timeout().is_none_or(|wake| wake > now.mono), "nothing due is left");
                Ok(())
            }
        };
        let (count, bytes) = engine.pooled();
        assert!(count <= 20 && bytes <= 1_500, "bounded");
        let sent = transmits(&mut engine, now);
        for transmit in &sent {
            if let Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } = transmit {
                for raw in Messages::decode(body).unwrap().iter() {
                    let bytes = raw.to_envelope(raw.hash(), &raw.work()).bytes().to_vec();
                    assert!(
                        raw.header.expiry >= now.unix.secs_u32() + 2
                            && raw.sent().unwrap() <= now.unix.secs_u32()
                    );
                    // A peer that left forgot; so did the pool when it evicted. Else: never twice, never back.
                    let again = !had.insert((peer.0, bytes));
                    let forgot =
                        ops.iter().any(|op| matches!(op, Op::Disconnect(p) | Op::Connect(p) if *p == peer.0));
                    assert!(!again || forgot || engine.stats().evicted > 0);
                }
            }
        }
        out.extend(sent);
        all_events.extend(events(&mut engine));
    }
    (out, all_events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_moves_are_survived_and_repeat(ops in vec(any_op(), 0..60)) {
        let ops: Vec<_> = (0..3).flat_map(|p| [Op::Connect(p), Op::Status(p, 0)]).chain(ops).collect();
        prop_assert_eq!(play(&ops), play(&ops));
    }

    #[test]
    fn decoders_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = RawEnvelope::decode(&bytes);
        let _ = Messages::decode(&bytes).map(|m| m.iter().count());
        let _ = Status::decode(&bytes);
        let _ = wire::decode_pow(&bytes);
        let _ = wire::decode_bloom(&bytes);
    }

    #[test]
    fn nearly_valid_packets_never_panic(e in vec(any_envelope(), 1..4), at in any::<prop::sample::Index>(), flip: u8) {
        let mut bytes = body(&e.iter().collect::<Vec<_>>());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(messages) = Messages::decode(&bytes) {
            for raw in messages.iter() {
                let copy = raw.to_envelope(raw.hash(), &raw.work());
                prop_assert_eq!(copy.data(), raw.data);
            }
        }
    }

    #[test]
    fn an_envelope_decodes_to_what_was_encoded(e in any_envelope()) {
        let raw = RawEnvelope::decode(e.bytes()).unwrap();
        prop_assert_eq!(raw.header, e.header());
        prop_assert_eq!(raw.data, e.data());
        let again = Envelope::new(raw.header, raw.data, raw.nonce);
        prop_assert_eq!(again.bytes(), e.bytes());
        let work = raw.work();
        prop_assert!(raw.header.ttl == 0 || work.strict(raw.header.ttl) <= work.geth(raw.header.ttl));
    }

    #[test]
    fn a_status_decodes_to_what_was_encoded(bits: u64, bloom in proptest::option::of(vec(any::<u8>(), 64)), confirmations: bool) {
        let status = Status {
            min_pow: Pow::from_wire(bits).unwrap_or(Pow::ZERO),
            bloom: bloom.map(|b| Bloom::from_slice(&b).unwrap()),
            service: wire::Service::Full,
            confirmations,
            limits: crate::RateLimits::NONE,
        };
        prop_assert_eq!(Status::decode(&status.encode()), Ok(status));
    }
}
