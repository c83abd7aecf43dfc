//! What the machine does over time.

use super::*;
use crate::limits::{MAX_BUNDLE, MAX_FAULTS};
use crate::pow::{Search, SearchStep};
use crate::wire::{self, PacketFault, Service};
use crate::{Bloom, Pow, Refusal};

fn engine_with(peers: &[u64]) -> Whisper {
    let mut engine = Whisper::new(&open_config());
    for peer in peers {
        join(&mut engine, at(0), *peer, &Status::default());
    }
    events(&mut engine);
    engine
}

fn packet(engine: &mut Whisper, now: Now, peer: u64, code: PacketCode, body: &[u8]) -> Result<(), Fault> {
    engine.handle(now, Input::Packet { peer: PeerId(peer), protocol: Protocol::Whisper, code, body })
}

#[test]
fn relayed_at_once_to_all_but_the_giver() {
    let mut engine = engine_with(&[1, 2, 3]);
    let one = envelope(T0 + 15, 15, b"one");
    give(&mut engine, at(0), 1, &[&one]).unwrap();
    assert_eq!(relayed(&mut engine, at(0)), [(2, b"one".to_vec()), (3, b"one".to_vec())]);
    // It comes again from one that got it, and from the one that gave it.
    give(&mut engine, at(5), 2, &[&one]).unwrap();
    give(&mut engine, at(5), 1, &[&one]).unwrap();
    assert_eq!(relayed(&mut engine, at(5)), []);
    assert_eq!(engine.stats().duplicates, 2);
}

#[test]
fn what_a_peer_sends_meanwhile_is_not_sent_to_it() {
    let mut engine = engine_with(&[1, 2]);
    let (one, two) = (envelope(T0 + 15, 15, b"one"), envelope(T0 + 15, 15, b"two"));
    give(&mut engine, at(0), 1, &[&one]).unwrap();
    assert_eq!(transmits(&mut engine, at(0)).len(), 1, "in flight to 2");
    give(&mut engine, at(1), 1, &[&two]).unwrap();
    give(&mut engine, at(2), 2, &[&two]).unwrap();
    engine.handle(at(3), Input::Sent(PeerId(2))).unwrap();
    assert_eq!(relayed(&mut engine, at(3)), []);
}

#[test]
fn a_burst_on_a_busy_link_leaves_in_bundles() {
    let mut engine = engine_with(&[1, 2]);
    let all: Vec<_> = (0..33u8).map(|i| envelope(T0 + 15, 15, &[i])).collect();
    for one in &all {
        give(&mut engine, at(0), 1, &[one]).unwrap();
        let _in_flight = transmits(&mut engine, at(0));
    }
    engine.handle(at(1), Input::Sent(PeerId(2))).unwrap();
    assert_eq!(relayed(&mut engine, at(1)).len(), 32);
    assert_eq!(engine.stats().bundles, 2);
}

#[test]
fn bundles_stay_below_the_limit_and_a_larger_envelope_goes_alone() {
    let mut engine = engine_with(&[1]);
    let sizes = [200_000, 200_000, 200_000, 700_000, 10, 524_300 - 20];
    for (i, size) in sizes.iter().enumerate() {
        let data = vec![u8::try_from(i).unwrap(); *size];
        engine.handle(at(0), Input::Post(envelope(T0 + 15, 15, &data))).unwrap();
    }
    let mut got = Vec::new();
    while let Some(Transmit::Packet { peer, body, .. }) = engine.poll_transmit(at(0)) {
        let count = wire::Messages::decode(&body).unwrap().iter().count();
        assert!(body.len() <= MAX_BUNDLE || count == 1, "{} bytes", body.len());
        got.push(count);
        engine.handle(at(0), Input::Sent(peer)).unwrap();
    }
    assert_eq!(got, [2, 1, 1, 1, 1]);
}

#[test]
fn a_new_peer_gets_what_lives() {
    let mut engine = engine_with(&[1]);
    let long = envelope(T0 + 30, 30, b"long");
    give(&mut engine, at(0), 1, &[&envelope(T0 + 5, 5, b"short"), &long]).unwrap();
    let now = at(4_000);
    engine.handle_timeout(now);
    // What lives two seconds or less is not forwarded.
    engine.handle(now, Input::Connected(Link::whisper(PeerId(2)))).unwrap();
    packet(&mut engine, now, 2, PacketCode::STATUS, &Status::default().encode()).unwrap();
    assert_eq!(relayed(&mut engine, now), [(2, b"long".to_vec())]);
}

