//! What `undertone contacts`, `verify` and `devices` take.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::EnsArgs;

#[derive(Args, Debug)]
#[command(subcommand_required = false, args_conflicts_with_subcommands = true)]
pub(crate) struct ContactsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ContactsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContactsCommand {
    /// List contacts, who is blocked, and strangers who have written
    List,
    /// Show what is known of a person: key, name, pictures, devices
    Show(WhoArgs),
    /// Add a person; a stranger's chat becomes yours
    Add {
        #[command(flatten)]
        who: WhoArgs,
        /// What you call it; nobody else sees that
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Tell the person that you have added it; nothing is sent otherwise
        #[arg(long)]
        tell: bool,
    },
    /// Call a person something else; an empty name takes the name away
    Name {
        #[command(flatten)]
        who: WhoArgs,
        /// What you call it
        name: String,
    },
    /// Forget a person's name and verification; the chat stays
    Remove(WhoArgs),
    /// Hear nothing of a person any more
    Block(WhoArgs),
    /// Hear of a person again
    Unblock(WhoArgs),
    /// Remove the chat that a stranger opened
    Decline {
        #[command(flatten)]
        who: WhoArgs,
        /// And hear nothing of it any more
        #[arg(long)]
        block: bool,
    },
    /// Forward secrecy: for a person, or by default for everybody else
    ///
    /// With it, whoever steals a key later cannot read what was said before. Off means the encryption of the envelope
    /// alone. Without any argument: what the default is.
    Pfs(PfsArgs),
    /// Read the QR code of a person from a picture (PNG or JPEG)
    Scan {
        /// The picture
        image: PathBuf,
        /// Add the person
        #[arg(long)]
        add: bool,
        /// What you call it
        #[arg(long, requires = "add")]
        name: Option<String>,
        #[command(flatten)]
        ens: EnsArgs,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WhoArgs {
    /// Whom: 0x04…, zQ3sh…, a link, a contact's name or name.eth
    pub(crate) who: String,
    #[command(flatten)]
    pub(crate) ens: EnsArgs,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("whose").args(["who", "default"]))]
pub(crate) struct PfsArgs {
    /// Whose: 0x04…, zQ3sh…, a link, a contact's name or name.eth
    #[arg(requires = "policy")]
    pub(crate) who: Option<String>,
    /// What
    #[arg(value_enum, requires = "who")]
    pub(crate) policy: Option<Policy>,
    /// For everybody of whom nothing else was said
    #[arg(long, value_enum, value_name = "SWITCH")]
    pub(crate) default: Option<Switch>,
    #[command(flatten)]
    pub(crate) ens: EnsArgs,
}

/// What is said of one person's forward secrecy.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Policy {
    /// What you send goes through the ratchet
    On,
    /// What you send has the encryption of the envelope alone
    Off,
    /// As the default says
    Default,
    /// Read what the person sends without, although it has shown that it can do better
    AllowWeaker,
    /// Read no such thing
    RefuseWeaker,
}

/// On or off.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Switch {
    /// Through the ratchet
    On,
    /// The encryption of the envelope alone
    Off,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) who: WhoArgs,
    /// The code that the other side has read to you: sixty digits
    #[arg(long, conflicts_with = "qr")]
    pub(crate) code: Option<String>,
    /// You were in one room; without it, over a call
    #[arg(long, requires = "code")]
    pub(crate) face_to_face: bool,
    /// A picture of the QR code on the other side's own screen
    #[arg(long, value_name = "IMAGE")]
    pub(crate) qr: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// List your devices, or those of a person
    List {
        /// Whose: 0x04…, zQ3sh…, a link or a contact's name
        who: Option<String>,
    },
    /// Treat another device of yours as one of you: it gets what you write, and people write to it
    Enable {
        /// The beginning of its id, or its name
        device: String,
    },
    /// No longer treat a device of yours as one of you
    Disable {
        /// The beginning of its id, or its name
        device: String,
    },
    /// Give this device another name, and tell your other devices
    Rename {
        /// Its name, at most 128 bytes
        name: String,
    },
    /// Tell your other devices of this one; then enable it there, and those here
    Pair {
        /// What it is called [default: this machine's name]
        #[arg(long)]
        name: Option<String>,
        /// What kind of device it is
        #[arg(long, value_name = "WORD", default_value = "desktop")]
        kind: String,
    },
}
