//! Whose fault an error is.

/// How bad a peer's fault is, for whoever keeps score.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Happens to honest peers: clock skew, an old version, a race.
    Mild,
    /// An honest peer does not do this twice.
    Serious,
    /// Cannot happen without intent or a broken implementation: the link is useless.
    Fatal,
}

/// A fault of the other side of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerFault {
    /// How bad it is.
    pub severity: Severity,
    /// The devp2p disconnect reason to send, or `None` to close without a word.
    pub disconnect: Option<u8>,
}

/// The answer of every public error of the project to “whose fault is it?”.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FaultClass {
    /// Bytes from outside were wrong.
    Peer(PeerFault),
    /// The caller asked for something that cannot be.
    Caller,
    /// Disk, network, clock or memory.
    Environment,
    /// Our own bug, with the invariant that did not hold.
    Bug(&'static str),
}

impl FaultClass {
    /// A peer's fault of this severity without a disconnect reason.
    pub const fn peer(severity: Severity) -> Self {
        Self::Peer(PeerFault { severity, disconnect: None })
    }
}
