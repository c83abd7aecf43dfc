//! `undertone doctor`: what a node needs, looked at one by one, each with what to do when it is not so.
//!
//! A group of checks is a file here and a line in [`GROUPS`]. A check looks and says; it changes nothing.

mod clock;
mod discovery;
mod disk;
mod limits;
mod nat;
mod peers;
mod ports;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use undertone_node::Health;

use crate::args::{DoctorArgs, Global};
use crate::home;
use crate::ipc::{NodeRequest, ask};
use crate::output::{BAD, BOLD, DIM, GOOD, Ui, count, paint};

/// Every group, in the order in which it is looked at.
const GROUPS: [Group; 7] =
    [clock::GROUP, ports::GROUP, nat::GROUP, discovery::GROUP, peers::GROUP, disk::GROUP, limits::GROUP];

/// Checks that belong together.
struct Group {
    name: &'static str,
    look: fn(&Site) -> Vec<Finding>,
}

/// What there is to look at.
struct Site {
    dir: PathBuf,
    /// The node that runs here, or why there is none to ask.
    node: Result<Health, String>,
    /// Where a node would listen.
    listen: SocketAddr,
}

impl Site {
    /// A finding about the node, or that it cannot be known without one.
    fn of_node(&self, check: &'static str, look: impl FnOnce(&Health) -> Vec<Finding>) -> Vec<Finding> {
        match &self.node {
            Ok(health) => look(health),
            // Why, is said once.
            Err(_) => vec![Finding::unknown(check, "needs a running node to ask")],
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// Good.
    Green,
    /// Bad.
    Red,
    /// Cannot be known now.
    Unknown,
}

/// What a check says.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    says: String,
    /// What to do.
    fix: Option<String>,
}

impl Finding {
    fn green(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Green, says: says.into(), fix: None }
    }

    fn red(check: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Red, says: says.into(), fix: Some(fix.into()) }
    }

    fn unknown(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unknown, says: says.into(), fix: None }
    }

    /// With what to do about it.
    fn hint(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Seconds after which a node without peers or nodes has had its chance.
const SETTLED: u64 = 60;

pub(crate) async fn run(global: &Global, args: &DoctorArgs, ui: &Ui) -> Result<ExitCode> {
    let dir = home::data_dir(global)?;
    let node = ask(&dir, NodeRequest::Health).await.map_err(|error| format!("{error:#}"));
    let site = Site { dir, node, listen: SocketAddr::new(args.addr, args.port) };
    if let Err(why) = &site.node {
        ui.note(&paint(DIM, why));
    }
    let mut verdicts = Vec::new();
    for group in &GROUPS {
        for finding in (group.look)(&site) {
            say(group, &finding, ui);
            verdicts.push(finding.verdict);
        }
    }
    let number = |verdict| verdicts.iter().filter(|is| **is == verdict).count();
    let red = number(Verdict::Red);
    let words = [
        (number(Verdict::Green), GOOD, "green"),
        (red, BAD, "red"),
        (number(Verdict::Unknown), BOLD, "unknown"),
    ];
    let words: Vec<String> = words
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, style, word)| paint(*style, format!("{n} {word}")))
        .collect();
    ui.note(&format!("{}: {}", count(verdicts.len(), "check"), words.join(", ")));
    Ok(if red > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say(group: &Group, finding: &Finding, ui: &Ui) {
    let Finding { check, verdict, says, fix } = finding;
    if ui.json {
        let verdict = format!("{verdict:?}").to_lowercase();
        return ui.object(&json!({
            "group": group.name, "check": check, "verdict": verdict, "says": says, "fix": fix,
        }));
    }
    let mark = match verdict {
        Verdict::Green => paint(GOOD, "✓"),
        Verdict::Red => paint(BAD, "✗"),
        Verdict::Unknown => paint(DIM, "?"),
    };
    ui.line(&format!("{mark} {}  {says}", paint(BOLD, format!("{check:<11}"))));
    if let Some(fix) = fix {
        ui.line(&format!("{:15}{} {fix}", "", paint(DIM, "→")));
    }
}
