//! Why a key file does not open.

use std::fmt;

use undertone_base::FaultClass;

use crate::limits;

/// A member of a key file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Member {
    /// `address`: 40 hex digits.
    Address,
    /// `cipher`: aes-128-ctr in version 3, aes-128-cbc in version 1.
    Cipher,
    /// `ciphertext`: hex.
    Ciphertext,
    /// `crypto`: an object.
    Crypto,
    /// `kdfparams.dklen`: 32, or more, of which 32 are used.
    Dklen,
    /// `cipherparams.iv`: 32 hex digits.
    Iv,
    /// `kdf`: scrypt or pbkdf2.
    Kdf,
    /// `kdfparams`: n, r, p of scrypt, or c of PBKDF2.
    KdfParams,
    /// `mac`: 64 hex digits.
    Mac,
    /// `kdfparams.prf`: hmac-sha256.
    Prf,
    /// `kdfparams.salt`: hex.
    Salt,
    /// `version`: 3, or 1.
    Version,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "address",
            Self::Cipher => "cipher",
            Self::Ciphertext => "ciphertext",
            Self::Crypto => "crypto",
            Self::Dklen => "dklen",
            Self::Iv => "iv",
            Self::Kdf => "kdf",
            Self::KdfParams => "kdfparams",
            Self::Mac => "mac",
            Self::Prf => "prf",
            Self::Salt => "salt",
            Self::Version => "version",
        })
    }
}

/// Why a key file cannot be read or opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The key inside belongs to another address than the file says.
    #[error("the key inside belongs to another address than the file says")]
    AddressMismatch,
    /// The password is right, but what it opens is no key.
    #[error("no usable key inside")]
    Content,
    /// A member is missing or has the wrong form: the file is damaged.
    #[error("member {0} is missing or malformed")]
    Member(Member),
    /// Not a JSON object.
    #[error("not a json object")]
    NotJson,
    /// The key derivation asks for more memory or time than the limits allow.
    #[error("key derivation is too costly: at most 1 GiB of memory and 32 times geth's standard work")]
    TooCostly,
    /// Larger than any key file.
    #[error("file is larger than {} bytes", limits::KEY_FILE_BYTES)]
    TooLong,
    /// A member has a value of a kind that is not read here.
    #[error("this kind of {0} is not supported")]
    Unsupported(Member),
    /// The mac does not fit: another password, or a changed file.
    #[error("could not decrypt key with given password")]
    WrongPassword,
}

impl KeystoreError {
    /// Whoever typed the password or chose the file; a damaged file is the environment's.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::AddressMismatch | Self::Content | Self::Member(_) | Self::NotJson | Self::TooLong => {
                FaultClass::Environment
            }
            Self::TooCostly | Self::Unsupported(_) | Self::WrongPassword => FaultClass::Caller,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AddressMismatch => "keystore.address_mismatch",
            Self::Content => "keystore.content",
            Self::Member(_) => "keystore.member",
            Self::NotJson => "keystore.not_json",
            Self::TooCostly => "keystore.too_costly",
            Self::TooLong => "keystore.too_long",
            Self::Unsupported(_) => "keystore.unsupported",
            Self::WrongPassword => "keystore.wrong_password",
        }
    }
}
