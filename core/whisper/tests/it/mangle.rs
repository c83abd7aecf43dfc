//! Bad input, systematically: envelopes and every packet of the capability, mangled.

use undertone_base::{FaultClass, Mono, Now, Unix};
use undertone_support::mangle::{self, Mutation, Trial, Whose};
use undertone_vectors::{hex, load};
use undertone_whisper::wire::{self, Messages, PacketCode, PacketFault, Status};
use undertone_whisper::{
    BadEnvelope, Bloom, Config, Envelope, Fault, Header, Input, Link, PeerId, Pow, Protocol, RawEnvelope,
    Topic, Transmit, Whisper,
};

const NOW: Now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
const PEER: PeerId = PeerId(1);

fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::rlp(sample));
    made
}

fn blame(error: &PacketFault) -> (FaultClass, &'static str) {
    (error.fault(), error.code())
}

fn envelope(data: &[u8]) -> Envelope {
    let header =
        Header { expiry: 1_600_000_010, ttl: 10, topic: Topic::from_bytes([0x5c, 0x6c, 0x9b, 0x56]) };
    Envelope::new(header, data, 7)
}

/// Ours and geth's, of one and of two bytes of length.
fn envelopes() -> Vec<Vec<u8>> {
    let file = load("whisper_envelope");
    let all = file["envelopes"].as_array().unwrap().iter();
    let geths = all.map(|case| hex(&case["rlp"])).filter(|rlp| rlp.len() < 400).take(4);
    geths.chain([envelope(b"data").bytes().to_vec()]).collect()
}

#[test]
fn mangled_envelopes_are_refused_or_have_another_hash() {
    let mut trial = Trial::new(Whose::Peer);
    for sample in envelopes() {
        let honest = RawEnvelope::decode(&sample).unwrap().hash();
        for mutation in of(&sample) {
            let says = |e: &BadEnvelope| (e.fault(), e.code());
            let taken = trial.run(
                &mutation,
                |b| {
                    RawEnvelope::decode(b)
                        .map(|raw| (raw.size(), raw.hash(), raw.to_envelope(raw.hash(), &raw.work())))
                },
                says,
            );
            let Some((size, hash, whole)) = taken else { continue };
            assert!(hash != honest, "{}", mutation.name);
            assert_eq!(whole.bytes(), mutation.bytes, "{}", mutation.name);
            assert!(size <= mutation.bytes.len() + 32, "{}", mutation.name);
        }
    }
    trial.at_least(2_400, 900);
}

#[test]
fn mangled_statuses_are_refused_or_tolerated() {
    let bloom = Bloom::of_envelope(Topic::from_bytes([1, 2, 3, 4]));
    let ours = Status { bloom: Some(bloom), ..Status::default() }.encode();
    let mut trial = Trial::new(Whose::Peer);
    for mutation in of(&ours).into_iter().chain(of(&hex_status())) {
        if let Some(status) = trial.run(&mutation, Status::decode, blame) {
            assert_eq!(Status::decode(&status.encode()), Ok(status), "{}", mutation.name);
        }
    }
    trial.at_least(450, 170);
}

/// What geth sends.
fn hex_status() -> Vec<u8> {
    hex(&load("whisper_wire")["geth"]["status_sent"][0]["payload"])
}

#[test]
fn mangled_requirements_and_filters_are_refused_or_others() {
    let mut trial = Trial::new(Whose::Peer);
    for mutation in of(&wire::encode_pow(Pow::STATUS_LARGE)) {
        if let Some(pow) = trial.run(&mutation, wire::decode_pow, blame) {
            // What stands behind is skipped.
            assert!(mutation.bytes.starts_with(&wire::encode_pow(pow)), "{}", mutation.name);
        }
    }
    for mutation in of(&wire::encode_bloom(&Bloom::of_envelope(Topic::from_bytes([9; 4])))) {
        if let Some(bloom) = trial.run(&mutation, wire::decode_bloom, blame) {
            assert!(mutation.bytes.starts_with(&wire::encode_bloom(&bloom)), "{}", mutation.name);
        }
    }
    trial.at_least(350, 110);
}

/// A machine with a ready peer and one envelope of its own, everything sent.
fn machine() -> Whisper {
    let mut machine = Whisper::new(&Config { min_pow: Pow::ZERO, ..Config::default() });
    machine.handle(NOW, Input::Connected(Link::whisper(PEER))).unwrap();
    let body = Status::default().encode();
    machine
        .handle(
            NOW,
            Input::Packet { peer: PEER, protocol: Protocol::Whisper, code: PacketCode::STATUS, body: &body },
        )
        .unwrap();
    machine.handle(NOW, Input::Post(envelope(b"ours"))).unwrap();
    while let Some(out) = machine.poll_transmit(NOW) {
        if matches!(out, Transmit::Packet { code: PacketCode::MESSAGES, .. }) {
            machine.handle(NOW, Input::Sent(PEER)).unwrap();
        }
    }
    while machine.poll_event().is_some() {}
    machine
}

#[test]
fn mangled_packets_end_the_link_and_change_nothing_else() {
    let machine = machine();
    let pooled: Vec<_> = machine.envelopes().cloned().collect();
    assert_eq!(pooled.len(), 1);
    let list =
        [envelope(b"theirs").bytes(), envelope(b"and another one, long enough for a long header").bytes()]
            .concat();
    let mut messages = vec![0xf8, u8::try_from(list.len()).unwrap()];
    messages.extend(list);
    assert_eq!(Messages::decode(&messages).unwrap().iter().count(), 2);
    let samples = [
        (PacketCode::MESSAGES, messages),
        (PacketCode::POW_REQUIREMENT, wire::encode_pow(Pow::STATUS_LARGE)),
        (PacketCode::BLOOM_FILTER, wire::encode_bloom(&Bloom::of_envelope(Topic::from_bytes([9; 4])))),
        (PacketCode::STATUS, Status::default().encode()),
        (PacketCode::P2P_MESSAGE, envelope(b"p2p").bytes().to_vec()),
    ];
    let mut trial = Trial::new(Whose::Peer);
    let mut ended = 0;
    for (code, sample) in &samples {
        for mutation in of(sample) {
            let mut machine = machine.clone();
            let handle = |b: &[u8]| {
                machine.handle(
                    NOW,
                    Input::Packet { peer: PEER, protocol: Protocol::Whisper, code: *code, body: b },
                )
            };
            let taken = trial.run(&mutation, handle, |e: &Fault| (e.fault(), e.code()));
            if taken.is_some() {
                continue;
            }
            let left: Vec<_> = machine.envelopes().cloned().collect();
            assert_eq!(left, pooled, "{} was refused and changed the pool", mutation.name);
            assert_eq!(machine.ready_peers().count(), 0, "{}", mutation.name);
            let out = machine.poll_transmit(NOW);
            let reason = wire::SUBPROTOCOL_ERROR;
            assert_eq!(out, Some(Transmit::Disconnect { peer: PEER, reason }), "{}", mutation.name);
            assert_eq!((machine.poll_transmit(NOW), machine.poll_event()), (None, None), "{}", mutation.name);
            ended += 1;
        }
    }
    trial.at_least(1_200, 400);
    assert_eq!(ended, trial.refused);
}
