//! Keccak-256: the permutation and the sponge around it.
//!
//! Our own, because everything here waits for it (frame MACs, envelope names, proofs of work), and the generic
//! permutation of the `keccak` crate is at the mercy of inlining: where the compiler leaves its row copies as calls, a
//! relay does less than half the work. No tables, no branches on data. Held against the `sha3` crate over all lengths
//! and splits.

/// Bytes that one permutation takes in.
const RATE: usize = 136;
/// The lane that the last byte of a block is in.
const LAST_LANE: usize = RATE / 8 - 1;

/// The constants of Keccak-f\[1600\], one for each round.
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// The 25 lanes and how many bytes of the block at hand are in them.
#[derive(Clone)]
pub(crate) struct Sponge {
    lanes: [u64; 25],
    filled: usize,
}

impl Sponge {
    pub(crate) const fn new() -> Self {
        Self { lanes: [0; 25], filled: 0 }
    }

    pub(crate) fn absorb(&mut self, mut bytes: &[u8]) {
        if self.filled > 0 {
            let (head, rest) = bytes.split_at(bytes.len().min(RATE - self.filled));
            self.mix(head);
            if self.filled < RATE {
                return;
            }
            self.permute();
            bytes = rest;
        }
        let (blocks, rest) = bytes.as_chunks::<RATE>();
        for block in blocks {
            for (lane, word) in self.lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane ^= u64::from_le_bytes(*word);
            }
            self.permute();
        }
        self.mix(rest);
    }

    /// The digest of all that was absorbed so far.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut end = Self { lanes: self.lanes, filled: self.filled };
        end.mix(&[0x01]);
        end.lanes[LAST_LANE] ^= 0x80 << 56;
        end.permute();
        let mut out = [0; 32];
        for (to, lane) in out.as_chunks_mut::<8>().0.iter_mut().zip(end.lanes) {
            *to = lane.to_le_bytes();
        }
        out
    }

    /// XORs bytes that fit the block at hand: single ones up to a lane's edge, whole lanes, single ones.
    fn mix(&mut self, bytes: &[u8]) {
        let to_edge = self.filled.wrapping_neg() % 8;
        let (head, rest) = bytes.split_at(bytes.len().min(to_edge));
        self.mix_in_lane(head);
        let (words, tail) = rest.as_chunks::<8>();
        for (lane, word) in self.lanes.iter_mut().skip(self.filled / 8).zip(words) {
            *lane ^= u64::from_le_bytes(*word);
        }
        self.filled += words.len() * 8;
        self.mix_in_lane(tail);
    }

    /// Fewer than eight bytes that do not cross an edge.
    fn mix_in_lane(&mut self, bytes: &[u8]) {
        let word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        if let Some(lane) = self.lanes.get_mut(self.filled / 8) {
            *lane ^= word << (8 * (self.filled % 8));
        }
        self.filled += bytes.len();
    }

    fn permute(&mut self) {
        let mut lanes = complement(self.lanes);
        for pair in ROUNDS.as_chunks::<2>().0 {
            lanes = round(round(lanes, pair[0]), pair[1]);
        }
        self.lanes = complement(lanes);
        self.filled = 0;
    }
}

/// Between rounds these six lanes are kept inverted: a round then inverts eight times instead of 25 (the
/// "bebigokimisa" order of the Keccak team's own code).
#[inline(always)]
fn complement(mut lanes: [u64; 25]) -> [u64; 25] {
    lanes[1] = !lanes[1];
    lanes[2] = !lanes[2];
    lanes[8] = !lanes[8];
    lanes[12] = !lanes[12];
    lanes[17] = !lanes[17];
    lanes[20] = !lanes[20];
    lanes
}

