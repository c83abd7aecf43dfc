//! Whether a node can listen, and whether others get through to it.

use std::io;
use std::net::{TcpListener, UdpSocket};

use undertone_node::Health;

use super::{Finding, Group, Site};

pub(super) const GROUP: Group = Group { name: "ports", look };

fn look(site: &Site) -> Vec<Finding> {
    match &site.node {
        Ok(health) => running(health),
        Err(_) => vec![
            free(site, "tcp port", TcpListener::bind(site.listen).map(drop)),
            free(site, "udp port", UdpSocket::bind(site.listen).map(drop)),
        ],
    }
}

/// Without a node: whether one could listen.
fn free(site: &Site, check: &'static str, bound: io::Result<()>) -> Finding {
    let at = site.listen;
    match bound {
        Ok(()) => Finding::green(check, format!("{at} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let fix = format!(
                "stop that program (`ss -lntup 'sport = :{}'` names it), or use another --port",
                at.port()
            );
            Finding::red(check, format!("{at} is taken by another program"), fix)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let fix = "use a --port from 1024: below it the system wants more rights";
            Finding::red(check, format!("{at} may not be listened on"), fix)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let fix = "use an --addr that this machine has (`ip address` lists them), or 0.0.0.0 for all";
            Finding::red(check, format!("{} is no address of this machine", at.ip()), fix)
        }
        Err(error) => Finding::red(check, format!("{at}: {error}"), "use another --addr or --port"),
    }
}

/// With a node: whether somebody got through to it.
pub(super) fn running(health: &Health) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(udp) = health.discovery.and_then(|discovery| discovery.udp) {
        findings.push(Finding::green("udp port", format!("the node listens on {udp}")));
    }
    let Some(tcp) = health.listen else {
        findings.push(Finding::unknown("tcp port", "the node does not listen for peers"));
        return findings;
    };
    findings.insert(0, Finding::green("tcp port", format!("the node listens on {tcp}")));
    findings.push(if health.peers.from_outside > 0 {
        Finding::green("reachable", "nodes of other machines have connected to it")
    } else if tcp.ip().is_loopback() {
        Finding::unknown("reachable", "it listens on this machine only")
            .hint("--addr 0.0.0.0 lets nodes of other machines connect")
    } else {
        Finding::unknown("reachable", "no node of another machine has connected to it yet").hint(
            "on a router without UPnP, NAT-PMP and PCP, forward the port by hand and say --nat extip:IP",
        )
    });
    findings
}
