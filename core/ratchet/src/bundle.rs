//! Prekey bundles: what an identity says about its devices (`security.md` 2).
//!
//! A [`RawBundle`] has a shape. A [`VerifiedBundle`] has passed rules 1 to 3 of `security.md` 2.3, in order,
//! and is the only thing that can be stored; rules 4 and 5 need the store and are applied while storing.
//!
//! DEVIATION: `security.md` S1: the original stores a bundle before it looks at the signature. Here the types
//! make that impossible (test `forged_bundles_change_nothing`).

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use undertone_base::Unix;
use undertone_crypto::{Keyring, PublicKey, Signature, UnknownKey, keccak256};

use crate::error::{BundleError, ProtocolError};
use crate::installation::InstallationId;
use crate::keys::{LocalIdentity, PrekeyId, RemoteIdentity};
use crate::limits::{MAX_BUNDLE_AHEAD, MAX_BUNDLE_BYTES, MAX_BUNDLE_ENTRIES, MIN_BUNDLE_TIMESTAMP};
use crate::proto::wire;
use crate::protocol::for_each_field;

/// Our version of the protocol: we can negotiate a secret (`security.md` 1).
pub(crate) const PROTOCOL_VERSION: u32 = 1;
const SIGNED_PRE_KEYS: u32 = 2;

/// A bundle as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct RawBundle(wire::Bundle);

/// A bundle that its identity has signed and that breaks no rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedBundle {
    identity: RemoteIdentity,
    timestamp: i64,
    entries: Vec<Entry>,
}

/// One device of a bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The device.
    pub installation: InstallationId,
    /// Its prekey, a valid point.
    pub prekey: PrekeyId,
    /// Grows when the prekey changes.
    pub version: u32,
    /// What the device can do. Not signed: decide nothing about security by it (`security.md` S5).
    pub protocol_version: u32,
}

impl RawBundle {
    /// Reads a bundle. Unknown fields are skipped (tolerant). The inner error is a bundle to be dropped
    /// unread because it is too large.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Result<Self, BundleError>, ProtocolError> {
        let mut entries = 0usize;
        for_each_field(bytes, |tag| entries = entries.saturating_add(usize::from(tag == SIGNED_PRE_KEYS)))
            .ok_or(ProtocolError::Malformed)?;
        if entries > MAX_BUNDLE_ENTRIES || bytes.len() > MAX_BUNDLE_BYTES {
            return Ok(Err(BundleError::TooLarge));
        }
        let bundle = wire::Bundle::decode(bytes).map_err(|_| ProtocolError::Malformed)?;
        Ok(Ok(Self(bundle)))
    }

    /// Applies rules 1, 2 and 3 of `security.md` 2.3.
    ///
    /// A signature with a high s passes, as with peers: it names the same key.
    ///
    /// # Errors
    /// [`BundleError`], the first rule that is broken.
    pub fn verify(&self, now: Unix) -> Result<VerifiedBundle, BundleError> {
        let entries = self.entries()?;
        check_timestamp(self.0.timestamp, now)?;
        let identity = self.signer()?;
        Ok(VerifiedBundle { identity, timestamp: self.0.timestamp, entries })
    }

    /// Rule 1.
    fn entries(&self) -> Result<Vec<Entry>, BundleError> {
        if self.0.signed_pre_keys.len() > MAX_BUNDLE_ENTRIES {
            return Err(BundleError::TooLarge);
        }
        let mut seen = BTreeSet::new();
        let mut entries = Vec::with_capacity(self.0.signed_pre_keys.len());
        for (name, entry) in &self.0.signed_pre_keys {
            let installation = InstallationId::new(name).ok_or(BundleError::Installation)?;
            let prekey =
                PublicKey::from_compressed(&entry.signed_pre_key).map_err(|_| BundleError::Prekey)?;
            let prekey = PrekeyId::of(&prekey);
            if !seen.insert(prekey) {
                return Err(BundleError::PrekeyTwice);
            }
            entries.push(Entry {
                installation,
                prekey,
                version: entry.version,
                protocol_version: entry.protocol_version,
            });
        }
        Ok(entries)
    }

    /// Rule 3.
    fn signer(&self) -> Result<RemoteIdentity, BundleError> {
        let identity = PublicKey::from_compressed(&self.0.identity).map_err(|_| BundleError::Identity)?;
        let signature = Signature::from_slice(&self.0.signature).map_err(|_| BundleError::Signature)?;
        if signature.as_bytes()[64] > 1 {
            return Err(BundleError::Signature);
        }
        let signer = signature.recover(&self.digest()).map_err(|_| BundleError::Signature)?;
        if signer == identity { Ok(RemoteIdentity::new(identity)) } else { Err(BundleError::Signature) }
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        keccak256(&signed_bytes(&self.0.signed_pre_keys, self.0.timestamp))
    }

    #[cfg(test)]
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        signed_bytes(&self.0.signed_pre_keys, self.0.timestamp)
    }
}

impl VerifiedBundle {
    /// Whose devices these are. Not always the sender of the message that it came in.
    pub const fn identity(&self) -> &RemoteIdentity {
        &self.identity
    }

    /// When it was signed, nanoseconds since 1970.
    pub const fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// The devices, ascending by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// Signs and writes a bundle of our own.
///
/// # Errors
/// [`UnknownKey`] when the keyring has lost our identity.
pub(crate) fn sign(
    keyring: &dyn Keyring,
    own: &LocalIdentity,
    entries: impl IntoIterator<Item = Entry>,
    timestamp: i64,
) -> Result<Vec<u8>, UnknownKey> {
    let entries = entries.into_iter().map(|entry| {
        let key = wire::SignedPreKey {
            signed_pre_key: entry.prekey.as_bytes().to_vec(),
            version: entry.version,
            protocol_version: entry.protocol_version,
        };
        (entry.installation.as_str().to_owned(), key)
    });
    let signed_pre_keys: BTreeMap<_, _> = entries.collect();
    let digest = keccak256(&signed_bytes(&signed_pre_keys, timestamp));
    let bundle = wire::Bundle {
        identity: own.public().to_compressed().to_vec(),
        signed_pre_keys,
        signature: keyring.sign(own.id(), &digest)?.as_bytes().to_vec(),
        timestamp,
    };
    Ok(bundle.encode_to_vec())
}

/// Rule 2. Also stops the forgery that moves digits of the timestamp (`security.md` S4).
fn check_timestamp(timestamp: i64, now: Unix) -> Result<(), BundleError> {
    let latest = nanos(now.after(MAX_BUNDLE_AHEAD));
    if (MIN_BUNDLE_TIMESTAMP..=latest).contains(&timestamp) { Ok(()) } else { Err(BundleError::Timestamp) }
}

/// Nanoseconds since 1970; stops at the end of the range (2262).
pub(crate) fn nanos(at: Unix) -> i64 {
    i64::try_from(at.millis()).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

/// For each device, ascending by the bytes of its name: name, prekey, version in decimal; then the timestamp
/// in decimal unless it is 0. No separators (`security.md` 2.2).
fn signed_bytes(entries: &BTreeMap<String, wire::SignedPreKey>, timestamp: i64) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, entry) in entries {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&entry.signed_pre_key);
        out.extend_from_slice(entry.version.to_string().as_bytes());
    }
    if timestamp != 0 {
        out.extend_from_slice(timestamp.to_string().as_bytes());
    }
    out
}

#[cfg(test)]
mod tests;
