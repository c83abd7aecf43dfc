//! Keys by role. There is no `From` between roles.

use std::fmt;

use rand_core::CryptoRng;
use undertone_base::{Secret, fixed_bytes};
use undertone_crypto::{KeyError, KeyId, Keyring, PublicKey, SecretKey, UnknownKey};

/// Our identity: a public key and the name under which the keyring holds its private half, which this crate
/// never sees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LocalIdentity {
    id: KeyId,
    public: PublicKey,
}

impl LocalIdentity {
    /// The identity whose private key `keyring` holds under `id`.
    ///
    /// # Errors
    /// [`UnknownKey`] when it does not.
    pub fn new(keyring: &dyn Keyring, id: KeyId) -> Result<Self, UnknownKey> {
        keyring.public(&id).map(|public| Self { id, public }).ok_or(UnknownKey(id))
    }

    /// Its name in the keyring.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Its public key.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// The identity of somebody else: the key that signed the envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RemoteIdentity(PublicKey);

impl RemoteIdentity {
    /// Takes a key in this role.
    pub const fn new(key: PublicKey) -> Self {
        Self(key)
    }

    /// The key.
    pub const fn public(&self) -> &PublicKey {
        &self.0
    }
}

macro_rules! public_role {
    ($(#[$meta:meta])* $name:ident) => {
        fixed_bytes! {
            $(#[$meta])*
            pub struct $name(33);
        }

        impl $name {
            /// The compressed form of a point.
            pub fn of(key: &PublicKey) -> Self {
                Self::from_bytes(key.to_compressed())
            }

            /// The point.
            ///
            /// # Errors
            /// [`KeyError`] when these bytes are not a compressed point of the curve.
            pub fn point(&self) -> Result<PublicKey, KeyError> {
                PublicKey::from_compressed(self.as_bytes())
            }
        }
    };
}

public_role! {
    /// Names a prekey: its compressed public key. All 33 bytes count: a key and its negation agree on every
    /// shared secret (`security.md` S12).
    PrekeyId
}
public_role! {
    /// The ratchet key in the header of a message, not yet known to be a point.
    RatchetPublic
}
public_role! {
    /// The key that opens a session or a DH-only message, not yet known to be a point.
    EphemeralPublic
}

macro_rules! private_role {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name(SecretKey);

        impl $name {
            /// A fresh key.
            pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
                Self(SecretKey::random(rng))
            }

            /// Takes a key in this role.
            pub const fn from_secret_key(key: SecretKey) -> Self {
                Self(key)
            }

            pub(crate) const fn secret_key(&self) -> &SecretKey {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(32 bytes)"))
            }
        }
    };
}

private_role! {
    /// The private half of one of our prekeys.
    PrekeyPrivate
}
private_role! {
    /// The private half of the key that opens one session or one DH-only message.
    EphemeralKey
}

/// Our ratchet key pair of the moment. The public half is kept because every header names it.
#[derive(Clone)]
pub struct RatchetPair {
    secret: SecretKey,
    public: RatchetPublic,
}

impl RatchetPair {
    /// A fresh pair.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_secret_key(SecretKey::random(rng))
    }

    /// The pair of a private key.
    pub fn from_secret_key(secret: SecretKey) -> Self {
        let public = RatchetPublic::of(&secret.public());
        Self { secret, public }
    }

    /// The pair that a responder starts with: the prekey that the session was opened on.
    pub(crate) fn from_prekey(private: &PrekeyPrivate, id: &PrekeyId) -> Self {
        Self { secret: private.0.clone(), public: RatchetPublic::from_bytes(*id.as_bytes()) }
    }

    /// A pair read back from the store, whose halves were written together.
    pub(crate) const fn from_stored(secret: SecretKey, public: RatchetPublic) -> Self {
        Self { secret, public }
    }

    /// The public half.
    pub const fn public(&self) -> &RatchetPublic {
        &self.public
    }

    pub(crate) const fn secret_key(&self) -> &SecretKey {
        &self.secret
    }
}

impl fmt::Debug for RatchetPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RatchetPair({}, private 32 bytes)", self.public.short())
    }
}

macro_rules! secret_role {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name(Secret<32>);

        impl $name {
            /// Takes 32 bytes in this role.
            pub const fn from_secret(bytes: Secret<32>) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub fn expose(&self) -> &[u8; 32] {
                self.0.expose()
            }
        }
    };
}

secret_role! {
    /// SK, what X3DH agrees on.
    SessionKey
}
secret_role! {
    /// The key that every DH step of a ratchet mixes into.
    RootKey
}
secret_role! {
    /// The key from which the message keys of one chain come.
    ChainKey
}
secret_role! {
    /// The key of one message.
    MessageKey
}
secret_role! {
    /// What two identities share for ever: the name and key of their negotiated topic (`security.md` 6.3).
    NegotiatedSecret
}
