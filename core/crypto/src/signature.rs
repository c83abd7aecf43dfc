//! Recoverable ECDSA.

use std::fmt;

use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature as PlainSignature};
use undertone_base::{FaultClass, Severity};

use crate::key::{PublicKey, SecretKey};

/// Why a signature names nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Not 65 bytes.
    #[error("signature is {got} bytes, not 65")]
    Length {
        /// Bytes that came.
        got: usize,
    },
    /// The last byte is above 3. The wire form here is 0..=3, never 27 or 28.
    #[error("recovery id {got} is above 3")]
    RecoveryId {
        /// The byte that came.
        got: u8,
    },
    /// r or s is zero or out of range, or no point belongs to them.
    #[error("no key can have made this signature")]
    Unrecoverable,
}

impl SignatureError {
    /// The signer's fault, or that of whoever changed the bytes.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Serious)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "signature.length",
            Self::RecoveryId { .. } => "signature.recovery_id",
            Self::Unrecoverable => "signature.unrecoverable",
        }
    }
}

/// `r (32) || s (32) || v (1)`, `v` 0..=3. Made with RFC 6979 nonces and low s; high s is taken on receipt.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Signature([u8; 65]);

impl Signature {
    /// Signs a 32-byte digest.
    pub fn sign(digest: &[u8; 32], key: &SecretKey) -> Self {
        let signature =
            key.with(|key| RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(*digest), key));
        let (v, rs) = signature.serialize_compact();
        let mut out = [0; 65];
        out[..64].copy_from_slice(&rs);
        out[64] = v.to_u8();
        Self(out)
    }

    /// Wraps 65 received bytes. Whether they mean anything shows in [`Signature::recover`].
    ///
    /// # Errors
    /// [`SignatureError::Length`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SignatureError> {
        bytes.try_into().map(Self).map_err(|_| SignatureError::Length { got: bytes.len() })
    }

    /// The key that made this signature over `digest`.
    ///
    /// There is no other check: another digest recovers another, equally valid-looking key. The caller
    /// compares it with the key it expects.
    ///
    /// # Errors
    /// [`SignatureError::RecoveryId`], [`SignatureError::Unrecoverable`].
    pub fn recover(&self, digest: &[u8; 32]) -> Result<PublicKey, SignatureError> {
        let v = self.0[64];
        if v > 3 {
            return Err(SignatureError::RecoveryId { got: v });
        }
        RecoverableSignature::from_compact(&self.0[..64], RecoveryId::from_u8_masked(v))
            .and_then(|signature| signature.recover(Message::from_digest(*digest)))
            .map(PublicKey::from_inner)
            .map_err(|_| SignatureError::Unrecoverable)
    }

    /// Whether `key` made the plain form `r (32) || s (32)` over `digest`. High s is refused here, unlike in
    /// [`Signature::recover`]: node records and the roots of node lists are verified so.
    pub fn verify_plain(rs: &[u8; 64], digest: &[u8; 32], key: &PublicKey) -> bool {
        PlainSignature::from_compact(rs)
            .is_ok_and(|signature| signature.verify(Message::from_digest(*digest), key.inner()).is_ok())
    }

    /// The 65 bytes.
    pub const fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…, v {})", self.0[0], self.0[1], self.0[64])
    }
}
