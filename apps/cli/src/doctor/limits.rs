//! How many files and sockets a node may have open.

use undertone_runtime::{FileLimit, RESERVED_FILES};

use super::{Finding, Group, Site};

pub(super) const GROUP: Group = Group { name: "limits", look };

/// Peers that a node has by default.
const PEERS: u64 = 50;
/// Share of the limit in per cent that may be in use before it is called tight.
const TIGHT: u64 = 90;

fn look(site: &Site) -> Vec<Finding> {
    let (soft, open) = match &site.node {
        Ok(health) => (health.files.soft, health.files.open),
        // A node raises its own limit as far as it may.
        Err(_) => (FileLimit::current().hard, None),
    };
    vec![files(soft, open)]
}

fn files(limit: Option<u64>, open: Option<u64>) -> Finding {
    let Some(limit) = limit else { return Finding::green("open files", "no limit") };
    let used = open.map_or_else(String::new, |open| format!(", {open} are open"));
    let room = limit.saturating_sub(RESERVED_FILES);
    let says = format!("{limit} allowed{used}: room for {room} peers");
    let fix = "raise it for whoever starts the node: `ulimit -Hn 65536`, or LimitNOFILE= in its systemd unit";
    let tight = open.is_some_and(|open| open.saturating_mul(100) > limit.saturating_mul(TIGHT));
    if room < PEERS || tight {
        Finding::red("open files", says, fix)
    } else {
        Finding::green("open files", says)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::files;

    #[test]
    fn a_low_or_spent_limit_is_red() {
        let cases = [
            (None, None, Verdict::Green),
            (Some(1_024), Some(100), Verdict::Green),
            (Some(128), None, Verdict::Red),
            (Some(1_024), Some(1_000), Verdict::Red),
        ];
        for (limit, open, verdict) in cases {
            assert_eq!(files(limit, open).verdict, verdict, "{limit:?} {open:?}");
        }
    }
}
