//! Key files: Web3 secret storage, version 3 made and read, version 1 read (`identity.md` 2.1).
//!
//! ```text
//! password ── scrypt or PBKDF2 ──► dk (32) ─┬─ dk[0..16]  ── AES-128-CTR, iv ──► private key
//!                                           └─ dk[16..32] ── Keccak-256 over it and the ciphertext = mac
//! ```
//!
//! Everything is pure: text in, text out. [`seal`] and [`KeyFile::open`] take as long as their key derivation
//! does (a good part of a second with [`ScryptParams::STANDARD`]): a shell runs them on its pool. Whoever stores
//! a file writes it under another name with mode 0600 in a 0700 directory, reads it back, then renames it to
//! [`file_name`].

mod error;
mod kdf;
mod section;

use std::fmt;

use rand_core::CryptoRng;
use serde_json::{Map, Value, json};
use undertone_base::Unix;
use undertone_crypto::{SecretKey, keccak256};
use zeroize::Zeroizing;

use crate::address::Address;
use crate::extended::ExtendedKey;
use crate::limits;
use section::{Section, member, text};

pub use error::{KeystoreError, Member};
pub use kdf::ScryptParams;

/// A key file that was read but not opened: well-formed, of a supported kind, and within the cost limits.
///
/// ```
/// use undertone_account::keystore::{self, KeyFile, ScryptParams};
/// use undertone_crypto::SecretKey;
/// let mut rng = rand::rng();
/// let key = SecretKey::random(&mut rng);
/// // Far too cheap for anything but an example.
/// let text = keystore::seal(&key, None, "correct horse", ScryptParams::new(1024, 8, 1)?, &mut rng);
/// let file = KeyFile::parse(text.as_bytes())?;
/// assert_eq!(file.open("correct horse")?.public(), key.public());
/// assert_eq!(file.open("wrong").unwrap_err().code(), "keystore.wrong_password");
/// # Ok::<(), keystore::KeystoreError>(())
/// ```
#[derive(Clone)]
pub struct KeyFile {
    address: Option<Address>,
    crypto: Section,
    extended: Option<Map<String, Value>>,
}

/// The extended key of a file.
#[derive(Clone, Debug)]
pub enum FileExtendedKey {
    /// Belongs to the same private key: children can be derived.
    OfThisKey(ExtendedKey),
    /// Belongs to another key, as in files of 2018 and early 2019. status-go refuses to derive from it.
    OfAnotherKey(ExtendedKey),
}

impl KeyFile {
    /// Reads a file of geth, status-go or ourselves. Member names match in any case and unknown ones are skipped,
    /// as in geth's reader. Nothing is decrypted yet.
    ///
    /// # Errors
    /// Any [`KeystoreError`] but `WrongPassword` and `AddressMismatch`.
    pub fn parse(json: &[u8]) -> Result<Self, KeystoreError> {
        if json.len() > limits::KEY_FILE_BYTES {
            return Err(KeystoreError::TooLong);
        }
        let file: Map<String, Value> = serde_json::from_slice(json).map_err(|_| KeystoreError::NotJson)?;
        let cipher = match member(&file, "version") {
            Some(Value::Number(version)) if version.as_u64() == Some(3) => section::Cipher::Aes128Ctr,
            Some(Value::String(version)) if version == "3" => section::Cipher::Aes128Ctr,
            Some(Value::Number(version)) if version.as_u64() == Some(1) => section::Cipher::Aes128Cbc,
            Some(Value::String(version)) if version == "1" => section::Cipher::Aes128Cbc,
            Some(Value::Number(_) | Value::String(_)) => {
                return Err(KeystoreError::Unsupported(Member::Version));
            }
            _ => return Err(KeystoreError::Member(Member::Version)),
        };
        let address = match member(&file, "address") {
            None | Some(Value::Null) => None,
            Some(Value::String(address)) if address.is_empty() => None,
            Some(_) => Some(address_of(&file)?),
        };
        let crypto = match member(&file, "crypto") {
            Some(Value::Object(crypto)) => Section::parse(crypto, cipher)?,
            _ => return Err(KeystoreError::Member(Member::Crypto)),
        };
        let extended = match member(&file, "extendedkey") {
            Some(Value::Object(extended)) if !text(extended, "ciphertext").unwrap_or_default().is_empty() => {
                Some(extended.clone())
            }
            _ => None,
        };
        Ok(Self { address, crypto, extended })
    }

    /// The address that the file claims. Not authenticated before [`KeyFile::open`]; old files may have none.
    pub const fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Whether there is an extended key to open. Not authenticated.
    pub const fn has_extended_key(&self) -> bool {
        self.extended.is_some()
    }

