//! Accounts on a terminal.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use undertone::{Account, DamagedAccount};
use undertone_account::{ColourRing, EmojiHash, Identicon, key_text, link, qr};
use undertone_crypto::PublicKey;

use crate::args::{Picture, ShowArgs};
use crate::output::{BAD, DIM, GOOD, NAME, Table, Ui, columns, paint, visible};
use crate::people::show::{faces, ink, labelled};

/// Why there is nothing to draw.
const LOCKED: &str = "the key of this account is not known before it is unlocked once";

pub(super) fn run(account: &Account, args: &ShowArgs, ui: &Ui) -> Result<()> {
    if let Some(file) = &args.svg {
        return svg(account.key.as_ref().context(LOCKED)?, args.picture, file, ui);
    }
    if ui.json {
        ui.object(&describe(account));
        return Ok(());
    }
    let Some(key) = &account.key else {
        summary(account, ui);
        return Ok(());
    };
    faces(key, ui);
    labelled("address", &account.address.to_string(), ui);
    labelled("key file", &account.file.display().to_string(), ui);
    ui.line("");
    code(key, columns(), ui)
}

/// The code that all clients read; a smaller one that newer clients read, where it does not fit; or none.
fn code(key: &PublicKey, columns: usize, ui: &Ui) -> Result<()> {
    let fits = |code: &String| code.lines().all(|line| visible(line) <= columns);
    for link in [link::profile(key), link::short_profile(key)] {
        if let Some(code) = Some(qr::terminal(&link, ink())?).filter(fits) {
            code.lines().for_each(|line| ui.line(line));
            return Ok(());
        }
    }
    ui.note(
        "this terminal is too narrow for the QR code: `undertone account show --svg FILE` writes a picture",
    );
    Ok(())
}

/// The account in a few lines.
pub(super) fn summary(account: &Account, ui: &Ui) {
    if ui.json {
        return ui.object(&describe(account));
    }
    match &account.key {
        Some(key) => {
            labelled("name", &paint(NAME, account.name().unwrap_or_default()), ui);
            labelled("chat key", &key_text::chat_key(key), ui);
            labelled("", &key.to_hex(), ui);
        }
        None => labelled("chat key", "not known before the account is unlocked once", ui),
    }
    labelled("address", &account.address.to_string(), ui);
    labelled("key file", &account.file.display().to_string(), ui);
}

/// The accounts, and those whose key file cannot be used.
pub(super) fn list(accounts: &[Account], damaged: &[DamagedAccount], ui: &Ui) {
    if ui.json {
        accounts.iter().for_each(|account| ui.object(&describe(account)));
        for DamagedAccount { account, why } in damaged {
            let mut value = describe(account);
            if let Some(members) = value.as_object_mut() {
                members.insert("damaged".to_owned(), why.to_string().into());
            }
            ui.object(&value);
        }
        return;
    }
    let mut table = Table::new(["ADDRESS", "NAME", "CHAT KEY"]);
    for account in accounts {
        let name = account.name().map_or_else(|| paint(DIM, "(locked)"), |name| paint(NAME, name));
        let key = account.key.as_ref().map_or_else(String::new, key_text::chat_key);
        table.row([account.address.to_string(), name, key]);
    }
    for DamagedAccount { account, why } in damaged {
        let name = account.name().map_or_else(|| paint(DIM, "(unknown)"), |name| paint(NAME, name));
        let why = paint(BAD, format!("KEY FILE CANNOT BE USED: {why}"));
        table.row([account.address.to_string(), name, why]);
    }
    if !accounts.is_empty() || !damaged.is_empty() {
        table.print(ui);
    }
}

fn svg(key: &PublicKey, picture: Picture, file: &Path, ui: &Ui) -> Result<()> {
    let drawn = match picture {
        Picture::Identicon => Identicon::of(key).to_svg(),
        Picture::Qr => qr::svg(&link::profile(key))?,
        Picture::Ring => ColourRing::of(key).to_svg(),
    };
    if file == Path::new("-") {
        ui.line(&drawn);
        return Ok(());
    }
    std::fs::write(file, drawn + "\n").with_context(|| format!("write {}", file.display()))?;
    ui.note(&format!("{} {}", paint(GOOD, "✓"), file.display()));
    Ok(())
}

fn describe(account: &Account) -> serde_json::Value {
    let key = account.key.as_ref();
    json!({
        "address": account.address.to_string(),
        "chatKey": key.map(key_text::chat_key),
        "publicKey": key.map(ToString::to_string),
        "name": account.name(),
        "link": key.map(link::short_profile),
        "profileLink": key.map(link::profile),
        "emojiHash": key.map(|key| EmojiHash::of(key).emojis()),
        "colourRing": key.map(|key| {
            let ring = ColourRing::of(key);
            let segments = ring.segments().iter();
            segments.map(|segment| json!([segment.length, segment.colour().to_string()])).collect::<Vec<_>>()
        }),
        "keyFile": account.file,
    })
}
