//! When a person is to be told of the clock of their machine: a wrong one costs messages, and nothing else shows it.

use std::fmt;
use std::time::Duration;

use undertone_peers::skew::{SkewEstimate, SkewPrecision};

use crate::limits::{CLOCK_RIGHT, CLOCK_WRONG};

/// How far the clock of this machine is from those of others. A word for a person: nothing is decided by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClockNotice {
    /// The others' clocks minus ours in milliseconds, their median: positive when ours is behind.
    pub offset_ms: i64,
    /// Whether it is that at least: refusals say no more.
    pub at_least: bool,
    /// How many others say so. Fewer than three where that is all whom there is a link to; the text says so.
    pub sources: usize,
}

impl ClockNotice {
    /// Whether it is wrong: peers refuse what is sent. Otherwise it was wrong, and is right again.
    pub fn is_wrong(&self) -> bool {
        self.apart() > CLOCK_RIGHT
    }

    fn is_news_after(&self, said: &Self) -> bool {
        let moved = Duration::from_millis(said.offset_ms.abs_diff(self.offset_ms));
        let same_side = said.offset_ms.signum() == self.offset_ms.signum();
        if self.at_least && same_side && said.apart() >= self.apart() {
            return false;
        }
        let found = said.at_least && !self.at_least && moved > CLOCK_RIGHT;
        !self.is_wrong() || found || moved >= CLOCK_WRONG
    }

    fn apart(&self) -> Duration {
        Duration::from_millis(self.offset_ms.unsigned_abs())
    }
}

/// A sentence without its period: `your clock is about 25 s ahead`. Of few who say so, with how many they are.
impl fmt::Display for ClockNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_wrong() {
            return f.write_str("your clock is right again");
        }
        let side = if self.offset_ms < 0 { "ahead" } else { "behind" };
        let how = if self.at_least { "at least" } else { "about" };
        write!(f, "your clock is {how} {} s {side}", (self.apart().as_millis() + 500) / 1_000)?;
        f.write_str(match self.sources {
            0 | 1 => ", by the word of one relay alone",
            2 => ", by the word of two relays alone",
            _ => "",
        })
    }
}

/// What was said last, so that nobody is told the same twice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClockWatch {
    said: Option<ClockNotice>,
}

impl ClockWatch {
    /// What is to be said now. Once when the clock is found wrong, again when it is wrong by much more or less, and when it
    /// is right again, or a figure takes the place of the least that it could be. Too few sources say nothing.
    pub(crate) fn look(&mut self, estimate: Option<SkewEstimate>) -> Option<ClockNotice> {
        let SkewEstimate { offset_ms, precision, sources } = estimate?;
        let now = ClockNotice { offset_ms, at_least: precision == SkewPrecision::AtLeast, sources };
        let news = match self.said {
            None => now.apart() >= CLOCK_WRONG,
            Some(said) => now.is_news_after(&said),
        };
        if !news {
            return None;
        }
        self.said = now.is_wrong().then_some(now);
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_once_and_again_when_it_changes() {
        let mut watch = ClockWatch::default();
        let mut look = |offset_ms: i64| {
            let estimate = SkewEstimate { offset_ms, precision: SkewPrecision::About, sources: 3 };
            watch.look(Some(estimate)).map(|notice| notice.to_string())
        };
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(look(0), None);
        assert_eq!(look(-9_999), None);
        assert_eq!(look(-10_000), said("your clock is about 10 s ahead"));
        assert_eq!(look(-10_000), None);
        assert_eq!(look(-19_999), None);
        assert_eq!(look(-24_600), said("your clock is about 25 s ahead"));
        assert_eq!(look(-6_000), said("your clock is about 6 s ahead"));
        assert_eq!(look(5_000), said("your clock is right again"));
        assert_eq!(look(5_000), None);
        assert_eq!(look(90_000), said("your clock is about 90 s behind"));
        assert_eq!(look(i64::MIN), said("your clock is about 9223372036854776 s ahead"));
    }

    #[test]
    fn the_person_reads_on_what_it_rests() {
        use SkewPrecision::{About, AtLeast};
        let mut watch = ClockWatch::default();
        let mut look = |offset_ms, precision, sources| {
            let notice = watch.look(Some(SkewEstimate { offset_ms, precision, sources }));
            notice.map_or_else(String::new, |notice| notice.to_string())
        };
        assert_eq!(
            look(-10_000, AtLeast, 1),
            "your clock is at least 10 s ahead, by the word of one relay alone"
        );
        assert_eq!(look(-10_000, AtLeast, 2), "", "it is the same");
        assert_eq!(
            look(-16_000, About, 2),
            "your clock is about 16 s ahead, by the word of two relays alone"
        );
        assert_eq!(look(-10_000, AtLeast, 3), "", "that was said, and more");
        assert_eq!(look(20_000, AtLeast, 3), "your clock is at least 20 s behind");
        assert_eq!(look(24_000, About, 3), "", "four seconds more are no news");
        assert_eq!(look(-400, About, 1), "your clock is right again");
    }

    #[test]
    fn too_few_sources_change_nothing() {
        let mut watch = ClockWatch::default();
        let wrong = SkewEstimate { offset_ms: 60_000, precision: SkewPrecision::About, sources: 5 };
        assert_eq!(watch.look(None), None);
        assert!(watch.look(Some(wrong)).is_some_and(|notice| notice.is_wrong() && notice.sources == 5));
        assert_eq!(watch.look(None), None);
        assert_eq!(watch.look(Some(wrong)), None);
    }
}
