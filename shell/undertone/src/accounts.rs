//! Accounts of a data directory.
//!
//! ```text
//! <data dir>/keystore/UTC--<time>--<address>   the key, encrypted with the person's password (geth reads it)
//! <data dir>/accounts/<address>/chatkey        the public key, so that a list needs no password
//! <data dir>/accounts/<address>/messages.db    what was said (SQLCipher), its salt beside it
//! ```

mod backup;
mod damaged;
mod make;

use std::io::Read;
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use undertone_account::backup::BackupError;
use undertone_account::keystore::{self, KeyFile, KeystoreError, ScryptParams};
use undertone_account::{Address, ChatKey, ExtendedKeyError, three_word_name};
use undertone_base::{FaultClass, Unix};
use undertone_crypto::PublicKey;
use undertone_messenger::{Fault, RestoreError};
use undertone_runtime::{FileError, private_dir, write_private};
use undertone_store::OpenError;

pub use self::damaged::{Damage, DamagedAccount};
use self::damaged::{Kept, kept};

/// Largest file that is looked at as a key file, in bytes.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// What can go wrong with accounts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// A backup is not made or does not open.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The account is here, and its key file cannot be used.
    #[error("the key file of {} cannot be used, {}: {}", .0.account.address, .0.account.file.display(), .0.why)]
    Damaged(Box<DamagedAccount>),
    /// The account exists already.
    #[error("account {0} exists already")]
    Exists(Address),
    /// A directory or file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key file cannot be read from disk.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Words that make no key; of words that are chosen at random it does not happen.
    #[error(transparent)]
    Key(#[from] ExtendedKeyError),
    /// A key file is damaged, of an unknown kind, or the password is wrong.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// There are messages of this account, without its key file.
    #[error("there are messages of this account already, in {}", path.display())]
    MessagesExist {
        /// Where.
        path: PathBuf,
    },
    /// The messenger does not start.
    #[error(transparent)]
    Messenger(#[from] Fault),
    /// No account fits.
    #[error("no such account")]
    NotFound,
    /// The database of the messages is not made.
    #[error("cannot open the messages")]
    Open(#[from] OpenError),
    /// What is in a backup cannot be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Several accounts fit.
    #[error("{0} accounts fit: say which")]
    Several(usize),
}

impl AccountsError {
    /// Whose fault it is.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Backup(e) => e.fault(),
            Self::Damaged(_) => FaultClass::Environment,
            Self::Exists(_) | Self::MessagesExist { .. } | Self::NotFound | Self::Several(_) => {
                FaultClass::Caller
            }
            Self::File(e) => e.fault(),
            Self::Io { .. } => FaultClass::Environment,
            Self::Key(e) => e.fault(),
            Self::Keystore(e) => e.fault(),
            Self::Messenger(e) => e.fault(),
            Self::Open(e) => e.fault(),
            Self::Restore(e) => e.fault(),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Backup(e) => e.code(),
            Self::Damaged(_) => "accounts.damaged",
            Self::Exists(_) => "accounts.exists",
            Self::File(e) => e.code(),
            Self::Io { .. } => "accounts.io",
            Self::Key(e) => e.code(),
            Self::Keystore(e) => e.code(),
            Self::MessagesExist { .. } => "accounts.messages_exist",
            Self::Messenger(e) => e.code(),
            Self::NotFound => "accounts.not_found",
            Self::Open(e) => e.code(),
            Self::Restore(e) => e.code(),
            Self::Several(_) => "accounts.several",
        }
    }
}

/// One account as far as it shows without its password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Address of the chat key.
    pub address: Address,
    /// The chat key; `None` for a key file that was put there by hand and never opened here.
    pub key: Option<PublicKey>,
    /// Its key file.
    pub file: PathBuf,
    home: PathBuf,
}

impl Account {
    /// The three-word name, when the key is known.
    pub fn name(&self) -> Option<String> {
        self.key.as_ref().map(three_word_name)
    }

    /// The directory of its messages.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Decrypts the key. Slow on purpose (scrypt): call it where blocking is allowed.
    ///
    /// # Errors
    /// [`AccountsError::Keystore`] with a wrong password or a damaged file, [`AccountsError::Io`].
    pub fn unlock(&self, password: &str) -> Result<ChatKey, AccountsError> {
        let key = ChatKey::new(KeyFile::parse(&read(&self.file)?)?.open(password)?);
        if key.address() != self.address {
            return Err(KeystoreError::AddressMismatch.into());
        }
        self.remember(&key.public())?;
        Ok(key)
    }

