//! Rows of the tables Chat and Message.

use prost::Message as _;
use undertone_base::{StoreError, Unix};
use undertone_payload::MessageId;

use super::keys::{chat_key, chat_of};
use super::{FORMAT, check_format, key};
use crate::{Chat, ChatId, FailReason, Message, MessageState, OpenedBy, Protection, proto};

const CHAT: StoreError = StoreError::Corrupt("chat");
const MESSAGE: StoreError = StoreError::Corrupt("message");

impl Chat {
    pub(crate) const fn new(id: ChatId) -> Self {
        Self { id, clock: 0, unread: 0, opened_by: OpenedBy::Us, since: Unix::from_millis(0), seen: false }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        proto::Chat {
            format: FORMAT,
            clock: self.clock,
            unread: self.unread,
            by_stranger: self.opened_by == OpenedBy::Stranger,
            since_ms: self.since.millis(),
            seen: self.seen,
        }
        .encode_to_vec()
    }

    pub(crate) fn from_row(key: &[u8], bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::Chat::decode(bytes).map_err(|_| CHAT)?;
        check_format(row.format, CHAT)?;
        let id = chat_of(key).ok_or(CHAT)?;
        let opened_by = if row.by_stranger { OpenedBy::Stranger } else { OpenedBy::Us };
        let since = Unix::from_millis(row.since_ms);
        Ok(Self { id, clock: row.clock, unread: row.unread, opened_by, since, seen: row.seen })
    }
}

impl Message {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (state, reason) = state_numbers(self.state);
        proto::Message {
            format: FORMAT,
            chat: chat_key(&self.chat),
            author: self.author.to_compressed().to_vec(),
            text: self.text.clone(),
            clock: self.clock,
            timestamp_ms: self.timestamp.millis(),
            state,
            reason,
            protection: protection_number(self.protection),
        }
        .encode_to_vec()
    }

    pub(crate) fn from_row(id: MessageId, bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::Message::decode(bytes).map_err(|_| MESSAGE)?;
        check_format(row.format, MESSAGE)?;
        Ok(Self {
            id,
            chat: chat_of(&row.chat).ok_or(MESSAGE)?,
            author: key(&row.author, MESSAGE)?,
            text: row.text,
            clock: row.clock,
            timestamp: Unix::from_millis(row.timestamp_ms),
            state: state_of(row.state, row.reason).ok_or(MESSAGE)?,
            protection: protection_of(row.protection).ok_or(MESSAGE)?,
        })
    }
}

const fn state_numbers(state: MessageState) -> (u32, u32) {
    match state {
        MessageState::Composed => (1, 0),
        MessageState::Queued => (2, 0),
        MessageState::Sent => (3, 0),
        MessageState::Stored => (4, 0),
        MessageState::Delivered => (5, 0),
        MessageState::Failed(FailReason::Clock) => (6, 5),
        MessageState::Failed(FailReason::GivenUp) => (6, 4),
        MessageState::Failed(FailReason::NobodyTookIt) => (6, 1),
        MessageState::Failed(FailReason::ProofOfWork) => (6, 2),
        MessageState::Failed(FailReason::TooLarge) => (6, 3),
        MessageState::Received => (7, 0),
    }
}

const fn state_of(state: u32, reason: u32) -> Option<MessageState> {
    Some(match (state, reason) {
        (1, 0) => MessageState::Composed,
        (2, 0) => MessageState::Queued,
        (3, 0) => MessageState::Sent,
        (4, 0) => MessageState::Stored,
        (5, 0) => MessageState::Delivered,
        (6, 5) => MessageState::Failed(FailReason::Clock),
        (6, 4) => MessageState::Failed(FailReason::GivenUp),
        (6, 1) => MessageState::Failed(FailReason::NobodyTookIt),
        (6, 2) => MessageState::Failed(FailReason::ProofOfWork),
        (6, 3) => MessageState::Failed(FailReason::TooLarge),
        (7, 0) => MessageState::Received,
        _ => return None,
    })
}

const fn protection_number(protection: Protection) -> u32 {
    match protection {
        Protection::Public => 1,
        Protection::Ratchet => 2,
        Protection::DhOnly => 3,
        Protection::TransportOnly => 4,
    }
}

const fn protection_of(number: u32) -> Option<Protection> {
    Some(match number {
        1 => Protection::Public,
        2 => Protection::Ratchet,
        3 => Protection::DhOnly,
        4 => Protection::TransportOnly,
        _ => return None,
    })
}
