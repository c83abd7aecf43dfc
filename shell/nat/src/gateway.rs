//! Whom to ask: the routers of the default routes, or a guess.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use if_addrs::IfAddr;

use crate::config::NatConfig;
use crate::limits::{MAX_GATEWAYS, MAX_ROUTES, PMP_PORT};

/// The routers that NAT-PMP and PCP ask, at most [`MAX_GATEWAYS`]: those of the configuration, else of the default
/// routes (Linux), else for each private network the guess that its router has the first address.
pub(crate) fn gateways(config: &NatConfig) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = if config.gateways.is_empty() {
        let mut ips = default_routes(&read_routes());
        if ips.is_empty() {
            ips = networks().map(|(ip, mask)| guess(ip, mask)).collect();
        }
        ips.into_iter().map(|ip| SocketAddr::new(IpAddr::V4(ip), PMP_PORT)).collect()
    } else {
        config.gateways.clone()
    };
    found.truncate(MAX_GATEWAYS);
    found
}

/// The addresses that SSDP searches are sent from: the one of the configuration, else one in each private network,
/// else whichever the system takes.
pub(crate) fn sources(config: &NatConfig) -> Vec<Ipv4Addr> {
    if let Some(local) = config.local {
        return vec![local];
    }
    if !config.ssdp.ip().is_multicast() {
        return vec![Ipv4Addr::UNSPECIFIED];
    }
    let mut found: Vec<Ipv4Addr> = networks().map(|(ip, _)| ip).take(MAX_GATEWAYS).collect();
    if found.is_empty() {
        found.push(Ipv4Addr::UNSPECIFIED);
    }
    found
}

/// Our private addresses with their masks. One call of the system, which does not block.
fn networks() -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
    if_addrs::get_if_addrs().unwrap_or_default().into_iter().filter_map(|interface| match interface.addr {
        IfAddr::V4(v4) if v4.ip.is_private() => Some((v4.ip, v4.netmask)),
        _ => None,
    })
}

/// What most routers have: the first address of their network.
fn guess(ip: Ipv4Addr, mask: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(ip.to_bits() & mask.to_bits() | 1)
}

/// The kernel's table, which is no file on a disk; empty on other systems.
fn read_routes() -> String {
    let mut text = String::new();
    let read = File::open("/proc/net/route").and_then(|file| file.take(MAX_ROUTES).read_to_string(&mut text));
    if read.is_err() {
        text.clear();
    }
    text
}

/// The gateways of the default routes of `/proc/net/route`, best metric first, each once.
///
/// A line is: interface, destination, gateway, flags, two counters, metric, mask, …; addresses are hexadecimal in the
/// machine's own byte order.
fn default_routes(text: &str) -> Vec<Ipv4Addr> {
    let mut routes: Vec<(u32, Ipv4Addr)> = text
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().take(8).collect();
            let &[_, destination, gateway, _, _, _, metric, mask] = fields.as_slice() else { return None };
            let hex = |field| u32::from_str_radix(field, 16).ok();
            let gateway = Ipv4Addr::from(hex(gateway)?.to_ne_bytes());
            let wanted = hex(destination)? == 0 && hex(mask)? == 0 && !gateway.is_unspecified();
            wanted.then_some((metric.parse().ok()?, gateway))
        })
        .collect();
    routes.sort_unstable();
    let mut found = Vec::new();
    for (_, gateway) in routes {
        if !found.contains(&gateway) {
            found.push(gateway);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mode::NatMode;

    #[test]
    fn the_default_routes_are_found_best_first() {
        let hex = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let (home, other, none) = (hex([192, 168, 1, 1]), hex([10, 0, 0, 138]), "00000000");
        let text = format!(
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
             wlan0\t{none}\t{other}\t0003\t0\t0\t600\t{none}\t0\t0\t0\n\
             eth0\t{none}\t{home}\t0003\t0\t0\t100\t{none}\t0\t0\t0\n\
             eth0\t{none}\t{home}\t0003\t0\t0\t700\t{none}\t0\t0\t0\n\
             tun0\t{none}\t{none}\t0001\t0\t0\t50\t{none}\t0\t0\t0\n\
             eth0\t{home}\t{other}\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0\n\
             broken line\n"
        );
        assert_eq!(default_routes(&text), [Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(10, 0, 0, 138)]);
        assert_eq!(default_routes(""), [] as [Ipv4Addr; 0]);
    }

    #[test]
    fn the_router_is_guessed_at_the_first_address() {
        let mask = |bits: u32| Ipv4Addr::from_bits(u32::MAX << (32 - bits));
        assert_eq!(guess([192, 168, 7, 23].into(), mask(24)), Ipv4Addr::new(192, 168, 7, 1));
        assert_eq!(guess([10, 1, 2, 3].into(), mask(8)), Ipv4Addr::new(10, 0, 0, 1));
    }

    #[test]
    fn the_configuration_comes_first_and_is_bounded() {
        let mut config = NatConfig::new(NatMode::Pmp(Some(Ipv4Addr::new(10, 0, 0, 138))), Vec::new());
        assert_eq!(gateways(&config), ["10.0.0.138:5351".parse().unwrap()]);
        config.gateways = vec![SocketAddr::from(([127, 0, 0, 1], 1)); 9];
        assert_eq!(gateways(&config).len(), MAX_GATEWAYS);
        config.local = Some(Ipv4Addr::LOCALHOST);
        assert_eq!(sources(&config), [Ipv4Addr::LOCALHOST]);
    }

    proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(text in "[ \t\n0-9A-Fx]{0,300}") {
            default_routes(&text);
        }
    }
}
