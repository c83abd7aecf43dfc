//! When to dial again.

use std::time::Duration;

use rand_core::Rng;

use crate::address::Reach;
use crate::limits::{BACKOFF_FIRST, BACKOFF_JITTER, BACKOFF_LOOPBACK, BACKOFF_REMOTE, SETTLED};

/// The pauses of one peer: 1, 2, 4 … s on loopback (up to 5 s) and in the local network (up to 35 s), each
/// shortened at random by up to half; 35 to 40 s elsewhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after an attempt that ended; `lived` is how long its link was established.
    pub(crate) fn after(
        &mut self,
        reach: Reach,
        lived: Option<Duration>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Duration {
        // On loopback any link is a success: whoever restarts a node beside this one wants it back now.
        let enough = if reach == Reach::Loopback { Duration::ZERO } else { SETTLED };
        if lived.is_some_and(|lived| lived >= enough) {
            self.failures = 0;
        }
        let doubled = BACKOFF_FIRST.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let pause = match reach {
            Reach::Remote => return BACKOFF_REMOTE.saturating_add(part(BACKOFF_JITTER, rng)),
            Reach::Lan => doubled.min(BACKOFF_REMOTE),
            Reach::Loopback => doubled.min(BACKOFF_LOOPBACK),
        };
        pause.saturating_sub(part(pause / 2, rng))
    }
}

/// A random part of `whole`, in steps of a 2^16th.
pub(crate) fn part(whole: Duration, rng: &mut (impl Rng + ?Sized)) -> Duration {
    whole.saturating_mul(rng.next_u32() >> 16) / 0x1_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(reach: Reach, lived: Option<Duration>) -> Vec<Duration> {
        let (mut backoff, mut rng) = (Backoff::default(), undertone_support::rng(1));
        (0..40).map(|_| backoff.after(reach, lived, &mut rng)).collect()
    }

    #[test]
    fn near_pauses_double_up_to_a_limit_and_vary() {
        for (reach, limit) in [(Reach::Loopback, BACKOFF_LOOPBACK), (Reach::Lan, BACKOFF_REMOTE)] {
            let mut whole = BACKOFF_FIRST;
            for pause in pauses(reach, None) {
                assert!(pause <= whole && pause >= whole / 2, "{pause:?} of {whole:?}");
                whole = (whole * 2).min(limit);
            }
        }
        assert_ne!(pauses(Reach::Lan, None)[38], pauses(Reach::Lan, None)[39]);
    }

    #[test]
    fn far_pauses_outlast_the_throttle_of_the_originals() {
        for pause in pauses(Reach::Remote, None) {
            assert!(pause >= BACKOFF_REMOTE && pause <= BACKOFF_REMOTE + BACKOFF_JITTER);
        }
    }

    #[test]
    fn a_link_that_lived_makes_the_next_pause_a_first_one() {
        assert!(pauses(Reach::Lan, Some(SETTLED)).iter().all(|pause| *pause <= BACKOFF_FIRST));
        assert!(pauses(Reach::Loopback, Some(Duration::ZERO)).iter().all(|pause| *pause <= BACKOFF_FIRST));
        assert!(pauses(Reach::Lan, Some(Duration::from_secs(29)))[5] > BACKOFF_FIRST);
    }
}
