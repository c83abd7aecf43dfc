//! Which address may be told by whom (`devp2p.md` 3.2), and how near two addresses are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Why an address that somebody told is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayFault {
    /// Not 4 or 16 bytes.
    #[error("invalid ip address")]
    Length,
    /// 0.0.0.0 or ::.
    #[error("unspecified address")]
    Unspecified,
    /// Multicast, documentation, broadcast and the like.
    #[error("address of a special network")]
    Special,
    /// A loopback address told by another host.
    #[error("loopback address from another host")]
    Loopback,
    /// A private address told by a public host.
    #[error("private address from a public host")]
    Lan,
    /// A discovery port up to 1024.
    #[error("low discovery port")]
    LowPort,
    /// Not a point of the curve.
    #[error("invalid key")]
    Key,
}

/// Whether `told` may be believed to be an address when `teller` says so.
///
/// # Errors
/// The first of [`RelayFault`] in the order of the notes.
pub fn check_relay(teller: IpAddr, told: IpAddr) -> Result<(), RelayFault> {
    let (teller, told) = (teller.to_canonical(), told.to_canonical());
    if told.is_unspecified() {
        return Err(RelayFault::Unspecified);
    }
    if told.is_multicast() || is_special(told) {
        return Err(RelayFault::Special);
    }
    if told.is_loopback() && !teller.is_loopback() {
        return Err(RelayFault::Loopback);
    }
    if is_lan(told) && !is_lan(teller) {
        return Err(RelayFault::Lan);
    }
    Ok(())
}

/// Loopback and private networks.
pub fn is_lan(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.octets().first() == Some(&0),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
    }
}

fn is_special(ip: IpAddr) -> bool {
    const V4: [([u8; 4], u8); 13] = [
        ([192, 0, 0, 0], 29),
        ([192, 0, 0, 9], 32),
        ([192, 0, 0, 170], 32),
        ([192, 0, 0, 171], 32),
        ([192, 0, 2, 0], 24),
        ([192, 31, 196, 0], 24),
        ([192, 52, 193, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 175, 48, 0], 24),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([255, 255, 255, 255], 32),
    ];
    const V6: [([u16; 4], u8); 9] = [
        ([0x100, 0, 0, 0], 64),
        ([0x2001, 0, 0, 0], 32),
        ([0x2001, 2, 0, 0], 48),
        ([0x2001, 3, 0, 0], 32),
        ([0x2001, 4, 0x112, 0], 48),
        ([0x2001, 5, 0, 0], 32),
        ([0x2001, 0x10, 0, 0], 28),
        ([0x2001, 0x20, 0, 0], 28),
        ([0x2001, 0xdb8, 0, 0], 32),
    ];
    match ip {
        IpAddr::V4(_) => V4
            .iter()
            .any(|(net, bits)| Network { ip: IpAddr::V4(Ipv4Addr::from(*net)), bits: *bits }.contains(ip)),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            let teredo_anycast = v6 == Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 1);
            let listed = V6.iter().any(|([e, f, g, h], bits)| {
                let net = IpAddr::V6(Ipv6Addr::new(*e, *f, *g, *h, 0, 0, 0, 0));
                Network { ip: net, bits: *bits }.contains(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            });
            // 2002::/16 is 6to4.
            teredo_anycast || listed || a == 0x2002
        }
    }
}

/// Addresses that one owner is likely to have: /24 of IPv4, /56 of IPv6.
///
/// DEVIATION: geth counts 24 bits for IPv6 too, which is a whole provider (`devp2p.md` 9, trap 26). Pinned by
/// `one_provider_of_ipv6_is_not_one_owner`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Prefix(IpAddr);

impl Prefix {
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff))),
            IpAddr::V6(ip) => Self(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 72 << 72))),
        }
    }
}

/// A network, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Network {
    ip: IpAddr,
    bits: u8,
}

/// Text that is no network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a network in the form 10.0.0.0/8")]
pub struct ParseNetworkError;

impl Network {
    /// The addresses that whoever has this one is likely to have too: /24 of IPv4, /56 of IPv6.
    pub fn neighborhood(ip: IpAddr) -> Self {
        let Prefix(ip) = Prefix::of(ip);
        Self { ip, bits: if ip.is_ipv4() { 24 } else { 56 } }
    }

    /// Whether the address is in it. An IPv4-mapped address counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.bits));
                (net.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or_default() == 0
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.bits));
                (net.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or_default() == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ip, bits) = text.trim().split_once('/').ok_or(ParseNetworkError)?;
        let ip: IpAddr = ip.parse().map_err(|_| ParseNetworkError)?;
        let bits: u8 = bits.parse().map_err(|_| ParseNetworkError)?;
        let max = if ip.is_ipv4() { 32 } else { 128 };
        if bits > max { Err(ParseNetworkError) } else { Ok(Self { ip, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_provider_of_ipv6_is_not_one_owner() {
        let prefix = |text: &str| Prefix::of(text.parse().unwrap());
        assert_eq!(prefix("2a01:4f8:1:2::1"), prefix("2a01:4f8:1:ff::9"));
        assert_ne!(prefix("2a01:4f8:1:2::1"), prefix("2a01:4f8:1:102::1"));
        assert_eq!(prefix("1.2.3.4"), prefix("::ffff:1.2.3.99"));
        assert_ne!(prefix("1.2.3.4"), prefix("1.2.4.4"));
    }

    #[test]
    fn classes_of_addresses() {
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        for lan in
            ["127.0.0.1", "0.1.2.3", "10.9.9.9", "172.16.0.1", "192.168.1.1", "::1", "fe80::1", "fc00::1"]
        {
            assert!(is_lan(of(lan)), "{lan}");
        }
        for wan in ["172.32.0.1", "192.169.0.1", "8.8.8.8", "2a01::1", "11.0.0.1"] {
            assert!(!is_lan(of(wan)) && !is_special(of(wan)), "{wan}");
        }
        for special in [
            "192.0.0.7",
            "192.0.0.9",
            "192.0.0.171",
            "192.31.196.5",
            "198.19.255.255",
            "203.0.113.9",
            "100::5",
            "2001::1",
            "2001:1::1",
            "2001:2::1",
            "2001:3:9::",
            "2001:4:112::5",
            "2001:5::",
            "2001:1f::",
            "2001:2f::",
            "2001:db8::1",
            "2002:1::",
        ] {
            assert!(is_special(of(special)), "{special}");
        }
        assert!(!is_special(of("2001:1::2")) && !is_special(of("192.0.0.8")) && !is_special(of("2001:30::")));
    }

    #[test]
    fn networks_are_read_and_asked() {
        let net: Network = "10.0.0.0/8".parse().unwrap();
        assert!(
            net.contains("10.1.2.3".parse().unwrap()) && net.contains("::ffff:10.1.2.3".parse().unwrap())
        );
        assert!(!net.contains("11.0.0.0".parse().unwrap()) && !net.contains("::1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("9.9.9.9".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("2a01::".parse().unwrap()));
        for bad in ["10.0.0.0", "10.0.0.0/33", "::/129", "x/8", ""] {
            assert_eq!(bad.parse::<Network>(), Err(ParseNetworkError), "{bad}");
        }
        assert_eq!(net.to_string(), "10.0.0.0/8");
    }
}
