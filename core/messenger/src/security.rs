//! The ratchet layer on the messenger's transaction.

use std::collections::BTreeSet;
use std::ops::Bound;

use rand_core::CryptoRng;
use undertone_base::{Secret, StoreError, Unix};
use undertone_crypto::PublicKey;
use undertone_ratchet::{
    self as ratchet, Context, Encryption, Erased, Learned, OpenError, Opened, RatchetStore, Row,
};
use undertone_transport::{NegotiatedSecret, Received, Route};

use crate::chat::ChatId;
use crate::fault::Fault;
use crate::io::{Pfs, Protection};
use crate::limits::{ACQUAINTANCES_LEAVE, HEARD_WITHIN, MAX_PEOPLE, MAX_ROWS, MAX_SKIPPED_OF_STRANGER};
use crate::rows::{Address, ContactRow, Due, contact_key};
use crate::staged::Staged;
use crate::step::Step;
use crate::store::{Keys, Order, StoreTx, Table, prefix_end};

/// A payload ready for the transport.
pub(crate) struct SealedPayload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) address: Address,
    pub(crate) protection: Protection,
    /// The ratchet session's short name.
    pub(crate) session: Option<[u8; 4]>,
}

impl<S: StoreTx, R: CryptoRng + ?Sized> Step<'_, S, R> {
    /// Protects a payload for a person and says where it goes: where both are known to listen, else to the
    /// person's partition. With PFS off, nothing is done to it beyond the transport's own sealing.
    pub(crate) fn seal_direct(&mut self, peer: &PublicKey, payload: Vec<u8>) -> Result<SealedPayload, Fault> {
        if self.pfs(peer)? == Pfs::Off {
            let address = Address::Partition(*peer);
            return Ok(SealedPayload {
                bytes: payload,
                address,
                protection: Protection::TransportOnly,
                session: None,
            });
        }
        let sealed = self.with_ratchet(|layer, cx| layer.seal_direct(cx, peer, &payload))?;
        let address = if sealed.agreed { Address::Negotiated(*peer) } else { Address::Partition(*peer) };
        let session = sealed.sessions.first().and_then(|prekey| prekey.as_bytes().get(1..5)?.try_into().ok());
        Ok(SealedPayload { bytes: sealed.bytes, address, protection: protection(sealed.protection), session })
    }

    /// A payload that everybody may read, beside our bundle.
    pub(crate) fn seal_public(&mut self, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(self.with_ratchet(|layer, cx| layer.seal_public(cx, payload))?.bytes)
    }

    /// Opens what arrived.
    pub(crate) fn open_sealed(&mut self, received: &Received) -> Result<Opened, OpenError> {
        self.with_ratchet(|layer, cx| layer.open(cx, &received.author, &received.payload))
    }

    /// Our devices for a person, with nothing inside.
    pub(crate) fn seal_devices(&mut self, peer: &PublicKey) -> Result<Vec<u8>, Fault> {
        Ok(self.with_ratchet(|layer, cx| layer.seal_dh(cx, peer, &[]))?.bytes)
    }

    /// Takes in the devices that a message names which cannot be opened.
    pub(crate) fn learn_from(&mut self, received: &Received) -> Result<Vec<Learned>, OpenError> {
        self.with_ratchet(|layer, cx| layer.learn(cx.store, cx.now, &received.author, &received.payload))
    }

    /// Erases what is kept only for a time; what is too much for one step is due again at once.
    pub(crate) fn erase_outdated(&mut self) -> Result<(), Fault> {
        let now = self.now;
        if self.with_ratchet(|layer, cx| layer.erase_outdated(cx.store, now))? == Erased::Part {
            self.tx.put(Table::Due, &Due::Erase.key(now.unix), &[])?;
        }
        Ok(())
    }

    /// The route that we share with a person.
    pub(crate) fn negotiated(&self, peer: &PublicKey) -> Result<Route, Fault> {
        let secret = self.layer().negotiated_secret(&*self.messenger.keyring, peer)?;
        let secret = Secret::fill(|to| to.copy_from_slice(secret.expose()));
        Ok(Route::Negotiated(NegotiatedSecret::new(secret)))
    }

    /// Decides whose devices may be kept of what this step has learned so far: our own, and those of people we have a
    /// chat with or know already; never those of who is blocked. The rest is
    /// forgotten before anything is encrypted with it. Says whether the author's are kept.
    ///
    /// Sessions, and the keys of messages that have not come, are kept of those alone whom a person can see: one who
    /// has a chat, was added, or was declined. Of one whose chat nobody has accepted, few keys.
    ///
    /// Bundles are signed by whoever makes a key, and every message may carry four; whoever opens a session can skip a
    /// thousand messages with one that says nothing: without this, anyone could fill the store.
    pub(crate) fn admit(&mut self, author: &PublicKey) -> Result<bool, Fault> {
        self.admit_or_meet(author, false)
    }

    /// The same after something that was said where everybody may speak: then its author's devices are kept as well.
    pub(crate) fn admit_speaker(&mut self, author: &PublicKey) -> Result<bool, Fault> {
        self.admit_or_meet(author, true)
    }

    fn admit_or_meet(&mut self, author: &PublicKey, speaker: bool) -> Result<bool, Fault> {
        let own = contact_key(self.own());
        let (mut forgotten, mut unseen) = (BTreeSet::new(), BTreeSet::new());
        let written = self.identities_written();
        for identity in &written {
            let identity = *identity;
            if identity == own {
                continue;
            }
            let known = match PublicKey::from_compressed(&identity) {
                Ok(key) => {
                    if !self.is_seen(&key)? {
                        unseen.insert(identity);
                    } else if let Some(row) = self.chat(&ChatId::OneToOne(key))?
                        && self.is_request(&row)?
                    {
                        self.skip_few(&identity)?;
                    }
                    !self.is_blocked(&key)? && (self.knows(&key)? || (speaker && key == *author))
                }
                Err(_) => false,
            };
            if !known {
                forgotten.insert(identity);
            }
        }
        for table in OF_CONVERSATIONS {
            self.tx.retain(table, |key| identity_of(key).is_none_or(|of| !unseen.contains(&of)));
        }
        for table in OF_PEERS {
            self.tx.retain(table, |key| identity_of(key).is_none_or(|of| !forgotten.contains(&of)));
        }
        let kept = !forgotten.contains(&contact_key(author));
        if speaker && kept && written.contains(&contact_key(author)) {
            self.meet_speaker(author)?;
        }
        Ok(kept)
    }

    fn identities_written(&self) -> BTreeSet<[u8; 33]> {
        OF_PEERS.iter().flat_map(|table| self.tx.written(*table)).filter_map(identity_of).collect()
    }

    /// Whether a person would find this one somewhere.
    fn is_seen(&self, key: &PublicKey) -> Result<bool, StoreError> {
        Ok(self.chat(&ChatId::OneToOne(*key))?.is_some()
            || self.contact(key)?.is_some_and(|row| row.added || row.declined != 0))
    }

    /// Forgets what a stranger makes us file above [`MAX_SKIPPED_OF_STRANGER`]: the oldest of what is new. What was
    /// used and is deleted stays deleted.
    fn skip_few(&mut self, identity: &[u8; 33]) -> Result<(), StoreError> {
        let prefix = [contact_key(self.own()), *identity].concat();
        let rows = self.tx.scan_prefix(Table::Skipped, &prefix, Order::Ascending, MAX_ROWS)?.len();
        let mut surplus = BTreeSet::new();
        for key in self.tx.written(Table::Skipped).filter(|key| key.starts_with(&prefix)) {
            if surplus.len() >= rows.saturating_sub(MAX_SKIPPED_OF_STRANGER) {
                break;
            }
            if self.tx.below().get(Table::Skipped, key)?.is_none() {
                surplus.insert(key.to_vec());
            }
        }
        self.tx.retain(Table::Skipped, |key| !surplus.contains(key));
        Ok(())
    }

    fn knows(&self, key: &PublicKey) -> Result<bool, StoreError> {
        Ok(self.chat(&ChatId::OneToOne(*key))?.is_some() || self.contact(key)?.is_some())
    }

    /// Remembers when somebody spoke of whom nothing else is known. Where there are too many of them, those whom we heard
    /// longest ago leave.
    fn meet_speaker(&mut self, key: &PublicKey) -> Result<(), Fault> {
        let now = self.now.unix.max(Unix::from_millis(1));
        let row = match self.contact(key)? {
            Some(row) => match row.acquaintance {
                // To the hour is enough; a clock that went back is corrected.
                Some(last) if last <= now && now < last.after(HEARD_WITHIN) => return Ok(()),
                Some(_) => row,
                None => return Ok(()),
            },
            None if self.chat(&ChatId::OneToOne(*key))?.is_some() || key == self.own() => return Ok(()),
            None => {
                if self.state.people >= MAX_PEOPLE {
                    self.forget_acquaintances()?;
                }
                self.state.people = self.state.people.saturating_add(1);
                ContactRow::default()
            }
        };
        Ok(self.put_contact(key, &ContactRow { acquaintance: Some(now), ..row })?)
    }

    /// Many at once, because all have to be looked at.
    fn forget_acquaintances(&mut self) -> Result<(), Fault> {
        let mut known = Vec::new();
        for (key, row) in self.tx.scan(Table::Contact, Keys::ALL, Order::Ascending, MAX_ROWS)? {
            if let Some(heard) = ContactRow::from_bytes(&row)?.acquaintance {
                known.push((heard, key));
            }
        }
        known.sort();
        let (left, leave) = (known.len(), known.len().min(ACQUAINTANCES_LEAVE));
        for (_, key) in known.into_iter().take(leave) {
            self.leaves(PublicKey::from_compressed(&key).map_err(|_| StoreError::Corrupt("contact"))?);
        }
        self.state.people = u32::try_from(left.saturating_sub(leave)).unwrap_or(u32::MAX);
        Ok(())
    }

    /// Erases what the ratchet knows of those who leave with this step, and their rows if nothing was said of them. At
    /// its end: what a step has learned of whom it does not keep is forgotten before that, erasures too.
    pub(crate) fn forget_those_who_leave(&mut self) -> Result<(), Fault> {
        let own = contact_key(self.own());
        for person in self.take_those_who_leave() {
            let key = contact_key(&person);
            let prefix = [own, key].concat();
            for table in OF_PEERS {
                for (key, row) in self.tx.scan_prefix(table, &prefix, Order::Ascending, MAX_ROWS)? {
                    drop(Row::from(row));
                    self.tx.delete(table, &key)?;
                }
            }
            if self.contact(&person)?.is_some_and(|row| !row.is_decided()) {
                self.tx.delete(Table::Contact, &key)?;
            }
        }
        Ok(())
    }

    fn layer(&self) -> Encryption {
        Encryption::new(self.messenger.own, self.state.installation.clone())
    }

    pub(crate) fn with_ratchet<T>(
        &mut self,
        work: impl FnOnce(&Encryption, &mut Context<'_, RatchetTx<'_, Staged<'_, S>>, R>) -> T,
    ) -> T {
        let layer = self.layer();
        let mut store = RatchetTx(&mut self.tx);
        let keyring = &*self.messenger.keyring;
        work(&layer, &mut Context { store: &mut store, keyring, now: self.now, rng: self.rng })
    }
}

