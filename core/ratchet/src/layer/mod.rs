//! The layer as the messenger sees it: payloads in, `ProtocolMessage`s out, and back.

mod learn;
mod open;
mod seal;
#[cfg(test)]
mod tests;

use std::fmt;

use undertone_base::{Now, StoreError};
use undertone_crypto::{Keyring, PublicKey, UnknownKey};

use self::learn::Writer;
pub use self::learn::{DeviceChange, Learned};
pub use self::open::{Kind, Opened};
pub use self::seal::Sealed;
use crate::error::OpenError;
use crate::installation::InstallationId;
use crate::keys::{LocalIdentity, NegotiatedSecret, RemoteIdentity};
use crate::store::RatchetStore;
use crate::stored::Device;
use crate::tables::{self, Tables};
use crate::x3dh;

/// One of our identities on this device.
///
/// It holds no state: that is in the store, and each call reads what it needs and writes what has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Encryption {
    own: LocalIdentity,
    installation: InstallationId,
}

/// What a call of [`Encryption`] works with.
pub struct Context<'a, S: ?Sized, R: ?Sized> {
    /// Where the rows are. Changed only when the call succeeds.
    pub store: &'a mut S,
    /// Holds our identity key.
    pub keyring: &'a dyn Keyring,
    /// The time.
    pub now: Now,
    /// Randomness.
    pub rng: &'a mut R,
}

impl<S: ?Sized, R: ?Sized> fmt::Debug for Context<'_, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context(at {} ms)", self.now.unix.millis())
    }
}

/// What this layer protects a payload with. The envelope around it protects it as well.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Protection {
    /// Nothing: a public message.
    None,
    /// The recipient's identity key alone: no forward secrecy, no authentication (`security.md` 3.1).
    DhOnly,
    /// The Double Ratchet: forward secrecy, and healing once both sides have spoken.
    Pfs,
}

/// Whether we encrypt for a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enabled {
    /// We do not.
    No,
    /// We do.
    Yes,
}

/// How much of what is outdated is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "what is left has to be erased as well"]
pub enum Erased {
    /// All of it.
    All,
    /// As much as one call erases ([`limits::MAX_ERASED`](crate::limits::MAX_ERASED)).
    Part,
}

impl Encryption {
    /// The layer of an identity on this device.
    ///
    /// A fresh install, and a backup restored without its sessions, must come with a *new* random
    /// `installation`: peers go on with the sessions of the old one, which nobody can read any more.
    pub const fn new(own: LocalIdentity, installation: InstallationId) -> Self {
        Self { own, installation }
    }

    /// Our identity.
    pub const fn own(&self) -> &LocalIdentity {
        &self.own
    }

    /// This device.
    pub const fn installation(&self) -> &InstallationId {
        &self.installation
    }

    /// The devices of an identity that we know, ascending by name; our own other devices for our own key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn devices<S: RatchetStore + ?Sized>(
        &self,
        store: &S,
        identity: &PublicKey,
    ) -> Result<Vec<(InstallationId, Device)>, StoreError> {
        tables::devices(store, &self.own, &RemoteIdentity::new(*identity))
    }

    /// Starts or stops encrypting for a device. Says whether the device is known; nothing is sent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_enabled<S: RatchetStore + ?Sized>(
        &self,
        store: &mut S,
        identity: &PublicKey,
        installation: &InstallationId,
        enabled: Enabled,
    ) -> Result<bool, StoreError> {
        let mut tables = Tables::new(store);
        let identity = RemoteIdentity::new(*identity);
        let Some(mut device) = tables.device(&self.own, &identity, installation)? else { return Ok(false) };
        device.enabled = enabled == Enabled::Yes;
        tables.put_device(&self.own, &identity, installation, &device);
        tables.commit()?;
        Ok(true)
    }

    /// The secret that names the negotiated topic with `peer`. Costs one DH; the same for ever, so cache it.
    ///
    /// # Errors
    /// [`UnknownKey`] when the keyring has lost our identity.
    pub fn negotiated_secret(
        &self,
        keyring: &dyn Keyring,
        peer: &PublicKey,
    ) -> Result<NegotiatedSecret, UnknownKey> {
        x3dh::negotiated_secret(keyring, &self.own, &RemoteIdentity::new(*peer))
    }

    /// Whether all these devices of `peer`, and at least one, are known to listen on the negotiated topic.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_agreed<S: RatchetStore + ?Sized>(
        &self,
        store: &S,
        peer: &PublicKey,
        targets: &[InstallationId],
    ) -> Result<bool, StoreError> {
        let peer = RemoteIdentity::new(*peer);
        for target in targets {
            if !tables::is_negotiated(store, &self.own, &peer, target)? {
                return Ok(false);
            }
        }
        Ok(!targets.is_empty())
    }

    /// Erases what is kept only for a time: skipped keys after 30 days, replaced prekeys after 14. Call it
    /// once a day, and again when it says that something is left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn erase_outdated<S: RatchetStore + ?Sized>(
        &self,
        store: &mut S,
        now: Now,
    ) -> Result<Erased, StoreError> {
        let mut tables = Tables::new(store);
        tables.erase_outdated_prekeys(&self.own, now.unix)?;
        let erased = tables.erase_outdated_skipped(&self.own, now.unix)?;
        tables.commit()?;
        Ok(erased)
    }

    fn agreed<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        peer: &RemoteIdentity,
        targets: &[InstallationId],
    ) -> Result<bool, StoreError> {
        for target in targets {
            if !tables.is_negotiated(&self.own, peer, target)? {
                return Ok(false);
            }
        }
        Ok(!targets.is_empty())
    }

    fn is_own(&self, identity: &RemoteIdentity) -> bool {
        identity.public() == self.own.public()
    }
}

/// Bundles alone, without the payload: for a message that [`Encryption::open`] refused.
impl Encryption {
    /// Takes in the bundles of a message that `sender` signed, and nothing else. Useful after [`OpenError::DeviceNotFound`],
    /// [`OpenError::NotPaired`] or [`OpenError::UnknownSession`], when the sender is known and its devices
    /// are worth knowing.
    ///
    /// # Errors
    /// [`OpenError::Protocol`], [`OpenError::Bundle`], [`OpenError::Store`].
    pub fn learn<S: RatchetStore + ?Sized>(
        &self,
        store: &mut S,
        now: Now,
        sender: &PublicKey,
        bytes: &[u8],
    ) -> Result<Vec<Learned>, OpenError> {
        let message = crate::protocol::ProtocolMessage::decode(bytes)?;
        let mut tables = Tables::new(store);
        let (identity, installation) =
            (RemoteIdentity::new(*sender), InstallationId::new(&message.installation));
        let writer = Writer { identity: &identity, installation: installation.as_ref() };
        let bundles = self.learn_bundles(&mut tables, &message, writer, now.unix)?;
        tables.commit()?;
        Ok(bundles.learned)
    }
}
