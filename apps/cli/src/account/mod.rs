//! `undertone account`.

mod backup;
mod profile;
mod show;
mod words;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use undertone::{Account, Accounts};
use undertone_account::ChatKey;
use undertone_account::keystore::{KeyFile, status_passwords};
use undertone_crypto::SecretKey;
use undertone_runtime::Environment;

use crate::args::{AccountCommand, Global, ImportKind};
use crate::output::{GOOD, Ui, paint};
use crate::{home, password};

pub(crate) use self::profile::ours;

pub(crate) async fn run(global: &Global, command: AccountCommand, ui: &Ui) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let accounts = Accounts::new(&dir);
    match command {
        AccountCommand::New { no_confirm, words, language } => {
            let _lock = home::own(&dir)?;
            let key = words::new(global, no_confirm, &words, language, ui)?;
            show::summary(&add(&accounts, &key.0, &key.1, ui)?, ui);
        }
        AccountCommand::Import { from, file, ignore_checksum } => {
            let _lock = home::own(&dir)?;
            let key = match from {
                ImportKind::Words => words::import(ignore_checksum, ui)?,
                ImportKind::PrivateKey => {
                    let text = match std::io::stdin().is_terminal() {
                        true => password::typed_unseen("Private key, 64 hexadecimal digits (not shown): ")?,
                        false => home::stdin_text()?,
                    };
                    private_key(text.trim())?
                }
                ImportKind::Keystore => {
                    let file = file.context("--file is required with --from keystore")?;
                    let text = home::small_file(&file)?;
                    from_keystore(global, &file, &text, ui)?
                }
            };
            let password = password::new(global.password_file.as_deref())?;
            show::summary(&add(&accounts, &key, &password, ui)?, ui);
        }
        AccountCommand::Show(args) => show::run(&home::find(&accounts, global)?, &args, ui)?,
        AccountCommand::List => {
            let (all, damaged) = (accounts.list()?, accounts.damaged()?);
            if all.is_empty() && damaged.is_empty() {
                ui.note("no accounts here yet; make one with `undertone account new`");
            }
            show::list(&all, &damaged, ui);
            if !damaged.is_empty() {
                ui.note(&home::mend(global));
            }
        }
        AccountCommand::Export => {
            let account = home::find(&accounts, global)?;
            let text = std::fs::read_to_string(&account.file)
                .with_context(|| format!("read {}", account.file.display()))?;
            ui.line(text.trim_end());
        }
        AccountCommand::Password { new_password_file } => {
            let _lock = home::own(&dir)?;
            let account = home::find(&accounts, global)?;
            let old = password::existing(global.password_file.as_deref())?;
            let new = password::new(new_password_file.as_deref())?;
            let mut rng = Environment::system()?.rng();
            let change = || accounts.change_password(&account, &old, &new, &mut rng);
            ui.busy("encrypting the key file anew", change).map_err(|error| home::locked(error, &account))?;
            ui.note(&format!("{} the password is changed", paint(GOOD, "✓")));
        }
        AccountCommand::Backup { file, backup_password_file } => {
            backup::make(global, &accounts, &file, backup_password_file.as_deref(), ui).await?;
        }
        AccountCommand::Profile(args) => profile::run(global, args, ui).await?,
        AccountCommand::Restore { file } => {
            let _lock = home::own(&dir)?;
            backup::restore(global, &accounts, &file, ui)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A private key as it is typed: 64 digits, `0x` before them or not. Never says back what was typed.
fn private_key(typed: &str) -> Result<ChatKey> {
    let digits = typed.strip_prefix("0x").or_else(|| typed.strip_prefix("0X")).unwrap_or(typed);
    let key = SecretKey::from_hex(digits);
    if key.is_err() && digits.len() == 64 && digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        bail!("no private key is zero or that large: one of the digits is not what was written down");
    }
    Ok(ChatKey::new(key?))
}

fn add(accounts: &Accounts, key: &ChatKey, password: &str, ui: &Ui) -> Result<Account> {
    let env = Environment::system()?;
    let made =
        ui.busy("encrypting the key file", || accounts.add(key, password, env.now().unix, &mut env.rng()));
    Ok(made?)
}

/// geth's files open with what was typed, Status's with the hash of it.
fn from_keystore(global: &Global, path: &Path, text: &[u8], ui: &Ui) -> Result<ChatKey> {
    let file = KeyFile::parse(text).with_context(|| format!("{} is no key file", path.display()))?;
    let typed = password::existing_of("Password of the key file: ", global.password_file.as_deref())?;
    let [lower, upper] = status_passwords(&typed);
    for password in [&*typed, &*lower, &*upper] {
        match ui.busy("opening the key file", || file.open(password)) {
            Ok(key) => return Ok(ChatKey::new(key)),
            Err(error) if error.code() == "keystore.wrong_password" => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(anyhow!("wrong password for this key file"))
}
