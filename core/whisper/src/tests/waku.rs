//! Waku on the machine: what status-go 0.60 does, and two protocols over one pool.

use undertone_vectors::{Value, hex, load};

use super::*;
use crate::limits::MAX_FAULTS;
use crate::wire::{Interest, Messages, Service, waku};
use crate::{Bloom, Bridge, Confirm, Dialects, Pow, Protocols, Requests, WakuMode, WakuVersion, Watch};

const ONE: Topic = Topic::from_bytes([0x5c, 0x6c, 0x9b, 0x56]);
const OTHER: Topic = Topic::from_bytes([1, 2, 3, 4]);
const VERSIONS: [(WakuVersion, &str); 2] = [(WakuVersion::V0, "v0"), (WakuVersion::V1, "v1")];

fn config() -> Config {
    Config { protocols: Protocols::BOTH, ..open_config() }
}

fn asks(version: WakuVersion) -> Vec<u8> {
    waku::Status { min_pow: Pow::ZERO, ..waku::Status::default() }.encode(version)
}

fn connect(engine: &mut Whisper, now: Now, peer: u64, dialects: Dialects) {
    engine.handle(now, Input::Connected(Link::new(PeerId(peer), dialects))).unwrap();
}

fn packet(
    engine: &mut Whisper,
    now: Now,
    (peer, protocol): (u64, Protocol),
    code: u64,
    body: &[u8],
) -> Result<(), Fault> {
    engine.handle(now, Input::Packet { peer: PeerId(peer), protocol, code: PacketCode(code), body })
}

/// A peer that wants everything, by all that it shares.
fn join_by(engine: &mut Whisper, now: Now, peer: u64, dialects: Dialects) {
    connect(engine, now, peer, dialects);
    if dialects.whisper {
        packet(engine, now, (peer, Protocol::Whisper), 0, &Status::default().encode()).unwrap();
    }
    if let Some(version) = dialects.waku {
        packet(engine, now, (peer, Protocol::Waku), 0, &asks(version)).unwrap();
    }
    transmits(engine, now);
    events(engine);
}

fn on(topic: Topic, data: &[u8]) -> Envelope {
    Envelope::new(Header { expiry: T0 + 50, ttl: 50, topic }, data, 7)
}

/// An envelope without one leading zero bit.
fn workless(topic: Topic) -> Envelope {
    let header = Header { expiry: T0 + 50, ttl: 50, topic };
    (0..).map(|nonce| Envelope::new(header, b"data", nonce)).find(|e| e.strict_pow() < 0.001).unwrap()
}

/// What leaves: (peer, protocol, data), each packet reported as sent.
fn carried(engine: &mut Whisper, now: Now) -> Vec<(u64, Protocol, Vec<u8>)> {
    let mut out = Vec::new();
    loop {
        let sent = transmits(engine, now);
        if sent.is_empty() {
            return out;
        }
        for transmit in sent {
            let Transmit::Packet { peer, protocol, code: PacketCode::MESSAGES, body } = transmit else {
                continue;
            };
            let messages = Messages::decode(&body).unwrap();
            out.extend(messages.iter().map(|raw| (peer.0, protocol, raw.data.to_vec())));
            engine.handle(now, Input::Sent(peer)).unwrap();
        }
    }
}

