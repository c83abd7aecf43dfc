//! People and devices, as a client's caller sees them.

use undertone_base::StoreError;
use undertone_crypto::PublicKey;
use undertone_messenger::{Command, Contact, Device, InstallationId, Messenger, Pfs, VerifiedBy};
use undertone_store::SqlTx;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::ClientError;

/// All of these fail with [`ClientError::Messenger`] (nothing has changed), [`ClientError::Store`] or
/// [`ClientError::Gone`]; queries with [`ClientError::Store`] alone.
impl Client {
    /// Whatever the messenger can be told. The methods below and in [`Client`] are for what is told most often.
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn command(&self, command: Command) -> Result<(), ClientError> {
        self.request(command).await.map(drop)
    }

    /// Whatever can be read: `query` runs on the store's thread and sees all that was committed before.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Messenger, &SqlTx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ClientError> {
        let messenger = self.messenger().clone();
        self.read(move |tx| query(&messenger, tx)).await
    }

    /// Everybody that was added, verified or blocked.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn contacts(&self) -> Result<Vec<Contact>, ClientError> {
        self.query(|messenger, tx| messenger.contacts(tx)).await
    }

    /// What we make of a person.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn contact(&self, person: PublicKey) -> Result<Contact, ClientError> {
        self.query(move |messenger, tx| messenger.contact(tx, &person)).await
    }

    /// Adds a person, or gives it another nickname (none leaves it as it is).
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn add_contact(&self, peer: PublicKey, nickname: Option<String>) -> Result<(), ClientError> {
        self.command(Command::AddContact { peer, nickname }).await
    }

    /// Remembers that the person's key was compared with it.
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn verify(&self, peer: PublicKey, by: VerifiedBy) -> Result<(), ClientError> {
        self.command(Command::Verify { peer, by }).await
    }

    /// Perfect forward secrecy for people of whom nothing else was said.
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn set_default_pfs(&self, pfs: Pfs) -> Result<(), ClientError> {
        self.command(Command::SetDefaultPfs(pfs)).await
    }

    /// The devices of an identity that we know; our own with [`Client::me`].
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn devices(&self, identity: PublicKey) -> Result<Vec<Device>, ClientError> {
        self.query(move |messenger, tx| messenger.devices(tx, &identity)).await
    }

    /// Treats another device of ours as one of us from now on.
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn enable_device(&self, device: InstallationId) -> Result<(), ClientError> {
        self.command(Command::EnableDevice(device)).await
    }

    /// What a backup holds beside the key; see [`Accounts::back_up`](crate::Accounts::back_up).
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn backup(&self) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        self.query(|messenger, tx| messenger.backup(tx)).await
    }
}
