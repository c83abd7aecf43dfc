//! Sending (`security.md` 5.1).

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use undertone_base::Unix;
use undertone_crypto::{Keyring, PublicKey};

use super::{Context, Encryption, Protection};
use crate::bundle::nanos;
use crate::dh_only;
use crate::error::SealError;
use crate::installation::{InstallationId, NONE};
use crate::keys::{EphemeralKey, EphemeralPublic, PrekeyId, RatchetPair, RemoteIdentity};
use crate::limits::{MAX_PAYLOAD, MAX_TARGETS};
use crate::proto::wire;
use crate::protocol::encode;
use crate::ratchet::{Header, Ratchet};
use crate::session::{Role, Session, SessionId};
use crate::store::RatchetStore;
use crate::stored::Device;
use crate::tables::Tables;
use crate::x3dh;

/// A message ready for an envelope. It may leave only after the store is durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// The `ProtocolMessage`.
    pub bytes: Vec<u8>,
    /// The devices it was encrypted for, latest bundle first; none for a public or DH-only message.
    pub targets: Vec<InstallationId>,
    /// For each target, the prekey that opened the session that it was encrypted in: the session's name on both
    /// sides.
    pub sessions: Vec<PrekeyId>,
    /// Whether all targets are known to listen on the negotiated topic.
    pub agreed: bool,
    /// What the payload is protected with.
    pub protection: Protection,
}

type Entries = BTreeMap<String, wire::DirectMessage>;

impl Encryption {
    /// A public message: the payload in clear, beside our bundle.
    ///
    /// # Errors
    /// [`SealError`]; the store is as before.
    pub fn seal_public<S: RatchetStore + ?Sized, R: CryptoRng + ?Sized>(
        &self,
        cx: &mut Context<'_, S, R>,
        payload: &[u8],
    ) -> Result<Sealed, SealError> {
        if payload.is_empty() {
            return Err(SealError::EmptyPublic);
        }
        check_length(payload)?;
        let mut tables = Tables::new(cx.store);
        let bundle = self.own_bundle(&mut tables, cx.keyring, cx.now.unix, cx.rng)?;
        tables.commit()?;
        let bytes = encode(self.installation.as_str(), bundle, Entries::new(), payload.to_vec());
        let (targets, sessions) = (Vec::new(), Vec::new());
        Ok(Sealed { bytes, targets, sessions, agreed: false, protection: Protection::None })
    }

    /// A direct message to the identity key of `peer`, for all its devices: pairing, and the answer to a
    /// message that was not for this device (with an empty payload).
    ///
    /// # Errors
    /// [`SealError`]; the store is as before.
    pub fn seal_dh<S: RatchetStore + ?Sized, R: CryptoRng + ?Sized>(
        &self,
        cx: &mut Context<'_, S, R>,
        peer: &PublicKey,
        payload: &[u8],
    ) -> Result<Sealed, SealError> {
        check_length(payload)?;
        let entries = dh_entry(&RemoteIdentity::new(*peer), payload, cx.rng);
        let mut tables = Tables::new(cx.store);
        let bundle = self.own_bundle(&mut tables, cx.keyring, cx.now.unix, cx.rng)?;
        tables.commit()?;
        let bytes = encode(self.installation.as_str(), bundle, entries, Vec::new());
        let (targets, sessions) = (Vec::new(), Vec::new());
        Ok(Sealed { bytes, targets, sessions, agreed: false, protection: Protection::DhOnly })
    }

