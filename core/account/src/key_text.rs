//! The text forms of public keys (`identity.md` 3).
//!
//! | form | example | made by | read by |
//! |---|---|---|---|
//! | user id | `0x04…`, 130 digits | [`PublicKey::to_hex`] | [`parse`] |
//! | bare | `04…` | [`PublicKey::to_bare_hex`] | [`parse`] |
//! | compressed | `0x02…` or `0x03…`, 66 digits, `0x` optional | [`compressed_hex`] | [`parse`] |
//! | chat key | `zQ3sh…`, 49 characters | [`chat_key`] | [`parse`] |
//! | other multibase | `fe701…` | [`multibase`] | [`parse`] |
//!
//! Multibase text holds the multicodec `E7 01` (secp256k1) and a key. The specification's example has `EA 01`
//! (BLS12-381) there: an error here as in status-go (trap T3).

use undertone_base::{FaultClass, Severity};
use undertone_crypto::{KeyError, PublicKey};

use crate::limits;
use crate::multibase::Base;

/// Why text is not a public key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// A character that the base does not have, or a length that it cannot have.
    #[error("not text of the base that its first character names")]
    Alphabet,
    /// No text.
    #[error("empty text")]
    Empty,
    /// Bytes that are no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another kind of key than secp256k1.
    #[error("multicodec {got:#x} is not secp256k1-pub (0xe7)")]
    Multicodec {
        /// The code that came.
        got: u64,
    },
    /// Longer than any form of a key.
    #[error("text is longer than {} bytes", limits::KEY_TEXT_BYTES)]
    TooLong,
    /// A first character that names no base which is read here.
    #[error("unknown form of a key")]
    UnknownForm,
    /// The multicodec is cut short, longer than 64 bits, or not written in the shortest way.
    #[error("multicodec is not a minimal varint")]
    Varint,
}

impl KeyTextError {
    /// Keys come from outside: whoever sent or typed them.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Mild)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Alphabet => "key_text.alphabet",
            Self::Empty => "key_text.empty",
            Self::Key(error) => error.code(),
            Self::Multicodec { .. } => "key_text.multicodec",
            Self::TooLong => "key_text.too_long",
            Self::UnknownForm => "key_text.unknown_form",
            Self::Varint => "key_text.varint",
        }
    }
}

/// Reads any form of the table above. Exact: blanks around the text are the caller's to trim.
///
/// ```
/// use undertone_account::key_text;
/// let key = key_text::parse("zQ3shPyZJnxZK4Bwyx9QsaksNKDYTPmpwPvGSjMYVHoXHeEgB")?;
/// assert_eq!(key_text::chat_key(&key), "zQ3shPyZJnxZK4Bwyx9QsaksNKDYTPmpwPvGSjMYVHoXHeEgB");
/// assert_eq!(key_text::parse(&key.to_hex()), Ok(key));
/// assert_eq!(key_text::parse(&key_text::compressed_hex(&key)), Ok(key));
/// # Ok::<(), key_text::KeyTextError>(())
/// ```
///
/// # Errors
/// Any [`KeyTextError`].
pub fn parse(text: &str) -> Result<PublicKey, KeyTextError> {
    bounded(text)?;
    let digits = text.strip_prefix("0x").unwrap_or(text);
    match digits.len() {
        UNCOMPRESSED_DIGITS => Ok(PublicKey::from_uncompressed(&hex(digits)?)?),
        COMPRESSED_DIGITS => Ok(PublicKey::from_compressed(&hex(digits)?)?),
        _ => {
            let bytes = decode_multibase(text)?;
            let key = strip_multicodec(&bytes)?;
            Ok(match key.len() {
                33 => PublicKey::from_compressed(key)?,
                _ => PublicKey::from_uncompressed(key)?,
            })
        }
    }
}

/// The form that people see and compare: `zQ3sh…`, always 49 characters.
pub fn chat_key(key: &PublicKey) -> String {
    multibase(key, Base::Base58Btc)
}

/// `0x02…` or `0x03…`.
pub fn compressed_hex(key: &PublicKey) -> String {
    const_hex::encode_prefixed(key.to_compressed())
}

/// The compressed key behind its multicodec in any base.
pub fn multibase(key: &PublicKey, base: Base) -> String {
    base.encode(&[&SECP256K1_PUB[..], &key.to_compressed()].concat())
}

/// status-go's `serializePublicKey`: multibase text of `E7 01` and an **uncompressed** key in, compressed out.
/// `0x…` is read as base `f`.
///
/// # Errors
/// Any [`KeyTextError`]; [`KeyError::Form`] for a key that is compressed already.
pub fn serialize(text: &str, base: Base) -> Result<String, KeyTextError> {
    let bytes = decode_multibase(text)?;
    Ok(multibase(&PublicKey::from_uncompressed(strip_multicodec(&bytes)?)?, base))
}

/// status-go's `deserializePublicKey`, the reverse of [`serialize`]: **compressed** in, uncompressed out.
///
/// # Errors
/// Any [`KeyTextError`]; [`KeyError::Form`] for a key that is not compressed.
pub fn deserialize(text: &str, base: Base) -> Result<String, KeyTextError> {
    let bytes = decode_multibase(text)?;
    let key = PublicKey::from_compressed(strip_multicodec(&bytes)?)?;
    Ok(base.encode(&[&SECP256K1_PUB[..], &key.to_uncompressed()].concat()))
}

/// Varint of 0xE7, the multicodec table's `secp256k1-pub`.
const SECP256K1_PUB: [u8; 2] = [0xe7, 0x01];
const SECP256K1_PUB_CODE: u64 = 0xe7;
const UNCOMPRESSED_DIGITS: usize = 130;
const COMPRESSED_DIGITS: usize = 66;

const fn bounded(text: &str) -> Result<(), KeyTextError> {
    match text.len() {
        0 => Err(KeyTextError::Empty),
        1..=limits::KEY_TEXT_BYTES => Ok(()),
        _ => Err(KeyTextError::TooLong),
    }
}

fn hex(digits: &str) -> Result<Vec<u8>, KeyTextError> {
    Base::Base16Lower.decode(digits)
}

fn decode_multibase(text: &str) -> Result<Vec<u8>, KeyTextError> {
    bounded(text)?;
    if let Some(digits) = text.strip_prefix("0x") {
        return hex(digits);
    }
    let mut chars = text.chars();
    let base = chars.next().and_then(Base::from_prefix).ok_or(KeyTextError::UnknownForm)?;
    base.decode(chars.as_str())
}

/// The key behind a minimal varint that says secp256k1.
fn strip_multicodec(bytes: &[u8]) -> Result<&[u8], KeyTextError> {
    let mut got = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(VARINT_BYTES) {
        got |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if at > 0 && *byte == 0 {
                return Err(KeyTextError::Varint);
            }
            if got != SECP256K1_PUB_CODE {
                return Err(KeyTextError::Multicodec { got });
            }
            return Ok(bytes.get(at + 1..).unwrap_or_default());
        }
    }
    Err(KeyTextError::Varint)
}

/// Multiformats: a varint has at most nine bytes.
const VARINT_BYTES: usize = 9;