/// Tables whose keys are `own identity (33) || identity of the peer (33) || …`.
const OF_PEERS: [Table; 4] = [Table::Device, Table::Negotiated, Table::Session, Table::Skipped];

/// Those of them that only a conversation makes.
const OF_CONVERSATIONS: [Table; 3] = [Table::Negotiated, Table::Session, Table::Skipped];

pub(crate) fn identity_of(key: &[u8]) -> Option<[u8; 33]> {
    key.get(33..66)?.try_into().ok()
}

pub(crate) const fn protection(of: ratchet::Protection) -> Protection {
    match of {
        ratchet::Protection::None => Protection::Public,
        ratchet::Protection::DhOnly => Protection::DhOnly,
        ratchet::Protection::Pfs => Protection::Ratchet,
    }
}

/// The ratchet's port over the messenger's.
pub(crate) struct RatchetTx<'a, T>(&'a mut T);

impl<T: StoreTx> RatchetStore for RatchetTx<'_, T> {
    fn get(&self, table: ratchet::Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.0.get(table_of(table), key)?.map(Row::from))
    }

    fn put(&mut self, table: ratchet::Table, key: &[u8], row: &[u8]) -> Result<(), StoreError> {
        self.0.put(table_of(table), key, row)
    }

    fn delete(&mut self, table: ratchet::Table, key: &[u8]) -> Result<(), StoreError> {
        self.0.delete(table_of(table), key)
    }

    fn scan(&self, table: ratchet::Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        scan_page(self.0, table, prefix, None, MAX_ROWS)
    }

    fn scan_page(
        &self,
        table: ratchet::Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        scan_page(self.0, table, prefix, after, limit)
    }
}

