//! Files that only their owner can read, written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use undertone_base::FaultClass;

/// Mode of a private file: its owner reads and writes.
pub(crate) const PRIVATE_FILE: u32 = 0o600;
/// Mode of a private directory.
const PRIVATE_DIR: u32 = 0o700;
/// The bit that lets everyone create and replace files in a directory.
const WORLD_WRITABLE: u32 = 0o002;

/// A private file or directory could not be had. Messages name the local path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The directory is one where anybody may replace files (such as a directory for temporary files): it is left as
    /// it is, because others may depend on it.
    #[error("everybody can write to {path}: choose a directory of your own")]
    Exposed {
        /// The directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl FileError {
    /// The caller for a directory that cannot be private, else the environment.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Exposed { .. } => FaultClass::Caller,
            Self::Io { .. } => FaultClass::Environment,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exposed { .. } => "files.exposed",
            Self::Io { .. } => "files.io",
        }
    }
}

/// Makes a directory, with its parents, that only its owner can enter (0700). One that exists loses the rights of
/// group and others.
///
/// # Errors
/// [`FileError::Exposed`] when it exists and everybody can write to it; [`FileError::Io`].
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIR).create(path).map_err(io_error("create", path))?;
    let mode = fs::metadata(path).map_err(io_error("look at", path))?.permissions().mode();
    if mode & WORLD_WRITABLE != 0 {
        return Err(FileError::Exposed { path: path.to_owned() });
    }
    if mode & 0o077 != 0 {
        let private = fs::Permissions::from_mode(PRIVATE_DIR);
        fs::set_permissions(path, private).map_err(io_error("make private", path))?;
    }
    Ok(())
}

/// Writes a file that only its owner can read (0600). After a crash at any moment there is the old content or the new
/// one; when this returns, the new one is on the disk.
///
/// # Errors
/// [`FileError::Io`]; the old file is untouched then.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, content)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(io_error("write", path));
    if written.is_err() {
        // The write's error is the one to report; a leftover is private and never read.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_dir(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Makes names that were created in or removed from a directory durable.
///
/// # Errors
/// [`FileError::Io`].
pub fn sync_dir(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io_error("synchronise", path))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A name that no other call of any live process uses at the same time.
fn temporary_beside(path: &Path) -> PathBuf {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{call}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn directories_become_private() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("a/b");
        private_dir(&new).unwrap();
        assert_eq!((mode(&new), mode(&dir.path().join("a"))), (0o700, 0o700));
        fs::set_permissions(&new, fs::Permissions::from_mode(0o775)).unwrap();
        private_dir(&new).unwrap();
        assert_eq!(mode(&new), 0o700);
    }

    #[test]
    fn a_directory_of_everybody_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(private_dir(dir.path()).unwrap_err().code(), "files.exposed");
        assert_eq!(mode(dir.path()), 0o1777);
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, b"old, and longer than the new one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert_eq!(write_private(&path, b"x").unwrap_err().code(), "files.io");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
