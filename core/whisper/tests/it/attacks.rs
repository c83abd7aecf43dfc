//! What liars can do to the machine: the stated bound of memory holds, and honest envelopes still go through.

use undertone_base::{Mono, Now, Unix};
use undertone_whisper::limits::{MAX_FAULTS, MAX_MESSAGE};
use undertone_whisper::pow::{Search, SearchStep};
use undertone_whisper::wire::{PacketCode, Status, waku};
use undertone_whisper::{
    Bloom, Config, Dialects, Envelope, Event, Fault, Header, Input, Link, PeerId, Pow, Protocol, Protocols,
    Topic, Transmit, WakuVersion, Whisper,
};

const T0: u32 = 1_600_000_000;
const HONEST: PeerId = PeerId(1);
const WITNESS: PeerId = PeerId(2);
const LIAR: PeerId = PeerId(3);
const TOPIC: Topic = Topic::from_bytes([9, 9, 9, 9]);

fn at(millis: u64) -> Now {
    Now {
        mono: Mono::from_nanos(millis * 1_000_000),
        unix: Unix::from_millis(u64::from(T0) * 1_000 + millis),
    }
}

fn config() -> Config {
    Config {
        min_pow: Pow::ZERO,
        protocols: Protocols::BOTH,
        max_envelopes: 10_000,
        max_bytes: 4 * 1_024 * 1_024,
        ..Config::default()
    }
}

fn connect(relay: &mut Whisper, now: Now, peer: PeerId, dialects: Dialects) {
    relay.handle(now, Input::Connected(Link::new(peer, dialects))).unwrap();
    if dialects.whisper {
        tell(relay, now, peer, Protocol::Whisper, PacketCode::STATUS, &Status::default().encode()).unwrap();
    }
    if let Some(version) = dialects.waku {
        let status = waku::Status { min_pow: Pow::ZERO, ..waku::Status::default() };
        tell(relay, now, peer, Protocol::Waku, PacketCode::STATUS, &status.encode(version)).unwrap();
    }
}

fn relay() -> Whisper {
    let mut relay = Whisper::new(&config());
    relay.handle(at(0), Input::Subscribe(TOPIC)).unwrap();
    connect(&mut relay, at(0), HONEST, Dialects::WHISPER);
    connect(&mut relay, at(0), WITNESS, Dialects::both(WakuVersion::V1));
    connect(&mut relay, at(0), LIAR, Dialects::both(WakuVersion::V1));
    pump(&mut relay, at(0));
    relay
}

fn tell(
    relay: &mut Whisper,
    now: Now,
    peer: PeerId,
    protocol: Protocol,
    code: PacketCode,
    body: &[u8],
) -> Result<(), Fault> {
    relay.handle(now, Input::Packet { peer, protocol, code, body })
}

/// What a shell does: takes what there is, and says when a link took it. The liar's link takes nothing.
fn pump(relay: &mut Whisper, now: Now) -> Vec<(PeerId, Vec<u8>)> {
    let mut out = Vec::new();
    while relay.poll_event().is_some() {}
    while let Some(transmit) = relay.poll_transmit(now) {
        if let Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } = transmit {
            if peer != LIAR {
                relay.handle(now, Input::Sent(peer)).unwrap();
            }
            out.push((peer, body));
        }
        while relay.poll_event().is_some() {}
    }
    out
}

fn packet<'a>(envelopes: impl IntoIterator<Item = &'a Envelope>) -> Vec<u8> {
    let items: Vec<u8> = envelopes.into_iter().flat_map(|envelope| envelope.bytes().to_vec()).collect();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut out);
    out.extend_from_slice(&items);
    out
}

/// Without work, by number: each another one.
fn junk(now: Now, ahead: i64, ttl: u32, number: u64, size: usize) -> Envelope {
    let sent = u32::try_from(i64::from(now.unix.secs_u32()) + ahead).unwrap();
    let mut data = vec![0xa5; size.max(8)];
    data[..8].copy_from_slice(&number.to_be_bytes());
    Envelope::new(Header { expiry: sent + ttl, ttl, topic: TOPIC }, &data, 7)
}

