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
    /// Honest nodes in a /24.
    #[serde(default = "DiscoveryPlan::one")]
    pub per_prefix: u32,
    /// Whether random lookups go on all the time.
    #[serde(default)]
    pub walk: bool,
    /// Seconds at which figures are taken besides those of the end.
    #[serde(default)]
    pub checkpoints: Vec<u32>,
    /// What hostile nodes do.
    #[serde(default)]
    pub liars: LiarPlan,
}

/// What each hostile node does besides answering FindNode with hostile nodes alone.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiarPlan {
    /// Its keys, each with a port of its own at the one address.
    pub keys: u32,
    /// Hostile nodes in a /24.
    pub per_prefix: u32,
    /// Pings a minute to honest nodes, from a random one of its keys.
    pub pings: u32,
    /// Of the nodes that it tells of, the share that is at an address where nobody is.
    pub false_endpoints: f64,
}

impl Default for LiarPlan {
    fn default() -> Self {
        Self { keys: 1, per_prefix: 1, pings: 0, false_endpoints: 0.0 }
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
        ensure!((0.0..=1.0).contains(&self.liars.false_endpoints), "shares are 0 to 1");
        ensure!(self.checkpoints.is_sorted(), "checkpoints are in order");
        ensure!(self.checkpoints.iter().all(|at| *at < scenario.seconds), "checkpoints come before the end");
        Ok(())
    }
}
