//! Chats: opening, listening, reading.

use rand_core::CryptoRng;
use undertone_base::{StoreError, Unix};
use undertone_crypto::PublicKey;
use undertone_transport::{Command, Listen, OpenWith, Route};

use crate::chat::{Chat, ChatId, OpenedBy};
use crate::fault::Fault;
use crate::io::{Effect, Notice};
use crate::limits::{MAX_ROWS, MAX_STRANGER_CHATS};
use crate::rows::{ContactRow, chat_key};
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    pub(crate) fn chat(&self, id: &ChatId) -> Result<Option<Chat>, StoreError> {
        let key = chat_key(id);
        self.tx.get(Table::Chat, &key)?.map(|row| Chat::from_row(&key, &row)).transpose()
    }

    /// Writes a chat and tells the person.
    pub(crate) fn put_chat(&mut self, row: &Chat) -> Result<(), StoreError> {
        self.tx.put(Table::Chat, &chat_key(&row.id), &row.to_bytes())?;
        self.notify(Notice::Chat(row.clone()));
        Ok(())
    }

    /// Opens a chat because we want it. Listening twice is listening once.
    pub(crate) fn open_chat(&mut self, id: &ChatId) -> Result<(), Fault> {
        let known = self.chat(id)?.is_some_and(|row| row.opened_by == OpenedBy::Us);
        let row = self.own_chat(id)?;
        if known {
            return self.listen_to(id);
        }
        Ok(self.put_chat(&row)?)
    }

    /// The chat with `id` as ours, to be written by the caller: a new one, or what a stranger had opened.
    pub(crate) fn own_chat(&mut self, id: &ChatId) -> Result<Chat, Fault> {
        if *id == ChatId::OneToOne(*self.own()) {
            return Err(Fault::Oneself);
        }
        if let ChatId::OneToOne(peer) = id
            && self.is_blocked(peer)?
        {
            return Err(Fault::Blocked);
        }
        match self.chat(id)? {
            Some(row) if row.opened_by == OpenedBy::Stranger => {
                self.state.strangers = self.state.strangers.saturating_sub(1);
                self.listen_to(id)?;
                Ok(Chat { opened_by: OpenedBy::Us, ..row })
            }
            Some(row) => Ok(row),
            None => {
                self.is_met(id)?;
                self.listen_to(id)?;
                if matches!(id, ChatId::OneToOne(_)) {
                    self.contact_code_for_a_first_contact();
                }
                Ok(Chat::new(id.clone()))
            }
        }
    }

    /// A chat that somebody else opens, to be written by the caller. Where there are too many of strangers, the oldest
    /// that nobody has looked at makes room; `None` when there is none such. Whom we have added is no stranger.
    pub(crate) fn chat_of_stranger(&mut self, id: &ChatId) -> Result<Option<Chat>, Fault> {
        if let ChatId::OneToOne(peer) = id
            && self.contact(peer)?.is_some_and(|row| row.added)
        {
            self.is_met(id)?;
            self.listen_to(id)?;
            return Ok(Some(Chat::new(id.clone())));
        }
        if self.state.strangers >= MAX_STRANGER_CHATS && !self.make_room_for_request()? {
            return Ok(None);
        }
        self.state.strangers = self.state.strangers.saturating_add(1);
        self.is_met(id)?;
        self.listen_to_request(id)?;
        Ok(Some(Chat { opened_by: OpenedBy::Stranger, since: self.now.unix, ..Chat::new(id.clone()) }))
    }

    /// Removes the oldest request that was neither looked at nor decided about, with all that is known of its author.
    /// Says whether there was one.
    fn make_room_for_request(&mut self) -> Result<bool, Fault> {
        let mut oldest: Option<(Unix, PublicKey)> = None;
        for (key, row) in self.tx.scan(Table::Chat, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let chat = Chat::from_row(&key, &row)?;
            let ChatId::OneToOne(peer) = chat.id else { continue };
            if chat.opened_by == OpenedBy::Stranger
                && !chat.seen
                && oldest.as_ref().is_none_or(|(since, _)| chat.since < *since)
                && !self.contact(&peer)?.is_some_and(|row| row.is_kept())
            {
                oldest = Some((chat.since, peer));
            }
        }
        let Some((_, peer)) = oldest else { return Ok(false) };
        self.remove_request(&peer)?;
        self.leaves(peer);
        Ok(true)
    }

    /// Whoever has a chat is no mere acquaintance.
    fn is_met(&mut self, id: &ChatId) -> Result<(), StoreError> {
        if let ChatId::OneToOne(peer) = id
            && let Some(row) = self.contact(peer)?.filter(|row| row.acquaintance.is_some())
        {
            self.state.people = self.state.people.saturating_sub(1);
            self.put_contact(peer, &ContactRow { acquaintance: None, ..row })?;
        }
        Ok(())
    }

    /// A public chat: its name. A person: their contact code, and the secret that we share, because whoever
    /// sends a direct message must hear the answer there (`security.md` 6.3).
    pub(crate) fn listen_to(&mut self, id: &ChatId) -> Result<(), Fault> {
        let routes = match id {
            ChatId::Public(name) => vec![Route::Public(name.clone())],
            ChatId::OneToOne(peer) => vec![Route::ContactCode(*peer), self.negotiated(peer)?],
        };
        for route in routes {
            let listen = Listen { route, open_with: OpenWith::ByRoute };
            self.push(Effect::Transport(Command::Listen(listen)));
        }
        Ok(())
    }

    /// A chat that nobody has accepted yet: the secret that we share alone, where the answer to an acknowledgement may
    /// come. A topic more for each stranger would open the announced filter to everything, for whoever wants that.
    pub(crate) fn listen_to_request(&mut self, id: &ChatId) -> Result<(), Fault> {
        let ChatId::OneToOne(peer) = id else { return self.listen_to(id) };
        let listen = Listen { route: self.negotiated(peer)?, open_with: OpenWith::ByRoute };
        self.push(Effect::Transport(Command::Listen(listen)));
        Ok(())
    }

    /// Whether a stranger has opened this chat and nobody has accepted it.
    pub(crate) fn is_request(&self, chat: &Chat) -> Result<bool, StoreError> {
        Ok(match &chat.id {
            ChatId::OneToOne(peer) if chat.opened_by == OpenedBy::Stranger => {
                !self.contact(peer)?.is_some_and(|row| row.added)
            }
            _ => false,
        })
    }

    pub(crate) fn mark_read(&mut self, id: &ChatId) -> Result<(), Fault> {
        let mut row = self.chat(id)?.ok_or(Fault::UnknownChat)?;
        let tell = row.unread != 0;
        row.seen |= row.opened_by == OpenedBy::Stranger;
        row.unread = 0;
        self.tx.put(Table::Chat, &chat_key(id), &row.to_bytes())?;
        if tell {
            self.notify(Notice::Chat(row));
        }
        Ok(())
    }
}
