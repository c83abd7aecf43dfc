//! Rows of table Meta about devices of ours.

use prost::Message as _;
use undertone_base::StoreError;
use undertone_ratchet::InstallationId;

use super::{FORMAT, check_format};
use crate::proto;

const LABEL: StoreError = StoreError::Corrupt("device");
/// How their keys begin.
pub(crate) const DEVICE_LABELS: &[u8] = b"device/";

/// What a device of ours says of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct DeviceLabel {
    /// Of the newest message that said so.
    pub(crate) clock: u64,
    pub(crate) name: String,
    pub(crate) kind: String,
}

impl DeviceLabel {
    pub(crate) fn key(installation: &InstallationId) -> Vec<u8> {
        [DEVICE_LABELS, installation.as_str().as_bytes()].concat()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        proto::DeviceLabel {
            format: FORMAT,
            clock: self.clock,
            name: self.name.clone(),
            kind: self.kind.clone(),
        }
        .encode_to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::DeviceLabel::decode(bytes).map_err(|_| LABEL)?;
        check_format(row.format, LABEL)?;
        Ok(Self { clock: row.clock, name: row.name, kind: row.kind })
    }
}