fn told(engine: &mut Whisper, now: Now) -> Vec<(Protocol, PacketCode, Vec<u8>)> {
    let packets = transmits(engine, now).into_iter().map(|out| match out {
        Transmit::Packet { protocol, code, body, .. } => (protocol, code, body),
        other => panic!("{other:?}"),
    });
    packets.collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn option_effects_on_what_is_sent() {
    let file = load("waku_wire");
    let (mut cases, mut tolerated) = (0, 0);
    for (version, key) in VERSIONS {
        for case in file[key]["option_effects"].as_array().unwrap() {
            let mut engine = Whisper::new(&config());
            for topic in [ONE, OTHER] {
                engine.handle(at(0), Input::Post(workless(topic))).unwrap();
            }
            connect(&mut engine, at(0), 1, Dialects::waku(version));
            let peer = (1, Protocol::Waku);
            packet(&mut engine, at(0), peer, 0, &hex(&case["status"])).unwrap();
            let update = hex(&case["status_update"]);
            if !update.is_empty() {
                packet(&mut engine, at(0), peer, 22, &update).unwrap();
            }
            let mut topics: Vec<String> = Vec::new();
            for out in transmits(&mut engine, at(0)) {
                if let Transmit::Packet {
                    code: PacketCode::MESSAGES, body, protocol: Protocol::Waku, ..
                } = out
                {
                    let messages = Messages::decode(&body).unwrap();
                    topics.extend(messages.iter().map(|raw| raw.header.topic.to_string()));
                }
            }
            let wanted: Vec<&str> = case["forwarded_topics"].as_array().unwrap().iter().map(text).collect();
            assert_eq!(topics, wanted, "{key}: {}", case["name"]);
            // The peer is kept in every case: we read on behind an unknown key.
            assert_eq!(engine.ready_peers().count(), 1, "{}", case["name"]);
            tolerated += usize::from(case["result"] == "disconnect");
            cases += 1;
        }
    }
    assert_eq!((cases, tolerated), (22, 1));
}

#[test]
fn packets_are_taken_as_status_go_takes_them() {
    let file = load("waku_wire");
    let mut cases = 0;
    for (version, key) in VERSIONS {
        for case in file[key]["behaviour"].as_array().unwrap() {
            let name = text(&case["name"]);
            let min_pow = if name == "messages, low pow" { Pow::new(1.0).unwrap() } else { Pow::ZERO };
            let confirm = Confirm::AtOnce;
            let mut engine = Whisper::new(&Config { min_pow, confirm, watch: Watch::Traffic, ..config() });
            connect(&mut engine, at(0), 1, Dialects::waku(version));
            let confirmations = name != "messages, confirmations off";
            let status = waku::Status { confirmations, ..waku::Status::default() };
            let peer = (1, Protocol::Waku);
            packet(&mut engine, at(0), peer, 0, &status.encode(version)).unwrap();
            if case["trusted"] == true {
                engine.handle(at(0), Input::Trust(PeerId(1))).unwrap();
            }
            transmits(&mut engine, at(0));
            events(&mut engine);
            let body = match name {
                // Our limit is fixed.
                "packet above the limit" => vec![0; crate::limits::MAX_MESSAGE + 1],
                _ => hex(&case["payload"]),
            };
            let code = case["code"].as_u64().unwrap();
            let got = packet(&mut engine, at(0), peer, code, &body);
            assert_eq!(got.is_err(), case["result"] == "disconnect", "{key}: {name}");
            let pool = usize::try_from(case["pool"].as_u64().unwrap()).unwrap();
            assert_eq!(engine.pooled().0, pool, "{key}: {name}");
            let theirs: Vec<&str> = case["events"].as_array().into_iter().flatten().map(text).collect();
            let ours: Vec<&str> =
                events(&mut engine).iter().filter_map(|event| event.status_go_name(Protocol::Waku)).collect();
            // Confirmations of nothing that we sent, and the words of a mail server, are no events here.
            if matches!(code, 1 | 127) {
                assert_eq!(ours, theirs, "{key}: {name}");
            }
            answered_as(case, transmits(&mut engine, at(0)));
            cases += 1;
        }
    }
    assert_eq!(cases, 28);
}

/// status-go sends a response and an acknowledgement for every packet; ours is one or the other.
fn answered_as(case: &Value, out: Vec<Transmit>) {
    let answers: Vec<_> = out
        .into_iter()
        .filter_map(|out| match out {
            Transmit::Packet { code, body, .. } => Some((code, body)),
            _ => None,
        })
        .collect();
    let Some(response) = case.get("message_response").filter(|response| response.is_string()) else {
        return assert_eq!(answers, [], "{}", case["name"]);
    };
    let response = hex(response);
    let (batch, theirs) = crate::confirm::decode_response(&response).unwrap().unwrap();
    let [(code, body)] = &answers[..] else { panic!("{answers:?}") };
    if theirs.is_empty() {
        assert_eq!((*code, body), (PacketCode::BATCH_ACK, &hex(&case["batch_ack"])));
        return;
    }
    assert_eq!(*code, PacketCode::MESSAGE_RESPONSE);
    let (ours_of, ours) = crate::confirm::decode_response(body).unwrap().unwrap();
    assert_eq!(ours_of, batch);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.hash, theirs.hash);
        // Theirs is 21 for every reason.
        assert_eq!((theirs.code, ours.code), (21, if ours.text == b"very old envelope" { 21 } else { 22 }));
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn both_protocols_feed_one_pool() {
    let file = load("waku_wire");
    for key in ["same_hash", "sent_into_waku_seen_in_whisper", "sent_into_whisper_seen_in_waku"] {
        assert_eq!(file["bridge"][key], true);
    }
    let mut engine = Whisper::new(&config());
    join_by(&mut engine, at(0), 1, Dialects::WHISPER);
    join_by(&mut engine, at(0), 2, Dialects::waku(WakuVersion::V0));
    join_by(&mut engine, at(0), 3, Dialects::both(WakuVersion::V1));
    let (a, b) = (on(ONE, b"by whisper"), on(ONE, b"by waku"));
    packet(&mut engine, at(0), (1, Protocol::Whisper), 1, &body(&[&a])).unwrap();
    packet(&mut engine, at(0), (2, Protocol::Waku), 1, &body(&[&b])).unwrap();
    let mut out = carried(&mut engine, at(0));
    out.sort();
    // Each once, to the third by Waku, and unchanged: what is relayed is what was received.
    let want = [
        (1, Protocol::Whisper, b"by waku".to_vec()),
        (2, Protocol::Waku, b"by whisper".to_vec()),
        (3, Protocol::Waku, b"by waku".to_vec()),
        (3, Protocol::Waku, b"by whisper".to_vec()),
    ];
    assert_eq!(out, want);
    assert_eq!(engine.envelope(&a.hash()).unwrap().bytes(), a.bytes());
    // It comes back by the other protocol: no loop.
    packet(&mut engine, at(0), (3, Protocol::Whisper), 1, &body(&[&a, &b])).unwrap();
    assert_eq!(carried(&mut engine, at(0)), []);
    assert_eq!((engine.stats().accepted, engine.stats().duplicates), (2, 2));
}

#[test]
fn without_a_bridge_an_envelope_goes_on_by_what_it_came_by() {
    let mut engine = Whisper::new(&Config { bridge: Bridge::Off, ..config() });
    join_by(&mut engine, at(0), 1, Dialects::WHISPER);
    join_by(&mut engine, at(0), 2, Dialects::WHISPER);
    join_by(&mut engine, at(0), 3, Dialects::waku(WakuVersion::V1));
    join_by(&mut engine, at(0), 4, Dialects::both(WakuVersion::V1));
    let a = on(ONE, b"a");
    packet(&mut engine, at(0), (1, Protocol::Whisper), 1, &body(&[&a])).unwrap();
    let mut out = carried(&mut engine, at(0));
    out.sort();
    assert_eq!(out, [(2, Protocol::Whisper, b"a".to_vec()), (4, Protocol::Whisper, b"a".to_vec())]);
    // When it comes by Waku too, it goes on by Waku too: there is one copy, and who has it is asked nothing.
    packet(&mut engine, at(1), (4, Protocol::Waku), 1, &body(&[&a])).unwrap();
    assert_eq!(carried(&mut engine, at(1)), [(3, Protocol::Waku, b"a".to_vec())]);
    // Our own go everywhere.
    engine.handle(at(2), Input::Post(on(ONE, b"own"))).unwrap();
    assert_eq!(carried(&mut engine, at(2)).len(), 4);
}

#[test]
fn a_light_node_does_not_bridge() {
    let mut engine = Whisper::new(&Config { service: Service::Light, ..config() });
    join_by(&mut engine, at(0), 1, Dialects::WHISPER);
    join_by(&mut engine, at(0), 2, Dialects::waku(WakuVersion::V1));
    packet(&mut engine, at(0), (1, Protocol::Whisper), 1, &body(&[&on(ONE, b"a")])).unwrap();
    assert_eq!((engine.pooled().0, carried(&mut engine, at(0))), (1, vec![]));
    engine.handle(at(0), Input::Post(on(ONE, b"own"))).unwrap();
    assert_eq!(carried(&mut engine, at(0)).len(), 2);
}

#[test]
fn two_light_nodes_part_by_either_protocol() {
    for dialects in [Dialects::WHISPER, Dialects::waku(WakuVersion::V0), Dialects::waku(WakuVersion::V1)] {
        let mut engine = Whisper::new(&Config { service: Service::Light, ..config() });
        connect(&mut engine, at(0), 1, dialects);
        let light = waku::Status { service: Service::Light, ..waku::Status::default() };
        let (protocol, status) = match dialects.waku {
            Some(version) => (Protocol::Waku, light.encode(version)),
            None => (Protocol::Whisper, Status { service: Service::Light, ..Status::default() }.encode()),
        };
        let got = packet(&mut engine, at(0), (1, protocol), 0, &status);
        assert_eq!(got, Err(Fault::Packet(crate::wire::PacketFault::TwoLight)), "{dialects:?}");
    }
}

#[test]
fn what_one_protocol_does_not_want_goes_by_the_other() {
    let mut engine = Whisper::new(&config());
    connect(&mut engine, at(0), 1, Dialects::both(WakuVersion::V1));
    packet(&mut engine, at(0), (1, Protocol::Whisper), 0, &Status::default().encode()).unwrap();
    engine.handle(at(0), Input::Post(on(ONE, b"before"))).unwrap();
    assert_eq!(carried(&mut engine, at(0)), [(1, Protocol::Whisper, b"before".to_vec())]);
    let topics = crate::wire::TopicInterest::new([OTHER]).unwrap();
    let status =
        waku::Status { interest: Interest::Topics(topics), min_pow: Pow::ZERO, ..waku::Status::default() };
    packet(&mut engine, at(0), (1, Protocol::Waku), 0, &status.encode(WakuVersion::V1)).unwrap();
    engine.handle(at(0), Input::Post(on(ONE, b"one"))).unwrap();
    engine.handle(at(0), Input::Post(on(OTHER, b"other"))).unwrap();
    let want = [(1, Protocol::Waku, b"other".to_vec()), (1, Protocol::Whisper, b"one".to_vec())];
    assert_eq!(carried(&mut engine, at(0)), want);
}

#[test]
fn each_handshake_has_its_time() {
    let mut engine = Whisper::new(&config());
    connect(&mut engine, at(0), 1, Dialects::both(WakuVersion::V1));
    let codes: Vec<_> = told(&mut engine, at(0)).into_iter().map(|(by, code, _)| (by, code)).collect();
    assert_eq!(codes, [(Protocol::Waku, PacketCode::STATUS), (Protocol::Whisper, PacketCode::STATUS)]);
    packet(&mut engine, at(0), (1, Protocol::Waku), 0, &asks(WakuVersion::V1)).unwrap();
    assert_eq!(events(&mut engine), [Event::PeerReady(PeerId(1))]);
    engine.handle_timeout(at(29_999));
    assert_eq!(engine.ready_peers().count(), 1);
    engine.handle_timeout(at(30_000));
    assert_eq!(transmits(&mut engine, at(30_000)), [Transmit::Disconnect { peer: PeerId(1), reason: 0x0b }]);
    // A protocol that is off, or that the link does not have, does not exist.
    let mut engine = Whisper::new(&open_config());
    connect(&mut engine, at(0), 1, Dialects::waku(WakuVersion::V1));
    assert_eq!(transmits(&mut engine, at(0)), []);
    join_by(&mut engine, at(0), 2, Dialects::WHISPER);
    packet(&mut engine, at(0), (2, Protocol::Waku), 99, &[1]).unwrap();
    assert_eq!(engine.ready_peers().count(), 1);
}

fn first_status(config: &Config, topics: &[Topic], version: WakuVersion) -> Vec<u8> {
    let mut engine = Whisper::new(config);
    if !topics.is_empty() {
        engine.handle(at(0), Input::SetTopics(topics.to_vec())).unwrap();
    }
    connect(&mut engine, at(0), 1, Dialects::waku(version));
    let [(Protocol::Waku, PacketCode::STATUS, body)] = &told(&mut engine, at(0))[..] else { panic!() };
    body.clone()
}

#[test]
fn no_topic_yet_means_nothing() {
    // And what is said in the other modes.
    let file = load("waku_wire");
    for (version, key) in VERSIONS {
        let theirs = |name: &str| {
            let sent = file[key]["status_sent"].as_array().unwrap();
            hex(&sent.iter().find(|case| text(&case["name"]).starts_with(name)).unwrap()["payload"])
        };
        let node = Config { min_pow: Pow::STATUS_LARGE, ..config() };
        let by = |waku| Config { waku, ..node };
        assert_eq!(first_status(&by(WakuMode::Full), &[], version), theirs("full node"));
        assert_eq!(
            first_status(&by(WakuMode::Topics), &[ONE], version),
            theirs("topic interest of one topic")
        );
        let bloom = Config { bloom: Some(Bloom::of_envelope(ONE)), ..by(WakuMode::Bloom) };
        assert_eq!(first_status(&bloom, &[], version), theirs("bloom filter mode, one topic"));
        assert_eq!(first_status(&by(WakuMode::Topics), &[], version), theirs("topic interest empty"));
        // status-go says nothing there, and gets everything.
        assert_ne!(theirs("status node"), theirs("topic interest empty"));
    }
}

#[test]
fn changes_are_told_by_code_22() {
    let file = load("waku_wire");
    for (version, key) in VERSIONS {
        let sent = file[key]["sent"].as_array().unwrap();
        let theirs = |name: &str| {
            let case = sent.iter().find(|case| text(&case["name"]).starts_with(name)).unwrap();
            (PacketCode(case["code"].as_u64().unwrap()), hex(&case["payload"]))
        };
        let told_by = |config: &Config, input: Input<'_>| {
            let mut engine = Whisper::new(config);
            join_by(&mut engine, at(0), 1, Dialects::both(version));
            engine.handle(at(0), input).unwrap();
            let out = told(&mut engine, at(0));
            let waku: Vec<_> = out.iter().filter(|(by, ..)| *by == Protocol::Waku).cloned().collect();
            let [(_, code, body)] = &waku[..] else { panic!("{out:?}") };
            ((*code, body.clone()), out)
        };
        let (waku, all) = told_by(&config(), Input::SetMinPow(Pow::STATUS));
        assert_eq!(waku, theirs("status update after SetMinimumPoW(0.002)"));
        assert_eq!(all[1].1, PacketCode::POW_REQUIREMENT, "each protocol in its own words");
        let bloom = Bloom::of_envelope(ONE);
        let (waku, all) = told_by(&config(), Input::SetBloom(Some(bloom)));
        assert_eq!(waku, theirs("status update after SetBloomFilter"));
        assert_eq!(all[1].1, PacketCode::BLOOM_FILTER);
        let by_name = Config { waku: WakuMode::Topics, ..config() };
        let (waku, all) = told_by(&by_name, Input::SetTopics(vec![ONE, OTHER]));
        assert_eq!(all.len(), 1, "Whisper has no names");
        let want = waku::Options::decode(version, &theirs("status update after SetTopicInterest").1);
        assert_eq!(waku::Options::decode(version, &waku.1), want);
        let limits = crate::RateLimits { ip: 10, peer: 5, topic: 0 };
        let (_, all) = told_by(&config(), Input::SetLimits { packets: limits, bytes: limits });
        let codes: Vec<_> = all.iter().map(|(_, code, _)| *code).collect();
        assert_eq!(codes, [PacketCode::STATUS_UPDATE, PacketCode::RATE_LIMITS]);
        assert_eq!(all[1].2, limits.encode());
    }
}

