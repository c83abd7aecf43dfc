//! Chats: composing, sending, receiving and the states of a message.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod chat;
mod io;
pub mod store;

pub use chat::{Chat, ChatId, FailReason, Message, MessageState, ParseChatIdError};
pub use io::{Command, Effect, Input, Notice, Pfs, Protection, Sizes, Trace, TraceStep, Undecodable};
