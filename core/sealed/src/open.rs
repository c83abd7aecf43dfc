//! Opening.

use std::fmt;

use undertone_base::Secret;
use undertone_crypto::{KeyId, Keyring, Opaque, PublicKey, ecies, gcm};

use crate::plaintext;

/// What was inside. The signature, if there was one, is checked as far as a recovered key can be: see
/// [`Opened::author`].
#[derive(Clone, Eq, PartialEq)]
pub struct Opened {
    /// The payload.
    pub payload: Vec<u8>,
    /// Whatever stood after it: random, or the sender's choice. Authenticated like the payload.
    pub padding: Vec<u8>,
    /// The key that signed flags, size, payload and padding; `None` without signature. Any changed signed
    /// plaintext names some other key here, never an error.
    pub author: Option<PublicKey>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("padding", &format_args!("{} bytes", self.padding.len()))
            .field("author", &self.author)
            .finish()
    }
}

/// Opens what was sealed to a symmetric key. The input is hostile.
///
/// # Errors
/// [`Opaque`] for another key, changed or short data, a malformed plaintext or a signature that names nobody.
pub fn open_symmetric(key: &Secret<32>, sealed: &[u8]) -> Result<Opened, Opaque> {
    plaintext::decode(gcm::open(key, sealed)?)
}

/// Opens what was sealed to a public key of the keyring. The input is hostile.
///
/// # Errors
/// [`Opaque`] as for [`open_symmetric`], and also when the keyring has no such key.
pub fn open_asymmetric(keyring: &dyn Keyring, key: KeyId, sealed: &[u8]) -> Result<Opened, Opaque> {
    plaintext::decode(ecies::decrypt(sealed, b"", |ephemeral| keyring.ecdh(&key, ephemeral).ok())?)
}
