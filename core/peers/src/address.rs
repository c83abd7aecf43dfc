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

/// The addresses that one owner is likely to have: a narrow network within a wide one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Subnet {
    /// /24 of IPv4, /56 of IPv6.
    pub(crate) narrow: IpAddr,
    /// /16 of IPv4, /32 of IPv6.
    pub(crate) wide: IpAddr,
}

impl Subnet {
    /// `None` for loopback and the local network, which no limit of subnets concerns.
    pub(crate) fn of(ip: IpAddr) -> Option<Self> {
        if Reach::of(ip) != Reach::Remote {
            return None;
        }
        let (narrow, wide) = match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let cut = |bits: u32| IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() >> bits << bits));
                (cut(8), cut(16))
            }
            IpAddr::V6(ip) => {
                let cut = |bits: u32| IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> bits << bits));
                (cut(72), cut(96))
            }
        };
        Some(Self { narrow, wide })
    }
}
