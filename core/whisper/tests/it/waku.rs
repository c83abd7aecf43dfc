//! Waku on the wire: what status-go wrote and how it answered, and whatever else bytes can be.

use proptest::prelude::*;
use undertone_base::FaultClass;
use undertone_support::mangle::{self, Mutation, Trial, Whose};
use undertone_vectors::{Value, hex, load};
use undertone_whisper::limits::MAX_TOPIC_INTEREST;
use undertone_whisper::wire::waku::{Options, OptionsFault, Status};
use undertone_whisper::wire::{
    DirectForm, Interest, Messages, PacketFault, Service, TopicInterest, decode_direct,
};
use undertone_whisper::{Bloom, Pow, RateLimits, RawEnvelope, Topic, WakuVersion, confirm};

const VERSIONS: [(WakuVersion, &str); 2] = [(WakuVersion::V0, "v0"), (WakuVersion::V1, "v1")];
const ONE: Topic = Topic::from_bytes([0x5c, 0x6c, 0x9b, 0x56]);
const OTHER: Topic = Topic::from_bytes([1, 2, 3, 4]);

/// The cases of a list of the vectors, with their version.
fn cases(list: &str) -> Vec<(WakuVersion, Value)> {
    let file = load("waku_wire");
    let of = |(version, key): &(WakuVersion, &str)| {
        let cases = file[key][list].as_array().unwrap().clone();
        cases.into_iter().map(|case| (*version, case)).collect::<Vec<_>>()
    };
    VERSIONS.iter().flat_map(of).collect()
}

fn pow(value: f64) -> Pow {
    Pow::new(value).unwrap()
}

#[test]
fn capabilities_of_status_go() {
    let file = load("waku_wire");
    let all = file["capabilities"].as_array().unwrap();
    let wakus: Vec<_> = all.iter().filter(|cap| cap["name"] == "waku").collect();
    for (cap, (version, _)) in wakus.iter().zip(VERSIONS) {
        assert_eq!(WakuVersion::from_number(cap["version"].as_u64().unwrap()), Some(version));
        assert_eq!(cap["length"].as_u64(), Some(undertone_whisper::wire::CODES));
    }
    assert_eq!((all.len(), wakus.len()), (3, 2));
}

#[test]
fn status_as_status_go_sends_it() {
    let all = cases("status_sent");
    for (version, case) in &all {
        let (name, payload) = (case["name"].as_str().unwrap(), hex(&case["payload"]));
        let status = Status::decode(*version, &payload).unwrap();
        let node = Status { min_pow: Pow::STATUS_LARGE, ..Status::default() };
        let topics = |list: &[Topic]| Interest::Topics(TopicInterest::new(list.iter().copied()).unwrap());
        let expected = match name {
            _ if name.starts_with("library default") => Status { min_pow: Pow::GETH, ..node },
            "bloom filter mode, one topic" => {
                Status { interest: Interest::bloom(Bloom::of_envelope(ONE)), ..node }
            }
            "topic interest of one topic" => Status { interest: topics(&[ONE]), ..node },
            _ if name.starts_with("topic interest empty") => Status { interest: topics(&[]), ..node },
            "light client and confirmations" => {
                Status { service: Service::Light, confirmations: true, ..node }
            }
            "rate limiter defaults" => Status {
                packet_limits: RateLimits { ip: 10, peer: 5, topic: 0 },
                byte_limits: match version {
                    WakuVersion::V0 => RateLimits::NONE,
                    WakuVersion::V1 => RateLimits { ip: 1 << 20, peer: 1 << 20, topic: 0 },
                },
                ..node
            },
            "status node: minPow 0.000002" | "full node" | "bloom filter mode, no bloom" => node,
            _ if name.starts_with("light client of a status node in topic mode") => node,
            _ => unreachable!("{name}"),
        };
        assert_eq!(status, expected, "{name}");
        // Byte for byte what it said; of ourselves we say as well that we want everything.
        let said = options_of(*version, &payload);
        let again = Options::decode(*version, &said).unwrap().encode(*version);
        assert_eq!(again, said, "{name}");
        if name == "full node" || status.interest != Interest::Everything {
            assert_eq!(status.encode(*version), payload, "{name}");
        }
    }
    assert_eq!(all.len(), 20);
}

