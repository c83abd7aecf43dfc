//! AES-256-GCM as Whisper and the DH-only fallback lay it out: ciphertext, tag (16), nonce (12) at the end.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use rand_core::CryptoRng;
use undertone_base::{FaultClass, Secret, Severity};

/// What encryption adds: tag and nonce.
pub const OVERHEAD: usize = TAG + NONCE;
const TAG: usize = 16;
const NONCE: usize = 12;

/// Decryption failed. Which step failed is nobody's business.
///
/// For a sealed payload this is the normal case: it was addressed to somebody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot be opened with this key")]
pub struct Opaque;

impl Opaque {
    /// Mild: most of what a node sees is meant for others.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Mild)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        "crypto.opaque"
    }
}

/// `AES-256-GCM(key, nonce, plaintext) || nonce`, the nonce from `rng`, no associated data.
///
/// | offset | length | content |
/// |---|---|---|
/// | 0 | n | ciphertext |
/// | n | 16 | tag |
/// | n + 16 | 12 | nonce |
pub fn seal(key: &Secret<32>, plaintext: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let mut out = Vec::with_capacity(plaintext.len() + OVERHEAD);
    out.extend_from_slice(plaintext);
    let cipher = Aes256Gcm::new(&(*key.expose()).into());
    #[expect(clippy::expect_used, reason = "GCM refuses only plaintexts above 64 GiB")]
    let tag = cipher
        .encrypt_inout_detached(&nonce.into(), b"", out.as_mut_slice().into())
        .expect("plaintext below 64 GiB");
    out.extend_from_slice(&tag);
    out.extend_from_slice(&nonce);
    out
}

/// The reverse of [`seal`].
///
/// # Errors
/// [`Opaque`] for fewer than [`OVERHEAD`] bytes, another key or changed bytes.
pub fn open(key: &Secret<32>, sealed: &[u8]) -> Result<Vec<u8>, Opaque> {
    let (rest, nonce) = sealed.split_last_chunk::<NONCE>().ok_or(Opaque)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or(Opaque)?;
    let mut out = ciphertext.to_vec();
    Aes256Gcm::new(&(*key.expose()).into())
        .decrypt_inout_detached(&(*nonce).into(), b"", out.as_mut_slice().into(), &(*tag).into())
        .map_err(|_| Opaque)?;
    Ok(out)
}
