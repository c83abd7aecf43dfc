//! Receiving (`security.md` 5.2).

use std::fmt;

use rand_core::CryptoRng;
use undertone_base::Unix;
use undertone_crypto::{Keyring, PublicKey};

use super::learn::{Bundles, Learned, Writer};
use super::{Context, Encryption, Protection};
use crate::bundle::{VerifiedBundle, nanos};
use crate::dh_only;
use crate::error::{BundleError, OpenError, RatchetError};
use crate::installation::{InstallationId, NONE};
use crate::keys::{EphemeralPublic, PrekeyId, RatchetPublic, RemoteIdentity};
use crate::limits::BUNDLE_FRESH;
use crate::proto::wire;
use crate::protocol::ProtocolMessage;
use crate::ratchet::{Header, Ratchet, Step};
use crate::session::{Role, Session, SessionId};
use crate::store::RatchetStore;
use crate::stored::Device;
use crate::tables::Tables;
use crate::x3dh;

/// What kind of message was opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Encrypted to our identity key alone.
    DhOnly,
    /// Decrypted to nothing: its bundle was the message. Nothing to show.
    Empty,
    /// In clear, for everybody.
    Public,
    /// Encrypted by the Double Ratchet.
    Ratchet,
}

/// An opened message. Good only if the store's transaction is committed.
#[derive(Clone, Eq, PartialEq)]
pub struct Opened {
    /// The content; `None` for [`Kind::Empty`].
    pub payload: Option<Vec<u8>>,
    /// What kind of message.
    pub kind: Kind,
    /// What the content was protected with.
    pub protection: Protection,
    /// The sending device, if it has a name that is allowed.
    pub installation: Option<InstallationId>,
    /// What its bundles taught us.
    pub learned: Vec<Learned>,
    /// Bundles that were left out.
    pub dropped: Vec<BundleError>,
    /// Whether the sending device listens on the negotiated topic: from now on we listen there too.
    pub negotiated: bool,
    /// Whether its bundle shows that the sending device is there now: it is later than what was known of the device, or a
    /// few minutes old ([`BUNDLE_FRESH`](crate::limits::BUNDLE_FRESH)). A copy that somebody kept is neither.
    pub fresh: bool,
    /// Whether it opened a session in the place of one on the same prekey: its device has lost that one, or somebody
    /// who holds the key of its identity goes by its name.
    pub replaced: bool,
}

/// Without the content: it is nobody's business in a log.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("payload_bytes", &self.payload.as_ref().map(Vec::len))
            .field("kind", &self.kind)
            .field("protection", &self.protection)
            .field("installation", &self.installation)
            .field("learned", &self.learned)
            .field("dropped", &self.dropped)
            .field("negotiated", &self.negotiated)
            .field("fresh", &self.fresh)
            .field("replaced", &self.replaced)
            .finish()
    }
}

impl Encryption {
    /// Opens a `ProtocolMessage`. `sender` is the key that signed the envelope; a message without such a
    /// signature must not come here.
    ///
    /// DEVIATION: `security.md` 5.2 step 8: the original hands the raw bytes up as if they had been sent in
    /// clear whenever anything fails. Here a failure is an error, and what to make of unencrypted bytes is
    /// decided by the caller, by [`OpenError::Protocol`] alone (test `the_scenarios_run_as_they_did`).
    ///
    /// # Errors
    /// [`OpenError`]; the store is as before.
    pub fn open<S: RatchetStore + ?Sized, R: CryptoRng + ?Sized>(
        &self,
        cx: &mut Context<'_, S, R>,
        sender: &PublicKey,
        bytes: &[u8],
    ) -> Result<Opened, OpenError> {
        let mut message = ProtocolMessage::decode(bytes)?;
        let sender = RemoteIdentity::new(*sender);
        let installation = InstallationId::new(&message.installation);
        let mut tables = Tables::new(cx.store);
        let writer = Writer { identity: &sender, installation: installation.as_ref() };
        let known = self.device_of(&tables, writer)?.map(|device| device.timestamp);
        let bundles = self.learn_bundles(&mut tables, &message, writer, cx.now.unix)?;
        let fresh = is_fresh(&bundles, writer, known, cx.now.unix);

        if message.public().is_some() {
            if fresh {
                self.hear(&mut tables, writer, cx.now.unix)?;
            }
            tables.commit()?;
            let payload = std::mem::take(&mut message.public);
            return Ok(Opened {
                fresh,
                ..opened(payload, Kind::Public, Protection::None, installation, bundles)
            });
        }
        let entry = self.entry(&message, &sender)?;
        let latest = self.is_latest(&tables, writer, &bundles)?;
        let mut receiver =
            Receiver { layer: self, sender, keyring: cx.keyring, now: cx.now.unix, latest, replaced: false };
        let (payload, protection) = receiver.open(&mut tables, installation.as_ref(), entry, cx.rng)?;
        if protection != Protection::Pfs && fresh {
            self.hear(&mut tables, writer, cx.now.unix)?;
        }
        let replaced = receiver.replaced;
        let negotiated = self.negotiate(&mut tables, &sender, installation.as_ref(), &bundles)?;
        tables.commit()?;

        let kind = match protection {
            _ if payload.is_empty() => Kind::Empty,
            Protection::Pfs => Kind::Ratchet,
            Protection::DhOnly | Protection::None => Kind::DhOnly,
        };
        Ok(Opened { negotiated, fresh, replaced, ..opened(payload, kind, protection, installation, bundles) })
    }

