//! Helpers of this crate's tests.

use std::collections::VecDeque;
use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// A generator that gives the listed bytes in order and stops the test when they run out.
pub(crate) struct Script(VecDeque<u8>);

impl Script {
    pub(crate) fn new(parts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(parts.into_iter().flatten().collect())
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for byte in dst {
            *byte = self.0.pop_front().expect("the script has no randomness left");
        }
        Ok(())
    }
}

impl TryCryptoRng for Script {}