/// One round: theta, rho and pi together, chi, iota. Lane (x, y) is at `x + 5 y`.
#[inline(always)]
fn round(a: [u64; 25], constant: u64) -> [u64; 25] {
    let c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
    let c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
    let c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
    let c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
    let c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
    let d0 = c4 ^ c1.rotate_left(1);
    let d1 = c0 ^ c2.rotate_left(1);
    let d2 = c1 ^ c3.rotate_left(1);
    let d3 = c2 ^ c4.rotate_left(1);
    let d4 = c3 ^ c0.rotate_left(1);
    let b0 = a[0] ^ d0;
    let b1 = (a[6] ^ d1).rotate_left(44);
    let b2 = (a[12] ^ d2).rotate_left(43);
    let b3 = (a[18] ^ d3).rotate_left(21);
    let b4 = (a[24] ^ d4).rotate_left(14);
    let first = [b0 ^ (b1 | b2) ^ constant, b1 ^ (!b2 | b3), b2 ^ (b3 & b4), b3 ^ (b4 | b0), b4 ^ (b0 & b1)];
    let b0 = (a[3] ^ d3).rotate_left(28);
    let b1 = (a[9] ^ d4).rotate_left(20);
    let b2 = (a[10] ^ d0).rotate_left(3);
    let b3 = (a[16] ^ d1).rotate_left(45);
    let b4 = (a[22] ^ d2).rotate_left(61);
    let second = [b0 ^ (b1 | b2), b1 ^ (b2 & b3), b2 ^ (b3 | !b4), b3 ^ (b4 | b0), b4 ^ (b0 & b1)];
    let b0 = (a[1] ^ d1).rotate_left(1);
    let b1 = (a[7] ^ d2).rotate_left(6);
    let b2 = (a[13] ^ d3).rotate_left(25);
    let b3 = (a[19] ^ d4).rotate_left(8);
    let b4 = (a[20] ^ d0).rotate_left(18);
    let third = [b0 ^ (b1 | b2), b1 ^ (b2 & b3), b2 ^ (!b3 & b4), !b3 ^ (b4 | b0), b4 ^ (b0 & b1)];
    let b0 = (a[4] ^ d4).rotate_left(27);
    let b1 = (a[5] ^ d0).rotate_left(36);
    let b2 = (a[11] ^ d1).rotate_left(10);
    let b3 = (a[17] ^ d2).rotate_left(15);
    let b4 = (a[23] ^ d3).rotate_left(56);
    let fourth = [b0 ^ (b1 & b2), b1 ^ (b2 | b3), b2 ^ (!b3 | b4), !b3 ^ (b4 & b0), b4 ^ (b0 | b1)];
    let b0 = (a[2] ^ d2).rotate_left(62);
    let b1 = (a[8] ^ d3).rotate_left(55);
    let b2 = (a[14] ^ d4).rotate_left(39);
    let b3 = (a[15] ^ d0).rotate_left(41);
    let b4 = (a[21] ^ d1).rotate_left(2);
    let fifth = [b0 ^ (!b1 & b2), !b1 ^ (b2 | b3), b2 ^ (b3 & b4), b3 ^ (b4 | b0), b4 ^ (b0 & b1)];
    let [e0, e1, e2, e3, e4] = first;
    let [e5, e6, e7, e8, e9] = second;
    let [e10, e11, e12, e13, e14] = third;
    let [e15, e16, e17, e18, e19] = fourth;
    let [e20, e21, e22, e23, e24] = fifth;
    [
        e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15, e16, e17, e18, e19, e20, e21,
        e22, e23, e24,
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha3::{Digest, Keccak256};

    use super::*;

    fn reference(bytes: &[u8]) -> [u8; 32] {
        Keccak256::digest(bytes).into()
    }

    #[test]
    fn every_length_of_three_blocks_is_hashed_as_the_reference_does() {
        let bytes: Vec<u8> = (0..3 * RATE + 9).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
        for len in 0..=bytes.len() {
            let mut sponge = Sponge::new();
            sponge.absorb(&bytes[..len]);
            assert_eq!(sponge.digest(), reference(&bytes[..len]), "{len} bytes");
        }
    }

    #[test]
    fn every_split_of_a_text_gives_one_digest() {
        let bytes: Vec<u8> = (0..2 * RATE + 5).map(|i| u8::try_from(i * 13 % 251).unwrap()).collect();
        for split in 0..=bytes.len() {
            let mut sponge = Sponge::new();
            sponge.absorb(&bytes[..split]);
            assert_eq!(sponge.digest(), reference(&bytes[..split]));
            sponge.absorb(&bytes[split..]);
            assert_eq!(sponge.digest(), reference(&bytes), "split at {split}");
        }
    }

    proptest! {
        #[test]
        fn any_pieces_are_hashed_as_one_text(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..12)) {
            let mut sponge = Sponge::new();
            pieces.iter().for_each(|piece| sponge.absorb(piece));
            prop_assert_eq!(sponge.digest(), reference(&pieces.concat()));
        }
    }
}
