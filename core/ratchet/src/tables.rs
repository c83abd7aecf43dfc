//! Typed access to the rows of the store, and the bounds of every table that a peer can grow.

use undertone_base::{Reader, StoreError, Unix};
use undertone_crypto::PublicKey;

use crate::installation::InstallationId;
use crate::keys::{EphemeralPublic, LocalIdentity, PrekeyId, RemoteIdentity};
use crate::layer::Erased;
use crate::limits::{
    ERASE_PAGE, MAX_DEVICES_PER_IDENTITY, MAX_ERASED, MAX_SESSIONS_PER_IDENTITY, MAX_SKIPPED_BEHIND,
    MAX_SKIPPED_PER_IDENTITY, MAX_SKIPPED_PER_SESSION, PREKEY_KEPT, SKIPPED_KEPT,
};
use crate::ratchet::{Header, Skipped};
use crate::session::{Session, SessionId};
use crate::store::{Overlay, RatchetStore, Row, Table};
use crate::stored::{Device, FiledKey, OwnPrekey, OwnState};

/// Typed view of an [`Overlay`].
#[derive(Debug)]
pub(crate) struct Tables<'a, S: RatchetStore + ?Sized>(Overlay<'a, S>);

impl<'a, S: RatchetStore + ?Sized> Tables<'a, S> {
    pub(crate) fn new(store: &'a mut S) -> Self {
        Self(Overlay::new(store))
    }

    pub(crate) fn commit(self) -> Result<(), StoreError> {
        self.0.commit()
    }

    pub(crate) fn own_state(&self, own: &LocalIdentity) -> Result<Option<OwnState>, StoreError> {
        read(self.0.get(Table::OwnState, identity(own.public()))?, OwnState::from_bytes)
    }

    pub(crate) fn put_own_state(&mut self, own: &LocalIdentity, state: &OwnState) {
        self.0.put(Table::OwnState, identity(own.public()), state.to_bytes());
    }

    /// Our prekey of this id, as long as it is kept.
    pub(crate) fn own_prekey(
        &self,
        own: &LocalIdentity,
        id: &PrekeyId,
        now: Unix,
    ) -> Result<Option<OwnPrekey>, StoreError> {
        let row = read(self.0.get(Table::OwnPrekey, own_prekey_key(own, id))?, OwnPrekey::from_bytes)?;
        Ok(row.filter(|prekey| !is_outdated(prekey, now)))
    }

    pub(crate) fn is_own_prekey(&self, own: &LocalIdentity, id: &PrekeyId) -> Result<bool, StoreError> {
        Ok(self.0.get(Table::OwnPrekey, own_prekey_key(own, id))?.is_some())
    }

    pub(crate) fn put_own_prekey(&mut self, own: &LocalIdentity, id: &PrekeyId, prekey: &OwnPrekey) {
        self.0.put(Table::OwnPrekey, own_prekey_key(own, id), prekey.to_bytes());
    }

    /// Erases our prekeys that were replaced long ago.
    pub(crate) fn erase_outdated_prekeys(
        &mut self,
        own: &LocalIdentity,
        now: Unix,
    ) -> Result<(), StoreError> {
        for (key, row) in self.0.scan(Table::OwnPrekey, &identity(own.public()))? {
            if is_outdated(&OwnPrekey::from_bytes(row.as_ref())?, now) {
                self.0.delete(Table::OwnPrekey, key);
            }
        }
        Ok(())
    }

    pub(crate) fn device(
        &self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
        installation: &InstallationId,
    ) -> Result<Option<Device>, StoreError> {
        read(self.0.get(Table::Device, device_key(own, peer, installation))?, Device::from_bytes)
    }

    pub(crate) fn put_device(
        &mut self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
        installation: &InstallationId,
        device: &Device,
    ) {
        self.0.put(Table::Device, device_key(own, peer, installation), device.to_bytes());
    }

    /// Makes room for one more device of `peer`. An identity can name as many as it likes, so the one with
    /// the oldest bundle leaves.
    pub(crate) fn make_room_for_device(
        &mut self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
    ) -> Result<(), StoreError> {
        let devices = self.devices(own, peer)?;
        if devices.len() >= MAX_DEVICES_PER_IDENTITY
            && let Some((oldest, _)) = devices.iter().min_by_key(|(_, device)| device.timestamp)
        {
            self.0.delete(Table::Device, device_key(own, peer, oldest));
            self.0.delete(Table::Negotiated, device_key(own, peer, oldest));
        }
        Ok(())
    }

    pub(crate) fn devices(
        &self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
    ) -> Result<Vec<(InstallationId, Device)>, StoreError> {
        read_devices(self.0.scan(Table::Device, &pair(own, peer))?)
    }

