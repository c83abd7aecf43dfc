//! Rows as bytes: protobuf with a format number (`proto/stored.proto`), pinned by tests.
//!
//! Plain copies of secrets that protobuf makes on the way are wiped.

use prost::Message as _;
use undertone_base::{Secret, StoreError, Unix};
use undertone_crypto::SecretKey;
use zeroize::Zeroize;

use crate::keys::{
    ChainKey, EphemeralPublic, MessageKey, PrekeyId, PrekeyPrivate, RatchetPair, RatchetPublic, RootKey,
};
use crate::proto::stored;
use crate::ratchet::{Chain, Ratchet, Skipped};
use crate::session::{Role, Session};
use crate::store::Row;

/// The format that this version writes, and the only one so far.
const FORMAT: u32 = 1;

/// What we know of our own bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnState {
    /// The prekey that our bundles name.
    pub prekey: PrekeyId,
    /// Its version.
    pub version: u32,
    /// When it was made.
    pub created: Unix,
    /// Timestamp of the last bundle signed, nanoseconds since 1970.
    pub last_timestamp: i64,
}

/// One of our prekeys.
#[derive(Clone, Debug)]
pub struct OwnPrekey {
    /// The private half.
    pub private: PrekeyPrivate,
    /// Its version.
    pub version: u32,
    /// When it was made.
    pub created: Unix,
    /// When another took its place.
    pub retired: Option<Unix>,
}

/// What verified bundles said about a device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// Its prekey.
    pub prekey: PrekeyId,
    /// Version of the prekey.
    pub version: u32,
    /// Timestamp of the latest bundle that named it, nanoseconds since 1970.
    pub timestamp: i64,
    /// The highest protocol version seen. Not signed (`security.md` S5).
    pub protocol_version: u32,
    /// Whether we encrypt for it. Devices of other identities are from the start, our own are when a person
    /// says so.
    pub enabled: bool,
    /// The prekey of the session on which it was last heard.
    pub heard_on: Option<PrekeyId>,
    /// When something that it sent was last read here, by our clock. Unlike [`Device::timestamp`], which any device of
    /// its identity renews for all.
    pub heard: Option<Unix>,
}

/// A skipped key and when it was filed.
#[derive(Clone, Debug)]
pub struct FiledKey {
    /// The key.
    pub key: MessageKey,
    /// Its sequence number in the session.
    pub seq: u64,
    /// When it was filed.
    pub filed: Unix,
}

impl OwnState {
    /// The bytes of the row.
    pub fn to_bytes(&self) -> Row {
        let row = stored::OwnState {
            format: FORMAT,
            prekey: self.prekey.as_bytes().to_vec(),
            prekey_version: self.version,
            created_ms: self.created.millis(),
            last_timestamp_ns: self.last_timestamp,
        };
        Row::from(row.encode_to_vec())
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt("own state");
        let row = stored::OwnState::decode(bytes).map_err(|_| CORRUPT)?;
        check_format(row.format, CORRUPT)?;
        Ok(Self {
            prekey: PrekeyId::from_slice(&row.prekey).ok_or(CORRUPT)?,
            version: row.prekey_version,
            created: Unix::from_millis(row.created_ms),
            last_timestamp: row.last_timestamp_ns,
        })
    }
}

impl OwnPrekey {
    /// The bytes of the row.
    pub fn to_bytes(&self) -> Row {
        let mut row = stored::OwnPrekey {
            format: FORMAT,
            private_key: self.private.secret_key().secret().expose().to_vec(),
            version: self.version,
            created_ms: self.created.millis(),
            retired_ms: self.retired.map_or(0, Unix::millis),
        };
        let bytes = Row::from(row.encode_to_vec());
        row.private_key.zeroize();
        bytes
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt("own prekey");
        let row = stored::OwnPrekey::decode(wiped(bytes)).map_err(|_| CORRUPT)?;
        let private = secret_key(row.private_key);
        check_format(row.format, CORRUPT)?;
        Ok(Self {
            private: PrekeyPrivate::from_secret_key(private.ok_or(CORRUPT)?),
            version: row.version,
            created: Unix::from_millis(row.created_ms),
            retired: Some(Unix::from_millis(row.retired_ms)).filter(|at| at.millis() != 0),
        })
    }
}

impl Device {
    /// The bytes of the row.
    pub fn to_bytes(&self) -> Row {
        let row = stored::Device {
            format: FORMAT,
            prekey: self.prekey.as_bytes().to_vec(),
            prekey_version: self.version,
            timestamp_ns: self.timestamp,
            protocol_version: self.protocol_version,
            enabled: self.enabled,
            heard_on: self.heard_on.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            heard_ms: self.heard.map_or(0, Unix::millis),
        };
        Row::from(row.encode_to_vec())
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt("device");
        let row = stored::Device::decode(bytes).map_err(|_| CORRUPT)?;
        check_format(row.format, CORRUPT)?;
        Ok(Self {
            prekey: PrekeyId::from_slice(&row.prekey).ok_or(CORRUPT)?,
            version: row.prekey_version,
            timestamp: row.timestamp_ns,
            protocol_version: row.protocol_version,
            enabled: row.enabled,
            heard_on: optional(&row.heard_on, PrekeyId::from_slice, CORRUPT)?,
            heard: Some(Unix::from_millis(row.heard_ms)).filter(|at| at.millis() != 0),
        })
    }
}

