//! Two lanes in SSE2, which every x86-64 processor has: what is left where AVX2 is not.

use std::arch::x86_64::{
    __m128i, _mm_andnot_si128, _mm_cvtsi32_si128, _mm_or_si128, _mm_set1_epi64x, _mm_sll_epi64,
    _mm_slli_epi64, _mm_srl_epi64, _mm_srli_epi64, _mm_xor_si128,
};

use crate::half::Half;
use crate::permute::{Block, Permute, State};
use crate::rounds::{
    ROUND_CONSTANTS, absorb, add_block, chi_row, first_words, loaded, round, rows, stored, theta,
};

/// Exists only where the processor has the instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sse2(());

impl Sse2 {
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("sse2").then_some(Self(()))
    }
}

impl Permute<2> for Sse2 {
    #[inline]
    fn absorb(self, from: &State<2>, block: &Block<2>, to: &mut State<2>) {
        // SAFETY: a value of this type is made by `detect` alone, where the processor has sse2.
        unsafe { absorb(from, block, to) }
    }

    #[inline]
    fn first_words(self, half: &mut Half<2>, open: [u64; 2]) -> [u64; 2] {
        // SAFETY: as above.
        unsafe { first_words(half, open) }
    }
}

#[target_feature(enable = "sse2")]
fn absorb(from: &State<2>, block: &Block<2>, to: &mut State<2>) {
    absorb!(from, block, to);
}

#[target_feature(enable = "sse2")]
fn first_words(half: &mut Half<2>, open: [u64; 2]) -> [u64; 2] {
    first_words!(half, open)
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(words: [u64; 2]) -> __m128i {
    // SAFETY: both types are 16 bytes in which every bit pattern is a value.
    unsafe { std::mem::transmute(words) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(vector: __m128i) -> [u64; 2] {
    // SAFETY: both types are 16 bytes in which every bit pattern is a value.
    unsafe { std::mem::transmute(vector) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn splat(word: u64) -> __m128i {
    _mm_set1_epi64x(word.cast_signed())
}

#[inline]
#[target_feature(enable = "sse2")]
fn xor(a: __m128i, b: __m128i) -> __m128i {
    _mm_xor_si128(a, b)
}

#[inline]
#[target_feature(enable = "sse2")]
fn xor3(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
    xor(xor(a, b), c)
}

#[inline]
#[target_feature(enable = "sse2")]
fn chi(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
    xor(a, _mm_andnot_si128(b, c))
}

#[inline]
#[target_feature(enable = "sse2")]
fn rol<const LEFT: i32, const RIGHT: i32>(a: __m128i) -> __m128i {
    _mm_or_si128(_mm_slli_epi64::<LEFT>(a), _mm_srli_epi64::<RIGHT>(a))
}

#[inline]
#[target_feature(enable = "sse2")]
fn rol_by(a: __m128i, left: u32) -> __m128i {
    // A count of 64 shifts everything out.
    let (left, right) = (_mm_cvtsi32_si128(left.cast_signed()), _mm_cvtsi32_si128(64 - left.cast_signed()));
    _mm_or_si128(_mm_sll_epi64(a, left), _mm_srl_epi64(a, right))
}
