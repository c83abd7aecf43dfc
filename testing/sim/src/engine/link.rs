//! Links and what they are like.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use undertone_base::Mono;

use super::NodeId;

/// A link between two nodes, the same at both ends. Dialled again, it has another name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LinkId(u64);

impl LinkId {
    pub(super) const fn new(edge: u32, life: u32) -> Self {
        Self((life as u64) << 32 | edge as u64)
    }

    /// A number that no other link of the run has.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The link of a number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is the edge")]
    pub(super) const fn edge(self) -> u32 {
        self.0 as u32
    }
}

/// What became of bytes that were given to a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// They are on their way.
    Now,
    /// The link is busy and [`super::Machine::on_sent`] tells when they are on their way.
    Later,
    /// There is no such link any more.
    Never,
}

/// What all links of a network are like.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkProfile {
    /// Latency in milliseconds, one way: least and most. Drawn once for each link, for each datagram anew.
    pub latency_ms: [u32; 2],
    /// Most that a packet takes longer than its link's latency, in milliseconds.
    #[serde(default)]
    pub jitter_ms: u32,
    /// Probability that a packet breaks the stream it is sent on.
    #[serde(default)]
    pub reset: f64,
    /// Least wait before a broken link is dialled again, in milliseconds; at most twice that.
    #[serde(default = "LinkProfile::reconnect_ms")]
    pub reconnect_ms: u32,
    /// Probability that a datagram is lost.
    #[serde(default)]
    pub loss: f64,
    /// Probability that a datagram comes twice.
    #[serde(default)]
    pub duplicate: f64,
    /// What each direction of a link carries, in KiB a second; as much as it is given when absent.
    pub kib_per_s: Option<u32>,
}

impl LinkProfile {
    const fn reconnect_ms() -> u32 {
        1_000
    }

    /// How long the wire is busy with so many bytes, when they go to somebody who reads so many KiB a second.
    pub(super) fn busy(&self, bytes: usize, reads: Option<u32>) -> Duration {
        let Some(kib) = self.kib_per_s.into_iter().chain(reads).min() else { return Duration::ZERO };
        let rate = u64::from(kib.max(1)) * 1_024;
        Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate)
    }
}

/// Whether an edge is dialled again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Redial {
    Always,
    Never,
}

/// Which life of an edge its first link is.
pub(super) const FIRST_LIFE: u32 = 1;

/// Two nodes that are, were or shall be linked.
#[derive(Debug)]
pub(super) struct Edge {
    /// The dialler first.
    pub(super) ends: [NodeId; 2],
    /// Of the ends, when an address was dialled.
    pub(super) sockets: Option<[SocketAddr; 2]>,
    pub(super) latency: Duration,
    pub(super) redial: Redial,
    pub(super) up: bool,
    /// Which of its links this is.
    pub(super) life: u32,
    /// Which ends know that it is up.
    pub(super) announced: [bool; 2],
    /// By direction, from the end of that position: when the wire is free again, and when the last packet arrives.
    pub(super) free_at: [Mono; 2],
    pub(super) last_arrival: [Mono; 2],
}

impl Edge {
    pub(super) const fn new(
        ends: [NodeId; 2],
        latency: Duration,
        redial: Redial,
        sockets: Option<[SocketAddr; 2]>,
    ) -> Self {
        Self {
            ends,
            sockets,
            latency,
            redial,
            up: false,
            life: FIRST_LIFE - 1,
            announced: [false; 2],
            free_at: [Mono::ZERO; 2],
            last_arrival: [Mono::ZERO; 2],
        }
    }

    /// The position of a node among the ends, and the node at the other.
    pub(super) fn side(&self, node: NodeId) -> Option<(usize, NodeId)> {
        let [a, b] = self.ends;
        if node == a {
            Some((0, b))
        } else if node == b {
            Some((1, a))
        } else {
            None
        }
    }

    pub(super) const fn rise(&mut self) {
        self.up = true;
        self.life += 1;
        self.announced = [false; 2];
        self.free_at = [Mono::ZERO; 2];
        self.last_arrival = [Mono::ZERO; 2];
    }
}
