//! What is taken along to another device, or back after a loss: people, chats and what was said in them.
//!
//! No state of the ratchet goes along, and no name of a device: whoever restores a backup is a new device. Two
//! copies of one state would use every key twice.

use std::collections::BTreeSet;
use std::ops::Bound;

use prost::Message as _;
use rand_core::CryptoRng;
use undertone_base::{FaultClass, StoreError};
use undertone_crypto::PublicKey;
use undertone_payload::MessageId;
use undertone_ratchet::InstallationId;
use zeroize::Zeroizing;

use crate::chat::{Chat, ChatId, FailReason, Message, MessageState, OpenedBy};
use crate::io::Pfs;
use crate::limits::{BACKUP_PAGE, MAX_ROWS};
use crate::messenger::Messenger;
use crate::proto;
use crate::rows::{ContactRow, NAMES, NameRow, State, chat_key, contact_key, timeline_key};
use crate::store::{Keys, Order, StoreTx, Table};

/// The format that this version writes, and the only one so far.
const FORMAT: u32 = 1;

/// Why a backup was not restored. The store is as before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Not what [`Messenger::backup`] makes.
    #[error("this is no backup, or a damaged one")]
    Malformed,
    /// Somebody has used this store already.
    #[error("there are messages here already")]
    NotEmpty,
    /// It belongs to another account.
    #[error("this is the backup of another account")]
    OtherAccount,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A later version made it.
    #[error("this backup has format {got}; this version reads format {FORMAT}")]
    Version {
        /// Its format.
        got: u32,
    },
}

impl RestoreError {
    /// Whose fault.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Malformed => FaultClass::Environment,
            Self::NotEmpty | Self::OtherAccount | Self::Version { .. } => FaultClass::Caller,
            Self::Store(e) => e.fault(),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "restore.malformed",
            Self::NotEmpty => "restore.not_empty",
            Self::OtherAccount => "restore.other_account",
            Self::Store(e) => e.code(),
            Self::Version { .. } => "restore.version",
        }
    }
}

/// What came back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Restored {
    /// People of whom anything was said.
    pub contacts: usize,
    /// Chats.
    pub chats: usize,
    /// Messages.
    pub messages: usize,
}

impl Messenger {
    /// People, chats, messages and settings: all of them, however many there are. Not encrypted: the caller does that,
    /// and says so when it is more than a backup file holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn backup(&self, tx: &impl StoreTx) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.backup_by_pages(tx, BACKUP_PAGE)
    }

    pub(crate) fn backup_by_pages(
        &self,
        tx: &impl StoreTx,
        page: usize,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let rows = |table| all_rows(tx, table, page);
        let mut backup = proto::Backup {
            format: FORMAT,
            owner: self.key().to_compressed().to_vec(),
            contacts: Vec::new(),
            chats: rows(Table::Chat)?,
            messages: rows(Table::Message)?,
            pfs_default_off: self.default_pfs(tx)? == Pfs::Off,
            names: Vec::new(),
        };
        for (key, row) in tx.scan_prefix(Table::Meta, NAMES, Order::Ascending, MAX_ROWS)? {
            backup.names.push(proto::BackupRow { key, row });
        }
        for row in rows(Table::Contact)? {
            // When it was answered last is no matter of another device, and whom nothing is said of is left out.
            let contact = ContactRow::from_bytes(&row.row)?;
            let kept =
                ContactRow { answered: None, answers: 0, acquaintance: None, dropped_told: None, ..contact };
            if kept != ContactRow::default() {
                backup.contacts.push(proto::BackupRow { key: row.key, row: kept.to_bytes() });
            }
        }
        Ok(Zeroizing::new(backup.encode_to_vec()))
    }

    /// Fills a store that nobody has used with a backup, under the name of a new device.
    ///
    /// Everything is checked before the first row is written. What was waiting to be sent does not wait any more: it
    /// counts as given up.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore(
        &self,
        tx: &mut impl StoreTx,
        rng: &mut (impl CryptoRng + ?Sized),
        backup: &[u8],
    ) -> Result<Restored, RestoreError> {
        for table in Table::ALL {
            if !tx.scan(table, Keys::ALL, Order::Ascending, 1)?.is_empty() {
                return Err(RestoreError::NotEmpty);
            }
        }
        let checked = Checked::parse(self, backup)?;
        for (key, row) in &checked.contacts {
            tx.put(Table::Contact, key, &row.to_bytes())?;
        }
        for (key, row) in &checked.names {
            tx.put(Table::Meta, key, &row.to_bytes())?;
        }
        for chat in &checked.chats {
            tx.put(Table::Chat, &chat_key(&chat.id), &chat.to_bytes())?;
        }
        for message in &checked.messages {
            tx.put(Table::Message, message.id.as_bytes(), &message.to_bytes())?;
            tx.put(Table::Timeline, &timeline_key(&message.chat, message.clock, &message.id), &[])?;
        }
        let installation = InstallationId::random(rng);
        checked.state(installation).save(tx)?;
        Ok(Restored {
            contacts: checked.contacts.len(),
            chats: checked.chats.len(),
            messages: checked.messages.len(),
        })
    }
}

