//! What only scenarios of usage have.

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::scenario::Scenario;

/// Clients and their relays.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePlan {
    /// Nodes that relay, all linked to each other; they are the first ones. The others are clients.
    pub relays: u32,
    /// Relays that a client is attached to in Whisper mode; in Waku mode it is one.
    pub attach: u32,
    /// Topics that a client listens to, so that its bloom filter is as full as the model's.
    pub topics: u32,
    /// Seconds of a day that are run.
    pub window: u32,
    /// Payload of each envelope in bytes.
    pub bytes: usize,
}

impl UsagePlan {
    pub(crate) fn check(&self, scenario: &Scenario) -> Result<()> {
        ensure!(scenario.degree == 0, "relays are all linked");
        ensure!((1..scenario.nodes - 1).contains(&self.relays), "there are relays, and at least two clients");
        ensure!((1..=self.relays).contains(&self.attach), "a client is attached to some of the relays");
        ensure!(self.topics >= 2, "a client has its partition and a topic of its own");
        ensure!((1..=86_400).contains(&self.window), "a window is a part of a day");
        ensure!(self.window + 10 <= scenario.seconds, "the run ends ten seconds after the last envelope");
        Ok(())
    }
}
