//! Limits of rates on the machine, both ways.

use undertone_base::Mono;

use super::*;
use crate::pow::{Search, SearchStep};
use crate::wire::waku;
use crate::{Dialects, Pow, Protocols, RateLimits, WakuVersion};

const PEER_2: RateLimits = RateLimits { ip: 0, peer: 2, topic: 0 };

fn limited(packets: RateLimits, bytes: RateLimits) -> Whisper {
    Whisper::new(&Config {
        packet_limits: packets,
        byte_limits: bytes,
        protocols: Protocols::BOTH,
        ..open_config()
    })
}

fn numbered(n: u32) -> Envelope {
    envelope(T0 + 50, 50, &n.to_be_bytes())
}

fn defers(engine: &mut Whisper, now: Now) -> Vec<(u64, Mono)> {
    let out = transmits(engine, now).into_iter();
    out.filter_map(|out| match out {
        Transmit::Defer { peer, until } => Some((peer.0, until)),
        _ => None,
    })
    .collect()
}

#[test]
fn over_the_limit_reading_is_put_off_then_packets_are_dropped_and_the_link_is_kept() {
    let mut engine = limited(PEER_2, RateLimits::NONE);
    join(&mut engine, at(0), 1, &Status::default());
    let mut paused = Vec::new();
    // Up to ten times the limit for two seconds at once.
    for n in 0..40 {
        give(&mut engine, at(0), 1, &[&numbered(n)]).unwrap();
        paused.extend(defers(&mut engine, at(0)));
    }
    let stats = engine.stats();
    assert_eq!((stats.accepted, stats.too_many), (4, 36), "a second's worth and as much again");
    assert_eq!(paused, [(1, Mono::from_nanos(500_000_000)), (1, Mono::from_nanos(1_000_000_000))]);
    // One more is a flood.
    assert_eq!(give(&mut engine, at(0), 1, &[&numbered(40)]).unwrap_err().code(), "packet.flood");
    assert_eq!(engine.ready_peers().count(), 0);
}

#[test]
fn a_peer_that_is_read_as_it_was_said_loses_nothing() {
    let mut engine = limited(PEER_2, RateLimits::NONE);
    join(&mut engine, at(0), 1, &Status::default());
    let mut millis = 0;
    for n in 0..40 {
        give(&mut engine, at(millis), 1, &[&envelope(T0 + 5_000, 5_000, &[n])]).unwrap();
        if let Some((_, until)) = defers(&mut engine, at(millis)).pop() {
            let wait = until.since(at(millis).mono);
            assert!(wait <= std::time::Duration::from_secs(1));
            millis += u64::try_from(wait.as_millis()).unwrap();
        }
    }
    assert_eq!((engine.stats().accepted, engine.stats().too_many), (40, 0));
    assert!((18_000..=20_000).contains(&millis), "two in a second: {millis}");
}

#[test]
fn static_and_trusted_peers_have_no_limits() {
    let mut engine = limited(PEER_2, RateLimits::NONE);
    let link = Link { exempt: true, ..Link::whisper(PeerId(1)) };
    engine.handle(at(0), Input::Connected(link)).unwrap();
    let (protocol, code) = (Protocol::Whisper, PacketCode::STATUS);
    let body = Status::default().encode();
    engine.handle(at(0), Input::Packet { peer: PeerId(1), protocol, code, body: &body }).unwrap();
    join(&mut engine, at(0), 2, &Status::default());
    engine.handle(at(0), Input::Trust(PeerId(2))).unwrap();
    for n in 0..100 {
        give(&mut engine, at(0), 1, &[&numbered(n)]).unwrap();
        give(&mut engine, at(0), 2, &[&numbered(1_000 + n)]).unwrap();
    }
    assert_eq!((engine.stats().accepted, engine.stats().deferred), (200, 0));
    // Until they are no longer.
    engine.handle(at(0), Input::Exempt { peer: PeerId(1), exempt: false }).unwrap();
    for n in 0..10 {
        give(&mut engine, at(0), 1, &[&numbered(2_000 + n)]).unwrap();
    }
    assert_eq!((engine.stats().accepted, engine.stats().too_many), (204, 6));
}

