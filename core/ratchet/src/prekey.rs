//! The life of our own prekey and bundle (`security.md` 2.1).

use rand_core::CryptoRng;
use undertone_base::Unix;
use undertone_crypto::Keyring;

use crate::bundle::{Entry, PROTOCOL_VERSION, nanos, sign};
use crate::error::SealError;
use crate::installation::InstallationId;
use crate::keys::{LocalIdentity, PrekeyId, PrekeyPrivate, RemoteIdentity};
use crate::layer::Encryption;
use crate::limits::{MAX_BUNDLE_AHEAD, MAX_OWN_DEVICES, MAX_PREKEY_VERSION, PREKEY_ROTATION};
use crate::store::RatchetStore;
use crate::stored::{OwnPrekey, OwnState};
use crate::tables::Tables;

impl Encryption {
    /// A freshly signed bundle of ours. Makes the first prekey, or the next one when the present one is 24
    /// hours old, and erases those that were replaced 14 days ago.
    ///
    /// DEVIATION: `security.md` S8: the original keeps private prekeys for ever, so that whoever takes the
    /// device reads every opening (test
    /// `the_prekey_rotates_after_a_day_and_its_key_is_erased_two_weeks_later`).
    pub(crate) fn own_bundle<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        keyring: &dyn Keyring,
        now: Unix,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, SealError> {
        let own = self.own();
        let mut state = match tables.own_state(own)? {
            Some(state) if is_fresh(&state, now) => state,
            old => rotate(tables, own, old, now, rng)?,
        };
        state.last_timestamp = next_timestamp(state.last_timestamp, now);
        tables.put_own_state(own, &state);
        let this = Entry {
            installation: self.installation().clone(),
            prekey: state.prekey,
            version: state.version,
            protocol_version: PROTOCOL_VERSION,
        };
        let others = paired_devices(tables, own, self.installation())?;
        Ok(sign(keyring, own, others.into_iter().chain([this]), state.last_timestamp)?)
    }
}

/// Strictly above the last one, also when the clock stood still or went back; but not beyond what peers believe: a
/// clock that was far ahead once must not date all later bundles. Peers go by the version of a prekey then.
fn next_timestamp(last: i64, now: Unix) -> i64 {
    let next = last.saturating_add(1);
    if next > nanos(now.after(MAX_BUNDLE_AHEAD)) { nanos(now) } else { next.max(nanos(now)) }
}

/// A prekey from the future means that the clock was wrong then: that one is replaced as well.
fn is_fresh(state: &OwnState, now: Unix) -> bool {
    u128::from(now.millis().abs_diff(state.created.millis())) <= PREKEY_ROTATION.as_millis()
}

fn rotate<S: RatchetStore + ?Sized>(
    tables: &mut Tables<'_, S>,
    own: &LocalIdentity,
    old: Option<OwnState>,
    now: Unix,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<OwnState, SealError> {
    let (mut version, mut last_timestamp) = (1, 0);
    if let Some(old) = old {
        // The original lets the version wrap to 0; nobody lives to see 2^31 days.
        version = old.version.saturating_add(1).min(MAX_PREKEY_VERSION);
        last_timestamp = old.last_timestamp;
        if let Some(mut retired) = tables.own_prekey(own, &old.prekey, now)? {
            retired.retired = Some(now);
            tables.put_own_prekey(own, &old.prekey, &retired);
        }
        tables.erase_outdated_prekeys(own, now)?;
    }
    let private = PrekeyPrivate::random(rng);
    let prekey = PrekeyId::of(&private.secret_key().public());
    tables.put_own_prekey(own, &prekey, &OwnPrekey { private, version, created: now, retired: None });
    Ok(OwnState { prekey, version, created: now, last_timestamp })
}

/// Our other enabled devices, latest bundle first.
fn paired_devices<S: RatchetStore + ?Sized>(
    tables: &Tables<'_, S>,
    own: &LocalIdentity,
    installation: &InstallationId,
) -> Result<Vec<Entry>, SealError> {
    let mut devices = tables.devices(own, &RemoteIdentity::new(*own.public()))?;
    devices.retain(|(name, device)| device.enabled && name != installation);
    devices.sort_by_key(|(_, device)| std::cmp::Reverse(device.timestamp));
    let entries = devices.into_iter().take(MAX_OWN_DEVICES.saturating_sub(1));
    let entries = entries.map(|(installation, device)| Entry {
        installation,
        prekey: device.prekey,
        version: device.version,
        protocol_version: device.protocol_version,
    });
    Ok(entries.collect())
}
