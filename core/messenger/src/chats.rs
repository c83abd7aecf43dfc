//! Chats: opening, listening, reading; and what is known of people.

use rand_core::CryptoRng;
use undertone_base::StoreError;
use undertone_crypto::PublicKey;
use undertone_transport::{Command, Listen, OpenWith, Route};

use crate::chat::ChatId;
use crate::fault::Fault;
use crate::io::{Effect, Notice, Pfs};
use crate::limits::MAX_STRANGER_CHATS;
use crate::rows::{ChatRow, ContactRow, chat_key, contact_key};
use crate::step::Step;
use crate::store::{StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    pub(crate) fn chat(&self, id: &ChatId) -> Result<Option<ChatRow>, StoreError> {
        let key = chat_key(id);
        self.tx.get(Table::Chat, &key)?.map(|row| ChatRow::from_row(&key, &row)).transpose()
    }

    /// Writes a chat and tells the person.
    pub(crate) fn put_chat(&mut self, row: &ChatRow) -> Result<(), StoreError> {
        self.tx.put(Table::Chat, &chat_key(&row.chat.id), &row.to_bytes())?;
        self.notify(Notice::Chat(row.chat.clone()));
        Ok(())
    }

    /// Opens a chat because we want it. Listening twice is listening once.
    pub(crate) fn open_chat(&mut self, id: &ChatId) -> Result<(), Fault> {
        let known = self.chat(id)?.is_some_and(|row| !row.by_stranger);
        let row = self.own_chat(id)?;
        if known {
            return self.listen_to(id);
        }
        Ok(self.put_chat(&row)?)
    }

    /// The chat with `id` as ours, to be written by the caller: a new one, or what a stranger had opened.
    pub(crate) fn own_chat(&mut self, id: &ChatId) -> Result<ChatRow, Fault> {
        if *id == ChatId::OneToOne(*self.own()) {
            return Err(Fault::Oneself);
        }
        match self.chat(id)? {
            Some(row) if row.by_stranger => {
                self.state.strangers = self.state.strangers.saturating_sub(1);
                Ok(ChatRow { by_stranger: false, ..row })
            }
            Some(row) => Ok(row),
            None => {
                self.listen_to(id)?;
                Ok(ChatRow::new(id.clone()))
            }
        }
    }

    /// A chat that a stranger opens, to be written by the caller; `None` when there are too many of those.
    pub(crate) fn chat_of_stranger(&mut self, id: &ChatId) -> Result<Option<ChatRow>, Fault> {
        if self.state.strangers >= MAX_STRANGER_CHATS {
            return Ok(None);
        }
        self.state.strangers = self.state.strangers.saturating_add(1);
        self.listen_to(id)?;
        Ok(Some(ChatRow { by_stranger: true, ..ChatRow::new(id.clone()) }))
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

    pub(crate) fn mark_read(&mut self, id: &ChatId) -> Result<(), Fault> {
        let mut row = self.chat(id)?.ok_or(Fault::UnknownChat)?;
        if row.chat.unread != 0 {
            row.chat.unread = 0;
            self.put_chat(&row)?;
        }
        Ok(())
    }

    pub(crate) fn contact(&self, person: &PublicKey) -> Result<Option<ContactRow>, StoreError> {
        let row = self.tx.get(Table::Contact, &contact_key(person))?;
        row.as_deref().map(ContactRow::from_bytes).transpose()
    }

    pub(crate) fn put_contact(&mut self, person: &PublicKey, row: ContactRow) -> Result<(), StoreError> {
        self.tx.put(Table::Contact, &contact_key(person), &row.to_bytes())
    }

    pub(crate) fn set_pfs(&mut self, peer: &PublicKey, pfs: Pfs) -> Result<(), Fault> {
        let row = self.contact(peer)?.unwrap_or_default();
        Ok(self.put_contact(peer, ContactRow { pfs, ..row })?)
    }

    pub(crate) fn allow_weaker(&mut self, peer: &PublicKey, allowed: bool) -> Result<(), Fault> {
        let row = self.contact(peer)?.unwrap_or_default();
        Ok(self.put_contact(peer, ContactRow { weaker_allowed: allowed, ..row })?)
    }

    pub(crate) fn pfs(&self, peer: &PublicKey) -> Result<Pfs, StoreError> {
        Ok(self.contact(peer)?.unwrap_or_default().pfs)
    }
}
