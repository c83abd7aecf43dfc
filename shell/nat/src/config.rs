//! What goes in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::limits;
use crate::mode::NatMode;

/// What runs over a port.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// TCP: the listener for peers.
    Tcp,
    /// UDP: discovery.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// A port of this machine that others shall reach.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Port {
    /// What runs over it.
    pub protocol: Protocol,
    /// Its number here; 0 is never mapped.
    pub internal: u16,
    /// What a router with a list of mappings shows for it.
    pub name: &'static str,
}

impl Port {
    /// The port of a listener, or `None` when nobody outside can reach it anyhow: it listens on loopback, or on IPv6
    /// alone.
    pub fn of(protocol: Protocol, listener: SocketAddr, name: &'static str) -> Option<Self> {
        let ip = listener.ip().to_canonical();
        let reachable = !ip.is_loopback() && (ip.is_ipv4() || ip.is_unspecified()) && listener.port() != 0;
        reachable.then_some(Self { protocol, internal: listener.port(), name })
    }
}

/// Every time of a [`Nat`](crate::Nat), for tests to shorten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NatTimes {
    /// Pause between looks at the router.
    pub check: Duration,
    /// Time for giving all ports back at the stop.
    pub goodbye: Duration,
    /// Lease that is asked for, in whole seconds.
    pub lease: Duration,
    /// Pause between renewals; shorter when the router grants less than the lease.
    pub renew: Duration,
    /// Shortest pause between two rounds with a router that answers.
    pub renew_min: Duration,
    /// Time for one question to the router.
    pub request: Duration,
    /// First pause after a failure.
    pub retry: Duration,
    /// Longest pause after failures.
    pub retry_max: Duration,
    /// Time for one search.
    pub search: Duration,
}

impl Default for NatTimes {
    /// The constants of [`limits`].
    fn default() -> Self {
        Self {
            check: limits::CHECK,
            goodbye: limits::GOODBYE,
            lease: limits::LEASE,
            renew: limits::RENEW,
            renew_min: limits::RENEW_MIN,
            request: limits::REQUEST,
            retry: limits::RETRY,
            retry_max: limits::RETRY_MAX,
            search: limits::SEARCH,
        }
    }
}

/// Everything that [`Nat::with`](crate::Nat::with) can be told.
#[derive(Clone, Debug)]
pub struct NatConfig {
    /// By which method.
    pub mode: NatMode,
    /// Which ports, at most [`limits::MAX_PORTS`]. With none, only [`NatMode::ExtIp`] does anything.
    pub ports: Vec<Port>,
    /// The address that is listened on, when it is a single one; the router is asked from it.
    pub local: Option<Ipv4Addr>,
    /// Routers to ask by NAT-PMP and PCP; when empty, those of the default routes, else a guess for each private
    /// network. The port is [`limits::PMP_PORT`] except in tests.
    pub gateways: Vec<SocketAddr>,
    /// Where to search by SSDP.
    pub ssdp: SocketAddr,
    /// When.
    pub times: NatTimes,
}

impl NatConfig {
    /// What a node uses.
    pub fn new(mode: NatMode, ports: Vec<Port>) -> Self {
        let (ssdp, port) = limits::SSDP;
        let gateways = match mode {
            NatMode::Pmp(Some(router)) => vec![SocketAddr::new(IpAddr::V4(router), limits::PMP_PORT)],
            _ => Vec::new(),
        };
        let ssdp = SocketAddr::from((ssdp, port));
        Self { mode, ports, local: None, gateways, ssdp, times: NatTimes::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_that_others_could_reach_are_mapped() {
        let port = |text: &str| Port::of(Protocol::Udp, text.parse().unwrap(), "test").map(|p| p.internal);
        assert_eq!(port("0.0.0.0:30303"), Some(30303));
        assert_eq!(port("[::]:30303"), Some(30303));
        assert_eq!(port("192.168.1.5:7"), Some(7));
        for text in ["127.0.0.1:30303", "[::1]:30303", "[::ffff:127.0.0.1]:1", "[2001:db8::1]:1", "0.0.0.0:0"]
        {
            assert_eq!(port(text), None, "{text}");
        }
    }
}
