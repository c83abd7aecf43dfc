//! What arriving envelopes say of other clocks.

use std::collections::{BTreeMap, VecDeque};

use undertone_base::{Mono, Now};

use crate::envelope::EnvelopeHash;
use crate::limits::{
    FUTURE_SECS, MAX_CLOCK_SAMPLES, MAX_FIRST_SEEN, MAX_READINGS, MIN_READINGS, READ_EVERY, READ_ON,
    READING_LIFE, SAMPLE_EVERY, SAMPLE_WITHIN, VERY_OLD_SECS,
};
use crate::peer::PeerId;

/// What a sample was taken from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SampleKind {
    /// The time of envelopes: of one that came from two peers within two seconds, or of the freshest in each packet of
    /// a link, some of which were refused for their time.
    Envelope,
    /// The text with which a peer refused an envelope of ours for its time: the least offset that explains it.
    Text,
}

/// How far the clock of whoever sealed an envelope seems to be ahead of ours. The whole second in which it was sealed
/// counts, and its way here, so one sample is half a second to several behind; their median over peers is what counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClockSample {
    /// Who brought the envelope first.
    pub peer: PeerId,
    /// In milliseconds; positive: the other clock is ahead. Untrusted.
    pub offset_ms: i64,
    /// From what.
    pub kind: SampleKind,
}

/// What is wrong between our clock and a peer's, as it says when it refuses an envelope of ours that has just left.
/// Either clock may be the wrong one: what many peers say counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClockFault {
    /// Ours is more than [`FUTURE_SECS`] ahead.
    Ahead,
    /// Ours is behind by more than the life of the envelope and [`VERY_OLD_SECS`].
    Behind,
}

impl ClockFault {
    /// By the text of a refusal (`whisper.md` 1.1 and 5.8): the code is the same for every reason. The texts are
    /// status-go's, which its clients match on, and ours.
    pub(crate) fn of_text(text: &[u8]) -> Option<Self> {
        match text {
            b"envelope from future" => Some(Self::Ahead),
            b"very old envelope" => Some(Self::Behind),
            _ => None,
        }
    }

    /// How far the other clock is ahead at least, in milliseconds.
    pub fn least_offset_ms(self) -> i64 {
        match self {
            Self::Ahead => -1_000 * i64::from(FUTURE_SECS),
            Self::Behind => 1_000 * i64::from(VERY_OLD_SECS),
        }
    }
}

/// Every sixteenth envelope, by its hash: when it came first and from whom. One that soon comes from a second peer was
/// fresh, so its age says something about clocks and not about the way of an old one.
#[derive(Clone, Debug)]
pub(crate) struct FirstSeen {
    seen: BTreeMap<EnvelopeHash, (PeerId, Mono, i64)>,
    order: VecDeque<EnvelopeHash>,
    samples: VecDeque<ClockSample>,
}

impl FirstSeen {
    pub(crate) const fn new() -> Self {
        Self { seen: BTreeMap::new(), order: VecDeque::new(), samples: VecDeque::new() }
    }

    /// An envelope that was sealed at `sent` (Unix seconds) is new.
    pub(crate) fn first(&mut self, now: Now, from: PeerId, hash: EnvelopeHash, sent: u32) {
        if !is_sampled(&hash) {
            return;
        }
        while self.order.len() >= MAX_FIRST_SEEN {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
        let offset_ms = offset_of(now, sent);
        self.seen.insert(hash, (from, now.mono, offset_ms));
        self.order.push_back(hash);
    }

    /// It came again. Gives what it says, once, when that was soon and from another peer.
    pub(crate) fn again(&self, now: Now, from: PeerId, hash: &EnvelopeHash) -> Option<ClockSample> {
        if !is_sampled(hash) {
            return None;
        }
        let (peer, at, offset_ms) = *self.seen.get(hash)?;
        let soon = now.mono <= at.after(SAMPLE_WITHIN);
        (soon && peer != from).then_some(ClockSample { peer, offset_ms, kind: SampleKind::Envelope })
    }

    /// Keeps a sample for whoever asks, if there is room and `last`, the peer's one before, is long ago. Says whether
    /// it did.
    pub(crate) fn keep(&mut self, now: Now, last: Option<Mono>, sample: ClockSample) -> bool {
        let room = self.samples.len() < MAX_CLOCK_SAMPLES;
        let keep = room && last.is_none_or(|last| last.after(SAMPLE_EVERY) <= now.mono);
        if keep {
            self.samples.push_back(sample);
        }
        keep
    }

    pub(crate) fn poll(&mut self) -> Option<ClockSample> {
        self.samples.pop_front()
    }
}

/// What the packets of one link say of clocks, from when the first of its envelopes is refused for its time: by then no
/// envelope may come from two peers and pass, and there may be one peer alone. Each packet has one voice, its freshest
/// envelope, because a peer gives old ones too; one packet in [`READ_EVERY`] is read, and the median of some counts,
/// because one may have been long on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    taken: VecDeque<(Mono, i64)>,
    /// Whether what was found last was far off.
    wrong: bool,
}

impl Readings {
    /// Whether it waits for packets in which everything is in order.
    pub(crate) fn is_reading(&self) -> bool {
        self.wrong || !self.taken.is_empty()
    }

    /// Whether a packet of now may be read.
    pub(crate) fn is_due(&self, now: Mono) -> bool {
        self.taken.back().is_none_or(|(last, _)| last.after(READ_EVERY) <= now)
    }

    /// The freshest envelope of a packet was sealed at `sent` (Unix seconds). Gives what the packets say, in milliseconds,
    /// when they are enough.
    pub(crate) fn add(&mut self, now: Now, sent: u32) -> Option<i64> {
        self.taken.retain(|(at, _)| now.mono.since(*at) < READING_LIFE);
        if self.taken.len() >= MAX_READINGS {
            self.taken.pop_front();
        }
        self.taken.push_back((now.mono, offset_of(now, sent)));
        let (first, _) = self.taken.front()?;
        if self.taken.len() < MIN_READINGS || first.after(SAMPLE_EVERY) > now.mono {
            return None;
        }
        let mut offsets: Vec<i64> = self.taken.drain(..).map(|(_, offset)| offset).collect();
        offsets.sort_unstable();
        let median = offsets.get(offsets.len() / 2).copied()?;
        self.wrong = u128::from(median.unsigned_abs()) > READ_ON.as_millis();
        Some(median)
    }
}

/// How far the other clock is ahead by an envelope of now, in milliseconds.
fn offset_of(now: Now, sent: u32) -> i64 {
    let ours = i64::try_from(now.unix.millis()).unwrap_or(i64::MAX);
    (i64::from(sent) * 1_000).saturating_sub(ours)
}

fn is_sampled(hash: &EnvelopeHash) -> bool {
    hash.as_bytes().last().is_some_and(|byte| byte % 16 == 0)
}