    /// Whether the writing device says of itself what is as late as anything that we have heard of it.
    fn is_latest<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        writer: Writer<'_>,
        bundles: &Bundles,
    ) -> Result<bool, OpenError> {
        let Some(device) = self.device_of(tables, writer)? else { return Ok(false) };
        Ok(said_by(bundles, writer).any(|timestamp| timestamp >= device.timestamp))
    }

    /// The ciphertext for this device, or the one for all.
    fn entry<'m>(
        &self,
        message: &'m ProtocolMessage,
        sender: &RemoteIdentity,
    ) -> Result<&'m wire::DirectMessage, OpenError> {
        if message.direct.is_empty() {
            return Err(OpenError::NoPayload);
        }
        let entry = message.direct.get(self.installation.as_str()).or_else(|| message.direct.get(NONE));
        entry.ok_or_else(|| {
            if !self.is_own(sender) {
                OpenError::DeviceNotFound
            } else if message.installation == self.installation.as_str() {
                OpenError::OwnEcho
            } else {
                OpenError::NotPaired
            }
        })
    }

    /// Remembers when a device was heard that has no session to say so. Whoever signs the envelope chooses its name.
    fn hear<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        writer: Writer<'_>,
        now: Unix,
    ) -> Result<(), OpenError> {
        if let (Some(mut device), Some(installation)) = (self.device_of(tables, writer)?, writer.installation)
        {
            device.heard = Some(now);
            tables.put_device(&self.own, writer.identity, installation, &device);
        }
        Ok(())
    }

    /// What is known of the writing device.
    fn device_of<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        writer: Writer<'_>,
    ) -> Result<Option<Device>, OpenError> {
        let Some(installation) = writer.installation else { return Ok(None) };
        Ok(tables.device(&self.own, writer.identity, installation)?)
    }

    /// Remembers that the sending device can meet us on the negotiated topic, if it says so. Only for devices
    /// that are remembered themselves, whose number is bounded.
    fn negotiate<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        sender: &RemoteIdentity,
        installation: Option<&InstallationId>,
        bundles: &Bundles,
    ) -> Result<bool, OpenError> {
        let Some(installation) = installation else { return Ok(false) };
        let listens = Self::claimed_version(bundles, sender, installation) >= 1
            && tables.device(&self.own, sender, installation)?.is_some();
        if listens && !tables.is_negotiated(&self.own, sender, installation)? {
            tables.put_negotiated(&self.own, sender, installation);
        }
        Ok(listens)
    }
}

/// The timestamps of the bundles in which the writing device speaks of itself.
fn said_by<'b>(bundles: &'b Bundles, writer: Writer<'b>) -> impl Iterator<Item = i64> {
    let of_writer = move |bundle: &&VerifiedBundle| {
        bundle.entries().iter().any(|entry| writer.is(bundle.identity(), &entry.installation))
    };
    bundles.verified.iter().filter(of_writer).map(VerifiedBundle::timestamp)
}

/// Whether a message is no copy of an old one, where `known` is the latest bundle that was known before.
fn is_fresh(bundles: &Bundles, writer: Writer<'_>, known: Option<i64>, now: Unix) -> bool {
    let recent = nanos(now).saturating_sub(i64::try_from(BUNDLE_FRESH.as_nanos()).unwrap_or(i64::MAX));
    said_by(bundles, writer)
        .any(|timestamp| timestamp >= recent || known.is_none_or(|known| timestamp > known))
}

/// Decrypts what one sender sent.
struct Receiver<'a> {
    layer: &'a Encryption,
    sender: RemoteIdentity,
    keyring: &'a dyn Keyring,
    now: Unix,
    latest: bool,
    replaced: bool,
}