fn honest(now: Now, number: u64) -> Envelope {
    let header = Header { expiry: now.unix.secs_u32() + 15, ttl: 15, topic: TOPIC };
    let mut data = vec![1; 300];
    data[..8].copy_from_slice(&number.to_be_bytes());
    let mut search = Search::new(header, data, Pow::STATUS, 0).unwrap();
    loop {
        match search.run(1_000) {
            SearchStep::Continue(more) => search = more,
            SearchStep::Done(found) => return found.unwrap(),
        }
    }
}

/// Runs rounds of an attack, with an honest envelope in each, and checks what the crate head states.
fn under(rounds: u64, mut attack: impl FnMut(&mut Whisper, Now, u64)) -> Whisper {
    let bound = Config::memory_bound(&config(), 3);
    let mut kept = None;
    let mut delivered = 0;
    let taken = allocation_counter::measure(|| {
        let mut relay = relay();
        for round in 0..rounds {
            let now = at(1_000 + round * 100);
            relay.handle_timeout(now);
            attack(&mut relay, now, round);
            pump(&mut relay, now);
            let envelope = honest(now, round);
            tell(&mut relay, now, HONEST, Protocol::Whisper, PacketCode::MESSAGES, &packet([&envelope]))
                .unwrap();
            let needle = envelope.bytes();
            let got = pump(&mut relay, now);
            let arrived = |(peer, body): &(PeerId, Vec<u8>)| {
                *peer == WITNESS && body.windows(needle.len()).any(|part| part == needle)
            };
            delivered += u64::from(got.iter().any(arrived));
        }
        kept = Some(relay);
    });
    let most = usize::try_from(taken.bytes_max).unwrap();
    assert!(most <= bound, "{most} bytes at some moment, bound {bound}");
    assert_eq!(delivered, rounds, "honest envelopes go through");
    let relay = kept.unwrap();
    let (count, bytes) = relay.pooled();
    assert!(count <= config().max_envelopes && bytes <= config().max_bytes, "{count} {bytes}");
    relay
}

#[test]
fn a_flood_of_valid_envelopes_of_low_value() {
    let relay = under(40, |relay, now, round| {
        let some: Vec<_> = (0..2_000).map(|n| junk(now, 0, 3_600, round * 2_000 + n, 8)).collect();
        tell(relay, now, LIAR, Protocol::Waku, PacketCode::MESSAGES, &packet(&some)).unwrap();
    });
    assert!(relay.stats().evicted > 60_000);
}

#[test]
fn a_flood_of_the_largest_envelopes_on_one_topic() {
    let relay = under(20, |relay, now, round| {
        let one = junk(now, 0, 3_600, round, MAX_MESSAGE - 40);
        tell(relay, now, LIAR, Protocol::Whisper, PacketCode::MESSAGES, &packet([&one])).unwrap();
    });
    assert!(relay.stats().evicted > 10);
}

#[test]
fn a_flood_of_duplicates() {
    let relay = under(40, |relay, now, _| {
        let some: Vec<_> = (0..200).map(|n| junk(at(0), 0, 3_600, n, 100)).collect();
        let body = packet(&some);
        for _ in 0..5 {
            tell(relay, now, LIAR, Protocol::Waku, PacketCode::MESSAGES, &body).unwrap();
        }
    });
    assert_eq!((relay.stats().accepted, relay.stats().duplicates), (200 + 40, 40 * 1_000 - 200));
}

#[test]
fn a_flood_of_expired_and_future_envelopes() {
    let relay = under(40, |relay, now, round| {
        let number = |n: u64| round * 10_000 + n;
        let mut some: Vec<_> = (0..300).map(|n| junk(now, -100, 50, number(n), 8)).collect();
        some.extend((300..600).map(|n| junk(now, -51, 50, number(n), 8)));
        some.extend((600..900).map(|n| junk(now, 11, 50, number(n), 8)));
        some.extend((900..1_500).map(|n| junk(now, 10, 3_600, number(n), 8)));
        tell(relay, now, LIAR, Protocol::Waku, PacketCode::MESSAGES, &packet(&some)).unwrap();
    });
    // Those that are held until their time count for the limits of the pool like all others.
    assert_eq!((relay.stats().expired, relay.stats().early), (40 * 600, 40 * 300));
    assert!(relay.stats().evicted > 10_000);
}