/// The same for those who only look.
pub(crate) struct RatchetView<'a, T>(pub(crate) &'a T);

impl<T: StoreTx> RatchetStore for RatchetView<'_, T> {
    fn get(&self, table: ratchet::Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.0.get(table_of(table), key)?.map(Row::from))
    }

    fn put(&mut self, _: ratchet::Table, _: &[u8], _: &[u8]) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    fn delete(&mut self, _: ratchet::Table, _: &[u8]) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    fn scan(&self, table: ratchet::Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        scan_page(self.0, table, prefix, None, MAX_ROWS)
    }

    fn scan_page(
        &self,
        table: ratchet::Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        scan_page(self.0, table, prefix, after, limit)
    }
}

fn scan_page(
    tx: &impl StoreTx,
    table: ratchet::Table,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
    let end = prefix_end(prefix);
    let keys = Keys {
        from: after.map_or(Bound::Included(prefix), Bound::Excluded),
        to: end.as_deref().map_or(Bound::Unbounded, Bound::Excluded),
    };
    let rows = tx.scan(table_of(table), keys, Order::Ascending, limit)?;
    Ok(rows.into_iter().map(|(key, row)| (key, Row::from(row))).collect())
}

const fn table_of(table: ratchet::Table) -> Table {
    match table {
        ratchet::Table::Device => Table::Device,
        ratchet::Table::Negotiated => Table::Negotiated,
        ratchet::Table::OwnPrekey => Table::OwnPrekey,
        ratchet::Table::OwnState => Table::OwnState,
        ratchet::Table::Session => Table::Session,
        ratchet::Table::Skipped => Table::Skipped,
    }
}