    fn remember(&self, key: &PublicKey) -> Result<(), AccountsError> {
        if self.key.as_ref() != Some(key) {
            private_dir(&self.home)?;
            write_private(&self.home.join("chatkey"), format!("{key}\n").as_bytes())?;
        }
        Ok(())
    }
}

/// The accounts of one data directory.
#[derive(Clone, Debug)]
pub struct Accounts {
    dir: PathBuf,
    scrypt: ScryptParams,
}

impl Accounts {
    /// Those below `data_dir`, with geth's standard scrypt for new key files.
    pub fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.to_owned(), scrypt: ScryptParams::STANDARD }
    }

    /// With another cost for new key files. Cheap ones are for tests.
    #[must_use]
    pub const fn with_scrypt(mut self, scrypt: ScryptParams) -> Self {
        self.scrypt = scrypt;
        self
    }

    /// All accounts with a key file that can be read, oldest first. What is no key file is passed over; see
    /// [`Accounts::damaged`] for those whose key file is none any more.
    ///
    /// # Errors
    /// [`AccountsError::Io`] when the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Account>, AccountsError> {
        let mut accounts: Vec<Account> = Vec::new();
        for file in self.files("keystore")? {
            if let Kept::Key(address) = kept(&file)
                && accounts.iter().all(|known| known.address != address)
            {
                accounts.push(self.account(address, file));
            }
        }
        Ok(accounts)
    }

    /// The account that `who` names (chat key in any form, address, three-word name), or the only one. One whose key
    /// file is damaged counts, too: nobody else is taken for it.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], [`AccountsError::Several`], [`AccountsError::Damaged`], [`AccountsError::Io`].
    pub fn find(&self, who: Option<&str>) -> Result<Account, AccountsError> {
        let fitting = |account: &Account| who.is_none_or(|who| fits(account, who));
        let mut whole = self.list()?;
        whole.retain(fitting);
        let mut damaged = self.damaged()?;
        damaged.retain(|damaged| fitting(&damaged.account));
        match (whole.len(), damaged.len()) {
            (1, 0) => whole.pop().ok_or(AccountsError::NotFound),
            (0, 1) => Err(damaged
                .pop()
                .map_or(AccountsError::NotFound, |damaged| AccountsError::Damaged(Box::new(damaged)))),
            (0, 0) => Err(AccountsError::NotFound),
            (n, m) => Err(AccountsError::Several(n.saturating_add(m))),
        }
    }

    /// Writes a key file for `key`; [`Accounts::create`] and [`Accounts::import`] end here. Slow on purpose (scrypt).
    ///
    /// # Errors
    /// [`AccountsError::Exists`], [`AccountsError::File`], [`AccountsError::Io`].
    pub fn add(
        &self,
        key: &ChatKey,
        password: &str,
        now: Unix,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Account, AccountsError> {
        let address = key.address();
        if self.list()?.iter().any(|known| known.address == address) {
            return Err(AccountsError::Exists(address));
        }
        let dir = self.dir.join("keystore");
        private_dir(&self.dir)?;
        private_dir(&dir)?;
        let file = dir.join(keystore::file_name(&address, now));
        let mut account = self.account(address, file);
        account.remember(&key.public())?;
        account.key = Some(key.public());
        let text = keystore::seal(key.secret_key(), None, password, self.scrypt, rng);
        write_private(&account.file, text.as_bytes())?;
        Ok(account)
    }

    /// Encrypts the key file anew with another password. Nothing else changes: the messages' key does not depend
    /// on the password. Slow on purpose (scrypt, twice).
    ///
    /// # Errors
    /// [`AccountsError::Keystore`] when `old` is wrong, [`AccountsError::File`].
    pub fn change_password(
        &self,
        account: &Account,
        old: &str,
        new: &str,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), AccountsError> {
        let key = account.unlock(old)?;
        let text = keystore::seal(key.secret_key(), None, new, self.scrypt, rng);
        write_private(&account.file, text.as_bytes())?;
        Ok(())
    }

    /// What is in a directory of ours, in the order of the names; nothing where there is none.
    fn files(&self, below: &str) -> Result<Vec<PathBuf>, AccountsError> {
        let dir = self.dir.join(below);
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(AccountsError::Io { path: dir, source }),
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
        files.sort();
        Ok(files)
    }

    fn account(&self, address: Address, file: PathBuf) -> Account {
        let home = self.dir.join("accounts").join(address.to_bare_hex());
        let key = std::fs::read_to_string(home.join("chatkey"))
            .ok()
            .and_then(|text| PublicKey::from_hex(text.trim()).ok())
            .filter(|key| Address::of(key) == address);
        Account { address, key, file, home }
    }
}

