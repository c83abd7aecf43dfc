//! The sealed payload, for a recipient with known keys (those of `whisper_crypto.json`).

use undertone_base::Secret;
use undertone_crypto::{KeyId, MemoryKeyring, SecretKey, gcm};
use undertone_sealed::{open_asymmetric, open_symmetric};

const SYMMETRIC: &str = "a5d81d997cfcc8ebbe7ddf79943dde3bcbf051a438a3311691ef821c81295805";
pub(crate) const BOB: &str = "8bd728888c4893f27bfbe82cf5182cb6212ff62f98a57948487ea85831124540";

/// Bytes as they stand in an envelope, for a symmetric key and for a person.
pub fn sealed_open(data: &[u8]) {
    let symmetric = symmetric();
    let opened = open_symmetric(&symmetric, data);
    assert_eq!(opened, open_symmetric(&symmetric, data), "the same bytes open to the same payload");
    let (keyring, bob) = keyring();
    let _ = open_asymmetric(&keyring, bob, data).is_ok();
}

/// What stands inside the encryption: written by whoever has the key, so as hostile as the rest.
pub fn sealed_plaintext(data: &[u8]) {
    let sealed = gcm::seal(&symmetric(), data, &mut undertone_support::rng(1));
    if let Ok(opened) = open_symmetric(&symmetric(), &sealed) {
        assert!(
            opened.payload.len() + opened.padding.len() < data.len(),
            "nothing comes out that was not put in"
        );
    }
}

pub(crate) fn symmetric() -> Secret<32> {
    let key = SecretKey::from_hex(SYMMETRIC).expect("these bytes are in range, as it happens");
    key.secret().clone()
}

fn keyring() -> (MemoryKeyring, KeyId) {
    let mut keyring = MemoryKeyring::new();
    let bob = keyring.insert(SecretKey::from_hex(BOB).expect("a scalar in range"));
    (keyring, bob)
}
