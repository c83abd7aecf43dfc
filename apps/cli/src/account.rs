//! `undertone account`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;
use undertone::{Account, Accounts};
use undertone_account::keystore::{KeyFile, status_passwords};
use undertone_account::{ChatKey, ExtendedKey, Language, Mnemonic, MnemonicError, WordCount, key_text};
use undertone_crypto::SecretKey;
use undertone_runtime::Environment;

use crate::args::{AccountCommand, Global, ImportKind};
use crate::output::{BOLD, DIM, GOOD, NAME, Ui, paint};
use crate::{Usage, home, password};

pub(crate) fn run(global: &Global, command: AccountCommand, ui: &Ui) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let accounts = Accounts::new(&dir);
    match command {
        AccountCommand::New { no_confirm } => {
            let _lock = home::own(&dir)?;
            new(global, &accounts, no_confirm, ui)?;
        }
        AccountCommand::Import { from, file, ignore_checksum } => {
            let _lock = home::own(&dir)?;
            let key = match from {
                ImportKind::Words => from_words(ignore_checksum)?,
                ImportKind::PrivateKey => ChatKey::new(SecretKey::from_hex(home::stdin_text()?.trim())?),
                ImportKind::Keystore => {
                    let file = file.context("--file is required with --from keystore")?;
                    from_keystore(global, &std::fs::read(&file).with_context(|| file.display().to_string())?)?
                }
            };
            let password = password::new(global.password_file.as_deref())?;
            show(&add(&accounts, &key, &password, ui)?, ui);
        }
        AccountCommand::Show => show(&home::find(&accounts, global)?, ui),
        AccountCommand::List => {
            let all = accounts.list()?;
            if all.is_empty() {
                ui.note("no accounts here yet; make one with `undertone account new`");
            }
            all.iter().for_each(|account| list_line(account, ui));
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
            ui.note(&paint(DIM, "encrypting the key file anew …"));
            let mut rng = Environment::system()?.rng();
            let changed = accounts.change_password(&account, &old, &new, &mut rng);
            changed.map_err(|error| home::locked(error, &account))?;
            ui.note(&format!("{} the password is changed", paint(GOOD, "✓")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn new(global: &Global, accounts: &Accounts, no_confirm: bool, ui: &Ui) -> Result<()> {
    // Whatever can be missing is asked for before the words are shown.
    if !no_confirm && !std::io::stdin().is_terminal() {
        let hint = "no terminal to ask the words back: use --no-confirm if they are kept elsewhere";
        return Err(Usage(hint.to_owned()).into());
    }
    let password = password::new(global.password_file.as_deref())?;
    let mut rng = Environment::system()?.rng();
    let mnemonic = Mnemonic::generate(WordCount::Twelve, Language::English, &mut rng);
    let master = ExtendedKey::master(&mnemonic.seed(""))?;
    let key = ChatKey::derive(&master)?;

    ui.note("These twelve words are the account. Who has them has it; who loses them has lost it.");
    ui.note("Write them down on paper. They are not shown again.\n");
    // To stderr, with the other things that a person reads: a script gets the account as data on stdout.
    let words: Vec<&str> = mnemonic.expose_words().split_whitespace().collect();
    for (row, line) in words.chunks(4).enumerate() {
        let cells: Vec<String> =
            (row * 4 + 1..).zip(line).map(|(n, word)| format!("{n:>3}. {word:<12}")).collect();
        anstream::eprintln!("{}", paint(BOLD, cells.concat().trim_end()));
    }
    ui.note("");
    if !no_confirm {
        ask_back(&words)?;
    }
    show(&add(accounts, &key, &password, ui)?, ui);
    Ok(())
}

/// Asks for three of the words, so that they are on paper before anything depends on them.
fn ask_back(words: &[&str]) -> Result<()> {
    for place in [3, 7, 11] {
        let word = words.get(place - 1).copied().unwrap_or_default();
        for attempt in 1..=3 {
            anstream::eprint!("Word number {place}? ");
            std::io::stderr().flush()?;
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer)?;
            if answer.trim().eq_ignore_ascii_case(word) {
                break;
            }
            ensure!(attempt < 3, "the words do not agree: no account was made; begin again");
            anstream::eprintln!("That is not word number {place}; look again.");
        }
    }
    Ok(())
}

fn add(accounts: &Accounts, key: &ChatKey, password: &str, ui: &Ui) -> Result<Account> {
    ui.note(&paint(DIM, "encrypting the key file …"));
    let env = Environment::system()?;
    Ok(accounts.add(key, password, env.now().unix, &mut env.rng())?)
}

fn from_words(ignore_checksum: bool) -> Result<ChatKey> {
    let text = home::stdin_text()?;
    let mnemonic = match Mnemonic::parse(&text) {
        Err(MnemonicError::Checksum) if ignore_checksum => Mnemonic::unchecked(&text)?,
        Err(MnemonicError::Checksum) => bail!(
            "the checksum is wrong: a word is not the one that was written down, or two changed places; \
             --ignore-checksum takes them as they are"
        ),
        Err(MnemonicError::UnknownWord { position }) => {
            let word = text.split_whitespace().nth(position.saturating_sub(1)).unwrap_or_default();
            bail!("word {position}, {word:?}, is in no word list");
        }
        other => other?,
    };
    Ok(ChatKey::derive(&ExtendedKey::master(&mnemonic.seed(""))?)?)
}

/// geth's files open with what was typed, Status's with the hash of it.
fn from_keystore(global: &Global, text: &[u8]) -> Result<ChatKey> {
    let file = KeyFile::parse(text)?;
    let typed = password::existing(global.password_file.as_deref())?;
    let [lower, upper] = status_passwords(&typed);
    for password in [&*typed, &*lower, &*upper] {
        match file.open(password) {
            Ok(key) => return Ok(ChatKey::new(key)),
            Err(error) if error.code() == "keystore.wrong_password" => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(anyhow!("wrong password for this key file"))
}

fn show(account: &Account, ui: &Ui) {
    if ui.json {
        return ui.object(&describe(account));
    }
    let row = |label: &str, value: &str| ui.line(&format!("{}{value}", paint(DIM, format!("{label:<10}"))));
    match &account.key {
        Some(key) => {
            row("name", &paint(NAME, account.name().unwrap_or_default()));
            row("chat key", &key_text::chat_key(key));
            row("", &key.to_hex());
        }
        None => row("chat key", "not known before the account is unlocked once"),
    }
    row("address", &account.address.to_string());
    row("key file", &account.file.display().to_string());
}

fn list_line(account: &Account, ui: &Ui) {
    if ui.json {
        return ui.object(&describe(account));
    }
    let name = account.name().unwrap_or_else(|| "(locked)".to_owned());
    let key = account.key.as_ref().map_or_else(String::new, key_text::chat_key);
    ui.line(&format!("{}  {}  {key}", account.address, paint(NAME, format!("{name:<34}"))));
}

fn describe(account: &Account) -> serde_json::Value {
    json!({
        "address": account.address.to_string(),
        "chatKey": account.key.as_ref().map(key_text::chat_key),
        "publicKey": account.key.as_ref().map(ToString::to_string),
        "name": account.name(),
        "keyFile": account.file,
    })
}
