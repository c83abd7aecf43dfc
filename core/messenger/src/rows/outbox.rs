//! Rows of table Outbox.

use prost::Message as _;
use undertone_base::{StoreError, Unix};
use undertone_crypto::PublicKey;
use undertone_payload::MessageId;
use undertone_transport::{Flush, PublicName};

use super::{FORMAT, check_format, key};
use crate::proto;

const OUTBOX: StoreError = StoreError::Corrupt("outgoing message");

/// Where a send goes, as it is kept: a negotiated route names the peer and not the secret, which the keyring
/// gives again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    ContactCode(PublicKey),
    Negotiated(PublicKey),
    Partition(PublicKey),
    Public(PublicName),
}

/// What a send carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Carries {
    Ack,
    ContactCode,
    /// Our devices, and nothing else.
    Devices,
    /// By its key in table Pending.
    Pending(Vec<u8>),
    Public(MessageId),
}

/// One whole send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OutboxRow {
    pub(crate) address: Address,
    pub(crate) payload: Vec<u8>,
    pub(crate) ephemeral: bool,
    pub(crate) flush: Flush,
    pub(crate) carries: Carries,
    pub(crate) failures: u32,
    /// When it is handed to the transport again; `None` while the transport has it.
    pub(crate) again: Option<Unix>,
}

impl OutboxRow {
    pub(crate) const fn new(address: Address, payload: Vec<u8>, carries: Carries) -> Self {
        Self { address, payload, ephemeral: false, flush: Flush::Fast, carries, failures: 0, again: None }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        proto::Outbox {
            format: FORMAT,
            address: Some(proto::Address { to: Some(address_to_proto(&self.address)) }),
            payload: self.payload.clone(),
            ephemeral: self.ephemeral,
            blended: self.flush == Flush::Blended,
            carries: Some(match &self.carries {
                Carries::Ack => proto::outbox::Carries::Ack(true),
                Carries::ContactCode => proto::outbox::Carries::ContactCode(true),
                Carries::Devices => proto::outbox::Carries::Devices(true),
                Carries::Pending(key) => proto::outbox::Carries::Pending(key.clone()),
                Carries::Public(id) => proto::outbox::Carries::Public(id.as_bytes().to_vec()),
            }),
            failures: self.failures,
            again_ms: self.again.map(Unix::millis),
        }
        .encode_to_vec()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = proto::Outbox::decode(bytes).map_err(|_| OUTBOX)?;
        check_format(row.format, OUTBOX)?;
        let address = row.address.and_then(|a| a.to).ok_or(OUTBOX)?;
        Ok(Self {
            address: address_of(address)?,
            payload: row.payload,
            ephemeral: row.ephemeral,
            flush: if row.blended { Flush::Blended } else { Flush::Fast },
            carries: match row.carries.ok_or(OUTBOX)? {
                proto::outbox::Carries::Ack(_) => Carries::Ack,
                proto::outbox::Carries::ContactCode(_) => Carries::ContactCode,
                proto::outbox::Carries::Devices(_) => Carries::Devices,
                proto::outbox::Carries::Pending(key) => Carries::Pending(key),
                proto::outbox::Carries::Public(id) => {
                    Carries::Public(MessageId::from_slice(&id).ok_or(OUTBOX)?)
                }
            },
            failures: row.failures,
            again: row.again_ms.map(Unix::from_millis),
        })
    }
}

fn address_to_proto(address: &Address) -> proto::address::To {
    match address {
        Address::ContactCode(key) => proto::address::To::ContactCode(key.to_compressed().to_vec()),
        Address::Negotiated(key) => proto::address::To::Negotiated(key.to_compressed().to_vec()),
        Address::Partition(key) => proto::address::To::Partition(key.to_compressed().to_vec()),
        Address::Public(name) => proto::address::To::Public(name.as_str().to_owned()),
    }
}

fn address_of(to: proto::address::To) -> Result<Address, StoreError> {
    Ok(match to {
        proto::address::To::ContactCode(bytes) => Address::ContactCode(key(&bytes, OUTBOX)?),
        proto::address::To::Negotiated(bytes) => Address::Negotiated(key(&bytes, OUTBOX)?),
        proto::address::To::Partition(bytes) => Address::Partition(key(&bytes, OUTBOX)?),
        proto::address::To::Public(name) => Address::Public(PublicName::new(&name).map_err(|_| OUTBOX)?),
    })
}
