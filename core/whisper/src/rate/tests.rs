//! Verdicts against a naive model, and what must hold whatever is offered.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SECOND: u128 = NANOS;

fn at(millis: u64) -> Mono {
    Mono::from_nanos(millis * 1_000_000)
}

fn peer_limits(packets: u64, bytes: u64) -> (RateLimits, RateLimits) {
    (RateLimits { peer: packets, ..RateLimits::NONE }, RateLimits { peer: bytes, ..RateLimits::NONE })
}

fn limiter((packets, bytes): (RateLimits, RateLimits)) -> RateLimiter {
    RateLimiter::new(packets, bytes)
}

fn from(peer: u64) -> Source {
    Source { peer: PeerId(peer), ip: Some(IpAddr::from([10, 0, 0, u8::try_from(peer % 250).unwrap()])) }
}

fn room_of(verdict: Verdict, bytes: usize) -> usize {
    match verdict {
        Verdict::Ok | Verdict::DeferUntil(_) => bytes,
        Verdict::Over { bytes, .. } => bytes,
        Verdict::Flood { .. } => 0,
    }
}

fn until(verdict: Verdict) -> Option<Mono> {
    match verdict {
        Verdict::Ok => None,
        Verdict::DeferUntil(until) | Verdict::Over { until, .. } | Verdict::Flood { until } => Some(until),
    }
}

#[test]
fn a_second_is_free_and_a_second_is_owed() {
    let mut limiter = limiter(peer_limits(5, 0));
    let verdicts: Vec<_> = (0..12).map(|_| limiter.admit(at(0), from(1), 100)).collect();
    assert_eq!(verdicts[..5], [Verdict::Ok; 5]);
    let owed: Vec<_> = (1..=5).map(|n| Verdict::DeferUntil(at(200 * n))).collect();
    assert_eq!(verdicts[5..10], owed);
    assert_eq!(verdicts[10..], [Verdict::Over { bytes: 0, until: at(1_000) }; 2]);
    // A second later that is paid, and nothing is free yet.
    assert_eq!(limiter.admit(at(1_000), from(1), 100), Verdict::DeferUntil(at(1_200)));
    assert_eq!(limiter.admit(at(2_300), from(1), 100), Verdict::Ok);
    assert_eq!(limiter.admit(at(0), from(2), 100), Verdict::Ok, "another peer");
}

#[test]
fn of_a_packet_that_is_too_large_the_best_is_taken() {
    let mut limiter = limiter(peer_limits(0, 1_000));
    assert_eq!(limiter.admit(at(0), from(1), 5_000), Verdict::Over { bytes: 2_000, until: at(1_000) });
    assert_eq!(limiter.admit(at(500), from(1), 5_000), Verdict::Over { bytes: 500, until: at(1_500) });
}

#[test]
fn small_limits_refill() {
    let mut limiter = limiter(peer_limits(1, 0));
    for second in 0..20 {
        let verdict = limiter.admit(at(1_000 * second), from(1), 1);
        assert_eq!(verdict, Verdict::Ok, "second {second}");
    }
}

#[test]
fn a_limit_of_nothing_is_none() {
    let mut limiter = limiter(peer_limits(0, 0));
    assert!(!limiter.is_on());
    for _ in 0..10_000 {
        assert_eq!(limiter.admit(at(0), from(1), 1 << 20), Verdict::Ok);
        assert!(limiter.admit_on_topic(at(0), PeerId(1), Topic::from_bytes([0; 4])));
    }
}

#[test]
fn an_address_is_shared_and_ends_no_link() {
    let packets = RateLimits { ip: 10, ..RateLimits::NONE };
    let mut limiter = RateLimiter::new(packets, RateLimits::NONE);
    let shared = |peer| Source { peer: PeerId(peer), ip: Some(IpAddr::from([10, 0, 0, 1])) };
    for n in 0..200 {
        let verdict = limiter.admit(at(0), shared(n), 1);
        assert_eq!(room_of(verdict, 1), usize::from(n < 20));
        assert!(!matches!(verdict, Verdict::Flood { .. }), "{n}");
    }
    let elsewhere = Source { peer: PeerId(1), ip: Some(IpAddr::from([10, 0, 0, 2])) };
    assert_eq!(limiter.admit(at(0), elsewhere, 1), Verdict::Ok);
    assert_eq!(limiter.admit(at(0), Source { peer: PeerId(1), ip: None }, 1), Verdict::Ok);
    // The link comes anew: the address owes still.
    limiter.forget(PeerId(3));
    assert!(matches!(limiter.admit(at(0), shared(3), 1), Verdict::Over { bytes: 0, .. }));
}

