//! Where a message goes, in terms of who may listen there.

use std::fmt;
use std::sync::Arc;

use undertone_base::{FaultClass, Secret};
use undertone_crypto::{PublicKey, keccak256};

/// Longest name of a public chat in bytes. Our choice: names are topics, keys and lines on a screen.
pub(crate) const MAX_NAME: usize = 128;

/// Where a message goes. Each variant says who can be listening; none says anything of the message.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Route {
    /// Everyone who knows the name of a key's contact code: bundles are published here.
    ContactCode(PublicKey),
    /// The two who share this secret.
    Negotiated(NegotiatedSecret),
    /// One of the 5,000 partitions that the key falls into; sealed to the key.
    Partition(PublicKey),
    /// The key's own topic; sealed to the key.
    Personal(PublicKey),
    /// Everyone who knows the name.
    Public(PublicName),
}

impl Route {
    /// Whether a payload on this route is encrypted to a key (else to a secret that the route itself gives).
    pub const fn is_sealed_to_a_key(&self) -> bool {
        matches!(self, Self::Partition(_) | Self::Personal(_))
    }
}

/// A name that cannot be a public chat's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a public chat's name has 1 to {MAX_NAME} bytes without control characters")]
pub struct BadName;

impl BadName {
    /// Whoever gave the name.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        "route.bad_name"
    }
}

/// The exact bytes of a public chat's name: `Status` and `status` are different chats.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicName(Arc<str>);

impl PublicName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BadName`] when empty, longer than 128 bytes or with control characters.
    pub fn new(name: &str) -> Result<Self, BadName> {
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(BadName);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PublicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for PublicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret that two identities share. Equality, order and hash are over a hash of it, so that it can be a
/// key of a map without being compared byte by byte.
#[derive(Clone)]
pub struct NegotiatedSecret {
    id: [u8; 32],
    secret: Arc<Secret<32>>,
}

impl NegotiatedSecret {
    /// Wraps the secret.
    pub fn new(secret: Secret<32>) -> Self {
        Self { id: keccak256(secret.expose()), secret: Arc::new(secret) }
    }

    /// The secret.
    pub fn secret(&self) -> &Secret<32> {
        &self.secret
    }
}

impl PartialEq for NegotiatedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for NegotiatedSecret {}

impl Ord for NegotiatedSecret {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl PartialOrd for NegotiatedSecret {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl std::hash::Hash for NegotiatedSecret {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for NegotiatedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NegotiatedSecret(..)")
    }
}