#[test]
fn peers_at_one_address_share_its_limit_and_none_is_dropped_for_it() {
    let mut engine = limited(RateLimits { ip: 2, peer: 0, topic: 0 }, RateLimits::NONE);
    for peer in 1..=2 {
        let ip = Some([127, 0, 0, 1].into());
        engine.handle(at(0), Input::Connected(Link { ip, ..Link::whisper(PeerId(peer)) })).unwrap();
        let (protocol, code) = (Protocol::Whisper, PacketCode::STATUS);
        let body = Status::default().encode();
        engine.handle(at(0), Input::Packet { peer: PeerId(peer), protocol, code, body: &body }).unwrap();
    }
    for n in 0..50 {
        give(&mut engine, at(0), 1, &[&numbered(n)]).unwrap();
        give(&mut engine, at(0), 2, &[&numbered(1_000 + n)]).unwrap();
    }
    assert_eq!((engine.stats().accepted, engine.stats().too_many), (4, 96));
    assert_eq!(engine.ready_peers().count(), 2);
}

fn worked(bits: Pow, n: u8) -> Envelope {
    let header = Header { expiry: T0 + 50, ttl: 50, topic: STATUS_TOPIC };
    let mut search = Search::new(header, vec![n; 300], bits, 0).unwrap();
    loop {
        match search.run(1_000) {
            SearchStep::Continue(more) => search = more,
            SearchStep::Done(found) => return found.unwrap(),
        }
    }
}

#[test]
fn what_is_worth_least_is_dropped_first() {
    let bytes = RateLimits { ip: 0, peer: 600, topic: 0 };
    let mut engine = limited(RateLimits::NONE, bytes);
    join(&mut engine, at(0), 1, &Status::default());
    // Of eight envelopes of 340 bytes three fit into 1,200: the ones that cost something.
    let dear: Vec<_> = (0..3).map(|n| worked(Pow::STATUS, n)).collect();
    let cheap: Vec<_> = (10..15u8).map(|n| envelope(T0 + 50, 50, &[n; 300])).collect();
    let all: Vec<_> = cheap.iter().chain(&dear).collect();
    give(&mut engine, at(0), 1, &all).unwrap();
    assert!(dear.iter().all(|envelope| engine.envelope(&envelope.hash()).is_some()));
    assert_eq!((engine.stats().accepted, engine.stats().too_many), (3, 5));
    assert_eq!(defers(&mut engine, at(0)).len(), 1);
}

