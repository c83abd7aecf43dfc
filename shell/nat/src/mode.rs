//! What the user wants: the values of `--nat`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use undertone_base::FaultClass;

/// How a node gets through NATs, in the spelling of geth's `--nat` (case does not matter).
///
/// | text | meaning |
/// |---|---|
/// | `any`, `auto`, `on` | UPnP and NAT-PMP/PCP in parallel, the first that works |
/// | `none`, `off`, empty | nothing |
/// | `upnp` | UPnP alone |
/// | `pmp`, `natpmp`, `nat-pmp` | NAT-PMP or PCP with the default router |
/// | `pmp:IP` | the same with this router (an IPv4 address) |
/// | `extip:IP`, `ip:IP` | this external address; the ports are mapped by hand |
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NatMode {
    /// UPnP and NAT-PMP/PCP in parallel. The default of geth and of status-go.
    #[default]
    Any,
    /// No mapping; the external address is what the user says.
    ExtIp(IpAddr),
    /// No mapping, no external address.
    None,
    /// NAT-PMP or PCP, with the router of this address if one is given.
    Pmp(Option<Ipv4Addr>),
    /// UPnP.
    Upnp,
}

/// Why a text is no [`NatMode`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NatModeError {
    /// Not an IP address, or one that no node can have.
    #[error("not an IP address that a node can have")]
    Address,
    /// `pmp:` with an IPv6 address.
    #[error("a router is given as an IPv4 address")]
    NotIpv4,
    /// `extip` without an address.
    #[error("extip needs an address, as in extip:203.0.113.7")]
    NoAddress,
    /// An address after a word that takes none.
    #[error("only extip and pmp take an address")]
    TooMuch,
    /// Another word.
    #[error("not one of any, none, upnp, pmp, pmp:IP, extip:IP")]
    Word,
}

impl NatModeError {
    /// The caller's.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address => "nat.mode.address",
            Self::NoAddress => "nat.mode.no_address",
            Self::NotIpv4 => "nat.mode.not_ipv4",
            Self::TooMuch => "nat.mode.too_much",
            Self::Word => "nat.mode.word",
        }
    }
}

impl FromStr for NatMode {
    type Err = NatModeError;

    fn from_str(text: &str) -> Result<Self, NatModeError> {
        let (word, address) = match text.split_once(':') {
            Some((word, address)) => (word, Some(address.parse().map_err(|_| NatModeError::Address)?)),
            None => (text, None),
        };
        // DEVIATION: geth ignores an address after the other words; it is a mistake that we name
        // (`other_texts_say_why_not`).
        let plain = |mode| if address.is_none() { Ok(mode) } else { Err(NatModeError::TooMuch) };
        match word.to_ascii_lowercase().as_str() {
            "any" | "auto" | "on" => plain(Self::Any),
            "" | "none" | "off" => plain(Self::None),
            "upnp" => plain(Self::Upnp),
            "extip" | "ip" => match address {
                None => Err(NatModeError::NoAddress),
                Some(ip) if no_node_has(ip) => Err(NatModeError::Address),
                Some(ip) => Ok(Self::ExtIp(ip)),
            },
            "pmp" | "natpmp" | "nat-pmp" => match address {
                None => Ok(Self::Pmp(None)),
                Some(ip) if no_node_has(ip) => Err(NatModeError::Address),
                Some(IpAddr::V4(ip)) => Ok(Self::Pmp(Some(ip))),
                Some(IpAddr::V6(_)) => Err(NatModeError::NotIpv4),
            },
            _ => Err(NatModeError::Word),
        }
    }
}

fn no_node_has(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

impl fmt::Display for NatMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::ExtIp(ip) => write!(f, "extip:{ip}"),
            Self::None => f.write_str("none"),
            Self::Pmp(None) => f.write_str("pmp"),
            Self::Pmp(Some(ip)) => write!(f, "pmp:{ip}"),
            Self::Upnp => f.write_str("upnp"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_geth_are_understood() {
        let router = Ipv4Addr::new(192, 168, 0, 1);
        let fixed = |text: &str| NatMode::ExtIp(text.parse().unwrap());
        let cases = [
            ("any", NatMode::Any, "any"),
            ("auto", NatMode::Any, "any"),
            ("ON", NatMode::Any, "any"),
            ("", NatMode::None, "none"),
            ("none", NatMode::None, "none"),
            ("Off", NatMode::None, "none"),
            ("UPnP", NatMode::Upnp, "upnp"),
            ("pmp", NatMode::Pmp(None), "pmp"),
            ("natpmp", NatMode::Pmp(None), "pmp"),
            ("NAT-PMP", NatMode::Pmp(None), "pmp"),
            ("pmp:192.168.0.1", NatMode::Pmp(Some(router)), "pmp:192.168.0.1"),
            ("extip:77.12.33.4", fixed("77.12.33.4"), "extip:77.12.33.4"),
            ("ip:10.0.0.1", fixed("10.0.0.1"), "extip:10.0.0.1"),
            ("extip:2001:db8::1", fixed("2001:db8::1"), "extip:2001:db8::1"),
        ];
        for (text, mode, shown) in cases {
            assert_eq!(text.parse(), Ok(mode), "{text}");
            assert_eq!(mode.to_string(), shown);
            assert_eq!(shown.parse(), Ok(mode), "{shown}");
        }
    }

    #[test]
    fn other_texts_say_why_not() {
        let cases = [
            ("stun", NatModeError::Word, "nat.mode.word"),
            (" any", NatModeError::Word, "nat.mode.word"),
            ("extip", NatModeError::NoAddress, "nat.mode.no_address"),
            ("extip:", NatModeError::Address, "nat.mode.address"),
            ("extip:relay.test", NatModeError::Address, "nat.mode.address"),
            ("extip:0.0.0.0", NatModeError::Address, "nat.mode.address"),
            ("extip:239.1.1.1", NatModeError::Address, "nat.mode.address"),
            ("pmp:::1", NatModeError::NotIpv4, "nat.mode.not_ipv4"),
            ("upnp:10.0.0.1", NatModeError::TooMuch, "nat.mode.too_much"),
        ];
        for (text, error, code) in cases {
            assert_eq!(text.parse::<NatMode>(), Err(error), "{text}");
            assert_eq!((error.code(), error.fault()), (code, FaultClass::Caller));
        }
    }
}
