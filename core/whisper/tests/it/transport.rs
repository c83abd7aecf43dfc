//! The transport beyond the contract: time, work, replays, overload.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use undertone_base::{Mono, Now, Secret, Unix};
use undertone_crypto::{Keyring, kdf::topic_key};
use undertone_sealed::{Padding, SealRequest, SealTo, seal};
use undertone_support::rng;
use undertone_transport::conformance::{Network, Person, SETTLE, person};
use undertone_transport::memory::public;
use undertone_transport::{
    Command, Event, Failure, Flush, Listen, OpenWith, Progress, Send, SendId, Transport,
};
use undertone_whisper::testing::WhisperNetwork;
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{
    Advertise, Bloom, Config, Envelope, FlushPolicy, Header, Input, Link, PeerId, Pow, Protocol, RawEnvelope,
    Topic, Transmit, TransportConfig, WhisperTransport, limits,
};

fn now(millis: u64) -> Now {
    let start = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
    start.after(Duration::from_millis(millis))
}

fn transport(config: TransportConfig) -> (WhisperTransport, Person) {
    let alice = person(1);
    (WhisperTransport::new(config, alice.keyring.clone(), &Secret::new([7; 32])), alice)
}

fn send(id: u64, from: &Person, flush: Flush, payload: &[u8]) -> Command {
    Command::Send(Send {
        id: SendId(id),
        route: public("t"),
        to: None,
        sign_as: from.id,
        payload: payload.to_vec(),
        ephemeral: false,
        flush,
    })
}

fn listen() -> Command {
    Command::Listen(Listen { route: public("t"), open_with: OpenWith::ByRoute })
}

fn connect(t: &mut WhisperTransport, at: Now, peer: u64, status: &Status) {
    t.handle(at, Input::Connected(Link::whisper(PeerId(peer)))).unwrap();
    let code = PacketCode::STATUS;
    t.handle(
        at,
        Input::Packet { peer: PeerId(peer), protocol: Protocol::Whisper, code, body: &status.encode() },
    )
    .unwrap();
}

fn work(t: &mut WhisperTransport, at: Now) {
    while let Some(job) = t.poll_job() {
        t.job_done(at, job.run());
    }
}

/// The envelopes that leave now, confirmed.
fn leaving(t: &mut WhisperTransport, at: Now) -> Vec<Envelope> {
    let mut out = Vec::new();
    while let Some(transmit) = t.poll_transmit(at) {
        if let Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } = transmit {
            let messages = undertone_whisper::wire::Messages::decode(&body).unwrap();
            out.extend(messages.iter().map(|raw| raw.to_envelope(raw.hash(), &raw.work())));
            t.handle(at, Input::Sent(peer)).unwrap();
        }
    }
    out
}

fn events(t: &mut WhisperTransport) -> Vec<Event> {
    std::iter::from_fn(|| t.poll_event()).collect()
}

fn progress(events: &[Event]) -> Vec<Progress> {
    events
        .iter()
        .filter_map(|e| if let Event::Progress { progress, .. } = e { Some(*progress) } else { None })
        .collect()
}

fn payloads(events: &[Event]) -> Vec<Vec<u8>> {
    events
        .iter()
        .filter_map(|e| if let Event::Received(r) = e { Some(r.payload.clone()) } else { None })
        .collect()
}

/// An envelope on the topic of `public("t")`.
fn incoming(at: Now, signer: Option<&Person>, payload: &[u8]) -> Envelope {
    static KEY: OnceLock<Secret<32>> = OnceLock::new();
    let key = KEY.get_or_init(|| topic_key("t"));
    let request = SealRequest {
        payload,
        signer: signer.map(|p| (p.keyring.as_ref() as &dyn Keyring, p.id)),
        seal_to: SealTo::Symmetric(key),
        padding: Padding::Auto,
    };
    around(at, &seal(&request, &mut rng(payload.len() as u64)).unwrap())
}

/// The same topic around any data.
fn around(at: Now, data: &[u8]) -> Envelope {
    let expiry = at.unix.secs_u32() + 15;
    Envelope::new(Header { expiry, ttl: 15, topic: Topic::of("t") }, data, 3)
}