/// The list of options inside a Status.
fn options_of(version: WakuVersion, payload: &[u8]) -> Vec<u8> {
    let mut left = payload;
    match version {
        WakuVersion::V0 => {
            let items = alloy_rlp::Header::decode_bytes(&mut left, true).unwrap();
            items[1..].to_vec()
        }
        WakuVersion::V1 => payload.to_vec(),
    }
}

#[test]
fn status_received_as_status_go_does() {
    let all = cases("status_received");
    let mut refused = 0;
    for (version, case) in &all {
        let name = case["name"].as_str().unwrap();
        let payload = match name {
            "10001 topics (payload omitted)" => status_of_topics(*version, MAX_TOPIC_INTEREST + 1),
            "10000 topics (payload omitted)" => status_of_topics(*version, MAX_TOPIC_INTEREST),
            _ => hex(&case["payload"]),
        };
        let fault = match (name, version) {
            // A pair that we do not know hides nothing that we do.
            ("unknown key 99 first" | "unknown key 99 last", _) => {
                assert_eq!(Status::decode(*version, &payload).unwrap().min_pow, Pow::STATUS, "{name}");
                continue;
            }
            // Whether two light nodes talk is not for the codec.
            ("light node against restricted light node", _) => {
                assert_eq!(Status::decode(*version, &payload).unwrap().service, Service::Light);
                continue;
            }
            ("option with a third item" | "option without value" | "not a list", _)
            | ("only options, no version (v1 form)" | "trailing third element", _)
            | ("v0 form: version and options" | "empty payload", _) => Some("options.shape"),
            ("pow NaN" | "pow negative", _) => Some("options.pow"),
            ("bloom 63 bytes", _) => Some("options.bloom"),
            ("light node value 2", _) => Some("options.switch"),
            ("rate limits with two numbers", _) => Some("options.limits"),
            ("topic interest with a 3 byte topic", _) => Some("options.topics"),
            ("10001 topics (payload omitted)", _) => Some("options.too_many_topics"),
            ("version 1 inside the v0 status", _) => Some("options.version"),
            _ => None,
        };
        let got = Status::decode(*version, &payload);
        assert_eq!(got.as_ref().err().map(OptionsFault::code), fault, "{name}");
        assert_eq!(case["result"] == "disconnect", fault.is_some(), "{name}");
        refused += usize::from(fault.is_some());
        if let Ok(status) = got {
            assert_eq!(Status::decode(*version, &status.encode(*version)), Ok(status), "{name}");
        }
    }
    assert_eq!((all.len(), refused), (43, 25));
}

/// The body that the vectors leave out: topic `i` is `i` in two bytes and two zeros.
fn status_of_topics(version: WakuVersion, count: usize) -> Vec<u8> {
    let list = |items: &[u8]| {
        let mut out = Vec::new();
        alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut out);
        out.extend_from_slice(items);
        out
    };
    let topic = |i: usize| {
        let [high, low] = u16::try_from(i).unwrap().to_be_bytes();
        [0x84, high, low, 0, 0]
    };
    let topics = list(&(0..count).flat_map(topic).collect::<Vec<_>>());
    let key = if version == WakuVersion::V0 { b'5' } else { 5 };
    let options = list(&list(&[&[key][..], &topics].concat()));
    if version == WakuVersion::V0 { list(&[&[0x80][..], &options].concat()) } else { options }
}

