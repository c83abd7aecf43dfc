//! One message of a ratchet: header, key, ciphertext (`security.md` 4).

use undertone_crypto::ctr;
use undertone_crypto::kdf::{hmac_sha256, hmac_sha256_verify};

use super::kdf;
use crate::error::RatchetError;
use crate::keys::{MessageKey, RatchetPublic};
use crate::limits::MIN_RATCHET_CIPHERTEXT;

const IV: usize = 16;
const MAC: usize = 32;

/// What travels in clear beside a ciphertext and is authenticated with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// The sender's ratchet key.
    pub key: RatchetPublic,
    /// Number of the message in its chain, from 0.
    pub n: u32,
    /// Messages in the sender's previous chain.
    pub pn: u32,
}

impl Header {
    /// The associated data: `n (4, little-endian) || pn (4, little-endian) || key (33)`.
    pub fn to_bytes(&self) -> [u8; 41] {
        let mut out = [0; 41];
        let (n, rest) = out.split_at_mut(4);
        let (pn, key) = rest.split_at_mut(4);
        n.copy_from_slice(&self.n.to_le_bytes());
        pn.copy_from_slice(&self.pn.to_le_bytes());
        key.copy_from_slice(self.key.as_bytes());
        out
    }
}

/// Encrypts under the key of one message, which must never be used again.
///
/// | offset | length | content |
/// |---|---|---|
/// | 0 | 16 | IV, derived from the key |
/// | 16 | n | AES-256-CTR |
/// | 16 + n | 32 | HMAC-SHA256 over associated data, IV and ciphertext |
pub(crate) fn seal(key: &MessageKey, plaintext: &[u8], ad: &[u8]) -> Vec<u8> {
    let keys = kdf::message(key);
    let mut out = Vec::with_capacity(plaintext.len().saturating_add(IV + MAC));
    out.extend_from_slice(&keys.iv);
    out.extend_from_slice(plaintext);
    ctr::aes256(keys.cipher.expose(), &keys.iv, out.get_mut(IV..).unwrap_or_default());
    let tag = hmac_sha256(keys.mac.expose(), &[ad, &out]);
    out.extend_from_slice(tag.expose());
    out
}

/// The reverse of [`seal`]. The IV is taken from the ciphertext, where the MAC covers it.
pub(crate) fn open(key: &MessageKey, ciphertext: &[u8], ad: &[u8]) -> Result<Vec<u8>, RatchetError> {
    if ciphertext.len() < MIN_RATCHET_CIPHERTEXT {
        return Err(RatchetError::TooShort { got: ciphertext.len() });
    }
    let (authed, tag) = ciphertext.split_last_chunk::<MAC>().ok_or(RatchetError::BadMac)?;
    let (iv, body) = authed.split_first_chunk::<IV>().ok_or(RatchetError::BadMac)?;
    let keys = kdf::message(key);
    if !hmac_sha256_verify(keys.mac.expose(), &[ad, authed], tag) {
        return Err(RatchetError::BadMac);
    }
    let mut out = body.to_vec();
    ctr::aes256(keys.cipher.expose(), iv, &mut out);
    Ok(out)
}
