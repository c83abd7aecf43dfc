//! Somebody's devices and this one no longer know each other (`security.md` 5.3, S10, S17).
//!
//! Whoever lost its state goes by a new device name, and the others write to the old one until they hear of the new.
//! So a message that cannot be read for such a reason is answered with our devices, in the DH-only form with nothing
//! inside, and its sender's devices are taken in. Two round trips later both are in one session again: the schedules
//! in `undertone_ratchet` show it.

use rand_core::CryptoRng;
use undertone_base::Unix;
use undertone_crypto::PublicKey;
use undertone_ratchet::{BundleError, DeviceChange, InstallationId, Learned, OpenError, ProtocolMessage};
use undertone_transport::Received;

use crate::chat::ChatId;
use crate::fault::Fault;
use crate::io::{Notice, Pfs, Protection, Sizes, Undecodable};
use crate::limits::{ANSWER_EVERY, LEFT_OUT_TOLD_EVERY, MAX_ANSWERS};
use crate::outbox::Sent;
use crate::receive::stop;
use crate::rows::{Address, Carries, ContactRow, OutboxRow};
use crate::step::{Step, Stop};
use crate::store::StoreTx;

/// The stable code of M10.
const DOWNGRADE: &str = "messenger.downgrade";

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// A direct message that could not be opened: refused, and where that may help answered.
    ///
    /// The answer tells that we are there, so only whom we have a chat with or have added gets one.
    ///
    /// DEVIATION: the original never answers (`security.md` 5.3). Pinned by
    /// `a_device_that_lost_its_state_is_heard_of_and_written_to`.
    pub(crate) fn unreadable(&mut self, received: &Received, error: OpenError) -> Result<(), Stop> {
        let peer = received.author;
        if !error.wants_answer() || !self.follows(&peer)? || self.pfs(&peer)? == Pfs::Off {
            return Err(stop(error));
        }
        let learned = self.learn_from(received).map_err(stop)?;
        self.hear_of_devices(&peer, &learned)?;
        let answered = self.admit(&peer)? && self.answer(&peer, is_new(received, &learned))?;
        self.notify(Notice::Undecodable { author: peer, why: Undecodable::Security(error.code()) });
        self.lost_session(received, answered)?;
        Ok(())
    }

    /// Tells the person, and remembers that it was told.
    pub(crate) fn lost_session(&mut self, received: &Received, answered: bool) -> Result<(), Fault> {
        let peer = received.author;
        let known = self.contact(&peer)?;
        if known.is_some() || self.chat(&ChatId::OneToOne(peer))?.is_some() {
            let row = known.unwrap_or_default();
            self.put_contact(&peer, &ContactRow { session_lost: true, ..row })?;
        }
        self.notify(Notice::LostSession { peer, installation: named_in(received), answered });
        Ok(())
    }

    /// A message came through the ratchet: if the person was told that a session was lost, or one came in the place of
    /// another, it is told of this.
    pub(crate) fn session_is_back(
        &mut self,
        peer: &PublicKey,
        installation: Option<InstallationId>,
        replaced: bool,
    ) -> Result<(), Fault> {
        let lost = self.contact(peer)?.filter(|row| row.session_lost);
        if replaced || lost.is_some() {
            self.notify(Notice::SessionChanged { peer: *peer, installation });
        }
        if let Some(row) = lost {
            self.put_contact(peer, &ContactRow { session_lost: false, ..row })?;
        }
        Ok(())
    }

    /// Whether a message is protected less than what its author has shown.
    pub(crate) fn is_downgrade(&self, author: &PublicKey, protection: Protection) -> Result<bool, Fault> {
        let row = self.contact(author)?.unwrap_or_default();
        let allowed = row.weaker_allowed || row.pfs == Some(Pfs::Off);
        Ok(protection != Protection::Ratchet && row.shown_pfs && !allowed)
    }

    /// Somebody who has shown forward secrecy writes without: an attacker who holds its key and not its devices, or a
    /// device that was set up anew. The latter hears of our devices and sends its message again.
    ///
    /// DEVIATION: the original shows it like any other (`security.md` S2, S9). Pinned by
    /// `whoever_has_shown_forward_secrecy_does_not_fall_back_unseen`.
    pub(crate) fn downgraded(
        &mut self,
        received: &Received,
        to: Protection,
        learned: &[Learned],
    ) -> Result<(), Stop> {
        let peer = received.author;
        if self.admit(&peer)? {
            self.answer(&peer, is_new(received, learned))?;
        }
        self.notify(Notice::Undecodable { author: peer, why: Undecodable::Payload(DOWNGRADE) });
        let installation = named_in(received).filter(|_| to == Protection::DhOnly);
        self.notify(Notice::Downgraded { peer, installation, to });
        Ok(())
    }

    /// From now on less is a downgrade.
    pub(crate) fn has_shown_pfs(&mut self, peer: &PublicKey) -> Result<(), Fault> {
        let known = self.contact(peer)?;
        // Whom we neither know nor have a chat with is not remembered.
        if known.as_ref().is_some_and(|row| row.shown_pfs)
            || (known.is_none() && self.chat(&ChatId::OneToOne(*peer))?.is_none())
        {
            return Ok(());
        }
        Ok(self.put_contact(peer, &ContactRow { shown_pfs: true, ..known.unwrap_or_default() })?)
    }

    /// What follows where devices say themselves that they begin again.
    pub(crate) fn hear_of_devices(&mut self, peer: &PublicKey, learned: &[Learned]) -> Result<(), Fault> {
        let anew = learned.iter().filter(|l| l.identity == *peer && l.change == DeviceChange::Anew);
        for learned in anew {
            self.begins_again(peer, &learned.installation)?;
        }
        Ok(())
    }

    /// A device has lost its state and kept its name. It does not know ours any more: it may be told at once, and what
    /// waits for it is encrypted for it anew.
    fn begins_again(&mut self, peer: &PublicKey, installation: &InstallationId) -> Result<(), Fault> {
        if !self.follows(peer)? {
            return Ok(());
        }
        let row = self.contact(peer)?.unwrap_or_default();
        self.put_contact(peer, &ContactRow { session_lost: true, answered: None, ..row })?;
        self.notify(Notice::DeviceBeganAnew { peer: *peer, installation: installation.clone() });
        self.bring_forward(peer)
    }

    /// Tells of what was left out of a message of somebody that we want to hear of; once a day, as it comes with each.
    pub(crate) fn tell_what_was_left_out(
        &mut self,
        peer: &PublicKey,
        dropped: &[BundleError],
    ) -> Result<(), Fault> {
        let Some(why) = dropped.first() else { return Ok(()) };
        let now = self.now.unix.max(Unix::from_millis(1));
        let row = self.contact(peer)?.unwrap_or_default();
        let lately =
            row.dropped_told.is_some_and(|last| last <= now && now < last.after(LEFT_OUT_TOLD_EVERY));
        if lately || !self.follows(peer)? {
            return Ok(());
        }
        self.put_contact(peer, &ContactRow { dropped_told: Some(now), ..row })?;
        self.notify(Notice::DevicesLeftOut { peer: *peer, why: why.code() });
        Ok(())
    }

    /// Sends our devices, unless that was done lately. A device that is new has not heard of it then, so it is told at
    /// once; whoever names one new device after the other is told [`MAX_ANSWERS`] times.
    pub(crate) fn answer(&mut self, peer: &PublicKey, to_new_device: bool) -> Result<bool, Fault> {
        let now = self.now.unix;
        let row = self.contact(peer)?.unwrap_or_default();
        // A clock that went back does not silence us.
        let lately = row.answered.filter(|last| *last <= now && now < last.after(ANSWER_EVERY));
        let row = match lately {
            None => ContactRow { answered: Some(now.max(Unix::from_millis(1))), answers: 0, ..row },
            Some(_) if to_new_device && row.answers < MAX_ANSWERS => {
                ContactRow { answers: row.answers.saturating_add(1), ..row }
            }
            Some(_) => return Ok(false),
        };
        self.put_contact(peer, &row)?;
        let sealed = self.seal_devices(peer)?;
        let sizes = Sizes { protocol: sealed.len(), ..Sizes::default() };
        let sent =
            Sent { message: None, peer: Some(*peer), sizes, protection: Protection::DhOnly, session: None };
        self.send(OutboxRow::new(Address::Partition(*peer), sealed, Carries::Devices), &sent)?;
        Ok(true)
    }
}

/// Whether the device that wrote this was unknown before.
pub(crate) fn is_new(received: &Received, learned: &[Learned]) -> bool {
    let writer = named_in(received);
    learned.iter().any(|learned| {
        learned.change == DeviceChange::New
            && learned.identity == received.author
            && Some(&learned.installation) == writer.as_ref()
    })
}

/// The device that wrote a message of the security layer, as it says itself.
fn named_in(received: &Received) -> Option<InstallationId> {
    let message = ProtocolMessage::decode(&received.payload).ok()?;
    InstallationId::new(message.installation())
}