#[test]
fn packets_of_one_byte() {
    let mut name = 100;
    let relay = under(20, |relay, now, _| {
        for code in 0..128 {
            for byte in [0x00, 0x01, 0x7f, 0x80, 0x81, 0xc0, 0xc1, 0xff] {
                for protocol in [Protocol::Whisper, Protocol::Waku] {
                    // Whoever is dropped comes again under another name.
                    name += 1;
                    connect(relay, now, PeerId(name), Dialects::both(WakuVersion::V0));
                    let _ = tell(relay, now, PeerId(name), protocol, PacketCode(code), &[byte]);
                    relay.handle(now, Input::Disconnected(PeerId(name))).unwrap();
                }
            }
        }
        while relay.poll_transmit(now).is_some() {}
    });
    assert_eq!(relay.ready_peers().count(), 3);
}

#[test]
fn changes_of_wishes_without_end() {
    let relay = under(20, |relay, now, round| {
        let pows = [Pow::GETH, Pow::ZERO];
        for n in 0..500u64 {
            let pow = pows[usize::try_from(n % 2).unwrap()];
            let body = undertone_whisper::wire::encode_pow(pow);
            tell(relay, now, LIAR, Protocol::Whisper, PacketCode::POW_REQUIREMENT, &body).unwrap();
            let bloom = if n % 2 == 0 { Bloom::EMPTY } else { Bloom::FULL };
            let body = undertone_whisper::wire::encode_bloom(&bloom);
            tell(relay, now, LIAR, Protocol::Whisper, PacketCode::BLOOM_FILTER, &body).unwrap();
            let topics = (0..20).map(|t| Topic::from_bytes([t, 0, u8::try_from(n % 256).unwrap(), 1]));
            let topics = undertone_whisper::wire::TopicInterest::new(topics).unwrap();
            let options = waku::Options { topics: Some(topics), ..waku::Options::default() };
            let body = options.encode(WakuVersion::V1);
            tell(relay, now, LIAR, Protocol::Waku, PacketCode::STATUS_UPDATE, &body).unwrap();
        }
        // The most that can be kept: 10,000 topics.
        let topics =
            (0..10_000u32).map(|t| Topic::from_bytes((t + u32::try_from(round).unwrap()).to_be_bytes()));
        let topics = undertone_whisper::wire::TopicInterest::new(topics).unwrap();
        let options = waku::Options { topics: Some(topics), ..waku::Options::default() };
        let body = options.encode(WakuVersion::V1);
        tell(relay, now, LIAR, Protocol::Waku, PacketCode::STATUS_UPDATE, &body).unwrap();
    });
    assert_eq!(relay.ready_peers().count(), 3);
}

#[test]
fn a_reader_that_never_takes_anything() {
    let mut packets = 0;
    let relay = under(40, |relay, now, round| {
        let some: Vec<_> = (0..500).map(|n| junk(now, 0, 60, round * 500 + n, 200)).collect();
        tell(relay, now, HONEST, Protocol::Whisper, PacketCode::MESSAGES, &packet(&some)).unwrap();
        packets += pump(relay, now).iter().filter(|(peer, _)| *peer == LIAR).count();
    });
    assert_eq!(packets, 1, "one packet is under way, and no more is made");
    assert!(relay.stats().accepted > 20_000);
}

#[test]
fn more_cheap_envelopes_than_an_honest_peer_has() {
    let mut relay = Whisper::new(&Config { min_pow: Pow::GETH, ..config() });
    connect(&mut relay, at(0), LIAR, Dialects::WHISPER);
    let some: Vec<_> = (0..=u64::from(MAX_FAULTS)).map(|n| junk(at(0), 0, 50, n, 8)).collect();
    let got = tell(&mut relay, at(0), LIAR, Protocol::Whisper, PacketCode::MESSAGES, &packet(&some));
    assert_eq!(got.unwrap_err().code(), "packet.unwanted");
    assert_eq!(relay.pooled(), (0, 0));
}

#[test]
fn events_are_bounded_by_what_a_packet_holds() {
    let mut relay = relay();
    let some: Vec<_> = (0..1_000).map(|n| junk(at(0), 0, 50, n, 8)).collect();
    tell(&mut relay, at(0), LIAR, Protocol::Waku, PacketCode::MESSAGES, &packet(&some)).unwrap();
    let events = std::iter::from_fn(|| relay.poll_event());
    assert_eq!(events.filter(|event| matches!(event, Event::Accepted { .. })).count(), 1_000);
}
