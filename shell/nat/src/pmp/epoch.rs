//! How a router says that it restarted: the seconds since it knows its mappings jump back.

use std::time::Duration;

use tokio::time::Instant;

/// Slack of both clocks (RFC 6886 3.6, RFC 6887 8.5: two seconds).
const SLACK: u64 = 2;

/// The router's seconds at the latest answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Epoch(Option<(u32, Instant)>);

impl Epoch {
    /// Takes the seconds of an answer; says whether the router has lost its mappings since the one before.
    ///
    /// A clock may lag by an eighth (RFC 6886 3.6): a router whose seconds went on by less than seven eighths of ours,
    /// less the slack, has begun anew.
    pub(super) fn observe(&mut self, seconds: u32, now: Instant) -> bool {
        let before = self.0.replace((seconds, now));
        let Some((last, at)) = before else { return false };
        let elapsed: Duration = now.saturating_duration_since(at);
        let expected = u64::from(last).saturating_add(elapsed.as_secs().saturating_mul(7) / 8);
        u64::from(seconds).saturating_add(SLACK) < expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_shows_and_a_slow_clock_does_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut epoch = Epoch::default();
        assert!(!epoch.observe(1_000, at(0)));
        assert!(!epoch.observe(1_088, at(100)), "an eighth slower");
        assert!(!epoch.observe(1_087, at(101)), "two seconds of slack");
        assert!(epoch.observe(3, at(120)), "restarted");
        assert!(!epoch.observe(60, at(180)));
        assert!(epoch.observe(61, at(380)), "restarted long ago");
        assert!(!epoch.observe(u32::MAX, at(400)), "a jump forward loses nothing");
    }
}
