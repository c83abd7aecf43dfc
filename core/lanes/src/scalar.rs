//! One lane: the rounds over plain words, and the same with the instructions of BMI.

use crate::half::Half;
use crate::permute::{Block, Permute, State, WORDS};
use crate::rounds::{
    ROUND_CONSTANTS, absorb, add_block, chi_row, first_words, linear, loaded, plain, round, rows, stored,
    theta,
};

/// On every processor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Portable;

impl Permute<1> for Portable {
    fn absorb(self, from: &State<1>, block: &Block<1>, to: &mut State<1>) {
        absorb!(from, block, to);
    }

    fn first_words(self, half: &mut Half<1>, open: [u64; 1]) -> [u64; 1] {
        first_words!(half, open)
    }
}

/// θ, ρ and π of a state.
pub(crate) fn linear(state: &[u64; WORDS]) -> [u64; WORDS] {
    let words = State::broadcast(state);
    let a = loaded!(words.0);
    let a = linear!(a);
    State::<1>(stored!(a)).0.map(|[word]| word)
}

#[inline(always)]
pub(crate) const fn load([word]: [u64; 1]) -> u64 {
    word
}

#[inline(always)]
pub(crate) const fn store(word: u64) -> [u64; 1] {
    [word]
}

#[inline(always)]
pub(crate) const fn splat(word: u64) -> u64 {
    word
}

#[inline(always)]
pub(crate) const fn xor(a: u64, b: u64) -> u64 {
    a ^ b
}

#[inline(always)]
pub(crate) const fn xor3(a: u64, b: u64, c: u64) -> u64 {
    a ^ b ^ c
}

#[inline(always)]
pub(crate) const fn chi(a: u64, b: u64, c: u64) -> u64 {
    a ^ (!b & c)
}

#[inline(always)]
pub(crate) const fn rol<const LEFT: u32, const RIGHT: u32>(a: u64) -> u64 {
    a.rotate_left(LEFT)
}

#[inline(always)]
pub(crate) const fn rol_by(a: u64, left: u32) -> u64 {
    a.rotate_left(left)
}
