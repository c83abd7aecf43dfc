//! `undertone devices`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use undertone_runtime::Environment;

use super::ask;
use super::task::Task;
use super::views::{DeviceChange, DeviceView};
use crate::args::{DevicesCommand, EnsArgs, Global};
use crate::output::{BAD, DIM, GOOD, NAME, Table, Ui, paint, printable, span};
use crate::who::Whom;

/// Longest name that a pairing carries, in bytes.
const MAX_NAME: usize = 128;

pub(crate) async fn run(global: &Global, command: Option<DevicesCommand>, ui: &Ui) -> Result<ExitCode> {
    match command {
        None | Some(DevicesCommand::List { who: None }) => {
            let devices: Vec<DeviceView> = ask(global, Task::Devices { who: None }, ui).await?;
            list(&devices, ui);
            if !ui.json && devices.len() == 1 {
                ui.note(&paint(
                    DIM,
                    "another device of yours shows up here once it runs with the same account",
                ));
            }
        }
        Some(DevicesCommand::List { who: Some(who) }) => {
            let who = Some(Whom::read(&who, &EnsArgs::default()).await?);
            let devices: Vec<DeviceView> = ask(global, Task::Devices { who }, ui).await?;
            list(&devices, ui);
            if !ui.json && devices.is_empty() {
                ui.note("no device of this person is known: a first message has no forward secrecy");
            }
        }
        Some(DevicesCommand::Enable { device }) => {
            let change: DeviceChange = ask(global, Task::EnableDevice { device, enabled: true }, ui).await?;
            changed(&change, "gets what you write from now on. Enable this one there, too", ui);
        }
        Some(DevicesCommand::Disable { device }) => {
            let change: DeviceChange = ask(global, Task::EnableDevice { device, enabled: false }, ui).await?;
            let done = "gets nothing more from here, and does not speak for you here. It keeps what it has; whoever \
                        has it still holds the account's key";
            changed(&change, done, ui);
        }
        Some(DevicesCommand::Rename { name }) => named(global, Task::Pair { name, kind: None }, ui).await?,
        Some(DevicesCommand::Pair { name, kind }) => {
            let name = name.unwrap_or_else(machine);
            named(global, Task::Pair { name, kind: Some(kind) }, ui).await?;
            if !ui.json {
                ui.note("Then, on each device: `undertone devices`, and `undertone devices enable ID` for the others.");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn named(global: &Global, task: Task, ui: &Ui) -> Result<()> {
    let device: DeviceView = ask(global, task, ui).await?;
    if ui.json {
        ui.object(&json!(device));
        return Ok(());
    }
    let name = printable(device.name.as_deref().unwrap_or_default());
    ui.note(&format!(
        "{} this device is {}; your others hear of it when a peer is connected",
        paint(GOOD, "✓"),
        paint(NAME, name)
    ));
    Ok(())
}

fn changed(change: &DeviceChange, done: &str, ui: &Ui) {
    if ui.json {
        return ui.object(&json!(change));
    }
    ui.note(&format!("{} {} {done}", paint(GOOD, "✓"), paint(NAME, change.device.called())));
    for device in &change.pushed_out {
        ui.note(&format!(
            "{} {} is pushed out: people write to the three devices that were active last",
            paint(BAD, "!"),
            device.called()
        ));
    }
    if change.device.enabled && !change.device.reached {
        let why = "is enabled, but three others were active later: people do not write to it";
        ui.note(&format!("{} it {why}", paint(BAD, "!")));
    }
}

fn list(devices: &[DeviceView], ui: &Ui) {
    if ui.json {
        return devices.iter().for_each(|device| ui.object(&json!(device)));
    }
    if !devices.is_empty() {
        table(devices, ui);
    }
}

pub(super) fn table(devices: &[DeviceView], ui: &Ui) {
    let now = Environment::system().map(|env| env.now().unix.millis()).unwrap_or_default();
    let ago = |at: Option<u64>| match at {
        Some(at) => format!("{} ago", span(now.saturating_sub(at) / 1_000)),
        None => paint(DIM, "–"),
    };
    let mut table = Table::new(["DEVICE", "NAME", "KIND", "STATE", "HEARD", "NAMED"]);
    for device in devices {
        let state = match (device.this_device, device.enabled, device.reached) {
            (true, ..) => paint(GOOD, "this device"),
            (_, false, _) => paint(DIM, "disabled"),
            (_, true, true) => "enabled".to_owned(),
            (_, true, false) => paint(BAD, "pushed out"),
        };
        let text = |text: &Option<String>| text.as_deref().map_or_else(|| paint(DIM, "–"), printable);
        table.row([
            printable(&device.device),
            text(&device.name),
            text(&device.kind),
            state,
            ago(device.last_heard),
            ago(device.last_named),
        ]);
    }
    table.print(ui);
}

/// What this machine calls itself.
fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() || name.len() > MAX_NAME { "desktop".to_owned() } else { name }
}
