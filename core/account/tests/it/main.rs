//! Vectors and properties of the public interface.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, also in the helpers of tests"
)]

mod backup;
mod codes;
mod derivation;
mod diagnosis;
mod errors;
mod key_text;
mod keystore;
mod link;
mod mangle;
mod mnemonic;
mod oracle;
mod pictures;
mod secrets;

use undertone_vectors::Value;

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}
