//! BIP32 beside an independent implementation (`bip32` on `k256`; ours stands on libsecp256k1), and scrypt.

use bip32::{ExtendedPrivateKey, Prefix};
use proptest::prelude::*;
use serde_json::Value;
use undertone_account::{ChildNumber, ExtendedKey, keystore};
use undertone_crypto::hash::keccak256_parts;
use undertone_crypto::{SecretKey, ctr};
use undertone_support::rng;

proptest! {
    #[test]
    fn another_implementation_derives_the_same_keys(
        seed in prop::collection::vec(any::<u8>(), 64),
        steps in prop::collection::vec(any::<u32>(), 0..6),
    ) {
        let mut ours = ExtendedKey::master_of(&seed).unwrap();
        let mut theirs = ExtendedPrivateKey::<k256::ecdsa::SigningKey>::new(&seed).unwrap();
        for step in steps {
            ours = ours.child(number(step)).unwrap();
            theirs = theirs.derive_child(bip32::ChildNumber(step)).unwrap();
        }
        let (ours, theirs) = (ours.expose_xprv(), theirs.to_string(Prefix::XPRV));
        prop_assert_eq!(ours.as_str(), theirs.as_str());
    }
}

fn number(bits: u32) -> ChildNumber {
    let index = bits & 0x7fff_ffff;
    if bits == index { ChildNumber::normal(index) } else { ChildNumber::hardened(index) }.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// No other library at hand has scrypt, so here is RFC 7914 a second time, on the PBKDF2 of `ring`.
    #[test]
    fn a_key_file_opens_with_another_scrypt(
        seed: u64, password in "\\PC{0,20}", log_n in 1..6_u32, r in 1..9_u32, p in 1..4_u32,
    ) {
        let params = keystore::ScryptParams::new(1 << log_n, r, p).unwrap();
        let key = SecretKey::random(&mut rng(seed));
        let text = keystore::seal(&key, None, &password, params, &mut rng(!seed));
        let file: Value = serde_json::from_str(&text).unwrap();
        let hex = |at: &str| const_hex::decode(file.pointer(at).unwrap().as_str().unwrap()).unwrap();
        let salt = hex("/crypto/kdfparams/salt");
        let derived = scrypt(password.as_bytes(), &salt, 1 << log_n, r as usize, p as usize, 32);
        let (cipher, mac) = derived.split_at(16);
        let mut content = hex("/crypto/ciphertext");
        prop_assert_eq!(&hex("/crypto/mac")[..], &keccak256_parts(&[mac, &content])[..]);
        let iv = hex("/crypto/cipherparams/iv");
        ctr::aes128(cipher.try_into().unwrap(), iv.as_slice().try_into().unwrap(), &mut content);
        prop_assert_eq!(&content[..], &key.secret().expose()[..]);
    }
}

/// The second scrypt against the first vector of RFC 7914; the others take it too long in a test build.
#[test]
fn the_other_scrypt_is_the_one_of_the_rfc() {
    let hex = |text: &str| const_hex::decode(text).unwrap();
    let first = "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442\
                 fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906";
    assert_eq!(scrypt(b"", b"", 16, 1, 1, 64), hex(first));
}

fn scrypt(password: &[u8], salt: &[u8], n: usize, r: usize, p: usize, length: usize) -> Vec<u8> {
    let mut blocks = stretch(password, salt, 128 * r * p);
    for block in blocks.chunks_mut(128 * r) {
        mix(block, n);
    }
    stretch(password, &blocks, length)
}

fn stretch(password: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let once = std::num::NonZeroU32::MIN;
    ring::pbkdf2::derive(ring::pbkdf2::PBKDF2_HMAC_SHA256, once, salt, password, &mut out);
    out
}

/// scryptROMix.
fn mix(block: &mut [u8], n: usize) {
    let mut x: Vec<u32> = block.chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    let mut kept = Vec::with_capacity(n);
    for _ in 0..n {
        kept.push(x.clone());
        x = block_mix(&x);
    }
    for _ in 0..n {
        // n is a power of two below 2^32: the lowest word of the last 64 bytes says it all.
        let at = x[x.len() - 16] as usize % n;
        let sum: Vec<u32> = x.iter().zip(&kept[at]).map(|(a, b)| a ^ b).collect();
        x = block_mix(&sum);
    }
    for (out, word) in block.chunks_mut(4).zip(x) {
        out.copy_from_slice(&word.to_le_bytes());
    }
}

/// scryptBlockMix: the even results first, then the odd ones.
fn block_mix(block: &[u32]) -> Vec<u32> {
    let mut last = block[block.len() - 16..].to_vec();
    let mut halves = [Vec::new(), Vec::new()];
    for (n, part) in block.chunks(16).enumerate() {
        let sum: Vec<u32> = last.iter().zip(part).map(|(a, b)| a ^ b).collect();
        last = salsa20_8(&sum);
        halves[n % 2].extend(&last);
    }
    halves.concat()
}

fn salsa20_8(input: &[u32]) -> Vec<u32> {
    const COLUMNS: [[usize; 4]; 4] = [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]];
    const ROWS: [[usize; 4]; 4] = [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]];
    let mut x = input.to_vec();
    for _ in 0..4 {
        for [a, b, c, d] in COLUMNS.into_iter().chain(ROWS) {
            x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
            x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
            x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
            x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
        }
    }
    x.iter().zip(input).map(|(a, b)| a.wrapping_add(*b)).collect()
}
