//! Every backend that the processor has, against `sha3`.
#![allow(missing_docs, reason = "tests")]

use proptest::prelude::*;
use sha3::{Digest, Keccak256};
use undertone_lanes::{Backend, Input, Search, keccak256_each};

fn sha3(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Those that can be tested here; says which cannot.
fn backends() -> Vec<Backend> {
    let found = |name: &&str| {
        let backend = Backend::named(name);
        if backend.is_none() {
            eprintln!("skipped: this processor has no {name}");
        }
        backend
    };
    let backends: Vec<_> = Backend::NAMES.iter().filter_map(found).collect();
    assert!(backends.contains(&Backend::PORTABLE) && backends.contains(&Backend::best()));
    backends
}

/// Bytes in which no two words are alike.
fn bytes(len: usize, seed: usize) -> Vec<u8> {
    let hashes = std::iter::successors(Some(sha3(&seed.to_le_bytes())), |last| Some(sha3(last)));
    hashes.flatten().take(len).collect()
}

#[test]
fn known_digests() {
    // Of the empty string and of "abc" (the Keccak team's KAT and the Ethereum yellow paper's examples).
    let known = [
        ("", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ("abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        ("testing", "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02"),
    ];
    let inputs = known.map(|(text, _)| Input::new(text.as_bytes()));
    for backend in backends() {
        let mut out = [[0; 32]; 3];
        backend.keccak256_each(&inputs, &mut out);
        for ((text, want), got) in known.iter().zip(out) {
            let got: String = got.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(got, *want, "{text:?} on {backend:?}");
        }
    }
}

#[test]
fn every_length_around_the_blocks_in_every_number_of_lanes() {
    let mut hashed = 0;
    for backend in backends() {
        for count in 0..=2 * backend.lanes() + 1 {
            for len in 0..=3 * 136 + 1 {
                // Lengths that differ from lane to lane, and fall on both sides of the ends of blocks.
                let texts: Vec<_> = (0..count).map(|i| bytes((len + i * 67) % 410, i)).collect();
                let inputs: Vec<_> = texts.iter().map(|text| Input::new(text)).collect();
                let mut out = vec![[0; 32]; count];
                backend.keccak256_each(&inputs, &mut out);
                for (text, got) in texts.iter().zip(out) {
                    assert_eq!(got, sha3(text), "{} bytes among {count} on {backend:?}", text.len());
                    hashed += 1;
                }
            }
        }
    }
    assert!(hashed >= 410 * 3);
}

#[test]
fn a_search_finds_what_hashing_one_by_one_finds() {
    // Every place of the nonce in its block, and what lies across two.
    for len in 0..=2 * 136 + 1 {
        let prefix = bytes(len, 7);
        let start = u64::MAX - 20;
        let hash = |nonce: u64| sha3(&[prefix.as_slice(), &nonce.to_be_bytes()].concat());
        let zeros = 5;
        let first = (0..400).map(|i| start.wrapping_add(i)).find(|nonce| hash(*nonce)[0] >> 3 == 0);
        for backend in backends() {
            let search = Search::with_backend(&prefix, backend);
            assert_eq!(search.first(start, 400, zeros), first, "{len} bytes on {backend:?}");
            assert_eq!(search.hash(start), hash(start));
            let place = first.map_or(400, |nonce| nonce.wrapping_sub(start));
            assert_eq!(search.first(start, place, zeros), None, "not one attempt more than told");
            assert_eq!(search.first(start, place.saturating_add(1), zeros), first);
            assert_eq!(search.first(start, 0, 0), None);
            assert_eq!(search.first(start, 1, 0), Some(start));
            for impossible in [64, 65, 256, 257, u32::MAX] {
                assert_eq!(search.first(start, 9, impossible), None);
            }
        }
    }
}

#[test]
fn outputs_that_are_too_few_or_too_many_are_no_harm() {
    let inputs = [b"a".as_slice(), b"b", b"c"].map(Input::new);
    for backend in backends() {
        let mut two = [[0; 32]; 2];
        backend.keccak256_each(&inputs, &mut two);
        assert_eq!(two, [sha3(b"a"), sha3(b"b")]);
        let mut four = [[9; 32]; 4];
        backend.keccak256_each(&inputs, &mut four);
        assert_eq!(four, [sha3(b"a"), sha3(b"b"), sha3(b"c"), [9; 32]]);
    }
}

proptest! {
    #[test]
    fn parts_are_hashed_as_one(
        texts in prop::collection::vec(
            (0usize..300, 0usize..900, 0usize..40).prop_map(|(a, b, c)| [bytes(a, 1), bytes(b, 2), bytes(c, 3)]),
            0..40,
        ),
    ) {
        let inputs: Vec<_> = texts.iter().map(|[a, b, c]| Input::parts([a, b, c])).collect();
        let want: Vec<_> = texts.iter().map(|parts| sha3(&parts.concat())).collect();
        for backend in backends() {
            let mut out = vec![[0; 32]; texts.len()];
            backend.keccak256_each(&inputs, &mut out);
            prop_assert_eq!(&out, &want);
        }
        let mut out = vec![[0; 32]; texts.len()];
        keccak256_each(&inputs, &mut out);
        prop_assert_eq!(out, want);
    }

    #[test]
    fn random_bytes(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 1..20)) {
        let inputs: Vec<_> = texts.iter().map(|text| Input::new(text)).collect();
        let want: Vec<_> = texts.iter().map(|text| sha3(text)).collect();
        for backend in backends() {
            let mut out = vec![[0; 32]; texts.len()];
            backend.keccak256_each(&inputs, &mut out);
            prop_assert_eq!(&out, &want);
        }
    }

    /// With each other and with `sha3`, from below and above where the last bytes of a nonce begin again.
    #[test]
    fn backends_agree_on_nonces(
        prefix in prop::collection::vec(any::<u8>(), 0..600),
        start: u64,
        carries in prop::option::of(0u32..9),
        before in 0u64..20,
        attempts in 0u64..600,
        zeros in 0u32..10,
    ) {
        // Eight bytes carry where nonces begin again.
        let start = carries.map_or(start, |bytes| start.checked_shr(8 * bytes).map_or(0, |high| high << (8 * bytes)));
        let start = start.wrapping_sub(before);
        let hash = |nonce: u64| sha3(&[prefix.as_slice(), &nonce.to_be_bytes()].concat());
        let enough = |nonce: &u64| {
            let [a, b, ..] = hash(*nonce);
            u16::from_be_bytes([a, b]).leading_zeros() >= zeros
        };
        let want = (0..attempts).map(|i| start.wrapping_add(i)).find(enough);
        for backend in backends() {
            let search = Search::with_backend(&prefix, backend);
            prop_assert_eq!(search.first(start, attempts, zeros), want, "{:?}", backend);
            prop_assert_eq!(search.hash(start), hash(start));
        }
    }
}
