//! Our other devices: enabling them, naming this one, and copies of what we write for them.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use undertone_base::StoreError;
use undertone_crypto::PublicKey;
use undertone_datasync::{GroupId, Pending, wrap};
use undertone_payload::{MessageType, Metadata, PairInstallation};
use undertone_ratchet::{Enabled, InstallationId};
use undertone_transport::{Command, Listen, OpenWith};

use crate::compose::bid;
use crate::contacts::deceives;
use crate::device::Device;
use crate::fault::Fault;
use crate::io::{Effect, Notice, Protection, Sizes};
use crate::limits::MAX_ROWS;
use crate::outbox::Sent;
use crate::rows::{Address, Carries, DEVICE_LABELS, DeviceLabel, OutboxRow, pending_key};
use crate::security::identity_of;
use crate::step::Step;
use crate::store::{Order, StoreTx, Table};

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// Starts or stops treating another device of ours as one of us. Nothing is sent to it; people learn of it by our
    /// contact code, which is published anew.
    pub(crate) fn set_device(
        &mut self,
        installation: &InstallationId,
        enabled: Enabled,
    ) -> Result<(), Fault> {
        let own = *self.own();
        if *installation == self.state.installation {
            return Err(Fault::ThisDevice);
        }
        let known =
            self.with_ratchet(|layer, cx| layer.set_enabled(cx.store, &own, installation, enabled))?;
        if !known {
            return Err(Fault::UnknownDevice);
        }
        if let Some(device) = self.own_devices()?.into_iter().find(|d| d.installation == *installation) {
            self.notify(Notice::OwnDevice(Box::new(device)));
        }
        // What people have of us is out of date.
        if let Some(old) = self.state.contact_code_send {
            self.remove_send(old)?;
        }
        self.publish_contact_code()
    }

    /// Tells our other devices what this one is called (`payloads.md` 3.4). Readable for everybody who holds our key,
    /// as they do not know each other yet.
    pub(crate) fn pair(&mut self, name: &str, kind: &str) -> Result<(), Fault> {
        if name.chars().chain(kind.chars()).any(deceives) {
            return Err(Fault::DeviceName);
        }
        let own = *self.own();
        let installation = self.state.installation.clone();
        let label = self.label(&installation)?;
        let clock = bid(label.clock, self.now.unix);
        let pair = PairInstallation::new(clock, installation.as_str(), kind, name, self.now.unix)?;
        let (name, kind) = (pair.name().to_owned(), pair.device_type().to_owned());
        self.put_label(&installation, &DeviceLabel { clock: clock.value(), name, kind })?;
        let metadata = Metadata::unsigned(MessageType::PAIR_INSTALLATION, pair.encode(), own).into_bytes();
        let bytes = self.with_ratchet(|layer, cx| layer.seal_dh(cx, &own, &metadata))?.bytes;
        let sizes = Sizes { metadata: metadata.len(), protocol: bytes.len(), ..Sizes::default() };
        let sent =
            Sent { message: None, peer: Some(own), sizes, protection: Protection::DhOnly, session: None };
        // Whoever has heard a direct message of ours may answer where only we meet.
        self.listen_to_ourselves()?;
        self.send(OutboxRow::new(Address::Partition(own), bytes, Carries::Devices), &sent)
    }

    /// Sends what we wrote to a person to our other enabled devices as well, through the ratchet or not at all, until
    /// one of them has acknowledged it (`messenger.md` 8).
    pub(crate) fn send_copy(&mut self, metadata: Vec<u8>) -> Result<(), Fault> {
        if !self.has_other_devices()? {
            return Ok(());
        }
        let own = *self.own();
        let (id, sync) = wrap(GroupId::of_pair(&own, &own), self.now.unix, metadata);
        let pending = Pending::new(own, sync, self.now.unix);
        let key = pending_key(&own, &id);
        self.tx.put(Table::Pending, &key, &pending.to_stored())?;
        self.hand_over_copy(key, &pending)
    }

    /// Encrypts a copy, anew when it is sent again.
    pub(crate) fn hand_over_copy(&mut self, key: Vec<u8>, pending: &Pending) -> Result<(), Fault> {
        let own = *self.own();
        let payload = pending.payload().to_bytes();
        let mut sizes =
            Sizes { metadata: pending.message().body.len(), sync: payload.len(), ..Sizes::default() };
        let sealed = if self.has_other_devices()? { Some(self.seal_direct(&own, payload)?) } else { None };
        // There is nobody to read it any more; without the ratchet a disabled device could.
        let Some(sealed) = sealed.filter(|sealed| sealed.protection == Protection::Ratchet) else {
            return Ok(self.tx.delete(Table::Pending, &key)?);
        };
        sizes.protocol = sealed.bytes.len();
        let sent = Sent {
            message: None,
            peer: Some(own),
            sizes,
            protection: sealed.protection,
            session: sealed.session,
        };
        self.send(OutboxRow::new(sealed.address, sealed.bytes, Carries::Pending(key)), &sent)
    }

    pub(crate) fn own_devices(&self) -> Result<Vec<Device>, StoreError> {
        self.messenger.devices(&self.tx, self.own())
    }

    fn has_other_devices(&self) -> Result<bool, StoreError> {
        Ok(self.own_devices()?.iter().any(|device| device.enabled && !device.this_device))
    }

    pub(crate) fn label(&self, installation: &InstallationId) -> Result<DeviceLabel, StoreError> {
        let row = self.tx.get(Table::Meta, &DeviceLabel::key(installation))?;
        Ok(row.as_deref().map(DeviceLabel::from_bytes).transpose()?.unwrap_or_default())
    }

    /// Writes what is known of a device of ours, and forgets those that left: whoever holds our key can name as many
    /// as it likes.
    pub(crate) fn put_label(
        &mut self,
        installation: &InstallationId,
        label: &DeviceLabel,
    ) -> Result<(), StoreError> {
        let known: Vec<_> = self.own_devices()?.iter().map(|d| DeviceLabel::key(&d.installation)).collect();
        for (key, _) in self.tx.scan_prefix(Table::Meta, DEVICE_LABELS, Order::Ascending, MAX_ROWS)? {
            if !known.contains(&key) {
                self.tx.delete(Table::Meta, &key)?;
            }
        }
        self.tx.put(Table::Meta, &DeviceLabel::key(installation), &label.to_bytes())
    }

    /// What a start listens to for the sake of our other devices: their contact code, and if there are any, where we
    /// meet them.
    pub(crate) fn listen_for_own_devices(&mut self) -> Result<(), Fault> {
        let listen = Listen {
            route: undertone_transport::Route::ContactCode(*self.own()),
            open_with: OpenWith::ByRoute,
        };
        self.push(Effect::Transport(Command::Listen(listen)));
        if self.own_devices()?.len() > 1 || self.label(&self.state.installation)?.clock != 0 {
            self.listen_to_ourselves()?;
        }
        Ok(())
    }

    fn listen_to_ourselves(&mut self) -> Result<(), Fault> {
        let listen = Listen { route: self.negotiated(self.own())?, open_with: OpenWith::ByRoute };
        self.push(Effect::Transport(Command::Listen(listen)));
        Ok(())
    }

    /// Tells the person what this step did to devices, whoever's message named them: one of ours is new, one of somebody
    /// that we want to hear of is new, or lost its place among the three that are written to.
    pub(crate) fn tell_of_devices_written(&mut self) -> Result<(), Fault> {
        let written: BTreeSet<_> = self.tx.written(Table::Device).filter_map(identity_of).collect();
        for identity in written {
            let Ok(identity) = PublicKey::from_compressed(&identity) else { continue };
            if identity == *self.own() {
                self.tell_of_own_devices()?;
            } else if self.follows(&identity)? {
                self.tell_who_is_new(&identity)?;
                self.tell_who_was_pushed_out(&identity)?;
            }
        }
        Ok(())
    }

    /// The first ones are how we got to know somebody; every later one may be a thief's.
    fn tell_who_is_new(&mut self, identity: &PublicKey) -> Result<(), Fault> {
        let before = self.messenger.devices(self.tx.below(), identity)?;
        if before.is_empty() {
            return Ok(());
        }
        let after = self.messenger.devices(&self.tx, identity)?;
        for new in after.into_iter().filter(|new| !before.iter().any(|old| is(new, old))) {
            self.notify(Notice::NewDevice { peer: *identity, installation: new.installation });
        }
        Ok(())
    }

    fn tell_of_own_devices(&mut self) -> Result<(), Fault> {
        let own = *self.own();
        let before = self.messenger.devices(self.tx.below(), &own)?;
        let after = self.own_devices()?;
        let new: Vec<_> =
            after.iter().filter(|new| !before.iter().any(|old| is(new, old))).cloned().collect();
        if before.len() <= 1 && after.len() > 1 {
            self.listen_to_ourselves()?;
        }
        for device in new.into_iter().filter(|device| !device.this_device) {
            self.notify(Notice::OwnDevice(Box::new(device)));
        }
        self.tell_who_was_pushed_out(&own)
    }

    /// The rule: of the enabled devices of an identity the three with the latest bundles are written to, of our own two
    /// beside this one. It is the rule of the network's other clients, so both ends agree on it.
    fn tell_who_was_pushed_out(&mut self, identity: &PublicKey) -> Result<(), Fault> {
        let before = self.messenger.devices(self.tx.below(), identity)?;
        let after = self.messenger.devices(&self.tx, identity)?;
        for old in before.iter().filter(|old| old.reached) {
            let now = after.iter().find(|now| is(now, old));
            if now.is_none_or(|now| now.enabled && !now.reached) {
                let installation = old.installation.clone();
                self.notify(Notice::DevicePushedOut { identity: *identity, installation });
            }
        }
        Ok(())
    }
}

fn is(device: &Device, other: &Device) -> bool {
    device.installation == other.installation
}