#[test]
fn named_topics_hold_for_ten_seconds_more() {
    let mut engine = Whisper::new(&Config { waku: WakuMode::Topics, bloom: Some(Bloom::EMPTY), ..config() });
    join_by(&mut engine, at(0), 1, Dialects::waku(WakuVersion::V1));
    engine.handle(at(0), Input::SetTopics(vec![ONE])).unwrap();
    engine.handle(at(20_000), Input::SetTopics(vec![OTHER])).unwrap();
    let give = |engine: &mut Whisper, now: Now, envelope: &Envelope| {
        packet(engine, now, (1, Protocol::Waku), 1, &body(&[envelope])).unwrap();
        engine.envelope(&envelope.hash()).is_some()
    };
    assert!(give(&mut engine, at(29_999), &on(ONE, b"a")));
    assert!(!give(&mut engine, at(30_000), &on(ONE, b"b")));
    assert!(give(&mut engine, at(30_000), &on(OTHER, b"c")));
}

#[test]
fn too_many_topics_are_told_as_a_filter() {
    let topics = |count: u32| (0..count).map(|n| Topic::from_bytes(n.to_be_bytes())).collect::<Vec<_>>();
    let bloom = Bloom::of_listener(OTHER);
    let mut engine = Whisper::new(&Config { waku: WakuMode::Topics, bloom: Some(bloom), ..config() });
    engine.handle(at(0), Input::SetTopics(topics(10_000))).unwrap();
    let Interest::Topics(named) = engine.waku_status().interest else { panic!() };
    assert_eq!(named.len(), 10_000);
    engine.handle(at(0), Input::SetTopics(topics(10_001))).unwrap();
    assert_eq!(engine.waku_status().interest, Interest::Bloom(bloom));
}

