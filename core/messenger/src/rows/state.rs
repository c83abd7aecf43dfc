//! The row of singletons.

use prost::Message as _;
use undertone_base::{StoreError, Unix};
use undertone_ratchet::InstallationId;
use undertone_transport::SendId;

use super::{FORMAT, check_format};
use crate::store::{StoreTx, Table};
use crate::{Pfs, proto};

const STATE: StoreError = StoreError::Corrupt("state");
const KEY: &[u8] = b"state";

/// The singletons of table Meta.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct State {
    pub(crate) installation: InstallationId,
    next_send: u64,
    pub(crate) contact_code_due: Unix,
    pub(crate) strangers: u32,
    pub(crate) people: u32,
    pub(crate) acks_queued: u32,
    pub(crate) contact_code_send: Option<SendId>,
    pub(crate) pfs_default: Pfs,
}

impl State {
    pub(crate) fn new(installation: InstallationId) -> Self {
        Self {
            installation,
            next_send: 1,
            contact_code_due: Unix::default(),
            strangers: 0,
            people: 0,
            acks_queued: 0,
            contact_code_send: None,
            pfs_default: Pfs::On,
        }
    }

    /// `None` before the first start.
    pub(crate) fn load(tx: &impl StoreTx) -> Result<Option<Self>, StoreError> {
        tx.get(Table::Meta, KEY)?.as_deref().map(Self::from_bytes).transpose()
    }

    pub(crate) fn save(&self, tx: &mut impl StoreTx) -> Result<(), StoreError> {
        tx.put(Table::Meta, KEY, &self.to_bytes())
    }

    /// An id that no send had before, in any run.
    pub(crate) const fn take_send_id(&mut self) -> SendId {
        let id = SendId(self.next_send);
        self.next_send = self.next_send.saturating_add(1);
        id
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        proto::State {
            format: FORMAT,
            installation_id: self.installation.as_str().to_owned(),
            next_send: self.next_send,
            contact_code_due_ms: self.contact_code_due.millis(),
            strangers: self.strangers,
            people: self.people,
            acks_queued: self.acks_queued,
            contact_code_send: self.contact_code_send.map_or(0, |id| id.0),
            pfs_default_off: self.pfs_default == Pfs::Off,
        }
        .encode_to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::State::decode(bytes).map_err(|_| STATE)?;
        check_format(row.format, STATE)?;
        Ok(Self {
            installation: InstallationId::new(&row.installation_id).ok_or(STATE)?,
            next_send: row.next_send,
            contact_code_due: Unix::from_millis(row.contact_code_due_ms),
            strangers: row.strangers,
            people: row.people,
            acks_queued: row.acks_queued,
            contact_code_send: Some(SendId(row.contact_code_send)).filter(|id| id.0 != 0),
            pfs_default: if row.pfs_default_off { Pfs::Off } else { Pfs::On },
        })
    }
}
