//! Hashes.

use sha2::Digest;
use sha2::Sha256;

use crate::keccak::Sponge;

/// Keccak-256 with the original 0x01 padding (not NIST SHA3-256).
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    keccak256_parts(&[bytes])
}

/// Keccak-256 over several parts, without joining them first.
pub fn keccak256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut sponge = Sponge::new();
    for part in parts {
        sponge.absorb(part);
    }
    sponge.digest()
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
pub struct Keccak(Sponge);

impl Keccak {
    /// Nothing absorbed yet.
    pub const fn new() -> Self {
        Self(Sponge::new())
    }

    /// Absorbs `bytes`.
    pub fn absorb(&mut self, bytes: &[u8]) {
        self.0.absorb(bytes);
    }

    /// The digest of all that was absorbed so far; the state goes on.
    pub fn snapshot(&self) -> [u8; 32] {
        self.0.digest()
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
