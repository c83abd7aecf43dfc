//! A database in a directory of its own, and a machine that writes into it.

use std::path::PathBuf;

use undertone_base::{Now, Secret, StoreError};
use undertone_messenger::store::{Keys, Order, StoreTx as _, Table};
use undertone_runtime::{Clock, ManualClock};
use undertone_store::{Database, Machine, OpenError, SqlTx, Writer};

pub(crate) fn secret(n: u8) -> Secret<32> {
    Secret::new([n; 32])
}

/// The paths of one database.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    _dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { root: dir.path().to_owned(), _dir: dir }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("account/chat.db")
    }

    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.root.join(format!("account/chat.db{suffix}"))
    }

    pub(crate) fn open(&self) -> Database {
        self.open_as(1).unwrap()
    }

    pub(crate) fn open_as(&self, account: u8) -> Result<Database, OpenError> {
        Database::open(&self.database(), &secret(account), &mut undertone_support::rng(7))
    }
}

/// A row: its table, key and value.
pub(crate) type Found = (Table, Vec<u8>, Vec<u8>);

/// Every row of every table.
pub(crate) fn dump(database: &mut Database) -> Vec<Found> {
    database.transact(|tx| rows(tx)).unwrap()
}

pub(crate) fn rows(tx: &SqlTx<'_>) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::new();
    for table in Table::ALL {
        let rows = tx.scan(table, Keys::ALL, Order::Ascending, usize::MAX)?;
        all.extend(rows.into_iter().map(|(k, v)| (table, k, v)));
    }
    Ok(all)
}

/// What [`Scribe`] can be told.
pub(crate) enum Tell {
    /// Writes one row in `Message` and one in `Timeline`, and answers its number.
    Note(u32),
    /// The same, then moves the clock on by the whole window of a batch.
    Slow(u32, ManualClock),
    /// Changes nothing.
    Nothing,
    /// Writes the one row that each replaces, as a message replaces the key of its session.
    Replace(u32),
    /// Writes a row and refuses.
    Refuse,
    /// Writes a row and panics.
    Panic,
}

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("refused")]
    Asked,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) struct Scribe;

impl Machine for Scribe {
    type Input = Tell;
    type Output = u32;
    type Error = Refusal;

    fn step(&mut self, tx: &mut SqlTx<'_>, input: Tell) -> Result<u32, Refusal> {
        match input {
            Tell::Note(n) => note(tx, n),
            Tell::Slow(n, clock) => {
                clock.advance(undertone_store::limits::BATCH_WINDOW);
                note(tx, n)
            }
            Tell::Nothing => Ok(0),
            Tell::Replace(n) => {
                tx.put(Table::Session, b"session", &n.to_be_bytes())?;
                note(tx, n)
            }
            Tell::Refuse => {
                tx.put(Table::Chat, b"refused", b"row")?;
                Err(Refusal::Asked)
            }
            Tell::Panic => {
                tx.put(Table::Chat, b"panicked", b"row")?;
                panic!("on purpose");
            }
        }
    }
}

/// The number in the row that is replaced.
pub(crate) fn scribe_key(row: &[u8]) -> u32 {
    u32::from_be_bytes(row.try_into().unwrap())
}

fn note(tx: &mut SqlTx<'_>, n: u32) -> Result<u32, Refusal> {
    tx.put(Table::Message, &n.to_be_bytes(), b"first half")?;
    tx.put(Table::Timeline, &n.to_be_bytes(), b"second half")?;
    Ok(n)
}

/// A writer whose clock stands still.
pub(crate) fn writer(place: &Place) -> (Writer<Scribe>, ManualClock) {
    let hand = ManualClock::new(Now::default());
    (Writer::start(place.open(), Scribe, Clock::manual(hand.clone())).unwrap(), hand)
}

/// Keeps the writer's thread busy until dropped, so that what is submitted meanwhile waits in the queue.
pub(crate) struct Hold {
    _release: std::sync::mpsc::SyncSender<()>,
}

impl Hold {
    pub(crate) fn of(writer: &Writer<Scribe>) -> Self {
        let (begun, has_begun) = std::sync::mpsc::sync_channel(0);
        let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
        let writer = writer.clone();
        std::thread::spawn(move || {
            writer.read_blocking(move |_| {
                begun.send(()).unwrap();
                // Ends with an error when the sender is dropped.
                let _ = released.recv();
            })
        });
        has_begun.recv().unwrap();
        Self { _release: release }
    }
}
