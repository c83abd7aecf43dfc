//! Chat messages from others.

use std::fmt;

use prost::Message as _;
use undertone_base::Unix;

use super::content::{Audio, AudioType, Content, ContentType, Image, ImageType, Sticker};
use super::error::ChatError;
use super::kind::{ChatKind, ChatMessageType};
use crate::clock::Clock;
use crate::id::MessageId;
use crate::limits::{CHAT_ID_MAX, ENS_NAME_MAX, STICKER_HASH_MAX, TEXT_MAX};
use crate::proto::chat_message::Payload;
use crate::proto::{AudioMessage, ChatMessage, ImageMessage, StickerMessage};

/// A chat message in shape only. Tolerant: unknown fields are skipped.
#[derive(Clone, PartialEq)]
pub struct RawChatMessage(pub(super) ChatMessage);

impl RawChatMessage {
    /// Reads the payload of a metadata message of type 1.
    ///
    /// # Errors
    /// [`ChatError::Malformed`], also for a string that is not UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Self, ChatError> {
        ChatMessage::decode(payload).map(Self).map_err(|_| ChatError::Malformed)
    }

    /// Applies every rule that needs nothing but the message and `sent_at`, the time of its envelope.
    ///
    /// | id | rule, in this order | origin |
    /// |---|---|---|
    /// | C1 | clock is not zero | `payloads.md` 3.8 |
    /// | C2 | clock is at most 120 s after `sent_at` | 3.8 |
    /// | C3 | timestamp is not zero | 3.8 |
    /// | C4 | text is not blank (Unicode white space; U+200B is none), whatever the content | 3.8, trap 4 |
    /// | C5 | text is at most 4096 bytes | 3.8, trap 5 |
    /// | C6 | chat id is not empty | 3.8 |
    /// | C7 | message type is neither 0 nor 4 | 3.8 |
    /// | C8 | content type is neither 0 nor 5 | 3.8 |
    /// | C9 | sticker content has a sticker with a hash | 3.8 |
    /// | C10 | image content has an image, not empty, of a format other than 0 | 3.8 |
    /// | C11 | audio content has audio, not empty, of a format other than 0 | 3.8 |
    /// | C12 | chat id is at most 512 bytes | ours |
    /// | C13 | sticker hash is at most 512 bytes | ours |
    ///
    /// DEVIATION: the reference bounds neither chat id, sticker hash, ENS name nor `response_to`, and keeps
    /// whatever stands there (`payloads.md` 3.8). C12 and C13 refuse; an ENS name above 255 bytes and a
    /// `response_to` that is no message id are taken as absent. Pinned by `our_own_bounds`.
    ///
    /// What needs more than the message is the messenger's: that the author itself sent it
    /// ([`require_direct`](crate::Identified::require_direct)), that the [`ChatKind`] is that of the chat,
    /// and that the author may speak there.
    ///
    /// # Errors
    /// [`ChatError`], the first rule that fails.
    pub fn check(self, sent_at: Unix) -> Result<CheckedChatMessage, ChatError> {
        let Self(message) = self;
        let clock = Clock::from_value(message.clock);
        clock.check(sent_at)?; // C1, C2
        if message.timestamp == 0 {
            return Err(ChatError::TimestampZero); // C3
        }
        check_text(&message.text)?; // C4, C5
        let kind = ChatMessageType::from_wire(message.message_type);
        check_chat(&message.chat_id, kind)?; // C6, C7
        let content = check_content(ContentType::from_wire(message.content_type), message.payload)?; // C8 to C11, C13
        if message.chat_id.len() > CHAT_ID_MAX {
            return Err(ChatError::ChatIdTooLong { got: message.chat_id.len() }); // C12
        }
        let ens_name = if message.ens_name.len() > ENS_NAME_MAX { String::new() } else { message.ens_name };
        Ok(CheckedChatMessage {
            clock,
            timestamp: Unix::from_millis(message.timestamp),
            text: message.text,
            response_to: message.response_to.parse().ok(),
            ens_name,
            chat_id: message.chat_id,
            kind,
            content,
        })
    }
}

impl fmt::Debug for RawChatMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawChatMessage(clock {}, text of {} bytes)", self.0.clock, self.0.text.len())
    }
}

/// A chat message that obeys every rule a message can obey by itself. What it says is still only its
/// author's word.
#[derive(Clone, Eq, PartialEq)]
pub struct CheckedChatMessage {
    clock: Clock,
    timestamp: Unix,
    text: String,
    response_to: Option<MessageId>,
    ens_name: String,
    chat_id: String,
    kind: ChatMessageType,
    content: Content,
}

