//! A digest of a run.

use std::fmt;

/// A digest over everything that was dispatched, in order. Not cryptographic: nobody here looks for collisions, and
/// it runs over every byte that the network carries.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Log {
    lanes: [u64; 2],
    entries: u64,
}

/// Odd constants with bits well spread: the fractions of the golden ratio and of the square root of two.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c909];

impl Log {
    pub(crate) const fn new() -> Self {
        Self { lanes: MIX, entries: 0 }
    }

    /// How many things happened.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The digest of this run and then another.
    #[must_use]
    pub(crate) fn then(mut self, other: Self) -> Self {
        let [a, b] = other.lanes;
        self.entry([a, b, other.entries, 0], &[]);
        self.entries += other.entries - 1;
        self
    }

    pub(super) fn entry(&mut self, words: [u64; 4], bytes: &[u8]) {
        self.entries += 1;
        for word in words {
            self.absorb(word);
        }
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            self.absorb(u64::from_le_bytes(*chunk));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.absorb(u64::from_le_bytes(last));
        self.absorb(bytes.len() as u64);
    }

    const fn absorb(&mut self, word: u64) {
        let [a, b] = self.lanes;
        let a = (a ^ word).wrapping_mul(MIX[0]).rotate_left(29);
        self.lanes = [a, (b.rotate_left(17) ^ word).wrapping_mul(MIX[1]).wrapping_add(a)];
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.lanes;
        write!(f, "{a:016x}{b:016x}")
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({self}, {} entries)", self.entries)
    }
}
