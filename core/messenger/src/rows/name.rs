//! Rows of table Meta about names of ENS.

use prost::Message as _;
use undertone_base::{StoreError, Unix};
use undertone_crypto::PublicKey;

use super::{FORMAT, check_format, key};
use crate::names::{NameMoved, NamePin};
use crate::proto;

const NAME: StoreError = StoreError::Corrupt("name");
/// How their keys begin.
pub(crate) const NAMES: &[u8] = b"name/";

/// Whom a name stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NameRow {
    pub(crate) key: PublicKey,
    pub(crate) moved: Option<NameMoved>,
}

/// The key of a name in lower case.
pub(crate) fn name_key(name: &str) -> Vec<u8> {
    [NAMES, name.as_bytes()].concat()
}

impl NameRow {
    /// With the name that its key holds.
    pub(crate) fn pin(self, key: &[u8]) -> Result<NamePin, StoreError> {
        let name = key.strip_prefix(NAMES).and_then(|name| std::str::from_utf8(name).ok()).ok_or(NAME)?;
        Ok(NamePin { name: name.to_owned(), key: self.key, moved: self.moved })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        proto::Name {
            format: FORMAT,
            key: self.key.to_compressed().to_vec(),
            moved_to: self.moved.map(|moved| moved.to.to_compressed().to_vec()).unwrap_or_default(),
            moved_ms: self.moved.map(|moved| moved.at.millis()).unwrap_or_default(),
        }
        .encode_to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::Name::decode(bytes).map_err(|_| NAME)?;
        check_format(row.format, NAME)?;
        let moved = match row.moved_to.as_slice() {
            [] => None,
            to => Some(NameMoved { to: key(to, NAME)?, at: Unix::from_millis(row.moved_ms) }),
        };
        Ok(Self { key: key(&row.key, NAME)?, moved })
    }
}