#[test]
fn options_decide_what_is_forwarded() {
    let all = cases("option_effects");
    let mut bad_updates = 0;
    for (version, case) in &all {
        let name = case["name"].as_str().unwrap();
        let mut status = Status::decode(*version, &hex(&case["status"])).unwrap();
        let update = hex(&case["status_update"]);
        if !update.is_empty() {
            match Options::decode(*version, &update) {
                Ok(options) => status.apply(&options),
                Err(_) => bad_updates += 1,
            }
        }
        // Both envelopes have next to no work.
        let wanted = [ONE, OTHER]
            .into_iter()
            .filter(|topic| status.min_pow == Pow::ZERO && status.interest.wants(*topic));
        let wanted: Vec<_> = wanted.map(|topic| topic.to_string()).collect();
        let mut expected: Vec<_> = case["forwarded_topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t.as_str().unwrap().to_owned())
            .collect();
        // v0 is dropped by status-go for the unknown key, and v1 loses its PoW; here the empty interest counts in both.
        if name.starts_with("unknown key before") {
            assert_eq!(
                (status.min_pow, &status.interest),
                (Pow::ZERO, &Interest::Topics(TopicInterest::default()))
            );
            expected.clear();
        }
        assert_eq!(wanted, expected, "{name}");
    }
    assert_eq!((all.len(), bad_updates), (22, 4));
}

#[test]
fn changes_as_status_go_sends_them() {
    let all = cases("sent");
    let mut updates = 0;
    for (version, case) in &all {
        let (name, payload) = (case["name"].as_str().unwrap(), hex(&case["payload"]));
        let old = Status::default();
        let topics = |list: &[Topic]| Interest::Topics(TopicInterest::new(list.iter().copied()).unwrap());
        let new = match name {
            "status update after SetMinimumPoW(0.002)" => Status { min_pow: Pow::STATUS, ..old.clone() },
            "status update after SetBloomFilter" => {
                Status { interest: Interest::bloom(Bloom::of_envelope(ONE)), ..old.clone() }
            }
            "status update after SetTopicInterest" => {
                // In order of bytes here, in order of asking there.
                let ours = Status { interest: topics(&[ONE, OTHER]), ..old.clone() };
                let mut theirs = old.clone();
                theirs.apply(&Options::decode(*version, &payload).unwrap());
                assert_eq!(theirs, ours, "{name}");
                assert_eq!(ours.changes_since(&old).encode(*version).len(), payload.len());
                updates += 1;
                continue;
            }
            "status update after SetTopicInterest(nil): empty" => old.clone(),
            "p2p message with one envelope: list" => {
                assert_eq!(decode_direct(&payload, DirectForm::List).unwrap().iter().count(), 1);
                continue;
            }
            "messages request, not encrypted, 7 fields" => continue,
            _ => unreachable!("{name}"),
        };
        assert_eq!(case["code"].as_u64(), Some(22));
        assert_eq!(new.changes_since(&old).encode(*version), payload, "{name}");
        updates += 1;
    }
    assert_eq!((all.len(), updates), (12, 8));
}

#[test]
fn packets_as_status_go_reads_them() {
    let all = cases("behaviour");
    let mut seen = 0;
    for (version, case) in &all {
        let (name, payload) = (case["name"].as_str().unwrap(), hex(&case["payload"]));
        let readable = match case["code"].as_u64().unwrap() {
            0 => Status::decode(*version, &payload).is_ok(),
            1 => Messages::decode(&payload).is_ok(),
            11 => confirm::decode_ack(&payload).is_ok(),
            12 => confirm::decode_response(&payload).unwrap().is_some(),
            127 => decode_direct(&payload, DirectForm::List).is_ok(),
            _ => continue,
        };
        let unreadable = name.contains("garbage") || name.contains("not understood");
        assert_eq!(readable, !unreadable, "{name}");
        if let Some(response) = case.get("message_response").filter(|r| r.is_string()) {
            let response = hex(response);
            let (batch, errors) = confirm::decode_response(&response).unwrap().unwrap();
            assert!(errors.iter().all(|error| error.code == 21), "{name}");
            assert_eq!(confirm::encode_response(&batch, &errors), response, "{name}");
            assert_eq!(confirm::encode_ack(&batch), hex(&case["batch_ack"]), "{name}");
        }
        seen += 1;
    }
    assert_eq!((all.len(), seen), (28, 24));
}

#[test]
fn direct_messages_in_either_form() {
    let file = load("waku_wire");
    let mut answers = 0;
    for case in file["mailserver"]["live"].as_array().unwrap() {
        let responses = case["responses"].as_array().into_iter().flatten();
        for answer in responses.filter(|a| a["code"] == 127) {
            let payload = hex(&answer["payload"]);
            for form in [DirectForm::List, DirectForm::BareOrList] {
                assert!(decode_direct(&payload, form).unwrap().iter().count() > 0);
            }
            answers += 1;
        }
    }
    assert_eq!(answers, 5);
    for envelope in file["mailserver"]["archive"].as_array().unwrap() {
        let bare = hex(&envelope["envelope_rlp"]);
        let read: Vec<RawEnvelope<'_>> =
            decode_direct(&bare, DirectForm::BareOrList).unwrap().iter().collect();
        assert_eq!(read, [RawEnvelope::decode(&bare).unwrap()]);
        assert_eq!(decode_direct(&bare, DirectForm::List).unwrap_err(), PacketFault::Messages);
    }
    assert_eq!(decode_direct(&[0xc0], DirectForm::BareOrList).unwrap().iter().count(), 0);
}

fn topic() -> impl Strategy<Value = Topic> {
    // Few, so that they meet.
    prop_oneof![
        (0u8..6).prop_map(|i| Topic::from_bytes([i, 0, 0, i])),
        any::<[u8; 4]>().prop_map(Topic::from_bytes)
    ]
}

fn bloom() -> impl Strategy<Value = Bloom> {
    let of_topics = prop::collection::vec(topic(), 0..4)
        .prop_map(|topics| topics.into_iter().map(Bloom::of_listener).fold(Bloom::EMPTY, |a, b| a.union(&b)));
    prop_oneof![Just(Bloom::FULL), of_topics]
}

fn interest() -> impl Strategy<Value = Interest> {
    let topics =
        prop::collection::vec(topic(), 0..6).prop_map(|t| Interest::Topics(TopicInterest::new(t).unwrap()));
    prop_oneof![bloom().prop_map(Interest::bloom), topics]
}

fn limits() -> impl Strategy<Value = RateLimits> {
    any::<[u64; 3]>().prop_map(|[ip, peer, topic]| RateLimits { ip, peer, topic: topic % 200 })
}

fn statuses() -> impl Strategy<Value = Status> {
    (0.0f64..9.0, interest(), any::<[bool; 2]>(), limits(), limits()).prop_map(
        |(least, interest, [light, confirmations], packet_limits, byte_limits)| Status {
            min_pow: pow(least),
            interest,
            service: if light { Service::Light } else { Service::Full },
            confirmations,
            packet_limits,
            byte_limits,
        },
    )
}

fn versions() -> impl Strategy<Value = WakuVersion> {
    prop_oneof![Just(WakuVersion::V0), Just(WakuVersion::V1)]
}

proptest! {
    #[test]
    fn what_is_written_is_read(version in versions(), mut status in statuses(), mut old in statuses()) {
        if version == WakuVersion::V0 {
            status.byte_limits = RateLimits::NONE;
            old.byte_limits = RateLimits::NONE;
        }
        prop_assert_eq!(&Status::decode(version, &status.encode(version)).unwrap(), &status);
        let change = status.changes_since(&old).encode(version);
        old.apply(&Options::decode(version, &change).unwrap());
        prop_assert_eq!(&old, &status);
        prop_assert_eq!(status.changes_since(&old).encode(version), [0xc0]);
        prop_assert_eq!(RateLimits::decode(&status.packet_limits.encode()), Ok(status.packet_limits));
    }

    #[test]
    fn any_bytes_are_read_or_refused(version in versions(), bytes: Vec<u8>, listed: bool) {
        let mut body = bytes;
        if listed {
            body.truncate(55);
            body.insert(0, 0xc0 + u8::try_from(body.len()).unwrap());
        }
        if let Ok(options) = Options::decode(version, &body) {
            prop_assert_eq!(Options::decode(version, &options.encode(version)), Ok(options));
        }
        let _ = (Status::decode(version, &body), RateLimits::decode(&body));
        let _ = (decode_direct(&body, DirectForm::List), decode_direct(&body, DirectForm::BareOrList));
    }

    /// Unknown pairs anywhere change nothing that the known ones say.
    #[test]
    fn unknown_options_hide_nothing(status in statuses(), at in 0usize..7, key in 7u8..0x80, value: [u8; 3]) {
        let plain = status.encode(WakuVersion::V1);
        let mut left = plain.as_slice();
        let mut pairs = Vec::new();
        let mut items = alloy_rlp::Header::decode_bytes(&mut left, true).unwrap();
        while !items.is_empty() {
            let whole = items;
            alloy_rlp::Header::decode_bytes(&mut items, true).unwrap();
            pairs.push(whole[..whole.len() - items.len()].to_vec());
        }
        let unknown = [0xc6, key, 0xc4, 0x83, value[0], value[1], value[2]];
        pairs.insert(at.min(pairs.len()), unknown.to_vec());
        let items = pairs.concat();
        let mut body = Vec::new();
        alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut body);
        body.extend(items);
        prop_assert_eq!(Status::decode(WakuVersion::V1, &body), Ok(status));
    }

    #[test]
    fn who_covers_wants_as_well(ours in interest(), theirs in interest(), topics: Vec<[u8; 4]>, near in prop::collection::vec(topic(), 0..20)) {
        prop_assert!(ours.covers(&ours) && Interest::Everything.covers(&ours));
        if ours.covers(&theirs) {
            for topic in topics.into_iter().map(Topic::from_bytes).chain(near) {
                prop_assert!(!theirs.wants(topic) || ours.wants(topic));
            }
        }
    }
}

