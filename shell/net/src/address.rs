//! How far away an address is, and who counts as one source.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use undertone_base::Mono;

use crate::limits::{MAX_THROTTLED, THROTTLE};

/// How far away an address is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    Loopback,
    Lan,
    Remote,
}

impl Reach {
    pub(crate) fn of(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let lan = match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        };
        match ip {
            _ if ip.is_loopback() => Self::Loopback,
            _ if lan => Self::Lan,
            _ => Self::Remote,
        }
    }
}

/// Sources of which a connection was accepted lately. Holds at most [`MAX_THROTTLED`]; the oldest goes first.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    sources: BTreeSet<IpAddr>,
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
        let source = source(ip);
        if self.sources.contains(&source) {
            return false;
        }
        if self.order.len() >= MAX_THROTTLED {
            self.forget_oldest();
        }
        let until = now.after(THROTTLE);
        self.sources.insert(source);
        self.order.push_back((until, source));
        true
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.sources.remove(&oldest);
        }
    }
}

/// One owner: an IPv4 address, or the /64 of an IPv6 one, in which a host has any address it likes.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip => ip,
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
    fn addresses_are_near_or_far() {
        let cases = [
            ("127.0.0.1", Reach::Loopback),
            ("::1", Reach::Loopback),
            ("::ffff:127.0.0.1", Reach::Loopback),
            ("10.1.2.3", Reach::Lan),
            ("192.168.0.9", Reach::Lan),
            ("172.16.0.1", Reach::Lan),
            ("fe80::1", Reach::Lan),
            ("fd00::1", Reach::Lan),
            ("172.32.0.1", Reach::Remote),
            ("100.64.0.1", Reach::Remote),
            ("8.8.8.8", Reach::Remote),
            ("2001:db8::1", Reach::Remote),
        ];
        for (text, reach) in cases {
            assert_eq!(Reach::of(ip(text)), reach, "{text}");
        }
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
            assert!(throttle.order.len() <= MAX_THROTTLED && throttle.order.len() == throttle.sources.len());
        }
        assert!(throttle.admit(ip("8.0.0.0"), Mono::ZERO), "the first was forgotten");
    }
}