#[test]
fn a_peer_of_waku_is_forgiven_for_a_while() {
    for (code, garbage) in
        [(1, &b"\x83\x01\x02\x03"[..]), (22, b"\xc2\xc1\x80"), (12, b"\x80"), (127, b"\x80")]
    {
        let mut engine = Whisper::new(&Config { confirm: Confirm::AtOnce, ..config() });
        connect(&mut engine, at(0), 1, Dialects::waku(WakuVersion::V1));
        let status = waku::Status { confirmations: true, ..waku::Status::default() };
        packet(&mut engine, at(0), (1, Protocol::Waku), 0, &status.encode(WakuVersion::V1)).unwrap();
        engine.handle(at(0), Input::Trust(PeerId(1))).unwrap();
        // One in a second for ever.
        for second in 0..200 {
            packet(&mut engine, at(second * 1_000), (1, Protocol::Waku), code, garbage).unwrap();
        }
        let burst =
            (0..=MAX_FAULTS).map(|_| packet(&mut engine, at(300_000), (1, Protocol::Waku), code, garbage));
        assert_eq!(burst.filter(Result::is_err).count(), 1, "{code}");
        assert_eq!(engine.ready_peers().count(), 0);
        assert_eq!(engine.stats().forgiven, 200 + u64::from(MAX_FAULTS) + 1);
    }
    // A Status is not forgiven.
    let mut engine = Whisper::new(&config());
    connect(&mut engine, at(0), 1, Dialects::waku(WakuVersion::V1));
    assert!(packet(&mut engine, at(0), (1, Protocol::Waku), 0, b"\x80").is_err());
}

