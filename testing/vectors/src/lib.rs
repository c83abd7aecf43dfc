//! Test vectors made by running the originals (go-ethereum 1.9.7, status-go 0.60.0) with fixed keys, and
//! their loader. Each file explains itself in its `about` or `description` fields.
//!
//! ```no_run
//! let cases = undertone_vectors::load("x3dh");
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::panic, clippy::expect_used, reason = "a vector that cannot be read is a failed test")]

use std::path::Path;

pub use serde_json::Value;

/// The whole file `testing/vectors/<name>.json`.
///
/// # Panics
/// When the file is missing or is not JSON.
pub fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("vector file is JSON")
}

/// The bytes of a hex string value, `0x` optional.
///
/// # Panics
/// When the value is not a hex string.
pub fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("not a string: {value}"));
    const_hex::decode(text).unwrap_or_else(|e| panic!("not hex: {text}: {e}"))
}

/// `N` bytes of a hex string value.
///
/// # Panics
/// When the value is not a hex string of that length.
pub fn hex_n<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap_or_else(|v: Vec<u8>| panic!("{} bytes, not {N}", v.len()))
}
