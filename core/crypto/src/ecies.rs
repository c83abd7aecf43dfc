//! ECIES as RLPx and Whisper use it: secp256k1, AES-128-CTR, HMAC-SHA256 (`devp2p.md` 2.1, `whisper.md` 3.4).

use rand_core::CryptoRng;
use undertone_base::Secret;

use crate::ctr;
use crate::gcm::Opaque;
use crate::hash::sha256;
use crate::kdf::{concat_kdf, hmac_sha256, hmac_sha256_verify};
use crate::key::{PublicKey, SecretKey};

/// What encryption adds: ephemeral key, IV and tag.
pub const OVERHEAD: usize = POINT + IV + TAG;
const POINT: usize = 65;
const IV: usize = 16;
const TAG: usize = 32;

/// Encrypts `plaintext` to `to`. `shared_mac_data` is authenticated but not sent (RLPx: the size prefix).
///
/// | offset | length | content |
/// |---|---|---|
/// | 0 | 65 | ephemeral public key, uncompressed |
/// | 65 | 16 | IV, the initial counter block |
/// | 81 | n | AES-128-CTR ciphertext |
/// | 81 + n | 32 | HMAC-SHA256 over IV, ciphertext and shared data |
pub fn encrypt(
    to: &PublicKey,
    plaintext: &[u8],
    shared_mac_data: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let ephemeral = SecretKey::random(rng);
    let mut iv = [0; IV];
    rng.fill_bytes(&mut iv);
    encrypt_with(to, plaintext, shared_mac_data, &ephemeral, &iv)
}

/// [`encrypt`] with the random inputs given, for vectors. A key and IV used twice leak the plaintexts' XOR.
pub fn encrypt_with(
    to: &PublicKey,
    plaintext: &[u8],
    shared_mac_data: &[u8],
    ephemeral: &SecretKey,
    iv: &[u8; 16],
) -> Vec<u8> {
    let keys = Keys::derive(&ephemeral.ecdh(to));
    let mut out = Vec::with_capacity(plaintext.len() + OVERHEAD);
    out.extend_from_slice(&ephemeral.public().to_uncompressed());
    out.extend_from_slice(iv);
    out.extend_from_slice(plaintext);
    if let Some(body) = out.get_mut(POINT + IV..) {
        ctr::aes128(keys.cipher(), iv, body);
    }
    let tag = hmac_sha256(keys.mac.expose(), &[out.get(POINT..).unwrap_or_default(), shared_mac_data]);
    out.extend_from_slice(tag.expose());
    out
}

/// Decrypts with the key behind `ecdh`, which is asked once, for the ephemeral key of a well-formed input.
///
/// The ephemeral key is not covered by the tag, so the ciphertext is malleable there: never use it as an id.
///
/// # Errors
/// [`Opaque`] for fewer than [`OVERHEAD`] bytes (shorter bodies crash the originals), a key that is not an
/// uncompressed valid point, a wrong tag, or an `ecdh` that has no such key.
pub fn decrypt(
    sealed: &[u8],
    shared_mac_data: &[u8],
    ecdh: impl FnOnce(&PublicKey) -> Option<Secret<32>>,
) -> Result<Vec<u8>, Opaque> {
    if sealed.len() < OVERHEAD {
        return Err(Opaque);
    }
    let (point, rest) = sealed.split_first_chunk::<POINT>().ok_or(Opaque)?;
    let (authed, tag) = rest.split_last_chunk::<TAG>().ok_or(Opaque)?;
    let (iv, ciphertext) = authed.split_first_chunk::<IV>().ok_or(Opaque)?;
    let ephemeral = PublicKey::from_uncompressed(point).map_err(|_| Opaque)?;
    let keys = Keys::derive(&ecdh(&ephemeral).ok_or(Opaque)?);
    if !hmac_sha256_verify(keys.mac.expose(), &[authed, shared_mac_data], tag) {
        return Err(Opaque);
    }
    let mut out = ciphertext.to_vec();
    ctr::aes128(keys.cipher(), iv, &mut out);
    Ok(out)
}

struct Keys {
    derived: Secret<32>,
    mac: Secret<32>,
}

impl Keys {
    fn derive(z: &Secret<32>) -> Self {
        let derived = concat_kdf(z);
        let mac = Secret::fill(|out| {
            let (_, second) = derived.expose().split_at(16);
            out.copy_from_slice(&sha256(second));
        });
        Self { derived, mac }
    }

    fn cipher(&self) -> &[u8; 16] {
        #[expect(clippy::expect_used, reason = "32 bytes have 16 first ones")]
        self.derived.expose().first_chunk().expect("16 of 32 bytes")
    }
}
