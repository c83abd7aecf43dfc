//! A flood expires in portions, and is dead before it is gone.

use proptest::prelude::*;

use super::*;
use crate::Watch;
use crate::limits::{LAST_SECS, PORTION, PORTION_BYTES};

/// Everything in the pool, dead or not.
fn kept(engine: &Whisper) -> usize {
    engine.pool().living(0).0
}

fn some(count: usize, from: usize, expiry: u32, ttl: u32) -> Vec<Envelope> {
    (from..from + count).map(|n| envelope(expiry, ttl, &n.to_be_bytes())).collect()
}

fn give_all(engine: &mut Whisper, now: Now, peer: u64, all: &[Envelope]) {
    give(engine, now, peer, &all.iter().collect::<Vec<_>>()).unwrap();
}

/// Lets expire what is over by now, as a shell does; gives how much each step took out.
fn steps(engine: &mut Whisper, now: Now) -> Vec<usize> {
    let mut steps = Vec::new();
    while engine.poll_timeout().is_some_and(|due| due <= now.mono) {
        let before = kept(engine);
        engine.handle_timeout(now);
        steps.push(before - kept(engine));
        let _sent = relayed(engine, now);
    }
    steps
}

#[test]
fn a_flood_expires_in_portions_and_is_dead_at_once() {
    let mut engine = Whisper::new(&Config { watch: Watch::Traffic, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    let own = envelope(T0 + 15, 15, b"own");
    engine.handle(at(0), Input::Post(own.clone())).unwrap();
    let flood = some(3 * PORTION, 0, T0 + 15, 15);
    give_all(&mut engine, at(0), 1, &flood);
    let long = envelope(T0 + 60, 60, b"long");
    give(&mut engine, at(0), 1, &[&long]).unwrap();
    events(&mut engine);

    engine.handle_timeout(at(16_000));
    assert_eq!(kept(&engine), 2 * PORTION + 2, "a portion is gone");
    assert_eq!(engine.pooled(), (1, long.bytes().len()), "and all of it counts no more");
    assert_eq!(engine.envelopes().collect::<Vec<_>>(), [&long]);
    let left: Vec<_> = flood.iter().filter(|one| engine.pool().find(&one.hash()).is_some()).collect();
    assert!(left.len() >= 2 * PORTION);
    assert!(left.iter().all(|one| engine.envelope(&one.hash()).is_none()));
    engine.handle(at(16_000), Input::Connected(Link::whisper(PeerId(2)))).unwrap();
    let (protocol, code, body) = (Protocol::Whisper, PacketCode::STATUS, Status::default().encode());
    engine.handle(at(16_000), Input::Packet { peer: PeerId(2), protocol, code, body: &body }).unwrap();
    assert_eq!(relayed(&mut engine, at(16_000)), [(2, b"long".to_vec())], "nobody gets the dead");
    let before = engine.stats();
    give(&mut engine, at(16_000), 1, &[left[0]]).unwrap();
    assert_eq!(engine.stats().expired, before.expired + 1, "what comes again is expired, not known");

    assert_eq!(engine.poll_timeout(), Some(at(16_000).mono), "the rest follows at once");
    assert_eq!(steps(&mut engine, at(16_000)), [PORTION, PORTION, 1]);
    assert_eq!(engine.poll_timeout(), Some(at(61_000).mono));
    let events = events(&mut engine);
    let ended = events.iter().filter(|event| **event == Event::Ended(own.hash())).count();
    let expired: std::collections::BTreeSet<_> =
        events.iter().filter_map(|e| if let Event::Expired(hash) = e { Some(hash) } else { None }).collect();
    assert_eq!((ended, expired.len()), (1, flood.len()), "each is told of, once");
}

#[test]
fn a_portion_of_large_envelopes_is_of_few() {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    for n in 0..20 {
        give(&mut engine, at(0), 1, &[&envelope(T0 + 15, 15, &vec![n; 1_000_000])]).unwrap();
    }
    let most = PORTION_BYTES / 1_000_000 + 1;
    assert_eq!(steps(&mut engine, at(16_000)), [most, most, 20 - 2 * most]);
}

#[test]
fn a_pool_full_of_the_dead_makes_room_for_what_lives() {
    let mut engine = Whisper::new(&Config { max_envelopes: 1_000, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    let own = some(10, 5_000, T0 + 15, 15);
    for one in &own {
        engine.handle(at(0), Input::Post(one.clone())).unwrap();
    }
    give_all(&mut engine, at(0), 1, &some(990, 0, T0 + 15, 15));
    events(&mut engine);
    // No timer has fired yet.
    let living = some(900, 10_000, T0 + 40, 20);
    give_all(&mut engine, at(20_000), 1, &living);
    assert_eq!((kept(&engine), engine.pooled().0, engine.stats().evicted), (1_000, 900, 0));
    assert!(living.iter().all(|one| engine.envelope(&one.hash()).is_some()));
    give_all(&mut engine, at(20_000), 1, &some(200, 20_000, T0 + 40, 20));
    assert_eq!((kept(&engine), engine.pooled().0, engine.stats().evicted), (1_000, 1_000, 100));
    let ended = events(&mut engine).iter().filter(|event| matches!(event, Event::Ended(_))).count();
    assert_eq!(ended, own.len(), "ours that are dead went too, and were told of");
}

#[test]
fn as_much_is_evicted_as_came_in() {
    let mut engine = Whisper::new(&Config { max_envelopes: 1_600, ..open_config() });
    join(&mut engine, at(0), 1, &Status::default());
    give_all(&mut engine, at(0), 1, &some(1_600, 0, T0 + 15, 15));
    for n in 1..=300 {
        give(&mut engine, at(0), 1, &[&envelope(T0 + 15, 15, &(10_000 + n).to_string().into_bytes())])
            .unwrap();
        assert_eq!((kept(&engine), engine.stats().evicted), (1_600, n));
    }
}

#[test]
fn what_was_held_for_one_moment_arrives_in_portions() {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    join(&mut engine, at(0), 2, &Status::default());
    give_all(&mut engine, at(0), 1, &some(PORTION + 5, 0, T0 + 25, 20));
    engine.handle_timeout(at(5_000));
    assert_eq!(engine.pool().arrivals(0).count(), PORTION);
    let first = relayed(&mut engine, at(5_000)).len();
    assert_eq!(engine.poll_timeout(), Some(at(5_000).mono));
    engine.handle_timeout(at(5_000));
    let rest = relayed(&mut engine, at(5_000)).len();
    assert_eq!((first, rest), (PORTION, 5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Batches of some life come, and time goes by; timers fire late or not at all.
    #[test]
    fn only_what_lives_counts_and_leaves(
        ops in prop::collection::vec((0usize..700, 1u32..6, 0u64..4_000, 0usize..3), 1..12),
        max in prop_oneof![Just(100_000usize), Just(900)],
    ) {
        let mut engine = Whisper::new(&Config { max_envelopes: max, ..open_config() });
        join(&mut engine, at(0), 1, &Status::default());
        join(&mut engine, at(0), 2, &Status::default());
        let (mut millis, mut made, mut all) = (0, 0, Vec::new());
        for (count, ttl, later, fired) in ops {
            millis += later;
            let now = at(millis);
            let secs = now.unix.secs_u32();
            let batch = some(count, made, secs + ttl, ttl);
            made += count;
            give_all(&mut engine, now, 1, &batch);
            all.extend(batch);
            prop_assert!(kept(&engine) <= max);
            for _ in 0..fired {
                let before = kept(&engine);
                engine.handle_timeout(now);
                prop_assert!(before - kept(&engine) <= PORTION);
            }
            for (_, data) in relayed(&mut engine, now) {
                let number: usize = usize::from_be_bytes(data.try_into().unwrap());
                prop_assert!(all[number].header().expiry >= secs + LAST_SECS);
            }
            let living = all.iter().filter(|one| one.header().expiry >= secs).count();
            prop_assert_eq!(engine.pooled().0, engine.envelopes().count());
            if max > all.len() {
                prop_assert_eq!(engine.pooled().0, living);
            }
        }
        // Whatever was left over, steps end, and nothing stays.
        let end = at(millis + 60_000);
        prop_assert!(steps(&mut engine, end).into_iter().all(|step| step <= PORTION));
        prop_assert_eq!((kept(&engine), engine.poll_timeout()), (0, None));
    }
}