    pub(crate) fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        read(self.0.get(Table::Session, session_key(id))?, Session::from_bytes)
    }

    /// Sends nothing more on any session with a device; what was sent on them can still be read.
    pub(crate) fn close_sessions(
        &mut self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
        installation: &InstallationId,
    ) -> Result<(), StoreError> {
        for (key, row) in self.0.scan(Table::Session, &device_key(own, peer, installation))? {
            let mut session = Session::from_bytes(row.as_ref())?;
            if !session.closed {
                session.closed = true;
                self.0.put(Table::Session, key, session.to_bytes());
            }
        }
        Ok(())
    }

    /// The session with this peer that was opened with this key, or took the place of one that was, whatever name its
    /// device went by.
    pub(crate) fn opened_with(
        &self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
        ephemeral: &EphemeralPublic,
    ) -> Result<Option<(SessionId, Session)>, StoreError> {
        for (key, row) in self.0.scan(Table::Session, &pair(own, peer))? {
            let session = Session::from_bytes(row.as_ref())?;
            if session.ephemeral == *ephemeral || session.replaced.contains(ephemeral) {
                const CORRUPT: StoreError = StoreError::Corrupt("session");
                let (device, prekey) = key.split_last_chunk::<33>().ok_or(CORRUPT)?;
                let prekey = PrekeyId::from_slice(prekey).ok_or(CORRUPT)?;
                let installation = installation_of(device)?;
                return Ok(Some((SessionId { own: *own, peer: *peer, installation, prekey }, session)));
            }
        }
        Ok(None)
    }

    /// Writes a session that is in the store already.
    pub(crate) fn put_session(&mut self, id: &SessionId, session: &Session) {
        self.0.put(Table::Session, session_key(id), session.to_bytes());
    }

    /// Writes a new session. A peer can open as many as it likes, so above
    /// [`MAX_SESSIONS_PER_IDENTITY`] the one that was unused for longest leaves.
    pub(crate) fn add_session(&mut self, id: &SessionId, session: &Session) -> Result<(), StoreError> {
        let rows = self.0.scan(Table::Session, &pair(&id.own, &id.peer))?;
        if rows.len() >= MAX_SESSIONS_PER_IDENTITY {
            let mut oldest: Option<(Unix, Vec<u8>)> = None;
            for (key, row) in rows {
                let used = Session::from_bytes(row.as_ref())?.used;
                if oldest.as_ref().is_none_or(|(least, _)| used < *least) {
                    oldest = Some((used, key));
                }
            }
            if let Some((_, key)) = oldest {
                for (skipped, _) in self.0.scan(Table::Skipped, &key)? {
                    self.0.delete(Table::Skipped, skipped);
                }
                self.0.delete(Table::Session, key);
            }
        }
        self.put_session(id, session);
        Ok(())
    }

    pub(crate) fn skipped(&self, id: &SessionId, header: &Header) -> Result<Option<FiledKey>, StoreError> {
        let key = skipped_key(id, header.key.as_bytes(), header.n);
        read(self.0.get(Table::Skipped, key)?, FiledKey::from_bytes)
    }

    pub(crate) fn delete_skipped(&mut self, id: &SessionId, header: &Header) {
        self.0.delete(Table::Skipped, skipped_key(id, header.key.as_bytes(), header.n));
    }

    /// Files skipped keys and lets the oldest go where there are too many.
    pub(crate) fn file_skipped(
        &mut self,
        id: &SessionId,
        skipped: &[Skipped],
        keys_count: u64,
        now: Unix,
    ) -> Result<(), StoreError> {
        if skipped.is_empty() {
            return Ok(());
        }
        for key in skipped {
            let at = skipped_key(id, key.ratchet.as_bytes(), key.n);
            self.0.put(Table::Skipped, at, FiledKey::new(key, now).to_bytes());
        }
        let behind = keys_count.checked_sub(MAX_SKIPPED_BEHIND);
        self.shrink_skipped(&session_key(id), MAX_SKIPPED_PER_SESSION, |key| {
            (behind.is_some_and(|last| key.seq <= last), key.seq)
        })?;
        self.shrink_skipped(&pair(&id.own, &id.peer), MAX_SKIPPED_PER_IDENTITY, |key| {
            (false, key.filed.millis())
        })
    }

    /// Deletes what `rank` calls outdated, then the lowest ranks above `max`.
    fn shrink_skipped(
        &mut self,
        prefix: &[u8],
        max: usize,
        rank: impl Fn(&FiledKey) -> (bool, u64),
    ) -> Result<(), StoreError> {
        let mut ranked = Vec::new();
        for (key, row) in self.0.scan(Table::Skipped, prefix)? {
            let filed = FiledKey::from_bytes(row.as_ref())?;
            let (outdated, order) = rank(&filed);
            if outdated {
                self.0.delete(Table::Skipped, key);
            } else {
                ranked.push((order, filed.seq, key));
            }
        }
        ranked.sort();
        let surplus = ranked.len().saturating_sub(max);
        for (_, _, key) in ranked.into_iter().take(surplus) {
            self.0.delete(Table::Skipped, key);
        }
        Ok(())
    }

    /// Deletes skipped keys of messages that will not come any more, at most [`MAX_ERASED`]. They are those of all
    /// peers together, so they are looked at page by page. No other change may come before it.
    pub(crate) fn erase_outdated_skipped(
        &mut self,
        own: &LocalIdentity,
        now: Unix,
    ) -> Result<Erased, StoreError> {
        let prefix = identity(own.public());
        let (mut after, mut erased) = (None::<Vec<u8>>, 0_usize);
        loop {
            let page = self.0.page_below(Table::Skipped, &prefix, after.as_deref(), ERASE_PAGE)?;
            for (key, row) in &page {
                if FiledKey::from_bytes(row.as_ref())?.filed.after(SKIPPED_KEPT) < now {
                    if erased >= MAX_ERASED {
                        return Ok(Erased::Part);
                    }
                    erased = erased.saturating_add(1);
                    self.0.delete(Table::Skipped, key.clone());
                }
            }
            match page.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => return Ok(Erased::All),
            }
        }
    }

    pub(crate) fn is_negotiated(
        &self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
        installation: &InstallationId,
    ) -> Result<bool, StoreError> {
        Ok(self.0.get(Table::Negotiated, device_key(own, peer, installation))?.is_some())
    }

    pub(crate) fn delete_negotiated(
        &mut self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
        installation: &InstallationId,
    ) {
        self.0.delete(Table::Negotiated, device_key(own, peer, installation));
    }

    pub(crate) fn put_negotiated(
        &mut self,
        own: &LocalIdentity,
        peer: &RemoteIdentity,
        installation: &InstallationId,
    ) {
        self.0.put(Table::Negotiated, device_key(own, peer, installation), Row::default());
    }
}

