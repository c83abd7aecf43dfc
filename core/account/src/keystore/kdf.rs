//! From a password to 32 bytes.

use rand_core::CryptoRng;
use serde_json::{Map, Value, json};
use undertone_base::Secret;
use undertone_crypto::kdf::pbkdf2_sha256;

use super::error::{KeystoreError, Member};
use super::section::{bytes, member, number, text};
use crate::limits;

/// What scrypt costs: memory 128 · n · r bytes, time in proportion to n · r · p.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScryptParams {
    log_n: u8,
    r: u32,
    p: u32,
}

impl ScryptParams {
    /// n = 262144, r = 8, p = 1: geth's standard, 256 MiB.
    pub const STANDARD: Self = Self { log_n: 18, r: 8, p: 1 };

    /// Checked parameters.
    ///
    /// # Errors
    /// [`KeystoreError::Member`] when n is not a power of two above 1, or r or p is zero;
    /// [`KeystoreError::TooCostly`] above [`limits::SCRYPT_MEMORY`], [`limits::SCRYPT_WORK`],
    /// [`limits::SCRYPT_R`] or [`limits::SCRYPT_P`].
    pub fn new(n: u64, r: u32, p: u32) -> Result<Self, KeystoreError> {
        if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
            return Err(KeystoreError::Member(Member::KdfParams));
        }
        let blocks = n.saturating_mul(u64::from(r));
        if r > limits::SCRYPT_R
            || p > limits::SCRYPT_P
            || blocks.saturating_mul(128) > limits::SCRYPT_MEMORY
            || blocks.saturating_mul(u64::from(p)) > limits::SCRYPT_WORK
        {
            return Err(KeystoreError::TooCostly);
        }
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| KeystoreError::TooCostly)?;
        Ok(Self { log_n, r, p })
    }

    /// The cost factor n.
    pub const fn n(&self) -> u64 {
        1 << self.log_n
    }

    /// The block factor r.
    pub const fn r(&self) -> u32 {
        self.r
    }

    /// The parallelism p.
    pub const fn p(&self) -> u32 {
        self.p
    }

    /// The 32 bytes. Slow.
    pub(crate) fn derive(&self, password: &str, salt: &[u8]) -> Secret<32> {
        Secret::fill(|out| {
            #[expect(clippy::expect_used, reason = "ScryptParams allows only what scrypt takes")]
            scrypt::Params::new(self.log_n, self.r, self.p)
                .ok()
                .and_then(|params| scrypt::scrypt(password.as_bytes(), salt, &params, out).ok())
                .expect("parameters within the limits");
        })
    }
}

impl Default for ScryptParams {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// A key derivation with its parameters, within the limits.
#[derive(Clone)]
pub(super) enum Kdf {
    Pbkdf2 { rounds: u32, salt: Vec<u8> },
    Scrypt { params: ScryptParams, salt: Vec<u8> },
}

impl Kdf {
    /// scrypt with a fresh salt.
    pub(super) fn fresh(params: ScryptParams, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut salt = vec![0; SALT];
        rng.fill_bytes(&mut salt);
        Self::Scrypt { params, salt }
    }

    pub(super) fn parse(section: &Map<String, Value>) -> Result<Self, KeystoreError> {
        let kind = text(section, "kdf").ok_or(KeystoreError::Member(Member::Kdf))?;
        if kind != "scrypt" && kind != "pbkdf2" {
            return Err(KeystoreError::Unsupported(Member::Kdf));
        }
        let Some(Value::Object(params)) = member(section, "kdfparams") else {
            return Err(KeystoreError::Member(Member::KdfParams));
        };
        match number(params, "dklen") {
            // Of more, the first 32 are used, and they are the same whatever comes after them.
            Some(32..=1_024) => {}
            Some(_) => return Err(KeystoreError::Unsupported(Member::Dklen)),
            None => return Err(KeystoreError::Member(Member::Dklen)),
        }
        let salt = bytes(params, "salt", limits::SALT_BYTES).ok_or(KeystoreError::Member(Member::Salt))?;
        let number = |name| number(params, name).ok_or(KeystoreError::Member(Member::KdfParams));
        if kind == "scrypt" {
            let small = |name| number(name).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
            return Ok(Self::Scrypt {
                params: ScryptParams::new(number("n")?, small("r")?, small("p")?)?,
                salt,
            });
        }
        match text(params, "prf") {
            Some("hmac-sha256") => {}
            Some(_) => return Err(KeystoreError::Unsupported(Member::Prf)),
            None => return Err(KeystoreError::Member(Member::Prf)),
        }
        match u32::try_from(number("c")?) {
            Ok(0) => Err(KeystoreError::Member(Member::KdfParams)),
            Ok(rounds) if rounds <= limits::PBKDF2_ROUNDS => Ok(Self::Pbkdf2 { rounds, salt }),
            _ => Err(KeystoreError::TooCostly),
        }
    }

    /// The members `kdf` and `kdfparams`.
    pub(super) fn to_json(&self) -> (&'static str, Value) {
        match self {
            Self::Pbkdf2 { rounds, salt } => {
                let salt = const_hex::encode(salt);
                ("pbkdf2", json!({"c": rounds, "dklen": 32, "prf": "hmac-sha256", "salt": salt}))
            }
            Self::Scrypt { params, salt } => {
                let salt = const_hex::encode(salt);
                let (n, r, p) = (params.n(), params.r, params.p);
                ("scrypt", json!({"n": n, "r": r, "p": p, "dklen": 32, "salt": salt}))
            }
        }
    }

    /// The 32 bytes. Slow.
    pub(super) fn derive(&self, password: &str) -> Secret<32> {
        match self {
            Self::Pbkdf2 { rounds, salt } => pbkdf2_sha256(password.as_bytes(), salt, *rounds),
            Self::Scrypt { params, salt } => params.derive(password, salt),
        }
    }
}

/// Bytes of a new salt; what geth and status-go use.
const SALT: usize = 32;
