//! Chat messages: received, checked, and made.

mod content;
mod error;
mod incoming;
mod kind;
mod outgoing;

pub use content::{Audio, AudioType, Content, ContentType, Image, ImageType, Sticker};
pub use error::{ChatError, ComposeError};
pub use incoming::{CheckedChatMessage, RawChatMessage};
pub use kind::{ChatKind, ChatMessageType};
pub use outgoing::ChatMessageOut;
