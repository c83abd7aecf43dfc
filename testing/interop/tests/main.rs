//! Our bytes against live originals. Each case starts its own peers on free ports of loopback and ends them; a case
//! whose peer is absent is reported as ignored, under the name of the variable that gives the peer.
#![expect(clippy::indexing_slicing, reason = "JSON gives null for what is absent, and a case may fail")]

mod bare;
mod cases;
mod compare;
mod disc;
mod geth;
mod js;
mod made;
mod mutate;
mod names;
mod ours;
mod payload;
mod rpc;
mod statusd;
mod tap;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use undertone_transport::{PublicName, Route};
use undertone_whisper::Envelope;

/// How long anything but a burst may take: most of it takes well under a second, geth's tick of 300 ms included.
const DEADLINE: Duration = Duration::from_secs(30);

/// Cases at once by default. Each has up to three nodes, and proofs of work that must not take a message's life.
const THREADS: usize = 2;

/// The foreign end of a case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Peer {
    EthereumJs,
    Geth,
    Statusd,
    WakuPayload,
}

impl Peer {
    const ALL: [Self; 4] = [Self::Geth, Self::Statusd, Self::EthereumJs, Self::WakuPayload];

    /// The variable that gives it.
    const fn variable(self) -> &'static str {
        match self {
            Self::EthereumJs => js::PACKAGE.variable,
            Self::Geth => geth::VARIABLE,
            Self::Statusd => statusd::VARIABLE,
            Self::WakuPayload => payload::PACKAGE.variable,
        }
    }

    /// Why it is not there, if so.
    fn absent(self) -> Option<String> {
        match self {
            Self::EthereumJs => missing(js::PACKAGE),
            Self::Geth => geth::program().is_none().then(|| format!("{} is not set", geth::VARIABLE)),
            Self::Statusd => {
                statusd::program().is_none().then(|| format!("{} is not set", statusd::VARIABLE))
            }
            Self::WakuPayload => missing(payload::PACKAGE),
        }
    }
}

fn missing(package: js::Package) -> Option<String> {
    package.directory().err().map(|why| format!("{why:#}"))
}

/// A case: its peer, its name, and what it does.
type Case = (Peer, &'static str, fn() -> Result<()>);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let mut trials = Vec::new();
    for peer in Peer::ALL {
        let cases: Vec<Case> = cases::all().into_iter().filter(|case| case.0 == peer).collect();
        let absent = peer.absent();
        if let Some(why) = absent.as_ref().filter(|_| !arguments.list) {
            eprintln!("interop: {why}: {} cases are skipped (docs/interop.md)", cases.len());
        }
        trials.extend(cases.into_iter().map(|(_, name, case)| {
            let run = move || case().map_err(|error| Failed::from(format!("{error:#}")));
            Trial::test(name, run).with_kind(peer.variable()).with_ignored_flag(absent.is_some())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A public chat.
fn public(name: &str) -> Result<Route> {
    Ok(Route::Public(PublicName::new(name)?))
}

/// A JSON string.
fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no string"))
}

/// The name of an envelope as both sides write it.
fn hash_text(envelope: &Envelope) -> String {
    envelope.hash().to_string()
}
