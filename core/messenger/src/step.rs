//! One step: the transaction, the time, the randomness, and what comes out.

use rand_core::CryptoRng;
use undertone_base::{Now, StoreError, Unix};
use undertone_crypto::PublicKey;
use undertone_ratchet::InstallationId;

use crate::fault::Fault;
use crate::io::{Effect, Notice, Undecodable};
use crate::limits::MAX_SLEEP;
use crate::messenger::Messenger;
use crate::rows::{Due, State};
use crate::staged::Staged;
use crate::store::{Keys, Order, StoreTx, Table};

/// What one input works with. Its parts are in `chats`, `compose`, `outbox`, `progress`, `timer`, `receive`,
/// `security`.
pub(crate) struct Step<'a, S, R: ?Sized> {
    pub(crate) messenger: &'a Messenger,
    pub(crate) tx: Staged<'a, S>,
    pub(crate) now: Now,
    pub(crate) rng: &'a mut R,
    pub(crate) state: State,
    saved: Option<State>,
    effects: Vec<Effect>,
    leaving: Vec<PublicKey>,
}

/// Why a step ends without a commit.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The caller's, the environment's or our own fault.
    Fault(Fault),
    /// Nothing to do, nothing to say: an echo, or a copy of what was read before.
    Ignored,
    /// What a peer sent is refused.
    Refused(Undecodable),
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl<'a, S: StoreTx, R: CryptoRng + ?Sized> Step<'a, S, R> {
    pub(crate) fn begin(
        messenger: &'a Messenger,
        tx: &'a mut S,
        now: Now,
        rng: &'a mut R,
    ) -> Result<Self, StoreError> {
        let tx = Staged::new(tx);
        let saved = State::load(&tx)?;
        let state = match &saved {
            Some(state) => state.clone(),
            None => State::new(InstallationId::random(rng)),
        };
        Ok(Self { messenger, tx, now, rng, state, saved, effects: Vec::new(), leaving: Vec::new() })
    }

    /// Writes everything down and hands the effects out.
    pub(crate) fn finish(mut self) -> Result<Vec<Effect>, Fault> {
        self.tell_of_devices_written()?;
        self.forget_those_who_leave()?;
        if self.saved.as_ref() != Some(&self.state) {
            self.state.save(&mut self.tx)?;
        }
        let wake = Effect::WakeAt(self.next_wake()?);
        self.effects.push(wake);
        self.tx.commit()?;
        Ok(self.effects)
    }

    pub(crate) const fn own(&self) -> &'a PublicKey {
        self.messenger.key()
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.effects.push(Effect::Notify(notice));
    }

    /// With the end of this step nothing is known of somebody any more.
    pub(crate) fn leaves(&mut self, person: PublicKey) {
        self.leaving.push(person);
    }

    pub(crate) fn take_those_who_leave(&mut self) -> Vec<PublicKey> {
        std::mem::take(&mut self.leaving)
    }

    /// The earliest of what is due, but never further away than [`MAX_SLEEP`]: the wall clock may go back.
    fn next_wake(&self) -> Result<Unix, StoreError> {
        let mut at = self.state.contact_code_due.min(self.now.unix.after(MAX_SLEEP));
        if let Some((key, _)) = self.tx.scan(Table::Due, Keys::ALL, Order::Ascending, 1)?.first() {
            at = at.min(Due::parse(key)?.0);
        }
        Ok(at.max(self.now.unix))
    }
}
