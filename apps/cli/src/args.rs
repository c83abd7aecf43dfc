//! What can be typed.

mod dns;
mod network;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

pub(crate) use self::dns::{DnsCommand, ListArgs, SignArgs};
pub(crate) use self::network::{
    BootNode, BootnodeArgs, DiscoveryArgs, DoctorArgs, KeyArgs, NodeArgs, PeerArgs, PeersCommand, ReachArgs,
    Role, StartArgs,
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
    /// Make, import and show accounts
    #[command(subcommand)]
    Account(AccountCommand),
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

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account; its twelve words are shown once and asked back
    New {
        /// Do not ask the words back (they are still shown)
        #[arg(long)]
        no_confirm: bool,
    },
    /// Import an account from its words, a private key or a keystore file; secrets are read from stdin
    Import {
        /// What is given on stdin
        #[arg(long, value_enum, default_value_t = ImportKind::Words)]
        from: ImportKind,
        /// The keystore file (with --from keystore; geth's files too)
        #[arg(long, value_name = "FILE", required_if_eq("from", "keystore"))]
        file: Option<PathBuf>,
        /// Take the words although their checksum is wrong
        #[arg(long)]
        ignore_checksum: bool,
    },
    /// Show an account: key, name, address
    Show,
    /// List the accounts of the data directory
    List,
    /// Print the account's keystore file (encrypted with its password)
    Export,
    /// Change the password of the account
    Password {
        /// A file whose first line is the new password
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ImportKind {
    /// A keystore v3 file and its password
    Keystore,
    /// 64 hexadecimal digits
    PrivateKey,
    /// 12 to 24 words
    Words,
}

#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) peer: PeerArgs,
    /// To whom: 0x04…, zQ3sh… or public:NAME ('#NAME' in quotes)
    pub(crate) to: String,
    /// What; from stdin when absent or -
    pub(crate) text: Option<String>,
    /// How far to wait for
    #[arg(long, value_enum, value_name = "STATE", default_value_t = Wait::Sent)]
    pub(crate) wait: Wait,
    /// How long to wait; the message stays queued after that
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) timeout: Duration,
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
    /// Chats to open: 0x04…, zQ3sh… or public:NAME; messages to you are always heard
    pub(crate) chats: Vec<String>,
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
