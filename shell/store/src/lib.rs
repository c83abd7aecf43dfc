//! The messenger's store on SQLCipher: one encrypted database file, one thread that writes it.
//!
//! Implements the port [`StoreTx`](undertone_messenger::store::StoreTx) of the messenger. Left out: any knowledge of
//! what the rows mean (the messenger's), search, and the archive of a mail server (not encrypted, another crate).
//!
//! ```text
//!   submit(input) ──▶ bounded queue ──▶ writer thread:  BEGIN
//!                                         SAVEPOINT  step(tx, input)  RELEASE | ROLLBACK TO     × up to 64, or 5 ms
//!                                       COMMIT (durable)
//!   Output | Error ◀── after the commit, in order
//!   read(query)   ──▶ the same queue: sees every input before it, committed, and none after it
//! ```
//!
//! # The files, for a database `chat.db`
//!
//! | file | mode | content |
//! |---|---|---|
//! | `chat.db`, `chat.db-wal` | 0600 | pages of 4096 bytes, AES-256-CBC, each with its own random IV and HMAC-SHA512 |
//! | `chat.db-shm` | 0600 | page numbers of the log; no content |
//! | `chat.db.salt` | 0600 | version, state, 32 bytes of salt, 16 bytes that tell a wrong key, 8 bytes of checksum; not secret |
//!
//! The directory is 0700. The key is 32 raw bytes, `HKDF-SHA256(account secret, salt, "undertone/store/v1")`, so
//! SQLCipher's own password derivation (PBKDF2) does not run: the account secret is a private key, not a password, and
//! the scrypt of the keystore was paid when it was unlocked. The other parameters are those of SQLCipher 4
//! (`cipher_compatibility = 4`), pinned against a change of defaults. Without the salt file the database is lost: it is
//! made once, synchronised before the database is, and never replaced by another salt.
//!
//! SQLite: WAL, `synchronous = FULL` (a commit is on the disk), `secure_delete`, `foreign_keys`, `cell_size_check`, and
//! nothing temporary on disk. SQLCipher's memory security is on: what SQLite frees is wiped (about half as much again on
//! small reads, 5 µs each).
//!
//! Opening compiles the statements of a message and makes the log, so that the first message to somebody waits for its
//! own rows and one synchronisation of the disk, and for nothing else (row B7). It reads no row of the port.
//!
//! The log remembers every page that it was given. Once the store was quiet for a second, at the latest two seconds or 256
//! commits after the first, and at opening and closing, it is moved into the database file, overwritten with zeros and
//! cut off ([`limits`], the names with `LOG`). The thread that writes does it between two batches.
//!
//! # Invariants
//!
//! - An input that is refused, or that the store fails, leaves every row as it was.
//! - No output is handed out before its rows are durable. An input that failed *in the commit* may turn out durable
//!   after a crash (the disk did not say); its output still never leaves.
//! - After any error of SQLite inside a step the step counts as failed, whatever the machine answers, and no later
//!   statement of it runs: SQLite may have rolled the transaction back by itself, and what followed would be on its own.
//! - What a committed input replaced or deleted is in none of the files once the log was erased. (What the disk itself
//!   keeps of sectors that were overwritten is beyond a program.)
//! - Neither keys nor rows reach a log or an error.
//!
//! # Example
//!
//! ```
//! use undertone_base::{Secret, StoreError};
//! use undertone_messenger::store::{StoreTx as _, Table};
//! use undertone_runtime::Environment;
//! use undertone_store::{Database, Machine, SqlTx, Writer};
//!
//! /// Counts its inputs. Its state is in the store and nowhere else.
//! struct Counter;
//!
//! impl Machine for Counter {
//!     type Input = u8;
//!     type Output = u8;
//!     type Error = StoreError;
//!
//!     fn step(&mut self, tx: &mut SqlTx<'_>, input: u8) -> Result<u8, StoreError> {
//!         let before = tx.get(Table::Meta, b"sum")?.and_then(|v| v.first().copied()).unwrap_or(0);
//!         let sum = before.wrapping_add(input);
//!         tx.put(Table::Meta, b"sum", &[sum])?;
//!         Ok(sum)
//!     }
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("chat.db");
//! let env = Environment::system()?;
//! let account_secret = Secret::random(&mut env.rng());
//! let database = Database::open(&path, &account_secret, &mut env.rng())?;
//! let writer = Writer::start(database, Counter, env.clock().clone())?;
//! assert_eq!(writer.submit_blocking(2)?, 2);
//! assert_eq!(writer.submit_blocking(3)?, 5);
//! writer.close_blocking()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![expect(
    clippy::result_large_err,
    reason = "the closures that rusqlite calls answer with its error, which is large"
)]

mod database;
mod error;
mod key;
pub mod limits;
mod log;
mod schema;
mod tx;
mod wait;
mod worker;
mod writer;

pub use database::Database;
pub use error::{OpenError, SubmitError, WriterError};
pub use key::DatabaseKey;
pub use schema::SCHEMA_VERSION;
pub use tx::SqlTx;
pub use writer::{Answer, Machine, Stats, Writer};
