//! Sealing.

use std::fmt;

use rand_core::CryptoRng;
use undertone_base::{FaultClass, Secret};
use undertone_crypto::{KeyId, Keyring, PublicKey, UnknownKey, ecies, gcm};

use crate::plaintext::{self, MAX_PAYLOAD, Padding};

/// What a payload is encrypted to.
#[derive(Clone, Copy, Debug)]
pub enum SealTo<'a> {
    /// Whoever has the private key.
    Asymmetric(&'a PublicKey),
    /// Whoever has this key.
    Symmetric(&'a Secret<32>),
}

/// The two forms of sealed data. They can be told apart from outside by length and first byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// ECIES: 113 bytes over the plaintext.
    Asymmetric,
    /// AES-256-GCM: 28 bytes over the plaintext.
    Symmetric,
}

impl Form {
    /// What encryption adds in bytes.
    pub const fn overhead(self) -> usize {
        match self {
            Self::Asymmetric => ecies::OVERHEAD,
            Self::Symmetric => gcm::OVERHEAD,
        }
    }
}

/// One payload to seal.
#[derive(Clone, Copy)]
pub struct SealRequest<'a> {
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: &'a [u8],
    /// Who signs, if anybody does.
    pub signer: Option<(&'a dyn Keyring, KeyId)>,
    /// Who can open it.
    pub seal_to: SealTo<'a>,
    /// What hides its length.
    pub padding: Padding<'a>,
}

impl fmt::Debug for SealRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealRequest")
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("signer", &self.signer.map(|(_, key)| key))
            .field("seal_to", &self.seal_to)
            .finish_non_exhaustive()
    }
}

/// Why nothing was sealed. All of it is the caller's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The size field has three bytes.
    #[error("payload of {got} bytes is over the limit of {MAX_PAYLOAD}")]
    TooLarge {
        /// Its size in bytes.
        got: usize,
    },
    /// The keyring has no such signer.
    #[error(transparent)]
    UnknownKey(#[from] UnknownKey),
    /// A symmetric key of zeros was never derived: the originals refuse it as well.
    #[error("the symmetric key is all zeros")]
    ZeroKey,
}

impl SealError {
    /// The caller.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "sealed.too_large",
            Self::UnknownKey(_) => "sealed.unknown_key",
            Self::ZeroKey => "sealed.zero_key",
        }
    }
}

/// Pads, signs and encrypts. The result is the data field of an envelope.
///
/// Symmetric: `AES-256-GCM ciphertext || tag (16) || nonce (12)`. Asymmetric: see [`ecies::encrypt`].
///
/// # Errors
/// [`SealError`]; `rng` may have been drawn from then.
pub fn seal(request: &SealRequest<'_>, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Vec<u8>, SealError> {
    if request.payload.len() > MAX_PAYLOAD {
        return Err(SealError::TooLarge { got: request.payload.len() });
    }
    if let SealTo::Symmetric(key) = request.seal_to
        && bool::from(key.ct_eq(&Secret::new([0; 32])))
    {
        return Err(SealError::ZeroKey);
    }
    let plaintext = plaintext::encode(request.payload, request.padding, request.signer, rng)?;
    Ok(match request.seal_to {
        SealTo::Asymmetric(key) => ecies::encrypt(key, &plaintext, b"", rng),
        SealTo::Symmetric(key) => gcm::seal(key, &plaintext, rng),
    })
}

/// Length in bytes of the sealed form of a payload with [`Padding::Auto`].
///
/// ```
/// use undertone_sealed::{Form, sealed_len};
/// assert_eq!(sealed_len(0, false, Form::Symmetric), 256 + 28);
/// assert_eq!(sealed_len(254, false, Form::Asymmetric), 512 + 113);
/// ```
pub const fn sealed_len(payload: usize, signed: bool, form: Form) -> usize {
    plaintext::padded_len(payload, signed) + form.overhead()
}
