//! Bundles on their way into the store: rules 4 to 6 of `security.md` 2.3.

use undertone_base::{StoreError, Unix};
use undertone_crypto::PublicKey;

use super::Encryption;
use crate::bundle::{Entry, VerifiedBundle};
use crate::error::{BundleError, OpenError};
use crate::installation::InstallationId;
use crate::keys::RemoteIdentity;
use crate::limits::MAX_PREKEY_VERSION;
use crate::protocol::ProtocolMessage;
use crate::store::RatchetStore;
use crate::stored::Device;
use crate::tables::Tables;

/// What a bundle taught us about a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeviceChange {
    /// It has lost its state and begins again under its old name: what its own latest bundle names is no newer version
    /// of its prekey. Nothing more is sent on the sessions with it, as it does not have them; the next message opens
    /// one on the new prekey.
    Anew,
    /// It was unknown. A new device of ours is disabled until a person enables it; a new one of a contact
    /// deserves a notice (`security.md` S17).
    New,
    /// It has a new prekey.
    Rotated,
}

/// A device that a bundle taught us about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Learned {
    /// Whose device. Not always the sender of the message.
    pub identity: PublicKey,
    /// The device.
    pub installation: InstallationId,
    /// What is new.
    pub change: DeviceChange,
}

/// The bundles of a message after they were taken in.
pub(super) struct Bundles {
    pub(super) verified: Vec<VerifiedBundle>,
    pub(super) dropped: Vec<BundleError>,
    pub(super) learned: Vec<Learned>,
}

/// Which device wrote a message, as its identity says.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) identity: &'a RemoteIdentity,
    pub(super) installation: Option<&'a InstallationId>,
}

impl Writer<'_> {
    /// Whether what a bundle says of a device is the word of that device itself.
    pub(super) fn is(&self, identity: &RemoteIdentity, installation: &InstallationId) -> bool {
        self.identity == identity && self.installation == Some(installation)
    }
}

