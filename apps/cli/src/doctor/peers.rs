//! Whether the node is in company.

use undertone_node::Health;

use super::{Finding, Group, SETTLED};
use crate::output::{count, span};

pub(super) const GROUP: Group = Group { name: "peers", look: |site| site.of_node("peers", look) };

pub(super) fn look(health: &Health) -> Vec<Finding> {
    let peers = health.peers;
    if peers.max == 0 && health.listen.is_none() {
        return vec![Finding::green("peers", "none, as a boot node should")];
    }
    vec![if peers.connected > 0 {
        let dialled = peers.connected.saturating_sub(peers.inbound);
        let says = format!("{} of {}: {dialled} dialled, {} came", peers.connected, peers.max, peers.inbound);
        match peers.banned {
            0 => Finding::green("peers", says),
            n => Finding::green("peers", format!("{says}; {n} banned")),
        }
    } else if health.age_secs < SETTLED {
        Finding::unknown("peers", "none yet; the node has just started")
    } else if peers.candidates > 0 {
        let says = format!(
            "none for {}, though {} could be dialled",
            span(health.age_secs),
            count(peers.candidates, "node")
        );
        Finding::red("peers", says, "check that TCP gets out; -v on the node says why each attempt fails")
    } else {
        let fix = "name one with `undertone peers add ENODE`, or nodes to start from with --bootnodes";
        Finding::red("peers", format!("none for {}, and nobody to dial", span(health.age_secs)), fix)
    }]
}
