//! What a store can fail with, whichever crate owns the port.

use crate::FaultClass;

/// A store could not do what it was asked. Always our environment, never the peer or the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A row is not what this version wrote. Names the table.
    #[error("a stored {0} cannot be read")]
    Corrupt(&'static str),
    /// The disk or database refused.
    #[error("the store cannot read or write")]
    Unavailable,
}

impl StoreError {
    /// The environment.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Environment
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Corrupt(_) => "store.corrupt",
            Self::Unavailable => "store.unavailable",
        }
    }
}
