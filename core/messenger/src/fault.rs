//! Why a step did nothing.

use undertone_base::{FaultClass, StoreError};
use undertone_crypto::UnknownKey;
use undertone_payload::{ComposeError, ContactUpdateError, PairError};
use undertone_ratchet::SealError;

use crate::limits::{MAX_NAME, MAX_NICKNAME};

/// Why a step was refused. The store is as before, and no effect may happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The person is blocked: unblock it first.
    #[error("this person is blocked")]
    Blocked,
    /// The text is blank or too long, or this device's clock is behind the chat's.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The keyring has lost our identity.
    #[error(transparent)]
    Keyring(#[from] UnknownKey),
    /// The name or kind of a device has characters that cannot be seen or turn the text around.
    #[error("the name and the kind of a device are made of visible characters")]
    DeviceName,
    /// What is no name of ENS, or too long for one.
    #[error("a name of ENS ends in .eth and has at most {MAX_NAME} bytes, all of them visible")]
    Name,
    /// A nickname that is too long or holds characters that cannot be seen.
    #[error("a nickname has at most {MAX_NICKNAME} bytes, all of them visible")]
    Nickname,
    /// Another contact has this nickname.
    #[error("another contact has this nickname")]
    NicknameTaken,
    /// The chat is one that we want: only a stranger's is declined.
    #[error("this chat is no request of a stranger")]
    NotARequest,
    /// A peer has this message already, or it is not waiting to be sent.
    #[error("this message is not waiting to be sent")]
    NotWaiting,
    /// A chat with oneself, or oneself as a contact.
    #[error("this is oneself")]
    Oneself,
    /// The profile has a name that is none, or a picture that is none or too large.
    #[error(transparent)]
    Profile(#[from] ContactUpdateError),
    /// The name or kind of this device is blank or too long.
    #[error(transparent)]
    Pairing(#[from] PairError),
    /// The security layer could not encrypt.
    #[error(transparent)]
    Security(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This device is always enabled.
    #[error("this device cannot be enabled or disabled")]
    ThisDevice,
    /// There is no such chat.
    #[error("there is no such chat")]
    UnknownChat,
    /// None of our other devices has this name.
    #[error("there is no such device")]
    UnknownDevice,
    /// There is no such message.
    #[error("there is no such message")]
    UnknownMessage,
}

impl Fault {
    /// Whose fault.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Blocked
            | Self::DeviceName
            | Self::Name
            | Self::Nickname
            | Self::NicknameTaken
            | Self::NotARequest
            | Self::NotWaiting
            | Self::Oneself
            | Self::Pairing(_)
            | Self::ThisDevice
            | Self::UnknownChat
            | Self::UnknownDevice
            | Self::UnknownMessage => FaultClass::Caller,
            Self::Compose(e) => e.fault(),
            Self::Profile(e) => e.fault(),
            Self::Keyring(e) => e.fault(),
            Self::Security(e) => e.fault(),
            Self::Store(e) => e.fault(),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Blocked => "messenger.blocked",
            Self::Compose(e) => e.code(),
            Self::Keyring(e) => e.code(),
            Self::DeviceName => "messenger.device_name",
            Self::Name => "messenger.name",
            Self::Nickname => "messenger.nickname",
            Self::NicknameTaken => "messenger.nickname_taken",
            Self::NotARequest => "messenger.not_a_request",
            Self::NotWaiting => "messenger.not_waiting",
            Self::Oneself => "messenger.oneself",
            Self::Pairing(e) => e.code(),
            Self::Profile(e) => e.code(),
            Self::Security(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::ThisDevice => "messenger.this_device",
            Self::UnknownChat => "messenger.unknown_chat",
            Self::UnknownDevice => "messenger.unknown_device",
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
            Fault::Blocked,
            Fault::DeviceName,
            Fault::Name,
            Fault::Nickname,
            Fault::NicknameTaken,
            Fault::NotARequest,
            Fault::NotWaiting,
            Fault::Oneself,
            Fault::Store(StoreError::Unavailable),
            Fault::ThisDevice,
            Fault::UnknownChat,
            Fault::UnknownDevice,
            Fault::UnknownMessage,
        ]
        .map(|fault| fault.code());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
