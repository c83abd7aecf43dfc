//! The ground crate against the originals' vectors, and what it must refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod mangle;
mod oracle;
mod wycheproof;

use proptest::prelude::*;
use undertone_base::Secret;
use undertone_crypto::{
    KeyId, Keyring, MemoryKeyring, Opaque, PublicKey, SecretKey, Signature, SignatureError, ecies, gcm, kdf,
    keccak256,
};
use undertone_support::rng;
use undertone_vectors::{hex, hex_n, load};

#[test]
fn only_the_04_form_on_the_curve_is_an_uncompressed_key() {
    let file = load("identity");
    let cases = file["uncompressed_key_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        let accepted = PublicKey::from_uncompressed(&hex(&case["key"])).is_ok();
        assert_eq!(accepted, case["expect"] == "accept", "{}", case["what"]);
    }
}

#[test]
fn a_topic_key_is_65356_rounds_without_salt() {
    let file = load("whisper_crypto");
    let cases = file["password_kdf"]["vectors"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let key = kdf::topic_key(case["password"].as_str().unwrap());
        assert_eq!(*key.expose(), hex_n::<32>(&case["key"]), "{}", case["password"]);
    }
}

#[test]
fn a_key_reads_back_from_each_of_its_forms() {
    let key = SecretKey::random(&mut rng(1)).public();
    assert_eq!(PublicKey::from_uncompressed(&key.to_uncompressed()), Ok(key));
    assert_eq!(PublicKey::from_xy(&key.to_xy()), Ok(key));
    assert_eq!(PublicKey::from_compressed(&key.to_compressed()), Ok(key));
    assert_eq!(PublicKey::from_hex(&key.to_hex()), Ok(key));
    assert_eq!(PublicKey::from_hex(&key.to_bare_hex()), Ok(key));
}

#[test]
fn a_key_and_its_negation_are_two_keys_with_one_ecdh() {
    let (ours, theirs) = (SecretKey::random(&mut rng(2)), SecretKey::random(&mut rng(3)).public());
    let mut flipped = theirs.to_compressed();
    flipped[0] ^= 1;
    let flipped = PublicKey::from_compressed(&flipped).unwrap();
    assert_ne!(flipped, theirs);
    assert!(bool::from(ours.ecdh(&flipped).ct_eq(&ours.ecdh(&theirs))));
}

#[test]
fn scalars_out_of_range_are_refused() {
    assert!(SecretKey::from_slice(&[0; 32]).is_err());
    assert!(SecretKey::from_slice(&[0xff; 32]).is_err());
    assert!(SecretKey::from_slice(&[1; 31]).is_err());
}

#[test]
fn a_signature_names_its_signer_also_with_high_s() {
    let key = SecretKey::random(&mut rng(4));
    let digest = keccak256(b"message");
    let signature = Signature::sign(&digest, &key);
    assert_eq!(signature.recover(&digest), Ok(key.public()));
    assert_eq!(Signature::sign(&digest, &key), signature, "deterministic");

    let mut high = *signature.as_bytes();
    let order = SECP256K1_ORDER;
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let diff = i16::from(order[i]) - i16::from(high[32 + i]) - borrow;
        borrow = i16::from(diff < 0);
        high[32 + i] = u8::try_from(diff.rem_euclid(256)).unwrap();
    }
    high[64] ^= 1;
    assert_eq!(Signature::from_slice(&high).unwrap().recover(&digest), Ok(key.public()));
}

#[test]
fn bad_signatures_are_told_apart() {
    let digest = [7; 32];
    assert_eq!(Signature::from_slice(&[0; 64]), Err(SignatureError::Length { got: 64 }));
    let mut bytes = *Signature::sign(&digest, &SecretKey::random(&mut rng(5))).as_bytes();
    bytes[64] = 27;
    let signature = Signature::from_slice(&bytes).unwrap();
    assert_eq!(signature.recover(&digest), Err(SignatureError::RecoveryId { got: 27 }));
    let zero = Signature::from_slice(&[0; 65]).unwrap();
    assert_eq!(zero.recover(&digest), Err(SignatureError::Unrecoverable));
}

