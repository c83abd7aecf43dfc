//! An account in one encrypted file, and back.

use std::sync::Arc;

use undertone_account::ChatKey;
use undertone_account::backup::Backup;
use undertone_crypto::MemoryKeyring;
use undertone_messenger::{Messenger, Restored};
use undertone_runtime::{Environment, private_dir};
use undertone_store::Database;
use zeroize::Zeroizing;

use super::{Account, Accounts, AccountsError};

impl Accounts {
    /// The bytes of a backup file: the key, and `content` as [`Client::backup`](crate::Client::backup) or
    /// [`Messenger::backup`] gives it. Slow on purpose (scrypt).
    ///
    /// # Errors
    /// [`AccountsError::Backup`] when it is too long.
    pub fn back_up(
        &self,
        key: &ChatKey,
        content: Zeroizing<Vec<u8>>,
        password: &str,
        env: &Environment,
    ) -> Result<Vec<u8>, AccountsError> {
        let backup = Backup { key: key.clone(), made_at: env.now().unix, content };
        Ok(backup.seal(password, self.scrypt, &mut env.rng())?)
    }

    /// Makes the account of an opened backup anew, with its people and chats, under the name of a new device. Slow on
    /// purpose (scrypt). The key file comes last: whatever fails before it leaves no account.
    ///
    /// # Errors
    /// [`AccountsError::Exists`], [`AccountsError::MessagesExist`], [`AccountsError::Restore`],
    /// [`AccountsError::Open`], [`AccountsError::File`], [`AccountsError::Io`].
    pub fn restore(
        &self,
        backup: &Backup,
        password: &str,
        env: &Environment,
    ) -> Result<(Account, Restored), AccountsError> {
        let address = backup.key.address();
        if self.list()?.iter().any(|known| known.address == address) {
            return Err(AccountsError::Exists(address));
        }
        let home = self.dir.join("accounts").join(address.to_bare_hex());
        if home.join(crate::MESSAGES).exists() {
            return Err(AccountsError::MessagesExist { path: home });
        }
        // Beside its place, so that what a crash leaves is never taken for an account's messages.
        let draft = self.dir.join("accounts").join(format!("{}.restoring", address.to_bare_hex()));
        let io = |path: &std::path::Path| {
            let path = path.to_owned();
            move |source| AccountsError::Io { path, source }
        };
        if draft.exists() {
            std::fs::remove_dir_all(&draft).map_err(io(&draft))?;
        }
        private_dir(&self.dir)?;
        private_dir(&draft)?;
        let restored = fill(backup, &draft, env);
        let moved = restored.and_then(|restored| {
            // A directory with a key alone: of an account that was removed by hand.
            for entry in std::fs::read_dir(&draft).map_err(io(&draft))? {
                let entry = entry.map_err(io(&draft))?;
                private_dir(&home)?;
                std::fs::rename(entry.path(), home.join(entry.file_name())).map_err(io(&home))?;
            }
            Ok(restored)
        });
        let _ = std::fs::remove_dir_all(&draft);
        let restored = moved?;
        let account = self.add(&backup.key, password, env.now().unix, &mut env.rng())?;
        Ok((account, restored))
    }
}

fn fill(backup: &Backup, home: &std::path::Path, env: &Environment) -> Result<Restored, AccountsError> {
    let mut rng = env.rng();
    let secret = backup.key.clone().into_secret_key();
    let mut database = Database::open(&home.join(crate::MESSAGES), secret.secret(), &mut rng)?;
    let mut keyring = MemoryKeyring::new();
    let identity = keyring.insert(secret);
    let messenger = Messenger::new(Arc::new(keyring), identity)?;
    let restored = database
        .transact(|tx| messenger.restore(tx, &mut rng, &backup.content))
        .map_err(AccountsError::Restore)?;
    database.close().map_err(|error| AccountsError::Restore(error.into()))?;
    Ok(restored)
}
