//! What we announce, and what peers may still go by.

use std::time::Duration;

use undertone_base::Mono;

use crate::dialect::{Protocol, RateLimits};
use crate::engine::{Config, Confirm};
use crate::limits::TOLERANCE;
use crate::wire::{Interest, Service, Status, TopicInterest, waku};
use crate::{Bloom, Pow, Topic};

/// A value that peers may still go by for a while after it changed.
#[derive(Clone, Debug)]
pub(crate) struct Tolerant<T> {
    current: T,
    earlier: Option<(T, Mono)>,
}

impl<T: Clone> Tolerant<T> {
    pub(crate) const fn new(current: T) -> Self {
        Self { current, earlier: None }
    }

    pub(crate) const fn current(&self) -> &T {
        &self.current
    }

    /// Puts a new value in force; `merge` joins what is still tolerated with what is replaced.
    pub(crate) fn set(&mut self, value: T, now: Mono, window: Duration, merge: impl FnOnce(T, T) -> T) {
        let replaced = std::mem::replace(&mut self.current, value);
        let old = match self.earlier.take() {
            Some((earlier, until)) if until > now => merge(earlier, replaced),
            _ => replaced,
        };
        self.earlier = Some((old, now.after(window)));
    }

    /// Whether the value in force or a tolerated one passes.
    pub(crate) fn any(&self, now: Mono, pass: impl Fn(&T) -> bool) -> bool {
        pass(&self.current)
            || self.earlier.as_ref().is_some_and(|(earlier, until)| *until > now && pass(earlier))
    }
}

/// How peers of Waku are told which topics are wanted here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WakuMode {
    /// They are told that everything is, whatever the filter for Whisper says.
    Full,
    /// By the filter that peers of Whisper are told too.
    #[default]
    Bloom,
    /// By name, as status-go does: no false positives, and every peer can read the list. nim-waku parts from whoever does
    /// that while it does so itself.
    Topics,
}

/// The requirement, filter and topics that we announce.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) min_pow: Tolerant<Pow>,
    /// For Whisper; `None` = all.
    pub(crate) bloom: Tolerant<Option<Bloom>>,
    /// For Waku.
    pub(crate) interest: Tolerant<Interest>,
    mode: WakuMode,
    pub(crate) service: Service,
    pub(crate) confirmations: bool,
    pub(crate) packet_limits: RateLimits,
    pub(crate) byte_limits: RateLimits,
}

impl Wishes {
    pub(crate) fn new(config: &Config) -> Self {
        let interest = match config.waku {
            WakuMode::Full => Interest::Everything,
            WakuMode::Bloom => of_bloom(config.bloom),
            // DEVIATION: a node of status-go that names topics and has none yet says nothing, and its peers send it
            // everything. Ours says that it wants nothing (test `no_topic_yet_means_nothing`).
            WakuMode::Topics => Interest::Topics(TopicInterest::default()),
        };
        Self {
            // DEVIATION: geth's Whisper starts with a tolerance of 0.2 whatever its minimum is; a node started
            // with 5.0 then accepts 0.2 for ever. Ours starts with the configured one, as Waku does
            // (test `tolerance_windows`).
            min_pow: Tolerant::new(config.min_pow),
            bloom: Tolerant::new(config.bloom),
            interest: Tolerant::new(interest),
            mode: config.waku,
            service: config.service,
            confirmations: !matches!(config.confirm, Confirm::Never),
            packet_limits: config.packet_limits,
            byte_limits: config.byte_limits,
        }
    }

    /// What is said by `shh/6`.
    pub(crate) const fn status(&self) -> Status {
        Status {
            min_pow: *self.min_pow.current(),
            bloom: *self.bloom.current(),
            service: self.service,
            confirmations: self.confirmations,
            limits: self.packet_limits,
        }
    }

    /// What is said by Waku.
    pub(crate) fn waku_status(&self) -> waku::Status {
        waku::Status {
            min_pow: *self.min_pow.current(),
            interest: self.interest.current().clone(),
            service: self.service,
            confirmations: self.confirmations,
            packet_limits: self.packet_limits,
            byte_limits: self.byte_limits,
        }
    }

    /// Asks for what fits another filter, by Waku too if it goes by filters.
    pub(crate) fn set_bloom(&mut self, bloom: Option<Bloom>, now: Mono) {
        self.bloom.set(bloom, now, TOLERANCE, |a, b| Some(a?.union(&b?)));
        if self.mode == WakuMode::Bloom {
            self.interest.set(of_bloom(bloom), now, TOLERANCE, either);
        }
    }

    /// Asks for other topics, if Waku goes by names.
    ///
    /// DEVIATION: status-go refuses a subscription above 10,000 topics. Here the filter is told instead, which has no
    /// limit (test `too_many_topics_are_told_as_a_filter`).
    pub(crate) fn set_topics(&mut self, topics: impl IntoIterator<Item = Topic>, now: Mono) {
        if self.mode == WakuMode::Topics {
            let named = TopicInterest::new(topics).map(Interest::Topics);
            let interest = named.unwrap_or_else(|_| of_bloom(*self.bloom.current()));
            self.interest.set(interest, now, TOLERANCE, either);
        }
    }

    /// Whether an envelope on `topic` that came by `protocol` is one that we ask for, or did a moment ago.
    pub(crate) fn ask_for(&self, now: Mono, protocol: Protocol, topic: Topic) -> bool {
        match protocol {
            Protocol::Waku => self.interest.any(now, |interest| interest.wants(topic)),
            Protocol::Whisper => {
                self.bloom.any(now, |bloom| bloom.as_ref().is_none_or(|bloom| bloom.wants(topic)))
            }
        }
    }
}

fn of_bloom(bloom: Option<Bloom>) -> Interest {
    bloom.map_or(Interest::Everything, Interest::bloom)
}

/// What either wants, and maybe more: it is for seconds.
fn either(a: Interest, b: Interest) -> Interest {
    match (a, b) {
        (Interest::Bloom(a), Interest::Bloom(b)) => Interest::Bloom(a.union(&b)),
        (Interest::Topics(a), Interest::Topics(b)) => {
            TopicInterest::new(a.iter().chain(b.iter())).map_or(Interest::Everything, Interest::Topics)
        }
        _ => Interest::Everything,
    }
}
