//! Our messenger and a live status-go messenger on loopback. The peer runs already: `UNDERTONE_STATUS_RPC` is the
//! address of its JSON-RPC, `UNDERTONE_STATUS_ENODE` its enode; without them the cases are reported as ignored.
//!
//! The peer serves all cases, so each brings people and public chats of its own.
#![expect(clippy::indexing_slicing, reason = "JSON gives null for what is absent, and a case may fail")]

mod cases;
mod ours;
mod theirs;

use std::process::ExitCode;

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
    let trials = cases::ALL.into_iter().map(|(name, case)| {
        let run = move || ours::block_on(case).map_err(|error| Failed::from(format!("{error:#}")));
        Trial::test(name, run).with_kind("status-go").with_ignored_flag(!given)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
