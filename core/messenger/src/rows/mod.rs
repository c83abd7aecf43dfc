//! Rows as bytes: protobuf with a format number (`proto/stored.proto`), pinned by tests; and as values.

mod chat;
mod contact;
mod device;
mod keys;
mod name;
mod outbox;
mod profile;
mod state;

use undertone_base::StoreError;
use undertone_crypto::PublicKey;

pub(crate) use self::contact::{Claim, ContactRow};
pub(crate) use self::device::{DEVICE_LABELS, DeviceLabel};
pub(crate) use self::keys::{Due, chat_key, clock_key, contact_key, pending_key, timeline_key};
pub(crate) use self::name::{NAMES, NameRow, name_key};
pub(crate) use self::outbox::{Address, Carries, OutboxRow};
pub(crate) use self::profile::ProfileRow;
pub(crate) use self::state::State;

/// The format that this version writes, and the only one so far.
const FORMAT: u32 = 1;

fn check_format(format: u32, corrupt: StoreError) -> Result<(), StoreError> {
    if format == FORMAT { Ok(()) } else { Err(corrupt) }
}

fn key(bytes: &[u8], corrupt: StoreError) -> Result<PublicKey, StoreError> {
    PublicKey::from_compressed(bytes).map_err(|_| corrupt)
}

#[cfg(test)]
mod tests;
