//! What the transport shows and hides, by both protocols, and what it learns of clocks.

use std::time::Duration;

use undertone_base::{Mono, Now, Secret, Unix};
use undertone_crypto::keccak256;
use undertone_support::rng;
use undertone_transport::conformance::{Person, person};
use undertone_transport::memory::public;
use undertone_transport::{
    Command, Event, Failure, Flush, Listen, OpenWith, Progress, Send, SendId, Transport,
};
use undertone_whisper::confirm::{BatchHash, NotTaken, TIME_NOT_SYNCED, encode_response};
use undertone_whisper::limits::MAX_BLEND;
use undertone_whisper::wire::{Interest, Messages, PacketCode, Service, Status, waku};
use undertone_whisper::{
    Advertise, Bloom, ClockFault, Config, Confirm, Dialects, Envelope, FlushPolicy, Header, Input, Link,
    PeerId, Pow, Protocol, Protocols, Report, SampleKind, Topic, Transmit, TransportConfig, WakuMode,
    WakuVersion, Watch, WhisperTransport,
};

fn now(millis: u64) -> Now {
    Now { mono: Mono::from_nanos(millis * 1_000_000), unix: Unix::from_millis(1_600_000_000_000 + millis) }
}

fn config(gossip: Config) -> TransportConfig {
    let gossip = Config { protocols: Protocols::BOTH, min_pow: Pow::ZERO, ..gossip };
    TransportConfig { gossip, pow: Pow::STATUS_LARGE, report: true, ..TransportConfig::default() }
}

fn transport(config: TransportConfig) -> (WhisperTransport, Person) {
    let alice = person(1);
    (WhisperTransport::new(config, alice.keyring.clone(), &Secret::new([7; 32])), alice)
}

fn connect(t: &mut WhisperTransport, at: Now, peer: u64, dialects: Dialects, confirmations: bool) {
    t.handle(at, Input::Connected(Link::new(PeerId(peer), dialects))).unwrap();
    if dialects.whisper {
        let body = Status { confirmations, ..Status::default() }.encode();
        tell(t, at, (peer, Protocol::Whisper), PacketCode::STATUS, &body);
    }
    if let Some(version) = dialects.waku {
        let status = waku::Status { min_pow: Pow::ZERO, confirmations, ..waku::Status::default() };
        tell(t, at, (peer, Protocol::Waku), PacketCode::STATUS, &status.encode(version));
    }
}

fn tell(t: &mut WhisperTransport, at: Now, (peer, protocol): (u64, Protocol), code: PacketCode, body: &[u8]) {
    t.handle(at, Input::Packet { peer: PeerId(peer), protocol, code, body }).unwrap();
}

fn work(t: &mut WhisperTransport, at: Now) {
    while let Some(job) = t.poll_job() {
        t.job_done(at, job.run());
    }
}

fn send(from: &Person, flush: Flush) -> Command {
    Command::Send(Send {
        id: SendId(1),
        route: public("t"),
        to: None,
        sign_as: from.id,
        payload: b"hello".to_vec(),
        ephemeral: false,
        flush,
    })
}

fn listen(name: &str) -> Command {
    Command::Listen(Listen { route: public(name), open_with: OpenWith::ByRoute })
}

/// What leaves: to whom, by what, which packet, its body.
fn out(t: &mut WhisperTransport, at: Now) -> Vec<(u64, Protocol, PacketCode, Vec<u8>)> {
    let mut out = Vec::new();
    while let Some(transmit) = t.poll_transmit(at) {
        if let Transmit::Packet { peer, protocol, code, body } = transmit {
            if code == PacketCode::MESSAGES {
                t.handle(at, Input::Sent(peer)).unwrap();
            }
            out.push((peer.0, protocol, code, body));
        }
    }
    out
}

fn reports(t: &mut WhisperTransport) -> Vec<Report> {
    std::iter::from_fn(|| t.poll_report()).collect()
}

