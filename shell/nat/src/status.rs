//! What comes out.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::config::Port;
use crate::error::NatError;

/// How a router was talked to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Method {
    /// Not at all: the user gave the address.
    ExtIp,
    /// NAT-PMP (RFC 6886).
    NatPmp,
    /// PCP (RFC 6887).
    Pcp,
    /// UPnP IGD 1 or 2.
    Upnp,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExtIp => "extip",
            Self::NatPmp => "NAT-PMP",
            Self::Pcp => "PCP",
            Self::Upnp => "UPnP",
        })
    }
}

/// How it stands with the router. Empty at first, with [`NatMode::None`](crate::NatMode::None), and after the stop.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NatStatus {
    /// How the last router that answered was talked to.
    pub method: Option<Method>,
    /// Its address.
    pub gateway: Option<IpAddr>,
    /// Our address as others see it, for the record.
    pub external: Option<IpAddr>,
    /// The router's own outer address when it is no public one: there is a second NAT (or the provider's, 100.64.0.0/10)
    /// behind it, and a mapped port is not reachable from the Internet. `external` is `None` then.
    pub second_nat: Option<IpAddr>,
    /// The ports that the router has granted, with their numbers outside.
    pub mapped: BTreeMap<Port, u16>,
    /// The latest trouble, until a round goes well. Ports can be mapped all the same: others, or until their lease ends.
    pub error: Option<NatError>,
}
