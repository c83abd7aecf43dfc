//! Scenarios: what a network is like, what it does and what must come of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use undertone_whisper::Pow;

use crate::discovery::{self, DiscoveryPlan};
use crate::engine::LinkProfile;
use crate::gossip::{self, Attack};
use crate::mixed::{self, MixedPlan};
use crate::report::Report;
use crate::spy::{self, SpyPlan};
use crate::usage::{self, UsagePlan};

/// Most nodes of a scenario. Our choice: ten times what row B14 asks.
pub const MAX_NODES: u32 = 10_000;

/// A scenario as its file says it. Times are virtual; shares are of all nodes, 0 to 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// Whether it is for `--large` only.
    #[serde(default)]
    pub size: Size,
    /// Where all randomness comes from.
    pub seed: u64,
    /// How many nodes, liars among them.
    pub nodes: u32,
    /// Links that a node has from the start: the graph is the union of `degree / 2` random rings, connected and nearly
    /// regular.
    #[serde(default)]
    pub degree: u32,
    /// How long it runs.
    pub seconds: u32,
    /// What links are like.
    pub link: LinkProfile,
    /// What runs on the nodes.
    pub family: Family,
    /// Share of nodes that mean harm; the family says how. They are the last ones.
    #[serde(default)]
    pub hostile: f64,
    /// Times without a way between two sides.
    #[serde(default)]
    pub partition: Vec<PartitionPlan>,
    /// Nodes with a wrong clock.
    pub skew: Option<SkewPlan>,
    /// Nodes that crash once.
    pub churn: Option<ChurnPlan>,
    /// By figure of the report: least and most. Holds whatever the baseline says.
    #[serde(default)]
    pub expect: BTreeMap<String, [f64; 2]>,
}

/// What runs on the nodes, and what only this kind of network has.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Nodes that look for each other.
    Discovery(DiscoveryPlan),
    /// Whisper relays.
    Gossip(GossipPlan),
    /// Whisper, Waku and bridges.
    Mixed(MixedPlan),
    /// Relays and clients, and observers among them.
    Spy(SpyPlan),
    /// Clients and their relays.
    Usage(UsagePlan),
}

/// What relays are given to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GossipPlan {
    /// What honest nodes post.
    pub traffic: TrafficPlan,
    /// Smaller pools than a node has by itself.
    #[serde(default)]
    pub pool: PoolPlan,
    /// How fast hostile nodes do it; without it they only listen.
    #[serde(default)]
    pub flood: FloodPlan,
    /// What hostile nodes do, each one thing in turn.
    #[serde(default = "GossipPlan::attacks")]
    pub attacks: Vec<Attack>,
}

/// Where a scenario runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Minutes in the profile of the tests: `cargo xtask sim --large` alone.
    Large,
    /// Everywhere.
    #[default]
    Small,
}

/// Posts, evenly in time, each by an honest node drawn for it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrafficPlan {
    /// How many.
    pub envelopes: u32,
    /// How long it takes to post them all.
    pub seconds: u32,
    /// Sealed data of each in bytes.
    pub data_bytes: u32,
    /// Life in seconds.
    pub ttl: u32,
    /// Proof of work.
    pub pow: f64,
}

/// Limits of each pool; those of the engine when absent.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolPlan {
    /// Most envelopes.
    pub envelopes: Option<usize>,
    /// Most bytes.
    pub bytes: Option<usize>,
}

/// A partition.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionPlan {
    /// Second it begins.
    pub from: u32,
    /// Second it heals.
    pub until: u32,
    /// Share of nodes on the smaller side.
    pub share: f64,
}

/// Wrong clocks: half of them ahead, half behind.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkewPlan {
    /// Share of nodes.
    pub share: f64,
    /// By how much.
    pub seconds: u32,
}

/// Crashes at random times between two seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChurnPlan {
    /// Share of nodes.
    pub share: f64,
    /// First second of a crash.
    pub from: u32,
    /// Last second of a crash.
    pub until: u32,
    /// How long a node is away.
    pub down_ms: u32,
}

