//! The generator of a step.

use std::convert::Infallible;

use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};
use undertone_base::wipe_stack;

/// A generator that leaves nothing of its blocks on the stack. What it makes a block with stays there until another call
/// happens to lie on it, and a value that is moved to the heap takes along what lies where it has no fields: halves of keys
/// (`a_locked_account_leaves_no_key_in_memory_or_on_disk` finds them).
pub(crate) struct Dice<R>(R);

impl<R: CryptoRng> Dice<R> {
    pub(crate) const fn new(rng: R) -> Self {
        Self(rng)
    }

    fn wiped<T>(&mut self, draw: impl FnOnce(&mut R) -> T) -> T {
        let drawn = draw(&mut self.0);
        wipe_stack();
        drawn
    }
}

impl<R: CryptoRng> TryRng for Dice<R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.wiped(Rng::next_u32))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.wiped(Rng::next_u64))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.wiped(|rng| rng.fill_bytes(bytes));
        Ok(())
    }
}

impl<R: CryptoRng> TryCryptoRng for Dice<R> {}
