//! Consecutive nonces behind a prefix that is absorbed once.

use std::fmt;

use crate::backend::{Backend, Kind};
use crate::permute::{Block, Permute, Portable, RATE, RATE_WORDS, State, WORDS, permute};

/// Bytes of a nonce, big-endian.
const NONCE: usize = 8;

/// Looks for a nonce so that Keccak-256(prefix ‖ nonce as eight bytes, big-endian) begins with enough zero bits.
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
    midstate: [u64; WORDS],
    /// What is left of the prefix, eight zeros for the nonce, the padding.
    first: [u8; RATE],
    /// The same, when it does not fit into one block.
    second: Option<[u8; RATE]>,
    /// Where the nonce begins: at most 135.
    at: usize,
}

impl Search {
    /// Absorbs the prefix, for the best backend that this processor has.
    pub fn new(prefix: &[u8]) -> Self {
        Self::with_backend(prefix, Backend::best())
    }

    /// Absorbs the prefix, for this backend.
    pub fn with_backend(prefix: &[u8], backend: Backend) -> Self {
        let (blocks, rest) = prefix.as_chunks::<RATE>();
        let mut midstate = [0; WORDS];
        for block in blocks {
            for (word, bytes) in midstate.iter_mut().zip(block.as_chunks().0) {
                *word ^= u64::from_le_bytes(*bytes);
            }
            permute(&mut midstate);
        }
        let mut tail = [0; 2 * RATE];
        let at = rest.len();
        for (to, from) in tail.iter_mut().zip(rest) {
            *to = *from;
        }
        // The padding of Keccak-256, as in `input.rs`.
        let one_block = at + NONCE < RATE;
        let end = if one_block { RATE } else { 2 * RATE };
        if let Some(byte) = tail.get_mut(at + NONCE) {
            *byte = 0x01;
        }
        if let Some(byte) = tail.get_mut(end - 1) {
            *byte |= 0x80;
        }
        let [first, second] = *tail.as_chunks().0 else { return Self::empty(backend) };
        Self { backend, midstate, first, second: (!one_block).then_some(second), at }
    }

    /// The first of `attempts` consecutive nonces from `start` on, wrapping around, whose hash begins with at least
    /// `zeros` zero bits. Every backend gives the same answer.
    pub fn first(&self, start: u64, attempts: u64, zeros: u32) -> Option<u64> {
        match self.backend.0 {
            Kind::Portable => self.run(Portable, start, attempts, zeros),
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(backend) => self.run(backend, start, attempts, zeros),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(backend) => self.run(backend, start, attempts, zeros),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(backend) => self.run(backend, start, attempts, zeros),
        }
    }

    /// The hash with this nonce.
    pub fn hash(&self, nonce: u64) -> [u8; 32] {
        let mut lanes = Lanes::<1>::new(self);
        lanes.hash(Portable, [nonce]);
        lanes.hashed.digest(0)
    }

    fn run<const N: usize>(
        &self,
        backend: impl Permute<N>,
        start: u64,
        attempts: u64,
        zeros: u32,
    ) -> Option<u64> {
        let mut lanes = Lanes::<N>::new(self);
        let mut made = 0u64;
        while made < attempts {
            let mut nonce = start.wrapping_add(made);
            let nonces = std::array::from_fn(|_| {
                let this = nonce;
                nonce = nonce.wrapping_add(1);
                this
            });
            lanes.hash(backend, nonces);
            let left = usize::try_from(attempts - made).unwrap_or(usize::MAX);
            if let Some(found) = lanes.first(zeros, left) {
                return nonces.get(found).copied();
            }
            made = made.saturating_add(N as u64);
        }
        None
    }

    /// What the empty prefix gives; the slices above have the lengths that make this unreachable.
    fn empty(backend: Backend) -> Self {
        Self { backend, midstate: [0; WORDS], first: [0; RATE], second: None, at: 0 }
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// A search spread over lanes.
struct Lanes<const N: usize> {
    midstate: State<N>,
    /// Without the nonce.
    first: Block<N>,
    second: Option<Block<N>>,
    between: State<N>,
    hashed: State<N>,
    /// The word that the nonce begins in, and its bits before it.
    word: usize,
    shift: u32,
}

impl<const N: usize> Lanes<N> {
    fn new(search: &Search) -> Self {
        Self {
            midstate: State::broadcast(&search.midstate),
            first: Block::broadcast(&search.first),
            second: search.second.as_ref().map(Block::broadcast),
            between: State::ZERO,
            hashed: State::ZERO,
            word: search.at / 8,
            shift: u32::try_from(search.at % 8 * 8).unwrap_or_default(),
        }
    }

    fn hash(&mut self, backend: impl Permute<N>, nonces: [u64; N]) {
        let (low, high) = self.split(nonces);
        let Self { midstate, first, second, between, hashed, word, .. } = self;
        let mut one = first.clone();
        add(&mut one, *word, low);
        add(&mut one, *word + 1, high);
        let Some(second) = second else {
            return backend.absorb(midstate, &one, hashed);
        };
        let mut two = second.clone();
        if let Some(word) = (*word + 1).checked_sub(RATE_WORDS) {
            add(&mut two, word, high);
        }
        backend.absorb(midstate, &one, between);
        backend.absorb(between, &two, hashed);
    }

    /// What the nonces add to the word in which they begin, and to the next one.
    fn split(&self, nonces: [u64; N]) -> ([u64; N], [u64; N]) {
        // The words of a state are little-endian, the nonce is not.
        let nonces = nonces.map(u64::swap_bytes);
        let low = nonces.map(|nonce| nonce << self.shift);
        let high = nonces.map(|nonce| nonce.checked_shr(64 - self.shift).unwrap_or(0));
        (low, high)
    }

    /// The first of the first `among` lanes whose hash has these zero bits.
    fn first(&self, zeros: u32, among: usize) -> Option<usize> {
        let [word, ..] = &self.hashed.0;
        let enough = |word: &u64| word.swap_bytes().leading_zeros() >= zeros.min(64);
        let mut passed = word.iter().take(among).enumerate().filter(|(_, word)| enough(word));
        passed.find_map(|(lane, _)| (leading_zeros(&self.hashed.digest(lane)) >= zeros).then_some(lane))
    }
}

fn add<const N: usize>(block: &mut Block<N>, word: usize, nonces: [u64; N]) {
    if let Some(word) = block.0.get_mut(word) {
        word.iter_mut().zip(nonces).for_each(|(to, nonce)| *to ^= nonce);
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