#[test]
fn a_send_that_is_refused_for_its_time_says_so() {
    let (mut t, alice) = transport(config(Config { confirm: Confirm::AtOnce, ..Config::default() }));
    connect(&mut t, now(0), 1, Dialects::WHISPER, true);
    t.command(now(0), send(&alice, Flush::Fast)).unwrap();
    work(&mut t, now(0));
    work(&mut t, now(0));
    let packets = out(&mut t, now(0));
    let (.., body) = packets.iter().find(|(_, _, code, _)| *code == PacketCode::MESSAGES).unwrap();
    let hash = Messages::decode(body).unwrap().iter().next().unwrap().hash();
    let batch = BatchHash::from_bytes(keccak256(body));
    let error = NotTaken { hash, code: TIME_NOT_SYNCED, text: b"envelope from future" };
    let response = encode_response(&batch, &[error]);
    tell(&mut t, now(100), (1, Protocol::Whisper), PacketCode::MESSAGE_RESPONSE, &response);
    let refused = reports(&mut t).into_iter().find_map(|report| match report {
        Report::Refused { send, peer, clock } => Some((send, peer, clock)),
        _ => None,
    });
    assert_eq!(refused, Some((SendId(1), PeerId(1), Some(ClockFault::Ahead))));
    let sample = t.poll_clock_sample().unwrap();
    assert_eq!((sample.offset_ms, sample.kind), (-10_000, SampleKind::Text));
    // Others might have taken it. Nobody did.
    t.handle_timeout(now(17_000));
    let events: Vec<_> = std::iter::from_fn(|| t.poll_event()).collect();
    let failed = Event::Progress { id: SendId(1), progress: Progress::Failed(Failure::Clock) };
    assert_eq!(events.last(), Some(&failed));
}

#[test]
fn who_took_an_own_envelope_is_reported_of_each() {
    let (mut t, alice) = transport(config(Config { confirm: Confirm::AtOnce, ..Config::default() }));
    for (peer, confirmations) in [(1, true), (2, false)] {
        connect(&mut t, now(0), peer, Dialects::WHISPER, confirmations);
    }
    t.command(now(0), send(&alice, Flush::Fast)).unwrap();
    work(&mut t, now(0));
    work(&mut t, now(0));
    let packets = out(&mut t, now(0));
    let (.., body) =
        packets.iter().find(|(peer, _, code, _)| (*peer, *code) == (1, PacketCode::MESSAGES)).unwrap();
    let batch = BatchHash::from_bytes(keccak256(body));
    let ack = undertone_whisper::confirm::encode_ack(&batch);
    tell(&mut t, now(100), (1, Protocol::Whisper), PacketCode::BATCH_ACK, &ack);
    let reports = reports(&mut t);
    let [
        Report::Sealed { send, envelope },
        Report::Sent { hash: sent, peer },
        Report::Confirmed { hash: confirmed, peer: by, batch: of },
    ] = &reports[..]
    else {
        panic!("{reports:?}")
    };
    assert_eq!((send, *peer, *by, *of), (&SendId(1), PeerId(2), PeerId(1), batch));
    assert_eq!([*sent, *confirmed], [envelope.hash(); 2]);
    let events: Vec<_> = std::iter::from_fn(|| t.poll_event()).collect();
    let relayed = Event::Progress { id: SendId(1), progress: Progress::Relayed };
    assert_eq!(events.iter().filter(|event| **event == relayed).count(), 1);
    assert_eq!(t.lost_reports(), 0);
}

/// Who confirms and is mute, or is lost before it says a word, has passed it on all the same.
#[test]
fn an_own_envelope_that_comes_back_counts_as_sent() {
    let (mut t, alice) = transport(config(Config { confirm: Confirm::AtOnce, ..Config::default() }));
    connect(&mut t, now(0), 1, Dialects::WHISPER, true);
    t.command(now(0), send(&alice, Flush::Fast)).unwrap();
    work(&mut t, now(0));
    work(&mut t, now(0));
    let packets = out(&mut t, now(0));
    let (.., body) = packets.iter().find(|(_, _, code, _)| *code == PacketCode::MESSAGES).unwrap();
    let relayed = |t: &mut WhisperTransport| {
        let progress = |event: &Event| matches!(event, Event::Progress { progress: Progress::Relayed, .. });
        std::iter::from_fn(|| t.poll_event()).filter(progress).count()
    };
    // From whom we sent it that says nothing: it may send back whatever it gets.
    tell(&mut t, now(100), (1, Protocol::Whisper), PacketCode::MESSAGES, body);
    assert_eq!(relayed(&mut t), 0);
    t.handle(now(200), Input::Connected(Link::whisper(PeerId(2)))).unwrap();
    tell(&mut t, now(200), (2, Protocol::Whisper), PacketCode::STATUS, &Status::default().encode());
    for _ in 0..2 {
        tell(&mut t, now(200), (2, Protocol::Whisper), PacketCode::MESSAGES, body);
    }
    assert_eq!(relayed(&mut t), 1);
    let back = |report: &Report| matches!(report, Report::Returned { peer: PeerId(2), .. });
    assert_eq!(reports(&mut t).iter().filter(|report| back(report)).count(), 1);
    t.handle_timeout(now(17_000));
    assert!(!std::iter::from_fn(|| t.poll_event()).any(|event| matches!(event, Event::Progress { .. })));
}

