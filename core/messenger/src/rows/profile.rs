//! The row of table Meta about ourselves.

use prost::Message as _;
use undertone_base::StoreError;

use super::{FORMAT, check_format};
use crate::contact::Profile;
use crate::proto;
use crate::store::{StoreTx, Table};

const PROFILE: StoreError = StoreError::Corrupt("profile");

/// What we claim of ourselves.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ProfileRow {
    /// When that was said, by whichever device of ours.
    pub(crate) clock: u64,
    pub(crate) profile: Profile,
}

impl ProfileRow {
    pub(crate) const KEY: &'static [u8] = b"profile";

    /// The default before anything was said.
    pub(crate) fn load(tx: &impl StoreTx) -> Result<Self, StoreError> {
        Ok(tx.get(Table::Meta, Self::KEY)?.as_deref().map(Self::from_bytes).transpose()?.unwrap_or_default())
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        proto::Profile {
            format: FORMAT,
            clock: self.clock,
            ens_name: self.profile.ens_name.clone(),
            picture: self.profile.picture.clone(),
        }
        .encode_to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::Profile::decode(bytes).map_err(|_| PROFILE)?;
        check_format(row.format, PROFILE)?;
        Ok(Self { clock: row.clock, profile: Profile { ens_name: row.ens_name, picture: row.picture } })
    }
}
