//! Which sort of conversation.

use crate::code::wire_code;

wire_code! {
    /// The field `message_type`. The sender's word, signed but unproven: compare its [`ChatKind`] with that
    /// of the chat before filing a message there, or a public message lands in a private chat
    /// (`payloads.md` trap 17).
    pub struct ChatMessageType {
        /// Absent.
        UNKNOWN = 0,
        /// Two people.
        ONE_TO_ONE = 1,
        /// Everybody who knows the name.
        PUBLIC_GROUP = 2,
        /// The joined members of a group.
        PRIVATE_GROUP = 3,
        /// Made locally, never taken from the wire.
        SYSTEM_MESSAGE_PRIVATE_GROUP = 4,
    }
}

/// The sorts of conversation that messages are sent to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ChatKind {
    /// Two people, or one person's own devices.
    OneToOne,
    /// The joined members of a group.
    PrivateGroup,
    /// Everybody who knows the name.
    Public,
}

impl ChatKind {
    /// The kind of chat that a message of this type belongs to; `None` when it belongs to none.
    pub const fn of(kind: ChatMessageType) -> Option<Self> {
        match kind {
            ChatMessageType::ONE_TO_ONE => Some(Self::OneToOne),
            ChatMessageType::PRIVATE_GROUP => Some(Self::PrivateGroup),
            ChatMessageType::PUBLIC_GROUP => Some(Self::Public),
            _ => None,
        }
    }

    /// The number for a message to such a chat.
    pub const fn message_type(self) -> ChatMessageType {
        match self {
            Self::OneToOne => ChatMessageType::ONE_TO_ONE,
            Self::PrivateGroup => ChatMessageType::PRIVATE_GROUP,
            Self::Public => ChatMessageType::PUBLIC_GROUP,
        }
    }
}