fn fits(account: &Account, who: &str) -> bool {
    let by_key = undertone_account::key_text::parse(who).ok();
    let by_address =
        who.strip_prefix("0x").unwrap_or(who).eq_ignore_ascii_case(&account.address.to_bare_hex());
    let by_name = account.name().is_some_and(|name| name.eq_ignore_ascii_case(who));
    by_address || by_name || (by_key.is_some() && by_key == account.key)
}

fn read(path: &Path) -> Result<Vec<u8>, AccountsError> {
    let io = |source| AccountsError::Io { path: path.to_owned(), source };
    // A pipe would be waited for.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(std::io::ErrorKind::InvalidInput.into()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(MAX_KEY_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_KEY_FILE) {
        Ok(bytes)
    } else {
        Err(KeystoreError::TooLong.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use undertone_crypto::SecretKey;
    use undertone_support::rng;

    fn cheap(dir: &Path) -> Accounts {
        Accounts::new(dir).with_scrypt(ScryptParams::new(1024, 8, 1).unwrap())
    }

    fn key(n: u64) -> ChatKey {
        ChatKey::new(SecretKey::random(&mut rng(n)))
    }

    #[test]
    fn an_account_is_found_by_each_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = cheap(dir.path());
        assert!(matches!(accounts.find(None), Err(AccountsError::NotFound)));
        let alice = accounts.add(&key(1), "secret", Unix::from_secs(1), &mut rng(9)).unwrap();
        assert_eq!(accounts.find(None).unwrap(), alice);
        let bob = accounts.add(&key(2), "secret", Unix::from_secs(2), &mut rng(8)).unwrap();
        assert!(matches!(accounts.find(None), Err(AccountsError::Several(2))));
        let public = bob.key.unwrap();
        let names = [
            public.to_hex(),
            undertone_account::key_text::chat_key(&public),
            bob.address.to_string(),
            bob.name().unwrap(),
        ];
        for name in names {
            assert_eq!(accounts.find(Some(&name)).unwrap(), bob, "{name}");
        }
        assert!(matches!(
            accounts.add(&key(2), "x", Unix::default(), &mut rng(7)),
            Err(AccountsError::Exists(_))
        ));
    }

    #[test]
    fn a_new_password_opens_what_the_old_one_did_not_keep() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = cheap(dir.path());
        let account = accounts.add(&key(3), "old", Unix::default(), &mut rng(1)).unwrap();
        accounts.change_password(&account, "old", "new", &mut rng(2)).unwrap();
        let wrong = account.unlock("old").unwrap_err();
        assert_eq!(wrong.code(), "keystore.wrong_password");
        assert_eq!(account.unlock("new").unwrap().public(), key(3).public());
        assert_eq!(accounts.list().unwrap().len(), 1);
    }

    #[test]
    fn a_foreign_key_file_shows_its_key_once_it_was_opened() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = cheap(dir.path());
        let text = keystore::seal(
            key(4).secret_key(),
            None,
            "pw",
            ScryptParams::new(1024, 8, 1).unwrap(),
            &mut rng(1),
        );
        std::fs::create_dir_all(dir.path().join("keystore")).unwrap();
        std::fs::write(dir.path().join("keystore/from-geth"), text).unwrap();
        std::fs::write(dir.path().join("keystore/README"), "not a key").unwrap();
        std::fs::write(dir.path().join("keystore/large"), vec![b' '; 65 * 1024]).unwrap();
        // Nobody writes into it: whoever reads waits for ever.
        let (pipe, mode) = (dir.path().join("keystore/pipe"), rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let account = accounts.find(None).unwrap();
        assert_eq!(account.key, None);
        account.unlock("pw").unwrap();
        assert_eq!(accounts.find(None).unwrap().key, Some(key(4).public()));
    }
}
