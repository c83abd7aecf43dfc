//! When envelopes leave: at once, or at a time of each peer's own.

use std::collections::BTreeMap;
use std::time::Duration;

use undertone_base::Secret;

use super::*;
use crate::limits::MAX_BLEND;
use crate::wire::Messages;
use crate::{FlushPolicy, Pow};

fn blended(seed: u8) -> Whisper {
    let config = Config { flush: FlushPolicy::Blended, min_pow: Pow::ZERO, ..Config::default() };
    Whisper::with_seed(&config, &Secret::new([seed; 32]))
}

fn after(start: Now, wait: Duration) -> Now {
    start.after(wait)
}

fn long(data: &[u8]) -> Envelope {
    envelope(T0 + 80_000, 80_000, data)
}

/// Lets time pass, in the steps that the machine asks for, and gives what each peer got and when.
fn served(engine: &mut Whisper, from: Now, time: Duration) -> BTreeMap<u64, (Duration, Vec<Vec<u8>>)> {
    let end = from.mono.after(time);
    let mut out = BTreeMap::new();
    let mut now = from;
    loop {
        for transmit in transmits(engine, now) {
            let Transmit::Packet { peer, code: PacketCode::MESSAGES, body, .. } = transmit else { continue };
            let data: Vec<_> = Messages::decode(&body).unwrap().iter().map(|raw| raw.data.to_vec()).collect();
            assert!(out.insert(peer.0, (now.mono.since(from.mono), data)).is_none(), "once");
            engine.handle(now, Input::Sent(peer)).unwrap();
        }
        let Some(next) = engine.poll_timeout().filter(|next| *next <= end) else { return out };
        now = after(now, next.since(now.mono));
        engine.handle_timeout(now);
    }
}

#[test]
fn each_peer_has_a_time_of_its_own() {
    let mut engine = blended(1);
    for peer in 0..20 {
        join(&mut engine, at(0), peer, &Status::default());
    }
    let (mut waits, mut firsts) = (Vec::new(), BTreeMap::<u64, u32>::new());
    for round in 0u64..100 {
        let now = at(1_000 + round * 1_000);
        engine.handle_timeout(now);
        engine.handle(now, Input::Post(long(&round.to_be_bytes()))).unwrap();
        let got = served(&mut engine, now, Duration::from_millis(900));
        assert_eq!(got.len(), 20, "everybody in time");
        let first = got.iter().min_by_key(|(_, (wait, _))| *wait).unwrap();
        *firsts.entry(*first.0).or_default() += 1;
        waits.extend(got.values().map(|(wait, _)| *wait));
    }
    waits.sort_unstable();
    assert!(*waits.last().unwrap() <= MAX_BLEND);
    // Uniform: each tenth of the time has its tenth of the packets, give or take five standard deviations.
    for tenth in 0u32..10 {
        let (from, to) = (MAX_BLEND / 10 * tenth, MAX_BLEND / 10 * (tenth + 1));
        let here = waits.iter().filter(|wait| **wait >= from && **wait < to).count();
        assert!((133..=267).contains(&here), "{tenth}: {here}");
    }
    // Nobody is first by rule.
    assert!(firsts.len() > 10 && firsts.values().all(|count| *count < 20), "{firsts:?}");
}

#[test]
fn own_envelopes_leave_among_others() {
    let mut places = Vec::new();
    for seed in 0..40 {
        let mut engine = blended(seed);
        join(&mut engine, at(0), 1, &Status::default());
        join(&mut engine, at(0), 2, &Status::default());
        served(&mut engine, at(0), Duration::from_millis(500));
        let relayed: Vec<_> = (0u8..20).map(|n| long(&[n])).collect();
        give(&mut engine, at(600), 1, &relayed.iter().collect::<Vec<_>>()).unwrap();
        engine.handle(at(600), Input::Post(long(b"own"))).unwrap();
        let got = served(&mut engine, at(600), Duration::from_millis(500));
        let data = &got[&2].1;
        assert_eq!(data.len(), 21, "one packet");
        let place = data.iter().position(|data| data == b"own").unwrap();
        let in_order = data.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(!in_order);
        places.push(place);
    }
    let last = places.iter().filter(|place| **place == 20).count();
    let sum: usize = places.iter().sum();
    assert!(last < 8 && (6 * 40..14 * 40).contains(&sum), "{places:?}");
}

#[test]
fn one_seed_gives_one_order_and_another_another() {
    let run = |seed| {
        let mut engine = blended(seed);
        for peer in 1..5 {
            join(&mut engine, at(0), peer, &Status::default());
        }
        for n in 0u8..30 {
            engine.handle(at(0), Input::Post(long(&[n]))).unwrap();
        }
        served(&mut engine, at(0), Duration::from_millis(500))
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn fast_is_at_once_and_in_order() {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    for n in 0u8..5 {
        engine.handle(at(0), Input::Post(long(&[n]))).unwrap();
    }
    let got = served(&mut engine, at(0), Duration::ZERO);
    assert_eq!(got[&1], (Duration::ZERO, (0u8..5).map(|n| vec![n]).collect::<Vec<_>>()));
}
