//! What is wrong with a chat message.

use undertone_base::{FaultClass, Severity};

use crate::clock::ClockError;
use crate::limits::{CHAT_ID_MAX, STICKER_HASH_MAX, TEXT_MAX};

/// Why a chat message was refused; each names its check (see
/// [`RawChatMessage::check`](crate::RawChatMessage::check)).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// C11: an audio message with an empty file.
    #[error("audio is empty")]
    AudioEmpty,
    /// C11: an audio message without audio.
    #[error("audio is missing")]
    AudioMissing,
    /// C11: an audio message of format zero.
    #[error("audio has no format")]
    AudioType,
    /// C6: no chat.
    #[error("chat id is empty")]
    ChatIdEmpty,
    /// C12: a chat id above the limit.
    #[error("chat id of {got} bytes exceeds {CHAT_ID_MAX}")]
    ChatIdTooLong {
        /// Bytes that came.
        got: usize,
    },
    /// C1, C2: a clock that is not believed.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// C8: content 0, or 5 (which is only made locally).
    #[error("content type {got} is not for the wire")]
    ContentType {
        /// The number that came.
        got: i32,
    },
    /// C10: an image message with an empty file.
    #[error("image is empty")]
    ImageEmpty,
    /// C10: an image message without an image.
    #[error("image is missing")]
    ImageMissing,
    /// C10: an image message of format zero.
    #[error("image has no format")]
    ImageType,
    /// Not the protobuf of a chat message, or a string that is not UTF-8.
    #[error("not a chat message")]
    Malformed,
    /// C7: message type 0, or 4 (which is only made locally).
    #[error("message type {got} is not for the wire")]
    MessageType {
        /// The number that came.
        got: i32,
    },
    /// C9: a sticker without hash.
    #[error("sticker hash is empty")]
    StickerHashEmpty,
    /// C13: a sticker hash above the limit.
    #[error("sticker hash of {got} bytes exceeds {STICKER_HASH_MAX}")]
    StickerHashTooLong {
        /// Bytes that came.
        got: usize,
    },
    /// C9: a sticker message without a sticker.
    #[error("sticker is missing")]
    StickerMissing,
    /// C4: nothing but white space.
    #[error("text is blank")]
    TextBlank,
    /// C5: a text above the limit.
    #[error("text of {got} bytes exceeds {TEXT_MAX}")]
    TextTooLong {
        /// Bytes that came.
        got: usize,
    },
    /// C3: no time.
    #[error("timestamp is zero")]
    TimestampZero,
}

impl ChatError {
    /// The author's. Clients of the field do send texts that are too long.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Clock(error) => error.fault(),
            _ => FaultClass::peer(Severity::Mild),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AudioEmpty => "chat.audio_empty",
            Self::AudioMissing => "chat.audio_missing",
            Self::AudioType => "chat.audio_type",
            Self::ChatIdEmpty => "chat.chat_id_empty",
            Self::ChatIdTooLong { .. } => "chat.chat_id_too_long",
            Self::Clock(error) => error.code(),
            Self::ContentType { .. } => "chat.content_type",
            Self::ImageEmpty => "chat.image_empty",
            Self::ImageMissing => "chat.image_missing",
            Self::ImageType => "chat.image_type",
            Self::Malformed => "chat.malformed",
            Self::MessageType { .. } => "chat.message_type",
            Self::StickerHashEmpty => "chat.sticker_hash_empty",
            Self::StickerHashTooLong { .. } => "chat.sticker_hash_too_long",
            Self::StickerMissing => "chat.sticker_missing",
            Self::TextBlank => "chat.text_blank",
            Self::TextTooLong { .. } => "chat.text_too_long",
            Self::TimestampZero => "chat.timestamp_zero",
        }
    }
}

/// What we were asked to send would be refused by every receiver, for this reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct ComposeError(pub ChatError);

impl ComposeError {
    /// Ours: whoever wrote the message.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        self.0.code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let all = [
            ChatError::AudioEmpty,
            ChatError::AudioMissing,
            ChatError::AudioType,
            ChatError::ChatIdEmpty,
            ChatError::ChatIdTooLong { got: 0 },
            ChatError::Clock(ClockError::TooHigh),
            ChatError::Clock(ClockError::Zero),
            ChatError::ContentType { got: 0 },
            ChatError::ImageEmpty,
            ChatError::ImageMissing,
            ChatError::ImageType,
            ChatError::Malformed,
            ChatError::MessageType { got: 0 },
            ChatError::StickerHashEmpty,
            ChatError::StickerHashTooLong { got: 0 },
            ChatError::StickerMissing,
            ChatError::TextBlank,
            ChatError::TextTooLong { got: 0 },
            ChatError::TimestampZero,
        ]
        .map(|error| error.code());
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
