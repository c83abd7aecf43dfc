//! A device of somebody, and a store that tells of writes.

use std::cell::Cell;

use undertone_base::{Now, StoreError};
use undertone_crypto::{KeyId, MemoryKeyring, PublicKey, SecretKey};
use undertone_support::ChaCha20Rng;

use super::super::super::{Context, Encryption, Opened, Sealed};
use crate::layer::Erased;
use crate::limits::ERASE_PAGE;
use crate::store::{MemoryRatchetStore, RatchetStore, Row, Table};
use crate::{InstallationId, LocalIdentity, OpenError, SealError};

/// Somebody with one identity key.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) key: PublicKey,
    pub(super) keyring: MemoryKeyring,
    id: KeyId,
    pub(super) devices: Vec<Device>,
}

/// One device in one life: losing its state begins another.
#[derive(Debug)]
pub(super) struct Device {
    /// Unique among all devices that ever were.
    pub(super) life: u64,
    pub(super) layer: Encryption,
    pub(super) store: MemoryRatchetStore,
    pub(super) backup: Option<MemoryRatchetStore>,
    /// When each person was last answered because its message was not for this device, in milliseconds.
    pub(super) answered: std::collections::BTreeMap<PublicKey, u64>,
}

impl Person {
    pub(super) fn new(rng: &mut ChaCha20Rng) -> Self {
        let mut keyring = MemoryKeyring::new();
        let secret = SecretKey::random(rng);
        let key = secret.public();
        let id = keyring.insert(secret);
        Self { key, keyring, id, devices: Vec::new() }
    }

    pub(super) fn new_device(&self, life: u64, rng: &mut ChaCha20Rng) -> Device {
        self.named_device(life, InstallationId::random(rng))
    }

    pub(super) fn named_device(&self, life: u64, name: InstallationId) -> Device {
        let own = LocalIdentity::new(&self.keyring, self.id).unwrap();
        let layer = Encryption::new(own, name);
        let store = MemoryRatchetStore::new();
        Device { life, layer, store, backup: None, answered: Default::default() }
    }
}

impl Device {
    /// What is worth keeping of a store: who the others are. Not sessions, whose keys would be used twice.
    pub(super) fn without_secrets(&self) -> MemoryRatchetStore {
        let mut kept = MemoryRatchetStore::new();
        for table in [Table::Device, Table::Negotiated] {
            for (key, row) in self.store.scan(table, b"").unwrap() {
                kept.put(table, &key, row.as_ref()).unwrap();
            }
        }
        kept
    }

    /// Opens, and says how often the store was written to.
    pub(super) fn open(
        &mut self,
        keyring: &MemoryKeyring,
        now: Now,
        rng: &mut ChaCha20Rng,
        sender: &PublicKey,
        bytes: &[u8],
    ) -> (Result<Opened, OpenError>, usize) {
        let mut store = Watched::new(&mut self.store);
        let mut cx = Context { store: &mut store, keyring, now, rng };
        let result = self.layer.open(&mut cx, sender, bytes);
        (result, store.writes)
    }

    /// Erases as much as one call does, and says how many full pages it has read.
    pub(super) fn erase(&mut self, now: Now) -> (Erased, usize) {
        let mut store = Watched::new(&mut self.store);
        let erased = self.layer.erase_outdated(&mut store, now).unwrap();
        (erased, store.full_pages.get())
    }

    pub(super) fn seal(
        &mut self,
        keyring: &MemoryKeyring,
        now: Now,
        rng: &mut ChaCha20Rng,
        to: &PublicKey,
        payload: &[u8],
    ) -> Sealed {
        self.with(keyring, now, rng, |layer, cx| layer.seal_direct(cx, to, payload))
    }

    pub(super) fn seal_dh(
        &mut self,
        keyring: &MemoryKeyring,
        now: Now,
        rng: &mut ChaCha20Rng,
        to: &PublicKey,
        payload: &[u8],
    ) -> Sealed {
        self.with(keyring, now, rng, |layer, cx| layer.seal_dh(cx, to, payload))
    }

    fn with(
        &mut self,
        keyring: &MemoryKeyring,
        now: Now,
        rng: &mut ChaCha20Rng,
        seal: impl FnOnce(
            &Encryption,
            &mut Context<'_, MemoryRatchetStore, ChaCha20Rng>,
        ) -> Result<Sealed, SealError>,
    ) -> Sealed {
        seal(&self.layer, &mut Context { store: &mut self.store, keyring, now, rng }).unwrap()
    }
}

/// Counts what is written, and the pages that are full.
struct Watched<'a> {
    below: &'a mut MemoryRatchetStore,
    writes: usize,
    full_pages: Cell<usize>,
}

impl<'a> Watched<'a> {
    fn new(below: &'a mut MemoryRatchetStore) -> Self {
        Self { below, writes: 0, full_pages: Cell::new(0) }
    }
}

impl RatchetStore for Watched<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.below.get(table, key)
    }

    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), StoreError> {
        self.writes += 1;
        self.below.put(table, key, row)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.writes += 1;
        self.below.delete(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        self.below.scan(table, prefix)
    }

    fn scan_page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        assert!(limit <= ERASE_PAGE, "{limit} rows at once");
        let page = self.below.scan_page(table, prefix, after, limit)?;
        self.full_pages.set(self.full_pages.get() + usize::from(page.len() == ERASE_PAGE));
        Ok(page)
    }
}
