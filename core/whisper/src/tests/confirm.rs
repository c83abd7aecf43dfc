//! Confirmations: the bytes of status-go, and what they do to the machine.

use proptest::prelude::*;
use undertone_vectors::{hex, hex_n, load};

use super::*;
use crate::confirm::{
    BatchHash, NotTaken, OTHER_ERROR, TIME_NOT_SYNCED, decode_ack, decode_response, encode_ack,
    encode_response,
};
use crate::limits::{MAX_ACKS, MAX_LISTED};
use crate::wire::{PacketFault, Status};
use crate::{ClockFault, ClockSample, Confirm, EnvelopeHash, Pow, SampleKind};

const ASKS: Status = Status {
    confirmations: true,
    min_pow: Pow::ZERO,
    bloom: None,
    service: crate::wire::Service::Full,
    limits: crate::RateLimits::NONE,
};

fn engine(confirm: Confirm, min_pow: Pow) -> Whisper {
    let mut engine = Whisper::new(&Config { confirm, min_pow, ..Config::default() });
    join(&mut engine, at(0), 1, &ASKS);
    join(&mut engine, at(0), 2, &Status::default());
    events(&mut engine);
    engine
}

/// What goes out to a peer besides envelopes.
fn answers(engine: &mut Whisper, now: Now, to: u64) -> Vec<(PacketCode, Vec<u8>)> {
    let out = transmits(engine, now).into_iter();
    out.filter_map(|out| match out {
        Transmit::Packet { peer, code, body, .. } if peer.0 == to && code != PacketCode::MESSAGES => {
            Some((code, body))
        }
        _ => None,
    })
    .collect()
}

#[test]
fn confirmations_of_status_go() {
    let file = load("whisper_wire");
    let codes = &file["status_go"]["error_codes"];
    assert_eq!(
        (codes["time_not_synced"].as_u64(), codes["other"].as_u64()),
        (Some(TIME_NOT_SYNCED), Some(OTHER_ERROR))
    );
    let (mut acks, mut responses) = (0, 0);
    for case in file["status_go"]["envelope_acceptance"].as_array().unwrap() {
        let name = &case["name"];
        let Some(theirs) = case.get("message_response").map(hex) else { continue };
        let batch = BatchHash::from_bytes(hex_n(&case["batch_hash"]));
        let hash = EnvelopeHash::from_bytes(hex_n(&case["envelope_hash"]));
        assert_eq!(encode_ack(&batch), hex(&case["batch_ack"]), "{name}");
        assert_eq!(decode_ack(&hex(&case["batch_ack"])), Ok(batch));
        let errors: Vec<_> = case
            .get("error_code")
            .and_then(|code| code.as_u64())
            .into_iter()
            .map(|code| NotTaken { hash, code, text: case["error_text"].as_str().unwrap().as_bytes() })
            .collect();
        assert_eq!(decode_response(&theirs), Ok(Some((batch, errors.clone()))), "{name}");
        assert_eq!(encode_response(&batch, &errors), theirs, "{name}");

        let min_pow = Pow::new(case["min_pow"].as_f64().unwrap()).unwrap();
        let mut engine = engine(Confirm::AtOnce, min_pow);
        let (peer, code) = (PeerId(1), PacketCode::MESSAGES);
        engine
            .handle(
                at(0),
                Input::Packet {
                    peer,
                    protocol: Protocol::Whisper,
                    code,
                    body: &hex(&case["messages_payload"]),
                },
            )
            .unwrap();
        let ours = answers(&mut engine, at(0), 1);
        match &ours[..] {
            [(PacketCode::BATCH_ACK, body)] => {
                assert_eq!(*body, hex(&case["batch_ack"]), "{name}");
                assert_eq!(errors, [], "{name}");
                acks += 1;
            }
            [(PacketCode::MESSAGE_RESPONSE, body)] => {
                let (named, listed) = decode_response(body).unwrap().unwrap();
                assert_eq!((named, listed.len(), listed[0].hash), (batch, 1, hash), "{name}");
                responses += 1;
            }
            _ => panic!("{name}: {ours:?}"),
        }
    }
    // Three of the responses are about lives that we do not take and status-go does.
    assert_eq!((acks, responses), (6, 9));
}

