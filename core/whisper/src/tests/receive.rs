//! Packets of many envelopes, and what arrivals tell.

use proptest::prelude::*;

use super::*;
use crate::limits::HASHED_TOGETHER;
use crate::wire::Status;
use crate::{ClockSample, Pow, SampleKind, pow};

#[test]
fn a_packet_of_more_than_is_hashed_at_once() {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    let count = 2 * HASHED_TOGETHER + 3;
    let data = |i: usize| vec![7; i * 5];
    let all: Vec<_> = (0..count).map(|i| envelope(T0 + 15, 15, &data(i))).collect();
    // One twice in a row, one again in a later chunk, one that has expired.
    let dead = envelope(T0 - 1, 15, b"dead");
    let mut sent: Vec<_> = all.iter().collect();
    sent.insert(1, &all[0]);
    sent.push(&all[5]);
    sent.push(&dead);
    give(&mut engine, at(0), 1, &sent).unwrap();
    let stats = engine.stats();
    assert_eq!((stats.accepted, stats.duplicates, stats.expired), (count as u64, 2, 1));
    assert!(all.iter().all(|one| engine.envelope(&one.hash()) == Some(one)));
    assert_eq!(engine.pooled(), (count, all.iter().map(|one| one.bytes().len()).sum()));
}

#[test]
fn news_are_what_a_peer_brought_first() {
    let mut engine = Whisper::new(&open_config());
    for peer in 1..=3 {
        join(&mut engine, at(0), peer, &Status::default());
    }
    let (one, two) = (envelope(T0 + 15, 15, b"one"), envelope(T0 + 15, 15, b"two"));
    give(&mut engine, at(0), 1, &[&one, &two, &one]).unwrap();
    give(&mut engine, at(0), 2, &[&one]).unwrap();
    engine.handle(at(0), Input::Post(envelope(T0 + 15, 15, b"own"))).unwrap();
    let mut news = Vec::new();
    engine.take_news(&mut news);
    assert_eq!(news, [(PeerId(1), 2)]);
    engine.take_news(&mut news);
    assert_eq!(news.len(), 1, "taken");
}

/// An envelope that counts as a sample of a clock, and one that does not.
fn sampled(ahead: u32) -> (Envelope, Envelope) {
    let made = |i: u8| envelope(T0 + 15 + ahead, 15, &[i]);
    let is_sample = |one: &Envelope| one.hash().as_bytes()[31].is_multiple_of(16);
    let (yes, no): (Vec<_>, Vec<_>) = (0..=255).map(made).partition(is_sample);
    (yes[0].clone(), no[0].clone())
}

#[test]
fn a_second_arrival_soon_samples_the_clock_of_the_first() {
    let mut engine = Whisper::new(&open_config());
    for peer in 1..=3 {
        join(&mut engine, at(0), peer, &Status::default());
    }
    let (one, other) = sampled(4);
    give(&mut engine, at(250), 1, &[&one, &other]).unwrap();
    give(&mut engine, at(300), 1, &[&one]).unwrap();
    assert_eq!(engine.poll_clock_sample(), None, "the same peer says nothing new");
    give(&mut engine, at(400), 2, &[&other, &one]).unwrap();
    give(&mut engine, at(500), 3, &[&one]).unwrap();
    let sample = ClockSample { peer: PeerId(1), offset_ms: 3_750, kind: SampleKind::Envelope };
    assert_eq!(engine.poll_clock_sample(), Some(sample));
    assert_eq!(engine.poll_clock_sample(), None, "one in ten seconds");

    let (late, _) = sampled(5);
    give(&mut engine, at(11_000), 2, &[&late]).unwrap();
    give(&mut engine, at(13_001), 1, &[&late]).unwrap();
    assert_eq!(engine.poll_clock_sample(), None, "it took a long way");
}

/// The search of a sealer is the same whatever the processor has.
#[test]
fn a_search_gives_the_first_nonce_in_order_in_slices_of_any_size() {
    let header = Header { expiry: T0 + 15, ttl: 15, topic: STATUS_TOPIC };
    for size in [1, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 400] {
        let data = vec![9; size];
        let search = pow::Search::new(header, data.clone(), Pow::STATUS, u64::MAX - 3).unwrap();
        let bits = search.bits();
        let short = header.encode_short(&data);
        let zeros = |nonce: u64| {
            let parts: [&[u8]; 2] = [&short, &nonce.to_be_bytes()];
            pow::leading_zeros(&undertone_crypto::hash::keccak256_parts(&parts))
        };
        let want = (0..).map(|i| (u64::MAX - 3).wrapping_add(i)).find(|nonce| zeros(*nonce) >= bits).unwrap();
        for slice in [1, 3, 8, 1_000] {
            let mut search = search.clone();
            let found = loop {
                match search.run(slice) {
                    pow::SearchStep::Continue(more) => search = more,
                    pow::SearchStep::Done(found) => break found.unwrap(),
                }
            };
            assert_eq!(found, Envelope::new(header, &data, want));
        }
    }
}

proptest! {
    /// Names and proofs that are made in lanes are those that are made one by one.
    #[test]
    fn a_packet_and_its_envelopes_one_by_one_give_the_same_pool(sizes in prop::collection::vec(0usize..700, 1..90)) {
        let all: Vec<_> = sizes.iter().map(|size| envelope(T0 + 15, 15, &vec![1; *size])).collect();
        let mut together = Whisper::new(&open_config());
        let mut single = together.clone();
        for engine in [&mut together, &mut single] {
            join(engine, at(0), 1, &Status::default());
        }
        give(&mut together, at(0), 1, &all.iter().collect::<Vec<_>>()).unwrap();
        for one in &all {
            give(&mut single, at(0), 1, &[one]).unwrap();
        }
        prop_assert_eq!(together.stats(), single.stats());
        let strict = |engine: &Whisper| -> Vec<_> {
            engine.envelopes().map(|one| (one.hash(), one.strict_pow().to_bits())).collect()
        };
        prop_assert_eq!(strict(&together), strict(&single));
        for one in &all {
            let pooled = together.envelope(&one.hash()).unwrap();
            prop_assert_eq!(pooled.strict_pow().to_bits(), one.strict_pow().to_bits());
            prop_assert_eq!(*pooled.hash().as_bytes(), undertone_crypto::keccak256(one.bytes()));
        }
    }
}
