//! secp256k1 keys.

use std::fmt;

use rand_core::CryptoRng;
use secp256k1::ecdh::shared_secret_point;
use undertone_base::{FaultClass, ParseHexError, Secret, Severity, decode_hex};
use zeroize::Zeroize;

use crate::hash::keccak256;

/// Why bytes are not a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Hex text that is no hex text of this length.
    #[error(transparent)]
    Hex(#[from] ParseHexError),
    /// A length or first byte that no accepted encoding has.
    #[error("not an accepted encoding of a public key")]
    Form,
    /// Not a point of the curve, or infinity, or a coordinate not below the field prime.
    #[error("not a point of the curve")]
    Point,
    /// A scalar that is zero or not below the group order.
    #[error("secret scalar out of range")]
    Scalar,
}

impl KeyError {
    /// Keys come from outside: whoever sent them.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Serious)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Hex(_) => "key.hex",
            Self::Form => "key.form",
            Self::Point => "key.point",
            Self::Scalar => "key.scalar",
        }
    }
}

/// A point of secp256k1, always valid.
///
/// Equality and order are over the 33-byte compressed form: a key and its negation are different keys.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct PublicKey(secp256k1::PublicKey);

impl PublicKey {
    /// From `04 || x || y`.
    ///
    /// # Errors
    /// [`KeyError::Form`] for any other length or first byte (the hybrids 06 and 07 too), [`KeyError::Point`].
    pub fn from_uncompressed(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 65] = bytes.try_into().map_err(|_| KeyError::Form)?;
        if bytes[0] != 0x04 {
            return Err(KeyError::Form);
        }
        secp256k1::PublicKey::from_slice(bytes).map(Self).map_err(|_| KeyError::Point)
    }

    /// From `x || y`, the 64-byte form of enode URLs, RLPx and discovery.
    ///
    /// # Errors
    /// [`KeyError::Form`] for another length, [`KeyError::Point`].
    pub fn from_xy(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 64] = bytes.try_into().map_err(|_| KeyError::Form)?;
        let mut full = [0x04; 65];
        full[1..].copy_from_slice(bytes);
        Self::from_uncompressed(&full)
    }

    /// From `02 || x` or `03 || x`.
    ///
    /// # Errors
    /// [`KeyError::Form`] for another length or first byte, [`KeyError::Point`].
    pub fn from_compressed(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 33] = bytes.try_into().map_err(|_| KeyError::Form)?;
        if bytes[0] != 0x02 && bytes[0] != 0x03 {
            return Err(KeyError::Form);
        }
        secp256k1::PublicKey::from_slice(bytes).map(Self).map_err(|_| KeyError::Point)
    }

    /// From the text form `0x04…` (130 digits, any case, `0x` optional).
    ///
    /// # Errors
    /// Any [`KeyError`] but `Scalar`.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        Self::from_uncompressed(&decode_hex::<65>(text)?)
    }

    /// `04 || x || y`.
    pub fn to_uncompressed(&self) -> [u8; 65] {
        self.0.serialize_uncompressed()
    }

    /// `x || y`.
    pub fn to_xy(&self) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(&self.to_uncompressed()[1..]);
        out
    }

    /// `02 || x` or `03 || x`.
    pub fn to_compressed(&self) -> [u8; 33] {
        self.0.serialize()
    }

    /// The X coordinate, 32 bytes big-endian.
    pub fn x(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(&self.to_compressed()[1..]);
        out
    }

    /// The text form that Status uses as a person's id: `0x04` and 128 lower-case digits.
    pub fn to_hex(&self) -> String {
        format!("0x{}", self.to_bare_hex())
    }

    /// The same without `0x`, as topic names use it.
    pub fn to_bare_hex(&self) -> String {
        let mut out = String::with_capacity(130);
        for byte in self.to_uncompressed() {
            out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        out
    }

    /// The Ethereum address: the last 20 bytes of Keccak-256 over `x || y`.
    pub fn address(&self) -> [u8; 20] {
        let mut out = [0; 20];
        out.copy_from_slice(&keccak256(&self.to_xy())[12..]);
        out
    }

    pub(crate) const fn inner(&self) -> &secp256k1::PublicKey {
        &self.0
    }

    pub(crate) const fn from_inner(key: secp256k1::PublicKey) -> Self {
        Self(key)
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_compressed().cmp(&other.to_compressed())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:.10}…)", self.to_bare_hex())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// A secp256k1 scalar, wiped on drop.
///
/// Roles are newtypes of the crates that have them (`ratchet`, `devp2p`); this is what they wrap.
pub struct SecretKey(Secret<32>);

