//! Ten thousand places that a client listens on, beside ten: the same openings on the same traffic.

use undertone_base::{Mono, Now, Secret, Unix};
use undertone_crypto::{Keyring, PublicKey, SecretKey};
use undertone_sealed::{Padding, SealRequest, SealTo, seal};
use undertone_support::rng;
use undertone_transport::conformance::{Person, person};
use undertone_transport::{Command, Event, Listen, OpenWith, Route, Transport};
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{
    Advertise, Envelope, Header, Input, Link, PeerId, Pow, Protocol, TransportConfig, WhisperTransport,
    topic_of,
};

const NOW: Now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
const PEER: PeerId = PeerId(1);

/// Somebody's personal topic: each is another, and needs no key of its own.
fn route(n: u32) -> Route {
    let mut scalar = [1; 32];
    scalar[..4].copy_from_slice(&n.to_be_bytes());
    Route::Personal(SecretKey::from_slice(&scalar).unwrap().public())
}

/// An envelope for Alice by herself on the topic of a route.
fn envelope(alice: &Person, key: &PublicKey, n: u32) -> Envelope {
    let request = SealRequest {
        payload: &n.to_be_bytes(),
        signer: Some((alice.keyring.as_ref() as &dyn Keyring, alice.id)),
        seal_to: SealTo::Asymmetric(key),
        padding: Padding::Auto,
    };
    let header = Header { expiry: 1_600_000_015, ttl: 15, topic: topic_of(&route(n)).unwrap() };
    Envelope::new(header, &seal(&request, &mut rng(n.into())).unwrap(), 7)
}

/// What is opened and delivered of a packet by a client that listens on so many places.
fn opened(alice: &Person, listens: u32, body: &[u8]) -> (usize, usize) {
    let mut config = TransportConfig { advertise: Advertise::Everything, ..TransportConfig::default() };
    config.gossip.min_pow = Pow::ZERO;
    let mut transport = WhisperTransport::new(config, alice.keyring.clone(), &Secret::new([7; 32]));
    for n in 0..listens {
        let listen = Listen { route: route(n), open_with: OpenWith::Identity(alice.id) };
        transport.command(NOW, Command::Listen(listen)).unwrap();
    }
    transport.handle(NOW, Input::Connected(Link::whisper(PEER))).unwrap();
    let status = Status::default().encode();
    for (code, body) in [(PacketCode::STATUS, status.as_slice()), (PacketCode::MESSAGES, body)] {
        let packet = Input::Packet { peer: PEER, protocol: Protocol::Whisper, code, body };
        transport.handle(NOW, packet).unwrap();
    }
    let mut jobs = 0;
    while let Some(job) = transport.poll_job() {
        transport.job_done(NOW, job.run());
        jobs += 1;
    }
    let events = std::iter::from_fn(|| transport.poll_event());
    (jobs, events.filter(|event| matches!(event, Event::Received(_))).count())
}

#[test]
fn ten_thousand_listens_open_no_more_than_ten() {
    let alice = person(1);
    let key = alice.keyring.public(&alice.id).unwrap();
    // One in eight is for one of the first ten places, the rest for places that nobody here listens on.
    let on = |n: u32| if n.is_multiple_of(8) { n / 8 } else { 1_000_000 + n };
    let items: Vec<u8> = (0..64).flat_map(|n| envelope(&alice, &key, on(n)).bytes().to_vec()).collect();
    let mut body = Vec::new();
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut body);
    body.extend(items);
    assert_eq!(opened(&alice, 10, &body), (8, 8));
    assert_eq!(opened(&alice, 10_000, &body), (8, 8));
}
