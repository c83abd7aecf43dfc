//! A cursor over hostile bytes.

use crate::{FaultClass, Severity};

/// The input ended before the field did.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("input ends {missing} bytes early")]
pub struct Truncated {
    /// How many more bytes the field needed.
    pub missing: usize,
}

impl Truncated {
    /// Whoever sent the bytes.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Serious)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        "input.truncated"
    }
}

/// Reads fixed fields from the front of a slice and never indexes out of it.
///
/// ```
/// use undertone_base::Reader;
/// let mut r = Reader::new(&[1, 2, 3, 4, 5]);
/// assert_eq!(r.take::<2>().unwrap(), [1, 2]);
/// assert_eq!(r.sub(1).unwrap(), &[3]);
/// assert_eq!(r.rest(), &[4, 5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the front.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Truncated`] when fewer than `N` bytes are left; nothing is consumed then.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (head, tail) = self
            .left
            .split_first_chunk::<N>()
            .ok_or(Truncated { missing: N.saturating_sub(self.left.len()) })?;
        self.left = tail;
        Ok(*head)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Truncated`] when fewer than `len` bytes are left; nothing is consumed then.
    pub fn sub(&mut self, len: usize) -> Result<&'a [u8], Truncated> {
        let (head, tail) = self
            .left
            .split_at_checked(len)
            .ok_or(Truncated { missing: len.saturating_sub(self.left.len()) })?;
        self.left = tail;
        Ok(head)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.left.len()
    }

    /// `Ok` when nothing is left, else how many bytes trail.
    ///
    /// # Errors
    /// The number of bytes that nobody read.
    pub const fn finish(self) -> Result<(), usize> {
        if self.left.is_empty() { Ok(()) } else { Err(self.left.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_consumes_nothing() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.take::<4>(), Err(Truncated { missing: 1 }));
        assert_eq!(r.sub(9), Err(Truncated { missing: 6 }));
        assert_eq!(r.remaining(), 3);
        assert_eq!(r.finish(), Err(3));
        assert_eq!(r.rest(), &[1, 2, 3]);
        assert_eq!(r.finish(), Ok(()));
    }
}