impl SecretKey {
    /// A fresh key from `rng`.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            // One draw in 2^128 is out of range.
            if let Ok(key) = Self::from_secret(Secret::random(rng)) {
                return key;
            }
        }
    }

    /// From 32 bytes big-endian.
    ///
    /// # Errors
    /// [`KeyError::Scalar`] for zero or a value not below the group order.
    pub fn from_secret(bytes: Secret<32>) -> Result<Self, KeyError> {
        let checked = check(&bytes);
        wipe_copies();
        checked.map(|()| Self(bytes))
    }

    /// From a slice of 32 bytes big-endian.
    ///
    /// # Errors
    /// [`KeyError::Form`] for another length, [`KeyError::Scalar`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_secret(Secret::from_slice(bytes).ok_or(KeyError::Form)?)
    }

    /// From 64 hex digits, `0x` optional. For key files and flags.
    ///
    /// # Errors
    /// [`KeyError::Hex`], [`KeyError::Scalar`].
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let secret = secret_of_hex(text);
        wipe_copies();
        Self::from_secret(secret?)
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.with(|key| PublicKey(key.public_key()))
    }

    /// Raw ECDH: the 32-byte X coordinate of `self * other`, unhashed.
    pub fn ecdh(&self, other: &PublicKey) -> Secret<32> {
        self.with(|key| {
            let mut point = shared_secret_point(other.inner(), key);
            let secret = Secret::fill(|out| out.copy_from_slice(&point[..32]));
            point.zeroize();
            secret
        })
    }

    /// The scalar, 32 bytes big-endian.
    pub const fn secret(&self) -> &Secret<32> {
        &self.0
    }

    /// `self + tweak` modulo the group order, for BIP32.
    ///
    /// # Errors
    /// [`KeyError::Scalar`] when the tweak is not below the order or the sum is zero.
    pub fn add(&self, tweak: &Secret<32>) -> Result<Self, KeyError> {
        let scalar = secp256k1::Scalar::from_be_bytes(*tweak.expose()).map_err(|_| KeyError::Scalar)?;
        self.with(|key| {
            let mut sum = key.add_tweak(&scalar).map_err(|_| KeyError::Scalar)?;
            let out = Secret::fill(|bytes| bytes.copy_from_slice(sum.as_secret_bytes()));
            sum.non_secure_erase();
            Ok(Self(out))
        })
    }

    /// Runs `f` on libsecp256k1's form of the key and wipes that form after it.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&secp256k1::SecretKey) -> T) -> T {
        let out = self.lend(f);
        wipe_copies();
        out
    }

    #[inline(never)]
    fn lend<T>(&self, f: impl FnOnce(&secp256k1::SecretKey) -> T) -> T {
        #[expect(clippy::expect_used, reason = "every constructor checked the range of these bytes")]
        let mut key = secp256k1::SecretKey::from_secret_bytes(*self.0.expose()).expect("scalar in range");
        let out = f(&key);
        key.non_secure_erase();
        out
    }
}

/// The range, with libsecp256k1's copy wiped. Never inlined, so that what is left of it lies below the caller's frame.
#[inline(never)]
fn check(bytes: &Secret<32>) -> Result<(), KeyError> {
    let mut key = secp256k1::SecretKey::from_secret_bytes(*bytes.expose()).map_err(|_| KeyError::Scalar)?;
    key.non_secure_erase();
    Ok(())
}

#[inline(never)]
fn secret_of_hex(text: &str) -> Result<Secret<32>, KeyError> {
    let mut bytes = decode_hex::<32>(text)?;
    let secret = Secret::new(bytes);
    bytes.zeroize();
    Ok(secret)
}

/// The binding takes keys by value: each move is a copy on the stack, just below whoever called it, which is overwritten
/// here. libsecp256k1 itself wipes what it had.
#[inline(never)]
fn wipe_copies() {
    let mut below = [0_u8; 2_048];
    std::hint::black_box(&mut below);
}

impl Clone for SecretKey {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(32 bytes)")
    }
}
