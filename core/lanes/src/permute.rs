//! States side by side, and the one step that all backends share.

#[cfg(target_arch = "x86_64")]
use crate::bmi::Bmi;
use crate::half::Half;
use crate::scalar::Portable;

/// Bytes of a block of Keccak-256: 1,600 bits less twice 256 (FIPS 202, 6.1).
pub(crate) const RATE: usize = 136;

/// Words of a block.
pub(crate) const RATE_WORDS: usize = RATE / 8;

/// Words of a state.
pub(crate) const WORDS: usize = 25;

/// `N` states: word `i` of lane `n` is `[i][n]`.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct State<const N: usize>(pub(crate) [[u64; N]; WORDS]);

/// `N` blocks in the same order.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct Block<const N: usize>(pub(crate) [[u64; N]; RATE_WORDS]);

/// A way to permute `N` states at once.
pub(crate) trait Permute<const N: usize>: Copy {
    /// `to` becomes Keccak-f[1600] of `from` with the blocks added, in every lane.
    fn absorb(self, from: &State<N>, block: &Block<N>, to: &mut State<N>);

    /// The first word of Keccak-f[1600] of every lane, with these words in the open places.
    fn first_words(self, half: &mut Half<N>, open: [u64; N]) -> [u64; N];
}

/// One state, with the best instructions that there are for one.
pub(crate) fn absorb(from: &State<1>, block: &Block<1>, to: &mut State<1>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(bmi) = Bmi::detect() {
        return bmi.absorb(from, block, to);
    }
    Portable.absorb(from, block, to);
}

impl<const N: usize> State<N> {
    pub(crate) const ZERO: Self = Self([[0; N]; WORDS]);

    /// The same state in every lane.
    pub(crate) fn broadcast(state: &[u64; WORDS]) -> Self {
        Self(state.map(|word| [word; N]))
    }

    /// Makes the state of a lane the empty one.
    pub(crate) fn clear(&mut self, lane: usize) {
        for word in self.0.iter_mut().filter_map(|word| word.get_mut(lane)) {
            *word = 0;
        }
    }

    /// The same with blocks added.
    pub(crate) fn with(&self, block: &Block<N>) -> Self {
        let mut out = self.clone();
        for (to, added) in out.0.iter_mut().flatten().zip(block.0.iter().flatten()) {
            *to ^= added;
        }
        out
    }

    /// The first 32 bytes of the state of a lane.
    pub(crate) fn digest(&self, lane: usize) -> [u8; 32] {
        let mut out = [0; 32];
        for (bytes, word) in out.as_chunks_mut().0.iter_mut().zip(&self.0) {
            *bytes = word.get(lane).copied().unwrap_or_default().to_le_bytes();
        }
        out
    }
}

impl State<1> {
    pub(crate) fn words(&self) -> [u64; WORDS] {
        self.0.map(|[word]| word)
    }
}

impl Block<1> {
    /// The same block in every lane.
    pub(crate) fn spread<const N: usize>(&self) -> Block<N> {
        Block(self.0.map(|[word]| [word; N]))
    }

    /// Adds to a word; a block that ends before it has none.
    pub(crate) fn add(&mut self, word: usize, added: u64) {
        if let Some([word]) = self.0.get_mut(word) {
            *word ^= added;
        }
    }
}

impl<const N: usize> Block<N> {
    pub(crate) const ZERO: Self = Self([[0; N]; RATE_WORDS]);

    /// The same block in every lane.
    pub(crate) fn broadcast(block: &[u8; RATE]) -> Self {
        let mut out = Self::ZERO;
        for (word, bytes) in out.0.iter_mut().zip(block.as_chunks().0) {
            *word = [u64::from_le_bytes(*bytes); N];
        }
        out
    }

    /// Puts a block into a lane.
    #[inline]
    pub(crate) fn put(&mut self, lane: usize, block: &[u8; RATE]) {
        for (word, bytes) in self.0.iter_mut().zip(block.as_chunks().0) {
            if let Some(word) = word.get_mut(lane) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
    }
}
