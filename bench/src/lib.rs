//! Benches beside the rows of the budget table. They are in `benches/`; figures and their commands are in
//! `bench/README.md`. The ids begin with the row: `B4 open/symmetric, signed`.
#![forbid(unsafe_code)]

use std::time::Duration;

use criterion::Criterion;
use rand_core::Rng;

pub use undertone_support::{ChaCha20Rng, rng};

/// Many short samples instead of few long ones: on a shared machine the fastest of them says most.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1_200))
        .nresamples(1_001)
        .without_plots()
}

/// `len` bytes that no compressor makes shorter, like sealed ones.
pub fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng(0).fill_bytes(&mut bytes);
    bytes
}
