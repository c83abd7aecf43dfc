//! Helpers of the tests: deterministic randomness, the one way to wait, a server that repeats recorded answers and,
//! behind the feature `mangle`, bad input with a count of what decoding it allocates.
#![forbid(unsafe_code)]

#[cfg(feature = "mangle")]
pub mod mangle;
mod port;
mod replay;
mod silent;

use std::time::{Duration, Instant};

pub use port::lasting_port;
pub use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
pub use replay::{Exchange, Replay};
pub use silent::assert_silent;

/// The generator of seed `n`. The variable `UNDERTONE_SEED` moves every seed of a run at once.
pub fn rng(n: u64) -> ChaCha20Rng {
    let shift = std::env::var("UNDERTONE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0u64);
    ChaCha20Rng::seed_from_u64(n.wrapping_add(shift))
}

/// Polls `condition` until it holds or `deadline` has passed; says which. The only place where a test waits.
pub fn until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// [`until`] inside a runtime: other tasks go on meanwhile.
#[cfg(feature = "async")]
pub async fn until_async(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
