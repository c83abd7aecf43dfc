//! Eight lanes in AVX-512: rotation and three-operand logic are instructions of their own.

use std::arch::x86_64::{
    __m512i, _mm512_rol_epi64, _mm512_rolv_epi64, _mm512_set1_epi64, _mm512_ternarylogic_epi64,
    _mm512_xor_si512,
};

use crate::half::Half;
use crate::permute::{Block, Permute, State};
use crate::rounds::{
    ROUND_CONSTANTS, absorb, add_block, chi_row, first_words, loaded, round, rows, stored, theta,
};

/// Exists only where the processor has the instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

impl Permute<8> for Avx512 {
    #[inline]
    fn absorb(self, from: &State<8>, block: &Block<8>, to: &mut State<8>) {
        // SAFETY: a value of this type is made by `detect` alone, where the processor has avx512f.
        unsafe { absorb(from, block, to) }
    }

    #[inline]
    fn first_words(self, half: &mut Half<8>, open: [u64; 8]) -> [u64; 8] {
        // SAFETY: as above.
        unsafe { first_words(half, open) }
    }
}

#[target_feature(enable = "avx512f")]
fn absorb(from: &State<8>, block: &Block<8>, to: &mut State<8>) {
    absorb!(from, block, to);
}

#[target_feature(enable = "avx512f")]
fn first_words(half: &mut Half<8>, open: [u64; 8]) -> [u64; 8] {
    first_words!(half, open)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: [u64; 8]) -> __m512i {
    // SAFETY: both types are 64 bytes in which every bit pattern is a value.
    unsafe { std::mem::transmute(words) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(vector: __m512i) -> [u64; 8] {
    // SAFETY: both types are 64 bytes in which every bit pattern is a value.
    unsafe { std::mem::transmute(vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i) -> __m512i {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    // The truth table of a ^ b ^ c.
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn chi(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    // The truth table of a ^ (!b & c).
    _mm512_ternarylogic_epi64::<0xd2>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rol<const LEFT: i32, const RIGHT: i32>(a: __m512i) -> __m512i {
    _mm512_rol_epi64::<LEFT>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rol_by(a: __m512i, left: u32) -> __m512i {
    _mm512_rolv_epi64(a, splat(u64::from(left)))
}
