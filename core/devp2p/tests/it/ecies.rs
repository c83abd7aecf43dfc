//! ECIES, which `undertone_crypto` has and the handshake stands on, against go-ethereum.

use undertone_crypto::{SecretKey, ecies};
use undertone_vectors::{hex, hex_n, load};

#[test]
fn ecies_agrees_with_geth() {
    let file = load("rlpx");
    let (mut opened, mut refused, mut sealed, mut skipped) = (0, 0, 0, 0);
    for case in file["ecies"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        if !hex(&case["s1"]).is_empty() {
            // RLPx and Whisper have no shared information of the key derivation, so there is no argument for it.
            skipped += 1;
            continue;
        }
        let key = SecretKey::from_slice(&hex(&case["recipient_key"])).unwrap();
        let (ciphertext, shared) = (hex(&case["ciphertext"]), hex(&case["s2"]));
        let outcome = ecies::decrypt(&ciphertext, &shared, |point| Some(key.ecdh(point)));
        if case["expect"] != "ok" {
            assert!(outcome.is_err(), "{note}");
            refused += 1;
            continue;
        }
        let plain = outcome.unwrap_or_else(|_| panic!("{note}"));
        opened += 1;
        if case["message"].is_null() {
            continue;
        }
        assert_eq!(plain, hex(&case["message"]), "{note}");
        let ephemeral = SecretKey::from_slice(&hex(&case["ephemeral_key"])).unwrap();
        assert_eq!(ephemeral.ecdh(&key.public()).expose().as_slice(), hex(&case["ecdh_x"]), "{note}");
        let again = ecies::encrypt_with(&key.public(), &plain, &shared, &ephemeral, &hex_n(&case["iv"]));
        assert_eq!(again, ciphertext, "{note}");
        sealed += 1;
    }
    assert_eq!((opened, refused, sealed, skipped), (5, 14, 3, 1));
}
