//! Consecutive nonces behind a prefix that is absorbed once.

use std::fmt;

use crate::backend::{Backend, Kind};
use crate::half::{Half, Places, places};
use crate::permute::{Block, Permute, RATE, RATE_WORDS, State, absorb};
use crate::scalar::Portable;

/// Bytes of a nonce, big-endian.
const NONCE: usize = 8;

/// Looks for a nonce so that Keccak-256(prefix ‖ nonce as eight bytes, big-endian) begins with enough zero bits.
///
/// What does not depend on the nonce is computed once, and of a hash no more than its first eight bytes, until they are
/// good enough. The last bytes of a nonce, those that change from one to the next, lie in one word of the state wherever
/// it begins, so between two nonces only that word changes; the bytes before it change at most every 256 attempts.
///
/// ```
/// use undertone_lanes::Search;
/// let search = Search::new(b"an envelope without its nonce");
/// let nonce = search.first(7, 100_000, 8).expect("one of 256 has them");
/// assert_eq!(search.hash(nonce)[0], 0);
/// ```
#[derive(Clone)]
pub struct Search {
    backend: Backend,
    /// After every whole block of the prefix.
    midstate: State<1>,
    /// What is left of the prefix, eight zeros for the nonce, the padding.
    first: Block<1>,
    /// The same, when it does not fit into one block.
    second: Option<Block<1>>,
    /// The word of the first block that the nonce begins in, and its bits before it: at most 16 and 56.
    word: usize,
    shift: u32,
    /// Where the first round carries the word that the nonce ends in.
    places: Places,
}

/// A nonce of some, from one on and wrapping around, whose hash begins with at least so many zero bits.
#[derive(Clone, Copy)]
struct Wanted {
    start: u64,
    attempts: u64,
    zeros: u32,
}

impl Search {
    /// Absorbs the prefix, for the best backend that this processor has.
    pub fn new(prefix: &[u8]) -> Self {
        Self::with_backend(prefix, Backend::best())
    }

    /// Absorbs the prefix, for this backend.
    pub fn with_backend(prefix: &[u8], backend: Backend) -> Self {
        let (blocks, rest) = prefix.as_chunks::<RATE>();
        let mut states = [State::ZERO, State::ZERO];
        let [mut midstate, mut to] = states.each_mut();
        for block in blocks {
            absorb(midstate, &Block::broadcast(block), to);
            std::mem::swap(&mut midstate, &mut to);
        }
        let mut tail = [[0; RATE]; 2];
        let at = rest.len();
        for (to, from) in tail.as_flattened_mut().iter_mut().zip(rest) {
            *to = *from;
        }
        // The padding of Keccak-256, as in `input.rs`.
        let one_block = at + NONCE < RATE;
        let end = if one_block { RATE } else { 2 * RATE };
        if let Some(byte) = tail.as_flattened_mut().get_mut(at + NONCE) {
            *byte = 0x01;
        }
        if let Some(byte) = tail.as_flattened_mut().get_mut(end - 1) {
            *byte |= 0x80;
        }
        let [first, second] = tail.each_ref().map(Block::broadcast);
        let second = (!one_block).then_some(second);
        let (word, shift) = (at / 8, u32::try_from(at % 8 * 8).unwrap_or_default());
        let open = if shift == 0 { word } else { (word + 1) % RATE_WORDS };
        Self { backend, midstate: midstate.clone(), first, second, word, shift, places: places(open) }
    }

    /// The first of `attempts` consecutive nonces from `start` on, wrapping around, whose hash begins with at least
    /// `zeros` zero bits. Every backend gives the same answer.
    pub fn first(&self, start: u64, attempts: u64, zeros: u32) -> Option<u64> {
        let wanted = Wanted { start, attempts, zeros };
        match self.backend.0 {
            Kind::Portable => self.run(Portable, wanted),
            #[cfg(target_arch = "x86_64")]
            Kind::Bmi(backend) => self.run(backend, wanted),
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(backend) => self.run(backend, wanted),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(backend) => self.run(backend, wanted),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(backend) => self.run(backend, wanted),
        }
    }

    /// The hash with this nonce.
    pub fn hash(&self, nonce: u64) -> [u8; 32] {
        let mut hashed = State::ZERO;
        absorb(&self.before(nonce), &Block::ZERO, &mut hashed);
        hashed.digest(0)
    }