#[test]
fn direct_envelopes_go_to_whoever_trusts() {
    let file = load("waku_wire");
    let old = Envelope::new(Header { expiry: T0 - 100, ttl: 50, topic: ONE }, b"old", 0);
    for (version, key) in VERSIONS {
        let mut engine = Whisper::new(&config());
        join_by(&mut engine, at(0), 1, Dialects::both(version));
        join_by(&mut engine, at(0), 2, Dialects::WHISPER);
        for peer in [1, 2] {
            let envelopes = vec![old.clone(), on(OTHER, b"two")];
            engine.handle(at(0), Input::SendDirect { peer: PeerId(peer), envelopes }).unwrap();
        }
        let out = told(&mut engine, at(0));
        // A list by Waku; by Whisper each alone and bare.
        assert_eq!(out.len(), 3);
        assert_eq!(Messages::decode(&out[0].2).unwrap().iter().count(), 2);
        assert_eq!(out[1].2, old.bytes());
        let sent = file[key]["sent"].as_array().unwrap();
        let one = sent.iter().find(|case| text(&case["name"]).starts_with("p2p message")).unwrap();
        let payload = hex(&one["payload"]);
        let raw = Messages::decode(&payload).unwrap().iter().next().unwrap();
        let envelopes = vec![raw.to_envelope(raw.hash(), &raw.work())];
        engine.handle(at(0), Input::SendDirect { peer: PeerId(1), envelopes }).unwrap();
        assert_eq!(told(&mut engine, at(0)), [(Protocol::Waku, PacketCode::P2P_MESSAGE, payload)]);

        // They come past every check, and go nowhere else; trust can be taken back.
        packet(&mut engine, at(0), (1, Protocol::Waku), 127, &out[0].2).unwrap();
        assert_eq!(events(&mut engine), []);
        engine.handle(at(0), Input::Trust(PeerId(1))).unwrap();
        packet(&mut engine, at(0), (1, Protocol::Waku), 127, &out[0].2).unwrap();
        packet(&mut engine, at(0), (1, Protocol::Whisper), 127, &out[1].2).unwrap();
        let got = events(&mut engine);
        assert_eq!(got.len(), 3);
        assert_eq!(
            got[2],
            Event::Direct { envelope: old.clone(), peer: PeerId(1), protocol: Protocol::Whisper }
        );
        assert_eq!((engine.pooled(), carried(&mut engine, at(0))), ((0, 0), vec![]));
        engine.handle(at(0), Input::Distrust(PeerId(1))).unwrap();
        packet(&mut engine, at(0), (1, Protocol::Waku), 127, &out[0].2).unwrap();
        assert_eq!(events(&mut engine), []);
    }
}

