//! Accounts that are here without a key file that can be read. They must not look as if they had never been: another
//! account would speak in their place.

use std::path::Path;

use undertone_account::Address;
use undertone_account::keystore::{KeyFile, KeystoreError};

use super::{Account, Accounts, AccountsError, read};

/// Why the key file of an account cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It is gone; the messages are there.
    #[error("it is gone")]
    Gone,
    /// It was read, and is none, or of a kind that is not read here.
    #[error(transparent)]
    KeyFile(#[from] KeystoreError),
    /// It cannot be read from disk.
    #[error("it cannot be read ({0})")]
    Unreadable(std::io::Error),
}

/// An account whose key file cannot be used.
#[derive(Debug)]
pub struct DamagedAccount {
    /// Which, with where its key file is, or the directory where it was.
    pub account: Account,
    /// Why.
    pub why: Damage,
}

/// A file of the keystore.
pub(super) enum Kept {
    /// A key file, and whose it says it is.
    Key(Address),
    /// Named as one, by its address.
    Damaged(Address, Damage),
    /// Something else.
    Other,
}

/// Looks at a file. What has the name of a key file is one, whatever is in it.
pub(super) fn kept(file: &Path) -> Kept {
    let named = named(file);
    let outcome = read(file).and_then(|text| Ok(KeyFile::parse(&text)?));
    match (outcome, named) {
        (Ok(key), named) => key.address().copied().or(named).map_or(Kept::Other, Kept::Key),
        (Err(AccountsError::Keystore(why)), Some(address)) => Kept::Damaged(address, why.into()),
        (Err(AccountsError::Io { source, .. }), Some(address)) => {
            Kept::Damaged(address, Damage::Unreadable(source))
        }
        (Err(_), _) => Kept::Other,
    }
}

/// The address in `UTC--<time>--<address>`.
fn named(file: &Path) -> Option<Address> {
    let (_, address) = file.file_name()?.to_str()?.strip_prefix("UTC--")?.rsplit_once("--")?;
    bare(address)
}

/// Exactly forty digits.
fn bare(text: &str) -> Option<Address> {
    let digits = text.len() == 40 && text.bytes().all(|c| c.is_ascii_hexdigit());
    undertone_base::decode_hex(text).ok().filter(|_| digits).map(Address::from_bytes)
}

impl Accounts {
    /// The accounts that are here without a key file that can be used: one is there under its name and is damaged, or
    /// there are messages and no key file.
    ///
    /// # Errors
    /// [`AccountsError::Io`] when a directory cannot be read.
    pub fn damaged(&self) -> Result<Vec<DamagedAccount>, AccountsError> {
        let mut known: Vec<Address> = self.list()?.into_iter().map(|account| account.address).collect();
        let mut damaged = Vec::new();
        for file in self.files("keystore")? {
            if let Kept::Damaged(address, why) = kept(&file)
                && !known.contains(&address)
            {
                known.push(address);
                damaged.push(DamagedAccount { account: self.account(address, file), why });
            }
        }
        for home in self.files("accounts")? {
            let address = home.file_name().and_then(|name| bare(name.to_str()?));
            if let Some(address) = address
                && !known.contains(&address)
                && home.join(crate::MESSAGES).exists()
            {
                let account = self.account(address, self.dir.join("keystore"));
                damaged.push(DamagedAccount { account, why: Damage::Gone });
            }
        }
        Ok(damaged)
    }
}

#[cfg(test)]
mod tests {
    use undertone_account::ChatKey;
    use undertone_account::keystore::ScryptParams;
    use undertone_base::Unix;
    use undertone_crypto::SecretKey;
    use undertone_support::rng;

    use super::*;

    /// What becomes of a file.
    type Change = fn(Vec<u8>) -> Vec<u8>;

    fn two(dir: &Path) -> (Accounts, Account, Account) {
        let accounts = Accounts::new(dir).with_scrypt(ScryptParams::new(1_024, 8, 1).unwrap());
        let add = |n| {
            let key = ChatKey::new(SecretKey::random(&mut rng(n)));
            accounts.add(&key, "pw", Unix::from_secs(n), &mut rng(n + 10)).unwrap()
        };
        let (one, other) = (add(1), add(2));
        (accounts, one, other)
    }