/// Every row of a table, `page` at a time (at least one). No number ends it before the table does.
fn all_rows(tx: &impl StoreTx, table: Table, page: usize) -> Result<Vec<proto::BackupRow>, StoreError> {
    let page = page.max(1);
    let mut all: Vec<proto::BackupRow> = Vec::new();
    loop {
        let from = all.last().map_or(Bound::Unbounded, |row| Bound::Excluded(row.key.as_slice()));
        let rows = tx.scan(table, Keys { from, to: Bound::Unbounded }, Order::Ascending, page)?;
        let last = rows.len() < page;
        all.extend(rows.into_iter().map(|(key, row)| proto::BackupRow { key, row }));
        if last {
            return Ok(all);
        }
    }
}

/// A backup whose every row is one that this version could have written.
struct Checked {
    contacts: Vec<([u8; 33], ContactRow)>,
    chats: Vec<Chat>,
    messages: Vec<Message>,
    pfs_default: Pfs,
    names: Vec<(Vec<u8>, NameRow)>,
}

impl Checked {
    fn parse(messenger: &Messenger, backup: &[u8]) -> Result<Self, RestoreError> {
        let backup = proto::Backup::decode(backup).map_err(|_| RestoreError::Malformed)?;
        if backup.format != FORMAT {
            return Err(RestoreError::Version { got: backup.format });
        }
        if backup.owner != messenger.key().to_compressed() {
            return Err(RestoreError::OtherAccount);
        }
        let contacts = each(backup.contacts, |row| {
            let key = PublicKey::from_compressed(&row.key).ok().filter(|key| key != messenger.key())?;
            let row = ContactRow { acquaintance: None, ..ContactRow::from_bytes(&row.row).ok()? };
            Some((contact_key(&key), row))
        })?;
        let chats = each(backup.chats, |row| Chat::from_row(&row.key, &row.row).ok())?;
        let known: BTreeSet<&ChatId> = chats.iter().map(|chat| &chat.id).collect();
        let messages = each(backup.messages, |row| {
            let message = Message::from_row(MessageId::from_slice(&row.key)?, &row.row).ok()?;
            known.contains(&message.chat).then(|| at_rest(message))
        })?;
        let pfs_default = if backup.pfs_default_off { Pfs::Off } else { Pfs::On };
        let names = each(backup.names, |row| {
            let name = NameRow::from_bytes(&row.row).ok()?;
            name.clone().pin(&row.key).ok().map(|_| (row.key.clone(), name))
        })?;
        Ok(Self { contacts, chats, messages, pfs_default, names })
    }

    /// The singletons of a device that begins with this.
    fn state(&self, installation: InstallationId) -> State {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut state = State::new(installation);
        state.pfs_default = self.pfs_default;
        state.strangers = count(self.chats.iter().filter(|chat| of_stranger(chat)).count());
        state
    }
}

fn of_stranger(chat: &Chat) -> bool {
    matches!(chat.id, ChatId::OneToOne(_)) && chat.opened_by == OpenedBy::Stranger
}

/// Nothing of the outbox comes along, so nothing waits any more.
fn at_rest(message: Message) -> Message {
    match message.state {
        MessageState::Composed | MessageState::Queued => {
            Message { state: MessageState::Failed(FailReason::GivenUp), ..message }
        }
        _ => message,
    }
}

/// All of them or an error; no key twice.
fn each<T>(
    rows: Vec<proto::BackupRow>,
    mut read: impl FnMut(&proto::BackupRow) -> Option<T>,
) -> Result<Vec<T>, RestoreError> {
    let mut keys = BTreeSet::new();
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        if !keys.insert(&row.key) {
            return Err(RestoreError::Malformed);
        }
        all.push(read(row).ok_or(RestoreError::Malformed)?);
    }
    Ok(all)
}
