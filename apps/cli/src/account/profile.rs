//! What our contacts are told of us.

use anyhow::{Result, bail};
use serde_json::json;
use undertone_account::key_text;
use undertone_ens::EnsName;

use crate::args::{Global, ProfileArgs};
use crate::ens::{self, Standing};
use crate::output::{BAD, DIM, GOOD, NAME, Ui, count, paint};
use crate::people::show::{ens_row, labelled};
use crate::people::{NameClaim, ProfileChange, ProfileView, Task, ask};
use crate::{Usage, picture};

pub(super) async fn run(global: &Global, args: ProfileArgs, ui: &Ui) -> Result<()> {
    let change = change(&args).await?;
    let changes = change != ProfileChange::default();
    let unlooked = change.ens_name.as_ref().is_some_and(|claim| claim.leads_to.is_none());
    let profile: ProfileView = ask(global, Task::Profile { change }, ui).await?;
    if changes && unlooked && !args.unchecked && !profile.ens_name.is_empty() {
        ui.note(&format!("{} the name was not looked up: {}", paint(BAD, "!"), ens::OFF));
    }
    let standing = match (changes, profile.key()) {
        // It was looked up just now, or was not to be.
        (true, _) | (_, None) => Standing::Off,
        (false, Some(key)) => ens::standing(&profile.ens_name, &key, &args.ens).await?,
    };
    show(&profile, &standing, changes, ui);
    Ok(())
}

/// What is to be changed, with the picture read and the name looked up.
async fn change(args: &ProfileArgs) -> Result<ProfileChange> {
    let picture = match (&args.picture, args.no_picture) {
        (Some(file), _) => Some(picture::avatar(file)?),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    let ens_name = match (&args.ens_name, args.no_ens_name) {
        (Some(typed), _) => {
            let name = EnsName::typed(typed).map_err(|error| Usage(format!("{typed:?}: {error}")))?;
            let leads_to = match args.unchecked {
                true => None,
                false => ens::resolve(&name, &args.ens).await?.map(|key| key.to_hex()),
            };
            Some(NameClaim { name: name.as_str().to_owned(), leads_to })
        }
        (None, true) => Some(NameClaim { name: String::new(), leads_to: None }),
        (None, false) => None,
    };
    Ok(ProfileChange { ens_name, picture })
}

/// Whether a name may be claimed: one that was looked up leads to this key.
pub(crate) fn ours(claim: &NameClaim, key: &undertone_crypto::PublicKey) -> Result<()> {
    match &claim.leads_to {
        Some(other) if *other != key.to_hex() => bail!(
            "{} leads to another key, {}, not to yours, {}: your contacts would be told that it is not your own. Give \
             the name your key first (the pubkey record of its resolver), or claim it with --unchecked",
            claim.name,
            key_text::parse(other).map(|key| key_text::chat_key(&key)).unwrap_or_default(),
            key_text::chat_key(key),
        ),
        _ => Ok(()),
    }
}

fn show(profile: &ProfileView, standing: &Standing, changed: bool, ui: &Ui) {
    if ui.json {
        let mut value = json!(profile);
        if let Some(members) = value.as_object_mut() {
            standing.tell(members);
        }
        return ui.object(&value);
    }
    labelled("name", &paint(NAME, &profile.name), ui);
    match (profile.ens_name.is_empty(), standing) {
        (true, _) => labelled("ens", &paint(DIM, "none claimed"), ui),
        (false, Standing::Off) => labelled("ens", &profile.ens_name, ui),
        (false, _) => ens_row(&profile.ens_name, standing, ui),
    }
    match (&profile.picture_type, profile.picture_bytes) {
        (Some(kind), bytes) => labelled("picture", &format!("{kind}, {bytes} bytes as it is sent"), ui),
        (None, _) => labelled("picture", &paint(DIM, "none"), ui),
    }
    match (profile.told, changed) {
        (0, _) => ui.note(&paint(DIM, "nobody is told: `undertone contacts add WHO --tell` tells a person")),
        (n, true) => {
            let whom =
                if n == 1 { "1 person".to_owned() } else { count(n, "people").replace("peoples", "people") };
            ui.note(&format!("{} {whom} will hear of it, as soon as a peer is connected", paint(GOOD, "✓")));
        }
        (n, false) => {
            let whom = if n == 1 { "1 person was told".to_owned() } else { format!("{n} people were told") };
            ui.note(&paint(DIM, whom));
        }
    }
}
