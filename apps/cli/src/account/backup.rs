//! Backup files, made and restored.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use undertone::{Accounts, AccountsError};
use undertone_account::backup::BackupFile;
use undertone_account::limits::BACKUP_BYTES;
use undertone_runtime::Environment;
use zeroize::Zeroizing;

use super::show;
use crate::args::Global;
use crate::output::{GOOD, Ui, count, day, paint};
use crate::people::{self, Proof, Task};
use crate::{home, password};

/// Writes a backup of the account that the flags name. The key comes from its file with the password, what was said
/// from the database or whoever has it open.
pub(super) async fn make(
    global: &Global,
    accounts: &Accounts,
    file: &Path,
    password_file: Option<&Path>,
    ui: &Ui,
) -> Result<()> {
    ensure!(!file.exists(), "{} is there already: nothing is overwritten", file.display());
    let account = home::find(accounts, global)?;
    let password = password::existing(global.password_file.as_deref())?;
    let key = ui.busy("unlocking the account", || account.unlock(&password));
    let key = key.map_err(|error| home::locked(error, &account))?;
    let of_backup = match password_file {
        Some(file) => password::new(Some(file))?,
        None => password,
    };
    let text: Zeroizing<String> = Zeroizing::new(
        people::ask_with(global, key.clone(), Task::Backup { proof: Proof::new(&key)? }).await?,
    );
    let content = data_encoding::BASE64.decode(text.as_bytes()).context(crate::ipc::OTHER_VERSION)?;
    let env = Environment::system()?;
    let bytes = ui.busy("encrypting the backup", || {
        accounts.back_up(&key, Zeroizing::new(content), &of_backup, &env)
    })?;
    let about = || format!("write {}", file.display());
    let mut out =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).with_context(about)?;
    if let Err(error) = out.write_all(&bytes).and_then(|()| out.sync_all()) {
        // A part of a backup is none, and would be in the way of the next.
        let _ = std::fs::remove_file(file);
        return Err(error).with_context(about);
    }
    if ui.json {
        ui.object(&json!({ "file": file, "bytes": bytes.len(), "address": account.address.to_string() }));
    } else {
        ui.note(&format!("{} {} ({} bytes)", paint(GOOD, "✓"), file.display(), bytes.len()));
        ui.note("Keep it apart from this machine. Without its password it opens to nobody, you included.");
    }
    Ok(())
}

/// Makes the account of a backup anew. The caller owns the data directory.
pub(super) fn restore(global: &Global, accounts: &Accounts, file: &Path, ui: &Ui) -> Result<()> {
    let about = || format!("read {}", file.display());
    let mut bytes = Vec::new();
    let limit = u64::try_from(BACKUP_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let open = std::fs::File::open(file).with_context(about)?;
    open.take(limit).read_to_end(&mut bytes).with_context(about)?;
    let sealed = BackupFile::parse(&bytes).with_context(|| file.display().to_string())?;
    let password = password::existing_of("Password of the backup: ", global.password_file.as_deref())?;
    let backup = ui.busy("decrypting the backup", || sealed.open(&password));
    let backup = backup.with_context(|| file.display().to_string())?;
    let env = Environment::system()?;
    let restored = ui.busy("encrypting the key file", || accounts.restore(&backup, &password, &env));
    let (account, restored) = match restored {
        Err(AccountsError::MessagesExist { path }) => bail!(
            "there are messages of this account in {} already, without its key file: move that directory away, or \
             import the key",
            path.display()
        ),
        other => other?,
    };
    show::summary(&account, ui);
    if !ui.json {
        ui.note(&format!(
            "{} restored as of {}: {}, {}, {}",
            paint(GOOD, "✓"),
            day(backup.made_at.millis()),
            count(restored.contacts, "contact"),
            count(restored.chats, "chat"),
            count(restored.messages, "message"),
        ));
        ui.note("This is a new device: if another with this account still runs, pair them (`undertone devices pair`).");
    }
    Ok(())
}
