//! Chat messages of ours.

use std::fmt;

use prost::Message as _;
use undertone_base::Unix;
use undertone_crypto::PublicKey;

use super::content::Content;
use super::error::ComposeError;
use super::incoming::RawChatMessage;
use super::kind::ChatKind;
use crate::clock::Clock;
use crate::id::MessageId;
use crate::limits::ENS_NAME_MAX;
use crate::proto::ChatMessage;

/// A chat message to send. Made by one of the constructors; the optional parts are set on it.
///
/// ```
/// use undertone_base::Unix;
/// use undertone_crypto::SecretKey;
/// use undertone_payload::{ChatMessageOut, Clock, RawChatMessage};
///
/// let bob = SecretKey::from_slice(&[0xb2; 32])?.public();
/// let now = Unix::from_millis(1_600_000_000_000);
/// let message = ChatMessageOut::one_to_one(&bob, "hello", Clock::bid(Clock::NONE, now), now);
/// let received = RawChatMessage::decode(&message.encode()?)?.check(now)?;
/// assert_eq!(received.text(), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct ChatMessageOut {
    /// Which kind of chat.
    pub chat_kind: ChatKind,
    /// Which chat: for two people, the recipient's key; else the name or id that all members use.
    pub chat_id: String,
    /// 1 to 4096 bytes, not blank, with any content: peers drop an image without text.
    pub text: String,
    /// What [`Clock::bid`] gave.
    pub clock: Clock,
    /// The wall clock.
    pub timestamp: Unix,
    /// What it is besides its text.
    pub content: Content,
    /// The message that it answers.
    pub response_to: Option<MessageId>,
    /// Our ENS name, at most 255 bytes; a longer one is not sent. Empty for none.
    pub ens_name: String,
}

impl ChatMessageOut {
    /// A text to one person.
    pub fn one_to_one(recipient: &PublicKey, text: impl Into<String>, clock: Clock, now: Unix) -> Self {
        Self::new(ChatKind::OneToOne, recipient.to_hex(), text.into(), clock, now)
    }

    /// A text to a public chat.
    pub fn public(name: impl Into<String>, text: impl Into<String>, clock: Clock, now: Unix) -> Self {
        Self::new(ChatKind::Public, name.into(), text.into(), clock, now)
    }

    /// A text to a group; it travels inside a membership update.
    pub fn private_group(id: impl Into<String>, text: impl Into<String>, clock: Clock, now: Unix) -> Self {
        Self::new(ChatKind::PrivateGroup, id.into(), text.into(), clock, now)
    }

    /// The payload of a metadata message of type 1, held against the rules that receivers apply
    /// ([`RawChatMessage::check`]): what they would drop in silence is an error here instead
    /// (`payloads.md` trap 5).
    ///
    /// | tag | field |
    /// |---|---|
    /// | `08` | clock, varint |
    /// | `10` | timestamp, varint |
    /// | `1a` | text |
    /// | `22` | id of the message that it answers, `0x` and 64 digits; may be absent |
    /// | `2a` | ENS name; may be absent |
    /// | `32` | chat id |
    /// | `38` | message type, varint |
    /// | `40` | content type, varint |
    /// | `4a`, `52`, `5a` | sticker, image, audio; at most one |
    ///
    /// # Errors
    /// [`ComposeError`] with the rule that the message breaks. A clock is judged by `timestamp`.
    pub fn encode(&self) -> Result<Vec<u8>, ComposeError> {
        let message = self.to_proto();
        let bytes = message.encode_to_vec();
        RawChatMessage(message).check(self.timestamp).map_err(ComposeError)?;
        Ok(bytes)
    }

    fn new(chat_kind: ChatKind, chat_id: String, text: String, clock: Clock, now: Unix) -> Self {
        Self {
            chat_kind,
            chat_id,
            text,
            clock,
            timestamp: now,
            content: Content::Text,
            response_to: None,
            ens_name: String::new(),
        }
    }

    fn to_proto(&self) -> ChatMessage {
        let name_fits = self.ens_name.len() <= ENS_NAME_MAX;
        ChatMessage {
            clock: self.clock.value(),
            timestamp: self.timestamp.millis(),
            text: self.text.clone(),
            response_to: self.response_to.map(|id| id.to_string()).unwrap_or_default(),
            ens_name: if name_fits { self.ens_name.clone() } else { String::new() },
            chat_id: self.chat_id.clone(),
            message_type: self.chat_kind.message_type().number(),
            content_type: self.content.content_type().number(),
            payload: self.content.to_proto(),
        }
    }
}

impl fmt::Debug for ChatMessageOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatMessageOut")
            .field("clock", &self.clock)
            .field("chat_kind", &self.chat_kind)
            .field("content", &self.content)
            .field("text", &format_args!("{} bytes", self.text.len()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use undertone_base::FaultClass;

    use super::*;
    use crate::chat::{ChatError, ContentType};
    use crate::clock::ClockError;

    const NOW: Unix = Unix::from_millis(1_600_000_000_000);

    fn hello() -> ChatMessageOut {
        ChatMessageOut::public("status", "hello", Clock::bid(Clock::NONE, NOW), NOW)
    }

    #[test]
    fn what_receivers_would_drop_is_not_made() {
        let refused = |change: fn(&mut ChatMessageOut)| {
            let mut message = hello();
            change(&mut message);
            let error = message.encode().unwrap_err();
            assert_eq!(error.fault(), FaultClass::Caller);
            error.0
        };
        assert!(hello().encode().is_ok());
        assert_eq!(refused(|m| m.text = " ".to_owned()), ChatError::TextBlank);
        assert_eq!(refused(|m| m.text = "x".repeat(4_097)), ChatError::TextTooLong { got: 4_097 });
        assert_eq!(refused(|m| m.chat_id.clear()), ChatError::ChatIdEmpty);
        assert_eq!(refused(|m| m.content = Content::Other(ContentType::STICKER)), ChatError::StickerMissing);
        let ahead = refused(|m| m.clock = Clock::from_value(NOW.millis() + 120_001));
        assert_eq!(ahead, ChatError::Clock(ClockError::TooHigh));
    }

    #[test]
    fn debug_shows_no_text() {
        assert_eq!(
            format!("{:?}", hello()),
            "ChatMessageOut { clock: Clock(1600000000000), chat_kind: Public, content: Text, text: 5 bytes, .. }"
        );
    }
}
