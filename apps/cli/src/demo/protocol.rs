//! What the stage manager and a person of the demo say to each other: JSON lines over a pipe when the person is a
//! process of its own, the same values over a channel when it is a task.

use serde::{Deserialize, Serialize};

/// To a person.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "order", rename_all = "camelCase")]
pub(crate) enum Order {
    /// Mix what is sent with other traffic (random delays) or send it at once.
    Blend { on: bool },
    /// Answer with [`Seen::History`].
    History { chat: String },
    /// Open a chat.
    Open { chat: String },
    /// Send a text; answered with [`Seen::Composed`] of the same tag.
    Send { chat: String, text: String, tag: u64 },
    /// End in order.
    Stop,
}

/// From a person.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "seen", rename_all = "camelCase")]
pub(crate) enum Seen {
    /// An envelope passed through this node's pool for the first time.
    Carried { wire: String },
    /// The answer to a send.
    Composed { tag: u64, id: String },
    /// A message of somebody else arrived and is stored.
    Got { id: String, chat: String, author: String, text: String, protection: String, clock: u64 },
    /// The newest messages of a chat, newest first.
    History { chat: String, lines: Vec<Line> },
    /// Layers: what came in.
    Opened {
        id: Option<String>,
        peer: Option<String>,
        wire: String,
        sizes: [usize; 4],
        protection: String,
        route: String,
    },
    /// How many peers its node has.
    Peers { count: usize },
    /// It is there.
    Ready { key: String, pid: u32 },
    /// It could not do what it was told.
    Refused { tag: Option<u64>, why: String },
    /// A message of its own is written down.
    Said { id: String, chat: String, text: String },
    /// Layers: what goes out.
    Sealed { send: u64, wire: String, bytes: usize, topic: String, pow: f64 },
    /// A message of its own went on.
    State { id: String, state: String },
    /// Layers: what was handed to the transport.
    Wrapped {
        id: Option<String>,
        send: u64,
        sizes: [usize; 4],
        protection: String,
        route: String,
        session: Option<String>,
    },
    /// Something that arrived could not be read.
    Unreadable { why: String },
}

/// One line of a chat.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Line {
    /// Message id.
    pub(crate) id: String,
    /// Author's key.
    pub(crate) author: String,
    /// The text.
    pub(crate) text: String,
    /// How far it is.
    pub(crate) state: String,
    /// Lamport clock.
    pub(crate) clock: u64,
}
