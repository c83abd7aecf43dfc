//! What a chat message holds besides its text.

use std::fmt;

use crate::code::wire_code;
use crate::proto;

wire_code! {
    /// The field `content_type`.
    pub struct ContentType {
        /// Absent.
        UNKNOWN = 0,
        /// Text, in which clients render some markdown.
        TEXT_PLAIN = 1,
        /// A picture of a pack.
        STICKER = 2,
        /// Text.
        STATUS = 3,
        /// Text, rendered large.
        EMOJI = 4,
        /// Made locally, refused from the wire.
        TRANSACTION_COMMAND = 5,
        /// Made locally. The reference takes it from the wire; here it never counts as a system message.
        SYSTEM_MESSAGE_CONTENT_PRIVATE_GROUP = 6,
        /// A picture.
        IMAGE = 7,
        /// A recording.
        AUDIO = 8,
    }
}

wire_code! {
    /// Format of a picture. The sender's word; it need not match the bytes.
    pub struct ImageType {
        /// None that is known; refused.
        UNKNOWN = 0,
        /// PNG.
        PNG = 1,
        /// JPEG.
        JPEG = 2,
        /// WEBP.
        WEBP = 3,
        /// GIF.
        GIF = 4,
    }
}

wire_code! {
    /// Format of a recording. The sender's word; it need not match the bytes.
    pub struct AudioType {
        /// None that is known; refused.
        UNKNOWN = 0,
        /// AAC.
        AAC = 1,
        /// AMR.
        AMR = 2,
    }
}

impl ImageType {
    /// The format that the head of a file shows, as senders tell it (`payloads.md` 3.1).
    pub fn sniff(file: &[u8]) -> Self {
        match file {
            [0xff, 0xd8, 0xff, ..] => Self::JPEG,
            [0x89, b'P', b'N', b'G', ..] => Self::PNG,
            [b'G', b'I', b'F', ..] => Self::GIF,
            [_, _, _, _, _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::WEBP,
            _ => Self::UNKNOWN,
        }
    }

    /// The media type for a viewer. `None`: peers drop such a message at this point, and so should we.
    pub const fn media_type(self) -> Option<&'static str> {
        match self {
            Self::PNG => Some("image/png"),
            Self::JPEG => Some("image/jpeg"),
            Self::WEBP => Some("image/webp"),
            Self::GIF => Some("image/gif"),
            _ => None,
        }
    }
}

impl AudioType {
    /// The format that the head of a file shows, as senders tell it (`payloads.md` 3.1).
    pub fn sniff(file: &[u8]) -> Self {
        match file {
            [0xff, 0xf1 | 0xf9, ..] => Self::AAC,
            // Twelve bytes at least, as the reference wants.
            [b'#', b'!', b'A', b'M', b'R', b'\n', _, _, _, _, _, _, ..] => Self::AMR,
            _ => Self::UNKNOWN,
        }
    }

    /// The media type for a player. `None`: peers drop such a message at this point, and so should we.
    pub const fn media_type(self) -> Option<&'static str> {
        match self {
            Self::AAC => Some("audio/aac"),
            Self::AMR => Some("audio/amr"),
            _ => None,
        }
    }
}

/// What a chat message is besides its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// A recording.
    Audio(Audio),
    /// Text to be rendered large.
    Emoji,
    /// A picture.
    Image(Image),
    /// A type that means nothing to us (6 and above 8): show the text, and nothing but the text.
    Other(ContentType),
    /// Text.
    Status,
    /// A picture of a pack.
    Sticker(Sticker),
    /// Text.
    Text,
}

/// A picture of a pack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sticker {
    /// Content hash of the picture, not empty. The sender's word.
    pub hash: String,
    /// Pack that it belongs to.
    pub pack: i32,
}

/// A picture.
#[derive(Clone, Eq, PartialEq)]
pub struct Image {
    /// Its declared format, not zero.
    pub kind: ImageType,
    /// The file, not empty, at most what an envelope holds.
    pub bytes: Vec<u8>,
}

/// A recording.
#[derive(Clone, Eq, PartialEq)]
pub struct Audio {
    /// Its declared format, not zero.
    pub kind: AudioType,
    /// The file, not empty, at most what an envelope holds.
    pub bytes: Vec<u8>,
    /// Its declared duration, in milliseconds.
    pub duration_ms: u64,
}

impl Content {
    /// The number of the wire.
    pub const fn content_type(&self) -> ContentType {
        match self {
            Self::Audio(_) => ContentType::AUDIO,
            Self::Emoji => ContentType::EMOJI,
            Self::Image(_) => ContentType::IMAGE,
            Self::Other(kind) => *kind,
            Self::Status => ContentType::STATUS,
            Self::Sticker(_) => ContentType::STICKER,
            Self::Text => ContentType::TEXT_PLAIN,
        }
    }

    pub(super) fn to_proto(&self) -> Option<proto::chat_message::Payload> {
        use proto::chat_message::Payload;
        match self {
            Self::Audio(audio) => Some(Payload::Audio(proto::AudioMessage {
                payload: audio.bytes.clone(),
                r#type: audio.kind.number(),
                duration_ms: audio.duration_ms,
            })),
            Self::Image(image) => Some(Payload::Image(proto::ImageMessage {
                payload: image.bytes.clone(),
                r#type: image.kind.number(),
            })),
            Self::Sticker(sticker) => Some(Payload::Sticker(proto::StickerMessage {
                hash: sticker.hash.clone(),
                pack: sticker.pack,
            })),
            Self::Emoji | Self::Other(_) | Self::Status | Self::Text => None,
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audio({:?}, {} bytes, {} ms)", self.kind, self.bytes.len(), self.duration_ms)
    }
}
