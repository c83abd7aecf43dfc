//! Points that fade.

use std::collections::BTreeMap;
use std::time::Duration;

use undertone_base::Mono;

use crate::limits::MAX_POINTS;

/// Steps in which a half-life is counted.
const STEPS: u32 = 16;

/// 2^(-1/16) in 2^16ths.
const STEP_FACTOR: u64 = 62_757;

/// Points in thousandths that halve with each half-life. How often it is asked or added to does not matter: time is
/// taken in whole steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fading {
    points: u64,
    at: Mono,
    step: Duration,
}

impl Fading {
    pub(crate) fn new(now: Mono, half_life: Duration) -> Self {
        Self { points: 0, at: now, step: (half_life / STEPS).max(Duration::from_nanos(1)) }
    }

    pub(crate) fn points(&self, now: Mono) -> u64 {
        self.faded(now).points
    }

    pub(crate) fn add(&mut self, now: Mono, points: u64) -> u64 {
        *self = self.faded(now);
        self.points = self.points.saturating_add(points).min(MAX_POINTS);
        self.points
    }

    fn faded(self, now: Mono) -> Self {
        let steps = now.since(self.at).as_nanos().checked_div(self.step.as_nanos()).unwrap_or_default();
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let halves = u32::try_from(steps / u64::from(STEPS)).unwrap_or(u32::MAX);
        let mut points = self.points.checked_shr(halves).unwrap_or_default();
        for _ in 0..steps % u64::from(STEPS) {
            points = points.saturating_mul(STEP_FACTOR) >> 16;
        }
        let passed = u64::try_from(self.step.as_nanos()).unwrap_or(u64::MAX).saturating_mul(steps);
        Self { points, at: self.at.after(Duration::from_nanos(passed)), step: self.step }
    }
}

/// Points per key. Holds at most `capacity`; whoever has the fewest goes first.
#[derive(Clone, Debug)]
pub(crate) struct Scores<K> {
    scores: BTreeMap<K, Fading>,
    half_life: Duration,
    capacity: usize,
}

impl<K: Copy + Ord> Scores<K> {
    pub(crate) const fn new(half_life: Duration, capacity: usize) -> Self {
        Self { scores: BTreeMap::new(), half_life, capacity }
    }

    pub(crate) fn points(&self, now: Mono, key: &K) -> u64 {
        self.scores.get(key).map_or(0, |score| score.points(now))
    }

    /// Adds and gives the sum.
    pub(crate) fn add(&mut self, now: Mono, key: K, points: u64) -> u64 {
        if !self.scores.contains_key(&key) && self.scores.len() >= self.capacity {
            let fewest = self.scores.iter().min_by_key(|(_, score)| score.points(now)).map(|(key, _)| *key);
            if let Some(fewest) = fewest {
                self.scores.remove(&fewest);
            }
        }
        self.scores.entry(key).or_insert_with(|| Fading::new(now, self.half_life)).add(now, points)
    }

    pub(crate) fn forget(&mut self, key: &K) {
        self.scores.remove(key);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_secs(600);

    #[test]
    fn points_halve_with_each_half_life() {
        let mut fading = Fading::new(Mono::ZERO, HALF);
        fading.add(Mono::ZERO, 64_000);
        for (half_lives, points) in [(0, 64_000), (1, 32_000), (2, 16_000), (6, 1_000), (64, 0)] {
            assert_eq!(fading.points(Mono::ZERO.after(HALF * half_lives)), points);
        }
        let between = fading.points(Mono::ZERO.after(HALF / 2));
        assert!((45_000..45_300).contains(&between), "{between}: 64,000 / √2");
    }

    #[test]
    fn how_often_points_are_added_does_not_change_how_they_fade() {
        let end = Mono::ZERO.after(HALF);
        let (mut often, mut once) = (Fading::new(Mono::ZERO, HALF), Fading::new(Mono::ZERO, HALF));
        often.add(Mono::ZERO, 1_000_000);
        once.add(Mono::ZERO, 1_000_000);
        for second in 0..600 {
            often.add(Mono::ZERO.after(Duration::from_secs(second)), 0);
        }
        let (often, once) = (often.points(end), once.points(end));
        assert!(once.abs_diff(often) < 1_000, "{once} and {often}");
    }

    #[test]
    fn points_neither_overflow_nor_go_back_in_time() {
        let late = Mono::from_nanos(u64::MAX);
        let mut fading = Fading::new(late, HALF);
        assert_eq!(fading.add(late, u64::MAX), MAX_POINTS);
        assert_eq!(fading.points(Mono::ZERO), MAX_POINTS);
        assert_eq!(Fading::new(Mono::ZERO, Duration::ZERO).add(late, 5), 5);
    }

    #[test]
    fn whoever_has_the_fewest_points_is_forgotten_first() {
        let mut scores = Scores::new(HALF, 2);
        for (key, points) in [(1, 10), (2, 5), (3, 7)] {
            assert_eq!(scores.add(Mono::ZERO, key, points), points);
        }
        assert_eq!([1, 2, 3].map(|key| scores.points(Mono::ZERO, &key)), [10, 0, 7]);
        assert_eq!(scores.len(), 2);
    }
}
