//! Key derivation.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use undertone_base::Secret;

/// HMAC-SHA256 over several parts.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Secret<32> {
    let mut mac = mac_sha256(key);
    for part in parts {
        mac.update(part);
    }
    Secret::fill(|out| out.copy_from_slice(&mac.finalize().into_bytes()))
}

/// Whether `tag` is the HMAC-SHA256 of the parts; constant time.
pub fn hmac_sha256_verify(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    let mut mac = mac_sha256(key);
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(tag).is_ok()
}

/// HMAC-SHA512 over several parts (BIP32).
pub fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> Secret<64> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("any key length");
    for part in parts {
        mac.update(part);
    }
    Secret::fill(|out| out.copy_from_slice(&mac.finalize().into_bytes()))
}

/// HKDF-SHA256, extract and expand. `N` is at most 8,160 bytes.
pub fn hkdf_sha256<const N: usize>(ikm: &[u8], salt: &[u8], info: &[u8]) -> Secret<N> {
    const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 255 blocks") };
    Secret::fill(|out| {
        #[expect(clippy::expect_used, reason = "the length is checked when this is compiled")]
        hkdf::Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, out).expect("length within 255 blocks");
    })
}

/// PBKDF2-HMAC-SHA256.
pub fn pbkdf2_sha256(password: &[u8], salt: &[u8], rounds: u32) -> Secret<32> {
    Secret::fill(|out| pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, out))
}

/// PBKDF2-HMAC-SHA512 (BIP39 seed).
pub fn pbkdf2_sha512(password: &[u8], salt: &[u8], rounds: u32) -> Secret<64> {
    Secret::fill(|out| pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, out))
}

/// Rounds of the password of a topic: 65356, a slip of the original (not 65536) that became the protocol
/// (`whisper.md` 3.3, trap 3).
pub const TOPIC_KEY_ROUNDS: u32 = 65_356;

/// The symmetric key of a topic name: PBKDF2-HMAC-SHA256, empty salt, [`TOPIC_KEY_ROUNDS`]. Tens of
/// milliseconds: callers cache it.
pub fn topic_key(password: &str) -> Secret<32> {
    pbkdf2_sha256(password.as_bytes(), b"", TOPIC_KEY_ROUNDS)
}

/// The NIST SP 800-56 concatenation KDF with SHA-256 for 32 bytes: one block, counter 1, no shared info.
pub(crate) fn concat_kdf(z: &Secret<32>) -> Secret<32> {
    use sha2::Digest;
    let mut hasher = Sha256::new();
    hasher.update([0, 0, 0, 1]);
    hasher.update(z.expose());
    Secret::fill(|out| out.copy_from_slice(&hasher.finalize()))
}

fn mac_sha256(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    Hmac::<Sha256>::new_from_slice(key).expect("any key length")
}