/// What each hostile node makes and gives to all its peers; it relays nothing. Envelopes are of the least work that is
/// accepted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloodPlan {
    /// How many a second.
    pub per_second: u32,
    /// Data of each in bytes.
    pub data_bytes: u32,
    /// Life of each in seconds.
    pub ttl: u32,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// When it is not TOML of this form, or its numbers make no network.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let mut scenario: Self = toml::from_str(text).with_context(|| format!("scenario {name}"))?;
        name.clone_into(&mut scenario.name);
        scenario.check().with_context(|| format!("scenario {name}"))?;
        Ok(scenario)
    }

    /// All scenarios of the folder beside this crate, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder("scenarios"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        paths.sort();
        paths.iter().map(|path| Self::load(path)).collect()
    }

    fn load(path: &Path) -> Result<Self> {
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a name in UTF-8")?;
        Self::parse(name, &std::fs::read_to_string(path)?)
    }

    /// Runs it to its end.
    pub fn run(&self) -> Report {
        match &self.family {
            Family::Discovery(plan) => discovery::run(self, plan),
            Family::Gossip(plan) => gossip::run(self, plan),
            Family::Mixed(plan) => mixed::run(self, plan),
            Family::Spy(plan) => spy::run(self, plan),
            Family::Usage(plan) => usage::run(self, plan),
        }
    }

    /// Nodes that mean no harm; they are the first ones.
    pub fn honest(&self) -> u32 {
        self.nodes.saturating_sub(share(self.nodes, self.hostile))
    }

    fn check(&self) -> Result<()> {
        ensure!((2..=MAX_NODES).contains(&self.nodes), "nodes must be 2 to {MAX_NODES}");
        ensure!(self.degree.is_multiple_of(2), "degree must be even");
        ensure!(self.degree < self.nodes, "degree must be less than nodes");
        ensure!(self.link.latency_ms[0] <= self.link.latency_ms[1], "latency_ms is [least, most]");
        ensure!(self.partition.iter().all(|cut| cut.from < cut.until), "a partition heals after it begins");
        ensure!(self.churn.is_none_or(|plan| plan.from < plan.until), "churn ends after it begins");
        let link = [self.link.reset, self.link.loss, self.link.duplicate, self.hostile];
        let shares = [self.skew.map(|plan| plan.share), self.churn.map(|plan| plan.share)];
        let cuts = self.partition.iter().map(|cut| cut.share);
        let mut all = link.into_iter().chain(shares.into_iter().flatten()).chain(cuts);
        ensure!(all.all(|p| (0.0..=1.0).contains(&p)), "shares and probabilities are 0 to 1");
        ensure!(self.honest() > 0, "somebody must be honest");
        match &self.family {
            Family::Discovery(plan) => plan.check(self),
            Family::Gossip(plan) => plan.check(self),
            Family::Mixed(plan) => plan.check(self),
            Family::Spy(plan) => plan.check(self),
            Family::Usage(plan) => plan.check(self),
        }
    }
}

impl GossipPlan {
    fn attacks() -> Vec<Attack> {
        vec![Attack::Flood]
    }

    fn check(&self, scenario: &Scenario) -> Result<()> {
        let (traffic, flood) = (self.traffic, self.flood);
        ensure!(!self.attacks.is_empty(), "liars do something");
        ensure!(scenario.degree >= 2, "relays need links");
        ensure!(traffic.data_bytes >= 8 && traffic.ttl > 0, "traffic needs data and a life");
        ensure!(traffic.envelopes > 0 && traffic.seconds > 0, "traffic needs envelopes and time");
        ensure!(traffic.seconds < scenario.seconds, "traffic must end before the run does");
        ensure!(Pow::new(traffic.pow).is_some(), "pow is finite and not negative");
        ensure!(flood.per_second == 0 || flood.ttl > 0, "a flood needs a life");
        Ok(())
    }
}

/// A share of nodes, as a number of them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the share is checked to be 0 to 1"
)]
pub(crate) fn share(nodes: u32, share: f64) -> u32 {
    (f64::from(nodes) * share).round() as u32
}

/// A folder of this crate's sources.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "seed = 1\nnodes = 4\ndegree = 2\nseconds = 9\n[link]\nlatency_ms = [1, 2]\n\
                        [family.gossip.traffic]\n\
                        envelopes = 1\nseconds = 1\ndata_bytes = 100\nttl = 5\npow = 0.0\n";

    #[test]
    fn scenarios_that_make_no_network_are_refused() {
        assert!(Scenario::parse("good", GOOD).is_ok());
        let bad = [
            ("nodes = 4", "nodes = 1"),
            ("nodes = 4", "nodes = 100000"),
            ("degree = 2", "degree = 3"),
            ("degree = 2", "degree = 4"),
            ("degree = 2", "degree = 0"),
            ("latency_ms = [1, 2]", "latency_ms = [2, 1]"),
            ("latency_ms = [1, 2]", "latency_ms = [1, 2]\nreset = 1.5"),
            ("latency_ms = [1, 2]", "latency_ms = [1, 2]\nloss = nan"),
            ("envelopes = 1", "envelopes = 0"),
            ("data_bytes = 100", "data_bytes = 1"),
            ("pow = 0.0", "pow = inf"),
            ("seconds = 9", "seconds = 1"),
            ("seed = 1", "sead = 1"),
            ("seed = 1", "seed = 1\nhostile = 1.0"),
            ("[link]", "[[partition]]\nfrom = 2\nuntil = 2\nshare = 0.5\n[link]"),
            ("[link]", "[churn]\nfrom = 2\nuntil = 2\nshare = 0.5\ndown_ms = 1\n[link]"),
            ("family.gossip.traffic", "family.telepathy.traffic"),
            ("family.gossip.traffic", "family.discovery.liars"),
        ];
        for (from, to) in bad {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            assert!(Scenario::parse("bad", &text).is_err(), "{to}");
        }
    }
}
