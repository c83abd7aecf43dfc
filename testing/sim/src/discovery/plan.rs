//! What only scenarios of discovery have.

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::world::MAX_KEYS;
use crate::scenario::Scenario;

/// What nodes are like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryPlan {
    /// How many of the first nodes everybody knows from the start.
    #[serde(default = "DiscoveryPlan::boot")]
    pub boot: u32,
    /// Honest nodes that are no boot nodes start within so many seconds; liars and boot nodes are there from the start.
    #[serde(default)]
    pub arrive: u32,
    /// Honest nodes in a /24.
    #[serde(default = "DiscoveryPlan::one")]
    pub per_prefix: u32,
    /// Whether random lookups go on all the time.
    #[serde(default)]
    pub walk: bool,
    /// Seconds at which figures are taken besides those of the end.
    #[serde(default)]
    pub checkpoints: Vec<u32>,
    /// Who links to whom; without it nobody does.
    pub peers: Option<PeersPlan>,
    /// What hostile nodes do.
    #[serde(default)]
    pub liars: LiarPlan,
}

/// Nodes have peers, chosen by the peer manager of `core/peers`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersPlan {
    /// Most peers of a node.
    pub max: usize,
    /// One of so many is dialled by own choice; that of the originals when absent.
    #[serde(default)]
    pub dial_ratio: usize,
    /// Envelopes a minute that a node has not seen before; each comes first from one of the peers that relay.
    #[serde(default = "PeersPlan::envelopes")]
    pub envelopes: u32,
}

/// What each hostile node does besides answering FindNode with hostile nodes alone.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiarPlan {
    /// Its keys, each with a port of its own at the one address.
    pub keys: u32,
    /// Hostile nodes in a /24.
    pub per_prefix: u32,
    /// Pings a minute to honest nodes, from a random one of its keys. Boot nodes are pinged in any case.
    pub pings: u32,
    /// Second of the first ping and connection to others than boot nodes.
    pub from: u32,
    /// Of the nodes that it tells of, the share that is at an address where nobody is.
    pub false_endpoints: f64,
    /// Connections a minute to honest nodes, with a random one of its keys; it keeps those that it gets.
    pub dials: u32,
    /// Of these, the share that never gets further than naming the key.
    pub half_open: f64,
    /// Whether it relays envelopes as fast as honest peers do.
    pub relays: bool,
}

impl Default for LiarPlan {
    fn default() -> Self {
        Self {
            keys: 1,
            per_prefix: 1,
            pings: 0,
            from: 0,
            false_endpoints: 0.0,
            dials: 0,
            half_open: 0.0,
            relays: false,
        }
    }
}

impl PeersPlan {
    const fn envelopes() -> u32 {
        30
    }
}

impl DiscoveryPlan {
    const fn boot() -> u32 {
        2
    }

    const fn one() -> u32 {
        1
    }

    pub(crate) fn check(&self, scenario: &Scenario) -> Result<()> {
        ensure!((1..=scenario.honest()).contains(&self.boot), "boot nodes are honest nodes");
        ensure!(scenario.degree == 0, "nodes that look for each other have no links from the start");
        let full = |count: u32| (1..=200).contains(&count);
        ensure!(full(self.per_prefix) && full(self.liars.per_prefix), "a /24 has 1 to 200 nodes");
        ensure!((1..=MAX_KEYS).contains(&self.liars.keys), "a liar has 1 to {MAX_KEYS} keys");
        let shares = [self.liars.false_endpoints, self.liars.half_open];
        ensure!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "shares are 0 to 1");
        ensure!(self.checkpoints.is_sorted(), "checkpoints are in order");
        ensure!(self.checkpoints.iter().all(|at| *at < scenario.seconds), "checkpoints come before the end");
        Ok(())
    }
}
