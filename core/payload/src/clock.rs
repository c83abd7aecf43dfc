//! Lamport clocks: the order of a conversation.

use undertone_base::{FaultClass, Severity, Unix};

use crate::limits::CLOCK_DRIFT_MAX;

/// A Lamport clock that starts from the wall clock, so that it looks like milliseconds since 1970. Each chat
/// has one: the highest that was sent or received in it.
///
/// ```
/// use undertone_base::Unix;
/// use undertone_payload::Clock;
///
/// let now = Unix::from_millis(1_600_000_000_000);
/// let first = Clock::bid(Clock::NONE, now);
/// assert_eq!(first.value(), 1_600_000_000_000);
/// assert_eq!(Clock::bid(first, now).value(), 1_600_000_000_001);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Clock(u64);

impl Clock {
    /// No message yet. Never valid in a message.
    pub const NONE: Self = Self(0);

    /// A clock as it came or as it was stored. [`Clock::check`] tells whether it may be believed.
    pub const fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// The number of the wire.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The clock of the next message of a chat whose highest is `last`: the wall clock, or one more than
    /// `last` if that is not below it. Never [`Clock::NONE`].
    pub fn bid(last: Self, now: Unix) -> Self {
        Self(now.millis().max(last.0.saturating_add(1)))
    }

    /// The highest of the two: what a chat's clock becomes when a message with `other` was sent or stored.
    #[must_use]
    pub fn raised_by(self, other: Self) -> Self {
        self.max(other)
    }

    /// Judges a received clock. `reference` is the time of the envelope for chat messages, our own time for
    /// reactions and group events (`payloads.md` 3.8).
    ///
    /// Every type must pass here before its clock raises that of a chat: one clock of 2^62, taken without a
    /// check, makes all later messages of that chat unacceptable to everybody (trap 8). What passes is
    /// below 2^63, because no envelope time is within 120 s of it.
    ///
    /// # Errors
    /// [`ClockError::Zero`], or [`ClockError::TooHigh`] when it is more than
    /// [`CLOCK_DRIFT_MAX`] ahead. The past is fine.
    pub fn check(self, reference: Unix) -> Result<(), ClockError> {
        if self == Self::NONE {
            return Err(ClockError::Zero);
        }
        if self.0 > reference.millis().saturating_add(CLOCK_DRIFT_MAX) {
            return Err(ClockError::TooHigh);
        }
        Ok(())
    }
}

/// Why a clock is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// More than [`CLOCK_DRIFT_MAX`] ahead of the reference time.
    #[error("clock is more than {CLOCK_DRIFT_MAX} ms ahead")]
    TooHigh,
    /// Zero or absent.
    #[error("clock is zero")]
    Zero,
}

impl ClockError {
    /// The author's; a wrong wall clock is honest enough.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Mild)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooHigh => "clock.too_high",
            Self::Zero => "clock.zero",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Unix = Unix::from_millis(1_600_000_000_000);

    #[test]
    fn drift_is_bounded_ahead_only() {
        assert_eq!(Clock::NONE.check(NOW), Err(ClockError::Zero));
        assert_eq!(Clock::from_value(1).check(NOW), Ok(()));
        assert_eq!(Clock::from_value(NOW.millis() + CLOCK_DRIFT_MAX).check(NOW), Ok(()));
        assert_eq!(
            Clock::from_value(NOW.millis() + CLOCK_DRIFT_MAX + 1).check(NOW),
            Err(ClockError::TooHigh)
        );
        assert_eq!(Clock::from_value(u64::MAX).check(NOW), Err(ClockError::TooHigh));
    }

    #[test]
    fn the_end_of_clocks_does_not_wrap() {
        assert_eq!(Clock::bid(Clock::from_value(u64::MAX), NOW).value(), u64::MAX);
        assert_eq!(Clock::bid(Clock::NONE, Unix::from_millis(0)).value(), 1);
    }

    #[test]
    fn a_chat_keeps_the_highest() {
        let (low, high) = (Clock::from_value(1), Clock::from_value(2));
        assert_eq!(low.raised_by(high), high);
        assert_eq!(high.raised_by(low), high);
    }
}
