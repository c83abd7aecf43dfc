//! The fallback for a peer whose devices we do not know: one DH, AES-256-GCM (`security.md` 3.1).
//!
//! It authenticates nobody, is replayable, and falls with the recipient's identity key. The envelope's
//! signature is what names the sender.
//!
//! ```
//! use undertone_crypto::{MemoryKeyring, SecretKey};
//! use undertone_ratchet::{LocalIdentity, RemoteIdentity, dh_only};
//!
//! let mut rng = rand::rng();
//! let mut keyring = MemoryKeyring::new();
//! let id = keyring.insert(SecretKey::random(&mut rng));
//! let bob = LocalIdentity::new(&keyring, id).unwrap();
//! let (key, sealed) = dh_only::seal(&RemoteIdentity::new(*bob.public()), b"hello", &mut rng);
//! assert_eq!(sealed.len(), 5 + 28);
//! assert_eq!(dh_only::open(&keyring, &bob, &key.point().unwrap(), &sealed).unwrap(), b"hello");
//! ```

use rand_core::CryptoRng;
use undertone_crypto::{Keyring, Opaque, PublicKey, gcm};

use crate::error::OpenError;
use crate::keys::{EphemeralKey, EphemeralPublic, LocalIdentity, RemoteIdentity};

/// Encrypts `plaintext` to the identity key of `peer`: `ciphertext || tag (16) || nonce (12)`, 28 bytes for
/// an empty plaintext.
pub fn seal(
    peer: &RemoteIdentity,
    plaintext: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> (EphemeralPublic, Vec<u8>) {
    let ephemeral = EphemeralKey::random(rng);
    let key = ephemeral.secret_key().ecdh(peer.public());
    (EphemeralPublic::of(&ephemeral.secret_key().public()), gcm::seal(&key, plaintext, rng))
}

/// Decrypts with our identity key.
///
/// # Errors
/// [`OpenError::DhOnly`] when it does not open, [`OpenError::Keyring`] when the keyring has lost our key.
pub fn open(
    keyring: &dyn Keyring,
    own: &LocalIdentity,
    ephemeral: &PublicKey,
    sealed: &[u8],
) -> Result<Vec<u8>, OpenError> {
    if sealed.len() < gcm::OVERHEAD {
        return Err(OpenError::DhOnly(Opaque));
    }
    let key = keyring.ecdh(own.id(), ephemeral)?;
    Ok(gcm::open(&key, sealed)?)
}

#[cfg(test)]
mod tests {
    use undertone_base::Secret;
    use undertone_crypto::{MemoryKeyring, SecretKey};
    use undertone_vectors::{hex, hex_n, load};

    use super::*;
    use crate::error::OpenError;
    use crate::testing::Script;

    #[test]
    fn the_bytes_are_those_of_the_original() {
        let file = load("x3dh");
        let cases = file["dh_only"].as_array().unwrap();
        for case in cases {
            let mut keyring = MemoryKeyring::new();
            let id =
                keyring.insert(SecretKey::from_slice(&hex(&case["recipient_identity"]["priv"])).unwrap());
            let bob = LocalIdentity::new(&keyring, id).unwrap();
            let mut rng = Script::new([hex(&case["ephemeral"]["priv"]), hex(&case["nonce"])]);
            let plaintext = hex(&case["plaintext"]);
            let (key, payload) = seal(&RemoteIdentity::new(*bob.public()), &plaintext, &mut rng);
            assert!(rng.is_spent());
            assert_eq!(key.as_bytes(), &hex_n(&case["dh_header_key"]));
            assert_eq!(payload, hex(&case["payload"]));
            assert_eq!(open(&keyring, &bob, &key.point().unwrap(), &payload).unwrap(), plaintext);
        }
        assert_eq!(cases.len(), 3);
    }

    #[test]
    fn what_the_original_refuses_is_refused() {
        let file = load("x3dh");
        let cases = file["negative"].as_array().unwrap();
        let (mut keys, mut codes) = (0, Vec::new());
        for case in cases {
            assert_eq!(case["expect"], "reject");
            if case["what"].as_str().unwrap().starts_with("compressed public key") {
                let error = PublicKey::from_compressed(&hex(&case["key"])).unwrap_err();
                codes.push(format!("{}: {}", error.code(), case["what"].as_str().unwrap()));
                keys += 1;
            } else {
                let key = Secret::<32>::new(hex_n(&case["key"]));
                // One reason outward, whatever was wrong.
                let error = OpenError::from(gcm::open(&key, &hex(&case["payload"])).unwrap_err());
                assert_eq!(error.code(), "open.dh_only", "{}", case["what"]);
            }
        }
        assert_eq!((cases.len(), keys), (17, 10));
        insta::assert_snapshot!(codes.join("\n"));
    }
}
