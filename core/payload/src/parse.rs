//! From a type number to a message.

use undertone_base::{FaultClass, Severity};

use crate::chat::{ChatError, RawChatMessage};
use crate::contact::{ContactUpdateError, RawContactUpdate};
use crate::id::MessageType;
use crate::metadata::Identified;
use crate::pair::{PairError, RawPairInstallation};

/// A payload in the shape of its type; nothing in it is checked yet.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Parsed {
    /// Type 1.
    Chat(RawChatMessage),
    /// Type 2.
    Contact(RawContactUpdate),
    /// Type 4.
    Pair(RawPairInstallation),
    /// A type that exists but that this version does nothing with. Not an error of anybody.
    Unhandled(MessageType),
}

impl Identified {
    /// Decodes the payload as what its type says.
    ///
    /// # Errors
    /// [`PayloadError::UnknownType`] for 0 and numbers above 23, [`PayloadError::Chat`],
    /// [`PayloadError::Contact`] or [`PayloadError::Pair`] when it is not the protobuf of its type.
    pub fn parse(&self) -> Result<Parsed, PayloadError> {
        match self.kind() {
            MessageType::CHAT_MESSAGE => {
                RawChatMessage::decode(self.payload()).map(Parsed::Chat).map_err(PayloadError::Chat)
            }
            MessageType::CONTACT_UPDATE => {
                RawContactUpdate::decode(self.payload()).map(Parsed::Contact).map_err(PayloadError::Contact)
            }
            MessageType::PAIR_INSTALLATION => {
                RawPairInstallation::decode(self.payload()).map(Parsed::Pair).map_err(PayloadError::Pair)
            }
            MessageType::UNKNOWN => Err(PayloadError::UnknownType(MessageType::UNKNOWN)),
            kind if kind.name().is_some() => Ok(Parsed::Unhandled(kind)),
            kind => Err(PayloadError::UnknownType(kind)),
        }
    }
}

/// Why a payload could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not a chat message.
    #[error(transparent)]
    Chat(ChatError),
    /// Not a contact update.
    #[error(transparent)]
    Contact(ContactUpdateError),
    /// Not the pairing of a device.
    #[error(transparent)]
    Pair(PairError),
    /// A type that nobody has defined, or none.
    #[error("no message type {}", .0.number())]
    UnknownType(MessageType),
}

impl PayloadError {
    /// The author's. A type that we do not know may be a newer version's.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Chat(error) => error.fault(),
            Self::Contact(error) => error.fault(),
            Self::Pair(error) => error.fault(),
            Self::UnknownType(_) => FaultClass::peer(Severity::Mild),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Chat(error) => error.code(),
            Self::Contact(error) => error.code(),
            Self::Pair(error) => error.code(),
            Self::UnknownType(_) => "payload.unknown_type",
        }
    }
}
