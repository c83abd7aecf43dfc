//! What opening and writing can fail with.

use rusqlite::ErrorCode;
use undertone_base::{FaultClass, StoreError};
use undertone_runtime::FileError;

/// A database cannot be opened. Whatever the reason, nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another program uses the file.
    #[error("the database is in use by another program")]
    Busy,
    /// A file is damaged: truncated, overwritten, or not one of ours.
    #[error("the database or its salt file is damaged")]
    Corrupt,
    /// A file or directory cannot be had.
    #[error(transparent)]
    File(#[from] FileError),
    /// One of the two files is gone. The database cannot be read without its salt, and an empty one in its place would
    /// hide the loss.
    #[error("the {0} is missing")]
    Missing(&'static str),
    /// A later version of the program wrote the database. Downgrading is refused: use the later version.
    #[error("the database has schema {found}, this version knows up to {known}")]
    NewerVersion {
        /// Schema of the file.
        found: u32,
        /// Latest schema of this program.
        known: u32,
    },
    /// This program was built without SQLCipher: rows would be in clear.
    #[error("built without database encryption")]
    NoCipher,
    /// SQLite refused.
    #[error("the database cannot be opened (sqlite {extended})")]
    Refused {
        /// SQLite's extended result code.
        extended: i32,
    },
    /// The account's secret is not the one that made the database.
    #[error("the database belongs to another account")]
    WrongKey,
}

impl OpenError {
    /// The caller for a wrong account or version, a bug for a build without encryption, else the environment.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::File(e) => e.fault(),
            Self::NewerVersion { .. } | Self::WrongKey => FaultClass::Caller,
            Self::NoCipher => FaultClass::Bug("the program is built with SQLCipher"),
            Self::Busy | Self::Corrupt | Self::Missing(_) | Self::Refused { .. } => FaultClass::Environment,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Busy => "store.busy",
            Self::Corrupt => "store.damaged",
            Self::File(e) => e.code(),
            Self::Missing(_) => "store.missing",
            Self::NewerVersion { .. } => "store.newer_version",
            Self::NoCipher => "store.no_cipher",
            Self::Refused { .. } => "store.refused",
            Self::WrongKey => "store.wrong_key",
        }
    }
}

/// The text of a rusqlite error can hold the statement, and with it the key: only the code goes on.
impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt,
            _ => Self::Refused { extended: extended_code(&error) },
        }
    }
}

/// SQLite's extended result code, or -1 for an error of the layer above it.
pub(crate) fn extended_code(error: &rusqlite::Error) -> i32 {
    error.sqlite_extended_error_code().unwrap_or(-1)
}

/// The writer did not do what it was asked; every row is as before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// The writer was closed.
    #[error("the store is closed")]
    Closed,
    /// As much waits as may wait.
    #[error("{limit} inputs wait for the store already")]
    Full {
        /// Inputs that may wait.
        limit: usize,
    },
    /// A step panicked. Its batch was rolled back and the writer has ended.
    #[error("the store has stopped after a bug")]
    Panicked,
    /// The store failed the input, or the commit that it shared.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl WriterError {
    /// A bug for a panic, the caller for use after the end, else the environment.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Closed => FaultClass::Caller,
            Self::Full { .. } => FaultClass::Environment,
            Self::Panicked => FaultClass::Bug("a step does not panic"),
            Self::Store(e) => e.fault(),
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "store.closed",
            Self::Full { .. } => "store.full",
            Self::Panicked => "store.panicked",
            Self::Store(e) => e.code(),
        }
    }
}

/// Why an input has no output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SubmitError<E> {
    /// The machine refused it; its rows are as before.
    #[error("{0}")]
    Machine(E),
    /// The writer could not do it.
    #[error("{0}")]
    Writer(WriterError),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_differ() {
        let open = [
            OpenError::Busy,
            OpenError::Corrupt,
            OpenError::Missing("database"),
            OpenError::NewerVersion { found: 2, known: 1 },
            OpenError::NoCipher,
            OpenError::Refused { extended: 1 },
            OpenError::WrongKey,
        ];
        let writer = [
            WriterError::Closed,
            WriterError::Full { limit: 1 },
            WriterError::Panicked,
            StoreError::Unavailable.into(),
            StoreError::Corrupt("chat").into(),
        ];
        let codes: BTreeSet<_> =
            open.iter().map(OpenError::code).chain(writer.iter().map(WriterError::code)).collect();
        assert_eq!(codes.len(), open.len() + writer.len());
    }

    #[test]
    fn the_statement_of_a_failed_pragma_is_not_repeated() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let error = conn.execute_batch("PRAGMA key = x'deadbeef").unwrap_err();
        let text = format!("{:?}", OpenError::from(error));
        assert!(!text.contains("deadbeef"), "{text}");
    }
}
