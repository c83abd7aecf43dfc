//! What can be typed.

mod account;
mod dns;
mod network;
mod people;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

pub(crate) use self::account::{AccountCommand, ImportKind, Picture, ProfileArgs, ShowArgs, WordList};
pub(crate) use self::dns::{DnsCommand, ListArgs, SignArgs};
pub(crate) use self::network::{
    BootNode, BootnodeArgs, DiscoveryArgs, DoctorArgs, KeyArgs, NodeArgs, PeerArgs, PeersCommand, ReachArgs,
    Role, StartArgs,
};
pub(crate) use self::people::{
    ContactsArgs, ContactsCommand, DevicesCommand, PfsArgs, Policy, Switch, VerifyArgs,
};

/// Private messaging between the people who use Dapps, with no server that owns them.
#[derive(Debug, Parser)]
#[command(name = "undertone", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start with `undertone demo`. Data goes to stdout, everything else to stderr.\n\
                        Exit status: 0 done, 1 failed, 2 wrong usage.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes, apart from its own.
const EVERYWHERE: &str = "Options of every command";

#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Where accounts, messages and the node's files live
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR", env = "UNDERTONE_DATADIR", hide_env_values = true)]
    pub(crate) datadir: Option<PathBuf>,
    /// Which account: chat key, address or three-word name (needed only when there are several)
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "WHO")]
    pub(crate) account: Option<String>,
    /// A file whose first line is the account's password
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "UNDERTONE_PASSWORD_FILE", hide_env_values = true)]
    pub(crate) password_file: Option<PathBuf>,
    /// One JSON object per line on stdout
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, help_heading = EVERYWHERE, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on stderr (-v what happens, -vv every packet)
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch four real nodes talk: a relay, Alice, Bob and an echo bot, on this machine only
    Demo(DemoArgs),
    /// Make, import, show, back up and restore accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// The people you know: add, name, verify, block, scan
    ///
    /// While `undertone listen` has the data directory, it does this work: no password is needed then. So with `verify` and `devices`.
    Contacts(ContactsArgs),
    /// Compare keys with a person: shows the code of your two keys, or checks the one that was read to you
    Verify(VerifyArgs),
    /// Your devices: list, enable, disable, name, pair
    Devices {
        #[command(subcommand)]
        command: Option<DevicesCommand>,
    },
    /// Run a node that relays for others
    Node(NodeArgs),
    /// Run a node that only helps others to find each other (discovery over UDP)
    Bootnode(BootnodeArgs),
    /// Look at the peers of the node that runs here, and change them
    #[command(subcommand_required = false)]
    Peers {
        #[command(subcommand)]
        command: Option<PeersCommand>,
    },
    /// Make, read and look at node lists in DNS (EIP-1459) and what they are made of
    #[command(subcommand)]
    Dns(DnsCommand),
    /// Check what a node needs: clock, ports, router, discovery, peers, disk, limits
    Doctor(DoctorArgs),
    /// Send one message
    ///
    /// While `undertone listen` has the data directory, it sends for this command: no password is needed then.
    Send(SendArgs),
    /// Print messages as they arrive
    Listen(ListenArgs),
    /// A person of the demo in a process of its own: commands on stdin, events on stdout
    #[command(hide = true)]
    DemoPerson(PersonArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// End after the last step instead of opening a chat with the echo bot
    #[arg(long)]
    pub(crate) once: bool,
    /// Keep the data directory (one that --datadir names is always kept)
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
    /// To whom: 0x04…, zQ3sh…, a link, a contact's name, name.eth or public:NAME ('#NAME' in quotes)
    pub(crate) to: String,
    /// What; from stdin when absent or -
    pub(crate) text: Option<String>,
    /// How far to wait for
    #[arg(long, value_enum, value_name = "STATE", default_value_t = Wait::Sent)]
    pub(crate) wait: Wait,
    /// How long to wait; the message stays queued after that
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) ens: EnsArgs,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Wait {
    /// Written down here
    Queued,
    /// A peer took it
    Sent,
    /// The recipient acknowledged it
    Delivered,
}

#[derive(Args, Debug)]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
    /// Chats to open: 0x04…, zQ3sh…, a link, a contact's name, name.eth or public:NAME; messages to you are always heard
    pub(crate) chats: Vec<String>,
    #[command(flatten)]
    pub(crate) ens: EnsArgs,
}

/// Where names of ENS are looked up.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EnsArgs {
    /// An Ethereum JSON-RPC endpoint that is asked for name.eth; it learns whom you look for, and is believed. Everybody
    /// on this machine sees arguments: a URL with a key in it belongs into the environment or the first line of the file
    /// ens-rpc in the data directory
    #[arg(
        long,
        value_name = "URL",
        env = "UNDERTONE_ENS_RPC",
        hide_env_values = true,
        help_heading = "Names of ENS"
    )]
    pub(crate) ens_rpc: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PersonArgs {
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
}

/// `30s`, `2m`, `1h`, `500ms` or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| "expected a number and h, m, s or ms".to_owned())?;
    match unit {
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3_600))),
        "ms" => Ok(Duration::from_millis(number)),
        other => Err(format!("unknown unit {other:?}: use h, m, s or ms")),
    }
}

/// A finite number from 0.
fn pow(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|pow: &f64| pow.is_finite() && *pow >= 0.0);
    number.ok_or_else(|| "expected a finite number from 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("soon").is_err());
        assert!(duration("3d").is_err());
    }
}
