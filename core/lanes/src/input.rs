//! What is hashed, block by block.

use crate::permute::RATE;

/// One input of [`keccak256_each`](crate::keccak256_each): up to three byte strings that are hashed as one, so that
/// nobody joins a header, a body and a nonce first.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    parts: [&'a [u8]; 3],
}

impl<'a> Input<'a> {
    /// One byte string.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::parts([bytes, &[], &[]])
    }

    /// Three in order; any of them may be empty.
    pub const fn parts(parts: [&'a [u8]; 3]) -> Self {
        Self { parts }
    }

    /// Permutations that it takes: one for each whole block, and one for what is left with the padding.
    pub(crate) fn blocks(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum::<usize>() / RATE + 1
    }
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes)
    }
}

/// Where the reading of an input is.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    now: &'a [u8],
    then: [&'a [u8]; 2],
}

/// A block and whether it was the last.
pub(crate) enum Next<'b> {
    More(&'b [u8; RATE]),
    Last(&'b [u8; RATE]),
}

impl<'a> Blocks<'a> {
    pub(crate) const fn of(input: &Input<'a>) -> Self {
        let [now, second, third] = input.parts;
        Self { now, then: [second, third] }
    }

    /// The next block: a piece of the input where it lies, or put together in `room`. After the last, nonsense.
    #[inline]
    pub(crate) fn next<'b>(&mut self, room: &'b mut [u8; RATE]) -> Next<'b>
    where
        'a: 'b,
    {
        if let Some((block, rest)) = self.now.split_first_chunk() {
            self.now = rest;
            return Next::More(block);
        }
        self.gather(room)
    }

    /// Across the ends of the parts; behind the last of them the padding of Keccak-256: 0x01, zeros, 0x80 (that of
    /// the original submission; FIPS 202 puts other bits before it).
    fn gather<'b>(&mut self, room: &'b mut [u8; RATE]) -> Next<'b> {
        let mut left = room.as_mut_slice();
        loop {
            let (piece, rest) = self.now.split_at(self.now.len().min(left.len()));
            let (filled, open) = left.split_at_mut(piece.len());
            filled.copy_from_slice(piece);
            (self.now, left) = (rest, open);
            if left.is_empty() {
                return Next::More(room);
            }
            let [second, third] = self.then;
            if second.is_empty() && third.is_empty() {
                break;
            }
            (self.now, self.then) = (second, [third, &[]]);
        }
        left.fill(0);
        if let Some(first) = left.first_mut() {
            *first = 0x01;
        }
        if let Some(last) = left.last_mut() {
            *last |= 0x80;
        }
        Next::Last(room)
    }
}
