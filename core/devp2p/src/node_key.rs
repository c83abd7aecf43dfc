//! The key of a node.

use std::sync::Arc;

use rand_core::CryptoRng;
use undertone_base::{Secret, fixed_bytes};
use undertone_crypto::{KeyError, PublicKey, SecretKey, Signature, keccak256};

fixed_bytes! {
    /// A node's id in tables and records: Keccak-256 of the 64-byte public key.
    pub struct NodeId(32);
}

impl NodeId {
    /// The id of the node with this key.
    pub fn of(key: &PublicKey) -> Self {
        Self::from_bytes(keccak256(&key.to_xy()))
    }

    /// Bits that the XOR of two ids has: 0 for equal ids, else 1 to 256 (`devp2p.md` 1.1).
    pub fn log_distance(&self, other: &Self) -> u16 {
        let mut bits = 256_u16;
        for (a, b) in self.as_bytes().iter().zip(other.as_bytes()) {
            let zeros = (a ^ b).leading_zeros();
            bits = u16::try_from(zeros).map_or(bits, |zeros| bits.saturating_sub(zeros));
            if zeros < 8 {
                break;
            }
        }
        bits
    }

    /// XOR distance to `target`; smaller is closer.
    pub(crate) fn distance(&self, target: &Self) -> [u8; 32] {
        let mut out = *self.as_bytes();
        for (a, b) in out.iter_mut().zip(target.as_bytes()) {
            *a ^= b;
        }
        out
    }
}

/// The long-lived key of a node, which is not a person's key. Shared by the sessions of the node, never copied.
///
/// ```
/// use undertone_devp2p::{NodeId, NodeKey};
/// let key = NodeKey::from_hex(&"01".repeat(32))?;
/// assert_eq!(format!("{key:?}"), "NodeKey(SecretKey(32 bytes))");
/// println!("{}", NodeId::of(&key.public()));
/// # Ok::<(), undertone_crypto::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NodeKey(Arc<SecretKey>);

impl NodeKey {
    /// Wraps a key.
    pub fn new(key: SecretKey) -> Self {
        Self(Arc::new(key))
    }

    /// A fresh key.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::new(SecretKey::random(rng))
    }

    /// From 64 hex digits, as a `nodekey` file holds them.
    ///
    /// # Errors
    /// [`KeyError`] when the text is not a key.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        SecretKey::from_hex(text.trim()).map(Self::new)
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.0.public()
    }

    /// The scalar, for writing a `nodekey` file.
    pub fn secret(&self) -> &Secret<32> {
        self.0.secret()
    }

    pub(crate) fn ecdh(&self, other: &PublicKey) -> Secret<32> {
        self.0.ecdh(other)
    }

    pub(crate) fn sign(&self, digest: &[u8; 32]) -> Signature {
        Signature::sign(digest, &self.0)
    }
}
