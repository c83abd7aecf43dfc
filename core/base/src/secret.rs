//! Bytes that wipe on drop.

use std::fmt;

use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

/// `N` secret bytes on the heap: wiped on drop, never printed, compared in constant time.
///
/// There is no `Copy`, no `PartialEq` and no `Display`. Reading goes through [`Secret::expose`], so that
/// every place that touches key material can be found by that word.
///
/// ```
/// use undertone_base::Secret;
/// let key = Secret::new([7u8; 32]);
/// assert_eq!(format!("{key:?}"), "Secret(32 bytes)");
/// assert!(bool::from(key.ct_eq(&Secret::new([7u8; 32]))));
/// ```
#[derive(Clone)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes the bytes. The caller's own copy, if it keeps one, is the caller's to wipe.
    pub fn new(bytes: [u8; N]) -> Self {
        Self(Box::new(bytes))
    }

    /// `N` bytes from `rng`.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut secret = Self(Box::new([0; N]));
        rng.fill_bytes(secret.0.as_mut_slice());
        secret
    }

    /// A copy of `bytes`, or `None` when the length is not `N`.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self(Box::new([0; N]));
        if bytes.len() != N {
            return None;
        }
        secret.0.copy_from_slice(bytes);
        Some(secret)
    }

    /// Fills `N` bytes in place, so that no copy is left on the stack.
    pub fn fill(write: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        write(&mut secret.0);
        secret
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Constant-time comparison.
    pub fn ct_eq(&self, other: &Self) -> Choice {
        self.0.as_slice().ct_eq(other.0.as_slice())
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<const N: usize> zeroize::ZeroizeOnDrop for Secret<N> {}

/// Overwrites the part of this thread's stack that the calls before this one have used and left.
///
/// [`Secret`] wipes its heap; what libraries that take keys by value leave on the stack stays until other calls happen to
/// overwrite it, and the last ones of an idle or ended thread never are (the C library keeps the stacks of ended threads).
/// Call it where a piece of work that had keys is done, from the function that called that work, never from within it.
/// A microsecond or two.
///
/// ```
/// undertone_base::wipe_stack();
/// ```
#[inline(never)]
pub fn wipe_stack() {
    let mut below = [0_u8; STACK];
    // Looked at, as far as the compiler can know: it may not be left out.
    std::hint::black_box(&mut below);
}

/// How deep calls with keys go, in bytes, with room to spare; a thread has two million at the least.
const STACK: usize = 64 * 1024;

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({N} bytes)")
    }
}