fn receive(t: &mut WhisperTransport, at: Now, peer: u64, envelope: &Envelope) {
    let mut body = vec![0xf9];
    body.extend(u16::try_from(envelope.bytes().len()).unwrap().to_be_bytes());
    body.extend_from_slice(envelope.bytes());
    t.handle(
        at,
        Input::Packet {
            peer: PeerId(peer),
            protocol: Protocol::Whisper,
            code: PacketCode::MESSAGES,
            body: &body,
        },
    )
    .unwrap();
}

fn free() -> TransportConfig {
    let mut config = WhisperNetwork::cheap();
    config.gossip.min_pow = Pow::ZERO;
    config
}

#[test]
fn what_is_sent_is_worth_what_peers_ask() {
    for (asked, payload, least) in
        [(0.0, 10, 0.002), (0.2, 10, 0.2), (7.0, 10, 0.2), (0.0, 60_000, 0.000_002)]
    {
        let (mut t, alice) = transport(TransportConfig::default());
        connect(&mut t, now(0), 1, &Status { min_pow: Pow::new(asked).unwrap(), ..Status::default() });
        t.command(now(0), send(1, &alice, Flush::Fast, &vec![1; payload])).unwrap();
        work(&mut t, now(0));
        let envelope = t.engine().envelopes().next().unwrap();
        assert!(envelope.strict_pow() >= least, "{} < {least}", envelope.strict_pow());
        assert!(envelope.strict_pow() < least * 1e4);
        assert_eq!(leaving(&mut t, now(0)).len(), usize::from(asked < 1.0));
    }
}

#[test]
fn the_least_of_several_peers_is_paid() {
    let (mut t, alice) = transport(TransportConfig::default());
    connect(&mut t, now(0), 1, &Status { min_pow: Pow::GETH, ..Status::default() });
    connect(&mut t, now(0), 2, &Status { min_pow: Pow::STATUS, ..Status::default() });
    t.command(now(0), send(1, &alice, Flush::Fast, &[1; 300])).unwrap();
    work(&mut t, now(0));
    assert_eq!(leaving(&mut t, now(0)).len(), 1);
    assert_eq!(progress(&events(&mut t)), [Progress::Queued, Progress::Relayed]);
}

#[test]
fn nobody_takes_it_so_it_expires() {
    let (mut t, alice) = transport(TransportConfig::default());
    let picky = Status { bloom: Some(Bloom::EMPTY), ..Status::default() };
    connect(&mut t, now(0), 1, &picky);
    t.command(now(0), send(1, &alice, Flush::Fast, b"x")).unwrap();
    work(&mut t, now(0));
    assert!(leaving(&mut t, now(0)).is_empty());
    t.handle_timeout(now(16_000));
    assert_eq!(progress(&events(&mut t)), [Progress::Queued, Progress::Failed(Failure::Expired)]);
}

#[test]
fn a_peer_that_leaves_before_it_took_it_is_no_failure() {
    let (mut t, alice) = transport(TransportConfig::default());
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), send(1, &alice, Flush::Fast, b"x")).unwrap();
    work(&mut t, now(0));
    t.handle(now(1), Input::Disconnected(PeerId(1))).unwrap();
    t.handle_timeout(now(60_000));
    assert_eq!(progress(&events(&mut t)), [Progress::Queued]);
    connect(&mut t, now(90_000), 2, &Status::default());
    work(&mut t, now(90_000));
    let sent = leaving(&mut t, now(90_000));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].sent_at(), Unix::from_secs(1_600_000_090), "sealed when it left");
    assert_eq!(progress(&events(&mut t)), [Progress::Relayed]);
}

#[test]
fn a_seal_that_took_a_life_is_done_again_and_then_fails() {
    let (mut t, alice) = transport(free());
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), send(1, &alice, Flush::Fast, b"x")).unwrap();
    work(&mut t, now(0));
    leaving(&mut t, now(0));
    events(&mut t);
    t.command(now(0), send(2, &alice, Flush::Fast, b"y")).unwrap();
    for round in 0..u64::from(limits::MAX_SEAL_TRIES) {
        let job = t.poll_job().unwrap();
        t.job_done(now(round * 20_000 + 14_000), job.run());
    }
    assert!(t.poll_job().is_none());
    assert_eq!(progress(&events(&mut t)), [Progress::Queued, Progress::Failed(Failure::ProofOfWork)]);
}

