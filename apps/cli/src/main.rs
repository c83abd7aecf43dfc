//! The `undertone` program: what is typed becomes calls of the SDK, what comes back becomes lines.
#![forbid(unsafe_code)]

mod account;
mod args;
mod chat;
mod demo;
mod dns;
mod doctor;
mod ens;
mod home;
mod interrupt;
mod ipc;
mod node;
mod notices;
mod output;
mod password;
mod peers;
mod people;
mod picture;
mod scan;
mod who;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, Global};
use crate::output::Ui;

/// A usage mistake that only showed after parsing: exit 2 instead of 1.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    // Before anything is typed or read.
    let undumpable = undertone_runtime::forbid_core_dumps();
    let cli = Cli::parse();
    start_logging(&cli.global);
    if let Err(error) = undumpable {
        tracing::warn!(%error, "a crash could leave keys behind: the system forbids no core dumps");
    }
    let ui = Ui::new(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ui.fail(&anyhow::Error::new(error).context("start the runtime")),
    };
    let outcome = runtime.block_on(run(cli, &ui));
    // A thread that waits for a line of stdin cannot be stopped; it must not keep the process.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => ui.fail(&error),
    }
}

async fn run(cli: Cli, ui: &Ui) -> anyhow::Result<ExitCode> {
    if let Ok(dir) = home::data_dir(&cli.global) {
        ens::look_in(dir);
    }
    match cli.command {
        Command::Demo(args) => demo::run(&cli.global, args, ui).await,
        Command::Account(command) => account::run(&cli.global, command, ui).await,
        Command::Contacts(args) => people::contacts(&cli.global, args, ui).await,
        Command::Verify(args) => people::verify(&cli.global, args, ui).await,
        Command::Devices { command } => people::devices(&cli.global, command, ui).await,
        Command::Node(args) => node::run(&cli.global, args, ui).await,
        Command::Bootnode(args) => node::bootnode(&cli.global, args, ui).await,
        Command::Peers { command } => peers::run(&cli.global, command, ui).await,
        Command::Doctor(args) => doctor::run(&cli.global, &args, ui).await,
        Command::Send(args) => chat::send(&cli.global, args, ui).await,
        Command::Listen(args) => chat::listen(&cli.global, args, ui).await,
        Command::Dns(command) => dns::run(command, ui).await,
        Command::DemoPerson(args) => demo::person::run(&cli.global, args).await,
    }
}

/// Logs go to stderr. `RUST_LOG` overrules the flags.
fn start_logging(global: &Global) {
    use tracing_subscriber::EnvFilter;
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "undertone=info,warn",
        (false, 2) => "undertone=debug,info",
        (false, _) => "undertone=trace,debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(colours).with_target(false).init();
}
