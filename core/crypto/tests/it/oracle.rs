//! The primitives beside independent implementations: the curve beside `k256` (ours is libsecp256k1), the symmetric ones
//! beside `ring` (ours are RustCrypto's).

use k256::ecdsa::{RecoveryId, Signature as TheirSignature, SigningKey, VerifyingKey};
use proptest::prelude::*;
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use undertone_base::Secret;
use undertone_crypto::{PublicKey, SecretKey, Signature, ctr, gcm, kdf};
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

proptest! {
    #[test]
    fn another_implementation_derives_the_same_keys(
        key in prop::collection::vec(any::<u8>(), 0..200),
        data in prop::collection::vec(any::<u8>(), 0..300),
        info in prop::collection::vec(any::<u8>(), 0..80),
        cut: prop::sample::Index,
    ) {
        let (first, second) = data.split_at(cut.index(data.len() + 1));
        let theirs = |of| ring::hmac::sign(&ring::hmac::Key::new(of, &key), &data);
        let short = theirs(ring::hmac::HMAC_SHA256);
        prop_assert_eq!(kdf::hmac_sha256(&key, &[first, second]).expose().to_vec(), short.as_ref());
        prop_assert!(kdf::hmac_sha256_verify(&key, &[first, second], short.as_ref()));
        let long = theirs(ring::hmac::HMAC_SHA512);
        prop_assert_eq!(kdf::hmac_sha512(&key, &[first, second]).expose().to_vec(), long.as_ref());

        // 96 and 80 bytes are those of the ratchet.
        prop_assert_eq!(kdf::hkdf_sha256::<96>(&key, &data, &info).expose().to_vec(), hkdf(&key, &data, &info, 96));
        prop_assert_eq!(kdf::hkdf_sha256::<80>(&key, &data, &info).expose().to_vec(), hkdf(&key, &data, &info, 80));
        prop_assert_eq!(kdf::hkdf_sha256::<32>(&key, &data, &info).expose().to_vec(), hkdf(&key, &data, &info, 32));
    }

    #[test]
    fn another_implementation_stretches_passwords_alike(
        password in prop::collection::vec(any::<u8>(), 0..150),
        salt in prop::collection::vec(any::<u8>(), 0..100),
        rounds in 1..40_u32,
    ) {
        let theirs = |of, out: &mut [u8]| {
            ring::pbkdf2::derive(of, rounds.try_into().unwrap(), &salt, &password, out);
        };
        let (mut short, mut long) = ([0; 32], [0; 64]);
        theirs(ring::pbkdf2::PBKDF2_HMAC_SHA256, &mut short);
        theirs(ring::pbkdf2::PBKDF2_HMAC_SHA512, &mut long);
        prop_assert_eq!(kdf::pbkdf2_sha256(&password, &salt, rounds).expose().to_vec(), short);
        prop_assert_eq!(kdf::pbkdf2_sha512(&password, &salt, rounds).expose().to_vec(), long);
    }

    #[test]
    fn another_implementation_opens_what_we_seal_and_we_what_it_seals(
        key: [u8; 32], nonce: [u8; 12], seed: u64,
        plain in prop::collection::vec(any::<u8>(), 0..700), at: prop::sample::Index, bit in 0..8_u8,
    ) {
        let secret = Secret::new(key);
        let sealed = gcm::seal(&secret, &plain, &mut rng(seed));
        let (body, theirs) = sealed.split_at(sealed.len() - 12);
        let mut opened = body.to_vec();
        let opened = sealer(&key).open_in_place(nonce_of(theirs), Aad::empty(), &mut opened).unwrap();
        prop_assert_eq!(&*opened, &plain[..]);

        let mut theirs = plain.clone();
        sealer(&key).seal_in_place_append_tag(nonce_of(&nonce), Aad::empty(), &mut theirs).unwrap();
        theirs.extend_from_slice(&nonce);
        prop_assert_eq!(gcm::open(&secret, &theirs), Ok(plain));
        let at = at.index(theirs.len());
        theirs[at] ^= 1 << bit;
        let (body, nonce) = theirs.split_at(theirs.len() - 12);
        prop_assert!(sealer(&key).open_in_place(nonce_of(nonce), Aad::empty(), &mut body.to_vec()).is_err());
        prop_assert!(gcm::open(&secret, &theirs).is_err());
    }

    /// Two views of counter mode: all bytes of what GCM does inside, and five bytes of each block from any counter, those
    /// that overflow included.
    #[test]
    fn another_implementation_has_the_same_keystream(
        key: [u8; 32], nonce: [u8; 12], iv in counter(), plain in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut theirs = plain.clone();
        sealer(&key).seal_in_place_append_tag(nonce_of(&nonce), Aad::empty(), &mut theirs).unwrap();
        theirs.truncate(plain.len());
        // GCM keeps the first counter for its tag.
        let second = [&nonce[..], &[0, 0, 0, 2]].concat();
        let mut ours = plain.clone();
        ctr::aes256(&key, second.as_slice().try_into().unwrap(), &mut ours);
        prop_assert_eq!(&ours, &theirs);

        let block = ring::aead::quic::HeaderProtectionKey::new(&ring::aead::quic::AES_256, &key).unwrap();
        let mut stream = vec![0; 16 * 5];
        ctr::aes256(&key, &iv.to_be_bytes(), &mut stream);
        for (n, ours) in (0..).zip(stream.chunks(16)) {
            let theirs = block.new_mask(&iv.wrapping_add(n).to_be_bytes()).unwrap();
            prop_assert_eq!(&ours[..5], &theirs, "block {}", n);
        }
        let short = &key[..16];
        let block = ring::aead::quic::HeaderProtectionKey::new(&ring::aead::quic::AES_128, short).unwrap();
        let mut stream = vec![0; 16 * 5];
        ctr::aes128(short.try_into().unwrap(), &iv.to_be_bytes(), &mut stream);
        for (n, ours) in (0..).zip(stream.chunks(16)) {
            prop_assert_eq!(&ours[..5], &block.new_mask(&iv.wrapping_add(n).to_be_bytes()).unwrap());
        }
    }
}

/// Counters of which some overflow 32, 64 or 128 bits within a few blocks.
fn counter() -> impl Strategy<Value = u128> {
    let near = (prop::sample::select(vec![32_u32, 64, 96, 127]), 0..4_u128, any::<u128>());
    let near = near.prop_map(|(bits, before, high)| {
        let low = (1_u128 << bits) - 1;
        (high & !low) | (low - before)
    });
    prop_oneof![any::<u128>(), near, (0..4_u128).prop_map(|before| u128::MAX - before)]
}

fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let info = [info];
    let extracted = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, salt).extract(ikm);
    let mut out = vec![0; length];
    extracted.expand(&info, Length(length)).unwrap().fill(&mut out).unwrap();
    out
}

struct Length(usize);

impl ring::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn sealer(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&ring::aead::AES_256_GCM, key).unwrap())
}

fn nonce_of(bytes: &[u8]) -> Nonce {
    Nonce::try_assume_unique_for_key(bytes).unwrap()
}
