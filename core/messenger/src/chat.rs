//! What a person sees: chats, messages and their states.

use std::fmt;
use std::str::FromStr;

use undertone_base::{FaultClass, Unix};
use undertone_crypto::PublicKey;
use undertone_payload::MessageId;
use undertone_transport::PublicName;

/// Names a chat. Its text form is the person's `0x04…` key or `#name`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ChatId {
    /// With one person.
    OneToOne(PublicKey),
    /// Open to everyone who knows the name.
    Public(PublicName),
}

/// Text that names no chat.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a chat is a key (0x04…) or #name")]
pub struct ParseChatIdError;

impl ParseChatIdError {
    /// Whoever gave the text.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        "messenger.chat_id"
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneToOne(key) => key.fmt(f),
            Self::Public(name) => write!(f, "#{name}"),
        }
    }
}

impl FromStr for ChatId {
    type Err = ParseChatIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix('#') {
            return PublicName::new(name).map(Self::Public).map_err(|_| ParseChatIdError);
        }
        PublicKey::from_hex(text).map(Self::OneToOne).map_err(|_| ParseChatIdError)
    }
}

/// A chat as it is listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chat {
    /// Which.
    pub id: ChatId,
    /// Lamport clock that our next message goes above, milliseconds: as a rule that of the newest one; 0 when there
    /// is none.
    pub clock: u64,
    /// Messages of others that nobody marked as read.
    pub unread: u64,
    /// Whether we want it, or a stranger does and we have not decided yet.
    pub opened_by: OpenedBy,
    /// When a stranger opened it.
    pub(crate) since: Unix,
    /// Whether a person has looked at what a stranger wrote.
    pub(crate) seen: bool,
}

/// Who opened a chat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenedBy {
    /// Somebody that we have neither written to nor added: a request, which may be declined.
    Stranger,
    /// We did, or we wrote in it, or added the person.
    Us,
}

/// A message as it is shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Message {
    /// Its id, the same on every device that has it.
    pub id: MessageId,
    /// The chat that it is filed under here.
    pub chat: ChatId,
    /// Who signed it.
    pub author: PublicKey,
    /// Its text, validated.
    pub text: String,
    /// Lamport clock, milliseconds. Messages are shown in this order, ties by id.
    pub clock: u64,
    /// When its author says it was written.
    pub timestamp: Unix,
    /// Ours: how far it is. Of others: [`MessageState::Received`].
    pub state: MessageState,
    /// How it was protected on its way.
    pub protection: crate::Protection,
}

/// Without the text: it is nobody's business in a log.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("chat", &self.chat)
            .field("author", &self.author)
            .field("text_bytes", &self.text.len())
            .field("clock", &self.clock)
            .field("timestamp", &self.timestamp)
            .field("state", &self.state)
            .field("protection", &self.protection)
            .finish()
    }
}

/// How far a message is. Every state survives `kill -9`; none lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MessageState {
    /// Written down here, not accepted by the transport yet.
    Composed,
    /// The transport has it and waits for a peer.
    Queued,
    /// A peer took it. The recipient may not have it.
    Sent,
    /// An offline inbox keeps it.
    Stored,
    /// The recipient's acknowledgement came.
    Delivered,
    /// Given up.
    Failed(FailReason),
    /// Somebody else's.
    Received,
}

impl MessageState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Composed => "composed",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Failed(_) => "failed",
            Self::Received => "received",
        }
    }
}

/// Why a message was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FailReason {
    /// Whoever said why it was not taken found its time wrong: this machine's clock, or theirs.
    #[error("refused for its time: this machine's clock is wrong, or that of its relays")]
    Clock,
    /// The person gave it up before a peer took it.
    #[error("given up before a peer took it")]
    GivenUp,
    /// No peer took it, as often as it was tried.
    #[error("no peer took it, as often as it was tried")]
    NobodyTookIt,
    /// The proof of work could not be found in time.
    #[error("the proof of work could not be found in time")]
    ProofOfWork,
    /// Larger than the transport carries.
    #[error("larger than the transport carries")]
    TooLarge,
}