#[test]
fn requests_reach_a_mail_server_that_is_here() {
    let waku = load("waku_wire");
    let mut served = 0;
    for case in waku["mailserver"]["live"].as_array().unwrap() {
        let mut engine = Whisper::new(&Config { requests: Requests::Serve, ..config() });
        join_by(&mut engine, at(0), 1, Dialects::both(WakuVersion::V1));
        let request = hex(&case["request_packet"]);
        packet(&mut engine, at(0), (1, Protocol::Waku), 126, &request).unwrap();
        let got = events(&mut engine);
        if text(&case["name"]).starts_with("plain MessagesRequest of Whisper form") {
            assert_eq!((got, engine.stats().forgiven), (vec![], 1));
            // Which Whisper takes.
            packet(&mut engine, at(0), (1, Protocol::Whisper), 126, &request).unwrap();
            assert_eq!(events(&mut engine).len(), 1);
        } else {
            let body = request;
            assert_eq!(got, [Event::Request { peer: PeerId(1), protocol: Protocol::Waku, body }]);
            served += 1;
        }
        let got = packet(&mut engine, at(0), (1, Protocol::Whisper), 126, &[0x83, 1, 2, 3]);
        assert_eq!(got.unwrap_err().code(), "packet.request");
    }
    assert_eq!(served, 7);
    // Nobody serves by default: not even read.
    let mut engine = Whisper::new(&config());
    join_by(&mut engine, at(0), 1, Dialects::both(WakuVersion::V1));
    packet(&mut engine, at(0), (1, Protocol::Whisper), 126, &[0x83, 1, 2, 3]).unwrap();
    assert_eq!((events(&mut engine), engine.stats().ignored_packets), (vec![], 1));
}

