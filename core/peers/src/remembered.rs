//! Peers that were good, for the next start.

use undertone_base::{FaultClass, Unix};
use undertone_devp2p::Enode;

/// A peer that was good company.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remembered {
    /// Its key, and an address where it listens.
    pub enode: Enode,
    /// When it was last connected.
    pub last: Unix,
    /// What it was worth: minutes connected and new envelopes, in all. Larger is kept longer.
    pub merit: u32,
}

/// Bytes that are no list of remembered peers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RememberedError {
    /// Not what this or an earlier version wrote.
    #[error("not a list of remembered peers")]
    Malformed,
    /// Larger than any list that is written.
    #[error("{size} bytes are over the limit of {max}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Written by a later version.
    #[error("version {0} is not known here")]
    Version(u64),
}

impl RememberedError {
    /// The environment: it is our own file.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Environment
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "peers.remembered_malformed",
            Self::TooLarge { .. } => "peers.remembered_too_large",
            Self::Version(_) => "peers.remembered_version",
        }
    }
}

/// The bytes to write to disk.
pub fn encode(peers: &[Remembered]) -> Vec<u8> {
    let _ = peers;
    Vec::new()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`RememberedError`].
pub fn decode(bytes: &[u8]) -> Result<Vec<Remembered>, RememberedError> {
    let _ = bytes;
    Ok(Vec::new())
}
