//! What Waku adds on the wire, rates, and filters.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use undertone_base::{Mono, Secret};
use undertone_crypto::{MemoryKeyring, SecretKey};
use undertone_whisper::filters::{Arrival, Direct, Filter, FilterId, FilterKey, Filters, OpenJob};
use undertone_whisper::rate::{RateLimiter, Source, Verdict};
use undertone_whisper::wire::waku::{Options, Status};
use undertone_whisper::wire::{DirectForm, TopicInterest, decode_direct};
use undertone_whisper::{PeerId, Pow, RateLimits, RawEnvelope, Topic, WakuVersion};

use crate::sealed::{BOB, symmetric};

/// The body of any packet of Waku, in both versions.
pub fn waku_packet(data: &[u8]) {
    for version in [WakuVersion::V0, WakuVersion::V1] {
        if let Ok(options) = Options::decode(version, data) {
            let again = options.encode(version);
            assert!(again.len() <= data.len() + 72, "what is written is no longer, but for an empty filter");
            assert_eq!(Options::decode(version, &again).as_ref(), Ok(&options));
            let mut status = Status::default();
            status.apply(&options);
            assert!(options.interest().is_none_or(|interest| interest == status.interest));
        }
        if let Ok(status) = Status::decode(version, data) {
            assert_eq!(Status::decode(version, &status.encode(version)).as_ref(), Ok(&status));
            assert!(status.changes_since(&status).encode(version) == [0xc0], "nothing changed");
        }
    }
    if let Ok(limits) = RateLimits::decode(data) {
        assert!(
            data.starts_with(&limits.encode()),
            "there is one encoding; what stands behind it is skipped"
        );
    }
    for form in [DirectForm::BareOrList, DirectForm::List] {
        if let Ok(messages) = decode_direct(data, form) {
            let len: usize = messages.iter().map(|raw| raw.data.len() + 9).sum();
            assert!(len <= data.len());
        }
    }
    let topics = data.chunks_exact(4).filter_map(Topic::from_slice);
    if let Ok(interest) = TopicInterest::new(topics.clone()) {
        assert!(topics.clone().all(|topic| interest.contains(topic)));
    }
}

/// Limits and packets. The first eight bytes are the limits; then a list of records: which peer and address, and how
/// many bytes come how much later (two bytes each, in KiB and in hundredths of a second), then topics.
pub fn rates(data: &[u8]) {
    let Some(([a, b, c, d, e, f, g, h], steps)) = data.split_first_chunk() else { return };
    let limits = |ip: &u8, peer: &u8, unit: u64| RateLimits {
        ip: u64::from(*ip) * unit,
        peer: u64::from(*peer) * unit,
        topic: u64::from(*e),
    };
    let (packets, bytes) = (limits(a, b, 1 + u64::from(*f)), limits(c, d, 1 + u64::from(*g) * u64::from(*h)));
    let mut limiter = RateLimiter::new(packets, bytes);
    let mut twin = limiter.clone();
    let mut now = Mono::ZERO;
    for (op, body) in crate::records(steps) {
        let number =
            |at: usize| body.get(at..at + 2).map_or(0, |two| u64::from(two[0]) << 8 | u64::from(two[1]));
        now = now.after(Duration::from_millis(10 * number(2)));
        let peer = PeerId(u64::from(op & 15));
        let source = Source { peer, ip: Some(IpAddr::from([10, 0, 0, op >> 6])) };
        let size = number(0) as usize * 1_024;
        let verdict = limiter.admit(now, source, size);
        assert_eq!(verdict, twin.admit(now, source, size), "same inputs, same verdicts");
        let until = match verdict {
            Verdict::Ok => now,
            Verdict::DeferUntil(until) | Verdict::Flood { until } => until,
            Verdict::Over { bytes, until } => {
                assert!(bytes < size || size == 0);
                until
            }
        };
        assert!(now <= until && until <= now.after(Duration::from_secs(1)), "a second at most");
        for topic in body.get(4..).unwrap_or_default().chunks_exact(4).filter_map(Topic::from_slice) {
            let fits = limiter.admit_on_topic(now, peer, topic);
            assert_eq!(fits, twin.admit_on_topic(now, peer, topic));
            assert!(fits || packets.topic > 0);
        }
        if op >> 4 & 3 == 3 {
            limiter.forget(peer);
            twin.forget(peer);
        }
    }
    assert!(limiter.len().0 <= 16 && limiter.len().1 <= 4);
}

