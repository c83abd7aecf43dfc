//! Ethereum addresses and key UIDs.

use std::fmt;
use std::str::FromStr;

use undertone_base::{FaultClass, ParseHexError, decode_hex, fixed_bytes};
use undertone_crypto::hash::sha256;
use undertone_crypto::{PublicKey, keccak256};

/// Why text is not an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The letters are in mixed case, and not in the case that EIP-55 gives.
    #[error("upper and lower case letters do not fit the checksum")]
    Checksum,
    /// Not 40 hex digits.
    #[error(transparent)]
    Hex(#[from] ParseHexError),
}

impl AddressError {
    /// Whoever wrote the address.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Checksum => "address.checksum",
            Self::Hex(_) => "address.hex",
        }
    }
}

/// The last 20 bytes of Keccak-256 over `x || y`, shown with `0x` and the case of EIP-55.
///
/// ```
/// use undertone_account::Address;
/// let address: Address = "9858effd232b4033e47d90003d41ec34ecaeda94".parse()?;
/// assert_eq!(address.to_string(), "0x9858EfFD232B4033E47d90003D41EC34EcaEda94");
/// # Ok::<(), undertone_account::AddressError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address([u8; 20]);

impl Address {
    /// The address of a public key.
    pub fn of(key: &PublicKey) -> Self {
        Self(key.address())
    }

    /// Wraps the bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// 40 lower-case digits without `0x`, as key files and their names have it.
    pub fn to_bare_hex(&self) -> String {
        const_hex::encode(self.0)
    }

    /// The digits in the case of EIP-55, without `0x`.
    fn checksummed(&self) -> String {
        let lower = self.to_bare_hex();
        let hash = keccak256(lower.as_bytes());
        let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        lower
            .chars()
            .zip(nibbles)
            .map(|(digit, nibble)| if nibble >= 8 { digit.to_ascii_uppercase() } else { digit })
            .collect()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", self.checksummed())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.to_bare_hex())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads 40 digits, `0x` optional. Letters of one case are taken as they are, of both must fit EIP-55.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = Self(decode_hex(text)?);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mixed =
            digits.bytes().any(|c| c.is_ascii_lowercase()) && digits.bytes().any(|c| c.is_ascii_uppercase());
        if mixed && digits != address.checksummed() {
            return Err(AddressError::Checksum);
        }
        Ok(address)
    }
}

fixed_bytes! {
    /// Names a multiaccount in all stores: SHA-256 of the uncompressed master public key.
    pub struct KeyUid(32);
}

impl KeyUid {
    /// The UID of the multiaccount with this master public key.
    pub fn of(master: &PublicKey) -> Self {
        Self::from_bytes(sha256(&master.to_uncompressed()))
    }
}