impl Receiver<'_> {
    fn open<S: RatchetStore + ?Sized>(
        &mut self,
        tables: &mut Tables<'_, S>,
        installation: Option<&InstallationId>,
        entry: &wire::DirectMessage,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Protection), OpenError> {
        if let Some(header) = &entry.dr_header {
            let installation = installation.ok_or(OpenError::Installation)?;
            let payload = self.open_ratchet(tables, installation, entry, header, rng)?;
            return Ok((payload, Protection::Pfs));
        }
        let header = entry.dh_header.as_ref().ok_or(OpenError::NoKey)?;
        let ephemeral = ephemeral(&header.key)?.point().map_err(|_| OpenError::Key)?;
        let payload = dh_only::open(self.keyring, &self.layer.own, &ephemeral, &entry.payload)?;
        Ok((payload, Protection::DhOnly))
    }

    fn open_ratchet<S: RatchetStore + ?Sized>(
        &mut self,
        tables: &mut Tables<'_, S>,
        installation: &InstallationId,
        entry: &wire::DirectMessage,
        header: &wire::DrHeader,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, OpenError> {
        let prekey = PrekeyId::from_slice(&header.id).ok_or(OpenError::UnknownSession)?;
        let key = RatchetPublic::from_slice(&header.key).ok_or(RatchetError::Key)?;
        let header = Header { key, n: header.n, pn: header.pn };
        let id =
            SessionId { own: self.layer.own, peer: self.sender, installation: installation.clone(), prekey };
        let payload = match tables.session(&id)? {
            Some(session) => {
                let opening = entry.x3dh_header.as_ref();
                self.open_in_or_after(tables, &id, session, opening, (&header, &entry.payload), rng)?
            }
            None => match self.renamed(tables, entry.x3dh_header.as_ref())? {
                Some((id, session)) => {
                    let payload =
                        self.open_in_session(tables, &id, session, (&header, &entry.payload), rng)?;
                    self.prefer(tables, &id)?;
                    return Ok(payload);
                }
                None => {
                    let session = self.answer(tables, &id, entry.x3dh_header.as_ref())?;
                    let step = session.ratchet.open(&header, &entry.payload, rng)?;
                    self.replaced = self.is_beside_a_live_one(tables, &id)?;
                    self.accept(tables, &id, session, step, tables_add)?
                }
            },
        };
        self.prefer(tables, &id)?;
        Ok(payload)
    }

    /// Whether the device that opens this session has been heard in another one that goes on. It opens a second only if
    /// it lost the first, or if it is not the device: whoever has the identity's key may use the names of its devices.
    /// The person is told of either; of two that began at once, a late opening is told of as well.
    fn is_beside_a_live_one<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        id: &SessionId,
    ) -> Result<bool, OpenError> {
        let device = tables.device(&self.layer.own, &self.sender, &id.installation)?;
        let Some(prekey) = device.and_then(|device| device.heard_on) else { return Ok(false) };
        let other = tables.session(&SessionId { prekey, ..id.clone() })?;
        Ok(other.is_some_and(|session| !session.closed))
    }

    /// In the session that there is; where that fails and the message brings an opening of its own, in a session that
    /// takes its place. Its device has lost the old one then: whoever has a session does not open another on the same
    /// prekey. A copy of an opening that was used already opens nothing, and one that comes late takes no place.
    ///
    /// DEVIATION: the original keeps the old session, so that a device which lost its state cannot be read before our
    /// prekey rotates (`security.md` S10). Pinned by `a_device_that_begins_again_under_its_old_name_is_read`.
    fn open_in_or_after<S: RatchetStore + ?Sized>(
        &mut self,
        tables: &mut Tables<'_, S>,
        id: &SessionId,
        old: Session,
        opening: Option<&wire::X3dhHeader>,
        message: (&Header, &[u8]),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, OpenError> {
        let other = match opening {
            Some(opening) => Some(ephemeral(&opening.key)?).filter(|key| *key != old.ephemeral),
            None => None,
        };
        let Some(other) = other else { return self.open_in_session(tables, id, old, message, rng) };
        match self.open_in_session(tables, id, old.clone(), message, rng) {
            Err(OpenError::Ratchet(error)) => {
                if tables.opened_with(&self.layer.own, &self.sender, &other)?.is_some() {
                    return Err(RatchetError::Duplicate.into());
                }
                if !self.latest {
                    return Err(error.into());
                }
                let mut session = self.answer(tables, id, opening)?;
                let (header, ciphertext) = message;
                match session.ratchet.open(header, ciphertext, rng) {
                    Ok(step) if session.replace(&old) => {
                        self.replaced = true;
                        self.accept(tables, id, session, step, tables_put)
                    }
                    _ => Err(error.into()),
                }
            }
            result => result,
        }
    }

    /// An existing session is kept whatever opening comes along: openings are repeated and can be replayed.
    fn open_in_session<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        id: &SessionId,
        mut session: Session,
        (header, ciphertext): (&Header, &[u8]),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, OpenError> {
        if let Some(filed) = tables.skipped(id, header)? {
            let payload = Ratchet::open_skipped(&filed.key, header, ciphertext)?;
            tables.delete_skipped(id, header);
            session.hear(self.now);
            tables.put_session(id, &session);
            return Ok(payload);
        }
        let step = session.ratchet.open(header, ciphertext, rng)?;
        self.accept(tables, id, session, step, tables_put)
    }

    /// The session that this opening has opened already, under another name of the device: nothing under the MAC names
    /// the device, so that an old opening would open again, and a message would be read twice.
    ///
    /// DEVIATION: the original opens another session (test
    /// `an_opening_serves_one_session_whatever_the_device_is_called`).
    fn renamed<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        opening: Option<&wire::X3dhHeader>,
    ) -> Result<Option<(SessionId, Session)>, OpenError> {
        let Some(opening) = opening else { return Ok(None) };
        let ephemeral = ephemeral(&opening.key)?;
        Ok(tables.opened_with(&self.layer.own, &self.sender, &ephemeral)?)
    }

    /// Our end of a session that the peer opens. Not stored before the message has authenticated.
    fn answer<S: RatchetStore + ?Sized>(
        &self,
        tables: &Tables<'_, S>,
        id: &SessionId,
        opening: Option<&wire::X3dhHeader>,
    ) -> Result<Session, OpenError> {
        let opening = opening.ok_or(OpenError::UnknownSession)?;
        let named = PrekeyId::from_slice(&opening.id).ok_or(OpenError::UnknownPrekey)?;
        let own = &self.layer.own;
        let prekey = tables.own_prekey(own, &named, self.now)?.ok_or(OpenError::UnknownPrekey)?;
        if named != id.prekey {
            return Err(OpenError::UnknownSession);
        }
        let ephemeral = ephemeral(&opening.key)?;
        let point = ephemeral.point().map_err(|_| OpenError::Key)?;
        let sk = x3dh::respond(self.keyring, own, &self.sender, &prekey.private, &point)?;
        let ratchet = Ratchet::responder(&sk, &prekey.private, &named);
        Ok(Session::new(Role::Responder, ratchet, ephemeral, &sk))
    }

    /// Takes over what a message that authenticated leads to.
    fn accept<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        id: &SessionId,
        mut session: Session,
        step: Step,
        write: impl FnOnce(&mut Tables<'_, S>, &SessionId, &Session) -> Result<(), OpenError>,
    ) -> Result<Vec<u8>, OpenError> {
        tables.file_skipped(id, &step.skipped, step.next.keys_count, self.now)?;
        session.ratchet = step.next;
        session.hear(self.now);
        write(tables, id, &session)?;
        Ok(step.plaintext)
    }

    /// From now on the device is answered on this session.
    fn prefer<S: RatchetStore + ?Sized>(
        &self,
        tables: &mut Tables<'_, S>,
        id: &SessionId,
    ) -> Result<(), OpenError> {
        let own = &self.layer.own;
        let Some(mut device) = tables.device(own, &self.sender, &id.installation)? else { return Ok(()) };
        device.heard_on = Some(id.prekey);
        device.heard = Some(self.now);
        tables.put_device(own, &self.sender, &id.installation, &device);
        Ok(())
    }
}

fn tables_add<S: RatchetStore + ?Sized>(
    tables: &mut Tables<'_, S>,
    id: &SessionId,
    session: &Session,
) -> Result<(), OpenError> {
    Ok(tables.add_session(id, session)?)
}

fn tables_put<S: RatchetStore + ?Sized>(
    tables: &mut Tables<'_, S>,
    id: &SessionId,
    session: &Session,
) -> Result<(), OpenError> {
    tables.put_session(id, session);
    Ok(())
}

fn ephemeral(bytes: &[u8]) -> Result<EphemeralPublic, OpenError> {
    EphemeralPublic::from_slice(bytes).ok_or(OpenError::Key)
}

fn opened(
    payload: Vec<u8>,
    kind: Kind,
    protection: Protection,
    installation: Option<InstallationId>,
    bundles: Bundles,
) -> Opened {
    Opened {
        payload: Some(payload).filter(|_| kind != Kind::Empty),
        kind,
        protection,
        installation,
        learned: bundles.learned,
        dropped: bundles.dropped,
        negotiated: false,
        fresh: false,
        replaced: false,
    }
}
