//! Keccak-256 over several inputs at once
