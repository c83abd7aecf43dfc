//! Backup files: an account's key and whatever a shell puts beside it, under a password.
//!
//! | offset | length | content |
//! |---|---|---|
//! | 0 | 16 | `undertone backup` in ASCII |
//! | 16 | 1 | version, 1 |
//! | 17 | 1 | log2 of scrypt's n |
//! | 18 | 4 | scrypt's r, big-endian |
//! | 22 | 4 | scrypt's p, big-endian |
//! | 26 | 8 | length of what is sealed, big-endian |
//! | 34 | 32 | random bytes |
//! | 66 | 16 | check of the password |
//! | 82 | … | sealed: AES-256-GCM ciphertext, tag (16), nonce (12) |
//!
//! ```text
//! dk     = scrypt(password in UTF-8, salt = bytes 0..66, n, r, p, 32 bytes)
//! check  = HKDF-SHA256(dk, no salt, "undertone backup check", 16 bytes)
//! key    = HKDF-SHA256(dk, no salt, "undertone backup key", 32 bytes)
//! sealed = AES-256-GCM(key, private key (32) || time made, ms, big-endian (8) || content)
//! ```
//! The whole header is the salt, so that a change of it shows as another password. The check tells a wrong password
//! from a damaged file; it helps nobody to guess, for the tag would do the same.

use std::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use undertone_base::{FaultClass, Reader, Secret, Unix};
use undertone_crypto::kdf::hkdf_sha256;
use undertone_crypto::{SecretKey, gcm};
use zeroize::Zeroizing;

use crate::keystore::{KeystoreError, ScryptParams};
use crate::limits;
use crate::roles::ChatKey;

/// Why a backup file is not made or does not open.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The password is right, but the bytes are not those that were written.
    #[error("the backup is damaged")]
    Damaged,
    /// It begins like something else.
    #[error("this is no backup of undertone")]
    NotABackup,
    /// The key derivation asks for more than the limits allow, or for what does not exist.
    #[error(transparent)]
    Scrypt(#[from] KeystoreError),
    /// More than [`limits::BACKUP_BYTES`].
    #[error("a backup has at most {} bytes", limits::BACKUP_BYTES)]
    TooLong,
    /// The end is missing.
    #[error("the end of the backup is missing: {missing} bytes")]
    Truncated {
        /// How many bytes.
        missing: u64,
    },
    /// A later version made it.
    #[error("the backup has version {got}; this program reads version {VERSION}")]
    Version {
        /// Its version.
        got: u8,
    },
    /// Another password, or a changed header.
    #[error("wrong password for this backup")]
    WrongPassword,
}

impl BackupError {
    /// Whoever typed the password or chose the file; a damaged file is the environment's.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Damaged | Self::Truncated { .. } => FaultClass::Environment,
            Self::Scrypt(e) => e.fault(),
            Self::NotABackup | Self::TooLong | Self::Version { .. } | Self::WrongPassword => {
                FaultClass::Caller
            }
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Damaged => "backup.damaged",
            Self::NotABackup => "backup.not_a_backup",
            Self::Scrypt(e) => e.code(),
            Self::TooLong => "backup.too_long",
            Self::Truncated { .. } => "backup.truncated",
            Self::Version { .. } => "backup.version",
            Self::WrongPassword => "backup.wrong_password",
        }
    }
}

/// What a backup holds.
#[derive(Clone)]
pub struct Backup {
    /// The account.
    pub key: ChatKey,
    /// When it was made.
    pub made_at: Unix,
    /// What the shell put beside the key. Wiped on drop.
    pub content: Zeroizing<Vec<u8>>,
}

impl Backup {
    /// The bytes of a file. Slow: one key derivation.
    ///
    /// ```
    /// use undertone_account::backup::{Backup, BackupFile};
    /// use undertone_account::keystore::ScryptParams;
    /// # use undertone_account::ChatKey;
    /// # use undertone_base::Unix;
    /// # use undertone_crypto::SecretKey;
    /// let mut rng = rand::rng();
    /// # let key = ChatKey::new(SecretKey::random(&mut rng));
    /// let backup = Backup { key, made_at: Unix::from_secs(1), content: b"chats".to_vec().into() };
    /// // Far too cheap for anything but an example.
    /// let file = backup.seal("correct horse", ScryptParams::new(1024, 8, 1)?, &mut rng)?;
    /// let opened = BackupFile::parse(&file)?.open("correct horse")?;
    /// assert_eq!(opened.content.as_slice(), b"chats");
    /// assert_eq!(BackupFile::parse(&file)?.open("wrong").unwrap_err().code(), "backup.wrong_password");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BackupError::TooLong`].
    pub fn seal(
        &self,
        password: &str,
        params: ScryptParams,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, BackupError> {
        if self.content.len() > limits::BACKUP_BYTES - SEALED_MIN - HEADER {
            return Err(BackupError::TooLong);
        }
        let mut plain = Zeroizing::new(Vec::with_capacity(KEY + TIME + self.content.len()));
        plain.extend_from_slice(self.key.secret_key().secret().expose());
        plain.extend_from_slice(&self.made_at.millis().to_be_bytes());
        plain.extend_from_slice(&self.content);

        let mut random = [0; RANDOM];
        rng.fill_bytes(&mut random);
        let length = u64::try_from(plain.len() + gcm::OVERHEAD).map_err(|_| BackupError::TooLong)?;
        let log_n = u8::try_from(params.n().trailing_zeros()).unwrap_or(u8::MAX);
        let mut out = Vec::with_capacity(HEADER + plain.len() + gcm::OVERHEAD);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, log_n]);
        out.extend_from_slice(&params.r().to_be_bytes());
        out.extend_from_slice(&params.p().to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&random);
        let keys = Keys::derive(password, &out, params);
        out.extend_from_slice(keys.check.expose());
        out.extend_from_slice(&gcm::seal(&keys.key, &plain, rng));
        Ok(out)
    }
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup")
            .field("key", &self.key)
            .field("made_at", &self.made_at)
            .field("content", &format_args!("{} bytes", self.content.len()))
            .finish()
    }
}

