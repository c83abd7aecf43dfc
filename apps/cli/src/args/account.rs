//! What `undertone account` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::EnsArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account; its words are shown once and asked back
    #[command(visible_alias = "create")]
    New {
        /// Do not ask the words back (they are still shown)
        #[arg(long)]
        no_confirm: bool,
        /// How many words
        #[arg(long, value_name = "NUMBER", default_value = "12", value_parser = ["12", "15", "18", "21", "24"])]
        words: String,
        /// The language of the words
        #[arg(long, value_enum, default_value_t = WordList::English)]
        language: WordList,
    },
    /// Import an account from its words, a private key or a keystore file; secrets are read from stdin
    ///
    /// Words may be of any list of BIP39 or Status and of any length; which list it is shows by itself.
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
    /// Show an account: key, name, pictures, QR code and the link to give to others
    Show(ShowArgs),
    /// List the accounts of the data directory
    List,
    /// Print the account's keystore file (encrypted with its password)
    Export,
    /// Change the password of the account: its key file is written anew, and nothing else
    Password {
        /// A file whose first line is the new password
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Write key, contacts, chats and settings to one encrypted file
    ///
    /// Sessions with other devices are not in it: whoever restores it is a new device. It is encrypted with the
    /// account's password unless --backup-password-file gives another.
    Backup {
        /// The file to write; it must not be there yet
        file: PathBuf,
        /// A file whose first line is the password of the backup
        #[arg(long, value_name = "FILE")]
        backup_password_file: Option<PathBuf>,
    },
    /// Show what your contacts are told of you, and change it
    ///
    /// People see the three words of your key, or what they call you. Beside that you can claim a name of ENS and send a
    /// picture: to those whom you have told that you have added them (`contacts add --tell`), and to nobody else. While
    /// `undertone listen` has the data directory, it does this work: no password is needed then.
    Profile(ProfileArgs),
    /// Make the account of a backup file anew, as a new device
    ///
    /// --password-file, or the prompt, gives the password of the backup; the account has it afterwards.
    Restore {
        /// The file that `account backup` wrote
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    /// Claim this name of ENS; with an endpoint it is looked up first, and must lead to your key
    #[arg(long, value_name = "NAME")]
    pub(crate) ens_name: Option<String>,
    /// Claim no name any more
    #[arg(long, conflicts_with = "ens_name")]
    pub(crate) no_ens_name: bool,
    /// Claim the name without looking it up: your contacts may see that it does not lead to your key
    #[arg(long, requires = "ens_name")]
    pub(crate) unchecked: bool,
    /// Send this picture (PNG or JPEG): the middle of it, 120 pixels wide, and nothing else that is in the file
    #[arg(long, value_name = "IMAGE")]
    pub(crate) picture: Option<PathBuf>,
    /// Send no picture any more
    #[arg(long, conflicts_with = "picture")]
    pub(crate) no_picture: bool,
    #[command(flatten)]
    pub(crate) ens: EnsArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Write a picture to this file as SVG (- for stdout) instead
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Which picture
    #[arg(long, value_enum, default_value_t = Picture::Qr, requires = "svg")]
    pub(crate) picture: Picture,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Picture {
    /// The five by five squares that clients of 2019 to 2021 show
    Identicon,
    /// The link to the key
    Qr,
    /// The ring of colours that newer clients show
    Ring,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ImportKind {
    /// A keystore v3 file and its password
    Keystore,
    /// 64 hexadecimal digits
    PrivateKey,
    /// 12, 15, 18, 21 or 24 words
    Words,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum WordList {
    English,
    ChineseSimplified,
    ChineseTraditional,
    French,
    Spanish,
    Japanese,
    Italian,
    Russian,
    Korean,
    Czech,
    Portuguese,
}
