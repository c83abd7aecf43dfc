//! What stands between the listener and the first cryptography.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use undertone_base::Mono;

use crate::address::{Reach, host};
use crate::limits::{MAX_PENDING, MAX_PENDING_PER_HOST, MAX_THROTTLED, THROTTLE};

/// Hosts of which a connection was accepted lately. Holds at most [`MAX_THROTTLED`]; the oldest goes first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    hosts: BTreeSet<IpAddr>,
    order: VecDeque<(Mono, IpAddr)>,
}

impl Throttle {
    /// Whether a connection from `ip` may be accepted now; if so it counts. A refused one does not.
    pub(crate) fn admit(&mut self, ip: IpAddr, now: Mono) -> bool {
        if Reach::of(ip) != Reach::Remote {
            return true;
        }
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest();
        }
        let host = host(ip);
        if self.hosts.contains(&host) {
            return false;
        }
        if self.order.len() >= MAX_THROTTLED {
            self.forget_oldest();
        }
        self.hosts.insert(host);
        self.order.push_back((now.after(THROTTLE), host));
        true
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.hosts.remove(&oldest);
        }
    }
}

/// Handshakes under way, overall and per host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    total: usize,
    hosts: BTreeMap<IpAddr, usize>,
}

impl Pending {
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.total >= MAX_PENDING
    }

    pub(crate) fn is_full_for(&self, ip: IpAddr) -> bool {
        self.hosts.get(&host(ip)).is_some_and(|count| *count >= MAX_PENDING_PER_HOST)
    }

    pub(crate) fn begin(&mut self, ip: IpAddr) {
        self.total = self.total.saturating_add(1);
        let count = self.hosts.entry(host(ip)).or_default();
        *count = count.saturating_add(1);
    }

    /// One that never began is ignored.
    pub(crate) fn end(&mut self, ip: IpAddr) {
        let host = host(ip);
        let Some(count) = self.hosts.get_mut(&host) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.hosts.remove(&host);
        }
        self.total = self.total.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_is_let_in_once_in_thirty_seconds() {
        let mut throttle = Throttle::default();
        let start = Mono::ZERO;
        assert!(throttle.admit(ip("203.0.113.1"), start));
        assert!(throttle.admit(ip("203.0.113.2"), start));
        let later = start.after(Duration::from_secs(29));
        assert!(!throttle.admit(ip("203.0.113.1"), later));
        assert!(!throttle.admit(ip("::ffff:203.0.113.1"), later), "the same address in another form");
        assert!(throttle.admit(ip("203.0.113.1"), start.after(THROTTLE)), "the refused ones did not count");
        assert!((0..3).all(|_| throttle.admit(ip("127.0.0.1"), start)));
        assert!((0..3).all(|_| throttle.admit(ip("192.168.1.1"), start)));
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let mut throttle = Throttle::default();
        assert!(throttle.admit(ip("2001:db8::1"), Mono::ZERO));
        assert!(!throttle.admit(ip("2001:db8::ffff:0:0:2"), Mono::ZERO));
        assert!(throttle.admit(ip("2001:db8:0:1::1"), Mono::ZERO));
    }

    #[test]
    fn the_throttle_forgets_the_oldest() {
        let mut throttle = Throttle::default();
        for n in 0..=u32::try_from(MAX_THROTTLED).unwrap() {
            assert!(throttle.admit(IpAddr::V4((0x0800_0000 + n).into()), Mono::ZERO));
            assert!(throttle.order.len() <= MAX_THROTTLED && throttle.order.len() == throttle.hosts.len());
        }
        assert!(throttle.admit(ip("8.0.0.0"), Mono::ZERO), "the first was forgotten");
    }

    #[test]
    fn pending_counts_return_to_nothing() {
        let mut pending = Pending::default();
        let (one, two) = (ip("2001:db8::1"), ip("2001:db8::2"));
        for _ in 0..MAX_PENDING_PER_HOST {
            assert!(!pending.is_full_for(two));
            pending.begin(one);
        }
        assert!(pending.is_full_for(two) && !pending.is_full_for(ip("8.8.8.8")) && !pending.is_full());
        for _ in 0..MAX_PENDING_PER_HOST {
            pending.end(two);
        }
        pending.end(one);
        assert!(pending.total() == 0 && pending.hosts.is_empty());
    }
}
