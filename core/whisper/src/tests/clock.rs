//! What the packets of one link say of its clock when ours is so wrong that envelopes are refused for it.

use super::*;
use crate::limits::{FUTURE_SECS, MAX_CLOCK_SAMPLES, READ_AFTER, VERY_OLD_SECS};
use crate::{ClockSample, SampleKind};

/// Ours is so many seconds ahead of [`at`].
fn ours(millis: u64, ahead: i64) -> Now {
    let unix = i64::try_from(at(millis).unix.millis()).unwrap() + 1_000 * ahead;
    Now { unix: Unix::from_millis(u64::try_from(unix).unwrap()), ..at(millis) }
}

/// Sealed at a right clock.
fn fresh(millis: u64, n: u64) -> Envelope {
    let sent = T0 + u32::try_from(millis / 1_000).unwrap();
    envelope(sent + 15, 15, &n.to_be_bytes())
}

fn samples(engine: &mut Whisper) -> Vec<ClockSample> {
    std::iter::from_fn(|| engine.poll_clock_sample()).collect()
}

/// What is said after so many seconds of one fresh envelope and one that is ten seconds old in each, by one peer.
fn said(ahead: i64, secs: std::ops::Range<u64>) -> Vec<(i64, u64)> {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, ours(0, ahead), 1, &Status::default());
    let mut said = Vec::new();
    for sec in secs {
        let millis = 1_000 * sec + 10_300;
        let (old, new) = (fresh(millis - 10_000, sec), fresh(millis, sec + 1_000));
        give(&mut engine, ours(millis, ahead), 1, &[&new, &old]).unwrap();
        said.extend(samples(&mut engine).iter().map(|sample| (sample.offset_ms, sec)));
        assert!(events(&mut engine).len() < 10_000);
    }
    said
}

#[test]
fn what_is_refused_for_its_time_says_how_wrong_a_clock_is() {
    for ahead in [300, 60, 25, 16, 11, -11, -25, -60, -300] {
        let said = said(ahead, 0..60);
        assert!(said.len() >= 4 && said.len() <= 6, "about one in ten seconds: {said:?}");
        for (offset, _) in said {
            // A third of a second on its way, and the rest of the second in which it was made.
            assert_eq!(offset, -1_000 * ahead - 300, "{ahead} s");
        }
    }
    for right in [0, 4, -4] {
        assert_eq!(said(right, 0..60), [], "nothing is refused");
    }
}

#[test]
fn a_clock_that_was_set_right_is_seen_to_be() {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, ours(0, 25), 1, &Status::default());
    let mut all = Vec::new();
    for sec in 5..60 {
        let millis = 1_000 * sec;
        let now = ours(millis, if sec < 20 { 25 } else { 0 });
        give(&mut engine, now, 1, &[&fresh(millis, sec)]).unwrap();
        all.extend(samples(&mut engine).iter().map(|sample| sample.offset_ms));
    }
    assert_eq!(all, [-25_000, 0], "read until it is right, then no more: {all:?}");
}

#[test]
fn few_packets_and_those_of_a_young_link_say_nothing() {
    let young = READ_AFTER.as_secs();
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, ours(0, 25), 1, &Status::default());
    for sec in 0..young {
        give(&mut engine, ours(1_000 * sec, 25), 1, &[&fresh(1_000 * sec, sec)]).unwrap();
    }
    // A thousand packets in a second are one; two are not three.
    for n in 0..1_000 {
        give(&mut engine, ours(5_000 + n / 2, 25), 1, &[&fresh(5_000, n)]).unwrap();
    }
    give(&mut engine, ours(40_000, 25), 1, &[&fresh(40_000, 9)]).unwrap();
    assert_eq!(samples(&mut engine), []);
    give(&mut engine, ours(41_000, 25), 1, &[&fresh(41_000, 9)]).unwrap();
    let sample = ClockSample { peer: PeerId(1), offset_ms: -25_000, kind: SampleKind::Envelope };
    assert_eq!(samples(&mut engine), [sample]);
}

/// A machine that slept: what had come meanwhile is dead, what comes next is not.
#[test]
fn what_lay_about_while_we_slept_is_outvoted() {
    let mut engine = Whisper::new(&open_config());
    join(&mut engine, at(0), 1, &Status::default());
    for n in 0..500 {
        give(&mut engine, at(100_000), 1, &[&fresh(30_000 + n, n)]).unwrap();
    }
    for sec in 101..130 {
        give(&mut engine, at(1_000 * sec), 1, &[&fresh(1_000 * sec, sec)]).unwrap();
    }
    let offsets: Vec<_> = samples(&mut engine).iter().map(|sample| sample.offset_ms).collect();
    assert_eq!(offsets, [0]);
}

/// Whoever seals cannot say more than relays let through, and whoever relays has its own voice alone.
#[test]
fn readings_are_bounded() {
    let mut engine = Whisper::new(&open_config());
    for peer in 1..=100 {
        join(&mut engine, at(0), peer, &Status::default());
    }
    let dead = T0 - VERY_OLD_SECS;
    let future = T0 + 100_000 + FUTURE_SECS;
    for sec in 5..200 {
        for peer in 1..=100 {
            let wild = [
                envelope(dead, 15, &[1]),
                envelope(future + 15, 15, &[2]),
                envelope(u32::MAX, u32::MAX, &[3]),
            ];
            let wild: Vec<_> = wild.iter().collect();
            give(&mut engine, at(1_000 * sec), peer, &wild).unwrap();
        }
    }
    assert_eq!(samples(&mut engine).len(), MAX_CLOCK_SAMPLES);
    let (accepted, pooled) = (engine.stats().accepted, engine.pooled());
    assert_eq!((accepted, pooled), (0, (0, 0)));
}
