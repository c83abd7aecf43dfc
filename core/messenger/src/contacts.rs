//! People: adding, verifying, blocking, declining.
//!
//! What is said here is ours alone: nothing of it is sent, and nothing that comes in changes it.

use rand_core::CryptoRng;
use undertone_base::StoreError;
use undertone_crypto::PublicKey;
use undertone_transport::{Command, Listen, OpenWith, Route};

use crate::chat::{ChatId, FailReason, MessageState, OpenedBy};
use crate::contact::{Verification, VerifiedBy};
use crate::fault::Fault;
use crate::io::{Effect, Notice, Pfs};
use crate::limits::{MAX_NICKNAME, MAX_ROWS};
use crate::outbox::send_id;
use crate::rows::{Address, Carries, ContactRow, Due, OutboxRow, chat_key, contact_key};
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    pub(crate) fn contact(&self, person: &PublicKey) -> Result<Option<ContactRow>, StoreError> {
        let row = self.tx.get(Table::Contact, &contact_key(person))?;
        row.as_deref().map(ContactRow::from_bytes).transpose()
    }

    pub(crate) fn put_contact(&mut self, person: &PublicKey, row: &ContactRow) -> Result<(), StoreError> {
        if row.acquaintance.is_some() && row.is_decided() {
            self.state.people = self.state.people.saturating_sub(1);
            let row = ContactRow { acquaintance: None, ..row.clone() };
            return self.tx.put(Table::Contact, &contact_key(person), &row.to_bytes());
        }
        self.tx.put(Table::Contact, &contact_key(person), &row.to_bytes())
    }

    pub(crate) fn pfs(&self, peer: &PublicKey) -> Result<Pfs, StoreError> {
        Ok(self.contact(peer)?.unwrap_or_default().pfs.unwrap_or(self.state.pfs_default))
    }

    pub(crate) fn is_blocked(&self, person: &PublicKey) -> Result<bool, StoreError> {
        Ok(self.contact(person)?.is_some_and(|row| row.blocked))
    }

    /// Whether we want to hear of somebody: there is a chat, or we have added the person.
    pub(crate) fn follows(&self, person: &PublicKey) -> Result<bool, StoreError> {
        let row = self.contact(person)?.unwrap_or_default();
        Ok(!row.blocked && (row.added || self.chat(&ChatId::OneToOne(*person))?.is_some()))
    }

    pub(crate) fn set_pfs(&mut self, peer: &PublicKey, pfs: Option<Pfs>) -> Result<(), Fault> {
        let row = self.contact(peer)?.unwrap_or_default();
        self.set_contact(peer, &ContactRow { pfs, ..row })
    }

    pub(crate) fn allow_weaker(&mut self, peer: &PublicKey, allowed: bool) -> Result<(), Fault> {
        let row = self.contact(peer)?.unwrap_or_default();
        self.set_contact(peer, &ContactRow { weaker_allowed: allowed, ..row })
    }

    /// From now on we listen for its devices; a chat that it had opened is ours.
    pub(crate) fn add_contact(&mut self, peer: &PublicKey, nickname: Option<String>) -> Result<(), Fault> {
        let row = self.somebody(peer)?;
        let nickname = match nickname {
            Some(text) => self.free_nickname(peer, &text)?,
            None => row.nickname.clone(),
        };
        self.adopt(peer)?;
        self.set_contact(peer, &ContactRow { added: true, nickname, ..row })
    }

    /// Forgets what we have said about somebody; the chat stays. Blocking stays, too.
    pub(crate) fn remove_contact(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        let Some(row) = self.contact(peer)? else { return Ok(()) };
        let row = ContactRow { added: false, nickname: String::new(), verified: None, ..row };
        if self.chat(&ChatId::OneToOne(*peer))?.is_none() && !row.blocked {
            self.unlisten(peer)?;
        }
        self.set_contact(peer, &row)
    }

    /// Remembers that the person's key was compared; whom we verify we have added.
    pub(crate) fn verify(&mut self, peer: &PublicKey, by: VerifiedBy) -> Result<(), Fault> {
        let row = self.somebody(peer)?;
        self.adopt(peer)?;
        let verified = Some(Verification { by, at: self.now.unix });
        self.set_contact(peer, &ContactRow { added: true, verified, ..row })
    }

    /// Hears nothing of somebody any more, and says nothing: what waits to be sent is given up. What was said so
    /// far stays, and so does the ratchet: after [`Step::unblock`] both go on in it.
    ///
    /// DEVIATION: the original drops a blocked person's messages after its devices were learned and its messages
    /// acknowledged (`messenger.md` 1, trap 17), and deletes what was said. Pinned by
    /// `a_blocked_person_is_neither_shown_nor_acknowledged_nor_learned_from`.
    pub(crate) fn block(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        if peer == self.own() {
            return Err(Fault::Oneself);
        }
        let row = self.contact(peer)?.unwrap_or_default();
        if row.blocked {
            return Ok(());
        }
        self.settle_request(peer)?;
        self.unlisten(peer)?;
        self.give_up_all(peer)?;
        self.set_contact(peer, &ContactRow { blocked: true, ..row })
    }

    pub(crate) fn unblock(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        let Some(row) = self.contact(peer)?.filter(|row| row.blocked) else { return Ok(()) };
        self.set_contact(peer, &ContactRow { blocked: false, ..row })?;
        let id = ChatId::OneToOne(*peer);
        match self.chat(&id)? {
            Some(chat) if self.is_request(&chat)? => self.listen_to_request(&id)?,
            _ if self.follows(peer)? => self.listen_to(&id)?,
            _ => {}
        }
        Ok(())
    }

    /// Removes a chat that a stranger opened, with what is in it, and frees its place. What the stranger wrote up to
    /// here does not come back; what it writes where only the two of us meet is no longer heard.
    ///
    /// DEVIATION: the original deletes a chat without a trace, so that a copy of an old message brings it back
    /// (`messenger.md` trap 17). Pinned by `a_declined_chat_is_gone_and_old_messages_do_not_bring_it_back`.
    pub(crate) fn decline(&mut self, peer: &PublicKey, block: bool) -> Result<(), Fault> {
        let id = ChatId::OneToOne(*peer);
        let chat = self.chat(&id)?.ok_or(Fault::UnknownChat)?;
        if chat.opened_by == OpenedBy::Us {
            return Err(Fault::NotARequest);
        }
        self.remove_request(peer)?;
        let row = self.contact(peer)?.unwrap_or_default();
        let declined = row.declined.max(chat.clock);
        self.set_contact(peer, &ContactRow { declined, blocked: block || row.blocked, ..row })
    }

    /// Takes the chat of a stranger away, with what was said in it.
    pub(crate) fn remove_request(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        let id = ChatId::OneToOne(*peer);
        self.state.strangers = self.state.strangers.saturating_sub(1);
        self.unlisten(peer)?;
        self.give_up_all(peer)?;
        let timeline = chat_key(&id);
        for (key, _) in self.tx.scan_prefix(Table::Timeline, &timeline, Order::Ascending, MAX_ROWS)? {
            // Clock (8), then the message's id.
            let message = timeline.len().checked_add(8).and_then(|at| key.get(at..));
            self.tx.delete(Table::Message, message.ok_or(StoreError::Corrupt("timeline"))?)?;
            self.tx.delete(Table::Timeline, &key)?;
        }
        self.tx.delete(Table::Chat, &timeline)?;
        self.notify(Notice::ChatRemoved(id));
        Ok(())
    }

    /// What a start listens to for the sake of people without a chat.
    pub(crate) fn listen_to_contacts(&mut self) -> Result<(), Fault> {
        for (key, row) in self.tx.scan(Table::Contact, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let row = ContactRow::from_bytes(&row)?;
            if row.added && !row.blocked {
                let key = PublicKey::from_compressed(&key).map_err(|_| StoreError::Corrupt("contact"))?;
                let id = ChatId::OneToOne(key);
                if self.chat(&id)?.is_none() {
                    self.listen_to(&id)?;
                }
            }
        }
        Ok(())
    }

    /// Whether this was written before its author's chat was declined.
    pub(crate) fn is_declined(&self, author: &PublicKey, clock: u64) -> Result<bool, StoreError> {
        Ok(self.contact(author)?.is_some_and(|row| row.declined != 0 && clock <= row.declined))
    }

    /// The row of somebody who may become a contact.
    fn somebody(&self, peer: &PublicKey) -> Result<ContactRow, Fault> {
        if peer == self.own() {
            return Err(Fault::Oneself);
        }
        let row = self.contact(peer)?.unwrap_or_default();
        if row.blocked { Err(Fault::Blocked) } else { Ok(row) }
    }

    /// Writes what we say of a person, and tells if that changed.
    pub(crate) fn set_contact(&mut self, peer: &PublicKey, row: &ContactRow) -> Result<(), Fault> {
        let default = self.state.pfs_default;
        let before = self.contact(peer)?.unwrap_or_default().contact(*peer, default);
        self.put_contact(peer, row)?;
        let contact = row.contact(*peer, default);
        if contact != before {
            self.notify(Notice::Contact(Box::new(contact)));
        }
        Ok(())
    }

    /// A chat that the person opened becomes ours; without one, its contact code is listened to.
    fn adopt(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        let id = ChatId::OneToOne(*peer);
        match self.chat(&id)? {
            Some(chat) if chat.opened_by == OpenedBy::Us => Ok(()),
            Some(_) => {
                self.settle_request(peer)?;
                self.listen_to(&id)
            }
            None => self.listen_to(&id),
        }
    }

    /// A decision was made about a stranger's chat: it does not take a place any more.
    fn settle_request(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        let id = ChatId::OneToOne(*peer);
        if self.chat(&id)?.is_some_and(|chat| chat.opened_by == OpenedBy::Stranger) {
            self.state.strangers = self.state.strangers.saturating_sub(1);
            let chat = self.chat(&id)?.ok_or(Fault::UnknownChat)?;
            self.put_chat(&crate::Chat { opened_by: OpenedBy::Us, ..chat })?;
        }
        Ok(())
    }

    fn unlisten(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        for route in [Route::ContactCode(*peer), self.negotiated(peer)?] {
            let listen = Listen { route, open_with: OpenWith::ByRoute };
            self.push(Effect::Transport(Command::Unlisten(listen)));
        }
        Ok(())
    }

    /// Gives up everything that waits to be sent to a person.
    fn give_up_all(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        let prefix = contact_key(peer);
        for (key, row) in self.tx.scan_prefix(Table::Pending, &prefix, Order::Ascending, MAX_ROWS)? {
            let pending = undertone_datasync::Pending::from_stored(&row)?;
            self.tx.delete(Table::Due, &Due::Pending(key).key(pending.next_at()))?;
            let id = self.message_of(&pending);
            self.advance(&id, MessageState::Failed(FailReason::GivenUp))?;
        }
        for (key, row) in self.tx.scan(Table::Outbox, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let (send, row) = (send_id(&key)?, OutboxRow::from_bytes(&row)?);
            let to_peer = match (&row.carries, &row.address) {
                (Carries::Pending(key), _) => key.starts_with(&prefix),
                (Carries::Ack | Carries::Devices, Address::Negotiated(to) | Address::Partition(to)) => {
                    to == peer
                }
                _ => false,
            };
            if to_peer {
                self.remove_send(send)?;
            }
        }
        Ok(())
    }

    /// A nickname as it is kept, if nobody else has it: whoever could take a friend's name would be taken for it.
    fn free_nickname(&self, peer: &PublicKey, text: &str) -> Result<String, Fault> {
        let name = text.trim();
        if name.len() > MAX_NICKNAME || name.chars().any(deceives) {
            return Err(Fault::Nickname);
        }
        let folded = name.to_lowercase();
        let own_key = contact_key(peer);
        for (key, row) in self.tx.scan(Table::Contact, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let taken = ContactRow::from_bytes(&row)?.nickname;
            if key != own_key && !name.is_empty() && taken.to_lowercase() == folded {
                return Err(Fault::NicknameTaken);
            }
        }
        Ok(name.to_owned())
    }
}

/// Characters that cannot be seen or turn the text around.
pub(crate) fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}
