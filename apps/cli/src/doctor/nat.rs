//! How the node gets through its router.

use undertone_node::{Health, NatHealth};

use super::{Finding, Group};

pub(super) const GROUP: Group = Group { name: "router", look: |site| site.of_node("router", look) };

const BY_HAND: &str =
    "forward the port by hand and say --nat extip:IP, or --nat none if nobody has to connect to you";

pub(super) fn look(health: &Health) -> Vec<Finding> {
    let nat = &health.nat;
    vec![match (nat.mode.as_str(), nat.external) {
        ("none", _) => Finding::green("router", "not asked (--nat none)"),
        (mode, Some(ip)) if mode.starts_with("extip") => {
            Finding::green("router", format!("not asked: others reach the node at {ip} (--nat extip)"))
        }
        _ if nat.wanted == 0 => Finding::green("router", "not asked: nothing listens for other machines"),
        _ => asked(nat),
    }]
}

fn asked(nat: &NatHealth) -> Finding {
    let method = nat.method.as_deref().unwrap_or("the router");
    if let Some(outer) = nat.second_nat {
        let says = format!("{method} maps ports, but the router itself is behind another one ({outer})");
        return Finding::red(
            "router",
            says,
            "ask the provider for a public address, or use a node elsewhere as relay",
        );
    }
    if !nat.mapped.is_empty() {
        let ports: Vec<String> =
            nat.mapped.iter().map(|p| format!("{} {}", p.protocol, p.external)).collect();
        let at = nat.external.map_or_else(String::new, |ip| format!("{ip}, "));
        let says = format!("mapped by {method}: {at}{}", ports.join(" and "));
        return if nat.mapped.len() < nat.wanted {
            let trouble = nat.error.as_deref().unwrap_or("the rest was not granted");
            Finding::red("router", format!("{says}; {trouble}"), BY_HAND)
        } else {
            Finding::green("router", says)
        };
    }
    match &nat.error {
        Some(error) => Finding::red("router", format!("no port is mapped: {error}"), BY_HAND),
        None => Finding::unknown("router", "being asked just now"),
    }
}
