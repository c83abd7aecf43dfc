//! How a running node is, for `undertone doctor` and for whoever watches it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What a node knows of its own state. Figures only: what is good and what is not, the reader decides.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Health {
    /// Where it can be dialled.
    pub enode: String,
    /// Seconds since it started.
    pub age_secs: u64,
    /// Where it listens for peers.
    pub listen: Option<SocketAddr>,
    /// How its clock compares with those of others.
    pub clock: ClockHealth,
    /// How it gets through its router.
    pub nat: NatHealth,
    /// Whom discovery knows; `None` when it is off.
    pub discovery: Option<DiscoveryHealth>,
    /// Its peers.
    pub peers: PeersHealth,
    /// Its files and sockets.
    pub files: FilesHealth,
}

/// The clock.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockHealth {
    /// The others' clocks minus ours in milliseconds, their median; `None` while too few have spoken.
    pub offset_ms: Option<i64>,
    /// Whether it is that at least: refusals say no more.
    #[serde(default)]
    pub at_least: bool,
    /// How many sources the median is of: at least three, or all whom there is a link to.
    pub sources: usize,
}

/// The router.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NatHealth {
    /// As `--nat` says it.
    pub mode: String,
    /// How the router was talked to.
    pub method: Option<String>,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// Our address as others see it.
    pub external: Option<IpAddr>,
    /// The router's outer address, when it is no public one.
    pub second_nat: Option<IpAddr>,
    /// The ports that the router has granted.
    pub mapped: Vec<MappedPort>,
    /// How many ports were asked for.
    pub wanted: usize,
    /// The latest trouble.
    pub error: Option<String>,
}

/// A port of the router.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MappedPort {
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// Its number here.
    pub internal: u16,
    /// Its number outside.
    pub external: u16,
}

/// Discovery.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DiscoveryHealth {
    /// Where it listens; `None` when it goes by lists in DNS alone.
    pub udp: Option<SocketAddr>,
    /// Nodes in the table of v4; `None` when it is off.
    pub v4: Option<usize>,
    /// Nodes in the table of v5; `None` when it is off.
    pub v5: Option<usize>,
    /// How many boot nodes and lists it was given.
    pub starts: usize,
}

/// The peers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeersHealth {
    /// How many there are.
    pub connected: usize,
    /// How many of them came to us.
    pub inbound: usize,
    /// How many of them came to us from another machine.
    pub from_outside: usize,
    /// How many it may have.
    pub max: usize,
    /// Nodes that could be dialled.
    pub candidates: usize,
    /// Keys and addresses that are banned.
    pub banned: usize,
}

/// Files and sockets; `None` is no limit, or not known.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct FilesHealth {
    /// How many may be open.
    pub soft: Option<u64>,
    /// How far the process could raise that.
    pub hard: Option<u64>,
    /// How many are open.
    pub open: Option<u64>,
}