#[test]
fn ecies_refuses_short_hybrid_and_off_curve_inputs() {
    let key = SecretKey::random(&mut rng(6));
    let sealed = ecies::encrypt(&key.public(), b"", b"", &mut rng(7));
    assert_eq!(sealed.len(), ecies::OVERHEAD);
    let open = |bytes: &[u8]| ecies::decrypt(bytes, b"", |p| Some(key.ecdh(p)));
    assert_eq!(open(&sealed), Ok(Vec::new()));
    for len in 0..sealed.len() {
        assert_eq!(open(&sealed[..len]), Err(Opaque), "{len} bytes");
    }
    for first in [0u8, 2, 3, 5, 6, 7] {
        let mut hybrid = sealed.clone();
        hybrid[0] = first;
        assert_eq!(open(&hybrid), Err(Opaque), "first byte {first}");
    }
    let mut off_curve = sealed.clone();
    off_curve[64] ^= 1;
    assert_eq!(open(&off_curve), Err(Opaque));
    assert_eq!(ecies::decrypt(&sealed, b"", |_| None), Err(Opaque), "no such key");
}

#[test]
fn secrets_do_not_print() {
    let key = SecretKey::random(&mut rng(8));
    let mut ring = MemoryKeyring::new();
    ring.insert(key.clone());
    insta::assert_snapshot!(format!("{key:?}"), @"SecretKey(32 bytes)");
    insta::assert_snapshot!(format!("{:?}", key.secret()), @"Secret(32 bytes)");
    let printed = undertone_support::assert_silent(&ring, &[key.secret().expose()]);
    assert!(printed.ends_with(": SecretKey(32 bytes)})"), "{printed}");
}

#[test]
fn a_keyring_answers_for_its_keys_only() {
    let (ours, other) = (SecretKey::random(&mut rng(9)), SecretKey::random(&mut rng(10)));
    let mut ring = MemoryKeyring::new();
    let id = ring.insert(ours.clone());
    assert_eq!(ring.public(&id), Some(ours.public()));
    assert_eq!(ring.sign(&id, &[1; 32]).unwrap().recover(&[1; 32]), Ok(ours.public()));
    assert!(bool::from(ring.ecdh(&id, &other.public()).unwrap().ct_eq(&other.ecdh(&ours.public()))));
    assert!(ring.sign(&KeyId::of(&other.public()), &[1; 32]).is_err());
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_what_is_changed_does_not(
        seed: u64, plain in prop::collection::vec(any::<u8>(), 0..600), at: prop::sample::Index, bit in 0u8..8,
    ) {
        let key = SecretKey::random(&mut rng(seed));
        let symmetric = Secret::random(&mut rng(seed ^ 1));
        let sealed = gcm::seal(&symmetric, &plain, &mut rng(seed ^ 2));
        prop_assert_eq!(gcm::open(&symmetric, &sealed), Ok(plain.clone()));
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= 1 << bit;
        prop_assert_eq!(gcm::open(&symmetric, &changed), Err(Opaque));

        let sealed = ecies::encrypt(&key.public(), &plain, b"mac", &mut rng(seed ^ 3));
        prop_assert_eq!(ecies::decrypt(&sealed, b"mac", |p| Some(key.ecdh(p))), Ok(plain));
        let mut changed = sealed.clone();
        // R is not under the tag: R and -R open alike. Everything behind it is.
        changed[65 + at.index(sealed.len() - 65)] ^= 1 << bit;
        prop_assert_eq!(ecies::decrypt(&changed, b"mac", |p| Some(key.ecdh(p))), Err(Opaque));
        prop_assert_eq!(ecies::decrypt(&sealed, b"cam", |p| Some(key.ecdh(p))), Err(Opaque));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = SecretKey::random(&mut rng(1));
        let _ = ecies::decrypt(&bytes, b"", |p| Some(key.ecdh(p)));
        let _ = gcm::open(&Secret::new([1; 32]), &bytes);
        let _ = PublicKey::from_uncompressed(&bytes);
        let _ = PublicKey::from_compressed(&bytes);
        let _ = Signature::from_slice(&bytes).map(|s| s.recover(&[1; 32]));
    }
}

const SECP256K1_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
    0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
