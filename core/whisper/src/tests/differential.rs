//! What the handlers of geth 1.9.7 and status-go 0.60 do with packets that no honest peer sends, as their sources say, and
//! what is done here. `testing/interop` throws the like at live ones.

use alloy_rlp::Header as Rlp;

use self::Verdict::{Drop, Keep};
use super::*;
use crate::limits::{MAX_MESSAGE, MAX_TOPIC_INTEREST};
use crate::wire::{Interest, PacketFault, Service, waku};
use crate::{Bloom, Confirm, Dialects, Pow, Protocols, RateLimits, WakuVersion};

/// What becomes of the link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Keep,
    Drop,
}

/// A packet, and what geth, status-go and we do with it.
type Row = (&'static str, u64, Vec<u8>, [Verdict; 3]);

const SAME_KEPT: [Verdict; 3] = [Keep; 3];
const SAME_DROPPED: [Verdict; 3] = [Drop; 3];
/// geth does not know the code, or is more patient; status-go is not, nor are we.
const AS_STATUS_GO: [Verdict; 3] = [Keep, Drop, Drop];
/// We are the patient ones, with a `DEVIATION` at the place.
const AS_GETH: [Verdict; 3] = [Keep, Drop, Keep];

fn string(bytes: &[u8]) -> Vec<u8> {
    alloy_rlp::encode(bytes)
}

fn number(value: u64) -> Vec<u8> {
    alloy_rlp::encode(value)
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::new();
    Rlp { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

fn bits(value: f64) -> Vec<u8> {
    number(value.to_bits())
}

fn with_tail(mut body: Vec<u8>) -> Vec<u8> {
    body.extend(b"tail");
    body
}

fn prices() -> Vec<Row> {
    let eight = |value: u64| [&[0x88][..], &value.to_be_bytes()].concat();
    let mut rows: Vec<Row> = [0.0, -0.0, f64::MIN_POSITIVE / 2.0, 0.002, f64::MAX]
        .into_iter()
        .map(|value| ("a price", 2, bits(value), SAME_KEPT))
        .collect();
    let none = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -f64::MIN_POSITIVE, -f64::MAX];
    rows.extend(none.into_iter().map(|value| ("no price", 2, bits(value), SAME_DROPPED)));
    rows.extend([
        ("no body", 2, vec![], SAME_DROPPED),
        ("zero as a byte", 2, vec![0x00], SAME_DROPPED),
        ("a byte with a header", 2, vec![0x81, 0x05], SAME_DROPPED),
        ("leading zeros", 2, eight(1 << 40), SAME_DROPPED),
        ("nine bytes", 2, string(&[1; 9]), SAME_DROPPED),
        ("a list", 2, list(&[bits(0.002)]), SAME_DROPPED),
        ("more announced than there is", 2, vec![0x88, 0x3f], SAME_DROPPED),
        ("something behind", 2, with_tail(bits(0.002)), SAME_KEPT),
    ]);
    rows
}

fn blooms() -> Vec<Row> {
    vec![
        ("all", 3, string(&[0xff; 64]), SAME_KEPT),
        ("nothing", 3, string(&[0; 64]), SAME_KEPT),
        ("no bytes", 3, string(&[]), SAME_DROPPED),
        ("63", 3, string(&[1; 63]), SAME_DROPPED),
        ("65", 3, string(&[1; 65]), SAME_DROPPED),
        ("a list of it", 3, list(&[string(&[1; 64])]), SAME_DROPPED),
        ("a length in two bytes", 3, [&[0xb9, 0, 64][..], &[1; 64]].concat(), SAME_DROPPED),
        ("no body", 3, vec![], SAME_DROPPED),
        ("something behind", 3, with_tail(string(&[1; 64])), SAME_KEPT),
    ]
}

fn messages() -> Vec<Row> {
    let good = envelope(T0 + 15, 15, b"good").bytes().to_vec();
    let five = |items: [Vec<u8>; 5]| list(&[list(&items)]);
    let expiry = || number(u64::from(T0) + 15);
    let topic = || string(&[1, 2, 3, 4]);
    let data = || string(b"data");
    vec![
        ("none", 1, list(&[]), SAME_KEPT),
        ("one", 1, list(std::slice::from_ref(&good)), SAME_KEPT),
        ("the same twice", 1, list(&[good.clone(), good.clone()]), SAME_KEPT),
        ("no body", 1, vec![], SAME_DROPPED),
        ("a string", 1, string(&good), SAME_DROPPED),
        ("one that is bare", 1, good.clone(), SAME_DROPPED),
        ("an empty string in the list", 1, list(&[string(&[])]), SAME_DROPPED),
        ("an empty list in the list", 1, list(&[list(&[])]), SAME_DROPPED),
        ("a good one and a bad one", 1, list(&[good.clone(), number(1)]), SAME_DROPPED),
        ("something behind", 1, with_tail(list(&[good])), AS_STATUS_GO),
        ("no data", 1, five([expiry(), number(15), topic(), string(&[]), number(1)]), SAME_KEPT),
        ("all integers of nothing", 1, list(&[list(&[number(0), number(0), topic(), data(), number(0)])]), {
            // geth: very old. status-go lists it; we do too.
            [Drop, Keep, Keep]
        }),
        ("topic of 3", 1, five([expiry(), number(15), string(&[1; 3]), data(), number(1)]), SAME_DROPPED),
        ("topic of 5", 1, five([expiry(), number(15), string(&[1; 5]), data(), number(1)]), SAME_DROPPED),
        ("topic of one byte", 1, five([expiry(), number(15), vec![1], data(), number(1)]), SAME_DROPPED),
        (
            "topic is a list",
            1,
            five([expiry(), number(15), list(&[topic()]), data(), number(1)]),
            SAME_DROPPED,
        ),
        (
            "expiry of 5 bytes",
            1,
            five([number(1 << 33), number(15), topic(), data(), number(1)]),
            SAME_DROPPED,
        ),
        ("ttl with a zero", 1, five([expiry(), string(&[0, 15]), topic(), data(), number(1)]), SAME_DROPPED),
        ("ttl is a zero byte", 1, five([expiry(), vec![0], topic(), data(), number(1)]), SAME_DROPPED),
        ("nonce of 9 bytes", 1, five([expiry(), number(15), topic(), data(), string(&[1; 9])]), SAME_DROPPED),
        ("data is a list", 1, five([expiry(), number(15), topic(), list(&[]), number(1)]), SAME_DROPPED),
        (
            "data of a byte with a header",
            1,
            five([expiry(), number(15), topic(), vec![0x81, 1], number(1)]),
            SAME_DROPPED,
        ),
        ("four items", 1, list(&[list(&[expiry(), number(15), topic(), data()])]), SAME_DROPPED),
        (
            "six items",
            1,
            list(&[list(&[expiry(), number(15), topic(), data(), number(1), number(1)])]),
            SAME_DROPPED,
        ),
    ]
}

fn confirmations() -> Vec<Row> {
    let hash = || string(&[7; 32]);
    let response = |version: u64, errors: Vec<u8>| list(&[number(version), list(&[hash(), errors])]);
    let error = |code: Vec<u8>| list(&[list(&[string(&[8; 32]), code, string(b"why")])]);
    vec![
        ("of an unknown packet", 11, hash(), SAME_KEPT),
        ("31 bytes", 11, string(&[7; 31]), AS_STATUS_GO),
        ("a list", 11, list(&[hash()]), AS_STATUS_GO),
        ("no body", 11, vec![], AS_STATUS_GO),
        ("something behind", 11, with_tail(hash()), SAME_KEPT),
        ("no errors", 12, response(1, list(&[])), SAME_KEPT),
        ("a code that nobody knows", 12, response(1, error(number(u64::MAX))), SAME_KEPT),
        ("a code that is a list", 12, response(1, error(list(&[]))), SAME_KEPT),
        ("errors that are none", 12, response(1, number(9)), SAME_KEPT),
        ("version 2", 12, response(2, number(9)), SAME_KEPT),
        ("version 0", 12, response(0, number(9)), SAME_KEPT),
        ("something behind", 12, with_tail(response(1, list(&[]))), SAME_KEPT),
        ("three items", 12, list(&[number(1), list(&[]), number(1)]), AS_STATUS_GO),
        ("a version alone", 12, list(&[number(1)]), AS_STATUS_GO),
        ("no list", 12, number(1), AS_STATUS_GO),
        ("no body", 12, vec![], AS_STATUS_GO),
    ]
}

fn others() -> Vec<Row> {
    let garbage = || vec![0xff, 0, 1, 2];
    let mut rows: Vec<Row> = vec![
        ("limits", 20, list(&[number(1), number(2), number(3)]), SAME_KEPT),
        ("limits and something behind", 20, with_tail(list(&[number(0), number(0), number(0)])), SAME_KEPT),
        ("two limits", 20, list(&[number(1), number(2)]), AS_GETH),
        ("four limits", 20, list(&[number(1), number(2), number(3), number(4)]), AS_GETH),
        ("limits that are none", 20, garbage(), AS_GETH),
        ("a second Status", 0, Status::default().encode(), SAME_KEPT),
        ("a second Status that is none", 0, garbage(), SAME_KEPT),
        ("over the limit", 99, vec![0; MAX_MESSAGE + 1], SAME_DROPPED),
        ("at the limit", 99, vec![0; MAX_MESSAGE], SAME_KEPT),
    ];
    // Direct messages and the words of mail servers, from whom nobody asked, and codes that nobody has.
    let codes = (4..=10).chain(13..=19).chain(21..=127);
    rows.extend(codes.map(|code| ("garbage", code, garbage(), SAME_KEPT)));
    rows
}

/// A machine that confirms, with one ready peer that does too.
fn ready() -> Whisper {
    let mut engine = Whisper::new(&Config { confirm: Confirm::AtOnce, ..open_config() });
    join(&mut engine, at(0), 1, &Status { confirmations: true, ..Status::default() });
    engine
}

fn by_whisper(engine: &mut Whisper, code: u64, body: &[u8]) -> Verdict {
    let (peer, protocol) = (PeerId(1), Protocol::Whisper);
    let got = engine.handle(at(0), Input::Packet { peer, protocol, code: PacketCode(code), body });
    let dropped =
        transmits(engine, at(0)).iter().any(|out| matches!(out, Transmit::Disconnect { reason: 0x10, .. }));
    assert_eq!(got.is_err(), dropped);
    if dropped { Drop } else { Keep }
}

#[test]
fn odd_packets_cost_what_they_cost_in_the_originals() {
    let rows = [prices(), blooms(), messages(), confirmations(), others()].concat();
    let (mut dropped, mut differ) = (0, 0);
    for (name, code, body, [geth, status_go, ours]) in &rows {
        assert_eq!(by_whisper(&mut ready(), *code, body), *ours, "{code}: {name}");
        assert!(ours == geth || ours == status_go, "{code}: {name}: nobody does that");
        dropped += usize::from(*ours == Drop);
        differ += usize::from(geth != status_go);
    }
    assert_eq!((rows.len(), dropped, differ), (198, 46, 12));
}

#[test]
fn what_stands_behind_a_packet() {
    let good = envelope(T0 + 15, 15, b"good");
    let mut engine = ready();
    let body = with_tail(body(&[&good]));
    let (peer, protocol, code) = (PeerId(1), Protocol::Whisper, PacketCode::MESSAGES);
    let got = engine.handle(at(0), Input::Packet { peer, protocol, code, body: &body });
    assert_eq!((got, engine.pooled()), (Err(PacketFault::Messages.into()), (0, 0)));
    // A direct message is no list that anybody confirms.
    let mut engine = ready();
    engine.handle(at(0), Input::Trust(PeerId(1))).unwrap();
    for direct in [with_tail(good.bytes().to_vec()), body] {
        assert_eq!(by_whisper(&mut engine, 127, &direct), Keep);
        assert!(
            matches!(&events(&mut engine)[..], [.., Event::Direct { envelope, .. }] if *envelope == good)
        );
    }
    assert_eq!(by_whisper(&mut engine, 127, &[0xc1]), Drop);
}

#[test]
fn nothing_comes_before_the_status() {
    for code in 1..128 {
        for body in [vec![], list(&[]), bits(0.002), string(&[1; 64])] {
            let mut engine = Whisper::new(&open_config());
            engine.handle(at(0), Input::Connected(Link::whisper(PeerId(1)))).unwrap();
            assert_eq!(by_whisper(&mut engine, code, &body), Drop, "{code}");
        }
    }
}

#[test]
fn items_of_a_status_that_are_of_another_form() {
    let (six, pow) = (|| number(6), || bits(0.5));
    let bloom = Bloom::of_listener(STATUS_TOPIC);
    let filter = || string(bloom.as_bytes());
    let half = || Status { min_pow: Pow::new(0.5).unwrap(), ..Status::default() };
    let filtered = || Status { bloom: Some(bloom), ..half() };
    let limits = RateLimits { ip: 1, peer: 2, topic: 3 };
    let three = || list(&[number(1), number(2), number(3)]);
    let light = || Status { service: Service::Light, ..filtered() };
    let confirms = || Status { confirmations: true, ..filtered() };
    let accepted = [
        ("a version", list(&[six()]), Status::default()),
        ("something behind", with_tail(list(&[six()])), Status::default()),
        ("a price that is a list ends it", list(&[six(), list(&[]), string(&[1; 63])]), Status::default()),
        (
            "a price of nine bytes ends it",
            list(&[six(), string(&[1; 9]), string(&[1; 63])]),
            Status::default(),
        ),
        ("a price cut short ends it", list(&[six(), vec![0x88, 1, 2]]), Status::default()),
        ("a filter that is a list ends it", list(&[six(), pow(), list(&[]), number(1)]), half()),
        ("no filter is all", list(&[six(), pow(), string(&[]), number(0)]), half()),
        ("light", list(&[six(), pow(), filter(), number(1)]), light()),
        ("two is no yes", list(&[six(), pow(), filter(), number(2), number(1)]), confirms()),
        ("a list is no yes and ends it", list(&[six(), pow(), filter(), list(&[]), number(1)]), filtered()),
        (
            "a text is no yes and ends it",
            list(&[six(), pow(), filter(), string(b"no"), number(1)]),
            filtered(),
        ),
        (
            "all six",
            list(&[six(), pow(), filter(), number(0), number(1), three()]),
            Status { limits, ..confirms() },
        ),
        (
            "limits that are two",
            list(&[six(), pow(), filter(), number(0), number(1), list(&[number(1), number(2)])]),
            confirms(),
        ),
        (
            "eight",
            list(&[six(), pow(), filter(), number(0), number(1), three(), six(), list(&[])]),
            Status { limits, ..confirms() },
        ),
    ];
    for (name, body, want) in &accepted {
        assert_eq!(Status::decode(body), Ok(*want), "{name}");
    }
    let refused = [
        (vec![], PacketFault::Status),
        (number(6), PacketFault::Status),
        (list(&[]), PacketFault::Status),
        (list(&[list(&[six()])]), PacketFault::Status),
        (list(&[vec![0x81, 6]]), PacketFault::Status),
        (list(&[string(&[0, 6])]), PacketFault::Status),
        (list(&[string(&[6; 9])]), PacketFault::Status),
        (list(&[number(u64::MAX)]), PacketFault::Version { got: u64::MAX }),
        (list(&[number(5)]), PacketFault::Version { got: 5 }),
        (list(&[six(), bits(f64::NAN)]), PacketFault::Pow),
        (list(&[six(), bits(-0.5), string(&[])]), PacketFault::Pow),
        (list(&[six(), pow(), string(&[1; 63])]), PacketFault::Bloom),
        (list(&[six(), pow(), number(1)]), PacketFault::Bloom),
    ];
    for (body, want) in &refused {
        assert_eq!(Status::decode(body), Err(*want), "{body:02x?}");
    }
    assert_eq!((accepted.len(), refused.len()), (14, 13));
}

/// Options of one version out of keys and values.
fn options(version: WakuVersion, pairs: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let key = |key: u8| match version {
        WakuVersion::V0 => string(&[b'0' + key]),
        WakuVersion::V1 => number(key.into()),
    };
    list(&pairs.iter().map(|(k, value)| list(&[key(*k), value.clone()])).collect::<Vec<_>>())
}

fn first(version: WakuVersion, options: Vec<u8>) -> Vec<u8> {
    match version {
        WakuVersion::V0 => list(&[number(0), options]),
        WakuVersion::V1 => options,
    }
}

#[test]
fn odd_options_count_as_in_status_go() {
    let topic = || list(&[string(STATUS_TOPIC.as_bytes())]);
    let named = Interest::Topics(crate::wire::TopicInterest::new([STATUS_TOPIC]).unwrap());
    let bloom = Bloom::of_listener(STATUS_TOPIC);
    let filter = || string(bloom.as_bytes());
    let base = waku::Status::default;
    let half = Pow::new(0.5).unwrap();
    let many = |n: usize| list(&vec![string(&[1, 2, 3, 4]); n]);
    let one = Interest::Topics(crate::wire::TopicInterest::new([Topic::from_bytes([1, 2, 3, 4])]).unwrap());
    let accepted = [
        (vec![], base()),
        // A filter is not looked at where topics are named, in whichever order.
        (vec![(1, string(&[1; 63])), (5, topic())], waku::Status { interest: named.clone(), ..base() }),
        (vec![(5, topic()), (1, string(&[1; 63]))], waku::Status { interest: named.clone(), ..base() }),
        (vec![(5, topic()), (1, filter())], waku::Status { interest: named, ..base() }),
        // The last of a kind counts, and it alone.
        (vec![(0, bits(f64::NAN)), (0, bits(0.5))], waku::Status { min_pow: half, ..base() }),
        (
            vec![(1, string(&[1; 63])), (1, filter())],
            waku::Status { interest: Interest::Bloom(bloom), ..base() },
        ),
        (vec![(1, string(&[]))], base()),
        (vec![(1, string(&[0; 64]))], waku::Status { interest: Interest::Bloom(Bloom::EMPTY), ..base() }),
        (vec![(5, many(MAX_TOPIC_INTEREST))], waku::Status { interest: one, ..base() }),
        (vec![(0, bits(-0.0))], waku::Status { min_pow: Pow::ZERO, ..base() }),
        (vec![(3, number(1)), (0, bits(0.5))], waku::Status { min_pow: half, confirmations: true, ..base() }),
    ];
    let refused = [
        vec![(0, bits(0.5)), (0, bits(f64::NAN))],
        vec![(0, bits(f64::INFINITY))],
        vec![(0, bits(-0.5))],
        vec![(0, list(&[]))],
        vec![(0, string(&[1; 9]))],
        vec![(1, string(&[1; 63]))],
        // As a change status-go takes the price of it.
        vec![(0, bits(0.7)), (1, string(&[1; 63]))],
        vec![(1, list(&[]))],
        // Even where it is not looked at it must be a string.
        vec![(1, list(&[])), (5, topic())],
        vec![(2, number(2))],
        vec![(2, list(&[]))],
        vec![(3, string(b"no"))],
        vec![(4, list(&[number(1), number(2)]))],
        vec![(4, list(&[number(1), number(2), number(3), number(4)]))],
        vec![(4, number(1))],
        vec![(5, string(&[]))],
        vec![(5, list(&[string(&[1; 3])]))],
        vec![(5, list(&[number(1)]))],
        vec![(5, many(MAX_TOPIC_INTEREST + 1))],
    ];
    for version in [WakuVersion::V0, WakuVersion::V1] {
        for (pairs, want) in &accepted {
            let body = first(version, options(version, pairs));
            assert_eq!(waku::Status::decode(version, &body).as_ref(), Ok(want), "{version:?}: {pairs:?}");
            assert_eq!(waku::Status::decode(version, &with_tail(body)).as_ref(), Ok(want));
        }
        for pairs in &refused {
            let body = first(version, options(version, pairs));
            assert!(waku::Status::decode(version, &body).is_err(), "{version:?}: {pairs:?}");
            // As a change it is overlooked, and nothing of it counts.
            let mut engine = Whisper::new(&Config { protocols: Protocols::WAKU, ..open_config() });
            engine.handle(at(0), Input::Connected(Link::new(PeerId(1), Dialects::waku(version)))).unwrap();
            let mut say = |code: u64, body: &[u8]| {
                let (peer, protocol) = (PeerId(1), Protocol::Waku);
                engine.handle(at(0), Input::Packet { peer, protocol, code: PacketCode(code), body }).unwrap();
                engine.peer_wants(peer, protocol).cloned()
            };
            let before = say(0, &first(version, options(version, &[(0, bits(0.5))])));
            assert_eq!(say(22, &options(version, pairs)), before, "{version:?}: {pairs:?}");
        }
    }
    assert_eq!((accepted.len(), refused.len()), (11, 19));
}

#[test]
fn a_status_of_one_version_is_none_of_the_other() {
    use WakuVersion::{V0, V1};
    let pow = |version| options(version, &[(0, bits(0.5))]);
    for (version, body) in [
        (V0, pow(V0)),
        (V0, list(&[number(1), pow(V0)])),
        (V0, list(&[number(0), pow(V0), number(0)])),
        (V0, list(&[number(0)])),
        (V1, list(&[number(0), pow(V0)])),
        (V1, list(&[number(1), pow(V1)])),
        (V1, list(&[list(&[number(0)])])),
        (V1, list(&[list(&[number(0), bits(0.5), number(1)])])),
        (V1, list(&[list(&[vec![0], bits(0.5)])])),
    ] {
        assert!(waku::Status::decode(version, &body).is_err(), "{version:?} {body:02x?}");
    }
}
