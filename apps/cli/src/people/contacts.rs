//! `undertone contacts`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::json;
use undertone_account::key_text;
use undertone_account::link::{Link, Who};
use undertone_ens::EnsName;

use super::ask;
use super::show::{self, people};
use super::task::{Change, Task};
use super::views::{PersonAndDevices, PersonView};
use crate::args::{ContactsArgs, ContactsCommand, EnsArgs, Global, PfsArgs, Policy, Switch};
use crate::ens::Standing;
use crate::output::{GOOD, Ui, paint, printable};
use crate::who::Whom;
use crate::{ens, scan};

pub(crate) async fn run(global: &Global, args: ContactsArgs, ui: &Ui) -> Result<ExitCode> {
    let (who, change) = match args.command {
        None | Some(ContactsCommand::List) => {
            people(&ask::<Vec<PersonView>>(global, Task::People, ui).await?, ui);
            return Ok(ExitCode::SUCCESS);
        }
        Some(ContactsCommand::Show(who)) => {
            let whom = Whom::read(&who.who, &who.ens).await?;
            let shown: PersonAndDevices = ask(global, Task::Person { who: whom }, ui).await?;
            let claim = claim(&shown.person, &who.ens).await?;
            show::person(&shown, claim.as_ref(), ui);
            return Ok(ExitCode::SUCCESS);
        }
        Some(ContactsCommand::Pfs(args)) => return pfs(global, args, ui).await,
        Some(ContactsCommand::Scan { image, add, name, ens }) => {
            return scanned(global, &image, add, name, &ens, ui).await;
        }
        Some(ContactsCommand::Add { who, name, tell }) => (who, Change::Add { name, tell }),
        Some(ContactsCommand::Name { who, name }) => (who, Change::Add { name: Some(name), tell: false }),
        Some(ContactsCommand::Remove(who)) => (who, Change::Remove),
        Some(ContactsCommand::Block(who)) => (who, Change::Block),
        Some(ContactsCommand::Unblock(who)) => (who, Change::Unblock),
        Some(ContactsCommand::Decline { who, block }) => (who, Change::Decline { block }),
    };
    let who = Whom::read(&who.who, &who.ens).await?;
    let done = match &change {
        Change::Add { tell: true, .. } => "is a contact, and hears of that as soon as a peer is connected",
        Change::Add { tell: false, .. } => "is a contact",
        Change::Block => "is blocked: nothing of it is shown, acknowledged or answered",
        Change::Decline { block: true } => "is declined and blocked",
        Change::Decline { block: false } => "is declined: the chat is gone",
        Change::Pfs { .. } => "",
        Change::Remove => "is no contact any more; the chat stays",
        Change::Unblock => "is heard again",
    };
    let person: PersonView = ask(global, Task::Change { who, change }, ui).await?;
    said(&person, done, ui);
    Ok(ExitCode::SUCCESS)
}

/// What is to be said of the name of ENS that a person claims: the name, and whether it leads to the person's key.
/// Not asked without an endpoint.
async fn claim(person: &PersonView, args: &EnsArgs) -> Result<Option<(String, Standing)>> {
    let Some((claimed, key)) = person.claimed_ens.as_ref().zip(person.key()) else { return Ok(None) };
    // What is no name is not shown at all.
    let Ok(name) = EnsName::claimed(claimed) else { return Ok(None) };
    let standing = ens::standing(name.as_str(), &key, args).await?;
    Ok(Some((name.as_str().to_owned(), standing)))
}

/// What was done, for a person; the person as it is now, for a script.
fn said(person: &PersonView, done: &str, ui: &Ui) {
    if ui.json {
        return ui.object(&json!(person));
    }
    let gap = if done.starts_with(':') { "" } else { " " };
    ui.note(&format!("{} {}{gap}{done}", paint(GOOD, "✓"), show::called(person)));
}

async fn pfs(global: &Global, args: PfsArgs, ui: &Ui) -> Result<ExitCode> {
    if let (Some(who), Some(policy)) = (&args.who, args.policy) {
        let who = Whom::read(who, &args.ens).await?;
        let person: PersonView =
            ask(global, Task::Change { who, change: Change::Pfs { policy } }, ui).await?;
        let done = match (policy, person.pfs) {
            (Policy::AllowWeaker, _) => ": what it sends without forward secrecy is read from now on",
            (Policy::RefuseWeaker, _) => {
                ": once it has shown forward secrecy, what it sends without is refused"
            }
            (_, true) => ": forward secrecy is on for what you send",
            (_, false) => {
                ": forward secrecy is OFF for what you send; whoever steals its key can read all of it later"
            }
        };
        said(&person, done, ui);
        return Ok(ExitCode::SUCCESS);
    }
    let on = args.default.map(|switch| switch == Switch::On);
    let on: bool = ask(global, Task::DefaultPfs { on }, ui).await?;
    if ui.json {
        ui.object(&json!({ "defaultPfs": on }));
    } else {
        ui.line(if on { "on" } else { "off" });
        if !on {
            ui.note("what you send has the encryption of the envelope alone, but for those of whom you said otherwise");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn scanned(
    global: &Global,
    image: &Path,
    add: bool,
    name: Option<String>,
    ens: &EnsArgs,
    ui: &Ui,
) -> Result<ExitCode> {
    let text = scan::read(image)?;
    let key = key_text::parse(&text).map(|key| Link::Profile(Who::Key(key)));
    let who = match key.or_else(|_| Link::parse(&text)) {
        Ok(Link::Profile(who) | Link::OneToOne(who)) => who,
        Ok(other) => bail!("the code holds another link: {}", printable(&other.to_string())),
        Err(error) => bail!("the code holds no Status link or key ({error}): {}", printable(&text)),
    };
    if add {
        let who = Whom::read(&who.to_string(), ens).await?;
        let person: PersonView =
            ask(global, Task::Change { who, change: Change::Add { name, tell: false } }, ui).await?;
        said(&person, "is a contact", ui);
        return Ok(ExitCode::SUCCESS);
    }
    // To look at a picture no account is needed.
    match &who {
        Who::Key(key) => show::key(key, ui),
        Who::Name(name) => match ens::resolve(&EnsName::typed(name.as_str())?, ens).await? {
            Some(key) => show::key(&key, ui),
            None => {
                ui.line(name.as_str());
                ui.note(ens::OFF);
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}
