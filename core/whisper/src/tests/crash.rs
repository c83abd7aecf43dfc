//! Inputs of the chapter (`whisper.md` 1, 2, 3, 5.4, 9, 10) that crash, stall or mislead an original, each by name.
//! Those of sealed data are in `undertone-sealed`: `plaintexts_are_parsed_as_status_go_does` (short plaintexts, which
//! crash geth), `decrypt_negatives` (a correct MAC over a body shorter than its IV, which crashes geth too) and
//! `lengths_show_no_more_than_their_class`.

use super::*;
use crate::limits::{MAX_MESSAGE, MAX_TTL};
use crate::wire::{self, Messages, PacketFault, waku};
use crate::{Pow, Refusal, WakuVersion};

fn refused(envelope: &Envelope) -> crate::Stats {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    give(&mut engine, at(0), 1, &[envelope]).unwrap();
    assert_eq!(engine.pooled(), (0, 0));
    engine.stats()
}

#[test]
fn a_life_that_wraps_when_it_is_lengthened() {
    // geth: ttl + (sent - now + 1) = 2^32 = 0, and the work is infinite.
    let ahead = 9;
    let ttl = u32::MAX - ahead;
    let wrapped = Envelope::new(
        Header { expiry: T0.wrapping_add(ahead).wrapping_add(ttl), ttl, topic: STATUS_TOPIC },
        b"",
        0,
    );
    assert_eq!(refused(&wrapped).unacceptable, 1);
}

#[test]
fn a_life_longer_than_all_time() {
    assert_eq!(refused(&envelope(T0 + 15, u32::MAX, b"")).unacceptable, 1);
    assert_eq!(refused(&envelope(T0 + MAX_TTL + 1, MAX_TTL + 1, b"")).unacceptable, 1);
}

#[test]
fn no_life_and_work_without_end() {
    let envelope = envelope(T0, 0, b"");
    assert_eq!(envelope.strict_pow(), f64::INFINITY);
    assert_eq!(refused(&envelope).unacceptable, 1);
    let mut engine = Whisper::new(&open_config());
    assert_eq!(
        engine.handle(at(0), Input::Post(envelope)),
        Err(Fault::Post(Refusal::Expired)),
        "not our own either"
    );
}

#[test]
fn requirements_that_are_no_numbers() {
    for bits in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5].map(f64::to_bits) {
        let body = alloy_rlp::encode(bits);
        assert_eq!(wire::decode_pow(&body), Err(PacketFault::Pow));
        assert!(Pow::from_wire(bits).is_none());
        let option = [vec![0xcb, 0xca, 0x80], body].concat();
        let fault = waku::Status::decode(WakuVersion::V1, &option).unwrap_err();
        assert_eq!(fault.code(), "options.pow");
    }
}

#[test]
fn a_pool_above_a_packet_reaches_a_new_peer_in_parts() {
    // An original sends all of it at once and is cut off, for ever.
    let mut engine = Whisper::new(&open_config());
    for n in 0..5u8 {
        engine.handle(at(0), Input::Post(envelope(T0 + 60, 60, &vec![n; 300_000]))).unwrap();
    }
    join(&mut engine, at(0), 1, &Status::default());
    engine.handle(at(0), Input::Sent(PeerId(1))).unwrap();
    let mut got = 0;
    loop {
        let sent = transmits(&mut engine, at(0));
        if sent.is_empty() {
            break;
        }
        for out in sent {
            let Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } = out else { continue };
            assert!(body.len() <= MAX_MESSAGE);
            got += Messages::decode(&body).unwrap().iter().count();
            engine.handle(at(0), Input::Sent(peer)).unwrap();
        }
    }
    // The first bundle left with the Status.
    assert_eq!(got, 5 - 1);
}

#[test]
fn lists_that_announce_more_than_there_is() {
    for body in [
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..],
        &[0xf8, 0xff],
        &[0xc1, 0xc1],
        &[0xb9, 0xff, 0xff],
        &[],
    ] {
        assert!(Messages::decode(body).is_err());
        assert!(Status::decode(body).is_err());
        assert!(waku::Options::decode(WakuVersion::V0, body).is_err());
        assert!(wire::decode_direct(body, wire::DirectForm::BareOrList).is_err());
        assert!(crate::RateLimits::decode(body).is_err());
    }
}

#[test]
fn what_is_held_counts_for_the_limits_of_the_pool() {
    let mut engine = Whisper::new(&Config { max_envelopes: 100, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    for round in 0..10u8 {
        let ahead: Vec<_> = (0..50u8).map(|n| envelope(T0 + 60, 50, &[round, n])).collect();
        give(&mut engine, at(0), 1, &ahead.iter().collect::<Vec<_>>()).unwrap();
        assert!(engine.pooled().0 <= 100, "{}", engine.pooled().0);
    }
    assert_eq!((engine.stats().accepted, engine.stats().early), (500, 0));
}