#[test]
fn a_future_envelope_is_held_until_due() {
    let mut engine = engine_with(&[1, 2]);
    engine.handle(at(0), Input::Subscribe(STATUS_TOPIC)).unwrap();
    give(&mut engine, at(0), 1, &[&envelope(T0 + 15 + 10, 15, b"soon")]).unwrap();
    assert_eq!(events(&mut engine).len(), 1, "we may have it");
    assert_eq!(relayed(&mut engine, at(0)), []);
    assert_eq!(engine.poll_timeout(), Some(at(10_000).mono));
    engine.handle_timeout(at(9_999));
    assert_eq!(relayed(&mut engine, at(9_999)), []);
    engine.handle_timeout(at(10_000));
    assert_eq!(relayed(&mut engine, at(10_000)), [(2, b"soon".to_vec())]);
}

#[test]
fn envelopes_end_and_are_forgotten() {
    let mut engine = engine_with(&[]);
    let own = envelope(T0 + 15, 15, b"own");
    engine.handle(at(0), Input::Post(own.clone())).unwrap();
    assert_eq!(engine.poll_timeout(), Some(at(16_000).mono));
    engine.handle_timeout(at(15_999));
    assert_eq!(engine.pooled().0, 1);
    engine.handle_timeout(at(16_000));
    assert_eq!(engine.pooled(), (0, 0));
    assert_eq!(events(&mut engine), [Event::Ended(own.hash())]);
    assert_eq!(engine.poll_timeout(), None);
    let late = engine.handle(at(16_000), Input::Post(own));
    assert_eq!(late, Err(Fault::Post(Refusal::Expired)));
}

#[test]
fn sent_is_reported_when_the_link_took_it() {
    let mut engine = engine_with(&[1]);
    let own = envelope(T0 + 15, 15, b"own");
    engine.handle(at(0), Input::Post(own.clone())).unwrap();
    assert_eq!(transmits(&mut engine, at(0)).len(), 1);
    assert_eq!(events(&mut engine), []);
    engine.handle(at(3), Input::Sent(PeerId(1))).unwrap();
    engine.handle(at(3), Input::Sent(PeerId(1))).unwrap();
    assert_eq!(events(&mut engine), [Event::Sent { hash: own.hash(), peer: PeerId(1) }]);
}

#[test]
fn wishes_of_peers_are_kept_and_a_change_is_looked_at_again() {
    let mut engine = Whisper::new(&open_config());
    let other = Bloom::of_listener(Topic::of("something else"));
    join(&mut engine, at(0), 1, &Status { min_pow: Pow::GETH, ..Status::default() });
    join(&mut engine, at(0), 2, &Status { bloom: Some(other), ..Status::default() });
    engine.handle(at(0), Input::Post(envelope(T0 + 30, 30, b"cheap"))).unwrap();
    assert_eq!(relayed(&mut engine, at(0)), []);
    packet(&mut engine, at(10), 1, PacketCode::POW_REQUIREMENT, &wire::encode_pow(Pow::ZERO)).unwrap();
    let wider = other.union(&Bloom::of_envelope(STATUS_TOPIC));
    packet(&mut engine, at(10), 2, PacketCode::BLOOM_FILTER, &wire::encode_bloom(&wider)).unwrap();
    assert_eq!(relayed(&mut engine, at(10)), [(1, b"cheap".to_vec()), (2, b"cheap".to_vec())]);
    // Flapping buys one look a second.
    packet(&mut engine, at(20), 1, PacketCode::POW_REQUIREMENT, &wire::encode_pow(Pow::GETH)).unwrap();
    engine.handle(at(20), Input::Post(envelope(T0 + 30, 30, b"more"))).unwrap();
    assert_eq!(relayed(&mut engine, at(20)), [(2, b"more".to_vec())]);
    packet(&mut engine, at(30), 1, PacketCode::POW_REQUIREMENT, &wire::encode_pow(Pow::ZERO)).unwrap();
    assert_eq!(relayed(&mut engine, at(30)), []);
    assert_eq!(engine.poll_timeout(), Some(at(1_010).mono));
    engine.handle_timeout(at(1_010));
    assert_eq!(relayed(&mut engine, at(1_010)), [(1, b"more".to_vec())]);
}