#[test]
fn blended_sends_wait_up_to_a_tick() {
    let (mut t, alice) = transport(free());
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), send(0, &alice, Flush::Fast, b"derive the key")).unwrap();
    work(&mut t, now(0));
    work(&mut t, now(0));
    assert_eq!(leaving(&mut t, now(0)).len(), 1, "at once");
    let mut waits = Vec::new();
    for id in 1..40 {
        let start = id * 1_000;
        t.handle_timeout(now(start));
        t.command(now(start), send(id, &alice, Flush::Blended, &id.to_be_bytes())).unwrap();
        work(&mut t, now(start));
        let left = (0..=300).find(|wait| {
            t.handle_timeout(now(start + wait));
            !leaving(&mut t, now(start + wait)).is_empty()
        });
        waits.push(left.unwrap());
    }
    waits.sort_unstable();
    assert!(waits[0] < 50 && waits[38] > 250, "{waits:?}");
    // As the last one says it, for all that leaves.
    t.handle_timeout(now(50_000));
    leaving(&mut t, now(50_000));
    t.command(now(50_000), send(50, &alice, Flush::Fast, b"fast")).unwrap();
    work(&mut t, now(50_000));
    assert_eq!(leaving(&mut t, now(50_000)).len(), 1);
}

#[test]
fn whoever_was_opened_blended_can_send_at_once() {
    let config = free();
    let gossip = Config { flush: FlushPolicy::Blended, ..config.gossip };
    let (mut t, alice) = transport(TransportConfig { gossip, ..config });
    connect(&mut t, now(0), 1, &Status::default());
    assert_eq!(t.engine().flush_policy(), FlushPolicy::Blended);
    for (id, flush, policy) in [
        (1, Flush::Fast, FlushPolicy::Fast),
        (2, Flush::Blended, FlushPolicy::Blended),
        (3, Flush::Fast, FlushPolicy::Fast),
    ] {
        t.command(now(id * 1_000), send(id, &alice, flush, &id.to_be_bytes())).unwrap();
        assert_eq!(t.engine().flush_policy(), policy);
    }
}

#[test]
fn overload_is_said() {
    let (mut t, alice) = transport(free());
    for id in 0..=limits::MAX_OUTBOX as u64 {
        t.command(now(0), send(id, &alice, Flush::Fast, b"x")).unwrap();
    }
    let got = progress(&events(&mut t));
    assert_eq!(got.iter().filter(|p| **p == Progress::Queued).count(), limits::MAX_OUTBOX);
    assert_eq!(got.last(), Some(&Progress::Failed(Failure::Overloaded)));
}

#[test]
fn replays_unsigned_and_own_are_not_given_up() {
    let (mut t, alice) = transport(free());
    let bob = person(2);
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), listen()).unwrap();
    work(&mut t, now(0));

    let first = incoming(now(0), Some(&bob), b"once");
    receive(&mut t, now(0), 1, &first);
    work(&mut t, now(0));
    assert_eq!(payloads(&events(&mut t)), [b"once".to_vec()]);
    let later = now(60_000);
    t.handle_timeout(later);
    let replay = around(later, first.data());
    assert_ne!(replay.hash(), first.hash());
    receive(&mut t, later, 1, &replay);
    receive(&mut t, later, 1, &incoming(later, None, b"unsigned"));
    receive(&mut t, later, 1, &around(later, &[1; 300]));
    work(&mut t, later);
    assert_eq!(payloads(&events(&mut t)), Vec::<Vec<u8>>::new());

    t.command(later, send(1, &alice, Flush::Fast, b"mine")).unwrap();
    work(&mut t, later);
    let mine = leaving(&mut t, later)
        .into_iter()
        .find(|e| e.sent_at() == Unix::from_secs(later.unix.secs()))
        .unwrap();
    let echo = Envelope::new(mine.header(), mine.data(), 99);
    receive(&mut t, later, 1, &echo);
    work(&mut t, later);
    assert_eq!(payloads(&events(&mut t)), Vec::<Vec<u8>>::new());
}