    fn run<const N: usize>(&self, backend: impl Permute<N>, wanted: Wanted) -> Option<u64> {
        if self.fills_its_block() {
            return self.run_through_two(backend, wanted);
        }
        let Wanted { start, attempts, .. } = wanted;
        let changing = self.changing();
        let mut made = 0u64;
        while made < attempts {
            let nonce = start.wrapping_add(made);
            // Up to the next one that differs in other bytes as well.
            let alike = (changing - (nonce & changing)).saturating_add(1).min(attempts - made);
            let mut half = Half::new(&self.before(nonce & !changing).words(), &self.places);
            let words =
                |nonces: [u64; N]| backend.first_words(&mut half, nonces.map(|nonce| self.last_word(nonce)));
            let found = self.look(Wanted { start: nonce, attempts: alike, ..wanted }, words);
            if found.is_some() {
                return found;
            }
            made = made.saturating_add(alike);
        }
        None
    }

    /// Where the block behind the nonce holds padding alone, all of its state depends on the nonce: two permutations.
    fn run_through_two<const N: usize>(&self, backend: impl Permute<N>, wanted: Wanted) -> Option<u64> {
        let midstate = State::broadcast(&self.midstate.words());
        let mut first = self.first.spread();
        let second = self.second.as_ref().map_or(Block::ZERO, Block::spread);
        let mut between = State::ZERO;
        let mut hashed = State::ZERO;
        self.look(wanted, |nonces: [u64; N]| {
            if let Some(word) = first.0.get_mut(self.word) {
                *word = nonces.map(u64::swap_bytes);
            }
            backend.absorb(&midstate, &first, &mut between);
            backend.absorb(&between, &second, &mut hashed);
            let [words, ..] = hashed.0;
            words
        })
    }

    /// The first nonce with these zeros, by the first words of the hashes of `N` nonces.
    fn look<const N: usize>(
        &self,
        Wanted { start, attempts, zeros }: Wanted,
        mut first_words: impl FnMut([u64; N]) -> [u64; N],
    ) -> Option<u64> {
        // Of the first word, whose bytes begin with the lowest.
        let zero = (!u64::MAX.checked_shr(zeros).unwrap_or(0)).swap_bytes();
        let mut made = 0u64;
        while made < attempts {
            let mut nonce = start.wrapping_add(made);
            let nonces = std::array::from_fn(|_| {
                let this = nonce;
                nonce = nonce.wrapping_add(1);
                this
            });
            let words = first_words(nonces);
            if words.iter().any(|word| word & zero == 0) {
                let left = usize::try_from(attempts - made).unwrap_or(usize::MAX);
                let mut nonces = nonces.into_iter().take(left);
                let found = nonces.find(|nonce| leading_zeros(&self.hash(*nonce)) >= zeros);
                if found.is_some() {
                    return found;
                }
            }
            made = made.saturating_add(N as u64);
        }
        None
    }

    /// The state before the last permutation.
    fn before(&self, nonce: u64) -> State<1> {
        // The words of a state are little-endian, the nonce is not.
        let nonce = nonce.swap_bytes();
        let (begin, end) = (nonce << self.shift, nonce.checked_shr(64 - self.shift).unwrap_or(0));
        let mut block = self.first.clone();
        block.add(self.word, begin);
        block.add(self.word + 1, end);
        let Some(second) = &self.second else {
            return self.midstate.with(&block);
        };
        let mut between = State::ZERO;
        absorb(&self.midstate, &block, &mut between);
        let mut block = second.clone();
        if self.word + 1 == RATE_WORDS {
            block.add(0, end);
        }
        between.with(&block)
    }

    /// Nothing but padding comes behind the block that the nonce ends in, and none of it in that block.
    const fn fills_its_block(&self) -> bool {
        self.word + 1 == RATE_WORDS && self.shift == 0
    }

    /// The bits of a nonce that lie in the last word that it reaches.
    fn changing(&self) -> u64 {
        if self.shift == 0 { u64::MAX } else { (1 << self.shift) - 1 }
    }

    /// That word, but for what else is in it.
    const fn last_word(&self, nonce: u64) -> u64 {
        let nonce = nonce.swap_bytes();
        if self.shift == 0 { nonce } else { nonce >> (64 - self.shift) }
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("backend", &self.backend).finish_non_exhaustive()
    }
}

fn leading_zeros(hash: &[u8; 32]) -> u32 {
    let mut zeros = 0;
    for byte in hash {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_word_of_zeros_is_not_believed() {
        let search = Search::new(b"prefix");
        let mut asked = 0;
        let mut zeros = |nonces: [u64; 4]| {
            asked += nonces.len();
            [0; 4]
        };
        let wanted = |attempts, zeros| Wanted { start: 0, attempts, zeros };
        assert_eq!(search.look(wanted(10, 65), &mut zeros), None);
        assert_eq!(search.look(wanted(0, 0), &mut zeros), None);
        assert_eq!(asked, 12);
        let want =
            (0..1_000).find(|nonce| leading_zeros(&search.hash(*nonce)) >= 5).expect("one of 32 has them");
        assert_eq!(search.look(wanted(1_000, 5), |_| [0; 4]), Some(want));
    }
}
