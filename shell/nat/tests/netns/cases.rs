//! What is shown with the crate alone.

use std::time::{Duration, Instant};

use undertone_support::until;

use crate::lab::Lab;
use crate::peer::{Keeping, Peer};

/// A case and its name.
pub(crate) type Case = (&'static str, fn(&Lab));

pub(crate) const ALL: &[Case] = &[
    ("peers_behind_two_nats_reach_the_public_one", peers_behind_two_nats_reach_the_public_one),
    ("a_port_mapped_by_upnp_is_reached_from_outside", mapped_by_upnp),
    ("a_port_mapped_by_pcp_is_reached_from_outside", mapped_by_pcp),
    ("a_port_mapped_by_nat_pmp_is_reached_from_outside", mapped_by_nat_pmp),
    ("any_finds_a_way", any_finds_a_way),
    ("a_mapping_is_renewed_while_the_peer_runs_and_lapses_when_it_dies", renewed_and_lapsed),
    ("two_peers_behind_one_nat_get_two_ports", two_peers_behind_one_nat),
    ("a_router_that_restarts_is_asked_again", router_restarts),
    ("a_router_behind_a_second_nat_is_named", second_nat),
];

const PUBLIC: &str = "11.0.9.9:30303";

fn peers_behind_two_nats_reach_the_public_one(lab: &Lab) {
    let mut public = Peer::start("public", Keeping::by("none"));
    for (name, router) in [("peer1", &lab.router1), ("peer2", &lab.router2)] {
        let mut peer = Peer::start(name, Keeping::by("none"));
        for protocol in ["tcp", "udp"] {
            let (who, seen) = peer.reach(protocol, PUBLIC);
            assert_eq!(
                (who.as_str(), seen.ip().to_string()),
                ("public", router.outside.clone()),
                "through the NAT"
            );
            let inwards = format!("{}:30303", router.outside);
            assert!(public.cannot_reach(protocol, &inwards), "{name}: nothing is mapped, so nobody comes in");
        }
        peer.stop();
    }
    public.stop();
}

fn mapped_by_upnp(lab: &Lab) {
    mapped(lab, "peer1", "upnp", "UPnP");
    mapped(lab, "peer2", "upnp", "UPnP");
}

fn mapped_by_pcp(lab: &Lab) {
    mapped(lab, "peer1", "pmp", "PCP");
}

fn mapped_by_nat_pmp(lab: &Lab) {
    mapped(lab, "peer2", "pmp", "NAT-PMP");
}

fn any_finds_a_way(lab: &Lab) {
    mapped(lab, "peer1", "any", "");
    mapped(lab, "peer2", "any", "");
}

/// Mapped with an hour's lease: reached from the public side and from behind the other NAT, gone after a clean stop.
fn mapped(lab: &Lab, name: &'static str, mode: &'static str, method: &str) {
    let (router, inside, other) = match name {
        "peer1" => (&lab.router1, "192.168.1.2", "peer2"),
        _ => (&lab.router2, "192.168.2.2", "peer1"),
    };
    router.until_mappings(&[]);
    let peer = Peer::start(name, Keeping::by(mode));
    let status = peer.until_mapped();
    assert_eq!(status["external"], router.outside, "{status:?}");
    assert!(method.is_empty() || status["method"] == method, "{status:?}");
    assert_eq!((status["tcp"].as_str(), status["udp"].as_str()), ("30303", "30303"));
    assert_eq!(router.mappings(), ["tcp", "udp"].map(|p| format!("{p} 30303 {inside}:30303")));
    let address = format!("{}:{}", status["external"], status["tcp"]);
    let mut from = [Peer::start("public", Keeping::by("none")), Peer::start(other, Keeping::by("none"))];
    for source in &mut from {
        for protocol in ["tcp", "udp"] {
            let (who, _) = source.reach(protocol, &address);
            assert_eq!(who, name, "{protocol}");
        }
    }
    let begun = Instant::now();
    peer.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(router.mappings().is_empty(), "gone at once after a clean stop: {:?}", router.mappings());
    let [mut public, behind] = from;
    assert!(public.cannot_reach("tcp", &address));
    public.stop();
    behind.stop();
}

fn renewed_and_lapsed(lab: &Lab) {
    const LEASE: Duration = Duration::from_secs(5);
    let cases =
        [("peer1", "upnp", &lab.router1), ("peer3", "pmp", &lab.router1), ("peer2", "pmp", &lab.router2)];
    // All at once: it takes as long as two leases.
    let keeping = |mode| Keeping { mode, lease: LEASE, renew: LEASE / 5 };
    let begun = Instant::now();
    let peers = cases.map(|(name, mode, _)| Peer::start(name, keeping(mode)));
    let addresses = peers.each_ref().map(|peer| {
        let status = peer.until_mapped();
        format!("{}:{}", status["external"], status["tcp"])
    });
    let mut public = Peer::start("public", Keeping::by("none"));
    assert!(until(LEASE * 4, || begun.elapsed() > LEASE * 2 + LEASE / 5));
    for ((name, ..), address) in cases.iter().zip(&addresses) {
        assert_eq!(public.reach("tcp", address).0, *name, "after two leases");
    }
    assert_eq!((lab.router1.mappings().len(), lab.router2.mappings().len()), (4, 2));
    // The control: it was the renewing that kept them.
    peers.into_iter().for_each(Peer::kill);
    lab.router1.until_mappings(&[]);
    lab.router2.until_mappings(&[]);
    public.stop();
}

fn two_peers_behind_one_nat(lab: &Lab) {
    for mode in ["upnp", "pmp"] {
        let first = Peer::start("peer1", Keeping::by(mode));
        let one = first.until_mapped();
        let second = Peer::start("peer3", Keeping::by(mode));
        let two = second.until_mapped();
        assert_eq!((one["tcp"].as_str(), one["external"].as_str()), ("30303", two["external"].as_str()));
        assert_ne!(one["tcp"], two["tcp"], "{mode}: the port was taken");
        let mut public = Peer::start("public", Keeping::by("none"));
        for (name, status) in [("peer1", &one), ("peer3", &two)] {
            let address = format!("{}:{}", status["external"], status["tcp"]);
            assert_eq!(public.reach("tcp", &address).0, name, "{mode}");
            let address = format!("{}:{}", status["external"], status["udp"]);
            assert_eq!(public.reach("udp", &address).0, name, "{mode}");
        }
        second.stop();
        assert_eq!(lab.router1.mappings().len(), 2, "{mode}: the other's are left alone");
        first.stop();
        assert!(lab.router1.mappings().is_empty());
        public.stop();
    }
}

fn router_restarts(lab: &Lab) {
    let peer = Peer::start("peer1", Keeping::by("pmp"));
    peer.until_mapped();
    let wanted = ["tcp 30303 192.168.1.2:30303", "udp 30303 192.168.1.2:30303"];
    assert_eq!(lab.router1.mappings(), wanted);
    lab.router1.restart();
    lab.router1.until_mappings(&wanted);
    let mut public = Peer::start("public", Keeping::by("none"));
    assert_eq!(public.reach("tcp", "11.0.1.11:30303").0, "peer1");
    public.stop();
    peer.stop();
    assert!(lab.router1.mappings().is_empty());
}

/// miniupnpd maps nothing when its own address is one of a provider's NAT.
fn second_nat(lab: &Lab) {
    for mode in ["upnp", "pmp", "any"] {
        let peer = Peer::start("peer4", Keeping::by(mode));
        let status = peer.until(|status| status["error"] != "-" || status["second"] != "-");
        assert_eq!(status["external"], "-", "{mode}: {status:?}");
        assert_ne!(status["error"], "nat.no_router", "{mode}: it is there");
        peer.stop();
        assert!(lab.router3.mappings().is_empty());
    }
}