#[test]
fn what_status_go_answers_to_confirmations() {
    let file = load("whisper_wire");
    let mut cases = 0;
    for case in file["status_go"]["behaviour"].as_array().unwrap() {
        let code = PacketCode(case["code"].as_u64().unwrap());
        if !matches!(code, PacketCode::BATCH_ACK | PacketCode::MESSAGE_RESPONSE) {
            continue;
        }
        let body = hex(&case["payload"]);
        let mut asking = engine(Confirm::AtOnce, Pow::ZERO);
        let got = asking
            .handle(at(0), Input::Packet { peer: PeerId(1), protocol: Protocol::Whisper, code, body: &body });
        let want =
            if case["result"] == "disconnect" { Err(PacketFault::Confirmation.into()) } else { Ok(()) };
        assert_eq!(got, want, "{}", case["name"]);
        // Of no meaning from whoever did not announce it, and to whoever did not ask.
        assert_eq!(
            asking.handle(
                at(0),
                Input::Packet { peer: PeerId(2), protocol: Protocol::Whisper, code, body: &body }
            ),
            Ok(())
        );
        let mut never = engine(Confirm::Never, Pow::ZERO);
        assert_eq!(
            never.handle(
                at(0),
                Input::Packet { peer: PeerId(1), protocol: Protocol::Whisper, code, body: &body }
            ),
            Ok(())
        );
        cases += 1;
    }
    assert_eq!(cases, 6);
}

#[test]
fn only_who_asked_is_answered() {
    let one = envelope(T0 + 15, 15, b"one");
    for (confirm, peer, count) in [(Confirm::AtOnce, 1, 1), (Confirm::AtOnce, 2, 0), (Confirm::Never, 1, 0)] {
        let mut engine = engine(confirm, Pow::ZERO);
        give(&mut engine, at(0), peer, &[&one]).unwrap();
        assert_eq!(answers(&mut engine, at(0), peer).len(), count, "{confirm:?}");
    }
}

#[test]
fn a_confirmation_waits_until_its_envelopes_are_durable() {
    let mut engine = engine(Confirm::WhenDurable, Pow::ZERO);
    let one = envelope(T0 + 15, 15, b"one");
    give(&mut engine, at(0), 1, &[&one]).unwrap();
    let [Event::AckReady { peer: PeerId(1), ack }] = events(&mut engine)[..] else { panic!() };
    assert_eq!(answers(&mut engine, at(0), 1), []);
    engine.handle(at(1), Input::Durable(ack)).unwrap();
    let batch = BatchHash::from_bytes(undertone_crypto::keccak256(&body(&[&one])));
    assert_eq!(answers(&mut engine, at(1), 1), [(PacketCode::BATCH_ACK, encode_ack(&batch))]);
    engine.handle(at(1), Input::Durable(ack)).unwrap();
    assert_eq!(answers(&mut engine, at(1), 1), [], "once");

    // Nobody is owed anything after its link.
    give(&mut engine, at(2), 1, &[&one]).unwrap();
    let [Event::AckReady { ack, .. }] = events(&mut engine)[..] else { panic!() };
    engine.handle(at(2), Input::Disconnected(PeerId(1))).unwrap();
    engine.handle(at(2), Input::Durable(ack)).unwrap();
    assert_eq!(transmits(&mut engine, at(2)), []);
}

#[test]
fn confirmations_that_wait_are_bounded() {
    let mut engine = engine(Confirm::WhenDurable, Pow::ZERO);
    let one = envelope(T0 + 15, 15, b"one");
    for _ in 0..=MAX_ACKS {
        give(&mut engine, at(0), 1, &[&one]).unwrap();
    }
    let waiting = events(&mut engine);
    assert_eq!(waiting.len(), MAX_ACKS + 1);
    for event in waiting {
        let Event::AckReady { ack, .. } = event else { panic!() };
        engine.handle(at(0), Input::Durable(ack)).unwrap();
    }
    assert_eq!(answers(&mut engine, at(0), 1).len(), MAX_ACKS, "the oldest is gone");
}

