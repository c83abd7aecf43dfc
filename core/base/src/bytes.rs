//! Newtypes for ids of a fixed width.

use crate::FaultClass;

/// Text that is not the hex form of an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHexError {
    /// A character that is no hex digit.
    #[error("not hexadecimal")]
    NotHex,
    /// Another number of digits than the id has.
    #[error("expected {expected} hexadecimal digits, got {got}")]
    Length {
        /// Digits of this kind of id.
        expected: usize,
        /// Digits that were given.
        got: usize,
    },
}

impl ParseHexError {
    /// Whoever gave the text.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotHex => "hex.not_hex",
            Self::Length { .. } => "hex.length",
        }
    }
}

/// Reads exactly `N` bytes of hex with or without a leading `0x`.
///
/// # Errors
/// [`ParseHexError::Length`] before [`ParseHexError::NotHex`].
pub fn decode_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() != N.saturating_mul(2) {
        return Err(ParseHexError::Length { expected: N.saturating_mul(2), got: digits.len() });
    }
    let mut out = [0; N];
    const_hex::decode_to_slice(digits, &mut out).map_err(|_| ParseHexError::NotHex)?;
    Ok(out)
}

/// Defines a newtype over `[u8; N]`: `from_bytes`, `as_bytes`, hex `Display` with `0x`, tagged `Debug`,
/// `FromStr` (with or without `0x`), `AsRef<[u8]>`, `short()` and ordering.
///
/// ```
/// undertone_base::fixed_bytes! {
///     /// Names a thing.
///     pub struct ThingId(4);
/// }
/// let id = ThingId::from_bytes([0xde, 0xad, 0xbe, 0xef]);
/// assert_eq!(id.to_string(), "0xdeadbeef");
/// assert_eq!(format!("{id:?}"), "ThingId(deadbeef)");
/// assert_eq!("deadbeef".parse(), Ok(id));
/// ```
#[macro_export]
macro_rules! fixed_bytes {
    ($(#[$meta:meta])* $vis:vis struct $name:ident($len:expr);) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        $vis struct $name([u8; $len]);

        impl $name {
            /// Width in bytes.
            pub const LEN: usize = $len;

            /// Wraps the bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Wraps a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first eight hex digits, for logs.
            pub fn short(&self) -> String {
                let head = self.0.get(..4).unwrap_or(&self.0);
                $crate::__hex::encode(head)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(&$crate::__hex::encode_prefixed(self.0))
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                write!(f, "{}({})", stringify!($name), $crate::__hex::encode(self.0))
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::ParseHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::decode_hex(text).map(Self)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_of_the_wrong_length_or_alphabet_is_refused() {
        assert_eq!(decode_hex::<2>("0xabc"), Err(ParseHexError::Length { expected: 4, got: 3 }));
        assert_eq!(decode_hex::<2>("zzzz"), Err(ParseHexError::NotHex));
        assert_eq!(decode_hex::<2>("0xABcd"), Ok([0xab, 0xcd]));
    }
}