    /// The private key. Slow: one key derivation.
    ///
    /// The format's mac leaves the iv and the address out, so only the address proves that the key is the right
    /// one: whoever knows which account the file belongs to compares that with the key, too.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassword`] when the mac does not fit (or the file was changed),
    /// [`KeystoreError::Content`] when it fits but there is no key inside, [`KeystoreError::AddressMismatch`].
    pub fn open(&self, password: &str) -> Result<SecretKey, KeystoreError> {
        let plain = self.crypto.open(password)?;
        // Old writers dropped leading zero bytes.
        let mut padded = Zeroizing::new([0u8; 32]);
        let missing = padded.len().checked_sub(plain.len()).ok_or(KeystoreError::Content)?;
        padded.get_mut(missing..).ok_or(KeystoreError::Content)?.copy_from_slice(&plain);
        let key = SecretKey::from_slice(padded.as_slice()).map_err(|_| KeystoreError::Content)?;
        match self.address {
            Some(address) if address != Address::of(&key.public()) => Err(KeystoreError::AddressMismatch),
            _ => Ok(key),
        }
    }

    /// The extended key that status-go keeps beside the private key, if there is one. Slow: one key derivation,
    /// two when the file names no address.
    ///
    /// # Errors
    /// As [`KeyFile::open`], and what [`KeyFile::parse`] says of the other section.
    pub fn open_extended(&self, password: &str) -> Result<Option<FileExtendedKey>, KeystoreError> {
        let Some(extended) = &self.extended else { return Ok(None) };
        let plain = Section::parse(extended, section::Cipher::Aes128Ctr)?.open(password)?;
        let xprv = std::str::from_utf8(&plain).map_err(|_| KeystoreError::Content)?;
        let extended = ExtendedKey::from_xprv(xprv).map_err(|_| KeystoreError::Content)?;
        let address = match self.address {
            Some(address) => address,
            None => Address::of(&self.open(password)?.public()),
        };
        Ok(Some(if extended.address() == address {
            FileExtendedKey::OfThisKey(extended)
        } else {
            FileExtendedKey::OfAnotherKey(extended)
        }))
    }
}

impl fmt::Debug for KeyFile {
    /// Leaves out what a password could be guessed against.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("address", &self.address)
            .field("has_extended_key", &self.has_extended_key())
            .finish_non_exhaustive()
    }
}

/// Makes the text of a version 3 file: salt, iv and id from `rng`. Slow: one key derivation, two with an extended
/// key, which gets a salt and an iv of its own. geth and status-go open the result.
pub fn seal(
    key: &SecretKey,
    extended: Option<&ExtendedKey>,
    password: &str,
    params: ScryptParams,
    rng: &mut (impl CryptoRng + ?Sized),
) -> String {
    let address = Address::of(&key.public()).to_bare_hex();
    let mut file = json!({
        "address": address,
        "crypto": Section::seal(key.secret().expose(), password, params, rng).to_json(),
        "id": uuid_v4(rng),
        "version": 3,
    });
    if let (Some(extended), Some(file)) = (extended, file.as_object_mut()) {
        let section = Section::seal(extended.expose_xprv().as_bytes(), password, params, rng);
        file.insert("extendedkey".to_owned(), section.to_json());
        file.insert("subaccountindex".to_owned(), json!(0));
    }
    file.to_string()
}

/// The name of a key's file: `UTC--<time>--<address>`, as geth and status-go write it.
///
/// ```
/// use undertone_account::{Address, keystore};
/// use undertone_base::Unix;
/// let name = keystore::file_name(&Address::from_bytes([0xab; 20]), Unix::from_millis(1_600_000_000_123));
/// assert_eq!(name, format!("UTC--2020-09-13T12-26-40.123000000Z--{}", "ab".repeat(20)));
/// ```
pub fn file_name(address: &Address, now: Unix) -> String {
    let (year, month, day) = civil(now.secs() / 86_400);
    let (second, milli) = (now.secs() % 86_400, now.millis() % 1_000);
    format!(
        "UTC--{year:04}-{month:02}-{day:02}T{:02}-{:02}-{:02}.{milli:03}000000Z--{}",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        address.to_bare_hex(),
    )
}

/// The two passwords with which Status's own clients closed a key file when the person typed `password`: the hex
/// of its Keccak-256 behind `0x`, in lower case, and in upper case as the first desktop clients had it (trap T2).
/// To import such a file, try the first, then the second.
pub fn status_passwords(password: &str) -> [Zeroizing<String>; 2] {
    let hash = Zeroizing::new(keccak256(password.as_bytes()));
    let lower = Zeroizing::new(const_hex::encode_prefixed(hash.as_slice()));
    let mut upper = lower.clone();
    // Leaves the `0x`, whose x stays small.
    if let Some(digits) = upper.get_mut(2..) {
        digits.make_ascii_uppercase();
    }
    [lower, upper]
}

/// Exactly 40 digits, `0x` optional; the case means nothing here.
fn address_of(file: &Map<String, Value>) -> Result<Address, KeystoreError> {
    let bytes = text(file, "address").and_then(|text| undertone_base::decode_hex(text).ok());
    bytes.map(Address::from_bytes).ok_or(KeystoreError::Member(Member::Address))
}

/// RFC 9562, version 4.
fn uuid_v4(rng: &mut (impl CryptoRng + ?Sized)) -> String {
    let mut bytes = [0u8; 16];
    rng.fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&const_hex::encode([*byte]));
    }
    out
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01, so that the leap day ends a year; eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}
