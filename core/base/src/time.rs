//! Time as an argument.

use std::time::Duration;

/// Nanoseconds since an arbitrary start that never goes back. A simulator starts at zero.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mono(u64);

impl Mono {
    /// The start.
    pub const ZERO: Self = Self(0);

    /// The instant `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// This instant moved on by `by`; stops at the end of time (584 years) instead of wrapping.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Time from `earlier` to this instant; zero when `earlier` is in fact later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z by the wall clock.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Unix(u64);

impl Unix {
    /// The instant `millis` milliseconds after 1970.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The instant `secs` seconds after 1970; stops at the largest value instead of wrapping.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, as envelopes and MVDS count.
    pub const fn secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole seconds as the 32 bits of an envelope field; wraps in 2106 as the originals do.
    #[expect(clippy::cast_possible_truncation, reason = "the wire field is 32 bits and wraps by definition")]
    pub const fn secs_u32(self) -> u32 {
        self.secs() as u32
    }

    /// This instant moved on by `by`.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Both clocks, read together by the shell once per call into a machine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// For deadlines, back-off and rates.
    pub mono: Mono,
    /// For what goes on the wire or is shown to a person.
    pub unix: Unix,
}

impl Now {
    /// Both clocks moved on by `by`.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self { mono: self.mono.after(by), unix: self.unix.after(by) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_instead_of_wrapping() {
        let end = Mono::from_nanos(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Mono::ZERO.since(end), Duration::ZERO);
        assert_eq!(Unix::from_secs(u64::MAX).millis(), u64::MAX);
    }

    #[test]
    fn seconds_wrap_at_32_bits_like_an_envelope() {
        assert_eq!(Unix::from_secs(u64::from(u32::MAX) + 8).secs_u32(), 7);
    }
}