/// Filters for the keys of `whisper_crypto.json`. A list of records: an envelope comes, a filter is installed (key and
/// wishes, then topics), removed or read, a job starts, ends or fails.
pub fn filters(data: &[u8]) {
    let mut people = People::new();
    for (op, body) in crate::records(data) {
        people.step(op, body);
    }
    people.finish();
}

struct People {
    filters: Filters,
    bob: FilterKey,
    shared: [FilterKey; 2],
    ids: Vec<FilterId>,
    jobs: Vec<OpenJob>,
}

impl People {
    fn new() -> Self {
        let mut keyring = MemoryKeyring::new();
        let bob = keyring.insert(SecretKey::from_hex(BOB).expect("a scalar in range"));
        let shared = [symmetric(), Secret::new([7; 32])].map(|key| FilterKey::Symmetric(Arc::new(key)));
        let bob = FilterKey::Asymmetric(bob);
        Self { filters: Filters::new(Arc::new(keyring)), bob, shared, ids: Vec::new(), jobs: Vec::new() }
    }

    fn step(&mut self, op: u8, body: &[u8]) {
        match op & 7 {
            0..=2 => {
                let how = if op & 8 == 0 { Arrival::Broadcast } else { Arrival::Direct };
                if let Ok(raw) = RawEnvelope::decode(body) {
                    self.filters.offer(&raw.to_envelope(raw.hash(), &raw.work()), how);
                }
            }
            3 => self.install(op >> 3, body),
            4 => {
                if let Some(id) = self.pick(body) {
                    self.filters.remove(id).expect("it was there");
                    self.ids.retain(|other| *other != id);
                    assert!(self.filters.take(id).is_err());
                }
            }
            5 => {
                if let Some(id) = self.pick(body) {
                    self.take(id);
                }
            }
            6 => self.jobs.extend(self.filters.poll_job()),
            _ if self.jobs.is_empty() => {}
            _ => {
                let job = self.jobs.remove(usize::from(op >> 3) % self.jobs.len());
                match op >> 6 {
                    0 => self.filters.job_failed(job.id()),
                    _ => self.filters.job_done(job.run()),
                }
            }
        }
    }

    fn install(&mut self, wishes: u8, body: &[u8]) {
        let key = match wishes & 3 {
            0 => &self.bob,
            1 => &self.shared[0],
            _ => &self.shared[1],
        };
        let filter = Filter {
            topics: body.chunks_exact(4).filter_map(Topic::from_slice).collect(),
            min_pow: if wishes & 4 == 0 { Pow::ZERO } else { Pow::STATUS },
            direct: if wishes & 8 == 0 { Direct::Ignored } else { Direct::Taken },
            ..Filter::of(key.clone())
        };
        if let Ok(id) = self.filters.install(filter) {
            self.ids.push(id);
        }
    }

    fn pick(&self, body: &[u8]) -> Option<FilterId> {
        let which = usize::from(*body.first()?);
        self.ids.get(which.checked_rem(self.ids.len())?).copied()
    }

    fn take(&mut self, id: FilterId) {
        let messages = self.filters.take(id).expect("it is there");
        let filter = self.filters.filter(id).expect("it is there");
        let mut seen = BTreeSet::new();
        for message in messages {
            assert!(seen.insert(message.hash), "a message is there once");
            assert!(filter.topics.is_empty() || filter.topics.contains(&message.header.topic));
            assert!(message.pow >= filter.min_pow.value());
            assert_eq!(message.recipient.is_some(), matches!(filter.key, FilterKey::Asymmetric(_)));
        }
    }

    /// All work is done, all filters are read: nothing is left.
    fn finish(mut self) {
        for job in std::mem::take(&mut self.jobs) {
            self.filters.job_done(job.run());
        }
        while let Some(job) = self.filters.poll_job() {
            self.filters.job_done(job.run());
        }
        for id in self.ids.clone() {
            self.take(id);
        }
        assert_eq!(self.filters.kept(), (0, 0));
    }
}
