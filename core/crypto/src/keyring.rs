//! Keys reached by id, never copied.

use std::collections::BTreeMap;

use undertone_base::{FaultClass, Secret, fixed_bytes};

use crate::hash::keccak256;
use crate::key::{PublicKey, SecretKey};
use crate::signature::Signature;

fixed_bytes! {
    /// Names a key of a [`Keyring`]: Keccak-256 of the compressed public key.
    pub struct KeyId(32);
}

impl KeyId {
    /// The id of the key pair with this public key.
    pub fn of(key: &PublicKey) -> Self {
        Self::from_bytes(keccak256(&key.to_compressed()))
    }
}

/// The keyring has no key of this id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no key {}", .0.short())]
pub struct UnknownKey(pub KeyId);

impl UnknownKey {
    /// Whoever named the key.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        "keyring.unknown_key"
    }
}

/// The port through which machines use long-lived keys. An implementation may keep them in memory, in an
/// agent process or on a card; it is asked from several threads.
pub trait Keyring: Send + Sync {
    /// The public key, or `None` when there is no such key.
    fn public(&self, id: &KeyId) -> Option<PublicKey>;

    /// A recoverable signature over a digest.
    ///
    /// # Errors
    /// [`UnknownKey`].
    fn sign(&self, id: &KeyId, digest: &[u8; 32]) -> Result<Signature, UnknownKey>;

    /// Raw ECDH with `other`: the 32-byte X coordinate.
    ///
    /// # Errors
    /// [`UnknownKey`].
    fn ecdh(&self, id: &KeyId, other: &PublicKey) -> Result<Secret<32>, UnknownKey>;
}

/// A keyring in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryKeyring(BTreeMap<KeyId, SecretKey>);

impl MemoryKeyring {
    /// No keys.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes a key in and names it. The same key twice is one key.
    pub fn insert(&mut self, key: SecretKey) -> KeyId {
        let id = KeyId::of(&key.public());
        self.0.insert(id, key);
        id
    }

    fn get(&self, id: &KeyId) -> Result<&SecretKey, UnknownKey> {
        self.0.get(id).ok_or(UnknownKey(*id))
    }
}

impl Keyring for MemoryKeyring {
    fn public(&self, id: &KeyId) -> Option<PublicKey> {
        self.0.get(id).map(SecretKey::public)
    }

    fn sign(&self, id: &KeyId, digest: &[u8; 32]) -> Result<Signature, UnknownKey> {
        Ok(Signature::sign(digest, self.get(id)?))
    }

    fn ecdh(&self, id: &KeyId, other: &PublicKey) -> Result<Secret<32>, UnknownKey> {
        Ok(self.get(id)?.ecdh(other))
    }
}