#[test]
fn forwarding_goes_by_the_strictest_divisor() {
    let e = envelope(T0 + 15, 15, &[0; 300]);
    let geth = crate::RawEnvelope::decode(e.bytes()).unwrap().work().geth(15);
    assert!(e.strict_pow() < geth);
    let mut engine = Whisper::new(&open_config());
    let asks = |pow: f64| Status { min_pow: Pow::new(pow).unwrap(), ..Status::default() };
    join(&mut engine, at(0), 1, &asks(geth));
    join(&mut engine, at(0), 2, &asks(e.strict_pow()));
    engine.handle(at(0), Input::Post(e.clone())).unwrap();
    assert_eq!(relayed(&mut engine, at(0)), [(2, e.data().to_vec())]);
}

/// A strict peer whose clock is behind divides by a longer life, and geth would drop us.
#[test]
fn what_a_slow_clock_could_find_too_cheap_waits_for_it() {
    let e = envelope(T0 + 15, 15, &[0; 300]);
    let asks =
        |factor: f64| Status { min_pow: Pow::new(e.strict_pow() * factor).unwrap(), ..Status::default() };
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    // With two seconds more of life 15 / 17 of the work is left.
    for (peer, factor) in [(2, 1.0), (3, 0.89), (4, 0.88), (5, 1.01)] {
        join(&mut engine, at(0), peer, &asks(factor));
    }
    give(&mut engine, at(100), 1, &[&e]).unwrap();
    let sent = |engine: &mut Whisper, now: Now| -> Vec<u64> {
        relayed(engine, now).into_iter().map(|(peer, _)| peer).collect()
    };
    assert_eq!(sent(&mut engine, at(100)), [4]);
    assert_eq!(engine.poll_timeout(), Some(at(2_000).mono));
    // What comes meanwhile does not wait behind it.
    let rich = (0..).map(|i: u32| envelope(T0 + 15, 15, &i.to_be_bytes()));
    let rich = rich.into_iter().find(|one| one.strict_pow() > 4.0 * e.strict_pow()).unwrap();
    give(&mut engine, at(200), 1, &[&rich]).unwrap();
    assert_eq!(sent(&mut engine, at(200)), [2, 3, 4, 5]);
    engine.handle_timeout(at(1_999));
    assert!(sent(&mut engine, at(1_999)).is_empty());
    engine.handle_timeout(at(2_000));
    assert_eq!(sent(&mut engine, at(2_000)), [2, 3]);
    assert_eq!(engine.poll_timeout(), Some(at(16_000).mono), "nothing waits any more");

    // One that came when it was old enough goes at once, and our own have work to spare.
    let late = envelope(T0 + 15, 15, &[0; 301]);
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(2_000), 1, &Status::default());
    join(
        &mut engine,
        at(2_000),
        2,
        &Status { min_pow: Pow::new(late.strict_pow()).unwrap(), ..Status::default() },
    );
    give(&mut engine, at(2_000), 1, &[&late]).unwrap();
    assert_eq!(sent(&mut engine, at(2_000)), [2]);
}

/// geth takes what was made up to ten seconds ahead of its clock, and divides by one second of life more than that.
#[test]
fn our_own_are_dear_enough_for_every_clock_that_takes_them() {
    let geth = |slow: u32, envelope: &Envelope| {
        let mut geth = Whisper::new(&Config { min_pow: Pow::STATUS, ..Config::default() });
        let behind = Now { unix: Unix::from_secs(u64::from(T0 - slow)), ..at(0) };
        join(&mut geth, behind, 1, &Status::default());
        give(&mut geth, behind, 1, &[envelope]).unwrap();
        geth.stats()
    };
    let mut cases = 0;
    for size in [284usize, 369, 540, 625, 881] {
        for i in 0..32u8 {
            let header = Header { expiry: T0 + 15, ttl: 15, topic: STATUS_TOPIC };
            let search = Search::new(header, vec![i; size], Pow::STATUS, u64::from(i) << 40).unwrap();
            let SearchStep::Done(Ok(own)) = search.run(u64::MAX) else { panic!("no work found") };
            for slow in [0, 1, 3, 5, 8, 10] {
                let stats = geth(slow, &own);
                assert_eq!((stats.accepted, stats.low_pow), (1, 0), "{size} bytes, {slow} s slow");
                cases += 1;
            }
            // Whoever is further behind takes it for one of the future, whatever its work.
            assert_eq!(geth(11, &own).early, 1);
        }
    }
    assert_eq!(cases, 5 * 32 * 6);
}

