//! `undertone verify`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::json;
use undertone_account::link::{Link, Who};
use undertone_account::{SafetyCode, key_text};
use undertone_crypto::PublicKey;

use super::task::{Task, With};
use super::views::Compared;
use super::{ask, show};
use crate::args::{Global, VerifyArgs};
use crate::output::{BAD, BOLD, GOOD, Ui, day, paint, quoted};
use crate::who::{Whom, code_lines};
use crate::{Usage, scan};

/// Digits of a code.
const DIGITS: usize = 60;

pub(crate) async fn run(global: &Global, args: VerifyArgs, ui: &Ui) -> Result<ExitCode> {
    let with = match (&args.code, &args.qr) {
        (Some(code), _) => With::Code { code: digits(code)?, face_to_face: args.face_to_face },
        (None, Some(image)) => {
            let text = scan::read(image)?;
            let key = key_text::parse(&text).map(|key| Link::Profile(Who::Key(key)));
            match key.or_else(|_| Link::parse(&text)) {
                Ok(Link::Profile(Who::Key(key)) | Link::OneToOne(Who::Key(key))) => {
                    With::Scanned { key: key.to_hex() }
                }
                _ => bail!("the code in the picture holds no key"),
            }
        }
        (None, None) => With::Nothing,
    };
    let scanned = match &with {
        With::Scanned { key } => Some(key_text::parse(key)?),
        _ => None,
    };
    let who = Whom::read(&args.who.who, &args.who.ens).await?;
    let compared: Compared = ask(global, Task::Compare { who, with }, ui).await?;
    let keys = compared.person.key().zip(PublicKey::from_hex(&compared.own_key).ok());
    let Some((peer, own)) = keys else { bail!(crate::ipc::OTHER_VERSION) };
    let code = SafetyCode::of(&own, &peer);
    if ui.json {
        let mut value = json!(compared);
        if let Some(members) = value.as_object_mut() {
            members.insert("code".to_owned(), json!(code.to_string()));
        }
        ui.object(&value);
    }
    let called = show::called(&compared.person);
    match compared.matches {
        None if !ui.json => instruct(&compared, &code, ui),
        None => {}
        Some(true) => ui.note(&format!("{} {called} is verified: this is its true key", paint(GOOD, "✓"))),
        Some(false) => {
            let what = match (scanned, &args.code) {
                (Some(key), _) => format!(
                    "the picture shows another key, {}, than {} has here, {}",
                    key_text::chat_key(&key),
                    compared.person.called(),
                    compared.person.chat_key
                ),
                (None, typed) => format!(
                    "the codes differ{}: one of you has a wrong key, or somebody is between you",
                    typed.as_deref().map_or_else(String::new, |typed| group(typed, &code)),
                ),
            };
            let before = match compared.person.verified_at {
                Some(at) => format!(" (what was compared on {} is not touched)", day(at)),
                None => String::new(),
            };
            bail!("{what}. Nothing was marked{before}. Compare again, over another channel");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The digits of what was typed.
fn digits(code: &str) -> Result<String> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let good = digits.chars().all(|c| c.is_ascii_digit());
    if !good || digits.len() != DIGITS {
        let got = digits.chars().count();
        let hint = format!("a code has sixty digits in twelve groups of five; this has {got} characters");
        return Err(Usage(hint).into());
    }
    Ok(digits)
}

/// The first group that differs.
fn group(typed: &str, code: &SafetyCode) -> String {
    let typed = digits(typed).unwrap_or_default();
    let ours: String = code.groups().map(|group| format!("{group:05}")).concat();
    let differs = |at: &usize| typed.as_bytes().get(*at) != ours.as_bytes().get(*at);
    match (0..DIGITS).find(differs) {
        Some(at) => format!(" from group {} on", at / 5 + 1),
        None => String::new(),
    }
}

fn instruct(compared: &Compared, code: &SafetyCode, ui: &Ui) {
    let person = &compared.person;
    ui.note(&format!("The code of {} and you:\n", show::called(person)));
    for line in code_lines(code) {
        ui.line(&format!("    {}", paint(BOLD, line)));
    }
    ui.note("");
    match person.verified_at {
        Some(at) => ui.note(&format!("{} on {}.", paint(GOOD, "Verified"), day(at))),
        None => ui.note(&paint(BAD, "Not verified yet.")),
    }
    ui.note("The other side sees the same sixty digits if each of you has the other's true key.");
    ui.note("Have them read to you, over a call or in one room, and type what you hear:");
    ui.note(&format!(
        "    undertone verify {} --code \"…\"",
        quoted(person.nickname.as_deref().unwrap_or(&person.chat_key))
    ));
}
