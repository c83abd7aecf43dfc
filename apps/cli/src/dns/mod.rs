//! `undertone dns`: node lists in DNS (EIP-1459), made, read and looked at.

mod list;
mod show;
mod sign;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::DnsCommand;
use crate::output::Ui;

pub(crate) async fn run(command: DnsCommand, ui: &Ui) -> Result<ExitCode> {
    match command {
        DnsCommand::Sign(args) => sign::run(&args, ui),
        DnsCommand::List(args) => list::run(&args, ui).await,
        DnsCommand::Show { text } => show::run(&text, ui),
    }
}