    /// A direct message, encrypted once for each of the three enabled devices of `peer` that were active
    /// last. To our own identity: for our other devices. If there is no device to encrypt for, it falls back
    /// to DH-only; [`Sealed::protection`] says so.
    ///
    /// DEVIATION: `security.md` S3 and 5.1: the original sends an empty message when no target has a prekey,
    /// and none at all when one target has a bad one. Here such a target is skipped and the fallback taken. Pinned by
    /// `a_target_with_a_bad_prekey_is_skipped`.
    ///
    /// # Errors
    /// [`SealError`]; the store is as before.
    pub fn seal_direct<S: RatchetStore + ?Sized, R: CryptoRng + ?Sized>(
        &self,
        cx: &mut Context<'_, S, R>,
        peer: &PublicKey,
        payload: &[u8],
    ) -> Result<Sealed, SealError> {
        check_length(payload)?;
        let peer = RemoteIdentity::new(*peer);
        let mut tables = Tables::new(cx.store);
        let mut sealer = Sealer {
            layer: self,
            peer,
            own_prekey: tables.own_state(&self.own)?.map(|state| state.prekey),
            keyring: cx.keyring,
            now: cx.now.unix,
        };
        let mut entries = Entries::new();
        let (mut targets, mut sessions) = (Vec::new(), Vec::new());
        for (installation, device) in self.targets(&tables, &peer)? {
            let sealed = sealer.seal(&mut tables, &installation, &device, payload, cx.rng)?;
            if let Some((session, entry)) = sealed {
                entries.insert(installation.as_str().to_owned(), entry);
                targets.push(installation);
                sessions.push(session);
            }
        }
        let protection = if entries.is_empty() { Protection::DhOnly } else { Protection::Pfs };
        if entries.is_empty() {
            entries = dh_entry(&peer, payload, cx.rng);
        }
        let agreed = self.agreed(&tables, &peer, &targets)?;
        // After the payload: the message that makes the prekey rotate still goes by the old session.
        let bundle = self.own_bundle(&mut tables, cx.keyring, cx.now.unix, cx.rng)?;
        tables.commit()?;
        let bytes = encode(self.installation.as_str(), bundle, entries, Vec::new());
        Ok(Sealed { bytes, targets, sessions, agreed, protection })
    }

    /// Since when nothing was sent to `peer` that any of its devices has answered, if that were `limit` messages or more
    /// in a row for each. A device passes over [`MAX_SKIP`](crate::limits::MAX_SKIP) and no more: whoever goes on
    /// sending to one that is away makes the session unreadable for it. A device that has been heard of since then, by
    /// its bundle, is back.
    ///
    /// # Errors
    /// [`SealError::Store`].
    pub fn silent_since<S: RatchetStore + ?Sized, R: ?Sized>(
        &self,
        cx: &mut Context<'_, S, R>,
        peer: &PublicKey,
        limit: u32,
    ) -> Result<Option<Unix>, SealError> {
        let (peer, now) = (RemoteIdentity::new(*peer), cx.now.unix);
        let tables = Tables::new(cx.store);
        let own_prekey = tables.own_state(&self.own)?.map(|state| state.prekey);
        let sealer = Sealer { layer: self, peer, own_prekey, keyring: cx.keyring, now };
        let mut since = None;
        for (installation, device) in self.targets(&tables, &peer)? {
            match sealer.usable_session(&tables, &installation, &device)? {
                Some((_, session))
                    if session.ratchet.send.n >= limit && device.timestamp <= nanos(session.used) =>
                {
                    since = since.max(Some(session.used));
                }
                _ => return Ok(None),
            }
        }
        Ok(since)
    }

    /// The enabled devices with the latest bundles, without this one.
    fn targets<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        peer: &RemoteIdentity,
    ) -> Result<Vec<(InstallationId, Device)>, SealError> {
        let mut devices = tables.devices(&self.own, peer)?;
        let own = self.is_own(peer);
        devices.retain(|(name, device)| device.enabled && !(own && *name == self.installation));
        devices.sort_by_key(|(_, device)| std::cmp::Reverse(device.timestamp));
        devices.truncate(MAX_TARGETS);
        Ok(devices)
    }
}

/// Encrypts for the devices of one peer.
struct Sealer<'a> {
    layer: &'a Encryption,
    peer: RemoteIdentity,
    own_prekey: Option<PrekeyId>,
    keyring: &'a dyn Keyring,
    now: Unix,
}