#[test]
fn one_topic_has_its_own_limit() {
    let mut engine = limited(RateLimits { ip: 0, peer: 0, topic: 2 }, RateLimits::NONE);
    join(&mut engine, at(0), 1, &Status::default());
    let other = |n: u8| {
        let topic = Topic::from_bytes([n; 4]);
        Envelope::new(Header { expiry: T0 + 50, ttl: 50, topic }, b"other", 7)
    };
    let mine: Vec<_> = (0..10).map(numbered).chain((0..10).map(other)).collect();
    give(&mut engine, at(0), 1, &mine.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!((engine.stats().accepted, engine.stats().too_many), (12, 8));
}

#[test]
fn limits_are_announced_and_answers_are_not_counted() {
    let limits = RateLimits { ip: 10, peer: 1, topic: 0 };
    let mut engine = Whisper::new(&Config {
        packet_limits: limits,
        protocols: Protocols::BOTH,
        confirm: crate::Confirm::AtOnce,
        ..open_config()
    });
    engine.handle(at(0), Input::Connected(Link::new(PeerId(1), Dialects::both(WakuVersion::V1)))).unwrap();
    let out = transmits(&mut engine, at(0));
    let [Transmit::Packet { body: waku, .. }, Transmit::Packet { body: whisper, .. }] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!(waku::Status::decode(WakuVersion::V1, waku).unwrap().packet_limits, limits);
    assert_eq!(Status::decode(whisper).unwrap().limits, limits);
    let (protocol, code) = (Protocol::Whisper, PacketCode::STATUS);
    let body = Status { confirmations: true, ..Status::default() }.encode();
    engine.handle(at(0), Input::Packet { peer: PeerId(1), protocol, code, body: &body }).unwrap();
    transmits(&mut engine, at(0));
    for n in 0..3 {
        give(&mut engine, at(0), 1, &[&numbered(n)]).unwrap();
    }
    // Answers to our own packets cost nothing, however many there are.
    let ack = crate::confirm::encode_ack(&crate::confirm::BatchHash::from_bytes([1; 32]));
    for _ in 0..100 {
        let (protocol, code) = (Protocol::Whisper, PacketCode::BATCH_ACK);
        engine.handle(at(0), Input::Packet { peer: PeerId(1), protocol, code, body: &ack }).unwrap();
    }
    let answers: Vec<_> = transmits(&mut engine, at(0))
        .into_iter()
        .filter_map(|out| match out {
            Transmit::Packet { code, .. } => Some(code),
            _ => None,
        })
        .collect();
    // Of the third, of which nothing is looked at, nothing is said.
    assert_eq!((answers, engine.stats().too_many), (vec![PacketCode::BATCH_ACK; 2], 1));
}

#[test]
fn what_a_peer_takes_in_a_second_is_all_that_it_gets() {
    let mut engine = limited(RateLimits::NONE, RateLimits::NONE);
    let link = Link::new(PeerId(1), Dialects::waku(WakuVersion::V1));
    engine.handle(at(0), Input::Connected(link)).unwrap();
    let one = RateLimits { ip: 5, peer: 1, topic: 0 };
    let bytes = RateLimits { ip: 1_000, peer: 0, topic: 0 };
    let status = waku::Status {
        packet_limits: one,
        byte_limits: bytes,
        min_pow: Pow::ZERO,
        ..waku::Status::default()
    };
    let (protocol, code) = (Protocol::Waku, PacketCode::STATUS);
    let body = status.encode(WakuVersion::V1);
    engine.handle(at(0), Input::Packet { peer: PeerId(1), protocol, code, body: &body }).unwrap();
    for n in 0..20u8 {
        engine.handle(at(0), Input::Post(envelope(T0 + 80_000, 80_000, &[n; 400]))).unwrap();
    }
    let (mut packets, mut got) = (Vec::new(), 0);
    let mut now = at(0);
    loop {
        while let Some(out) = engine.poll_transmit(now) {
            let Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } = out else { continue };
            assert!(body.len() <= 1_000);
            got += crate::wire::Messages::decode(&body).unwrap().iter().count();
            packets.push(now.mono);
            engine.handle(now, Input::Sent(peer)).unwrap();
        }
        let Some(next) = engine.poll_timeout().filter(|next| *next < at(30_000).mono) else { break };
        now = now.after(next.since(now.mono));
        engine.handle_timeout(now);
    }
    assert_eq!((got, packets.len()), (20, 10), "two fit into one");
    let second = std::time::Duration::from_millis(999);
    assert!(packets.windows(2).all(|pair| pair[1].since(pair[0]) >= second), "{packets:?}");
}

/// A peer of Waku v1 that takes so many packets in a second, and confirms.
fn frugal(packets: u64) -> Whisper {
    let mut engine = Whisper::new(&Config {
        confirm: crate::Confirm::AtOnce,
        protocols: Protocols::BOTH,
        ..open_config()
    });
    let link = Link::new(PeerId(1), Dialects::waku(WakuVersion::V1));
    engine.handle(at(0), Input::Connected(link)).unwrap();
    transmits(&mut engine, at(0));
    let status = waku::Status {
        packet_limits: RateLimits { ip: 0, peer: packets, topic: 0 },
        min_pow: Pow::ZERO,
        confirmations: true,
        ..waku::Status::default()
    };
    let (protocol, code) = (Protocol::Waku, PacketCode::STATUS);
    let body = status.encode(WakuVersion::V1);
    engine.handle(at(0), Input::Packet { peer: PeerId(1), protocol, code, body: &body }).unwrap();
    engine
}

