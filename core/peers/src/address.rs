//! How far away an address is, and which addresses have one owner.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far away an address is.
///
/// ```
/// use undertone_peers::Reach;
/// assert_eq!(Reach::of([127, 0, 0, 1].into()), Reach::Loopback);
/// assert_eq!(Reach::of([10, 1, 2, 3].into()), Reach::Lan);
/// assert_eq!(Reach::of([8, 8, 8, 8].into()), Reach::Remote);
/// ```
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reach {
    /// This machine.
    Loopback,
    /// A private or link-local network.
    Lan,
    /// Anywhere else.
    Remote,
}

impl Reach {
    /// Of an address; an IPv4-mapped one counts as IPv4.
    pub fn of(ip: IpAddr) -> Self {
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

/// One host: an IPv4 address, or the /64 of an IPv6 one, in which a host has any address it likes.
pub(crate) fn host(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip => ip,
    }
}

/// The addresses that one owner is likely to have: /24 of IPv4, /56 of IPv6.
pub(crate) fn narrow(ip: IpAddr) -> IpAddr {
    cut(ip, 24, 56)
}

/// Such a network within a wide one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Subnet {
    /// /24 of IPv4, /56 of IPv6.
    pub(crate) narrow: IpAddr,
    /// /16 of IPv4, /32 of IPv6.
    pub(crate) wide: IpAddr,
}

impl Subnet {
    /// `None` for loopback and the local network, which no limit of subnets concerns (as in geth).
    pub(crate) fn of(ip: IpAddr) -> Option<Self> {
        (Reach::of(ip) == Reach::Remote).then(|| Self { narrow: narrow(ip), wide: cut(ip, 16, 32) })
    }
}

fn cut(ip: IpAddr, bits_v4: u32, bits_v6: u32) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let rest = 32_u32.saturating_sub(bits_v4);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() >> rest << rest))
        }
        IpAddr::V6(ip) => {
            let rest = 128_u32.saturating_sub(bits_v6);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> rest << rest))
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn subnets_are_narrow_and_wide() {
        let subnet = |text| Subnet::of(ip(text)).unwrap();
        let net = |narrow, wide| Subnet { narrow: ip(narrow), wide: ip(wide) };
        assert_eq!(subnet("8.9.10.11"), net("8.9.10.0", "8.9.0.0"));
        assert_eq!(subnet("::ffff:8.9.10.11"), net("8.9.10.0", "8.9.0.0"));
        assert_eq!(subnet("2a01:4f8:1:2ff:3::1"), net("2a01:4f8:1:200::", "2a01:4f8::"));
        assert_eq!(Subnet::of(ip("10.0.0.1")), None);
        assert_eq!(Subnet::of(ip("::1")), None);
        assert_eq!(host(ip("2a01:4f8:1:2ff:3::1")), ip("2a01:4f8:1:2ff::"));
        assert_eq!(host(ip("::ffff:8.9.10.11")), ip("8.9.10.11"));
    }
}
