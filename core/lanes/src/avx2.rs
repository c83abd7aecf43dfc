//! Four lanes in AVX2: a rotation is two shifts and a union.

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_andnot_si256, _mm256_or_si256, _mm256_set1_epi64x, _mm256_sll_epi64,
    _mm256_slli_epi64, _mm256_srl_epi64, _mm256_srli_epi64, _mm256_xor_si256,
};

use crate::half::Half;
use crate::permute::{Block, Permute, State};
use crate::rounds::{
    ROUND_CONSTANTS, absorb, add_block, chi_row, first_words, loaded, round, rows, stored, theta,
};

/// Exists only where the processor has the instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Permute<4> for Avx2 {
    #[inline]
    fn absorb(self, from: &State<4>, block: &Block<4>, to: &mut State<4>) {
        // SAFETY: a value of this type is made by `detect` alone, where the processor has avx2.
        unsafe { absorb(from, block, to) }
    }

    #[inline]
    fn first_words(self, half: &mut Half<4>, open: [u64; 4]) -> [u64; 4] {
        // SAFETY: as above.
        unsafe { first_words(half, open) }
    }
}

#[target_feature(enable = "avx2")]
fn absorb(from: &State<4>, block: &Block<4>, to: &mut State<4>) {
    absorb!(from, block, to);
}

#[target_feature(enable = "avx2")]
fn first_words(half: &mut Half<4>, open: [u64; 4]) -> [u64; 4] {
    first_words!(half, open)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(words: [u64; 4]) -> __m256i {
    // SAFETY: both types are 32 bytes in which every bit pattern is a value.
    unsafe { std::mem::transmute(words) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(vector: __m256i) -> [u64; 4] {
    // SAFETY: both types are 32 bytes in which every bit pattern is a value.
    unsafe { std::mem::transmute(vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u64) -> __m256i {
    _mm256_set1_epi64x(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: __m256i, b: __m256i) -> __m256i {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    xor(xor(a, b), c)
}

#[inline]
#[target_feature(enable = "avx2")]
fn chi(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    xor(a, _mm256_andnot_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rol<const LEFT: i32, const RIGHT: i32>(a: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi64::<LEFT>(a), _mm256_srli_epi64::<RIGHT>(a))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rol_by(a: __m256i, left: u32) -> __m256i {
    // A count of 64 shifts everything out.
    let (left, right) = (_mm_cvtsi32_si128(left.cast_signed()), _mm_cvtsi32_si128(64 - left.cast_signed()));
    _mm256_or_si256(_mm256_sll_epi64(a, left), _mm256_srl_epi64(a, right))
}
