//! What all attempts of a search have in common, up to the middle of the first round.
//!
//! θ, ρ and π are linear: what they make of a state is what they make of the state with zero in one word, added to what
//! they make of that word alone. And of a word alone they make eleven copies, each rotated and in another place: one
//! from the word itself, five for each of the two columns that θ adds it to. So the first half of the first round is done
//! once, and an attempt adds eleven rotations of the word that holds its nonce.

use crate::permute::{State, WORDS};
use crate::scalar::linear;

/// Words of the state to which θ, ρ and π carry one word of it.
const FLIPS: usize = 11;

/// States after θ, ρ and π of the first round, with one word of them still open.
pub(crate) struct Half<const N: usize> {
    /// Of what is known, and of the open words that were last tried.
    pub(crate) words: State<N>,
    pub(crate) flips: [Flip<N>; FLIPS],
}

/// Where the open word goes.
#[derive(Clone, Copy)]
pub(crate) struct Flip<const N: usize> {
    /// To which word,
    pub(crate) word: usize,
    /// how far rotated,
    pub(crate) left: u32,
    /// and what it is added to.
    pub(crate) fixed: [u64; N],
}

/// Where θ, ρ and π carry a word: places and rotations to the left.
pub(crate) type Places = [(usize, u32); FLIPS];

/// Of word `open` of a state.
pub(crate) fn places(open: usize) -> Places {
    let mut unit = [0; WORDS];
    if let Some(word) = unit.get_mut(open) {
        *word = 1;
    }
    let mut out = [(0, 0); FLIPS];
    let images = linear(&unit).into_iter().enumerate().filter(|(_, image)| *image != 0);
    for (place, (word, image)) in out.iter_mut().zip(images) {
        *place = (word, image.trailing_zeros());
    }
    out
}

impl<const N: usize> Half<N> {
    /// Of a state with zero in the word whose places these are.
    pub(crate) fn new(known: &[u64; WORDS], places: &Places) -> Self {
        let known = linear(known);
        let flip = |(word, left): (usize, u32)| {
            let fixed = [known.get(word).copied().unwrap_or_default(); N];
            Flip { word, left, fixed }
        };
        Self { words: State::broadcast(&known), flips: places.map(flip) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permute::{Block, Permute};
    use crate::scalar::Portable;

    /// Words of which no two are alike.
    fn words(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), move |last| {
            Some(last.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seed))
        })
    }

    #[test]
    fn theta_rho_and_pi_carry_a_word_to_eleven_places() {
        for open in 0..WORDS {
            let places = places(open);
            for (place, pair) in places.windows(2).enumerate() {
                assert!(pair[0].0 < pair[1].0, "place {place} of word {open}");
            }
            assert!(places.iter().all(|(word, left)| *word < WORDS && *left < 64));
            // Every bit goes the same way.
            for bit in [0, 1, 17, 63] {
                let mut state = [0; WORDS];
                state[open] = 1u64 << bit;
                let mut want = [0; WORDS];
                for (word, left) in places {
                    want[word] = state[open].rotate_left(left);
                }
                assert_eq!(linear(&state), want, "bit {bit} of word {open}");
            }
        }
    }

    fn first_words_are_those_of_the_permutation<const N: usize>(backend: impl Permute<N>) {
        for open in 0..WORDS {
            let mut known = [0; WORDS];
            known.iter_mut().zip(words(open as u64 + 1)).for_each(|(to, word)| *to = word);
            known[open] = 0;
            let mut half = Half::new(&known, &places(open));
            // What was tried before leaves nothing behind.
            for seed in 1..20 {
                let mut tried = [0; N];
                tried.iter_mut().zip(words(seed)).for_each(|(to, word)| *to = word);
                let mut from = State::broadcast(&known);
                from.0[open] = tried;
                let mut to = State::ZERO;
                backend.absorb(&from, &Block::ZERO, &mut to);
                assert_eq!(backend.first_words(&mut half, tried), to.0[0], "word {open}, {N} lanes");
            }
        }
    }

    #[test]
    fn every_word_can_be_the_open_one_in_one_lane() {
        first_words_are_those_of_the_permutation(Portable);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_word_can_be_the_open_one_in_each_set_of_instructions() {
        let skipped = |name| eprintln!("skipped: this processor has no {name}");
        crate::bmi::Bmi::detect().map_or_else(|| skipped("bmi"), first_words_are_those_of_the_permutation);
        crate::sse2::Sse2::detect().map_or_else(|| skipped("sse2"), first_words_are_those_of_the_permutation);
        crate::avx2::Avx2::detect().map_or_else(|| skipped("avx2"), first_words_are_those_of_the_permutation);
        crate::avx512::Avx512::detect()
            .map_or_else(|| skipped("avx512"), first_words_are_those_of_the_permutation);
    }
}
