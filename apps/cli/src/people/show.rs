//! People on a terminal.

use serde_json::json;
use undertone_account::link;
use undertone_account::{ColourRing, EmojiHash, Identicon, Ink, key_text, three_word_name};
use undertone_crypto::PublicKey;

use super::devices;
use super::views::{PersonAndDevices, PersonView};
use crate::ens::Standing;
use crate::output::{BAD, BOLD, DIM, GOOD, NAME, Table, Ui, day, paint, printable};

/// What a person is called, with the three words beside a name of ours.
pub(super) fn called(person: &PersonView) -> String {
    match &person.nickname {
        Some(nickname) => format!("{} ({})", paint(NAME, printable(nickname)), person.name),
        None => paint(NAME, &person.name),
    }
}

pub(super) fn people(people: &[PersonView], ui: &Ui) {
    if ui.json {
        return people.iter().for_each(|person| ui.object(&json!(person)));
    }
    if people.is_empty() {
        return ui.note(
            "no contacts yet: `undertone contacts add 0x04… NAME`, or `undertone contacts scan IMAGE --add`",
        );
    }
    let mut table = Table::new(["NAME", "STATE", "SECRECY", "CHAT KEY", "THREE WORDS"]);
    for person in people {
        table.row([
            person.nickname.as_deref().map_or_else(|| paint(DIM, "–"), |name| paint(NAME, printable(name))),
            state(person),
            secrecy(person),
            person.chat_key.clone(),
            person.name.clone(),
        ]);
    }
    table.print(ui);
    if people.iter().any(|person| person.state == "request") {
        ui.note(&paint(
            DIM,
            "a request is a stranger's chat: `contacts add` takes it, `contacts decline` removes it",
        ));
    }
}

fn state(person: &PersonView) -> String {
    match person.state.as_str() {
        "blocked" => paint(BAD, "blocked"),
        _ if person.key_changed.is_some() => paint(BAD, "key changed"),
        "verified" => paint(GOOD, "verified"),
        "request" => paint(BOLD, "request"),
        other => other.to_owned(),
    }
}

fn secrecy(person: &PersonView) -> String {
    match (person.pfs, person.weaker_allowed) {
        (false, _) => paint(BAD, "off"),
        (true, true) => format!("on{}", paint(DIM, ", weaker read")),
        (true, false) => "on".to_owned(),
    }
}

/// A person with everything that is known.
pub(super) fn person(shown: &PersonAndDevices, claim: Option<&(String, Standing)>, ui: &Ui) {
    if ui.json {
        let mut value = json!(shown);
        if let (Some(members), Some((_, standing))) = (value.as_object_mut(), claim) {
            standing.tell(members);
        }
        return ui.object(&value);
    }
    let person = &shown.person;
    let row = |label: &str, value: &str| labelled(label, value, ui);
    if let Some(nickname) = &person.nickname {
        row("called", &paint(NAME, printable(nickname)));
    }
    let how = match (&person.verified_by, person.verified_at) {
        (Some(by), Some(at)) => format!("{} {}", state(person), paint(DIM, format!("({by}, {})", day(at)))),
        _ => state(person),
    };
    row("state", &how);
    if let Some(changed) = &person.key_changed {
        let name = printable(&changed.name);
        row(
            "",
            &paint(
                BAD,
                format!("{name} leads to another key, seen on {}: {}", day(changed.at), changed.leads_to),
            ),
        );
        row("", "`undertone verify` the key that you have here, or `undertone contacts remove` it");
    }
    let mut words = vec![secrecy(person)];
    words.push(paint(DIM, if person.pfs_chosen { "(chosen)" } else { "(the default)" }));
    if person.shown_pfs {
        words.push(paint(DIM, "it has shown forward secrecy: less is refused unless you allow it"));
    }
    row("secrecy", &words.join(" "));
    match (person.has_added_us, person.told) {
        (true, _) => row("added", "it says that it has added you"),
        (false, true) => row("added", "it was told that you have added it"),
        (false, false) => {}
    }
    if let Some((name, standing)) = claim {
        ens_row(name, standing, ui);
    }
    if let Some(key) = person.key() {
        faces(&key, ui);
    }
    if !shown.devices.is_empty() {
        ui.line("");
        devices::table(&shown.devices, ui);
    }
}

/// A name that somebody claims, and what is known of that.
pub(crate) fn ens_row(name: &str, standing: &Standing, ui: &Ui) {
    let text = match standing {
        Standing::Verified => format!("{name} {}", paint(GOOD, "verified: it leads to this key")),
        Standing::Wrong => paint(BAD, format!("{name} is claimed, and WRONG: it does not lead to this key")),
        Standing::Off => {
            format!("{name} {}", paint(DIM, "is claimed, unverified: no endpoint is named (--ens-rpc URL)"))
        }
        Standing::Unanswered(why) => {
            format!("{name} {}", paint(BAD, format!("is claimed, unverified: {why}")))
        }
    };
    labelled("ens", &text, ui);
}

/// A key with the forms and pictures that follow from it.
pub(crate) fn key(key: &PublicKey, ui: &Ui) {
    if ui.json {
        return ui.object(&json!({
            "publicKey": key.to_hex(),
            "chatKey": key_text::chat_key(key),
            "name": three_word_name(key),
            "link": link::short_profile(key),
        }));
    }
    faces(key, ui);
}

/// Key, three words, emoji hash, ring and identicon.
pub(crate) fn faces(key: &PublicKey, ui: &Ui) {
    let row = |label: &str, value: &str| labelled(label, value, ui);
    row("name", &paint(NAME, three_word_name(key)));
    row("chat key", &key_text::chat_key(key));
    row("", &key.to_hex());
    row("link", &link::short_profile(key));
    row("emoji", &EmojiHash::of(key).to_string());
    let ink = ink();
    for (at, line) in ColourRing::of(key).to_terminal(ink).lines().enumerate() {
        row(if at == 0 { "ring" } else { "" }, line);
    }
    for (at, line) in Identicon::of(key).to_terminal(ink).lines().enumerate() {
        row(if at == 0 { "identicon" } else { "" }, line);
    }
}

pub(crate) fn labelled(label: &str, value: &str, ui: &Ui) {
    ui.line(&format!("{}{value}", paint(DIM, format!("{label:<11}"))));
}

/// What stdout takes.
pub(crate) fn ink() -> Ink {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => Ink::Plain,
        _ => Ink::TrueColour,
    }
}
