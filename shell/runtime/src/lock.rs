//! One process owns a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use undertone_base::FaultClass;

use crate::files::{FileError, PRIVATE_FILE, private_dir};

/// Name of the lock file in a data directory. It holds the owner's process id as decimal text.
pub const LOCK_FILE: &str = "undertone.lock";
/// Longest process id as text, with room to spare.
const MAX_PID_TEXT: u64 = 16;

/// The data directory cannot be owned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The directory is not usable.
    #[error(transparent)]
    Directory(#[from] FileError),
    /// Another process owns it.
    #[error("another process{} uses this data directory", pid_text(*pid))]
    Held {
        /// That process, when it has written its id already.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("cannot lock the data directory")]
    Io(#[source] io::Error),
}

impl LockError {
    /// The caller when the directory is taken or cannot be private, else the environment.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Directory(e) => e.fault(),
            Self::Held { .. } => FaultClass::Caller,
            Self::Io(_) => FaultClass::Environment,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Directory(e) => e.code(),
            Self::Held { .. } => "lock.held",
            Self::Io(_) => "lock.io",
        }
    }
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// The right to use a data directory, until dropped. The system takes it back when the process dies in any way, so a
/// file that is left over locks nobody out.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
}

impl DataDirLock {
    /// Makes the directory if need be ([`private_dir`]) and takes the lock without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] while another process, or another lock of this one, has it; [`LockError::Directory`],
    /// [`LockError::Io`].
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        private_dir(dir)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_FILE)
            .open(dir.join(LOCK_FILE))
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { pid: read_pid(&mut file) }),
            Err(TryLockError::Error(e)) => return Err(LockError::Io(e)),
        }
        write_pid(&mut file).map_err(LockError::Io)?;
        Ok(Self { file })
    }

    /// Whether the directory could be taken now. Looks only: makes and changes nothing.
    ///
    /// # Errors
    /// As [`DataDirLock::acquire`]; a directory or lock file that is not there is free.
    pub fn check(dir: &Path) -> Result<(), LockError> {
        let mut file = match File::open(dir.join(LOCK_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LockError::Io(error)),
        };
        // Shared, so that two that look do not see each other.
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { pid: read_pid(&mut file) }),
            Err(TryLockError::Error(e)) => Err(LockError::Io(e)),
        }
    }
}

impl Drop for DataDirLock {
    /// Clears the id and keeps the file: a process that has it open already must meet the same lock.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(std::process::id().to_string().as_bytes())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_TEXT).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_owner_is_told_the_first_ones_pid() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = DataDirLock::acquire(&data).unwrap();
        let refused = DataDirLock::acquire(&data).unwrap_err();
        assert_eq!(refused.code(), "lock.held");
        let pid = std::process::id();
        assert_eq!(refused.to_string(), format!("another process (pid {pid}) uses this data directory"));
        assert_eq!(DataDirLock::check(&data).unwrap_err().to_string(), refused.to_string());
        drop(first);
        DataDirLock::check(&data).unwrap();
        DataDirLock::acquire(&data).unwrap();
        let absent = dir.path().join("absent");
        DataDirLock::check(&absent).unwrap();
        assert!(!absent.exists(), "looking makes nothing");
    }

    #[test]
    fn a_leftover_file_with_any_content_locks_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK_FILE), b"not a number \xff").unwrap();
        let lock = DataDirLock::acquire(dir.path()).unwrap();
        assert!(matches!(DataDirLock::acquire(dir.path()), Err(LockError::Held { pid: Some(_) })));
        drop(lock);
    }
}