#[test]
fn all_that_passes_is_reported_to_who_watches_the_traffic() {
    let (mut t, _) = transport(config(Config { watch: Watch::Traffic, ..Config::default() }));
    for peer in [1, 2] {
        connect(&mut t, now(0), peer, Dialects::WHISPER, false);
    }
    let header = Header { expiry: 1_600_000_015, ttl: 15, topic: Topic::of("t") };
    let envelope = Envelope::new(header, b"theirs", 7);
    let mut body = Vec::new();
    alloy_rlp::Header { list: true, payload_length: envelope.bytes().len() }.encode(&mut body);
    body.extend_from_slice(envelope.bytes());
    // What nobody here listens to is not taken, and comes all the same.
    for peer in [1, 2] {
        tell(&mut t, now(0), (peer, Protocol::Whisper), PacketCode::MESSAGES, &body);
    }
    t.command(now(0), listen("t")).unwrap();
    for peer in [1, 2] {
        tell(&mut t, now(0), (peer, Protocol::Whisper), PacketCode::MESSAGES, &body);
    }
    t.handle_timeout(now(16_000));
    let of = envelope.hash();
    let seen: Vec<_> = reports(&mut t)
        .into_iter()
        .map(|report| match report {
            Report::Arrived { hash, from } if hash == of => format!("arrived from {}", from.0),
            Report::Carried { envelope: new, from } if new.hash() == of => format!("new from {}", from.0),
            Report::Expired(hash) if hash == of => "over".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let arrived = ["arrived from 1", "arrived from 2"];
    assert_eq!(seen, [&arrived[..], &["arrived from 1", "new from 1", "arrived from 2", "over"]].concat());
}

#[test]
fn each_mode_tells_peers_of_waku_what_it_should() {
    let waku_packets = |gossip: Config, advertise| {
        let mut config = config(gossip);
        config.advertise = advertise;
        let (mut t, _) = transport(config);
        connect(&mut t, now(0), 1, Dialects::waku(WakuVersion::V1), false);
        t.command(now(0), listen("mine")).unwrap();
        let packets = out(&mut t, now(0));
        let [(.., first), rest @ ..] = &packets[..] else { panic!() };
        let first = waku::Status::decode(WakuVersion::V1, first).unwrap().interest;
        let told: Vec<_> = rest
            .iter()
            .map(|(_, _, code, body)| {
                assert_eq!(*code, PacketCode::STATUS_UPDATE);
                waku::Options::decode(WakuVersion::V1, body).unwrap()
            })
            .collect();
        (first, told)
    };
    let by = |waku| Config { waku, ..Config::default() };
    let mine = Topic::of("mine");

    let (first, told) = waku_packets(by(WakuMode::Topics), Advertise::Interest);
    assert!(!first.wants(mine));
    let [update] = &told[..] else { panic!("{told:?}") };
    let topics = update.topics.as_ref().unwrap();
    assert_eq!((topics.iter().collect::<Vec<_>>(), update.bloom), (vec![mine], None));

    let (first, told) = waku_packets(by(WakuMode::Bloom), Advertise::Interest);
    assert_eq!(first, Interest::Bloom(Bloom::EMPTY));
    assert_eq!((told[0].bloom, &told[0].topics), (Some(Bloom::of_listener(mine)), &None));

    // Whoever asks for everything shows nothing, whatever the mode.
    for mode in [WakuMode::Topics, WakuMode::Bloom, WakuMode::Full] {
        let (first, told) = waku_packets(by(mode), Advertise::Everything);
        assert_eq!((first, told), (Interest::Everything, vec![]));
    }
}

#[test]
fn a_light_client_asks_for_its_own_and_forwards_nothing() {
    let gossip = Config { service: Service::Light, waku: WakuMode::Topics, ..Config::default() };
    let (mut t, alice) = transport(config(gossip));
    connect(&mut t, now(0), 1, Dialects::WHISPER, false);
    connect(&mut t, now(0), 2, Dialects::waku(WakuVersion::V0), false);
    t.command(now(0), listen("t")).unwrap();
    assert_eq!(t.engine().status().bloom, Some(Bloom::of_listener(Topic::of("t"))));
    assert_eq!(t.engine().status().service, Service::Light);
    out(&mut t, now(0));
    // Behind the tolerance of its first seconds only its own topic is taken, and nothing goes on.
    let at = now(20_000);
    t.handle_timeout(at);
    for (peer, protocol) in [(1, Protocol::Whisper), (2, Protocol::Waku)] {
        for topic in ["t", "other"] {
            let expiry = at.unix.secs_u32() + 15;
            let data = [u8::try_from(peer).unwrap(); 40];
            let header = Header { expiry, ttl: 15, topic: Topic::of(topic) };
            tell(&mut t, at, (peer, protocol), PacketCode::MESSAGES, &list(&Envelope::new(header, &data, 3)));
        }
    }
    assert_eq!((t.engine().stats().accepted, t.engine().stats().unwanted), (2, 2));
    assert_eq!(out(&mut t, at), []);
    t.command(at, send(&alice, Flush::Fast)).unwrap();
    work(&mut t, at);
    work(&mut t, at);
    let own = out(&mut t, at);
    assert_eq!(own.iter().map(|(peer, ..)| *peer).collect::<Vec<_>>(), [1, 2]);
    assert!(own.iter().all(|(.., body)| Messages::decode(body).unwrap().iter().count() == 1));
}

fn list(envelope: &Envelope) -> Vec<u8> {
    let mut body = Vec::new();
    alloy_rlp::Header { list: true, payload_length: envelope.bytes().len() }.encode(&mut body);
    body.extend_from_slice(envelope.bytes());
    body
}

#[test]
fn a_blended_send_leaves_to_each_peer_at_its_own_time() {
    let gossip = Config { flush: FlushPolicy::Blended, ..Config::default() };
    let (mut t, alice) = transport(config(gossip));
    for peer in 1..=8 {
        connect(&mut t, now(0), peer, Dialects::WHISPER, false);
    }
    let mut at = now(1_000);
    t.handle_timeout(at);
    out(&mut t, at);
    t.command(at, send(&alice, Flush::Blended)).unwrap();
    work(&mut t, at);
    work(&mut t, at);
    let mut times = Vec::new();
    let end = at.mono.after(Duration::from_secs(1));
    loop {
        let left = out(&mut t, at).into_iter().filter(|(_, _, code, _)| *code == PacketCode::MESSAGES);
        times.extend(left.map(|_| at.mono));
        let Some(next) = t.poll_timeout().filter(|next| *next <= end) else { break };
        at = at.after(next.since(at.mono));
        t.handle_timeout(at);
    }
    assert_eq!(times.len(), 8);
    times.dedup();
    assert_eq!(times.len(), 8, "no two at one time");
    assert!(times.iter().all(|time| *time <= now(1_000).mono.after(MAX_BLEND)));
}

#[test]
fn a_trusted_peer_brings_what_is_long_over() {
    let (mut t, _) = transport(config(Config::default()));
    let bob = person(2);
    connect(&mut t, now(0), 1, Dialects::both(WakuVersion::V1), false);
    t.command(now(0), listen("t")).unwrap();
    work(&mut t, now(0));
    let request = undertone_sealed::SealRequest {
        payload: b"from the archive",
        signer: Some((bob.keyring.as_ref(), bob.id)),
        seal_to: undertone_sealed::SealTo::Symmetric(&undertone_crypto::kdf::topic_key("t")),
        padding: undertone_sealed::Padding::Auto,
    };
    let data = undertone_sealed::seal(&request, &mut rng(1)).unwrap();
    let header = Header { expiry: 1_500_000_000, ttl: 15, topic: Topic::of("t") };
    let body = list(&Envelope::new(header, &data, 0));
    tell(&mut t, now(0), (1, Protocol::Waku), PacketCode::P2P_MESSAGE, &body);
    work(&mut t, now(0));
    assert_eq!(t.poll_event(), None, "nobody is trusted unasked");
    t.handle(now(0), Input::Trust(PeerId(1))).unwrap();
    tell(&mut t, now(0), (1, Protocol::Waku), PacketCode::P2P_MESSAGE, &body);
    work(&mut t, now(0));
    let Some(Event::Received(got)) = t.poll_event() else { panic!() };
    assert_eq!(got.payload, b"from the archive");
    assert_eq!(t.engine().pooled(), (0, 0));
    assert!(reports(&mut t).iter().any(|report| matches!(report, Report::Opened(_))));
}
