//! What the originals wrote and how they answered.

use undertone_base::{FaultClass, Severity};
use undertone_vectors::{Value, hex, hex_n, load};

use super::*;
use crate::limits::MAX_TTL;
use crate::pow::{Search, SearchStep, ratio, target_bits};
use crate::wire::{self, Messages, PacketFault, Service};
use crate::{Bloom, Pow, RawEnvelope, Refusal};

fn list<'a>(file: &'a Value, name: &str) -> &'a Vec<Value> {
    file[name].as_array().unwrap()
}

fn bits(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn header(case: &Value) -> Header {
    Header {
        expiry: u32::try_from(number(&case["expiry"])).unwrap(),
        ttl: u32::try_from(number(&case["ttl"])).unwrap(),
        topic: Topic::from_bytes(hex_n(&case["topic"])),
    }
}

#[test]
fn envelopes_of_geth() {
    let file = load("whisper_envelope");
    for case in list(&file, "envelopes") {
        let name = &case["name"];
        let rlp = hex(&case["rlp"]);
        let raw = RawEnvelope::decode(&rlp).unwrap();
        assert_eq!(raw.header, header(case), "{name}");
        assert_eq!(raw.data, hex(&case["data"]), "{name}");
        assert_eq!(raw.nonce, number(&case["nonce"]), "{name}");
        assert_eq!(raw.hash().as_bytes().to_vec(), hex(&case["hash"]), "{name}");
        assert_eq!(raw.size() as u64, number(&case["size"]), "{name}");
        assert_eq!(raw.header.encode_short(raw.data), hex(&case["rlp_without_nonce"]), "{name}");
        assert_eq!(raw.work().geth(raw.header.ttl).to_bits(), bits(&case["pow_bits"]), "{name}");
        assert_eq!(Bloom::of_envelope(raw.header.topic).as_bytes().to_vec(), hex(&case["bloom"]), "{name}");
        let ours = Envelope::new(raw.header, raw.data, raw.nonce);
        assert_eq!(ours.bytes(), rlp, "{name}");
        assert_eq!(ours.data(), raw.data, "{name}");
        assert_eq!(ours.hash(), raw.hash(), "{name}");
    }
    assert_eq!(list(&file, "envelopes").len(), 10);
}

#[test]
fn malformed_envelopes() {
    let file = load("whisper_envelope");
    let mut refused = 0;
    for case in list(&file, "decode") {
        let rlp = hex(&case["rlp"]);
        match RawEnvelope::decode(&rlp) {
            Ok(raw) => assert_eq!(raw.hash().as_bytes().to_vec(), hex(&case["hash"])),
            Err(error) => {
                assert_eq!((case["result"].as_str(), error.code()), (Some("error"), "envelope.malformed"));
                refused += 1;
            }
        }
    }
    assert_eq!((list(&file, "decode").len(), refused), (19, 18));
}

#[test]
fn sealed_messages_are_envelopes() {
    let file = load("whisper_crypto");
    for case in list(&file, "messages").iter().chain(list(&file, "replay_under_new_header")) {
        let rlp = hex(&case["envelope_rlp"]);
        let raw = RawEnvelope::decode(&rlp).unwrap();
        let hash = case.get("envelope_hash").unwrap_or(&case["hash"]);
        assert_eq!(raw.hash().as_bytes().to_vec(), hex(hash));
        if let Some(pow) = case.get("pow_bits") {
            assert_eq!(raw.work().geth(raw.header.ttl).to_bits(), bits(pow), "{}", case["name"]);
        }
    }
}

#[test]
fn proof_of_work_is_computed_as_geth_does() {
    let file = load("pow");
    for case in list(&file, "compute") {
        let name = &case["name"];
        let data = hex(&case["data"]);
        let envelope = Envelope::new(header(case), &data, number(&case["nonce"]));
        let raw = RawEnvelope::decode(envelope.bytes()).unwrap();
        let (work, ttl) = (raw.work(), raw.header.ttl);
        assert_eq!(u64::from(work.zeros()), number(&case["leading_zero_bits"]), "{name}");
        assert_eq!(work.geth(ttl).to_bits(), bits(&case["pow_bits"]), "{name}");
        let other = |key: &str| match case[key].as_str().unwrap() {
            "+Inf" => f64::INFINITY,
            text => text.parse().unwrap(),
        };
        let full = other("pow_if_divided_by_full_rlp_eip_parity");
        assert_eq!(ratio(work.zeros(), envelope.bytes().len(), ttl), full, "{name}");
        let nominal = other("pow_if_divided_by_size_field_nim");
        assert_eq!(ratio(work.zeros(), raw.size(), ttl), nominal, "{name}");
        assert_eq!(envelope.strict_pow(), full.min(nominal), "{name}");
        for ahead in case.get("with_ttl_plus_diff").and_then(Value::as_array).into_iter().flatten() {
            let lived = ttl.wrapping_add(u32::try_from(number(&ahead["diff"])).unwrap());
            assert_eq!(work.geth(lived).to_bits(), bits(&ahead["pow_bits"]), "{name}");
        }
    }
    assert_eq!(list(&file, "compute").len(), 5);
}

#[test]
fn target_bits_of_geth() {
    let file = load("pow");
    for case in list(&file, "target_bits") {
        let pow = Pow::new(case["pow"].as_f64().unwrap()).unwrap();
        let size = usize::try_from(number(&case["size"])).unwrap();
        let got = target_bits(pow, size, u32::try_from(number(&case["ttl"])).unwrap());
        assert_eq!(got.map(u64::from), Some(number(&case["target_bits"])), "{case}");
    }
    assert_eq!(list(&file, "target_bits").len(), 9);
    assert_eq!(target_bits(Pow::new(1e9).unwrap(), 300, 15), None);
}

#[test]
fn sealing_reaches_its_target_by_every_divisor() {
    let file = load("pow");
    for case in list(&file, "seal") {
        let data: Vec<u8> = (0..number(&case["data_len"])).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let target = Pow::new(case["requested_pow"].as_f64().unwrap()).unwrap();
        // geth's own result: the first nonce from 0 that has its target bits.
        let bits = u32::try_from(number(&case["target_bits"])).unwrap();
        let first = (0..).find(|n| {
            let envelope = Envelope::new(header(case), &data, *n);
            RawEnvelope::decode(envelope.bytes()).unwrap().work().zeros() >= bits
        });
        assert_eq!(first, Some(number(&case["first_nonce"])), "{}", case["name"]);

        let mut search = Search::new(header(case), data.clone(), target, 0).unwrap();
        assert!(search.bits() >= bits);
        let found = loop {
            match search.run(1_000) {
                SearchStep::Continue(more) => search = more,
                SearchStep::Done(found) => break found.unwrap(),
            }
        };
        assert!(found.strict_pow() >= target.value());
        let behind = RawEnvelope::decode(found.bytes()).unwrap().work();
        assert!(behind.strict(header(case).ttl + 11) >= target.value(), "a clock behind");
        assert_eq!(found.data(), data);
    }
    assert_eq!(list(&file, "seal").len(), 4);
}

#[test]
fn an_impossible_target_is_refused_at_once() {
    let header = Header { expiry: T0, ttl: 15, topic: STATUS_TOPIC };
    let error = Search::new(header, vec![0; 300], Pow::new(1e9).unwrap(), 0).unwrap_err();
    assert_eq!(error.code(), "pow.too_much");
}

/// The verdict of a machine with this minimum PoW on one envelope at T0.
fn verdict(min_pow: f64, envelope: &Envelope) -> (bool, bool, crate::Stats) {
    let config = Config { min_pow: Pow::new(min_pow).unwrap(), ..Config::default() };
    let mut engine = Whisper::new(&config);
    join(&mut engine, at(0), 1, &Status::default());
    let kept = give(&mut engine, at(0), 1, &[envelope]).is_ok();
    (engine.envelope(&envelope.hash()).is_some(), kept, engine.stats())
}

#[test]
fn acceptance_by_time() {
    // Where geth drops the peer for one envelope we keep it, as status-go does; where it takes a ttl of 0 we do not
    // (the deviations of `engine/receive.rs`).
    let file = load("whisper_envelope");
    let (mut cases, mut differ) = (0, 0);
    for case in list(&file, "acceptance_geth_relative") {
        if case.get("max_message_size").is_some() {
            continue; // Our limit is fixed: see `acceptance_by_size`.
        }
        let expiry = u32::try_from(i64::from(T0) + case["expiry_minus_now"].as_i64().unwrap()).unwrap();
        let ttl = u32::try_from(number(&case["ttl"])).unwrap();
        let min_pow = case["min_pow"].as_f64().unwrap();
        let data = vec![0; usize::try_from(number(&case["data_len"])).unwrap()];
        let (pooled, kept, _) = verdict(min_pow, &envelope(expiry, ttl, &data));
        assert!(kept, "{}", case["name"]);
        let want = case["cached"].as_bool().unwrap() && ttl != 0;
        differ += usize::from(want != case["cached"].as_bool().unwrap());
        assert_eq!(pooled, want, "{}", case["name"]);
        cases += 1;
    }
    assert_eq!((cases, differ), (11, 2));
}

#[test]
fn acceptance_by_status_go() {
    let file = load("whisper_wire");
    let (mut cases, mut differ) = (0, 0);
    for case in list(&file["status_go"], "envelope_acceptance") {
        if case["name"] == "oversize envelope" {
            continue; // A smaller limit than ours.
        }
        let config =
            Config { min_pow: Pow::new(case["min_pow"].as_f64().unwrap()).unwrap(), ..Config::default() };
        let mut engine = Whisper::new(&config);
        assert_eq!(number(&case["now"]), u64::from(T0));
        join(&mut engine, at(0), 1, &Status::default());
        let (peer, code) = (PeerId(1), PacketCode::MESSAGES);
        let body = hex(&case["messages_payload"]);
        engine.handle(at(0), Input::Packet { peer, protocol: Protocol::Whisper, code, body: &body }).unwrap();
        let hash = crate::EnvelopeHash::from_bytes(hex_n(&case["envelope_hash"]));
        let (pooled, theirs) = (engine.envelope(&hash).is_some(), case["in_pool"].as_bool().unwrap());
        let ttl = number(&case["ttl"]);
        // A ttl of 0 or of 85 years is not taken (the deviation of `engine/receive.rs`).
        let want = theirs && ttl != 0 && ttl <= u64::from(MAX_TTL);
        assert_eq!(pooled, want, "{}", case["name"]);
        differ += usize::from(theirs != pooled);
        cases += 1;
    }
    assert_eq!((cases, differ), (15, 3));
}

#[test]
fn acceptance_by_size() {
    let most = crate::limits::MAX_DATA;
    let (pooled, kept, _) = verdict(0.0, &envelope(T0 + 15, 15, &vec![0; most]));
    assert!(pooled && kept);
    // A larger one is over the limit of the packet that carries it, before its nominal size is: also for our own.
    let (pooled, kept, _) = verdict(0.0, &envelope(T0 + 15, 15, &vec![0; most + 36]));
    assert!(!pooled && !kept);
    let mut engine = Whisper::new(&open_config());
    // With a short ttl and nonce there are 24 bytes around the data, 36 at most.
    let fits = most + 12;
    let got = engine.handle(at(0), Input::Post(envelope(T0 + 15, 15, &vec![0; fits + 1])));
    assert_eq!(got, Err(Fault::Post(Refusal::TooLarge { got: crate::limits::MAX_MESSAGE + 1 })));
    engine.handle(at(0), Input::Post(envelope(T0 + 15, 15, &vec![0; fits]))).unwrap();
}

#[test]
fn status_as_the_originals_send_it() {
    let file = load("whisper_wire");
    let topic = Bloom::of_envelope(Topic::from_bytes([0x5c, 0x6c, 0x9b, 0x56]));
    let of = |min_pow, bloom, service| Status { min_pow, bloom, service, ..Status::default() };
    let ours = [
        of(Pow::GETH, None, Service::Full),
        of(Pow::STATUS, None, Service::Full),
        of(Pow::ZERO, None, Service::Full),
        of(Pow::GETH, Some(topic), Service::Full),
        of(Pow::GETH, Some(Bloom::FULL), Service::Light),
    ];
    let theirs = list(&file["geth"], "status_sent");
    assert_eq!(theirs.len(), ours.len());
    for (status, case) in ours.iter().zip(theirs) {
        assert_eq!(status.encode(), hex(&case["payload"]), "{}", case["name"]);
        assert_eq!(Status::decode(&hex(&case["payload"])), Ok(*status));
    }
}

#[test]
fn status_of_status_go_is_understood_and_sent() {
    let file = load("whisper_wire");
    let sent = list(&file["status_go"], "status_sent");
    let got: Vec<_> = sent.iter().map(|c| Status::decode(&hex(&c["payload"])).unwrap()).collect();
    let of = |min_pow, bloom, service, confirmations| Status {
        min_pow,
        bloom,
        service,
        confirmations,
        ..Status::default()
    };
    let want = [
        of(Pow::GETH, None, Service::Full, true),
        of(Pow::STATUS_LARGE, None, Service::Full, true),
        of(Pow::STATUS_LARGE, Some(Bloom::EMPTY), Service::Full, true),
        of(Pow::STATUS, None, Service::Light, false),
        of(Pow::GETH, None, Service::Full, true),
    ];
    let mut want = want;
    want[4].limits = crate::RateLimits { ip: 10, peer: 5, topic: 0 };
    assert_eq!(got, want);
    let mut same = 0;
    for (status, case) in want.iter().zip(sent) {
        // Without confirmations and limits ours has geth's four items.
        if status.encode() == hex(&case["payload"]) {
            same += 1;
        } else {
            assert!(!status.confirmations, "{}", case["name"]);
        }
    }
    assert_eq!(same, 4);
}

#[test]
fn status_accepted_and_refused() {
    let file = load("whisper_wire");
    let (mut cases, mut refused) = (0, 0);
    for side in ["geth", "status_go"] {
        for case in list(&file[side], "status_received") {
            let light = case.get("local_is_light").and_then(Value::as_bool).unwrap_or(false);
            let service = if light { Service::Light } else { Service::Full };
            let mut engine = Whisper::new(&Config { service, ..Config::default() });
            engine.handle(at(0), Input::Connected(Link::whisper(PeerId(1)))).unwrap();
            let first = transmits(&mut engine, at(0));
            assert!(matches!(first[..], [Transmit::Packet { code: PacketCode::STATUS, .. }]), "at once");
            let code = PacketCode(number(&case["code"]));
            let body = hex(&case["payload"]);
            let got = engine.handle(
                at(0),
                Input::Packet { peer: PeerId(1), protocol: Protocol::Whisper, code, body: &body },
            );
            let disconnects = transmits(&mut engine, at(0));
            if case["result"] == "disconnect" {
                assert!(got.is_err(), "{}", case["name"]);
                assert_eq!(disconnects, [Transmit::Disconnect { peer: PeerId(1), reason: 0x10 }]);
                assert_eq!(events(&mut engine), []);
                refused += 1;
            } else {
                assert_eq!(got, Ok(()), "{}", case["name"]);
                assert_eq!(events(&mut engine), [Event::PeerReady(PeerId(1))]);
                assert_eq!(disconnects, []);
            }
            cases += 1;
        }
    }
    assert_eq!((cases, refused), (23, 11));
}

#[test]
fn packets_accepted_and_refused() {
    let file = load("whisper_wire");
    let (mut cases, mut refused) = (0, 0);
    for case in list(&file["geth"], "behaviour") {
        let trusted = case.get("trusted").and_then(Value::as_bool).unwrap_or(false);
        let Some(payload) = case.get("payload").filter(|_| !trusted) else { continue };
        let mut engine = Whisper::new(&open_config());
        join(&mut engine, at(0), 1, &Status::default());
        let code = PacketCode(number(&case["code"]));
        let got = engine.handle(
            at(0),
            Input::Packet { peer: PeerId(1), protocol: Protocol::Whisper, code, body: &hex(payload) },
        );
        let disconnect = case["result"] == "disconnect";
        assert_eq!(got.is_err(), disconnect, "{}", case["name"]);
        assert_eq!(engine.ready_peers().count(), usize::from(!disconnect));
        refused += usize::from(disconnect);
        cases += 1;
    }
    assert_eq!((cases, refused), (16, 7));
}

#[test]
fn packets_as_geth_sends_them() {
    let file = load("whisper_wire");
    let sent = list(&file["geth"], "sent");
    let payload = |name: &str| {
        let case = sent.iter().find(|c| c["name"].as_str().unwrap().starts_with(name)).unwrap();
        (PacketCode(number(&case["code"])), hex(&case["payload"]))
    };
    let half = Pow::new(0.5).unwrap();
    assert_eq!(
        payload("pow requirement after SetMinimumPoW(0.5)"),
        (PacketCode::POW_REQUIREMENT, wire::encode_pow(half))
    );
    assert_eq!(
        payload("pow requirement after SetMinimumPoW(0)"),
        (PacketCode::POW_REQUIREMENT, wire::encode_pow(Pow::ZERO))
    );
    let bloom = Bloom::of_envelope(Topic::from_bytes([0x5c, 0x6c, 0x9b, 0x56]));
    assert_eq!(payload("bloom after"), (PacketCode::BLOOM_FILTER, wire::encode_bloom(&bloom)));
    assert_eq!(wire::decode_bloom(&wire::encode_bloom(&bloom)), Ok(bloom));

    let (code, two) = payload("messages packet with two");
    assert_eq!(code, PacketCode::MESSAGES);
    let envelopes: Vec<_> =
        Messages::decode(&two).unwrap().iter().map(|raw| raw.to_envelope(raw.hash(), &raw.work())).collect();
    assert_eq!(envelopes[0].bytes(), hex(&file["geth"]["fixed_envelope_rlp"]));
    assert_eq!(body(&[&envelopes[0], &envelopes[1]]), two);
    assert_eq!(envelopes.len(), 2);
}

#[test]
fn faults_have_codes_and_reasons() {
    for fault in [PacketFault::Bloom, PacketFault::Messages, PacketFault::Pow, PacketFault::Status] {
        assert_eq!(fault.reason(), 0x10);
        assert!(fault.code().starts_with("packet."));
    }
    assert_eq!(PacketFault::Silent.reason(), 0x0b);
    // What an honest geth does now and then ends the link and is no ban.
    for fault in [PacketFault::Oversized { got: 2 << 20 }, PacketFault::BeforeStatus(PacketCode(2))] {
        let FaultClass::Peer(fault) = fault.fault() else { panic!("{fault:?}") };
        assert_eq!((fault.severity, fault.disconnect), (Severity::Mild, Some(0x10)));
    }
}
