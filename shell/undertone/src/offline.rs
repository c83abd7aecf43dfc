//! An account without a network: for what concerns this machine alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use undertone_account::ChatKey;
use undertone_base::StoreError;
use undertone_crypto::{KeyId, MemoryKeyring, PublicKey};
use undertone_messenger::{Command, Effect, Fault, Input, Messenger, Notice};
use undertone_runtime::Environment;
use undertone_store::{Database, SqlTx, WriterError};

use crate::dice::Dice;
use crate::error::ClientError;

/// The account's messages in this thread, with no node: it hears nothing, and what it has to send waits in the store
/// until a [`Client`](crate::Client) takes it along. The caller owns the data directory, as for a client.
pub struct Offline {
    database: Database,
    messenger: Messenger,
    env: Environment,
    begun: bool,
}

impl Offline {
    /// Opens the messages in the account's directory (made when absent).
    ///
    /// # Errors
    /// [`ClientError::Open`] (wrong key, damaged, newer version …), [`ClientError::Messenger`].
    pub fn open(key: ChatKey, home: &Path, env: &Environment) -> Result<Self, ClientError> {
        let secret = key.into_secret_key();
        let database = Database::open(&home.join(crate::MESSAGES), secret.secret(), &mut env.rng())?;
        let mut keyring = MemoryKeyring::new();
        let identity: KeyId = keyring.insert(secret);
        let messenger = Messenger::new(Arc::new(keyring), identity)?;
        Ok(Self { database, messenger, env: env.clone(), begun: false })
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
            let (messenger, env) = (&self.messenger, &self.env);
            let start: Result<_, Fault> =
                self.database.transact(|tx| messenger.open(tx, env.now(), &mut Dice::new(env.rng())));
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
        let (messenger, env) = (&self.messenger, &self.env);
        let step = self
            .database
            .transact(|tx| messenger.step(tx, env.now(), &mut Dice::new(env.rng()), Input::Command(command)));
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

#[cfg(test)]
mod tests {
    use undertone_account::keystore::ScryptParams;
    use undertone_crypto::SecretKey;
    use undertone_messenger::{ChatId, MessageState, Pfs};
    use undertone_support::rng;

    use super::*;
    use crate::Accounts;

    fn key(seed: u64) -> ChatKey {
        ChatKey::new(SecretKey::random(&mut rng(seed)))
    }

    #[test]
    fn what_is_told_is_kept_and_what_is_sent_waits() {
        let (dir, env) = (tempfile::tempdir().unwrap(), Environment::system().unwrap());
        let bob = key(2).public();
        let mut offline = Offline::open(key(1), dir.path(), &env).unwrap();
        assert_eq!(*offline.me(), key(1).public());
        let told =
            offline.command(Command::AddContact { peer: bob, nickname: Some("Bob".to_owned()) }).unwrap();
        assert!(told.iter().any(|notice| matches!(notice, Notice::Contact(contact) if contact.key == bob)));
        let send = Command::Send { chat: ChatId::OneToOne(bob), text: "it waits".to_owned() };
        offline.command(send).unwrap();
        assert!(matches!(
            offline.command(Command::AddContact { peer: key(1).public(), nickname: None }),
            Err(ClientError::Messenger(Fault::Oneself))
        ));
        offline.close().unwrap();

        let mut again = Offline::open(key(1), dir.path(), &env).unwrap();
        let contacts = again.query(|messenger, tx| messenger.contacts(tx)).unwrap();
        assert_eq!(contacts.len(), 1);
        let chat = ChatId::OneToOne(bob);
        let messages = again.query(|messenger, tx| messenger.messages(tx, &chat, None, 9)).unwrap();
        assert_eq!((messages.len(), messages[0].state), (1, MessageState::Composed));
        assert!(matches!(Offline::open(key(3), dir.path(), &env), Err(ClientError::Open(_))), "another's");
    }

    #[test]
    fn a_backup_is_restored_as_another_device() {
        let env = Environment::system().unwrap();
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cheap = ScryptParams::new(1_024, 8, 1).unwrap();
        let mut offline = Offline::open(key(1), from.path(), &env).unwrap();
        offline.command(Command::SetDefaultPfs(Pfs::Off)).unwrap();
        offline.command(Command::Block(key(2).public())).unwrap();
        let device = offline.query(|messenger, tx| messenger.installation_id(tx)).unwrap().unwrap();
        let content = offline.query(|messenger, tx| messenger.backup(tx)).unwrap();
        let accounts = Accounts::new(to.path()).with_scrypt(cheap);
        let bytes = accounts.back_up(&key(1), content, "pw", &env).unwrap();
        let backup = undertone_account::backup::BackupFile::parse(&bytes).unwrap().open("pw").unwrap();

        // What an earlier attempt left is in nobody's way.
        let leftover = to.path().join(format!("accounts/{}.restoring", key(1).address().to_bare_hex()));
        std::fs::create_dir_all(&leftover).unwrap();
        std::fs::write(leftover.join("messages.db"), "cut off").unwrap();
        let (account, restored) = accounts.restore(&backup, "pw", &env).unwrap();
        assert!(!leftover.exists());
        assert_eq!((restored.contacts, restored.chats, restored.messages), (1, 0, 0));
        let mut anew = Offline::open(account.unlock("pw").unwrap(), account.home(), &env).unwrap();
        assert_eq!(anew.query(|messenger, tx| messenger.default_pfs(tx)).unwrap(), Pfs::Off);
        let named = anew.query(|messenger, tx| messenger.installation_id(tx)).unwrap().unwrap();
        assert_ne!(named, device);
        anew.begin().unwrap();
        assert_eq!(anew.query(|messenger, tx| messenger.installation_id(tx)).unwrap(), Some(named));
        let again = accounts.restore(&backup, "pw", &env).unwrap_err();
        assert_eq!(again.code(), "accounts.exists");
        std::fs::remove_dir_all(to.path().join("keystore")).unwrap();
        assert_eq!(accounts.restore(&backup, "pw", &env).unwrap_err().code(), "accounts.messages_exist");
    }
}
