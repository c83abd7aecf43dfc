//! What the transport says of our sends, and giving one up.

use std::time::Duration;

use rand_core::CryptoRng;
use undertone_datasync::Pending;
use undertone_payload::MessageId;
use undertone_transport::{Failure, Progress, SendId};

use crate::chat::{ChatId, FailReason, MessageState};
use crate::fault::Fault;
use crate::io::Notice;
use crate::limits::{CONTACT_CODE_RETRY, MAX_ATTEMPTS, MAX_ROWS, RETRY_AFTER};
use crate::outbox::send_id;
use crate::rows::{Carries, Due, OutboxRow, contact_key};
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// A send went on. One that is not in the outbox is done with; so is one that waits here to be tried
    /// again, whatever a former transport says.
    pub(crate) fn progress(&mut self, id: SendId, progress: Progress) -> Result<(), Fault> {
        let Some(row) = self.outbox(id)?.filter(|row| row.again.is_none()) else { return Ok(()) };
        match progress {
            Progress::Queued => match self.carried(&row)? {
                Some(message) => self.advance(&message, MessageState::Queued),
                None => Ok(()),
            },
            Progress::Relayed => self.taken(id, &row, MessageState::Sent),
            Progress::Stored(_) => self.taken(id, &row, MessageState::Stored),
            Progress::Failed(why) => self.failed(id, row, why),
            _ => Ok(()),
        }
    }

    /// Another node has it. From now on a one-to-one message waits for its acknowledgement.
    fn taken(&mut self, id: SendId, row: &OutboxRow, state: MessageState) -> Result<(), Fault> {
        if let Some(message) = self.carried(row)? {
            self.advance(&message, state)?;
        }
        self.remove_send(id)?;
        if let Carries::Pending(key) = &row.carries
            && let Some(pending) = self.pending(key)?
        {
            self.schedule(key, pending)?;
        }
        Ok(())
    }

    fn failed(&mut self, id: SendId, row: OutboxRow, why: Failure) -> Result<(), Fault> {
        match &row.carries {
            // Whoever did not get it repeats, and then gets another.
            Carries::Ack | Carries::Devices => Ok(self.remove_send(id)?),
            Carries::ContactCode => {
                self.remove_send(id)?;
                let soon = self.now.unix.after(CONTACT_CODE_RETRY);
                self.state.contact_code_due = self.state.contact_code_due.min(soon);
                Ok(())
            }
            Carries::Pending(key) => {
                self.remove_send(id)?;
                let key = key.clone();
                self.failed_pending(&key, why)
            }
            Carries::Public(message) => {
                let message = *message;
                self.failed_public(id, row, &message, why)
            }
        }
    }

    /// A one-to-one message is tried for as long as it takes, unless it is too large, or its proof of work was
    /// not found in [`MAX_ATTEMPTS`] sendings (a difficulty that this machine cannot meet). One that is refused for
    /// the clock leaves when that is right: the node tells the person that it is wrong.
    fn failed_pending(&mut self, key: &[u8], why: Failure) -> Result<(), Fault> {
        let Some(pending) = self.pending(key)? else { return Ok(()) };
        let id = self.message_of(&pending);
        let message = self.message(&id)?;
        // Shown nowhere: a copy for our other devices, or a contact update.
        let copy = pending.peer() == self.own() || message.is_none();
        let unsent = copy || message.is_some_and(|m| rank(m.state) < rank(MessageState::Sent));
        let attempts = pending.attempts().saturating_add(1);
        let reason = match why {
            Failure::TooLarge => Some(FailReason::TooLarge),
            Failure::ProofOfWork if attempts >= MAX_ATTEMPTS => Some(FailReason::ProofOfWork),
            _ => None,
        };
        if let Some(reason) = reason.filter(|_| unsent) {
            self.tx.delete(Table::Pending, key)?;
            return if copy { Ok(()) } else { self.advance(&id, MessageState::Failed(reason)) };
        }
        self.schedule(key, pending)
    }

    fn failed_public(
        &mut self,
        id: SendId,
        row: OutboxRow,
        message: &MessageId,
        why: Failure,
    ) -> Result<(), Fault> {
        let failures = row.failures.saturating_add(1);
        if failures >= MAX_ATTEMPTS || why == Failure::TooLarge {
            self.remove_send(id)?;
            let reason = match why {
                Failure::Clock => FailReason::Clock,
                Failure::TooLarge => FailReason::TooLarge,
                Failure::ProofOfWork => FailReason::ProofOfWork,
                _ => FailReason::NobodyTookIt,
            };
            return self.advance(message, MessageState::Failed(reason));
        }
        let at = self.now.unix.after(retry_after(failures));
        let row = OutboxRow { failures, again: Some(at), ..row };
        self.tx.put(Table::Outbox, &id.0.to_be_bytes(), &row.to_bytes())?;
        Ok(self.tx.put(Table::Due, &Due::Outbox(id).key(at), &[])?)
    }

    /// Counts a sending and sets the time of the next.
    pub(crate) fn schedule(&mut self, key: &[u8], pending: Pending) -> Result<(), Fault> {
        let pending = pending.after_send(self.now.unix);
        self.tx.put(Table::Pending, key, &pending.to_stored())?;
        let due = Due::Pending(key.to_vec()).key(pending.next_at());
        Ok(self.tx.put(Table::Due, &due, &[])?)
    }

    /// The message that a send carries, if it still waits.
    fn carried(&self, row: &OutboxRow) -> Result<Option<MessageId>, Fault> {
        Ok(match &row.carries {
            Carries::Ack | Carries::ContactCode | Carries::Devices => None,
            Carries::Pending(key) => {
                // A copy for our other devices is not on its way to the person.
                let pending = self.pending(key)?.filter(|pending| pending.peer() != self.own());
                pending.map(|pending| self.message_of(&pending))
            }
            Carries::Public(message) => Some(*message),
        })
    }

    /// Moves a message of ours forward; never back.
    ///
    /// DEVIATION: the original stores "sending" and leaves the rest to its client; "sent" there means that one
    /// peer took it, and delivery is not shown at all (`messenger.md` traps 4, 15). Here each state is stored,
    /// and delivery is the acknowledgement. Pinned by `one_to_one_both_ways`.
    pub(crate) fn advance(&mut self, id: &MessageId, state: MessageState) -> Result<(), Fault> {
        let Some(mut message) = self.message(id)? else { return Ok(()) };
        if rank(state) <= rank(message.state) {
            return Ok(());
        }
        message.state = state;
        self.put_message(&message)?;
        self.notify(Notice::State { id: *id, chat: message.chat, state });
        Ok(())
    }

    /// Stops trying. What is already on its way may still arrive; then its acknowledgement says so.
    pub(crate) fn give_up(&mut self, id: &MessageId) -> Result<(), Fault> {
        let message = self.message(id)?.ok_or(Fault::UnknownMessage)?;
        if rank(message.state) >= rank(MessageState::Sent) {
            return Err(Fault::NotWaiting);
        }
        let mut pending = Vec::new();
        if let ChatId::OneToOne(peer) = message.chat {
            pending.extend(self.pending_of(&contact_key(&peer), id)?);
            // Its copy for our other devices goes without a trace.
            if let Some((key, copy)) = self.pending_of(&contact_key(self.own()), id)? {
                self.tx.delete(Table::Pending, &key)?;
                pending.push((key, copy));
            }
        }
        for (key, pending) in &pending {
            self.tx.delete(Table::Due, &Due::Pending(key.clone()).key(pending.next_at()))?;
        }
        for (key, row) in self.tx.scan(Table::Outbox, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            let (send, row) = (send_id(&key)?, OutboxRow::from_bytes(&row)?);
            let of_it = match &row.carries {
                Carries::Pending(key) => pending.iter().any(|(of, _)| of == key),
                Carries::Public(of) => of == id,
                Carries::Ack | Carries::ContactCode | Carries::Devices => false,
            };
            if of_it {
                if let Some(at) = row.again {
                    self.tx.delete(Table::Due, &Due::Outbox(send).key(at))?;
                }
                self.remove_send(send)?;
            }
        }
        self.advance(id, MessageState::Failed(FailReason::GivenUp))
    }

    /// The pending row of a message to this person.
    fn pending_of(&self, peer: &[u8], id: &MessageId) -> Result<Option<(Vec<u8>, Pending)>, Fault> {
        for (key, row) in self.tx.scan_prefix(Table::Pending, peer, Order::Ascending, MAX_ROWS)? {
            let pending = Pending::from_stored(&row)?;
            if self.message_of(&pending) == *id {
                return Ok(Some((key, pending)));
            }
        }
        Ok(None)
    }
}

/// The wait after a number of failures, counted from one.
fn retry_after(failures: u32) -> Duration {
    let [.., last] = RETRY_AFTER;
    let at = usize::try_from(failures).unwrap_or(usize::MAX).saturating_sub(1);
    RETRY_AFTER.get(at).copied().unwrap_or(last)
}

/// States move up this ladder only. A failure is below delivery: an acknowledgement that comes after all is
/// the truth.
const fn rank(state: MessageState) -> u8 {
    match state {
        MessageState::Composed => 0,
        MessageState::Queued => 1,
        MessageState::Sent => 2,
        MessageState::Stored => 3,
        MessageState::Failed(_) => 4,
        MessageState::Delivered => 5,
        MessageState::Received => 6,
    }
}