impl Session {
    /// The bytes of the row.
    pub fn to_bytes(&self) -> Row {
        let ratchet = &self.ratchet;
        let mut row = stored::Session {
            format: FORMAT,
            root: ratchet.root.expose().to_vec(),
            own_private: ratchet.own.secret_key().secret().expose().to_vec(),
            own_public: ratchet.own.public().as_bytes().to_vec(),
            remote: ratchet.remote.map(|key| key.as_bytes().to_vec()).unwrap_or_default(),
            send_key: ratchet.send.key.expose().to_vec(),
            send_n: ratchet.send.n,
            receive_key: ratchet.receive.key.expose().to_vec(),
            receive_n: ratchet.receive.n,
            previous_n: ratchet.previous,
            keys_count: ratchet.keys_count,
            retired: ratchet.retired.iter().map(|key| key.as_bytes().to_vec()).collect(),
            ephemeral: self.ephemeral.as_bytes().to_vec(),
            initiator: self.role == Role::Initiator,
            heard: self.heard,
            rank: u64::from_be_bytes(*self.rank.expose()),
            used_ms: self.used.millis(),
            closed: self.closed,
            replaced: self.replaced.iter().map(|key| key.as_bytes().to_vec()).collect(),
        };
        let bytes = Row::from(row.encode_to_vec());
        wipe_session(&mut row);
        bytes
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut row = stored::Session::decode(wiped(bytes)).map_err(|_| SESSION)?;
        let session = read_session(&row);
        wipe_session(&mut row);
        session
    }
}

const SESSION: StoreError = StoreError::Corrupt("session");

fn read_session(row: &stored::Session) -> Result<Session, StoreError> {
    check_format(row.format, SESSION)?;
    let own = SecretKey::from_slice(&row.own_private).map_err(|_| SESSION)?;
    let public = |bytes: &[u8]| RatchetPublic::from_slice(bytes).ok_or(SESSION);
    let ratchet = Ratchet {
        root: RootKey::from_secret(secret(&row.root)?),
        own: RatchetPair::from_stored(own, public(&row.own_public)?),
        remote: optional(&row.remote, RatchetPublic::from_slice, SESSION)?,
        send: Chain { key: ChainKey::from_secret(secret(&row.send_key)?), n: row.send_n },
        receive: Chain { key: ChainKey::from_secret(secret(&row.receive_key)?), n: row.receive_n },
        previous: row.previous_n,
        keys_count: row.keys_count,
        retired: row.retired.iter().map(|key| public(key)).collect::<Result<_, _>>()?,
    };
    Ok(Session {
        ratchet,
        ephemeral: EphemeralPublic::from_slice(&row.ephemeral).ok_or(SESSION)?,
        role: if row.initiator { Role::Initiator } else { Role::Responder },
        heard: row.heard,
        rank: Secret::fill(|out| *out = row.rank.to_be_bytes()),
        used: Unix::from_millis(row.used_ms),
        closed: row.closed,
        replaced: row
            .replaced
            .iter()
            .map(|key| EphemeralPublic::from_slice(key).ok_or(SESSION))
            .collect::<Result<_, _>>()?,
    })
}

fn wipe_session(row: &mut stored::Session) {
    for bytes in [&mut row.root, &mut row.own_private, &mut row.send_key, &mut row.receive_key] {
        bytes.zeroize();
    }
    row.rank.zeroize();
}

impl FiledKey {
    /// A skipped key that is filed now.
    pub fn new(skipped: &Skipped, now: Unix) -> Self {
        Self { key: skipped.key.clone(), seq: skipped.seq, filed: now }
    }

    /// The bytes of the row.
    pub fn to_bytes(&self) -> Row {
        let mut row = stored::Skipped {
            format: FORMAT,
            message_key: self.key.expose().to_vec(),
            seq: self.seq,
            filed_ms: self.filed.millis(),
        };
        let bytes = Row::from(row.encode_to_vec());
        row.message_key.zeroize();
        bytes
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt("skipped key");
        let mut row = stored::Skipped::decode(wiped(bytes)).map_err(|_| CORRUPT)?;
        let key = Secret::from_slice(&row.message_key);
        row.message_key.zeroize();
        check_format(row.format, CORRUPT)?;
        Ok(Self {
            key: MessageKey::from_secret(key.ok_or(CORRUPT)?),
            seq: row.seq,
            filed: Unix::from_millis(row.filed_ms),
        })
    }
}

fn check_format(format: u32, corrupt: StoreError) -> Result<(), StoreError> {
    if format == FORMAT { Ok(()) } else { Err(corrupt) }
}

fn secret(bytes: &[u8]) -> Result<Secret<32>, StoreError> {
    Secret::from_slice(bytes).ok_or(SESSION)
}

/// A copy that is wiped, for prost: of a slice it first copies each field into memory of its own, which nobody wipes; of
/// this it takes parts.
fn wiped(bytes: &[u8]) -> prost::bytes::Bytes {
    prost::bytes::Bytes::from_owner(Row::from(bytes.to_vec()))
}

fn secret_key(mut bytes: Vec<u8>) -> Option<SecretKey> {
    let key = SecretKey::from_slice(&bytes).ok();
    bytes.zeroize();
    key
}

/// `None` for no bytes at all.
fn optional<T>(
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Option<T>,
    corrupt: StoreError,
) -> Result<Option<T>, StoreError> {
    if bytes.is_empty() { Ok(None) } else { read(bytes).map(Some).ok_or(corrupt) }
}

#[cfg(test)]
mod tests;
