//! Chats: composing, sending, receiving and the states of a message.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chat;
mod chats;
mod compose;
mod fault;
mod io;
pub mod limits;
mod messenger;
mod outbox;
mod progress;
mod proto;
mod queries;
mod receive;
mod rows;
mod security;
mod staged;
mod step;
pub mod store;
#[cfg(feature = "testing")]
pub mod suite;
mod timer;

pub use chat::{Chat, ChatId, FailReason, Message, MessageState, ParseChatIdError};
pub use fault::Fault;
pub use io::{Command, Effect, Input, Notice, Pfs, Protection, Sizes, Trace, TraceStep, Undecodable};
pub use messenger::Messenger;
pub use queries::Place;
