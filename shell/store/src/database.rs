//! Opening a database and the state that every connection to it has.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rand_core::CryptoRng;
use rusqlite::{Connection, OpenFlags};
use undertone_base::{Secret, StoreError};
use undertone_runtime::{FileError, private_dir};

use crate::error::{OpenError, extended_code};
use crate::key::{DatabaseKey, SaltFile, State};
use crate::tx::{self, SqlTx};
use crate::{limits, schema};

/// An open database: one connection, used by one thread.
///
/// Whoever opens it owns the data directory (`undertone_runtime::DataDirLock`).
pub struct Database {
    conn: Connection,
    log: PathBuf,
    /// How long the log is when it holds nothing but its beginning.
    begun: Cell<u64>,
    /// Commits that the log may remember.
    kept: Cell<usize>,
}

impl Database {
    /// Opens the database at `path` with the account's secret, or makes it; the directory becomes private and the
    /// schema current. `rng` gives the salt of a new one.
    ///
    /// # Errors
    /// Each of [`OpenError`].
    pub fn open(
        path: &Path,
        account_secret: &Secret<32>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, OpenError> {
        private_dir(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        let salt_path = SaltFile::path(path);
        let empty = is_empty(path)?;
        let salt = match SaltFile::read(&salt_path)? {
            Some(salt) => salt,
            None if empty => {
                let salt = SaltFile::new(account_secret, rng);
                salt.write(&salt_path)?;
                salt
            }
            None => return Err(OpenError::Missing("salt file")),
        };
        let key = salt.key(account_secret)?;
        if empty && salt.state == State::Made {
            return Err(OpenError::Missing("database"));
        }
        let mut database = Self::connect(path, &key)?;
        database.forget_the_last_run();
        schema::migrate(&mut database.conn)?;
        database.make_ready()?;
        if salt.state == State::Fresh {
            salt.made().write(&salt_path)?;
        }
        Ok(database)
    }

    /// Erases the log that a process left when it died. Another program that looks into the file puts it off.
    fn forget_the_last_run(&self) {
        if self.log_length() > 0 && !self.erase_log().unwrap_or(false) {
            self.kept.set(1);
        }
    }

    /// What the first message would have to do otherwise: compile its statements, and write to a log that is not there
    /// yet, which takes the disk three times as long as one that is (the log's header and the directory are made
    /// durable, each by itself). A disk that takes no writes shows here as well. Reads and writes no row.
    fn make_ready(&self) -> Result<(), OpenError> {
        tx::prepare(&self.conn)?;
        self.begin_log()
    }

    /// Makes the log, or its beginning when it is empty.
    pub(crate) fn begin_log(&self) -> Result<(), OpenError> {
        // The only write that SQLite does although nothing changes. What the schema is, says the table of that name.
        self.conn.pragma_update(None, "user_version", schema::SCHEMA_VERSION)?;
        self.begun.set(self.log_length());
        Ok(())
    }

    /// Runs `work` in a transaction of its own, committed durably when it answers `Ok` and no statement failed. For a
    /// program that needs no [`Writer`](crate::Writer), such as a tool or a test.
    ///
    /// # Errors
    /// What `work` answers, and [`StoreError`] when the store fails; nothing is changed then.
    pub fn transact<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut SqlTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin()?;
        let mut tx = SqlTx::new(&self.conn);
        let result = work(&mut tx);
        let result = match tx.failure() {
            Some(error) if result.is_ok() => Err(error.into()),
            _ => result,
        };
        match result {
            Ok(value) => {
                self.commit()?;
                if self.kept.get() >= limits::LOG_COMMITS {
                    // What fails was logged; it is tried again after the next commit.
                    let _ = self.renew_log();
                }
                Ok(value)
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Closes the file, with everything in the log moved into it and the log erased.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; what was committed is safe in the log then.
    pub fn close(self) -> Result<(), StoreError> {
        if self.kept.get() > 0 {
            // What fails was logged; SQLite removes the log all the same.
            let _ = self.erase_log();
        }
        self.conn.close().map_err(|(_, e)| refused("close", &e))
    }

    pub(crate) const fn conn(&self) -> &Connection {
        &self.conn
    }

    pub(crate) fn log_path(&self) -> &Path {
        &self.log
    }

    fn log_length(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |found| found.len())
    }

    /// Commits that the log may remember.
    pub(crate) const fn kept(&self) -> &Cell<usize> {
        &self.kept
    }

    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        self.statement("BEGIN IMMEDIATE")
    }

    /// A transaction that only reads.
    pub(crate) fn begin_read(&self) -> Result<(), StoreError> {
        self.statement("BEGIN DEFERRED")
    }

    /// Durable when it answers `Ok`; rolled back otherwise.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        let committed = self.statement("COMMIT").inspect_err(|_| self.roll_back());
        // An input that changed nothing has written nothing.
        if self.log_length() != self.begun.get() {
            self.kept.set(self.kept.get().saturating_add(1));
        }
        committed
    }

    /// Ends the transaction without effect. Should even that fail, it stays open, nothing in it is ever committed, and
    /// the next [`Database::begin`] says so.
    pub(crate) fn roll_back(&self) {
        if !self.conn.is_autocommit() {
            let _ = self.statement("ROLLBACK");
        }
    }

    pub(crate) fn statement(&self, sql: &'static str) -> Result<(), StoreError> {
        let run = || self.conn.prepare_cached(sql)?.execute([]);
        run().map(drop).map_err(|e| refused(sql, &e))
    }

    fn connect(path: &Path, key: &DatabaseKey) -> Result<Self, OpenError> {
        make_private(path).map_err(|source| FileError::Io {
            doing: "create",
            path: path.to_owned(),
            source,
        })?;
        // The first connection of a process sets up SQLCipher for all of them: two at once get in each other's way.
        let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        // SQLite gives its log and index the mode of the database itself.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(limits::BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(limits::STATEMENTS);
        // SQLCipher writes its own complaints to stderr, which is a person's terminal; ours carry the codes.
        conn.execute_batch("PRAGMA cipher_log_level = NONE")?;
        // Before the key: SQLite copies the text of the statement, and this wipes what SQLite frees, pages of messages
        // included, and keeps it out of the swap as far as the process may lock memory. For the whole process.
        conn.execute_batch("PRAGMA cipher_memory_security = ON")?;
        conn.execute_batch(&key.pragma())?;
        // A build without SQLCipher takes the key, does nothing with it, and knows no such pragma.
        conn.query_row("PRAGMA cipher_version", [], |row| row.get::<_, String>(0))
            .map_err(|_| OpenError::NoCipher)?;
        conn.execute_batch("PRAGMA cipher_compatibility = 4")?;
        // The first read of the file: a page that does not authenticate shows here, as "not a database".
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        configure(&conn)?;
        let mut log = path.to_owned().into_os_string();
        log.push("-wal");
        Ok(Self { conn, log: log.into(), begun: Cell::new(0), kept: Cell::new(0) })
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

static OPENING: Mutex<()> = Mutex::new(());

/// Settings of the connection; only the journal mode is kept in the file.
fn configure(conn: &Connection) -> Result<(), OpenError> {
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::Refused { extended: -1 });
    }
    conn.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;",
    )?;
    conn.pragma_update_and_check(None, "journal_size_limit", limits::WAL_KEPT, |_| Ok(()))?;
    Ok(())
}

fn is_empty(path: &Path) -> Result<bool, FileError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len() == 0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(FileError::Io { doing: "look at", path: path.to_owned(), source }),
    }
}

/// Makes the file when it is not there, before SQLite would with the process's default mode.
fn make_private(path: &Path) -> io::Result<()> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// For statements without data.
fn refused(what: &'static str, error: &rusqlite::Error) -> StoreError {
    tracing::warn!(
        what,
        sqlite = extended_code(error),
        code = StoreError::Unavailable.code(),
        "database refused"
    );
    StoreError::Unavailable
}