impl Sealer<'_> {
    /// The session's prekey and the ciphertext; `None` when the device has no prekey that works.
    fn seal<S: RatchetStore + ?Sized>(
        &mut self,
        tables: &mut Tables<'_, S>,
        installation: &InstallationId,
        device: &Device,
        payload: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<(PrekeyId, wire::DirectMessage)>, SealError> {
        if let Some((id, mut session)) = self.usable_session(tables, installation, device)? {
            let Ok((header, ciphertext)) = session.seal(payload, self.now) else { return Ok(None) };
            tables.put_session(&id, &session);
            let entry = ratchet_entry(&id.prekey, session.opening(), &header, ciphertext);
            return Ok(Some((id.prekey, entry)));
        }
        let Ok(prekey) = device.prekey.point() else { return Ok(None) };
        let ephemeral = EphemeralKey::random(rng);
        let sk = x3dh::initiate(self.keyring, &self.layer.own, &self.peer, &prekey, &ephemeral)?;
        let ratchet = Ratchet::initiator(&sk, &prekey, RatchetPair::random(rng));
        let public = EphemeralPublic::of(&ephemeral.secret_key().public());
        let mut session = Session::new(Role::Initiator, ratchet, public, &sk);
        let Ok((header, ciphertext)) = session.seal(payload, self.now) else { return Ok(None) };
        let id = self.id(installation, device.prekey);
        tables.add_session(&id, &session)?;
        let entry = ratchet_entry(&id.prekey, session.opening(), &header, ciphertext);
        Ok(Some((id.prekey, entry)))
    }

    /// A session is usable while the prekey that opened it is current: the device's, or ours. Of two, the one
    /// on which the device was last heard; before any, the one with the lower SK (`security.md` 4.2).
    ///
    /// DEVIATION: the original takes the first row, so that two sessions opened at once never become one. Pinned by
    /// `two_sessions_opened_at_once_become_one`.
    fn usable_session<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        installation: &InstallationId,
        device: &Device,
    ) -> Result<Option<(SessionId, Session)>, SealError> {
        let current = |prekey: &PrekeyId| *prekey == device.prekey || Some(*prekey) == self.own_prekey;
        if let Some(prekey) = device.heard_on.filter(current) {
            let id = self.id(installation, prekey);
            if let Some(session) = tables.session(&id)?.filter(|session| !session.closed) {
                return Ok(Some((id, session)));
            }
        }
        let mut best: Option<(SessionId, Session)> = None;
        for prekey in [Some(device.prekey), self.own_prekey].into_iter().flatten() {
            let id = self.id(installation, prekey);
            let Some(session) = tables.session(&id)?.filter(|session| !session.closed) else { continue };
            let better = best.as_ref().is_none_or(|(_, best)| {
                (!session.heard, session.rank.expose()) < (!best.heard, best.rank.expose())
            });
            if better {
                best = Some((id, session));
            }
        }
        Ok(best)
    }

    fn id(&self, installation: &InstallationId, prekey: PrekeyId) -> SessionId {
        let installation = installation.clone();
        SessionId { own: self.layer.own, peer: self.peer, installation, prekey }
    }
}

fn ratchet_entry(
    prekey: &PrekeyId,
    opening: Option<EphemeralPublic>,
    header: &Header,
    ciphertext: Vec<u8>,
) -> wire::DirectMessage {
    let id = prekey.as_bytes().to_vec();
    wire::DirectMessage {
        x3dh_header: opening.map(|key| wire::X3dhHeader { key: key.as_bytes().to_vec(), id: id.clone() }),
        dr_header: Some(wire::DrHeader {
            key: header.key.as_bytes().to_vec(),
            n: header.n,
            pn: header.pn,
            id,
        }),
        payload: ciphertext,
        dh_header: None,
    }
}

fn dh_entry(peer: &RemoteIdentity, payload: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> Entries {
    let (key, payload) = dh_only::seal(peer, payload, rng);
    let dh_header = Some(wire::DhHeader { key: key.as_bytes().to_vec() });
    let entry = wire::DirectMessage { x3dh_header: None, dr_header: None, payload, dh_header };
    Entries::from([(NONE.to_owned(), entry)])
}

fn check_length(payload: &[u8]) -> Result<(), SealError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(SealError::TooLong { got: payload.len() });
    }
    Ok(())
}
