//! The messenger: one identity on this device, and what one input does.

use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;
use undertone_base::Now;
use undertone_crypto::{KeyId, Keyring, PublicKey};
use undertone_ratchet::{Enabled, LocalIdentity};
use undertone_transport::Event;

use crate::fault::Fault;
use crate::io::{Command, Effect, Input, Notice};
use crate::step::{Step, Stop};
use crate::store::StoreTx;

/// One identity on this device.
///
/// It holds no state: that is in the store, so that rolling a transaction back takes back everything that an
/// input did. A clone is the same messenger.
#[derive(Clone)]
pub struct Messenger {
    pub(crate) keyring: Arc<dyn Keyring>,
    pub(crate) own: LocalIdentity,
}

impl Messenger {
    /// The messenger of the identity that `keyring` holds under `identity`.
    ///
    /// # Errors
    /// [`Fault::Keyring`] when it holds none.
    pub fn new(keyring: Arc<dyn Keyring>, identity: KeyId) -> Result<Self, Fault> {
        let own = LocalIdentity::new(&*keyring, identity)?;
        Ok(Self { keyring, own })
    }

    /// The identity's name in the keyring.
    pub const fn identity(&self) -> &KeyId {
        self.own.id()
    }

    /// The identity's public key.
    pub const fn key(&self) -> &PublicKey {
        self.own.public()
    }

    /// What a start has to do, once, before the first [`Messenger::step`]: names this device if it has no
    /// name yet, listens for everything that concerns us, hands the sends that no peer has taken to the
    /// transport again (under new ids), and publishes our contact code.
    ///
    /// # Errors
    /// [`Fault::Store`], [`Fault::Keyring`], [`Fault::Security`]; the store is as before.
    pub fn open(
        &self,
        tx: &mut impl StoreTx,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<Effect>, Fault> {
        let mut step = Step::begin(self, tx, now, rng)?;
        step.start()?;
        step.finish()
    }

    /// Does what one input asks for, in one transaction.
    ///
    /// The effects may happen only after `tx` is durable: a ciphertext must never leave before the ratchet
    /// state that made it. Nothing is written before everything is checked; if this fails in the middle of
    /// the writes (the disk), the caller rolls `tx` back and drops nothing else, for there is nothing else.
    ///
    /// Bytes from others that cannot be read or are not valid are no error of the caller: they come back as
    /// one [`Notice::Undecodable`], with nothing written and nothing acknowledged.
    ///
    /// # Errors
    /// [`Fault`]; the store is as before.
    pub fn step(
        &self,
        tx: &mut impl StoreTx,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
        input: Input,
    ) -> Result<Vec<Effect>, Fault> {
        let mut step = Step::begin(self, tx, now, rng)?;
        match input {
            Input::Command(command) => step.command(command)?,
            Input::Timeout => step.timeout()?,
            Input::Transport(Event::Progress { id, progress }) => step.progress(id, progress)?,
            Input::Transport(Event::Received(received)) => match step.received(&received) {
                Ok(()) => {}
                Err(Stop::Fault(fault)) => return Err(fault),
                Err(Stop::Ignored) => return Ok(Vec::new()),
                Err(Stop::Refused(why)) => {
                    let author = received.author;
                    return Ok(vec![Effect::Notify(Notice::Undecodable { author, why })]);
                }
            },
            // History is not asked for yet, so no page of it ends.
            Input::Transport(_) => return Ok(Vec::new()),
        }
        step.finish()
    }
}

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    fn command(&mut self, command: Command) -> Result<(), Fault> {
        match command {
            Command::AddContact { peer, nickname } => self.add_contact(&peer, nickname),
            Command::AllowWeaker { peer, allowed } => self.allow_weaker(&peer, allowed),
            Command::Block(peer) => self.block(&peer),
            Command::Decline { peer, block } => self.decline(&peer, block),
            Command::DisableDevice(device) => self.set_device(&device, Enabled::No),
            Command::EnableDevice(device) => self.set_device(&device, Enabled::Yes),
            Command::GiveUp(id) => self.give_up(&id),
            Command::MarkRead(chat) => self.mark_read(&chat),
            Command::NameLedTo { name, key } => self.name_led_to(&name, &key),
            Command::Open(chat) => self.open_chat(&chat),
            Command::Pair { name, kind } => self.pair(&name, &kind),
            Command::PfsByDefault(peer) => self.set_pfs(&peer, None),
            Command::RemoveContact(peer) => {
                self.remove_contact(&peer)?;
                self.forget_names(&peer)
            }
            Command::Send { chat, text } => self.send_text(&chat, text),
            Command::SendContactUpdate(peer) => self.send_contact_update(&peer),
            Command::SetDefaultPfs(pfs) => {
                if self.state.pfs_default != pfs {
                    self.state.pfs_default = pfs;
                    self.notify(Notice::DefaultPfs(pfs));
                }
                Ok(())
            }
            Command::SetPfs { peer, pfs } => self.set_pfs(&peer, Some(pfs)),
            Command::SetProfile(profile) => self.set_profile(profile),
            Command::Unblock(peer) => self.unblock(&peer),
            Command::Verify { peer, by } => {
                self.verify(&peer, by)?;
                self.settle_names(&peer)
            }
        }
    }
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messenger({:?})", self.key())
    }
}