#[test]
fn envelopes_that_wait_for_a_clock_are_bounded_and_forgotten_with_the_pool() {
    let strict = Status { min_pow: Pow::new(f64::MIN_POSITIVE).unwrap(), ..Status::default() };
    let cheap = |i: usize| {
        let one = envelope(T0 + 15, 15, &i.to_be_bytes());
        (one.strict_pow(), one)
    };
    let mut all: Vec<_> = (0..2 * crate::limits::MAX_DEFERRED).map(cheap).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let least = all[0].0;
    let near: Vec<_> = all.iter().filter(|(pow, _)| *pow == least).map(|(_, one)| one).collect();
    let mut engine = Whisper::new(&Config { max_envelopes: near.len() / 2, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    join(&mut engine, at(0), 2, &Status { min_pow: Pow::new(least).unwrap(), ..strict });
    give(&mut engine, at(0), 1, &near).unwrap();
    assert_eq!(relayed(&mut engine, at(0)), []);
    let left = engine.pooled().0;
    assert!(left <= near.len() / 2 && left > 10);
    engine.handle_timeout(at(2_000));
    assert_eq!(relayed(&mut engine, at(2_000)).len(), left);
    // They expire while they wait for a peer that takes nothing.
    assert_eq!(engine.poll_timeout(), Some(at(16_000).mono));
    engine.handle_timeout(at(16_000));
    assert_eq!((engine.pooled().0, engine.poll_timeout()), (0, None));
}

#[test]
fn what_found_no_room_to_wait_for_a_clock_goes_when_it_is_old_enough() {
    let number = 4 * crate::limits::MAX_DEFERRED;
    let all: Vec<_> = (0..number).map(|n| envelope(T0 + 15, 15, &[n.to_be_bytes(); 12].concat())).collect();
    let least = all.iter().map(Envelope::strict_pow).fold(f64::MAX, f64::min);
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    join(&mut engine, at(0), 2, &Status { min_pow: Pow::new(least * 0.95).unwrap(), ..Status::default() });
    let mut got = 0;
    for part in all.chunks(64) {
        give(&mut engine, at(0), 1, &part.iter().collect::<Vec<_>>()).unwrap();
        got += relayed(&mut engine, at(0)).len();
    }
    let waiting = all.iter().filter(|one| one.strict_pow() * 15.0 / 17.0 < least * 0.95).count();
    assert_eq!(got, number - waiting);
    assert!(waiting > crate::limits::MAX_DEFERRED);
    assert!(engine.stats().crowded_out > 0);
    assert_eq!(engine.poll_timeout(), Some(at(2_000).mono));
    engine.handle_timeout(at(2_000));
    assert_eq!(relayed(&mut engine, at(2_000)).len(), waiting, "none is lost and none goes twice");
    assert_eq!(engine.poll_timeout(), Some(at(16_000).mono), "and nothing waits any more");
}

#[test]
fn changes_of_our_bloom_filter_soon_after_each_other_leave_as_one() {
    let mut engine = engine_with(&[1]);
    let blooms: Vec<_> = (0..4u8)
        .scan(Bloom::EMPTY, |all, i| {
            *all = all.union(&Bloom::of_listener(Topic::from_bytes([i, i, 9, 0])));
            Some(*all)
        })
        .collect();
    let told = |engine: &mut Whisper, now: Now| -> Vec<Bloom> {
        let out = transmits(engine, now).into_iter();
        out.map(|out| match out {
            Transmit::Packet { code: PacketCode::BLOOM_FILTER, body, .. } => {
                wire::decode_bloom(&body).unwrap()
            }
            other => panic!("{other:?}"),
        })
        .collect()
    };
    for (i, bloom) in (0..).zip(&blooms[..3]) {
        engine.handle(at(1_000 + i), Input::SetBloom(Some(*bloom))).unwrap();
    }
    assert_eq!(told(&mut engine, at(1_003)), [blooms[0]], "the first at once");
    assert_eq!(engine.poll_timeout(), Some(at(1_100).mono));
    engine.handle_timeout(at(1_099));
    assert_eq!(told(&mut engine, at(1_099)), []);
    engine.handle_timeout(at(1_100));
    assert_eq!(told(&mut engine, at(1_100)), [blooms[2]]);
    assert_eq!(engine.poll_timeout(), None);
    engine.handle(at(1_300), Input::SetBloom(Some(blooms[3]))).unwrap();
    assert_eq!(told(&mut engine, at(1_300)), [blooms[3]]);
    // What was not told yet is accepted already.
    assert_eq!(engine.status().bloom, Some(blooms[3]));
}

#[test]
fn tolerance_windows() {
    let mut engine = engine_with(&[1]);
    engine.handle(at(0), Input::SetMinPow(Pow::GETH)).unwrap();
    let mine = Bloom::of_listener(Topic::of("mine"));
    engine.handle(at(0), Input::SetBloom(Some(mine))).unwrap();
    let told = transmits(&mut engine, at(0));
    assert_eq!(
        told,
        [
            Transmit::Packet {
                peer: PeerId(1),
                protocol: Protocol::Whisper,
                code: PacketCode::POW_REQUIREMENT,
                body: wire::encode_pow(Pow::GETH)
            },
            Transmit::Packet {
                peer: PeerId(1),
                protocol: Protocol::Whisper,
                code: PacketCode::BLOOM_FILTER,
                body: wire::encode_bloom(&mine)
            },
        ]
    );
    give(&mut engine, at(9_999), 1, &[&envelope(T0 + 30, 30, b"a")]).unwrap();
    assert_eq!(engine.stats().accepted, 1);
    give(&mut engine, at(10_000), 1, &[&envelope(T0 + 30, 30, b"b")]).unwrap();
    assert_eq!((engine.stats().accepted, engine.stats().low_pow), (1, 1));
    engine.handle(at(10_000), Input::SetMinPow(Pow::ZERO)).unwrap();
    give(&mut engine, at(10_000), 1, &[&envelope(T0 + 30, 30, b"b")]).unwrap();
    assert_eq!((engine.stats().accepted, engine.stats().unwanted), (1, 1));
    // From the start the configured minimum counts, not 0.2.
    let mut strict = Whisper::new(&Config { min_pow: Pow::new(5.0).unwrap(), ..Config::default() });
    join(&mut strict, at(0), 1, &Status::default());
    let one_third = Envelope::new(Header { expiry: T0 + 1, ttl: 1, topic: STATUS_TOPIC }, b"", 7);
    give(&mut strict, at(0), 1, &[&one_third]).unwrap();
    assert_eq!(strict.stats().low_pow, 1);
}

#[test]
fn skew_never_costs_a_link_but_a_flood_of_cheap_ones_does() {
    let mut engine = Whisper::new(&Config { min_pow: Pow::GETH, ..Config::default() });
    join(&mut engine, at(0), 1, &Status::default());
    for i in 0..1_000u32 {
        give(&mut engine, at(0), 1, &[&envelope(T0 + 500 + i, 15, b"x"), &envelope(T0 - 100, 15, b"x")])
            .unwrap();
    }
    assert_eq!((engine.stats().early, engine.stats().expired), (1_000, 1_000));
    let cheap = |n: u8| envelope(T0 + 15, 15, &[n; 600]);
    for n in 0..MAX_FAULTS {
        give(&mut engine, at(0), 1, &[&cheap(u8::try_from(n).unwrap())]).unwrap();
    }
    assert_eq!(engine.stats().low_pow, u64::from(MAX_FAULTS));
    // A second later one is forgiven.
    give(&mut engine, at(1_000), 1, &[&cheap(100)]).unwrap();
    let last = give(&mut engine, at(1_000), 1, &[&cheap(101)]);
    assert_eq!(last, Err(Fault::Packet(PacketFault::Unwanted)));
    let out = transmits(&mut engine, at(1_000));
    assert_eq!(out.last(), Some(&Transmit::Disconnect { peer: PeerId(1), reason: 0x10 }));
}

#[test]
fn a_bad_packet_changes_nothing_but_the_link() {
    let mut engine = engine_with(&[1, 2]);
    let mut bytes = body(&[&envelope(T0 + 15, 15, b"good")]);
    bytes.push(0);
    let got = packet(&mut engine, at(0), 1, PacketCode::MESSAGES, &bytes);
    assert_eq!(got, Err(Fault::Packet(PacketFault::Messages)));
    assert_eq!(engine.pooled(), (0, 0));
    let two = [body(&[&envelope(T0 + 15, 15, b"good")]), vec![0xc0]].concat();
    let mut list = vec![0xc0 + u8::try_from(two.len() - 1).unwrap()];
    list.extend_from_slice(&two[1..]);
    let got = packet(&mut engine, at(0), 2, PacketCode::MESSAGES, &list);
    assert_eq!(got, Err(Fault::Packet(PacketFault::Messages)), "the second item is no envelope");
    assert_eq!(engine.pooled(), (0, 0));
    assert_eq!(packet(&mut engine, at(0), 1, PacketCode::MESSAGES, b"late"), Ok(()), "it is gone");
}

#[test]
fn oversized_packets_and_silence_end_a_link() {
    let mut engine = engine_with(&[1]);
    let got = packet(&mut engine, at(0), 1, PacketCode::MESSAGES, &vec![0; crate::limits::MAX_MESSAGE + 1]);
    assert_eq!(got.unwrap_err().code(), "packet.oversized");
    transmits(&mut engine, at(0));
    engine.handle(at(0), Input::Connected(Link::whisper(PeerId(2)))).unwrap();
    assert_eq!(engine.poll_timeout(), Some(at(30_000).mono));
    engine.handle_timeout(at(29_999));
    assert!(transmits(&mut engine, at(0)).len() == 1);
    engine.handle_timeout(at(30_000));
    assert_eq!(transmits(&mut engine, at(30_000)), [Transmit::Disconnect { peer: PeerId(2), reason: 0x0b }]);
}

#[test]
fn direct_packets_from_untrusted_peers_are_ignored() {
    let mut engine = engine_with(&[1]);
    for code in [4, 11, 12, 20, 22, 123, 124, 125, 126, 127] {
        packet(&mut engine, at(0), 1, PacketCode(code), &[0x83, 1, 2, 3]).unwrap();
    }
    assert_eq!((engine.stats().ignored_packets, engine.stats().forgiven), (9, 1), "20 is known");
    assert_eq!(engine.pooled(), (0, 0));
}

#[test]
fn a_light_node_forwards_only_its_own() {
    let config = Config { service: Service::Light, watch: crate::Watch::All, ..open_config() };
    let mut engine = Whisper::new(&config);
    join(&mut engine, at(0), 1, &Status::default());
    join(&mut engine, at(0), 2, &Status::default());
    let theirs = envelope(T0 + 15, 15, b"theirs");
    events(&mut engine);
    give(&mut engine, at(0), 1, &[&theirs]).unwrap();
    // As any other, and not as a direct message, which it is to light clients of the originals.
    assert_eq!(events(&mut engine), [Event::Accepted { envelope: theirs, from: Some(PeerId(1)) }]);
    assert_eq!(relayed(&mut engine, at(0)), []);
    engine.handle(at(0), Input::Post(envelope(T0 + 15, 15, b"own"))).unwrap();
    assert_eq!(relayed(&mut engine, at(0)).len(), 2);
}

#[test]
fn the_pool_keeps_what_is_worth_most() {
    let mut engine = Whisper::new(&Config { max_envelopes: 32, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    let own = envelope(T0 + 3, 3, b"own");
    engine.handle(at(0), Input::Post(own.clone())).unwrap();
    // Worth falls with size.
    let all: Vec<_> = (0..40usize).map(|i| envelope(T0 + 100, 100, &vec![1; 2_000 * (i + 1)])).collect();
    let zeros = |e: &Envelope| crate::RawEnvelope::decode(e.bytes()).unwrap().work().zeros();
    let plain: Vec<_> = all.iter().filter(|e| zeros(e) == 0).collect();
    for one in all.iter().rev() {
        give(&mut engine, at(0), 1, &[one]).unwrap();
    }
    assert!(engine.pooled().0 <= 32);
    assert!(engine.stats().evicted >= 9);
    assert!(engine.envelope(&own.hash()).is_some(), "ours goes last");
    assert!(engine.envelope(&plain[0].hash()).is_some(), "small");
    assert!(engine.envelope(&plain[plain.len() - 1].hash()).is_none(), "large");
    let bytes: usize = engine.envelopes().map(|e| e.bytes().len()).sum();
    assert_eq!(engine.pooled(), (engine.envelopes().count(), bytes));
}

#[test]
fn what_was_evicted_is_not_taken_in_again() {
    let mut engine = Whisper::new(&Config { max_envelopes: 32, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    join(&mut engine, at(0), 2, &Status::default());
    let all: Vec<_> = (0..40usize).map(|i| envelope(T0 + 100, 100, &vec![1; 2_000 * (i + 1)])).collect();
    for one in &all {
        give(&mut engine, at(0), 1, &[one]).unwrap();
    }
    let before = engine.stats();
    let gone: Vec<_> = all.iter().filter(|e| engine.envelope(&e.hash()).is_none()).collect();
    assert!(gone.len() >= 8);
    for one in &gone {
        give(&mut engine, at(0), 2, &[one]).unwrap();
        assert!(engine.envelope(&one.hash()).is_none());
    }
    let after = engine.stats();
    assert_eq!((after.accepted, after.evicted), (before.accepted, before.evicted));
    // Posted here it is taken all the same: it is ours then.
    engine.handle(at(0), Input::Post((*gone[0]).clone())).unwrap();
    assert!(engine.envelope(&gone[0].hash()).is_some());
}

#[test]
fn the_pool_is_bounded_by_bytes() {
    let mut engine = Whisper::new(&Config { max_bytes: 1_000_000, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    for i in 0..100u8 {
        give(&mut engine, at(0), 1, &[&envelope(T0 + 100, 100, &vec![i; 30_000])]).unwrap();
        assert!(engine.pooled().1 <= 1_000_000);
    }
    assert!(engine.pooled().0 >= 29);
}

#[test]
fn events_come_for_watched_topics() {
    let mut engine = engine_with(&[1]);
    let one = envelope(T0 + 15, 15, b"one");
    give(&mut engine, at(0), 1, &[&one]).unwrap();
    assert_eq!(events(&mut engine), []);
    engine.handle(at(0), Input::Subscribe(STATUS_TOPIC)).unwrap();
    engine.handle(at(0), Input::Subscribe(STATUS_TOPIC)).unwrap();
    engine.handle(at(0), Input::Unsubscribe(STATUS_TOPIC)).unwrap();
    let two = envelope(T0 + 15, 15, b"two");
    give(&mut engine, at(0), 1, &[&one, &two]).unwrap();
    assert_eq!(events(&mut engine), [Event::Accepted { envelope: two, from: Some(PeerId(1)) }]);
    engine.handle(at(0), Input::Unsubscribe(STATUS_TOPIC)).unwrap();
    engine.handle(at(0), Input::Unsubscribe(STATUS_TOPIC)).unwrap();
    give(&mut engine, at(0), 1, &[&envelope(T0 + 15, 15, b"three")]).unwrap();
    assert_eq!(events(&mut engine), []);
}

#[test]
fn a_clock_that_is_set_back_sends_nobody_the_future() {
    let mut engine = engine_with(&[1]);
    let (then, now) = (at(60_000), at(0));
    engine.handle(then, Input::Post(envelope(T0 + 75, 15, b"by the wrong clock"))).unwrap();
    // The clock is right again, and geth would drop a link for 60 s ahead.
    join(&mut engine, now, 2, &Status::default());
    assert_eq!(relayed(&mut engine, now), []);
    engine.handle(now, Input::Post(envelope(T0 + 15, 15, b"by the right one"))).unwrap();
    assert_eq!(relayed(&mut engine, now).len(), 2);
    // A second or two is nothing.
    engine.handle(at(2_000), Input::Post(envelope(T0 + 17, 15, b"almost"))).unwrap();
    assert_eq!(relayed(&mut engine, now).len(), 2);
}

/// The divisor of an envelope of the future is corrected by our clock. An honest peer, whose clock is right, saw none of
/// it: what only our clock makes cheap is refused, and nobody is dropped for it.
#[test]
fn nobody_is_dropped_for_work_that_our_clock_makes_low() {
    let all: Vec<_> = (0..200u8).map(|n| envelope(T0 + 20, 15, &[n; 600])).collect();
    // Just enough for those without a single zero bit, had our clock not been five seconds behind.
    let short = all[0].header().encode_short(all[0].data()).len();
    let min_pow = Pow::new(0.95 * crate::pow::ratio(0, short, 15)).unwrap();
    let mut right = Whisper::new(&Config { min_pow, ..open_config() });
    join(&mut right, at(5_000), 1, &Status::default());
    let mut behind = right.clone();
    for one in &all {
        give(&mut right, at(5_000), 1, &[one]).unwrap();
    }
    assert_eq!(right.stats().accepted, 200, "all others take them, and pass them on");
    let dropped = all.iter().filter(|one| give(&mut behind, at(0), 1, &[one]).is_err()).count();
    assert_eq!(dropped, 0, "the peer that passed them on is dropped");
}
