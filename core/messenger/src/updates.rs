//! Contact updates: telling a person that we have added it, with the name and picture that we claim, and being told.
//!
//! Adding somebody is ours alone and sends nothing; an update is sent when it is asked for ([`Command::SendContactUpdate`])
//! and again to everybody who was told when our profile changes ([`Command::SetProfile`]). It goes the way of a message:
//! acknowledged, repeated until then, through the ratchet. What comes in changes nothing of what we made of a person:
//! that it has added us, and what it claims, is kept beside it.
//!
//! | id | check | else |
//! |---|---|---|
//! | K1 | the author's chat was not declined later than this was written | acknowledged, not taken in |
//! | K2 | there is room for the chat of one more stranger | refused |
//! | K3 | it is newer than what the person said before | acknowledged, not taken in |
//!
//! [`Command::SendContactUpdate`]: crate::Command::SendContactUpdate
//! [`Command::SetProfile`]: crate::Command::SetProfile

use rand_core::CryptoRng;
use undertone_base::StoreError;
use undertone_crypto::PublicKey;
use undertone_datasync::{GroupId, Pending, wrap};
use undertone_payload::{ContactUpdate, MessageType, Metadata};

use crate::chat::{Chat, ChatId};
use crate::compose::bid;
use crate::contact::Profile;
use crate::fault::Fault;
use crate::io::{Notice, Undecodable};
use crate::limits::MAX_ROWS;
use crate::receive::code;
use crate::rows::{Claim, ContactRow, Due, ProfileRow, pending_key};
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// Adds a person, unless that was done, and tells it so.
    pub(crate) fn send_contact_update(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        self.add_contact(peer, None)?;
        let profile = self.profile()?;
        self.update(peer, &profile)?;
        let row = self.contact(peer)?.unwrap_or_default();
        self.set_contact(peer, &ContactRow { told: true, ..row })
    }

    /// Remembers what we claim of ourselves, and tells everybody who was told something before, and our other devices.
    pub(crate) fn set_profile(&mut self, profile: Profile) -> Result<(), Fault> {
        let clock = bid(self.profile_row()?.clock, self.now.unix);
        let update = ContactUpdate::new(clock, &profile.ens_name, &profile.picture, self.now.unix)?;
        self.put_profile(&ProfileRow { clock: clock.value(), profile: profile.clone() })?;
        for (key, row) in self.tx.scan(Table::Contact, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let row = ContactRow::from_bytes(&row)?;
            if row.told && row.added && !row.blocked {
                let peer = PublicKey::from_compressed(&key).map_err(|_| StoreError::Corrupt("contact"))?;
                self.update(&peer, &profile)?;
            }
        }
        let metadata = self.sign_update(&update)?;
        self.send_copy(metadata.into_bytes())
    }

    /// Puts an update among what is due: a step sends a bounded number, and so does the next.
    fn update(&mut self, peer: &PublicKey, profile: &Profile) -> Result<(), Fault> {
        let id = ChatId::OneToOne(*peer);
        let chat = self.chat(&id)?;
        let said = self.contact(peer)?.unwrap_or_default().told_clock;
        let clock = bid(chat.as_ref().map_or(0, |chat| chat.clock).max(said), self.now.unix);
        let update = ContactUpdate::new(clock, &profile.ens_name, &profile.picture, self.now.unix)?;
        if let Some(chat) = chat {
            self.put_chat(&Chat { clock: clock.value(), ..chat })?;
        }
        let row = self.contact(peer)?.unwrap_or_default();
        self.put_contact(peer, &ContactRow { told_clock: clock.value(), ..row })?;

        let metadata = self.sign_update(&update)?;
        let group = GroupId::of_pair(self.own(), peer);
        let (id, sync) = wrap(group, self.now.unix, metadata.into_bytes());
        let pending = Pending::new(*peer, sync, self.now.unix);
        let key = pending_key(peer, &id);
        self.tx.put(Table::Pending, &key, &pending.to_stored())?;
        Ok(self.tx.put(Table::Due, &Due::Pending(key).key(pending.next_at()), &[])?)
    }

    fn sign_update(&self, update: &ContactUpdate) -> Result<Metadata, Fault> {
        let (keyring, identity) = (&*self.messenger.keyring, self.messenger.identity());
        Ok(Metadata::sign(MessageType::CONTACT_UPDATE, update.encode(), keyring, identity)?)
    }

    /// A person says that it has added us, and what it claims to be called.
    ///
    /// DEVIATION: the original takes an update with any clock, and lets the latest one overwrite what a person had
    /// verified (`payloads.md` trap 8). Pinned by `what_a_person_claims_changes_nothing_of_what_we_made_of_it`.
    pub(crate) fn updated(
        &mut self,
        author: &PublicKey,
        update: &ContactUpdate,
    ) -> Result<Result<(), Undecodable>, Fault> {
        let clock = update.clock().value();
        if author == self.own() {
            return self.own_update(update).map(Ok);
        }
        let id = ChatId::OneToOne(*author);
        let chat = match self.chat(&id)? {
            None if self.is_declined(author, clock)? => return Ok(Ok(())), // K1
            None => match self.chat_of_stranger(&id)? {
                Some(chat) => chat,
                None => return Ok(Err(Undecodable::Payload(code::TOO_MANY_STRANGERS))), // K2
            },
            Some(chat) => chat,
        };
        self.put_chat(&Chat { clock: chat.clock.max(clock), ..chat })?;
        let row = self.contact(author)?.unwrap_or_default();
        if row.claim.as_ref().is_some_and(|claim| clock <= claim.clock) {
            return Ok(Ok(())); // K3
        }
        let claim =
            Claim { clock, ens_name: update.ens_name().to_owned(), picture: update.picture().to_owned() };
        self.set_contact(author, &ContactRow { claim: Some(claim), ..row })?;
        Ok(Ok(()))
    }

    /// Another device of ours says what we are called.
    fn own_update(&mut self, update: &ContactUpdate) -> Result<(), Fault> {
        let clock = update.clock().value();
        if clock > self.profile_row()?.clock {
            let profile =
                Profile { ens_name: update.ens_name().to_owned(), picture: update.picture().to_owned() };
            self.put_profile(&ProfileRow { clock, profile })?;
        }
        Ok(())
    }

    fn put_profile(&mut self, row: &ProfileRow) -> Result<(), Fault> {
        let changed = self.profile_row()?.profile != row.profile;
        self.tx.put(Table::Meta, ProfileRow::KEY, &row.to_bytes())?;
        if changed {
            self.notify(Notice::Profile(Box::new(row.profile.clone())));
        }
        Ok(())
    }

    fn profile(&self) -> Result<Profile, StoreError> {
        Ok(self.profile_row()?.profile)
    }

    fn profile_row(&self) -> Result<ProfileRow, StoreError> {
        ProfileRow::load(&self.tx)
    }
}
