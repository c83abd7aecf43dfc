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
    /// How users who are mostly away come back and ask.
    pub away: AwayPlan,
}

/// Users who are there for a tenth of the time, as the model's are, and ask an archive for the rest.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwayPlan {
    /// How often a user comes in the window, besides once at its end.
    pub visits: u32,
    /// In how many filters a client asks for its topics: the more, the less comes that it did not want.
    pub queries: u32,
    /// Envelopes of a page.
    pub page: u32,
}

impl UsagePlan {
    pub(crate) fn check(&self, scenario: &Scenario) -> Result<()> {
        ensure!(scenario.degree == 0, "relays are all linked");
        ensure!((1..scenario.nodes - 1).contains(&self.relays), "there are relays, and at least two clients");
        ensure!((1..=self.relays).contains(&self.attach), "a client is attached to some of the relays");
        ensure!(self.topics >= 2, "a client has its partition and a topic of its own");
        ensure!((1..=86_400).contains(&self.window), "a window is a part of a day");
        ensure!(self.window + 60 <= scenario.seconds, "the run ends a minute after the last envelope");
        let AwayPlan { visits, queries, page } = self.away;
        ensure!((1..=self.window / 100).contains(&visits), "a visit takes ten seconds or more");
        ensure!((1..=self.topics).contains(&queries), "each query asks for some topic");
        ensure!((1..=1_000).contains(&page), "archives give up to a thousand envelopes at a time");
        Ok(())
    }
}
