//! The database's key and the salt file that it depends on.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use undertone_base::{Reader, Secret};
use undertone_crypto::hash::sha256_parts;
use undertone_crypto::kdf::hkdf_sha256;
use undertone_runtime::{FileError, write_private};
use zeroize::Zeroizing;

use crate::error::OpenError;

/// Label of the key's derivation.
const KEY_LABEL: &[u8] = b"undertone/store/v1";
/// Label of what tells a wrong secret from a damaged file.
const CHECK_LABEL: &[u8] = b"undertone/store/v1/check";

/// The raw key of a database: 32 bytes, wiped on drop, never printed.
#[derive(Clone, Debug)]
pub struct DatabaseKey(Secret<32>);

impl DatabaseKey {
    /// `HKDF-SHA256(ikm = account secret, salt, info = "undertone/store/v1")`.
    pub fn derive(account_secret: &Secret<32>, salt: &[u8; 32]) -> Self {
        Self(hkdf_sha256(account_secret.expose(), salt, KEY_LABEL))
    }

    /// The statement that hands the key to SQLCipher as 64 hex digits, which it takes as the key itself. The text is
    /// wiped on drop and built without growing, so that no half of it stays behind.
    pub(crate) fn pragma(&self) -> Zeroizing<String> {
        const HEAD: &str = "PRAGMA key = \"x'";
        const TAIL: &str = "'\"";
        let mut text = Zeroizing::new(String::with_capacity(HEAD.len() + 64 + TAIL.len()));
        text.push_str(HEAD);
        for byte in self.0.expose() {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
        text.push_str(TAIL);
        text
    }
}

/// Whether the database was ever there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// The salt was written, the database perhaps not yet.
    Fresh = 0,
    /// The database was made: when it is missing or empty now, it was lost.
    Made = 1,
}

/// The salt file.
///
/// ```text
/// offset  size  field
///      0     1  version: 1
///      1     1  state: 0 fresh, 1 made
///      2    32  salt, random
///     34    16  check: HKDF-SHA256(account secret, salt, "undertone/store/v1/check")
///     50     8  first bytes of the SHA-256 of all before
/// ```
///
/// The check costs no secrecy: the account secret is 32 random bytes that nobody can try out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SaltFile {
    pub(crate) state: State,
    salt: [u8; 32],
    check: [u8; 16],
}

const VERSION: u8 = 1;
const LEN: usize = 58;

impl SaltFile {
    /// `<database>.salt`.
    pub(crate) fn path(database: &Path) -> PathBuf {
        let mut name = database.as_os_str().to_owned();
        name.push(".salt");
        name.into()
    }

    /// A new salt for this secret.
    pub(crate) fn new(account_secret: &Secret<32>, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        Self { state: State::Fresh, salt, check: *check_of(account_secret, &salt).expose() }
    }

    /// The same salt, with the database there.
    pub(crate) const fn made(self) -> Self {
        Self { state: State::Made, ..self }
    }

    /// What is in the file, or `None` when there is no file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, OpenError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FileError::Io { doing: "open", path: path.to_owned(), source }.into()),
        };
        let mut bytes = Vec::new();
        file.take(LEN as u64 + 1).read_to_end(&mut bytes).map_err(|source| FileError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::decode(&bytes).map(Some).ok_or(OpenError::Corrupt)
    }

    /// Replaces the file, durably.
    pub(crate) fn write(&self, path: &Path) -> Result<(), OpenError> {
        Ok(write_private(path, &self.encode())?)
    }

    /// The key, when the secret is the one that made this salt.
    pub(crate) fn key(&self, account_secret: &Secret<32>) -> Result<DatabaseKey, OpenError> {
        let expected = check_of(account_secret, &self.salt);
        if bool::from(expected.expose().ct_eq(&self.check)) {
            Ok(DatabaseKey::derive(account_secret, &self.salt))
        } else {
            Err(OpenError::WrongKey)
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(&[VERSION, self.state as u8]);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.check);
        let sum = checksum(&out);
        out.extend_from_slice(&sum);
        out
    }

    /// Exact: trailing bytes are an error.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let [version, state] = r.take().ok()?;
        let (salt, check) = (r.take().ok()?, r.take().ok()?);
        let sum = r.take::<8>().ok()?;
        r.finish().ok()?;
        let state = match state {
            0 => State::Fresh,
            1 => State::Made,
            _ => return None,
        };
        let summed = bytes.split_last_chunk::<8>().map(|(head, _)| checksum(head));
        (version == VERSION && summed == Some(sum)).then_some(Self { state, salt, check })
    }
}

fn check_of(account_secret: &Secret<32>, salt: &[u8; 32]) -> Secret<16> {
    hkdf_sha256(account_secret.expose(), salt, CHECK_LABEL)
}

/// Against damage, not against people.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = sha256_parts(&[bytes]);
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(n: u8) -> Secret<32> {
        Secret::new([n; 32])
    }

    #[test]
    fn the_pinned_key_of_a_pinned_secret() {
        let key = DatabaseKey::derive(&secret(1), &[2; 32]);
        let pragma = key.pragma();
        assert_eq!(pragma.len(), pragma.capacity());
        assert_eq!(pragma.as_str(), PINNED);
        assert_eq!(format!("{key:?}"), "DatabaseKey(Secret(32 bytes))");
    }

    /// By an HKDF of another language. A change makes every existing database unreadable.
    const PINNED: &str =
        "PRAGMA key = \"x'9c1d25548d37270b77052be636261faaf1da3b0d7a7918614eeeb948c9add477'\"";

    #[test]
    fn the_file_comes_back_and_any_damage_is_seen() {
        let made =
            SaltFile { state: State::Made, ..SaltFile::new(&secret(1), &mut undertone_support::rng(1)) };
        let bytes = made.encode();
        assert_eq!(bytes.len(), LEN);
        let back = SaltFile::decode(&bytes).unwrap();
        assert_eq!((back.state, back.salt, back.check), (made.state, made.salt, made.check));
        for n in 0..LEN {
            assert!(SaltFile::decode(&bytes[..n]).is_none(), "cut at {n}");
            let mut flipped = bytes.clone();
            flipped[n] ^= 1;
            assert!(SaltFile::decode(&flipped).is_none(), "flipped at {n}");
        }
        assert!(SaltFile::decode(&[&bytes[..], &[0]].concat()).is_none());
    }

    #[test]
    fn only_the_secret_that_made_it_gives_the_key() {
        let file = SaltFile::new(&secret(1), &mut undertone_support::rng(1));
        assert!(file.key(&secret(1)).is_ok());
        assert_eq!(file.key(&secret(2)).unwrap_err().code(), "store.wrong_key");
    }
}
