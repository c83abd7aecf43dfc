//! The three-word name (`identity.md` 4).

use undertone_crypto::PublicKey;

/// The name that every client computes for a key: two adjectives and an animal.
///
/// **Not a fingerprint.** Only about 2^21.6 names exist, a key with a given name is found in seconds, and a key
/// and its negation share one. Show it beside the key, never instead of it.
///
/// ```
/// use undertone_account::three_word_name;
/// use undertone_crypto::PublicKey;
/// let key = PublicKey::from_hex(
///     "0x04eedbaafd6adf4a9233a13e7b1c3c14461fffeba2e9054b8d456ce5f6ebeafadc\
///      bf3dce3716253fbc391277fa5a086b60b283daf61fb5b1f26895f456c2f31ae3",
/// )?;
/// assert_eq!(three_word_name(&key), "Darkorange Blue Bubblefish");
/// # Ok::<(), undertone_crypto::KeyError>(())
/// ```
pub fn three_word_name(key: &PublicKey) -> String {
    name_of_seed(alias_seed(key))
}

/// The low 64 bits of X, from which the name follows.
fn alias_seed(key: &PublicKey) -> u64 {
    key.x().last_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

fn name_of_seed(seed: u64) -> String {
    let first = next(seed);
    let second = next(first);
    let third = next(second);
    format!("{} {} {}", pick(ADJECTIVES, first), pick(ADJECTIVES, second), pick(ANIMALS, third))
}

/// One step of the shift register: the parity of bits 3, 4, 5 and 7 comes in from the right.
const fn next(state: u64) -> u64 {
    (state << 1) | ((state & 0xB8).count_ones() as u64 & 1)
}

fn pick(list: &'static str, state: u64) -> &'static str {
    let count = list.lines().count() as u64;
    let index = usize::try_from(state.checked_rem(count).unwrap_or_default()).unwrap_or_default();
    list.lines().nth(index).unwrap_or_default()
}

/// 1389 words; see `data/README.md`.
const ADJECTIVES: &str = include_str!("../data/adjectives.txt");
/// 1704 words; see `data/README.md`.
const ANIMALS: &str = include_str!("../data/animals.txt");

#[cfg(test)]
mod tests {
    use undertone_crypto::hash::sha256;
    use undertone_vectors::{hex_n, load};

    use super::*;

    #[test]
    fn the_lists_are_those_of_status() {
        let words = load("alias_words");
        for (list, count, name) in [(ADJECTIVES, 1389, "adjectives"), (ANIMALS, 1704, "animals")] {
            assert_eq!(list.lines().count(), count);
            assert_eq!(
                sha256(list.trim_end().as_bytes()),
                hex_n(&words[format!("{name}_sha256_of_newline_joined")])
            );
            assert!(
                list.lines().eq(words[name].as_array().unwrap().iter().map(|word| word.as_str().unwrap()))
            );
        }
    }

    #[test]
    fn a_seed_gives_its_name() {
        assert_eq!(name_of_seed(42), "Hard Tame Brownbutterfly");
    }

    #[test]
    fn every_key_of_the_vectors_has_its_seed_and_name() {
        let file = load("identity");
        let cases = file["visual_identity"].as_array().unwrap();
        for case in cases {
            let key = PublicKey::from_hex(case["id"].as_str().unwrap()).unwrap();
            assert_eq!(format!("{:#018x}", alias_seed(&key)), case["alias_seed"].as_str().unwrap());
            assert_eq!(three_word_name(&key), case["alias"].as_str().unwrap());
        }
        assert_eq!(cases.len(), 28);
    }
}
