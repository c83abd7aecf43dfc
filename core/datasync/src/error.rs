//! What is wrong with a payload.

use undertone_base::{FaultClass, Severity};

/// Why a payload was refused whole. What is merely no data sync payload is no error but
/// [`Unwrapped::Plain`](crate::Unwrapped::Plain).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasyncError {
    /// Longer than [`PAYLOAD_MAX`](crate::limits::PAYLOAD_MAX).
    #[error("payload of {got} bytes exceeds {max}")]
    TooLarge {
        /// Bytes that came.
        got: usize,
        /// Bytes that are taken.
        max: usize,
    },
    /// More acks, offers and requests than [`IDS_MAX`](crate::limits::IDS_MAX).
    #[error("{got} ids in one payload exceed {max}")]
    TooManyIds {
        /// Ids that came.
        got: usize,
        /// Ids that are taken.
        max: usize,
    },
    /// More messages than [`MESSAGES_MAX`](crate::limits::MESSAGES_MAX).
    #[error("{got} messages in one payload exceed {max}")]
    TooManyMessages {
        /// Messages that came.
        got: usize,
        /// Messages that are taken.
        max: usize,
    },
}

impl DatasyncError {
    /// The peer's: no honest sender gets near the limits.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Serious)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "datasync.too_large",
            Self::TooManyIds { .. } => "datasync.too_many_ids",
            Self::TooManyMessages { .. } => "datasync.too_many_messages",
        }
    }
}
