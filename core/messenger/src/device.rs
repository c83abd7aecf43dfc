//! Devices of an identity, as a person sees them.

use std::cmp::Reverse;

use undertone_base::{StoreError, Unix};
use undertone_crypto::PublicKey;
use undertone_ratchet::limits::{MAX_OWN_DEVICES, MAX_TARGETS};
use undertone_ratchet::{self as ratchet, Encryption, InstallationId};

use crate::messenger::Messenger;
use crate::rows::{DeviceLabel, State};
use crate::security::RatchetView;
use crate::store::{StoreTx, Table};

/// A device of an identity.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Device {
    /// Its name among the devices of its identity. Whoever holds the identity's key chooses it.
    pub installation: InstallationId,
    /// Whether it is the one that this runs on.
    pub this_device: bool,
    /// Whether we encrypt for it. Another of ours is not before [`Command::EnableDevice`](crate::Command).
    pub enabled: bool,
    /// Whether it is one of the three that are written to. Of enabled devices those are of the latest bundles: of a
    /// person three; of ours this one and two more, which our bundle names, so that people write to them.
    pub reached: bool,
    /// When something that it sent was last read here, by our clock; none for never, and of this one.
    pub last_heard: Option<Unix>,
    /// How the latest bundle that names it is dated: which of the enabled ones are written to goes by that. Any device
    /// of its identity names all that it has enabled, so it says nothing about the device itself. None of this one.
    pub last_named: Option<Unix>,
    /// What it calls itself; only of ours, by [`Command::Pair`](crate::Command).
    pub name: Option<String>,
    /// What kind of device it says that it is.
    pub kind: Option<String>,
}

impl Messenger {
    /// The devices of an identity that we know, the latest first; of our own, this one before the others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn devices(&self, tx: &impl StoreTx, identity: &PublicKey) -> Result<Vec<Device>, StoreError> {
        let Some(state) = State::load(tx)? else { return Ok(Vec::new()) };
        let layer = Encryption::new(self.own, state.installation.clone());
        let rows = layer.devices(&RatchetView(tx), identity)?;
        if identity != self.key() {
            return Ok(listed(rows, MAX_TARGETS));
        }
        let mut devices = listed(rows, MAX_OWN_DEVICES.saturating_sub(1));
        devices.retain(|device| device.installation != state.installation);
        devices.insert(0, this(state.installation));
        for device in &mut devices {
            let row = tx.get(Table::Meta, &DeviceLabel::key(&device.installation))?;
            let Some(row) = row else { continue };
            let label = DeviceLabel::from_bytes(&row)?;
            device.name = Some(label.name).filter(|name| !name.is_empty());
            device.kind = Some(label.kind).filter(|kind| !kind.is_empty());
        }
        Ok(devices)
    }
}

fn this(installation: InstallationId) -> Device {
    Device {
        installation,
        this_device: true,
        enabled: true,
        reached: true,
        last_heard: None,
        last_named: None,
        name: None,
        kind: None,
    }
}

/// The latest first, and which of them are reached: the rule of the layer that encrypts.
fn listed(mut rows: Vec<(InstallationId, ratchet::Device)>, places: usize) -> Vec<Device> {
    rows.sort_by_key(|(_, device)| Reverse(device.timestamp));
    let mut left = places;
    let mut listed = Vec::with_capacity(rows.len());
    for (installation, device) in rows {
        let reached = device.enabled && left > 0;
        left = left.saturating_sub(usize::from(reached));
        let millis = u64::try_from(device.timestamp / 1_000_000).unwrap_or_default();
        listed.push(Device {
            installation,
            this_device: false,
            enabled: device.enabled,
            reached,
            last_heard: device.heard,
            last_named: Some(Unix::from_millis(millis)),
            name: None,
            kind: None,
        });
    }
    listed
}
