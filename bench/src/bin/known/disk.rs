//! What the disk alone takes.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

/// A file beside the database that grows as its log does.
pub(crate) struct Disk {
    log: PathBuf,
    file: File,
}

impl Disk {
    pub(crate) fn beside(database: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(database.with_extension("floor"))?;
        Ok(Self { log: with_suffix(database, "-wal"), file })
    }

    /// Bytes in the log of the database.
    pub(crate) fn log(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.log)?.len())
    }

    /// As many bytes, appended and made durable in the way of SQLite.
    pub(crate) fn append(&mut self, bytes: u64) -> Result<Duration> {
        let bytes = vec![0x55; usize::try_from(bytes)?];
        let begun = Instant::now();
        self.file.write_all(&bytes)?;
        self.file.sync_all()?;
        Ok(begun.elapsed())
    }
}

/// Asks the system to drop the pages of the files from its memory, after they are on the disk.
pub(crate) fn forget(database: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        if let Ok(file) = File::open(with_suffix(database, suffix)) {
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