#[test]
fn what_comes_before_the_key_is_derived_is_opened_after_in_order() {
    let (mut t, _) = transport(free());
    let bob = person(2);
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), listen()).unwrap();
    for i in 1..=5u8 {
        receive(&mut t, now(0), 1, &incoming(now(0), Some(&bob), &vec![i; i.into()]));
    }
    let derive = t.poll_job().unwrap();
    assert!(t.poll_job().is_none());
    t.job_done(now(5), derive.run());
    // Workers end in any order; what is given up comes in one.
    let mut jobs: Vec<_> = std::iter::from_fn(|| t.poll_job()).collect();
    assert_eq!(jobs.len(), 5);
    while let Some(job) = jobs.pop() {
        t.job_done(now(6), job.run());
    }
    let want: Vec<_> = (1..=5u8).map(|i| vec![i; i.into()]).collect();
    assert_eq!(payloads(&events(&mut t)), want);
}

#[test]
fn a_flood_on_our_topic_loses_the_oldest_and_is_counted() {
    let (mut t, _) = transport(free());
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), listen()).unwrap();
    work(&mut t, now(0));
    for i in 0..limits::MAX_INBOX as u64 + 10 {
        receive(&mut t, now(0), 1, &around(now(0), &[[0; 300].as_slice(), &i.to_be_bytes()].concat()));
    }
    assert_eq!(t.dropped(), 10);
    let mut out = Vec::new();
    while let Some(job) = t.poll_job() {
        out.push(job);
    }
    assert_eq!(out.len(), limits::MAX_JOBS);
}

#[test]
fn interest_is_announced_and_only_grows() {
    let (mut t, _) = transport(TransportConfig::default());
    connect(&mut t, now(0), 1, &Status::default());
    assert_eq!(t.engine().status().bloom, Some(Bloom::EMPTY));
    t.command(now(0), listen()).unwrap();
    let mine = Bloom::of_listener(Topic::of("t"));
    assert_eq!(t.engine().status().bloom, Some(mine));
    let told: Vec<_> = std::iter::from_fn(|| t.poll_transmit(now(0))).collect();
    let codes: Vec<_> = told
        .iter()
        .map(|out| if let Transmit::Packet { code, .. } = out { *code } else { panic!("{out:?}") })
        .collect();
    assert_eq!(codes, [PacketCode::STATUS, PacketCode::BLOOM_FILTER]);
    let Command::Listen(off) = listen() else { unreachable!() };
    t.command(now(0), Command::Unlisten(off)).unwrap();
    assert_eq!(t.engine().status().bloom, Some(mine));

    let config = TransportConfig { advertise: Advertise::Everything, ..TransportConfig::default() };
    let (mut relay, _) = transport(config);
    relay.command(now(0), listen()).unwrap();
    assert_eq!(relay.engine().status().bloom, None);
}

#[test]
fn the_largest_payload_fits_one_packet() {
    let alice = person(1);
    let mut net =
        WhisperNetwork::with(1, vec![alice.keyring.clone(), person(2).keyring], WhisperNetwork::cheap(), 1);
    net.command(1, listen()).unwrap();
    net.run(SETTLE);
    let payload = vec![0x5a; net.caps().max_payload];
    net.command(0, send(1, &alice, Flush::Fast, &payload)).unwrap();
    net.run(SETTLE);
    assert_eq!(payloads(&net.events(1)), [payload]);
    let largest = net.engine(2).unwrap().envelopes().map(|e| e.data().len()).max().unwrap();
    assert!(largest <= limits::MAX_DATA && largest > 1_040_000);
}

#[test]
fn foreign_and_stale_results_are_ignored() {
    let (mut t, alice) = transport(free());
    let (mut other, _) = transport(free());
    connect(&mut t, now(0), 1, &Status::default());
    other.command(now(0), send(1, &alice, Flush::Fast, b"x")).unwrap();
    let foreign = other.poll_job().unwrap();
    t.job_done(now(0), foreign.run());
    assert!(events(&mut t).is_empty());
    assert_eq!(t.engine().pooled(), (0, 0));
}

