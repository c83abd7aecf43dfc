//! What crosses the contract.

use std::fmt;

use undertone_base::{FaultClass, Unix, fixed_bytes};
use undertone_crypto::{KeyId, PublicKey};

use crate::Route;

fixed_bytes! {
    /// The carrier's own name of what it carried (Whisper: the envelope hash). For logs and deduplication
    /// below messages; says nothing of the content.
    pub struct WireId(32);
}

fixed_bytes! {
    /// Names an offline inbox (a mail server): Keccak-256 of its public key.
    pub struct InboxId(32);
}

/// Names one send of one process. Never reused within a run.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SendId(pub u64);

/// From the layer above.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Ask an inbox for what was sent before.
    History(History),
    /// Start to receive on a route. Listening twice is listening once.
    Listen(Listen),
    /// Send a payload.
    Send(Send),
    /// Stop what [`Command::Listen`] with the same value began.
    Unlisten(Listen),
}

/// A route and what opens the payloads that arrive there.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Listen {
    /// What opens them.
    pub open_with: OpenWith,
    /// Where.
    pub route: Route,
}

/// What opens a payload.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum OpenWith {
    /// The secret that the route itself gives.
    ByRoute,
    /// A key of the keyring.
    Identity(KeyId),
}

/// One payload on its way.
#[derive(Clone)]
pub struct Send {
    /// Repeated in every [`Event::Progress`].
    pub id: SendId,
    /// Where to.
    pub route: Route,
    /// The key to seal to; required exactly on routes that are sealed to a key.
    pub to: Option<PublicKey>,
    /// The key that signs.
    pub sign_as: KeyId,
    /// Opaque bytes, at most [`Caps::max_payload`].
    pub payload: Vec<u8>,
    /// Whether inboxes need not keep it.
    pub ephemeral: bool,
    /// When it leaves.
    pub flush: Flush,
}

/// Without the payload: it may be what a person wrote.
impl fmt::Debug for Send {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send")
            .field("id", &self.id)
            .field("route", &self.route)
            .field("to", &self.to)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish_non_exhaustive()
    }
}

/// When a message leaves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Flush {
    /// After a random wait, mixed with what is relayed for others.
    Blended,
    /// At once.
    #[default]
    Fast,
}

/// A request to an inbox.
#[derive(Clone, Debug)]
pub struct History {
    /// Repeated in the [`Page`].
    pub id: SendId,
    /// Which routes.
    pub routes: Vec<Route>,
    /// Oldest wanted, inclusive.
    pub from: Unix,
    /// Newest wanted, inclusive.
    pub to: Unix,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
    /// At most this many.
    pub limit: u32,
}

/// Where a page ended. Only the inbox that made it can read it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor(pub Vec<u8>);

/// The end of one page of history. Its messages came before it as [`Event::Received`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// Of the request.
    pub id: SendId,
    /// From which inbox.
    pub inbox: InboxId,
    /// How the page ended.
    pub end: Result<Option<Cursor>, PageError>,
}

/// Why there is no page.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// No inbox is connected.
    #[error("no inbox is connected")]
    NoInbox,
    /// The inbox did not answer in time.
    #[error("the inbox did not answer in time")]
    TimedOut,
    /// The inbox refused.
    #[error("the inbox refused")]
    Refused,
}

/// To the layer above.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A page of history ended.
    Page(Page),
    /// A send went on.
    Progress {
        /// Which.
        id: SendId,
        /// How far.
        progress: Progress,
    },
    /// A payload arrived.
    Received(Box<Received>),
}

/// How far a send is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// It will not be sent any more. The layer above may send again under a new id.
    Failed(Failure),
    /// Accepted here.
    Queued,
    /// Another node took it.
    Relayed,
    /// An inbox keeps it.
    Stored(InboxId),
}

/// Why a send ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody took it while it lived, and whoever said why found its time wrong: our clock, or theirs.
    #[error("refused for its time: a clock is wrong")]
    Clock,
    /// Nobody took it while it lived.
    #[error("nobody took it while it lived")]
    Expired,
    /// Too many sends wait here.
    #[error("too many messages wait to be sent")]
    Overloaded,
    /// The proof of work was not found in time.
    #[error("the proof of work was not found in time")]
    ProofOfWork,
    /// Larger than the transport carries.
    #[error("larger than the transport carries")]
    TooLarge,
    /// A peer refused it.
    #[error("a peer refused it")]
    Refused,
}

/// A payload that arrived, its author proven.
#[derive(Clone, Eq, PartialEq)]
pub struct Received {
    /// The route whose listener opened it.
    pub route: Route,
    /// Who signed it.
    pub author: PublicKey,
    /// Our key that it was sealed to, if it was.
    pub sealed_to: Option<PublicKey>,
    /// The payload.
    pub payload: Vec<u8>,
    /// When the author says it was sent; whole seconds on some transports.
    pub sent_at: Unix,
    /// The carrier's name of it.
    pub wire_id: WireId,
    /// How it came.
    pub via: Via,
}

/// Without the payload: it may be what a person wrote.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("route", &self.route)
            .field("author", &self.author)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("via", &self.via)
            .finish_non_exhaustive()
    }
}

/// How a payload came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Via {
    /// From an inbox.
    History(InboxId),
    /// As it was sent.
    Live,
}

/// What a transport can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Caps {
    /// Largest payload in bytes.
    pub max_payload: usize,
    /// Whether it can ask an inbox.
    pub history: HistorySupport,
}

impl Caps {
    /// A transport without history.
    pub const fn live_only(max_payload: usize) -> Self {
        Self { max_payload, history: HistorySupport::None }
    }
}

/// Whether a transport can ask an inbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HistorySupport {
    /// It can.
    Inbox,
    /// It cannot.
    None,
}

/// Why a command was refused. It had no effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The route is sealed to a key and no key was given, or the reverse.
    #[error("this route and a recipient key do not go together")]
    Recipient,
    /// The keyring has no such key.
    #[error("no such key")]
    UnknownKey,
    /// The payload is larger than [`Caps::max_payload`].
    #[error("payload of {got} bytes is over the limit of {max}")]
    TooLarge {
        /// Its size.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// This transport cannot do that.
    #[error("not supported by this transport")]
    Unsupported,
}

impl CommandError {
    /// The layer above.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Recipient => "transport.recipient",
            Self::UnknownKey => "transport.unknown_key",
            Self::TooLarge { .. } => "transport.too_large",
            Self::Unsupported => "transport.unsupported",
        }
    }
}
