//! What only mixed networks have.

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::scenario::{Scenario, TrafficPlan};

/// A network of several protocols. Nodes that are neither Whisper's nor Waku's bridge.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixedPlan {
    /// Nodes of Whisper alone.
    pub whisper: u32,
    /// Nodes of Waku alone.
    pub waku: u32,
    /// Nodes of its own kind that each dials.
    pub dials: u32,
    /// Bridges that each dials.
    pub bridges: u32,
    /// Whether the last nodes bridge; without it they only speak both.
    #[serde(default = "MixedPlan::yes")]
    pub bridging: bool,
    /// What nodes post; its `data_bytes` are those of the payload.
    pub traffic: TrafficPlan,
}

impl MixedPlan {
    const fn yes() -> bool {
        true
    }

    /// Nodes of either kind.
    pub(super) const fn plain(&self) -> u32 {
        self.whisper.saturating_add(self.waku)
    }

    pub(crate) fn check(&self, scenario: &Scenario) -> Result<()> {
        ensure!(scenario.degree == 0, "nodes dial by themselves");
        let bridges = scenario.nodes.saturating_sub(self.plain());
        ensure!(bridges >= 1, "somebody bridges");
        ensure!(self.bridges <= bridges, "nobody dials more bridges than there are");
        ensure!(
            self.dials < self.whisper && self.dials < self.waku,
            "nobody dials more nodes than there are"
        );
        let traffic = self.traffic;
        ensure!(traffic.envelopes > 0 && traffic.seconds > 0, "traffic needs envelopes and time");
        ensure!(traffic.seconds + 10 <= scenario.seconds, "the run ends ten seconds after the last envelope");
        Ok(())
    }
}
