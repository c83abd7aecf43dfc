//! Reading what is there.

use std::ops::Bound;

use undertone_base::{Reader, StoreError};
use undertone_crypto::PublicKey;
use undertone_payload::MessageId;
use undertone_ratchet::InstallationId;

use crate::chat::{Chat, ChatId, Message};
use crate::contact::{Contact, ContactState, Profile};
use crate::io::Pfs;
use crate::limits::{MAX_PAGE, MAX_ROWS};
use crate::messenger::Messenger;
use crate::rows::{ContactRow, ProfileRow, State, chat_key, contact_key, timeline_key};
use crate::store::{Keys, Order, StoreTx, Table, prefix_end};

/// A place in the timeline of a chat.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Lamport clock, milliseconds.
    pub clock: u64,
    /// Orders messages of one clock.
    pub id: MessageId,
}

impl Place {
    /// Where a message stands.
    pub const fn of(message: &Message) -> Self {
        Self { clock: message.clock, id: message.id }
    }
}

/// Queries: they write nothing and may run on any snapshot of the store.
impl Messenger {
    /// Every chat, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chats(&self, tx: &impl StoreTx) -> Result<Vec<Chat>, StoreError> {
        let rows = tx.scan(Table::Chat, Keys::ALL, Order::Ascending, MAX_ROWS)?;
        rows.into_iter().map(|(key, row)| Chat::from_row(&key, &row)).collect()
    }

    /// At most `limit` (and at most [`MAX_PAGE`]) messages of a chat, newest first, those before a place or
    /// all. The next page begins before the [`Place`] of the last one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn messages(
        &self,
        tx: &impl StoreTx,
        chat: &ChatId,
        before: Option<Place>,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let from = chat_key(chat);
        let to = match before {
            Some(place) => Some(timeline_key(chat, place.clock, &place.id)),
            None => prefix_end(&from),
        };
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let keys = Keys { from: Bound::Included(&from), to };
        let mut messages = Vec::new();
        for (key, _) in tx.scan(Table::Timeline, keys, Order::Descending, limit.min(MAX_PAGE))? {
            let id = message_id(&key, from.len()).ok_or(TIMELINE)?;
            messages.push(self.message(tx, &id)?.ok_or(TIMELINE)?);
        }
        Ok(messages)
    }

    /// One message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn message(&self, tx: &impl StoreTx, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let row = tx.get(Table::Message, id.as_bytes())?;
        row.map(|row| Message::from_row(*id, &row)).transpose()
    }

    /// This device's name among our devices; none before the first start.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn installation_id(&self, tx: &impl StoreTx) -> Result<Option<InstallationId>, StoreError> {
        Ok(State::load(tx)?.map(|state| state.installation))
    }

    /// Everybody that we have added, verified or blocked, in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contacts(&self, tx: &impl StoreTx) -> Result<Vec<Contact>, StoreError> {
        let default = self.default_pfs(tx)?;
        let mut contacts = Vec::new();
        for (key, row) in tx.scan(Table::Contact, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let key = PublicKey::from_compressed(&key).map_err(|_| StoreError::Corrupt("contact"))?;
            contacts.push(ContactRow::from_bytes(&row)?.contact(key, default));
        }
        contacts.retain(|contact| contact.state != ContactState::Unknown);
        Ok(contacts)
    }

    /// What we make of a person; [`ContactState::Unknown`] of whoever we have said nothing about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact(&self, tx: &impl StoreTx, person: &PublicKey) -> Result<Contact, StoreError> {
        let default = self.default_pfs(tx)?;
        let row = tx.get(Table::Contact, &contact_key(person))?;
        Ok(row
            .as_deref()
            .map(ContactRow::from_bytes)
            .transpose()?
            .unwrap_or_default()
            .contact(*person, default))
    }

    /// What we claim of ourselves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn profile(&self, tx: &impl StoreTx) -> Result<Profile, StoreError> {
        Ok(ProfileRow::load(tx)?.profile)
    }

    /// Whether messages to a person go through the ratchet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pfs(&self, tx: &impl StoreTx, peer: &PublicKey) -> Result<Pfs, StoreError> {
        Ok(self.contact(tx, peer)?.pfs)
    }

    /// Whether messages go through the ratchet to people of whom nothing else was said.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn default_pfs(&self, tx: &impl StoreTx) -> Result<Pfs, StoreError> {
        Ok(State::load(tx)?.map(|state| state.pfs_default).unwrap_or_default())
    }
}

const TIMELINE: StoreError = StoreError::Corrupt("timeline");

fn message_id(key: &[u8], chat: usize) -> Option<MessageId> {
    let mut reader = Reader::new(key);
    reader.sub(chat).ok()?;
    reader.take::<8>().ok()?;
    let id = reader.take().ok()?;
    reader.finish().ok()?;
    Some(MessageId::from_bytes(id))
}
