//! The crate against real NATs: routers made of network namespaces and nftables, with miniupnpd on them.
//!
//! `cargo xtask nat` runs it, inside namespaces of its own: whatever happens, nothing is left when it ends. Plain
//! `cargo test` shows it as ignored.
//!
//! ```text
//!   public 11.0.9.9 ──┬── bridge "wan", 11.0.0.0/16
//!                     ├── 11.0.1.11 router1 192.168.1.1 ──┬── peer1 192.168.1.2
//!                     │     UPnP, PCP, NAT-PMP            └── peer3 192.168.1.3
//!                     ├── 11.0.2.12 router2 192.168.2.1 ───── peer2 192.168.2.2
//!                     │     UPnP, NAT-PMP (PCP is filtered)
//!                     └── 100.64.0.13 router3 192.168.3.1 ─── peer4 192.168.3.2
//!                           as behind a provider's NAT
//! ```
//! The WAN has public addresses, as miniupnpd maps nothing on private ones, and every machine on it is in a /24 of its
//! own, as a node dials no two others of one.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program"
)]

mod cases;
mod lab;
mod node;
mod peer;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::lab::Lab;

/// Set by `cargo xtask nat` inside the namespaces.
const LAB: &str = "UNDERTONE_NAT_LAB";

/// `cargo xtask nat` holds our stdin: when it is gone, so are we, and with the first process all others of the
/// namespaces.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == peer::WORD) {
        peer::run(&words);
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    if std::env::var_os(LAB).is_none() {
        let hint =
            Trial::test("needs network namespaces: `cargo xtask nat`", || Ok(())).with_ignored_flag(true);
        return libtest_mimic::run(&arguments, vec![hint]).exit_code();
    }
    end_with_stdin();
    // One network for all, one case at a time.
    arguments.test_threads = Some(1);
    let lab = Arc::new(Lab::build());
    let trials = cases::ALL.iter().map(|(name, case)| {
        let lab = Arc::clone(&lab);
        Trial::test(*name, move || {
            lab.tidy();
            case(&lab);
            Ok(())
        })
    });
    let node = node::binary();
    let with_nodes = node::ALL.iter().map(|(name, case)| {
        let (lab, node) = (Arc::clone(&lab), node.clone());
        let absent = node.is_none();
        Trial::test(*name, move || {
            lab.tidy();
            case(&lab, &node.unwrap());
            Ok(())
        })
        .with_ignored_flag(absent)
    });
    let trials = trials.chain(with_nodes).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
