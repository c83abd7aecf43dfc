//! Which protocols a link speaks: `shh/6`, one version of Waku, or both, over one pool.

/// A protocol that carries envelopes. What it carries is the same; what is said around it is not.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// The capability `shh/6`.
    Whisper,
    /// The capability `waku/0` or `waku/1`.
    Waku,
}

/// A version of Waku. devp2p keeps the highest that both ends name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum WakuVersion {
    /// `waku/0`: a version before the options, whose keys are digits in ASCII.
    V0,
    /// `waku/1`: options alone, whose keys are integers.
    V1,
}

impl WakuVersion {
    /// As it stands in the capability.
    pub const fn number(self) -> u64 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }

    /// The version of a capability `waku`.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::V0),
            1 => Some(Self::V1),
            _ => None,
        }
    }
}

/// What a link can speak, or a node will.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dialects {
    /// Whether `shh/6` is there.
    pub whisper: bool,
    /// Which Waku is there.
    pub waku: Option<WakuVersion>,
}

impl Dialects {
    /// `shh/6` alone.
    pub const WHISPER: Self = Self { whisper: true, waku: None };

    /// Waku alone.
    pub const fn waku(version: WakuVersion) -> Self {
        Self { whisper: false, waku: Some(version) }
    }

    /// `shh/6` and Waku.
    pub const fn both(version: WakuVersion) -> Self {
        Self { whisper: true, waku: Some(version) }
    }

    /// What is in `protocols` too.
    #[must_use]
    pub const fn within(self, protocols: Protocols) -> Self {
        Self {
            whisper: self.whisper && protocols.whisper,
            waku: if protocols.waku { self.waku } else { None },
        }
    }

    /// Whether nothing is spoken.
    pub const fn is_empty(self) -> bool {
        !self.whisper && self.waku.is_none()
    }
}

/// Which protocols a node takes part in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Protocols {
    /// `shh/6`.
    pub whisper: bool,
    /// Waku, both versions.
    pub waku: bool,
}

impl Protocols {
    /// `shh/6` alone: the default.
    pub const WHISPER: Self = Self { whisper: true, waku: false };
    /// Waku alone.
    pub const WAKU: Self = Self { whisper: false, waku: true };
    /// All: what a node for Status clients speaks, whose peers have one or the other.
    pub const BOTH: Self = Self { whisper: true, waku: true };
}

/// Packets, or bytes, that a node takes in a second: of one address, of one peer, and of one topic. 0 = no limit.
///
/// status-go announces these and does not act on them, and never announces a limit of topics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RateLimits {
    /// Of all peers at one address.
    pub ip: u64,
    /// Of one peer.
    pub peer: u64,
    /// On one topic.
    pub topic: u64,
}

impl RateLimits {
    /// No limit at all.
    pub const NONE: Self = Self { ip: 0, peer: 0, topic: 0 };
}
