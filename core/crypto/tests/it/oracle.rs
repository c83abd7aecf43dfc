//! The curve beside an independent implementation (`k256`; ours is libsecp256k1).

use k256::ecdsa::{RecoveryId, Signature as TheirSignature, SigningKey, VerifyingKey};
use proptest::prelude::*;
use undertone_crypto::{PublicKey, SecretKey, Signature};
use undertone_support::rng;

proptest! {
    #[test]
    fn another_implementation_agrees_on_keys_and_shared_secrets(seed: u64) {
        let (a, b) = (SecretKey::random(&mut rng(seed)), SecretKey::random(&mut rng(!seed)));
        let their = k256::SecretKey::from_slice(a.secret().expose()).unwrap();
        let public = their.public_key();
        prop_assert_eq!(&public.to_sec1_bytes()[..], &a.public().to_compressed()[..]);
        let other = k256::PublicKey::from_sec1_bytes(&b.public().to_uncompressed()).unwrap();
        let shared = k256::ecdh::diffie_hellman(their.to_nonzero_scalar(), other.as_affine());
        let ours = a.ecdh(&b.public());
        prop_assert_eq!(&shared.raw_secret_bytes()[..], &ours.expose()[..]);
    }

    #[test]
    fn another_implementation_takes_our_signatures_and_we_take_its(seed: u64, digest: [u8; 32]) {
        let key = SecretKey::random(&mut rng(seed));
        let theirs = SigningKey::from_slice(key.secret().expose()).unwrap();

        let ours = Signature::sign(&digest, &key);
        let (rs, v) = ours.as_bytes().split_at(64);
        let signature = TheirSignature::from_slice(rs).unwrap();
        let recovery = RecoveryId::from_byte(v[0]).unwrap();
        let recovered = VerifyingKey::recover_from_prehash(&digest, &signature, recovery).unwrap();
        prop_assert_eq!(&recovered, theirs.verifying_key());

        let (signature, recovery) = theirs.sign_prehash_recoverable(&digest);
        let bytes = [&signature.to_bytes()[..], &[recovery.to_byte()]].concat();
        let read = Signature::from_slice(&bytes).unwrap();
        prop_assert_eq!(read.recover(&digest), Ok(key.public()));
        prop_assert_eq!(read, ours, "both take their nonces from RFC 6979");
    }

    #[test]
    fn another_implementation_takes_and_refuses_the_same_points(bytes: [u8; 64], seed: u64, flip in 0..512_usize) {
        let arbitrary = [&[4][..], &bytes].concat();
        let mut near = SecretKey::random(&mut rng(seed)).public().to_uncompressed();
        near[1 + flip / 8] ^= 1 << (flip % 8);
        for point in [&arbitrary[..], &near] {
            let theirs = k256::PublicKey::from_sec1_bytes(point).is_ok();
            prop_assert_eq!(PublicKey::from_uncompressed(point).is_ok(), theirs);
        }
    }
}
