//! What is due.

use std::ops::Bound;

use rand_core::CryptoRng;
use undertone_base::{StoreError, Unix};
use undertone_datasync::Pending;
use undertone_transport::SendId;

use crate::chat::Message;
use crate::fault::Fault;
use crate::io::{Pfs, Protection, Sizes};
use crate::limits::{CONTACT_CODE_EVERY, MAX_SLEEP, MAX_UNANSWERED, RESENDS_PER_STEP, UNANSWERED_GAP};
use crate::outbox::Sent;
use crate::rows::{Carries, Due, OutboxRow};
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// Sends again what is due, at most [`RESENDS_PER_STEP`]; early and repeated calls are harmless.
    pub(crate) fn timeout(&mut self) -> Result<(), Fault> {
        for (key, due) in self.due()? {
            self.tx.delete(Table::Due, &key)?;
            match due {
                Due::Erase => self.erase_outdated()?,
                Due::Outbox(id) => self.resend_public(id)?,
                Due::Pending(key) => {
                    if let Some(pending) = self.pending(&key)? {
                        match self.waits_for_an_answer(&pending)? {
                            Some(until) => self.put_off(&key, pending, until)?,
                            None => self.resend_pending(key, &pending)?,
                        }
                    }
                }
            }
        }
        let now = self.now.unix;
        let due = self.state.contact_code_due;
        if due <= now || due > now.after(CONTACT_CODE_EVERY) {
            self.erase_outdated()?;
            self.publish_contact_code()?;
        }
        Ok(())
    }

    /// Until when a repetition waits because its recipient answers nothing: each one more would bring the session nearer
    /// to where its devices pass over no more. One at a time still asks whether they are there.
    fn waits_for_an_answer(&mut self, pending: &Pending) -> Result<Option<Unix>, Fault> {
        if pending.attempts() == 0 || self.pfs(pending.peer())? == Pfs::Off {
            return Ok(None);
        }
        let peer = *pending.peer();
        let since = self.with_ratchet(|layer, cx| layer.silent_since(cx, &peer, MAX_UNANSWERED))?;
        let now = self.now.unix;
        // A clock that went back waits for nothing.
        Ok(since
            .filter(|last| *last <= now)
            .map(|last| last.after(UNANSWERED_GAP))
            .filter(|until| now < *until))
    }

    fn put_off(&mut self, key: &[u8], pending: Pending, until: Unix) -> Result<(), Fault> {
        let pending = pending.put_off(until);
        self.tx.put(Table::Pending, key, &pending.to_stored())?;
        Ok(self.tx.put(Table::Due, &Due::Pending(key.to_vec()).key(until), &[])?)
    }

    /// What is due now; and what lies further ahead than anything is ever set, because the clock went back.
    fn due(&self) -> Result<Vec<(Vec<u8>, Due)>, StoreError> {
        let after = |at: Unix| at.millis().saturating_add(1).to_be_bytes();
        let (now, far) = (after(self.now.unix), after(self.now.unix.after(MAX_SLEEP)));
        let past = Keys { from: Bound::Unbounded, to: Bound::Excluded(&now) };
        let beyond = Keys { from: Bound::Included(&far), to: Bound::Unbounded };
        let mut rows = self.tx.scan(Table::Due, past, Order::Ascending, RESENDS_PER_STEP)?;
        rows.extend(self.tx.scan(Table::Due, beyond, Order::Ascending, RESENDS_PER_STEP)?);
        rows.truncate(RESENDS_PER_STEP);
        rows.into_iter().map(|(key, _)| Due::parse(&key).map(|(_, due)| (key, due))).collect()
    }

    /// Encrypts a message anew (a ciphertext is never made twice, and the peer may have new devices), under a
    /// new send id; its body and sync id stay, so that the peer knows it again.
    fn resend_pending(&mut self, key: Vec<u8>, pending: &Pending) -> Result<(), Fault> {
        if pending.peer() == self.own() {
            return self.hand_over_copy(key, pending);
        }
        let id = self.message_of(pending);
        let shown = self.message(&id)?;
        let payload = pending.payload().to_bytes();
        let sync = payload.len();
        let sealed = self.seal_direct(pending.peer(), payload)?;
        let sent = Sent {
            message: shown.as_ref().map(|_| id),
            peer: Some(*pending.peer()),
            sizes: Sizes {
                text: shown.as_ref().map_or(0, |message| message.text.len()),
                metadata: pending.message().body.len(),
                sync,
                protocol: sealed.bytes.len(),
            },
            session: sealed.session,
            protection: sealed.protection,
        };
        // What is shown is the weakest form in which it ever left.
        if let Some(message) = shown.filter(|m| weakness(sealed.protection) > weakness(m.protection)) {
            self.put_message(&Message { protection: sealed.protection, ..message })?;
        }
        self.send(OutboxRow::new(sealed.address, sealed.bytes, Carries::Pending(key)), &sent)
    }

    /// A public message is not secret: the same bytes go out again.
    fn resend_public(&mut self, old: SendId) -> Result<(), Fault> {
        let Some(row) = self.outbox(old)? else { return Ok(()) };
        self.remove_send(old)?;
        self.hand_over(&OutboxRow { again: None, ..row }).map(drop)
    }
}

const fn weakness(protection: Protection) -> u8 {
    match protection {
        Protection::Ratchet => 0,
        Protection::DhOnly => 1,
        Protection::TransportOnly => 2,
        Protection::Public => 3,
    }
}
