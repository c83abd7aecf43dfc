//! An account without a network: for what concerns this machine alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rand::rngs::StdRng;
use undertone_account::ChatKey;
use undertone_base::StoreError;
use undertone_crypto::{KeyId, MemoryKeyring, PublicKey};
use undertone_messenger::{Command, Effect, Fault, Input, Messenger, Notice};
use undertone_runtime::{Clock, Environment};
use undertone_store::{Database, SqlTx, WriterError};

use crate::error::ClientError;

/// The account's messages in this thread, with no node: it hears nothing, and what it has to send waits in the store
/// until a [`Client`](crate::Client) takes it along. The caller owns the data directory, as for a client.
pub struct Offline {
    database: Database,
    messenger: Messenger,
    clock: Clock,
    rng: StdRng,
    begun: bool,
}

impl Offline {
    /// Opens the messages in the account's directory (made when absent).
    ///
    /// # Errors
    /// [`ClientError::Open`] (wrong key, damaged, newer version …), [`ClientError::Messenger`].
    pub fn open(key: ChatKey, home: &Path, env: &Environment) -> Result<Self, ClientError> {
        let mut rng = env.rng();
        let secret = key.into_secret_key();
        let database = Database::open(&home.join(crate::MESSAGES), secret.secret(), &mut rng)?;
        let mut keyring = MemoryKeyring::new();
        let identity: KeyId = keyring.insert(secret);
        let messenger = Messenger::new(Arc::new(keyring), identity)?;
        Ok(Self { database, messenger, clock: env.clock().clone(), rng, begun: false })
    }

    /// The account's public key.
    pub const fn me(&self) -> &PublicKey {
        self.messenger.key()
    }

    /// Whatever can be read.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn query<T>(
        &mut self,
        query: impl FnOnce(&Messenger, &SqlTx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, ClientError> {
        let messenger = &self.messenger;
        let outcome: Result<T, StoreError> = self.database.transact(|tx| query(messenger, tx));
        Ok(outcome.map_err(WriterError::from)?)
    }

    /// Does what a start has to do, once: an account that never ran becomes a device with a name.
    ///
    /// # Errors
    /// [`ClientError::Messenger`]; nothing has changed then.
    pub fn begin(&mut self) -> Result<(), ClientError> {
        if !self.begun {
            let (messenger, rng, clock) = (&self.messenger, &mut self.rng, &self.clock);
            let start: Result<_, Fault> = self.database.transact(|tx| messenger.open(tx, clock.now(), rng));
            start?;
            self.begun = true;
        }
        Ok(())
    }

    /// Whatever the messenger can be told, durable when this returns; with what it has to say to that.
    ///
    /// # Errors
    /// [`ClientError::Messenger`]; nothing has changed then.
    pub fn command(&mut self, command: Command) -> Result<Vec<Notice>, ClientError> {
        self.begin()?;
        let (messenger, rng, clock) = (&self.messenger, &mut self.rng, &self.clock);
        let step = self.database.transact(|tx| messenger.step(tx, clock.now(), rng, Input::Command(command)));
        let notices = step?.into_iter().filter_map(|effect| match effect {
            Effect::Notify(notice) => Some(notice),
            // What is to be sent is in the outbox, and what is to be heard follows from the rows.
            _ => None,
        });
        Ok(notices.collect())
    }

    /// Closes the file.
    ///
    /// # Errors
    /// [`ClientError::Store`]; what was committed is safe.
    pub fn close(self) -> Result<(), ClientError> {
        Ok(self.database.close().map_err(WriterError::from)?)
    }
}

impl fmt::Debug for Offline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offline({:?})", self.messenger)
    }
}
