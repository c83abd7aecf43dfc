//! One lane with BMI: one instruction for `!b & c`, and rotations that keep what they rotate.

use crate::half::Half;
use crate::permute::{Block, Permute, State};
use crate::rounds::{
    ROUND_CONSTANTS, absorb, add_block, chi_row, first_words, loaded, round, rows, stored, theta,
};
use crate::scalar::{chi, load, rol, rol_by, splat, store, xor, xor3};

/// Exists only where the processor has the instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bmi(());

impl Bmi {
    pub(crate) fn detect() -> Option<Self> {
        let both = std::arch::is_x86_feature_detected!("bmi1") && std::arch::is_x86_feature_detected!("bmi2");
        both.then_some(Self(()))
    }
}

impl Permute<1> for Bmi {
    #[inline]
    fn absorb(self, from: &State<1>, block: &Block<1>, to: &mut State<1>) {
        // SAFETY: a value of this type is made by `detect` alone, where the processor has bmi1 and bmi2.
        unsafe { absorb(from, block, to) }
    }

    #[inline]
    fn first_words(self, half: &mut Half<1>, open: [u64; 1]) -> [u64; 1] {
        // SAFETY: as above.
        unsafe { first_words(half, open) }
    }
}

#[target_feature(enable = "bmi1,bmi2")]
fn absorb(from: &State<1>, block: &Block<1>, to: &mut State<1>) {
    absorb!(from, block, to);
}

#[target_feature(enable = "bmi1,bmi2")]
fn first_words(half: &mut Half<1>, open: [u64; 1]) -> [u64; 1] {
    first_words!(half, open)
}
