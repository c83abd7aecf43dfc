//! What `admin_*` and `net_*` answer, in geth's shapes (go-ethereum 1.9.7, package `p2p`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `admin_nodeInfo`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeInfo {
    /// The node's id, 64 hexadecimal digits without 0x.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Where it can be dialled.
    pub enode: String,
    /// Its record; empty when it takes no part in discovery.
    pub enr: String,
    /// The address of the enode.
    pub ip: String,
    /// Its ports as others see them.
    pub ports: Ports,
    /// Where it listens.
    pub listen_addr: String,
    /// What its capabilities say of themselves, by name.
    pub protocols: BTreeMap<String, serde_json::Value>,
}

/// The ports of a node; 0 is none.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ports {
    /// Of discovery, UDP.
    pub discovery: u16,
    /// For peers, TCP.
    pub listener: u16,
}

/// One of `admin_peers`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its key and where it is: as discovery knows it, else (as geth) the end of its link, which of an inbound peer is not
    /// the port that it listens on.
    pub enode: String,
    /// Its record, when discovery knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enr: Option<String>,
    /// Its id, 64 hexadecimal digits without 0x.
    pub id: String,
    /// What it calls itself. Untrusted.
    pub name: String,
    /// The capabilities of its link, as `name/version`.
    pub caps: Vec<String>,
    /// Its link.
    pub network: PeerNetwork,
    /// What the shared capabilities know of it, by name.
    pub protocols: BTreeMap<String, serde_json::Value>,
    /// What geth does not tell.
    pub undertone: PeerQuality,
}

/// The link of a peer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerNetwork {
    /// Our end, of an inbound peer.
    pub local_address: String,
    /// The peer's end.
    pub remote_address: String,
    /// Whether the peer made the link.
    pub inbound: bool,
    /// Whether it passes every limit.
    pub trusted: bool,
    /// Whether it is kept connected.
    #[serde(rename = "static")]
    pub fixed: bool,
}

/// How good company a peer is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerQuality {
    /// Seconds since it is connected.
    pub age_secs: u64,
    /// Points for new envelopes that it brought first, in thousandths.
    pub usefulness: u64,
    /// Points for faults, in thousandths.
    pub faults: u64,
    /// Time of its last answered ping in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u64>,
}

/// Somebody that a node has nothing to do with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BanInfo {
    /// An address, or a key as an enode without its endpoint.
    pub who: String,
    /// For how many seconds yet; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secs: Option<u64>,
}