#[test]
fn whisper_packets_as_status_go_takes_them() {
    let file = load("whisper_wire");
    let (mut cases, mut kept) = (0, 0);
    for case in file["status_go"]["behaviour"].as_array().unwrap() {
        let name = text(&case["name"]);
        let mut engine = Whisper::new(&Config { confirm: Confirm::AtOnce, ..open_config() });
        join(&mut engine, at(0), 1, &Status { confirmations: true, ..Status::default() });
        events(&mut engine);
        if case["trusted"] == true {
            engine.handle(at(0), Input::Trust(PeerId(1))).unwrap();
        }
        let code = case["code"].as_u64().unwrap();
        let got = packet(&mut engine, at(0), (1, Protocol::Whisper), code, &hex(&case["payload"]));
        if code == 127 {
            let theirs = case.get("events").and_then(Value::as_array).map_or(0, Vec::len);
            let ours = events(&mut engine);
            assert!(ours.iter().all(|event| matches!(event, Event::Direct { .. })));
            assert_eq!(ours.len(), theirs, "{name}");
        }
        // The words of a mail server are skipped while nobody asks one, and limits that are none are forgiven.
        if matches!(code, 20 | 125) && case["result"] == "disconnect" {
            assert_eq!(got, Ok(()), "{name}");
            kept += 1;
        } else {
            assert_eq!(got.is_err(), case["result"] == "disconnect", "{name}");
        }
        cases += 1;
    }
    assert_eq!((cases, kept), (26, 4));
    // geth, where a peer is trusted: it takes one bare envelope and drops whoever sends a list, which we take too.
    let (mut cases, mut taken) = (0, 0);
    for case in file["geth"]["behaviour"].as_array().unwrap() {
        if case.get("trusted") != Some(&Value::Bool(true)) {
            continue;
        }
        let mut engine = Whisper::new(&open_config());
        join(&mut engine, at(0), 1, &Status::default());
        engine.handle(at(0), Input::Trust(PeerId(1))).unwrap();
        let payload = case.get("payload").map_or_else(
            || match text(&case["name"]) {
                name if name.contains("list") => body(&[&on(ONE, b"a"), &on(ONE, b"b")]),
                _ => on(ONE, b"a").bytes().to_vec(),
            },
            hex,
        );
        let got = packet(&mut engine, at(0), (1, Protocol::Whisper), 127, &payload);
        assert_eq!(got.is_err(), text(&case["name"]).contains("garbage"), "{}", case["name"]);
        taken += usize::from(got.is_ok());
        cases += 1;
    }
    assert_eq!((cases, taken), (3, 2));
}
