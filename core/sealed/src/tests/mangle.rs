//! Bad input, systematically: sealed data and what is inside, mangled.

use undertone_crypto::{Opaque, gcm};
use undertone_support::mangle::{self, Mutation, Trial, Whose};

use super::*;

fn blame(error: &Opaque) -> (undertone_base::FaultClass, &'static str) {
    (error.fault(), error.code())
}

/// geth's own messages that are small enough to be mangled at every byte, and whether they are symmetric.
fn samples(file: &Value) -> Vec<(bool, Vec<u8>)> {
    let all = list(file, "messages").iter();
    let all = all.map(|m| (m["encryption"] == "symmetric", data_of(&m["envelope_rlp"])));
    all.filter(|(_, data)| data.len() < 700).collect()
}

#[test]
fn mangled_sealed_data_never_opens() {
    let file = load("whisper_crypto");
    let key = Secret::new(hex_n(&file["keys"]["sym_key"]));
    let (ring, bob) = ring_of(&file["keys"]["bob_private"]);
    let samples = samples(&file);
    let mut trial = Trial::new(Whose::Peer);
    for form in [true, false] {
        let (_, sample) = samples.iter().find(|(symmetric, _)| *symmetric == form).unwrap();
        for mutation in mangle::bytes(sample) {
            let opened = match form {
                true => trial.run(&mutation, |b| open_symmetric(&key, b), blame),
                false => trial.run(&mutation, |b| open_asymmetric(&ring, bob, b), blame),
            };
            assert!(opened.is_none(), "{} opened", mutation.name);
        }
    }
    trial.at_least(2_500, 2_500);
}

/// Flags with every number of size bytes, and every size that lies.
fn lying_sizes(plain: &[u8]) -> Vec<Mutation> {
    let mut made = Vec::new();
    for flags in 0..=0xffu8 {
        for size in [[0; 3], [1, 0, 0], [0xff; 3], [0, 1, 0], [0xff, 0xff, 0], [0, 0, 1]] {
            let n = usize::from(flags & 3);
            let bytes = [&[flags][..], &size[..n], &plain[2..]].concat();
            made.push(Mutation::new(format!("flags {flags:#04x}, size {size:?}"), bytes));
        }
    }
    made
}

#[test]
fn mangled_plaintexts_are_refused_or_read_as_what_they_say() {
    let file = load("whisper_crypto");
    let (ring, alice) = ring_of(&file["keys"]["alice_private"]);
    let key = Secret::new([3; 32]);
    let mut rng = rng(3);
    let mut trial = Trial::new(Whose::Peer);
    for signer in [None, Some((&ring as &dyn Keyring, alice))] {
        let plain = encode(b"a payload", Padding::Auto, signer, &mut rng).unwrap();
        let author = ring.public(&alice).unwrap();
        for mutation in mangle::bytes(&plain).into_iter().chain(lying_sizes(&plain)) {
            let sealed = Mutation::new(mutation.name, gcm::seal(&key, &mutation.bytes, &mut rng));
            if let Some(opened) = trial.run(&sealed, |b| open_symmetric(&key, b), blame) {
                let room = mutation.bytes.len();
                assert!(opened.payload.len() + opened.padding.len() < room, "{}", sealed.name);
                let forged = opened.author == Some(author) && mutation.bytes != plain;
                assert!(!forged, "{} is signed by its author", sealed.name);
            }
        }
    }
    trial.at_least(5_000, 1_000);
}