#[test]
fn too_many_refusals_get_no_answer_and_recent_ends_are_none() {
    let old = |i: usize| envelope(T0 - 60, 15, &i.to_be_bytes());
    for (count, answered) in [(MAX_LISTED, 1), (MAX_LISTED + 1, 0)] {
        let mut engine = engine(Confirm::AtOnce, Pow::ZERO);
        let all: Vec<_> = (0..count).map(old).collect();
        give(&mut engine, at(0), 1, &all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(answers(&mut engine, at(0), 1).len(), answered);
    }
    let mut engine = engine(Confirm::AtOnce, Pow::ZERO);
    give(&mut engine, at(0), 1, &[&envelope(T0 - 5, 15, b"just over")]).unwrap();
    let [(code, _)] = answers(&mut engine, at(0), 1)[..] else { panic!() };
    assert_eq!(code, PacketCode::BATCH_ACK);
}

#[test]
fn what_a_confirming_peer_took_is_sent_when_it_says_so() {
    let mut engine = engine(Confirm::AtOnce, Pow::ZERO);
    let (one, two) = (envelope(T0 + 15, 15, b"one"), envelope(T0 + 15, 15, b"two"));
    engine.handle(at(0), Input::Post(one.clone())).unwrap();
    engine.handle(at(0), Input::Post(two.clone())).unwrap();
    for _ in transmits(&mut engine, at(0)) {}
    engine.handle(at(1), Input::Sent(PeerId(1))).unwrap();
    assert_eq!(events(&mut engine), [], "the socket alone says nothing");
    engine.handle(at(1), Input::Sent(PeerId(2))).unwrap();
    let sent = |hash, peer| Event::Sent { hash, peer: PeerId(peer) };
    assert_eq!(events(&mut engine), [sent(one.hash(), 2), sent(two.hash(), 2)]);

    let batch = BatchHash::from_bytes(undertone_crypto::keccak256(&body(&[&one, &two])));
    let late = [NotTaken { hash: two.hash(), code: TIME_NOT_SYNCED, text: b"very old envelope" }];
    let response = encode_response(&batch, &late);
    let code = PacketCode::MESSAGE_RESPONSE;
    for _ in 0..2 {
        engine
            .handle(
                at(2),
                Input::Packet { peer: PeerId(1), protocol: Protocol::Whisper, code, body: &response },
            )
            .unwrap();
    }
    let clock = Some(ClockFault::Behind);
    let refused = Event::Refused { hash: two.hash(), peer: PeerId(1), batch, code: TIME_NOT_SYNCED, clock };
    let confirmed = Event::Confirmed { hash: one.hash(), peer: PeerId(1), batch };
    assert_eq!(events(&mut engine), [confirmed, refused], "once");
    assert_eq!((engine.stats().refused, engine.stats().refused_for_clock), (1, 1));
    // And it says something of our clock.
    let sample = ClockSample { peer: PeerId(1), offset_ms: 20_000, kind: SampleKind::Text };
    assert_eq!((engine.poll_clock_sample(), engine.poll_clock_sample()), (Some(sample), None));
}

proptest! {
    #[test]
    fn decoders_take_anything(body: Vec<u8>) {
        let _ = (decode_ack(&body), decode_response(&body));
    }

    #[test]
    fn a_response_says_what_was_encoded(
        batch: [u8; 32],
        errors in prop::collection::vec((any::<[u8; 32]>(), any::<u64>(), any::<Vec<u8>>()), 0..20),
    ) {
        let batch = BatchHash::from_bytes(batch);
        let not_taken = |(hash, code, text): &([u8; 32], u64, Vec<u8>)| (EnvelopeHash::from_bytes(*hash), *code, text.clone());
        let errors: Vec<_> = errors.iter().map(not_taken).collect();
        let listed: Vec<_> =
            errors.iter().map(|(hash, code, text)| NotTaken { hash: *hash, code: *code, text }).collect();
        let encoded = encode_response(&batch, &listed);
        prop_assert_eq!(decode_response(&encoded), Ok(Some((batch, listed))));
        prop_assert_eq!(decode_ack(&encode_ack(&batch)), Ok(batch));
    }
}