#[test]
fn debug_shows_no_secret() {
    let (mut t, alice) = transport(free());
    t.command(now(0), send(1, &alice, Flush::Fast, b"x")).unwrap();
    let job = t.poll_job().unwrap();
    let secret = undertone_base::Secret::<32>::random(&mut undertone_support::rng(1));
    let key = undertone_whisper::filters::FilterKey::Symmetric(Arc::new(secret.clone()));
    undertone_support::assert_silent(&key, &[secret.expose()]);
    insta::assert_snapshot!(format!("{job:?}"), @"Job { id: JobId(1), work: \"derive\" }");
    insta::assert_snapshot!(format!("{:?}", job.run()), @"JobDone { id: JobId(1), outcome: Key }");
    insta::assert_snapshot!(
        format!("{t:?}"),
        @"WhisperTransport { peers: 0, pooled: (0, 0), listening: 0, .. }"
    );
}

#[test]
fn sealed_envelopes_start_at_a_random_nonce() {
    let (mut t, alice) = transport(free());
    let keyring: Arc<dyn Keyring> = alice.keyring.clone();
    assert!(keyring.public(&alice.id).is_some());
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), send(1, &alice, Flush::Fast, b"x")).unwrap();
    work(&mut t, now(0));
    let envelope = t.engine().envelopes().next().unwrap();
    assert!(RawEnvelope::decode(envelope.bytes()).unwrap().nonce > u64::from(u32::MAX));
}

#[test]
fn a_lost_opening_does_not_stop_those_behind_it() {
    let (mut t, _) = transport(free());
    let bob = person(2);
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), listen()).unwrap();
    work(&mut t, now(0));
    for i in 1..=3u8 {
        receive(&mut t, now(0), 1, &incoming(now(0), Some(&bob), &vec![i; i.into()]));
    }
    let lost = t.poll_job().unwrap().id();
    work(&mut t, now(1));
    assert_eq!(payloads(&events(&mut t)), Vec::<Vec<u8>>::new(), "they wait for the first");
    t.job_failed(now(1), lost);
    assert_eq!(payloads(&events(&mut t)), [vec![2; 2], vec![3; 3]]);
    t.job_failed(now(1), lost);
}

#[test]
fn lost_jobs_take_no_place_and_their_sends_fail() {
    let (mut t, alice) = transport(free());
    connect(&mut t, now(0), 1, &Status::default());
    // The derivation of the key is lost: nobody waits for it for ever, and the next send derives again.
    t.command(now(0), send(1, &alice, Flush::Fast, b"x")).unwrap();
    let lost = t.poll_job().unwrap().id();
    t.job_failed(now(0), lost);
    assert_eq!(progress(&events(&mut t)), [Progress::Queued, Progress::Failed(Failure::Refused)]);
    t.command(now(0), send(2, &alice, Flush::Fast, b"x")).unwrap();
    let derive = t.poll_job().unwrap();
    t.job_done(now(0), derive.run());
    // So are more seals than may be out.
    let mut failed = 0;
    for id in 3..3 + 2 * limits::MAX_JOBS as u64 {
        let seal = t.poll_job().unwrap().id();
        t.job_failed(now(0), seal);
        failed += progress(&events(&mut t)).iter().filter(|p| matches!(p, Progress::Failed(_))).count();
        t.command(now(0), send(id, &alice, Flush::Fast, b"x")).unwrap();
    }
    assert_eq!(failed, 2 * limits::MAX_JOBS);
    work(&mut t, now(0));
    assert_eq!(leaving(&mut t, now(0)).len(), 1);
}

#[test]
fn a_flood_of_large_envelopes_is_bounded_by_bytes() {
    let (mut t, _) = transport(free());
    connect(&mut t, now(0), 1, &Status::default());
    t.command(now(0), listen()).unwrap();
    work(&mut t, now(0));
    let (size, mut count) = (60_000, 0);
    while count * size <= limits::MAX_INBOX_BYTES + 10 * size {
        let mut data = vec![0; size];
        data[..8].copy_from_slice(&count.to_be_bytes());
        receive(&mut t, now(0), 1, &around(now(0), &data));
        count += 1;
    }
    assert!((10..=14).contains(&t.dropped()), "{}", t.dropped());
}
