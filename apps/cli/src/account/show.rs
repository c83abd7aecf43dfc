//! Accounts on a terminal.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use undertone::Account;
use undertone_account::{ColourRing, EmojiHash, Identicon, key_text, link, qr};
use undertone_crypto::PublicKey;

use crate::args::{Picture, ShowArgs};
use crate::output::{GOOD, NAME, Ui, paint};
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
    for line in qr::terminal(&link::profile(key), ink())?.lines() {
        ui.line(line);
    }
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

pub(super) fn list(accounts: &[Account], ui: &Ui) {
    for account in accounts {
        if ui.json {
            ui.object(&describe(account));
            continue;
        }
        let name = account.name().unwrap_or_else(|| "(locked)".to_owned());
        let key = account.key.as_ref().map_or_else(String::new, key_text::chat_key);
        ui.line(&format!("{}  {}  {key}", account.address, paint(NAME, format!("{name:<34}"))));
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
