//! How far the clock of this machine is from those of others.

use std::net::IpAddr;

use undertone_base::Mono;
use undertone_crypto::PublicKey;

/// Whose clock a sample is about. One source has one voice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SkewSource {
    /// A node of discovery, by its address: all of one /24 (IPv4) or /56 (IPv6) are one source.
    Address(IpAddr),
    /// A peer.
    Peer(PublicKey),
}

/// What a sample was taken from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SkewKind {
    /// The expiration of a discovery packet.
    Discovery,
    /// The time of an envelope that was first seen within two seconds of another peer.
    Envelope,
    /// The text with which a peer refuses us for the time.
    TimeSyncText,
}

/// What the sources say together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SkewEstimate {
    /// Median of the others' clocks minus ours, in milliseconds: positive when ours is behind.
    pub offset_ms: i64,
    /// How many sources.
    pub sources: usize,
}

/// The latest sample of each source. Bounded; old ones expire.
#[derive(Clone, Debug, Default)]
pub struct ClockSkew {}

impl ClockSkew {
    /// The other's clock minus ours, in milliseconds. Replaces what this source said before.
    pub fn sample(&mut self, now: Mono, source: SkewSource, kind: SkewKind, offset_ms: i64) {
        let _ = (now, source, kind, offset_ms);
    }

    /// The median over sources; `None` below three.
    pub fn estimate(&self, now: Mono) -> Option<SkewEstimate> {
        let _ = now;
        None
    }
}
