//! Hashes.

use sha2::Sha256;
use sha3::{Digest, Keccak256};

/// Keccak-256 with the original 0x01 padding (not NIST SHA3-256).
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Keccak-256 over several parts, without joining them first.
pub fn keccak256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 over several parts.
pub fn sha256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A running Keccak-256 whose digest can be read without ending it, as the frame MAC of RLPx needs.
#[derive(Clone)]
pub struct Keccak(Keccak256);

impl Keccak {
    /// Nothing absorbed yet.
    pub fn new() -> Self {
        Self(Keccak256::new())
    }

    /// Absorbs `bytes`.
    pub fn absorb(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was absorbed so far; the state goes on.
    pub fn snapshot(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

impl Default for Keccak {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Keccak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keccak(..)")
    }
}
