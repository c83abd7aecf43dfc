//! The write-ahead log, which remembers what the rows have forgotten.
//!
//! Each commit appends the pages that it changed. Whoever has the account's secret and a copy of the files can cut the
//! log behind any earlier commit and open the store as it was then, with the key of a message that was read since. So
//! the log is moved into the database file, overwritten and cut off: when the store was quiet for
//! [`limits::LOG_QUIET`], at the latest [`limits::LOG_AGE`] or [`limits::LOG_COMMITS`] commits after the first, when the
//! database is opened after a crash, and when it is closed.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;
use undertone_base::{Mono, StoreError};

use crate::database::Database;
use crate::error::extended_code;
use crate::limits;

/// Bytes of the log's header. Without it no frame behind it counts.
const HEADER: u64 = 32;

impl Database {
    /// Leaves nothing of the log but a beginning for the next message. `false` when another connection reads or writes:
    /// it is to be tried again later.
    pub(crate) fn renew_log(&self) -> Result<bool, StoreError> {
        let erased = self.erase_log()?;
        if erased && let Err(error) = self.begin_log() {
            // The next commit begins it, and says what is wrong with the disk.
            tracing::debug!(code = error.code(), "no new log");
        }
        Ok(erased)
    }

    /// Moves everything in the log into the database file and leaves nothing of it, or answers `false`; waits for
    /// nobody.
    ///
    /// Killed at any moment, and after any loss of power, the rows are all there: the file has them durably before the
    /// first byte of the log changes, and the header goes first, so that no rest of the log is taken for a log.
    pub(crate) fn erase_log(&self) -> Result<bool, StoreError> {
        let erased = self.conn().busy_timeout(Duration::ZERO).and_then(|()| self.try_to_erase());
        let waits_again = self.conn().busy_timeout(limits::BUSY_TIMEOUT);
        let erased = erased.and_then(|erased| waits_again.map(|()| erased)).map_err(|e| refused(&e))?;
        if erased {
            self.kept().set(0);
        }
        Ok(erased)
    }

    fn try_to_erase(&self) -> rusqlite::Result<bool> {
        let version = self.commits_of_others()?;
        if !self.checkpoint("PRAGMA wal_checkpoint(RESTART)")? {
            return Ok(false);
        }
        // From here on nobody reads the log, since the file has it all; nor may anybody write to it.
        match self.conn().execute_batch("BEGIN IMMEDIATE") {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => return Ok(false),
            begun => begun?,
        }
        let alone = self.commits_of_others().map(|now| now == version);
        if let Ok(true) = alone
            && let Err(error) = overwrite(self.log_path())
        {
            tracing::warn!(error = %error.kind(), "the log cannot be overwritten");
        }
        self.roll_back();
        Ok(alone? && self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")?)
    }

    /// Whether all of the log is in the database file, durably, and no reader is left that would look into the log.
    fn checkpoint(&self, sql: &str) -> rusqlite::Result<bool> {
        self.conn().query_row(sql, [], |row| {
            let (busy, pages, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(busy == 0 && pages == moved)
        })
    }

    /// A number that changes when another connection has committed.
    fn commits_of_others(&self) -> rusqlite::Result<i64> {
        self.conn().query_row("PRAGMA data_version", [], |row| row.get(0))
    }
}

/// Zeros in place of the log, durably, the header first.
fn overwrite(log: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(log)?;
    let length = file.metadata()?.len();
    for part in [length.min(HEADER), length.saturating_sub(HEADER)] {
        io::copy(&mut io::repeat(0).take(part), &mut file)?;
        file.sync_data()?;
    }
    Ok(())
}

/// When the log is to be erased.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keeping {
    /// The first and the last commit since the log was erased.
    commits: Option<(Mono, Mono)>,
    /// Not before: another connection was in the way.
    later: Option<Mono>,
}

impl Keeping {
    pub(crate) fn committed(&mut self, now: Mono) {
        let (first, _) = self.commits.unwrap_or((now, now));
        self.commits = Some((first, now));
    }

    pub(crate) fn erased(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn refused(&mut self, now: Mono) {
        self.later = Some(now.after(limits::LOG_RETRY));
    }

    /// How long until then: zero when it is due, none when there is nothing to erase. `full`: the log has as many
    /// commits as it may.
    pub(crate) fn wait(&self, now: Mono, full: bool) -> Option<Duration> {
        let (first, last) = self.commits?;
        let due = last.after(limits::LOG_QUIET).min(first.after(limits::LOG_AGE));
        let due = if full { now } else { due };
        Some(self.later.map_or(due, |later| due.max(later)).since(now))
    }
}

fn refused(error: &rusqlite::Error) -> StoreError {
    tracing::warn!(sqlite = extended_code(error), "the log cannot be erased");
    StoreError::Unavailable
}

#[cfg(test)]
mod tests;
