//! Writing a message.

use rand_core::CryptoRng;
use undertone_base::Unix;
use undertone_crypto::PublicKey;
use undertone_datasync::{GroupId, Pending, wrap};
use undertone_payload::{ChatMessageOut, Clock, MessageType, Metadata};

use crate::chat::{ChatId, Message, MessageState};
use crate::fault::Fault;
use crate::io::{Notice, Protection, Sizes};
use crate::limits::MAX_CLOCK_LEAD;
use crate::outbox::Sent;
use crate::rows::{Address, Carries, OutboxRow, pending_key, timeline_key};
use crate::step::Step;
use crate::store::{StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    pub(crate) fn send_text(&mut self, id: &ChatId, text: String) -> Result<(), Fault> {
        let mut row = self.own_chat(id)?;
        let now = self.now.unix;
        let clock = bid(row.clock, now);
        let out = match id {
            ChatId::OneToOne(peer) => ChatMessageOut::one_to_one(peer, text.as_str(), clock, now),
            ChatId::Public(name) => ChatMessageOut::public(name.as_str(), text.as_str(), clock, now),
        };
        let keyring = &*self.messenger.keyring;
        let identity = self.messenger.identity();
        let metadata = Metadata::sign(MessageType::CHAT_MESSAGE, out.encode()?, keyring, identity)?;

        row.clock = clock.value();
        self.put_chat(&row)?;
        let message = Message {
            id: metadata.id(),
            chat: id.clone(),
            author: *self.own(),
            text,
            clock: clock.value(),
            timestamp: now,
            state: MessageState::Composed,
            protection: Protection::Public,
        };
        match id {
            ChatId::OneToOne(peer) => self.send_one_to_one(peer, message, metadata),
            ChatId::Public(_) => self.send_public(message, &metadata),
        }
    }

    /// Remembered until the peer acknowledges it; from then on [`Step::progress`] and [`Step::timeout`] see
    /// to it that it arrives.
    fn send_one_to_one(
        &mut self,
        peer: &PublicKey,
        message: Message,
        metadata: Metadata,
    ) -> Result<(), Fault> {
        let group = GroupId::of_pair(self.own(), peer);
        let mut sizes =
            Sizes { text: message.text.len(), metadata: metadata.as_bytes().len(), ..Sizes::default() };
        let copy = metadata.as_bytes().to_vec();
        let (id, sync) = wrap(group, self.now.unix, metadata.into_bytes());
        let pending = Pending::new(*peer, sync, self.now.unix);
        let key = pending_key(peer, &id);
        self.tx.put(Table::Pending, &key, &pending.to_stored())?;

        let payload = pending.payload().to_bytes();
        sizes.sync = payload.len();
        let sealed = self.seal_direct(peer, payload)?;
        sizes.protocol = sealed.bytes.len();
        let sent = Sent {
            message: Some(message.id),
            peer: Some(*peer),
            sizes,
            protection: sealed.protection,
            session: sealed.session,
        };
        self.put_new_message(Message { protection: sealed.protection, ..message })?;
        self.send(OutboxRow::new(sealed.address, sealed.bytes, Carries::Pending(key)), &sent)?;
        self.send_copy(copy)
    }

    /// Nobody acknowledges a public message: that a peer took it is all that can be known.
    fn send_public(&mut self, message: Message, metadata: &Metadata) -> Result<(), Fault> {
        let ChatId::Public(name) = &message.chat else { return Err(Fault::UnknownChat) };
        let address = Address::Public(name.clone());
        let bytes = self.seal_public(metadata.as_bytes())?;
        let sizes = Sizes {
            text: message.text.len(),
            metadata: metadata.as_bytes().len(),
            sync: 0,
            protocol: bytes.len(),
        };
        let sent = Sent {
            message: Some(message.id),
            peer: None,
            sizes,
            protection: Protection::Public,
            session: None,
        };
        let carries = Carries::Public(message.id);
        self.put_new_message(message)?;
        self.send(OutboxRow::new(address, bytes, carries), &sent)
    }

    /// Files a message and shows it.
    pub(crate) fn put_new_message(&mut self, message: Message) -> Result<(), Fault> {
        self.put_message(&message)?;
        let key = timeline_key(&message.chat, message.clock, &message.id);
        self.tx.put(Table::Timeline, &key, &[])?;
        self.notify(Notice::Message(Box::new(message)));
        Ok(())
    }
}

/// The clock of our next message in a chat.
///
/// DEVIATION: the original follows the chat's clock wherever it is. Then whoever writes at the very limit that
/// receivers allow makes them refuse the next message of everybody else, and a wall clock that was wrong once
/// closes the chat until that time has come. Here such a clock is not followed. Pinned by
/// `a_clock_pushed_to_the_limit_does_not_push_our_own_messages_over_it` and
/// `a_clock_that_was_far_ahead_does_not_close_a_chat`.
pub(crate) fn bid(chat: u64, now: Unix) -> Clock {
    let last = if chat >= now.after(MAX_CLOCK_LEAD).millis() { Clock::NONE } else { Clock::from_value(chat) };
    Clock::bid(last, now)
}
