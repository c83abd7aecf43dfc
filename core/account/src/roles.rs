//! Keys that know what they are for.

use undertone_crypto::{PublicKey, SecretKey};

use crate::address::Address;
use crate::extended::{ExtendedKey, ExtendedKeyError};
use crate::path::{ChildNumber, Path};

/// The identity of a person: opens and signs envelopes, bundles and messages. There is no way to revoke it.
///
/// ```
/// use undertone_account::{Address, ChatKey, ExtendedKey, Mnemonic};
/// let phrase = Mnemonic::parse(
///     "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
/// )?;
/// let master = ExtendedKey::master(&phrase.seed(""))?;
/// let chat = ChatKey::derive(&master)?;
/// assert_eq!(chat.address().to_string(), "0x5173cfDdE36D0D6f3b3F3B1E59872bFC50102fA2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChatKey(SecretKey);

impl ChatKey {
    /// The chat key of a multiaccount, at [`Path::CHAT`].
    ///
    /// # Errors
    /// As [`ExtendedKey::child`].
    pub fn derive(master: &ExtendedKey) -> Result<Self, ExtendedKeyError> {
        Ok(Self(master.derive(&Path::CHAT)?.into_secret_key()))
    }

    /// A key from elsewhere: a key file, an import.
    pub const fn new(key: SecretKey) -> Self {
        Self(key)
    }

    /// The public key, which is what others call this person.
    pub fn public(&self) -> PublicKey {
        self.0.public()
    }

    /// The address under which the key file is kept.
    pub fn address(&self) -> Address {
        Address::of(&self.public())
    }

    /// The key itself, for a keyring or a key file.
    pub const fn secret_key(&self) -> &SecretKey {
        &self.0
    }

    /// Gives the key to a keyring.
    pub fn into_secret_key(self) -> SecretKey {
        self.0
    }
}

/// A key that owns coins.
#[derive(Clone, Debug)]
pub struct WalletKey(SecretKey);

impl WalletKey {
    /// Wallet number `index` below [`Path::WALLET_ROOT`]; 0 is the default one.
    ///
    /// # Errors
    /// As [`ExtendedKey::child`]; [`ExtendedKeyError::NoKey`] from 2^31 on.
    pub fn derive(master: &ExtendedKey, index: u32) -> Result<Self, ExtendedKeyError> {
        let number = ChildNumber::normal(index).ok_or(ExtendedKeyError::NoKey)?;
        Ok(Self(master.derive(&Path::WALLET_ROOT)?.child(number)?.into_secret_key()))
    }

    /// The address.
    pub fn address(&self) -> Address {
        Address::of(&self.0.public())
    }

    /// The key itself, for a key file.
    pub const fn secret_key(&self) -> &SecretKey {
        &self.0
    }
}
