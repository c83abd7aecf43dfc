//! Why a step did nothing.

use undertone_base::{FaultClass, StoreError};
use undertone_crypto::UnknownKey;
use undertone_payload::ComposeError;
use undertone_ratchet::SealError;

/// Why a step was refused. The store is as before, and no effect may happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text is blank or too long, or this device's clock is behind the chat's.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The keyring has lost our identity.
    #[error(transparent)]
    Keyring(#[from] UnknownKey),
    /// A peer has this message already, or it is not waiting to be sent.
    #[error("this message is not waiting to be sent")]
    NotWaiting,
    /// A chat with oneself. Notes to oneself would travel nowhere: there is no other device yet.
    #[error("a chat with oneself is not possible")]
    Oneself,
    /// The security layer could not encrypt.
    #[error(transparent)]
    Security(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such chat.
    #[error("there is no such chat")]
    UnknownChat,
    /// There is no such message.
    #[error("there is no such message")]
    UnknownMessage,
}

impl Fault {
    /// Whose fault.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::NotWaiting | Self::Oneself | Self::UnknownChat | Self::UnknownMessage => FaultClass::Caller,
            Self::Compose(e) => e.fault(),
            Self::Keyring(e) => e.fault(),
            Self::Security(e) => e.fault(),
            Self::Store(e) => e.fault(),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Compose(e) => e.code(),
            Self::Keyring(e) => e.code(),
            Self::NotWaiting => "messenger.not_waiting",
            Self::Oneself => "messenger.oneself",
            Self::Security(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::UnknownChat => "messenger.unknown_chat",
            Self::UnknownMessage => "messenger.unknown_message",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct() {
        let all = [
            Fault::NotWaiting,
            Fault::Oneself,
            Fault::Store(StoreError::Unavailable),
            Fault::UnknownChat,
            Fault::UnknownMessage,
        ]
        .map(|fault| fault.code());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
