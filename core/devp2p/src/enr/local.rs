//! The node's own record.

use super::{EnrError, Entries, Record};
use crate::node_key::NodeKey;

/// The node's own record: always signed, its number one higher after each change of its content.
///
/// Keeping it is the shell's: it stores [`Self::record`] whenever a method says that the record changed, and
/// hands it to [`Self::new`] at the next start. A start that changes nothing then keeps record and number.
///
/// ```
/// use undertone_devp2p::NodeKey;
/// use undertone_devp2p::enr::{Entries, LocalRecord};
/// let key = NodeKey::from_hex(&"01".repeat(32)).unwrap();
/// let mut local = LocalRecord::new(key.clone(), Entries::default().with_tcp(30303), None)?;
/// assert_eq!(local.record().seq(), 1);
/// assert!(local.set(local.entries().clone().with_udp(30303))?, "changed: to be stored");
/// assert_eq!(local.record().seq(), 2);
/// let stored = local.record().clone();
/// let again = LocalRecord::new(key, local.entries().clone(), Some(&stored))?;
/// assert_eq!(again.record(), &stored);
/// # Ok::<(), undertone_devp2p::enr::EnrError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocalRecord {
    key: NodeKey,
    entries: Entries,
    record: Record,
}

impl LocalRecord {
    /// Signs `entries`, unless `stored` is this node's and says the same. Its number counts on from `stored`;
    /// without one it is 1.
    ///
    /// # Errors
    /// [`EnrError::TooLarge`].
    pub fn new(key: NodeKey, entries: Entries, stored: Option<&Record>) -> Result<Self, EnrError> {
        let public = key.public();
        let entries = entries.with_identity(&public);
        let record = match stored.filter(|stored| *stored.key() == public) {
            Some(stored) if Entries::of(stored) == entries => stored.clone(),
            Some(stored) => Record::sign(&key, stored.seq().saturating_add(1), &entries)?,
            None => Record::sign(&key, 1, &entries)?,
        };
        Ok(Self { key, entries, record })
    }

    /// Signs `entries` as number `seq`, for a node that may have had records and has lost them: a number above all
    /// that it can have used, such as the milliseconds since 1970, makes the others take the new record.
    ///
    /// # Errors
    /// [`EnrError::TooLarge`].
    pub fn starting_at(key: NodeKey, entries: Entries, seq: u64) -> Result<Self, EnrError> {
        let entries = entries.with_identity(&key.public());
        let record = Record::sign(&key, seq, &entries)?;
        Ok(Self { key, entries, record })
    }

    /// Replaces the content. `true` when that changed it: the record was signed anew and is to be stored.
    ///
    /// # Errors
    /// [`EnrError::TooLarge`]; the record is as before then.
    pub fn set(&mut self, entries: Entries) -> Result<bool, EnrError> {
        let entries = entries.with_identity(self.record.key());
        if entries == self.entries {
            return Ok(false);
        }
        self.record = Record::sign(&self.key, self.record.seq().saturating_add(1), &entries)?;
        self.entries = entries;
        Ok(true)
    }

    /// The content as it is signed.
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The record.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The key that signs it.
    pub const fn key(&self) -> &NodeKey {
        &self.key
    }
}