#[test]
fn too_many_topics_are_not_kept() {
    let topic = |i: usize| Topic::from_bytes(u32::try_from(i % 7).unwrap().to_be_bytes());
    let most = TopicInterest::new((0..MAX_TOPIC_INTEREST).map(topic)).unwrap();
    assert_eq!((most.len(), most.contains(topic(3)), most.contains(OTHER)), (7, true, false));
    let error = TopicInterest::new((0..MAX_TOPIC_INTEREST + 5).map(topic)).unwrap_err();
    assert_eq!((error.got, error.code()), (MAX_TOPIC_INTEREST + 5, "interest.too_many_topics"));
}

fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::rlp(sample));
    made
}

#[test]
fn mangled_options_are_refused_or_say_something_else() {
    let blame = |e: &OptionsFault| -> (FaultClass, &'static str) { (e.fault(), e.code()) };
    let status = Status {
        min_pow: Pow::STATUS,
        interest: Interest::bloom(Bloom::of_listener(ONE)),
        packet_limits: RateLimits { ip: 10, peer: 5, topic: 300 },
        ..Status::default()
    };
    let topics = Interest::Topics(TopicInterest::new([ONE, OTHER]).unwrap());
    let mut trial = Trial::new(Whose::Peer);
    for (version, _) in VERSIONS {
        for sample in [status.clone(), Status { interest: topics.clone(), ..status.clone() }] {
            for mutation in of(&sample.encode(version)) {
                let taken = trial.run(&mutation, |b| Status::decode(version, b), blame);
                if let Some(mut status) = taken {
                    if version == WakuVersion::V0 {
                        status.byte_limits = RateLimits::NONE;
                    }
                    assert_eq!(
                        Status::decode(version, &status.encode(version)),
                        Ok(status),
                        "{}",
                        mutation.name
                    );
                }
            }
            let change = sample.changes_since(&Status::default()).encode(version);
            for mutation in of(&change) {
                if let Some(options) = trial.run(&mutation, |b| Options::decode(version, b), blame) {
                    assert_eq!(
                        Options::decode(version, &options.encode(version)),
                        Ok(options),
                        "{}",
                        mutation.name
                    );
                }
            }
        }
    }
    trial.at_least(1_500, 900);
}

#[test]
fn mangled_limits_and_direct_messages_are_refused_or_others() {
    let blame = |e: &PacketFault| -> (FaultClass, &'static str) { (e.fault(), e.code()) };
    let mut trial = Trial::new(Whose::Peer);
    let limits = RateLimits { ip: 10, peer: 500, topic: u64::MAX };
    for mutation in of(&limits.encode()) {
        if let Some(other) = trial.run(&mutation, RateLimits::decode, blame) {
            // What stands behind is skipped.
            assert!(mutation.bytes.starts_with(&other.encode()), "{}", mutation.name);
        }
    }
    let file = load("waku_wire");
    let bare = hex(&file["mailserver"]["archive"][0]["envelope_rlp"]);
    let list = hex(&file["mailserver"]["live"][0]["responses"][0]["payload"]);
    for (form, sample) in
        [(DirectForm::BareOrList, &bare), (DirectForm::BareOrList, &list), (DirectForm::List, &list)]
    {
        for mutation in of(sample) {
            let sizes = |b: &[u8]| {
                let messages = decode_direct(b, form)?;
                Ok((messages.iter().map(|raw| raw.data.len()).sum::<usize>(), messages.iter().count()))
            };
            if let Some((data, count)) = trial.run(&mutation, sizes, blame) {
                assert!(data + 9 * count <= mutation.bytes.len(), "{}", mutation.name);
            }
        }
    }
    trial.at_least(500, 200);
}
