//! Bad input, systematically: keys, signatures and ciphertexts.

use undertone_base::Secret;
use undertone_crypto::{PublicKey, SecretKey, Signature, ecies, gcm, keccak256};
use undertone_support::mangle::{self, Trial, Whose};
use undertone_support::rng;

fn key() -> SecretKey {
    SecretKey::from_slice(&[7; 32]).unwrap()
}

#[test]
fn mangled_keys_are_refused_or_other_keys() {
    let public = key().public();
    let mut trial = Trial::new(Whose::Peer);
    for mutation in mangle::bytes(&public.to_uncompressed()) {
        let read = trial.run(&mutation, PublicKey::from_uncompressed, |e| (e.fault(), e.code()));
        assert!(read.is_none_or(|read| read.to_uncompressed()[..] == mutation.bytes), "{}", mutation.name);
    }
    for mutation in mangle::bytes(&public.to_compressed()) {
        let read = trial.run(&mutation, PublicKey::from_compressed, |e| (e.fault(), e.code()));
        assert!(read.is_none_or(|read| read.to_compressed()[..] == mutation.bytes), "{}", mutation.name);
    }
    for mutation in mangle::bytes(&public.to_xy()) {
        let read = trial.run(&mutation, PublicKey::from_xy, |e| (e.fault(), e.code()));
        assert!(read.is_none_or(|read| read.to_xy()[..] == mutation.bytes), "{}", mutation.name);
    }
    for mutation in mangle::bytes(&[7; 32]) {
        let read = trial.run(&mutation, SecretKey::from_slice, |e| (e.fault(), e.code()));
        assert!(read.is_none_or(|read| read.secret().expose()[..] == mutation.bytes), "{}", mutation.name);
    }
    for mutation in mangle::text(&public.to_hex()) {
        let read = |b: &[u8]| PublicKey::from_hex(std::str::from_utf8(b).unwrap());
        trial.run(&mutation, read, |e| (e.fault(), e.code()));
    }
    trial.at_least(2_000, 1_800);
}

#[test]
fn mangled_signatures_are_refused_or_name_somebody_else() {
    let digest = keccak256(b"what was said");
    let sample = *Signature::sign(&digest, &key()).as_bytes();
    let mut trial = Trial::new(Whose::Peer);
    for mutation in mangle::bytes(&sample) {
        let recover = |b: &[u8]| Signature::from_slice(b).and_then(|signature| signature.recover(&digest));
        let signer = trial.run(&mutation, recover, |e| (e.fault(), e.code()));
        assert!(signer.is_none_or(|signer| signer != key().public()), "{} is forged", mutation.name);
    }
    trial.at_least(300, 70);
}

#[test]
fn mangled_ciphertexts_never_open() {
    let (mut rng, secret) = (rng(1), Secret::new([5; 32]));
    let mut trial = Trial::new(Whose::Peer);
    for mutation in mangle::bytes(&gcm::seal(&secret, b"a plaintext", &mut rng)) {
        let opened = trial.run(&mutation, |b| gcm::open(&secret, b), |e| (e.fault(), e.code()));
        assert!(opened.is_none(), "{}", mutation.name);
    }
    let key = key();
    for mutation in mangle::bytes(&ecies::encrypt(&key.public(), b"a plaintext", b"shared", &mut rng)) {
        let open = |b: &[u8]| ecies::decrypt(b, b"shared", |point| Some(key.ecdh(point)));
        let opened = trial.run(&mutation, open, |e| (e.fault(), e.code()));
        assert!(opened.is_none(), "{}", mutation.name);
    }
    trial.at_least(800, 800);
}