impl CheckedChatMessage {
    /// Its place in the conversation.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The author's wall clock; informative, any value but zero.
    pub const fn timestamp(&self) -> Unix {
        self.timestamp
    }

    /// The text: 1 to 4096 bytes, not blank. May hold control and bidirectional characters: whoever shows it
    /// on a terminal or page neutralises them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The message it answers, if the field holds an id; whether that message exists is not known.
    pub const fn response_to(&self) -> Option<MessageId> {
        self.response_to
    }

    /// The ENS name that the author claims, unverified, at most 255 bytes; empty for none.
    pub fn ens_name(&self) -> &str {
        &self.ens_name
    }

    /// The chat as the author sees it: 1 to 512 bytes. In a one-to-one chat it names the recipient and is
    /// ignored, unless the author is oneself.
    pub fn chat_id(&self) -> &str {
        &self.chat_id
    }

    /// The number of the wire, neither 0 nor 4.
    pub const fn message_type(&self) -> ChatMessageType {
        self.kind
    }

    /// The kind of chat it may be filed in; `None` means none, and the message is dropped.
    pub const fn chat_kind(&self) -> Option<ChatKind> {
        ChatKind::of(self.kind)
    }

    /// What it is besides its text.
    pub const fn content(&self) -> &Content {
        &self.content
    }
}

impl fmt::Debug for CheckedChatMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedChatMessage")
            .field("clock", &self.clock)
            .field("kind", &self.kind)
            .field("content", &self.content)
            .field("text", &format_args!("{} bytes", self.text.len()))
            .finish_non_exhaustive()
    }
}

fn check_text(text: &str) -> Result<(), ChatError> {
    if text.trim().is_empty() {
        return Err(ChatError::TextBlank);
    }
    if text.len() > TEXT_MAX {
        return Err(ChatError::TextTooLong { got: text.len() });
    }
    Ok(())
}

fn check_chat(chat_id: &str, kind: ChatMessageType) -> Result<(), ChatError> {
    if chat_id.is_empty() {
        return Err(ChatError::ChatIdEmpty);
    }
    match kind {
        ChatMessageType::UNKNOWN | ChatMessageType::SYSTEM_MESSAGE_PRIVATE_GROUP => {
            Err(ChatError::MessageType { got: kind.number() })
        }
        _ => Ok(()),
    }
}

/// The attachment counts only with the content type that is its own; with another it is ignored.
fn check_content(kind: ContentType, payload: Option<Payload>) -> Result<Content, ChatError> {
    match kind {
        ContentType::UNKNOWN | ContentType::TRANSACTION_COMMAND => {
            Err(ChatError::ContentType { got: kind.number() })
        }
        ContentType::TEXT_PLAIN => Ok(Content::Text),
        ContentType::STATUS => Ok(Content::Status),
        ContentType::EMOJI => Ok(Content::Emoji),
        ContentType::STICKER => match payload {
            Some(Payload::Sticker(sticker)) => check_sticker(sticker),
            _ => Err(ChatError::StickerMissing),
        },
        ContentType::IMAGE => match payload {
            Some(Payload::Image(image)) => check_image(image),
            _ => Err(ChatError::ImageMissing),
        },
        ContentType::AUDIO => match payload {
            Some(Payload::Audio(audio)) => check_audio(audio),
            _ => Err(ChatError::AudioMissing),
        },
        other => Ok(Content::Other(other)),
    }
}

fn check_sticker(sticker: StickerMessage) -> Result<Content, ChatError> {
    match sticker.hash.len() {
        0 => Err(ChatError::StickerHashEmpty),
        1..=STICKER_HASH_MAX => Ok(Content::Sticker(Sticker { hash: sticker.hash, pack: sticker.pack })),
        got => Err(ChatError::StickerHashTooLong { got }),
    }
}

fn check_image(image: ImageMessage) -> Result<Content, ChatError> {
    if image.payload.is_empty() {
        return Err(ChatError::ImageEmpty);
    }
    match ImageType::from_wire(image.r#type) {
        ImageType::UNKNOWN => Err(ChatError::ImageType),
        kind => Ok(Content::Image(Image { kind, bytes: image.payload })),
    }
}

fn check_audio(audio: AudioMessage) -> Result<Content, ChatError> {
    if audio.payload.is_empty() {
        return Err(ChatError::AudioEmpty);
    }
    match AudioType::from_wire(audio.r#type) {
        AudioType::UNKNOWN => Err(ChatError::AudioType),
        kind => Ok(Content::Audio(Audio { kind, bytes: audio.payload, duration_ms: audio.duration_ms })),
    }
}

#[cfg(test)]
mod tests;