#[test]
fn a_subscriber_is_one_address() {
    let of = |text: &str| Address::of(text.parse().unwrap());
    assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
}

#[test]
fn what_is_remembered_is_bounded() {
    let packets = RateLimits { ip: 1, peer: 1, topic: 1 };
    let mut limiter = RateLimiter::new(packets, RateLimits::NONE);
    for n in 0..10_000u32 {
        let ip = Some(IpAddr::from(n.to_be_bytes()));
        limiter.admit(at(0), Source { peer: PeerId(n.into()), ip }, 1);
        limiter.admit_on_topic(at(0), PeerId(9_999_999), Topic::from_bytes(n.to_be_bytes()));
    }
    assert_eq!(limiter.len(), (MAX_RATED_PEERS, MAX_RATED_ADDRESSES));
    let topics = &limiter.peers.entry(PeerId(9_999_999)).topics;
    assert_eq!((topics.len(), topics.order.len()), (MAX_RATED_TOPICS, MAX_RATED_TOPICS));
    for peer in 0..10_000 {
        limiter.forget(PeerId(peer));
    }
    assert_eq!((limiter.len().0, limiter.peers.order.len()), (1, 1));
}

#[test]
fn topics_are_counted_for_each_peer() {
    let packets = RateLimits { topic: 3, ..RateLimits::NONE };
    let mut limiter = RateLimiter::new(packets, RateLimits::NONE);
    let (busy, quiet) = (Topic::from_bytes([1; 4]), Topic::from_bytes([2; 4]));
    let mut taken = |now, peer, topic, count| {
        (0..count).filter(|_| limiter.admit_on_topic(now, PeerId(peer), topic)).count()
    };
    assert_eq!(taken(at(0), 1, busy, 100), 3);
    assert_eq!(taken(at(0), 1, quiet, 100), 3, "another topic");
    assert_eq!(taken(at(0), 2, busy, 100), 3, "another peer: nobody silences a topic");
    assert_eq!(taken(at(334), 1, busy, 100), 1);
    assert_eq!(taken(at(60_000), 1, busy, 100), 3, "no more than a second is saved");
}

#[test]
fn we_go_by_what_a_peer_asks() {
    let (packets, bytes) = (RateLimits { ip: 1, peer: 2, topic: 0 }, RateLimits::NONE);
    let mut pace = Pace::default();
    let (mut now, mut sent) = (at(0), 0);
    while now < at(10_000) {
        now = pace.ready_at(now, &packets, &bytes);
        pace.sent(now, &packets, &bytes, 400);
        sent += 1;
    }
    assert!((20..=22).contains(&sent), "{sent} packets in ten seconds of two");
    assert_eq!(pace.ready_at(now, &RateLimits::NONE, &RateLimits::NONE), now);
    // Whoever asks without limits takes nothing from what was waited.
    let due = pace.ready_at(now, &packets, &bytes);
    assert!(due > now);
    assert_eq!(pace.ready_at(due, &RateLimits::NONE, &RateLimits::NONE), due);
    assert_eq!(pace.ready_at(due, &packets, &bytes), due);
}

/// One bucket, told differently: a queue whose server is done with all of it at `done`, in billionths of a token.
#[derive(Clone, Copy, Default)]
struct Queue {
    /// When the server is done, in nanoseconds times the limit.
    done: u128,
}

impl Queue {
    fn backlog(&self, now: u128, limit: u128) -> u128 {
        self.done.saturating_sub(now * limit)
    }

    fn push(&mut self, now: u128, limit: u128, count: u128) {
        self.done = self.done.max(now * limit) + count * SECOND;
    }
}

/// The limits of one place and what it has queued: packets, bytes.
#[derive(Clone, Default)]
struct Place {
    limit: [u128; 2],
    queues: [Queue; 2],
}

impl Place {
    fn room(&self, now: u128, which: usize) -> u128 {
        let limit = self.limit[which];
        match limit {
            0 => u128::MAX,
            _ => (2 * limit * SECOND).saturating_sub(self.queues[which].backlog(now, limit)) / SECOND,
        }
    }

    fn take(&mut self, now: u128, counts: [u128; 2]) {
        for (which, count) in counts.into_iter().enumerate() {
            if self.limit[which] > 0 {
                self.queues[which].push(now, self.limit[which], count);
            }
        }
    }

    fn wait(&self, now: u128) -> u128 {
        let of = |which: usize| {
            let limit = self.limit[which];
            let over = self.queues[which].backlog(now, limit).saturating_sub(limit * SECOND);
            if limit == 0 { 0 } else { over.div_ceil(limit) }
        };
        of(0).max(of(1))
    }
}

