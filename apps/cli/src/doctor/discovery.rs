//! Whether other nodes are found.

use undertone_node::Health;

use super::{Finding, Group, SETTLED};
use crate::output::count;

pub(super) const GROUP: Group = Group { name: "discovery", look: |site| site.of_node("discovery", look) };

pub(super) fn look(health: &Health) -> Vec<Finding> {
    let Some(discovery) = health.discovery else {
        return vec![Finding::unknown("discovery", "off: the node knows only the peers that it was given")];
    };
    let tables = [("v4", discovery.v4), ("v5", discovery.v5)];
    let known: usize = tables.iter().filter_map(|(_, n)| *n).sum();
    let on = tables.iter().filter_map(|(name, n)| n.map(|n| format!("{} by {name}", count(n, "node"))));
    let off = tables.iter().filter(|(_, n)| n.is_none()).map(|(name, _)| format!("{name} is off"));
    let says = on.chain(off).collect::<Vec<_>>().join(", ");
    vec![if known > 0 || (discovery.v4.is_none() && discovery.v5.is_none()) {
        Finding::green("discovery", says)
    } else if discovery.starts == 0 {
        Finding::unknown("discovery", "nobody has come yet, and the node was given nobody to start from")
            .hint("name a node to start from: --bootnodes NODE, or a list: --discovery.dns LINK")
    } else if health.age_secs < SETTLED {
        Finding::unknown("discovery", "nobody has answered yet; the node has just started")
    } else {
        let fix = "check that UDP gets out, and that the nodes named by --bootnodes are there";
        Finding::red(
            "discovery",
            format!("none of the {} has answered", count(discovery.starts, "start")),
            fix,
        )
    }]
}
