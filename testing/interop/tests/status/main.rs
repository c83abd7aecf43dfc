//! Our messenger and a live status-go messenger on loopback. The peer runs already: `UNDERTONE_STATUS_RPC` is the
//! address of its JSON-RPC, `UNDERTONE_STATUS_ENODE` its enode; without them the cases are reported as ignored.
//!
//! Some cases want more: `UNDERTONE_STATUS_RESTART` is a shell command that stops the peer, starts it again on the state
//! that it has, and ends when it is ready; `UNDERTONE_STATUS_RESET` does the same and takes its state away before it
//! starts; `UNDERTONE_STATUS_KEY` is the peer's private chat key in hex, under which a device of ours pairs with it.
//!
//! The peer serves all cases, so each brings people and public chats of its own.
#![expect(clippy::indexing_slicing, reason = "JSON gives null for what is absent, and a case may fail")]

mod cases;
mod lost;
mod ours;
mod people;
mod relay;
mod texts;
mod theirs;

use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::theirs::Theirs;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let given = Theirs::given();
    if !given && !arguments.list {
        let variables = theirs::VARIABLES.join(" and ");
        eprintln!(
            "interop: {variables} are not set: {} cases are skipped (docs/interop.md)",
            cases::ALL.len()
        );
    }
    let shared = cases::ALL.into_iter().map(|(name, case)| {
        let run = move || {
            let _others = QUIET.read().unwrap_or_else(PoisonError::into_inner);
            ours::block_on(case).map_err(|error| Failed::from(format!("{error:#}")))
        };
        Trial::test(name, run).with_kind("status-go").with_ignored_flag(!given)
    });
    let alone = cases::ALONE.into_iter().map(|((name, case), variables)| {
        let run = move || {
            let _alone = QUIET.write().unwrap_or_else(PoisonError::into_inner);
            ours::block_on(case).map_err(|error| Failed::from(format!("{error:#}")))
        };
        let given = given && variables.iter().all(|variable| std::env::var_os(variable).is_some());
        if !given && !arguments.list {
            let variables = variables.join(" and ");
            eprintln!("interop: {variables} must be set: {name} is skipped (docs/interop.md)");
        }
        Trial::test(name, run).with_kind("status-go").with_ignored_flag(!given)
    });
    let trials = shared.chain(alone).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Held by a case that nothing may run beside.
static QUIET: RwLock<()> = RwLock::new(());