/// All of it, told differently.
#[derive(Default)]
struct Model {
    limits: [[u128; 2]; 2],
    peers: BTreeMap<u64, (Place, Place)>,
    addresses: BTreeMap<u64, Place>,
}

impl Model {
    fn admit(&mut self, now: Mono, peer: u64, address: u64, bytes: usize) -> Verdict {
        let [of_peer, of_address] = self.limits;
        let now = u128::from(now.nanos());
        let fresh = |limit| Place { limit, queues: Default::default() };
        let (peer, offered) =
            self.peers.entry(peer).or_insert_with(|| (fresh(of_peer), fresh(of_peer.map(|l| 10 * l))));
        let address = self.addresses.entry(address).or_insert_with(|| fresh(of_address));
        let counts = [1, bytes as u128];
        let flood = (0..2).any(|which| {
            let limit = offered.limit[which];
            let most = if which == 1 { (2 * limit).max(MAX_MESSAGE as u128) } else { 2 * limit };
            limit > 0 && offered.queues[which].backlog(now, limit) + counts[which] * SECOND > most * SECOND
        });
        if !flood {
            offered.take(now, counts);
        }
        let packets = peer.room(now, 0).min(address.room(now, 0));
        let room = peer.room(now, 1).min(address.room(now, 1)).min(bytes as u128);
        if !flood && packets > 0 {
            peer.take(now, [1, room]);
            address.take(now, [1, room]);
        }
        let wait = peer.wait(now).max(address.wait(now));
        let until = Mono::from_nanos(u64::try_from(now + wait).unwrap());
        let room = usize::try_from(room).unwrap();
        match (flood, packets > 0, room == bytes, wait == 0) {
            (true, ..) => Verdict::Flood { until },
            (_, false, ..) => Verdict::Over { bytes: 0, until },
            (_, _, false, _) => Verdict::Over { bytes: room, until },
            (_, _, _, false) => Verdict::DeferUntil(until),
            _ => Verdict::Ok,
        }
    }
}

/// Milliseconds since the last, peer, bytes.
fn traffic() -> impl Strategy<Value = Vec<(u64, u64, usize)>> {
    let gap = prop_oneof![4 => Just(0u64), 4 => 0u64..50, 1 => 0u64..3_000];
    let size = prop_oneof![3 => 0usize..2_000, 1 => 0usize..2_000_000];
    prop::collection::vec((gap, 0u64..4, size), 1..120)
}

fn some_limits() -> impl Strategy<Value = [[u64; 2]; 2]> {
    let packets = prop_oneof![Just(0u64), 1u64..20];
    let bytes = prop_oneof![Just(0u64), 1u64..5_000, Just(1 << 20)];
    let pair = (packets, bytes).prop_map(|(packets, bytes)| [packets, bytes]);
    (pair.clone(), pair).prop_map(|(a, b)| [a, b])
}

fn machine([of_peer, of_address]: [[u64; 2]; 2]) -> RateLimiter {
    let limits = |which: usize| RateLimits { ip: of_address[which], peer: of_peer[which], topic: 0 };
    RateLimiter::new(limits(0), limits(1))
}

/// Two addresses for four peers.
fn source(peer: u64) -> Source {
    Source { peer: PeerId(peer), ip: Some(IpAddr::from([10, 0, 0, u8::try_from(peer / 2).unwrap()])) }
}