    #[test]
    fn a_damaged_key_file_is_an_account_that_nobody_else_speaks_for() {
        let whole = |text: Vec<u8>| text;
        let cut = |text: Vec<u8>| text[..300].to_vec();
        let empty = |_: Vec<u8>| Vec::new();
        let other_json = |_: Vec<u8>| b"{}".to_vec();
        let damages: [(Change, _); 4] = [
            (whole, None),
            (cut, Some("keystore.not_json")),
            (empty, Some("keystore.not_json")),
            (other_json, Some("keystore.member")),
        ];
        for (damage, code) in damages {
            let dir = tempfile::tempdir().unwrap();
            let (accounts, one, other) = two(dir.path());
            std::fs::write(&one.file, damage(std::fs::read(&one.file).unwrap())).unwrap();
            let found = accounts.damaged().unwrap();
            let Some(code) = code else {
                assert!(found.is_empty());
                continue;
            };
            assert!(
                matches!(&found[..], [DamagedAccount { why: Damage::KeyFile(e), .. }] if e.code() == code)
            );
            assert_eq!(found[0].account, one, "its key is known from before");
            assert!(matches!(accounts.find(None), Err(AccountsError::Several(2))));
            assert_eq!(accounts.find(Some(&other.address.to_string())).unwrap(), other);
            for who in [one.address.to_string(), one.name().unwrap(), one.key.unwrap().to_hex()] {
                let error = accounts.find(Some(&who)).unwrap_err();
                assert_eq!(error.code(), "accounts.damaged", "{who}");
                assert!(error.to_string().contains(&one.address.to_string()), "{error}");
            }
            // Alone it is no other than itself, either.
            std::fs::remove_file(&other.file).unwrap();
            assert!(matches!(accounts.find(None), Err(AccountsError::Damaged { .. })));
            // Its key is imported again, and all is well.
            let key = ChatKey::new(SecretKey::random(&mut rng(1)));
            let again = accounts.add(&key, "pw", Unix::from_secs(9), &mut rng(9)).unwrap();
            assert_eq!(accounts.find(None).unwrap(), again);
            assert!(accounts.damaged().unwrap().is_empty());
        }
    }

    #[test]
    fn messages_without_a_key_file_are_an_account_too() {
        let dir = tempfile::tempdir().unwrap();
        let (accounts, one, other) = two(dir.path());
        std::fs::remove_file(&one.file).unwrap();
        assert_eq!(accounts.find(None).unwrap(), other, "nothing of it is left but a public key");
        std::fs::write(one.home().join(crate::MESSAGES), "").unwrap();
        let found = accounts.damaged().unwrap();
        assert!(matches!(&found[..], [gone] if gone.account.address == one.address));
        assert!(matches!(accounts.find(None), Err(AccountsError::Several(2))));
        let gone = accounts.find(Some(&one.address.to_string())).unwrap_err();
        assert!(matches!(gone, AccountsError::Damaged(damaged) if matches!(damaged.why, Damage::Gone)));
        assert!(matches!(accounts.find(Some("somebody")), Err(AccountsError::NotFound)));
    }

    #[test]
    fn only_what_is_named_as_a_key_file_is_taken_for_one() {
        let address = Address::from_bytes([0xab; 20]);
        let bare = address.to_bare_hex();
        for (name, expected) in [
            (format!("UTC--2020-09-13T12-26-40.123000000Z--{bare}"), Some(address)),
            (format!("UTC--x--{}", bare.to_uppercase()), Some(address)),
            (format!("UTC--x--0x{bare}"), None),
            (format!("UTC--x--{bare}.tmp"), None),
            (format!("x--{bare}"), None),
            (bare.clone(), None),
        ] {
            assert_eq!(named(Path::new(&name)), expected, "{name}");
        }
    }
}
