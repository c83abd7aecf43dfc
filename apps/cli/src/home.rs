//! Data directories and whose they are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use undertone::{Account, Accounts, AccountsError};
use undertone_account::ChatKey;
use undertone_runtime::{DataDirLock, LockError};

use crate::Usage;
use crate::args::Global;
use crate::output::Ui;
use crate::password;

/// The data directory: the flag, or the platform's place.
pub(crate) fn data_dir(global: &Global) -> Result<PathBuf> {
    if let Some(dir) = &global.datadir {
        return Ok(dir.clone());
    }
    let base = std::env::var_os("XDG_DATA_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")));
    Ok(base.ok_or_else(|| Usage("no home directory: use --datadir DIR".to_owned()))?.join("undertone"))
}

/// Another process owns the data directory.
#[derive(Debug)]
pub(crate) struct Held(String);

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Held {}

/// Takes the data directory for this process; [`Held`] when another has it.
pub(crate) fn own(dir: &std::path::Path) -> Result<DataDirLock> {
    DataDirLock::acquire(dir).map_err(|error| refused(dir, error))
}

/// Whether the data directory could be taken, without touching it.
pub(crate) fn check(dir: &std::path::Path) -> Result<()> {
    DataDirLock::check(dir).map_err(|error| refused(dir, error))
}

fn refused(dir: &std::path::Path, error: LockError) -> anyhow::Error {
    match error {
        LockError::Held { pid } => {
            let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            Held(format!("{} is in use by {who}; stop it, or use another --datadir", dir.display())).into()
        }
        other => anyhow::Error::new(other).context(format!("use {}", dir.display())),
    }
}

/// The account that the flags name, unlocked. Says so while the key derivation runs.
pub(crate) fn unlock(global: &Global, ui: &Ui) -> Result<(Account, ChatKey)> {
    let dir = data_dir(global)?;
    let account = find(&Accounts::new(&dir), global)?;
    let password = password::existing(global.password_file.as_deref())?;
    let key = ui.busy("unlocking the account", || account.unlock(&password));
    let key = key.map_err(|error| locked(error, &account))?;
    Ok((account, key))
}

/// Why a key file does not open, in a sentence.
pub(crate) fn locked(error: AccountsError, account: &Account) -> anyhow::Error {
    match error.code() {
        "keystore.wrong_password" => anyhow!("wrong password for {}", account.address),
        _ => anyhow::Error::new(error).context(format!("open {}", account.file.display())),
    }
}

/// The account that the flags name.
pub(crate) fn find(accounts: &Accounts, global: &Global) -> Result<Account> {
    accounts.find(global.account.as_deref()).map_err(|error| match error {
        AccountsError::NotFound => match &global.account {
            Some(who) => anyhow!("there is no account {who:?} here; `undertone account list` shows them"),
            None => anyhow!("there is no account here yet; make one with `undertone account new`"),
        },
        AccountsError::Several(n) => {
            Usage(format!("there are {n} accounts here: say which with --account (`undertone account list`)"))
                .into()
        }
        damaged @ AccountsError::Damaged(_) => anyhow!("{damaged}. {}", mend(global)),
        other => other.into(),
    })
}

/// What to do about a key file that cannot be used.
pub(crate) fn mend(global: &Global) -> String {
    let restore = match data_dir(global) {
        Ok(dir) => {
            format!("into another --datadir, or once {} is moved away", dir.join("accounts").display())
        }
        Err(_) => "into another --datadir".to_owned(),
    };
    format!(
        "Put a copy of the file back, or import the words or the private key again (`undertone account import`): what \
         was said is still here. A backup is restored {restore} (`undertone account restore FILE`)"
    )
}

/// Reads all of stdin as text, without what surrounds it.
pub(crate) fn stdin_text() -> Result<zeroize::Zeroizing<String>> {
    use std::io::Read;
    use std::os::fd::AsFd;
    /// Longest text in bytes: far above any phrase.
    const MAX: usize = 64 * 1024;
    // Read past the buffer of the standard library, into a string that never grows: no copy is left behind.
    let mut text = zeroize::Zeroizing::new(String::with_capacity(MAX + 1));
    let stdin = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned().context("read stdin")?);
    stdin.take(MAX as u64).read_to_string(&mut text).context("read stdin")?;
    if text.starts_with(MARK) {
        text.drain(..MARK.len_utf8());
    }
    Ok(text)
}

/// The mark that some editors put before a text.
const MARK: char = '\u{feff}';

/// Reads what is typed on a terminal up to an empty line.
pub(crate) fn typed_text() -> Result<zeroize::Zeroizing<String>> {
    use std::io::Read;
    use std::os::fd::AsFd;
    /// Longest text in bytes: far above any phrase.
    const MAX: usize = 16 * 1024;
    let mut stdin = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned().context("read stdin")?);
    let mut text = zeroize::Zeroizing::new(String::with_capacity(MAX));
    let mut line = zeroize::Zeroizing::new([0; 4_096]);
    // A terminal hands out a line at a time.
    loop {
        let length = stdin.read(&mut *line).context("read stdin")?;
        let read = std::str::from_utf8(line.get(..length).unwrap_or_default());
        let read = read.map_err(|_| anyhow!("what was typed is no UTF-8 text"))?;
        // Never beyond what it holds, so that no copy is left behind.
        let over = read.trim().is_empty() && (length == 0 || !text.trim().is_empty());
        if over || text.len() + length > MAX {
            return Ok(text);
        }
        text.push_str(read);
    }
}

/// A key file. What is larger than any is not read, a device without end neither.
pub(crate) fn small_file(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    /// Bytes of a key file at most, as where accounts are kept.
    const MAX: u64 = 64 * 1024;
    let about = || path.display().to_string();
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(about)?;
    file.take(MAX + 1).read_to_end(&mut bytes).with_context(about)?;
    anyhow::ensure!(bytes.len() as u64 <= MAX, "{} is no key file: it has more than {MAX} bytes", about());
    if let Some(rest) = bytes.strip_prefix(MARK.encode_utf8(&mut [0; 4]).as_bytes()) {
        bytes = rest.to_vec();
    }
    Ok(bytes)
}

/// Ends the tasks in order; says what did not end by itself.
pub(crate) async fn stop(tasks: &undertone_runtime::Tasks) {
    let ended = tasks.shutdown(std::time::Duration::from_secs(5)).await;
    if !ended.stuck.is_empty() {
        tracing::warn!(tasks = ?ended.stuck, "did not end in time");
    }
}
