//! AES in counter mode, 128-bit big-endian counter.

use ::ctr::cipher::{KeyIvInit, StreamCipher};
use undertone_base::Secret;

/// XORs the AES-128 keystream that starts at counter block `iv` into `bytes`.
pub fn aes128(key: &[u8; 16], iv: &[u8; 16], bytes: &mut [u8]) {
    ::ctr::Ctr128BE::<aes::Aes128>::new(&(*key).into(), &(*iv).into()).apply_keystream(bytes);
}

/// XORs the AES-256 keystream that starts at counter block `iv` into `bytes`.
pub fn aes256(key: &[u8; 32], iv: &[u8; 16], bytes: &mut [u8]) {
    ::ctr::Ctr128BE::<aes::Aes256>::new(&(*key).into(), &(*iv).into()).apply_keystream(bytes);
}

/// A running AES-256-CTR keystream from the all-zero block, as one direction of an RLPx link uses it.
pub struct Aes256Stream(::ctr::Ctr128BE<aes::Aes256>);

impl Aes256Stream {
    /// A keystream at its start.
    pub fn new(key: &Secret<32>) -> Self {
        Self(::ctr::Ctr128BE::new(&(*key.expose()).into(), &[0; 16].into()))
    }

    /// XORs the next `bytes.len()` bytes of keystream into `bytes`.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}

impl std::fmt::Debug for Aes256Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aes256Stream(..)")
    }
}

/// One AES-256 block operation with a fixed key, as the frame MAC of RLPx uses it.
pub struct Aes256Block(aes::Aes256);

impl Aes256Block {
    /// Expands the key once.
    pub fn new(key: &Secret<32>) -> Self {
        use aes::cipher::KeyInit;
        Self(aes::Aes256::new(&(*key.expose()).into()))
    }

    /// Encrypts one block.
    pub fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        use aes::cipher::BlockCipherEncrypt;
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }
}

impl std::fmt::Debug for Aes256Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aes256Block(..)")
    }
}