/// The devices of `peer`, straight from the store.
pub(crate) fn devices<S: RatchetStore + ?Sized>(
    store: &S,
    own: &LocalIdentity,
    peer: &RemoteIdentity,
) -> Result<Vec<(InstallationId, Device)>, StoreError> {
    read_devices(store.scan(Table::Device, &pair(own, peer))?)
}

/// Whether a device is known to listen on the negotiated topic, straight from the store.
pub(crate) fn is_negotiated<S: RatchetStore + ?Sized>(
    store: &S,
    own: &LocalIdentity,
    peer: &RemoteIdentity,
    installation: &InstallationId,
) -> Result<bool, StoreError> {
    Ok(store.get(Table::Negotiated, &device_key(own, peer, installation))?.is_some())
}

fn read_devices(rows: Vec<(Vec<u8>, Row)>) -> Result<Vec<(InstallationId, Device)>, StoreError> {
    rows.into_iter()
        .map(|(key, row)| Ok((installation_of(&key)?, Device::from_bytes(row.as_ref())?)))
        .collect()
}

fn is_outdated(prekey: &OwnPrekey, now: Unix) -> bool {
    prekey.retired.is_some_and(|at| at.after(PREKEY_KEPT) < now)
}

fn read<T>(
    row: Option<Row>,
    from_bytes: impl FnOnce(&[u8]) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    row.map(|row| from_bytes(row.as_ref())).transpose()
}

fn identity(key: &PublicKey) -> Vec<u8> {
    key.to_compressed().to_vec()
}

fn pair(own: &LocalIdentity, peer: &RemoteIdentity) -> Vec<u8> {
    let mut key = Vec::with_capacity(256);
    key.extend_from_slice(&own.public().to_compressed());
    key.extend_from_slice(&peer.public().to_compressed());
    key
}

fn own_prekey_key(own: &LocalIdentity, id: &PrekeyId) -> Vec<u8> {
    let mut key = identity(own.public());
    key.extend_from_slice(id.as_bytes());
    key
}

fn device_key(own: &LocalIdentity, peer: &RemoteIdentity, installation: &InstallationId) -> Vec<u8> {
    let mut key = pair(own, peer);
    let name = installation.as_str().as_bytes();
    // A name has at most 64 bytes.
    key.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(name);
    key
}

fn session_key(id: &SessionId) -> Vec<u8> {
    let mut key = device_key(&id.own, &id.peer, &id.installation);
    key.extend_from_slice(id.prekey.as_bytes());
    key
}

fn skipped_key(id: &SessionId, ratchet: &[u8; 33], n: u32) -> Vec<u8> {
    let mut key = session_key(id);
    key.extend_from_slice(ratchet);
    key.extend_from_slice(&n.to_be_bytes());
    key
}

/// The device in a key of [`Table::Device`].
fn installation_of(key: &[u8]) -> Result<InstallationId, StoreError> {
    const CORRUPT: StoreError = StoreError::Corrupt("device");
    let mut reader = Reader::new(key);
    let _own = reader.take::<33>().map_err(|_| CORRUPT)?;
    let _peer = reader.take::<33>().map_err(|_| CORRUPT)?;
    let [len] = reader.take::<1>().map_err(|_| CORRUPT)?;
    let name = reader.sub(usize::from(len)).map_err(|_| CORRUPT)?;
    reader.finish().map_err(|_| CORRUPT)?;
    std::str::from_utf8(name).ok().and_then(InstallationId::new).ok_or(CORRUPT)
}