proptest! {
    #[test]
    fn verdicts_are_those_of_the_model(limits in some_limits(), traffic in traffic()) {
        let mut limiter = machine(limits);
        let mut again = limiter.clone();
        let mut model = Model { limits: limits.map(|pair| pair.map(u128::from)), ..Model::default() };
        let mut now = at(10);
        for (gap, peer, bytes) in traffic {
            now = now.after(Duration::from_millis(gap));
            let verdict = limiter.admit(now, source(peer), bytes);
            prop_assert_eq!(verdict, model.admit(now, peer, peer / 2, bytes));
            prop_assert_eq!(verdict, again.admit(now, source(peer), bytes), "same inputs, same verdicts");
            let until = until(verdict);
            prop_assert!(until.is_none_or(|until| until <= now.after(Duration::from_secs(1))));
        }
    }

    /// In any time no more is taken than the limit in each second of it and two more.
    #[test]
    fn no_more_is_taken_than_the_limit(limits in some_limits(), traffic in traffic()) {
        let [[packets, bytes_limit], _] = limits;
        let mut limiter = machine(limits);
        let mut taken: Vec<(Mono, u64)> = Vec::new();
        let mut now = at(0);
        for (gap, _, bytes) in traffic {
            now = now.after(Duration::from_millis(gap));
            let verdict = limiter.admit(now, source(0), bytes);
            let room = room_of(verdict, bytes);
            if room > 0 || matches!(verdict, Verdict::Ok | Verdict::DeferUntil(_)) {
                taken.push((now, room as u64));
            }
        }
        for (first, (start, _)) in taken.iter().enumerate() {
            for last in first..taken.len() {
                let window = taken[last].0.since(*start).as_nanos() + 2 * SECOND;
                let count = (last - first + 1) as u128;
                let sum: u64 = taken[first..=last].iter().map(|(_, bytes)| bytes).sum();
                prop_assert!(packets == 0 || count * SECOND <= window * u128::from(packets));
                prop_assert!(bytes_limit == 0 || u128::from(sum) * SECOND <= window * u128::from(bytes_limit));
            }
        }
    }

    /// A sender whose packets are read when the verdicts say so, and which fit a second, loses none, and gets its limit.
    #[test]
    fn whoever_is_read_no_faster_loses_nothing(packets in 1u64..50, bytes in 2_000u64..100_000, sizes in prop::collection::vec(1usize..2_000, 50..200)) {
        let mut limiter = limiter(peer_limits(packets, bytes));
        let mut now = at(0);
        for size in &sizes {
            let verdict = limiter.admit(now, from(1), *size);
            prop_assert_eq!(room_of(verdict, *size), *size);
            now = until(verdict).unwrap_or(now);
        }
        let total: usize = sizes.iter().sum();
        let least = (sizes.len() as f64 / packets as f64).max(total as f64 / bytes as f64);
        prop_assert!(now.since(at(0)).as_secs_f64() <= least + 1.0, "no slower than the limits");
    }

    /// Traffic of ten times the limit in each second, at whatever moments of it, ends no link, whoever else is there.
    #[test]
    fn no_link_ends_below_ten_times_the_limit(
        packets in 1u64..30,
        offsets in prop::collection::vec(0u64..1_000, 1..300),
        others in traffic(),
    ) {
        let mut limiter = machine([[packets, 0], [packets, 0]]);
        let each = usize::try_from(10 * packets).unwrap();
        let mut times: Vec<(u64, u64)> = Vec::new();
        for (second, skip) in [(0, 0), (1, 7), (2, 100), (4, 3)] {
            let some = offsets.iter().cycle().skip(skip).take(each);
            times.extend(some.map(|offset| (second * 1_000 + offset, 0)));
        }
        let mut clock = 0;
        for (gap, peer, _) in others {
            clock += gap;
            times.push((clock, 1 + peer % 3));
        }
        times.sort_unstable();
        for (millis, peer) in times {
            let flood = matches!(limiter.admit(at(millis), source(peer), 1), Verdict::Flood { .. });
            prop_assert!(peer != 0 || !flood, "at {}", millis);
        }
    }

    /// And whoever goes on far above it is called a flood soon.
    #[test]
    fn a_flood_is_called_one(packets in 1u64..30) {
        let mut limiter = limiter(peer_limits(packets, 0));
        let all: Vec<_> = (0..60 * packets).map(|n| limiter.admit(at(1_000 * n / (20 * packets)), from(1), 1)).collect();
        let first = all.iter().position(|v| matches!(v, Verdict::Flood { .. })).unwrap() as u64;
        prop_assert!((20 * packets..=40 * packets).contains(&first), "{}", first);
        prop_assert!(until(*all.last().unwrap()).is_some());
    }

    /// What one address does is nothing to another.
    #[test]
    fn addresses_are_apart(limits in some_limits(), traffic in traffic()) {
        let (mut alone, mut together) = (machine(limits), machine(limits));
        let mut now = at(0);
        for (gap, peer, bytes) in traffic {
            now = now.after(Duration::from_millis(gap));
            let verdict = together.admit(now, source(peer), bytes);
            if peer < 2 {
                prop_assert_eq!(alone.admit(now, source(peer), bytes), verdict);
            }
        }
    }
}

#[test]
fn going_round_many_topics_lifts_the_limit_of_none() {
    let packets = RateLimits { topic: 2, ..RateLimits::NONE };
    let mut limiter = RateLimiter::new(packets, RateLimits::NONE);
    let mut round = |now| {
        let topics = 0..2 * u32::try_from(MAX_RATED_TOPICS).unwrap();
        let mut take = |n: u32| limiter.admit_on_topic(now, PeerId(1), Topic::from_bytes(n.to_be_bytes()));
        topics.map(|n| usize::from(take(n))).sum::<usize>()
    };
    let taken: usize = (0..20).map(|_| round(at(0))).sum();
    assert_eq!(taken, 2 * MAX_RATED_TOPICS, "what all buckets hold, however often");
    assert_eq!(round(at(60_000)), 2 * MAX_RATED_TOPICS);
}