/// A file that was read but not opened: whole, of a known version, and within the cost limits.
#[derive(Clone, Copy)]
pub struct BackupFile<'a> {
    salt: &'a [u8],
    params: ScryptParams,
    check: [u8; CHECK],
    sealed: &'a [u8],
}

impl<'a> BackupFile<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// Any [`BackupError`] but [`BackupError::WrongPassword`]; [`BackupError::Damaged`] when bytes follow the end.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BackupError> {
        if bytes.len() > limits::BACKUP_BYTES {
            return Err(BackupError::TooLong);
        }
        let begins = bytes.len().min(MAGIC.len());
        if begins == 0 || bytes.get(..begins) != MAGIC.get(..begins) {
            return Err(BackupError::NotABackup);
        }
        let short = |have: usize| BackupError::Truncated {
            missing: u64::try_from((HEADER + SEALED_MIN).saturating_sub(have)).unwrap_or(u64::MAX),
        };
        let mut reader = Reader::new(bytes.get(MAGIC.len()..).ok_or(short(bytes.len()))?);
        let cut = |_| short(bytes.len());
        let [version] = reader.take::<1>().map_err(cut)?;
        if version != VERSION {
            return Err(BackupError::Version { got: version });
        }
        let [log_n] = reader.take::<1>().map_err(cut)?;
        let r = u32::from_be_bytes(reader.take().map_err(cut)?);
        let p = u32::from_be_bytes(reader.take().map_err(cut)?);
        let length = u64::from_be_bytes(reader.take().map_err(cut)?);
        reader.sub(RANDOM).map_err(cut)?;
        let check = reader.take().map_err(cut)?;
        let sealed = reader.rest();
        let have = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        if let Some(missing) = length.checked_sub(have).filter(|missing| *missing > 0) {
            return Err(BackupError::Truncated { missing });
        }
        if have > length || sealed.len() < SEALED_MIN {
            return Err(BackupError::Damaged);
        }
        let n = 1u64.checked_shl(log_n.into()).unwrap_or(0);
        let params = ScryptParams::new(n, r, p)?;
        Ok(Self { salt: bytes.get(..SALT).ok_or(short(bytes.len()))?, params, check, sealed })
    }

    /// What is inside. Slow: one key derivation.
    ///
    /// # Errors
    /// [`BackupError::WrongPassword`], [`BackupError::Damaged`].
    pub fn open(&self, password: &str) -> Result<Backup, BackupError> {
        let keys = Keys::derive(password, self.salt, self.params);
        if !bool::from(keys.check.expose().ct_eq(&self.check)) {
            return Err(BackupError::WrongPassword);
        }
        let plain = Zeroizing::new(gcm::open(&keys.key, self.sealed).map_err(|_| BackupError::Damaged)?);
        let (key, rest) = plain.split_first_chunk::<KEY>().ok_or(BackupError::Damaged)?;
        let (time, content) = rest.split_first_chunk::<TIME>().ok_or(BackupError::Damaged)?;
        let key = SecretKey::from_slice(key).map_err(|_| BackupError::Damaged)?;
        Ok(Backup {
            key: ChatKey::new(key),
            made_at: Unix::from_millis(u64::from_be_bytes(*time)),
            content: Zeroizing::new(content.to_vec()),
        })
    }
}

impl fmt::Debug for BackupFile<'_> {
    /// Leaves out what a password could be guessed against.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackupFile({} bytes sealed)", self.sealed.len())
    }
}

struct Keys {
    check: Secret<CHECK>,
    key: Secret<32>,
}

impl Keys {
    fn derive(password: &str, salt: &[u8], params: ScryptParams) -> Self {
        let dk: Secret<32> = params.derive(password, salt);
        Self {
            check: hkdf_sha256(dk.expose(), b"", b"undertone backup check"),
            key: hkdf_sha256(dk.expose(), b"", b"undertone backup key"),
        }
    }
}

const MAGIC: &[u8; 16] = b"undertone backup";
const VERSION: u8 = 1;
const RANDOM: usize = 32;
const CHECK: usize = 16;
/// Of the header, all before the check.
const SALT: usize = 16 + 1 + 1 + 4 + 4 + 8 + RANDOM;
const HEADER: usize = SALT + CHECK;
const KEY: usize = 32;
const TIME: usize = 8;
const SEALED_MIN: usize = KEY + TIME + gcm::OVERHEAD;