/// All packets that leave until then, and when.
fn leaving(engine: &mut Whisper, mut now: Now, until: u64) -> Vec<(Mono, PacketCode)> {
    let mut packets = Vec::new();
    loop {
        while let Some(out) = engine.poll_transmit(now) {
            let Transmit::Packet { peer, code, .. } = out else { continue };
            packets.push((now.mono, code));
            if code == PacketCode::MESSAGES {
                engine.handle(now, Input::Sent(peer)).unwrap();
            }
        }
        let Some(next) = engine.poll_timeout().filter(|next| *next < at(until).mono) else { break };
        now = now.after(next.since(now.mono));
        engine.handle_timeout(now);
    }
    packets
}

fn bring(engine: &mut Whisper, now: Now, n: u32) {
    let body = body(&[&envelope(T0 + 500, 500, &n.to_be_bytes())]);
    let (protocol, code) = (Protocol::Waku, PacketCode::MESSAGES);
    engine.handle(now, Input::Packet { peer: PeerId(1), protocol, code, body: &body }).unwrap();
}

/// Whether at no time more has left than a second's worth, and as much again for each second that has gone.
fn is_within(packets: &[(Mono, PacketCode)], limit: u128) -> bool {
    let since = |at: &Mono| at.since(Mono::ZERO).as_millis();
    packets.iter().zip(1..).all(|((at, _), left): (_, u128)| left * 1_000 <= limit * (1_000 + since(at)))
}

#[test]
fn answers_count_in_what_a_peer_takes_and_leave_first() {
    let mut engine = frugal(2);
    for n in 0..12 {
        bring(&mut engine, at(0), n);
    }
    for n in 0..4u8 {
        engine.handle(at(0), Input::Post(envelope(T0 + 80_000, 80_000, &vec![n; 300_000]))).unwrap();
    }
    let packets = leaving(&mut engine, at(0), 60_000);
    let codes: Vec<_> = packets.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [vec![PacketCode::BATCH_ACK; 12], vec![PacketCode::MESSAGES; 4]].concat());
    assert!(is_within(&packets, 2), "{packets:?}");
}

#[test]
fn a_packet_under_way_does_not_keep_answers_back() {
    let mut engine = frugal(2);
    engine.handle(at(0), Input::Post(envelope(T0 + 80_000, 80_000, &[1]))).unwrap();
    let out = transmits(&mut engine, at(0));
    assert!(matches!(&out[..], [Transmit::Packet { code: PacketCode::MESSAGES, .. }]), "{out:?}");
    // The link has not taken it.
    for n in 0..3 {
        bring(&mut engine, at(0), n);
    }
    engine.handle(at(0), Input::Post(envelope(T0 + 80_000, 80_000, &[2]))).unwrap();
    let packets = leaving(&mut engine, at(0), 30_000);
    assert_eq!(packets.iter().map(|(_, code)| *code).collect::<Vec<_>>(), [PacketCode::BATCH_ACK; 3]);
    engine.handle(at(30_000), Input::Sent(PeerId(1))).unwrap();
    assert_eq!(leaving(&mut engine, at(30_000), 31_000).len(), 1, "the second envelope");
}

#[test]
fn changes_of_our_wishes_count_but_never_wait() {
    let mut engine = frugal(2);
    for n in 1..=4 {
        engine.handle(at(0), Input::SetMinPow(Pow::new(0.001 * f64::from(n)).unwrap())).unwrap();
    }
    engine.handle(at(0), Input::Post(envelope(T0 + 80_000, 80_000, &[1]))).unwrap();
    let packets = leaving(&mut engine, at(0), 30_000);
    let codes: Vec<_> = packets.iter().map(|(at, code)| (at.since(Mono::ZERO).as_millis(), *code)).collect();
    let update = (0, PacketCode::STATUS_UPDATE);
    assert_eq!(codes, [update, update, update, update, (1_500, PacketCode::MESSAGES)]);
}

#[test]
fn answers_that_wait_are_bounded() {
    use crate::limits::MAX_HELD_ANSWERS;
    let mut engine = frugal(1);
    for n in 0..1_000 {
        bring(&mut engine, at(0), n);
    }
    let packets = leaving(&mut engine, at(0), 1_000_000);
    assert_eq!(packets.len(), 1 + MAX_HELD_ANSWERS);
}