impl Encryption {
    /// Verifies every bundle before the first is stored.
    ///
    /// A bundle that peers would refuse (rule 3) refuses the message, as at peers. One that only our stricter
    /// rules refuse (1 and 2: odd names, a clock that is off) is dropped, and the message is read.
    ///
    /// DEVIATION: `security.md` 2.3: the original has no rules 1, 2, 4 and 5 (tests
    /// `every_bundle_is_judged_by_our_rules`, `an_odd_bundle_is_dropped_and_the_message_read`).
    pub(super) fn learn_bundles<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        message: &ProtocolMessage,
        writer: Writer<'_>,
        now: Unix,
    ) -> Result<Bundles, OpenError> {
        let mut bundles =
            Bundles { verified: Vec::new(), dropped: message.refused.clone(), learned: Vec::new() };
        for raw in &message.bundles {
            match raw.verify(now) {
                Ok(verified) if is_ambiguous(&verified) => bundles.dropped.push(BundleError::Installation),
                Ok(verified) => bundles.verified.push(verified),
                Err(error) if error.rule() == 3 => return Err(error.into()),
                Err(error) => bundles.dropped.push(error),
            }
        }
        for bundle in &bundles.verified {
            for entry in bundle.entries() {
                if let Some(change) = self.learn_entry(tables, bundle, entry, writer)? {
                    let identity = *bundle.identity().public();
                    let installation = entry.installation.clone();
                    bundles.learned.push(Learned { identity, installation, change });
                }
            }
        }
        Ok(bundles)
    }

    /// Rules 4 and 5 for one device.
    fn learn_entry<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        bundle: &VerifiedBundle,
        entry: &Entry,
        writer: Writer<'_>,
    ) -> Result<Option<DeviceChange>, StoreError> {
        let own = self.is_own(bundle.identity());
        let this_device = own && entry.installation == self.installation;
        if this_device
            || entry.version > MAX_PREKEY_VERSION
            || tables.is_own_prekey(&self.own, &entry.prekey)?
        {
            return Ok(None);
        }
        match tables.device(&self.own, bundle.identity(), &entry.installation)? {
            None => {
                tables.make_room_for_device(&self.own, bundle.identity())?;
                let device = Device {
                    prekey: entry.prekey,
                    version: entry.version,
                    timestamp: bundle.timestamp(),
                    protocol_version: entry.protocol_version,
                    enabled: !own,
                    heard_on: None,
                    heard: None,
                };
                tables.put_device(&self.own, bundle.identity(), &entry.installation, &device);
                Ok(Some(DeviceChange::New))
            }
            Some(known) if is_anew(bundle, entry, &known, writer) => {
                let device = Device {
                    prekey: entry.prekey,
                    version: entry.version,
                    timestamp: bundle.timestamp(),
                    protocol_version: entry.protocol_version,
                    enabled: known.enabled,
                    heard_on: None,
                    heard: known.heard,
                };
                tables.put_device(&self.own, bundle.identity(), &entry.installation, &device);
                tables.close_sessions(&self.own, bundle.identity(), &entry.installation)?;
                // It listens there again once it has written to us.
                tables.delete_negotiated(&self.own, bundle.identity(), &entry.installation);
                Ok(Some(DeviceChange::Anew))
            }
            Some(known) => Ok(self.update_device(tables, bundle, entry, &known)),
        }
    }

    /// Rule 5 for a known device.
    ///
    /// DEVIATION: `security.md` 2.4: the original ends up with the lowest version that is not expired; here
    /// the highest one stays (test `a_late_old_bundle_changes_nothing`).
    fn update_device<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        bundle: &VerifiedBundle,
        entry: &Entry,
        known: &Device,
    ) -> Option<DeviceChange> {
        let rotated = entry.version > known.version;
        let same = entry.version == known.version && entry.prekey == known.prekey;
        if !rotated && !same {
            return None;
        }
        let mut device = known.clone();
        if bundle.timestamp() > known.timestamp {
            device.timestamp = bundle.timestamp();
            device.protocol_version = known.protocol_version.max(entry.protocol_version);
        }
        if rotated {
            device.prekey = entry.prekey;
            device.version = entry.version;
        }
        if device != *known {
            tables.put_device(&self.own, bundle.identity(), &entry.installation, &device);
        }
        rotated.then_some(DeviceChange::Rotated)
    }

    /// The protocol version that the sender's own bundle claims for the sending device; 0 when it does not
    /// name it.
    ///
    /// DEVIATION: `security.md` 6.3: the original looks into the first bundle whoever signed it. Pinned by
    /// `a_bundle_of_somebody_else_says_nothing_of_the_senders_topics`.
    pub(super) fn claimed_version(
        bundles: &Bundles,
        sender: &RemoteIdentity,
        installation: &InstallationId,
    ) -> u32 {
        let mut of_sender = bundles.verified.iter().filter(|bundle| bundle.identity() == sender);
        let first = of_sender.find(|bundle| !bundle.entries().is_empty());
        let entry = first.and_then(|b| b.entries().iter().find(|entry| entry.installation == *installation));
        entry.map_or(0, |entry| entry.protocol_version)
    }
}

/// Whether a device that we know begins again: it says itself, later than anything that we have heard of it, that its
/// prekey is another one of no higher version. A device counts up from what it has, so it has lost that. What another
/// device of its identity says of it may be old, and only rule 5 counts.
///
/// DEVIATION: `security.md` 2.3 rule 5 ignores such an entry for as long as the version is not above the one that was
/// lost, which takes as many days as the lost state was old; the original stores it beside the one that it has and
/// goes on in the session that is gone. Pinned by `a_device_that_begins_again_under_its_old_name_is_written_to`.
fn is_anew(bundle: &VerifiedBundle, entry: &Entry, known: &Device, writer: Writer<'_>) -> bool {
    writer.is(bundle.identity(), &entry.installation)
        && bundle.timestamp() > known.timestamp
        && entry.version <= known.version
        && entry.prekey != known.prekey
}

/// Whether digits may have moved between the version of one device and the name of the next (`security.md` S4): nothing
/// separates them in what is signed, and nobody but the signer knows where one ends. Names of clients have one length, so
/// that a name which lost or won a digit is the only unusual one among usual ones.
///
/// DEVIATION: the original takes such a bundle, and with it a version that no honest one reaches. Pinned by
/// `digits_of_the_next_name_do_not_raise_a_version`.
fn is_ambiguous(bundle: &VerifiedBundle) -> bool {
    let usual = bundle.entries().iter().filter(|entry| entry.installation.looks_usual()).count();
    usual > 0 && usual < bundle.entries().len()
}
