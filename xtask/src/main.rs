//! `cargo xtask`: the gate and its parts. `cargo xtask ci` is all that CI runs.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line tool prints")]

mod cargo;
mod ci;
mod deviations;
mod house;
mod layers;
mod nat;
mod papers;
mod proto;
mod tests_run;
mod tree;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
usage: cargo xtask TASK

  ci [STEP…]            the gate, or some steps of it by name; ends in one line of counts
  layers                every arrow between crates is in the table of allowed arrows
  house                 file lengths, paths, crate heads, ARCHITECTURE.md, docs/status.md, links, MSRV
  deviations [--check]  lists `// DEVIATION:` comments into docs/protocol/deviations.md
  proto [--check]       protobuf code from the .proto files, without a system protoc
  interop               our bytes against live originals on loopback (docs/interop.md names the variables)
  nat                   port mapping against miniupnpd on NATs made of network namespaces, where these are allowed
  sim [--large] [NAME…] networks in virtual time, their figures beside testing/sim/baseline; `sim --help` for more
  soak [FACTOR]         the tests again with FACTOR times the cases (32 when not given)
  deny                  licences, bans and sources of the dependencies, when cargo-deny is installed

Every task exits 0 when all is well and 1 otherwise, and says what to do.";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["ci", steps @ ..] => ci::run(steps),
        ["layers"] => layers::run(),
        ["house"] => house::run(),
        ["deviations"] => deviations::run(false),
        ["deviations", "--check"] => deviations::run(true),
        ["proto"] => proto::run(false),
        ["proto", "--check"] => proto::run(true),
        ["interop"] => tests_run::interop(),
        ["nat"] => nat::command(),
        ["sim", args @ ..] => tests_run::sim(args),
        ["soak"] => tests_run::soak("32"),
        ["soak", factor] => tests_run::soak(factor),
        ["deny"] => tests_run::deny(),
        [] | ["-h" | "--help" | "help"] => {
            println!("{HELP}");
            Ok(())
        }
        other => bail!("no task `{}`\n\n{HELP}", other.join(" ")),
    }
}
