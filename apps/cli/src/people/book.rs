//! An account's people and devices, with a network or without.

use anyhow::Result;
use undertone::{Client, Offline};
use undertone_crypto::PublicKey;
use undertone_messenger::{Chat, Command, Contact, Device, NamePin, Pfs, Profile};
use zeroize::Zeroizing;

/// Whoever has the account open.
pub(crate) enum Book<'a> {
    /// A process that is there to listen.
    Client(&'a Client),
    /// This process, for a moment.
    Offline(&'a mut Offline),
}

/// A query on either.
macro_rules! ask {
    ($book:expr, |$messenger:ident, $tx:ident| $query:expr) => {
        Ok(match $book {
            Book::Client(client) => client.query(move |$messenger, $tx| $query).await?,
            Book::Offline(offline) => offline.query(|$messenger, $tx| $query)?,
        })
    };
}

impl Book<'_> {
    pub(crate) fn me(&self) -> PublicKey {
        match self {
            Self::Client(client) => *client.me(),
            Self::Offline(offline) => *offline.me(),
        }
    }

    pub(crate) async fn command(&mut self, command: Command) -> Result<()> {
        match self {
            Self::Client(client) => client.command(command).await?,
            Self::Offline(offline) => drop(offline.command(command)?),
        }
        Ok(())
    }

    pub(crate) async fn contacts(&mut self) -> Result<Vec<Contact>> {
        ask!(self, |messenger, tx| messenger.contacts(tx))
    }

    pub(crate) async fn contact(&mut self, person: PublicKey) -> Result<Contact> {
        ask!(self, |messenger, tx| messenger.contact(tx, &person))
    }

    pub(crate) async fn chats(&mut self) -> Result<Vec<Chat>> {
        ask!(self, |messenger, tx| messenger.chats(tx))
    }

    /// Names of ENS that have led to somebody.
    pub(crate) async fn names(&mut self) -> Result<Vec<NamePin>> {
        ask!(self, |messenger, tx| messenger.names(tx))
    }

    pub(crate) async fn devices(&mut self, identity: PublicKey) -> Result<Vec<Device>> {
        if let Self::Offline(offline) = self
            && identity == *offline.me()
        {
            offline.begin()?;
        }
        ask!(self, |messenger, tx| messenger.devices(tx, &identity))
    }

    pub(crate) async fn default_pfs(&mut self) -> Result<Pfs> {
        ask!(self, |messenger, tx| messenger.default_pfs(tx))
    }

    pub(crate) async fn profile(&mut self) -> Result<Profile> {
        ask!(self, |messenger, tx| messenger.profile(tx))
    }

    pub(crate) async fn backup(&mut self) -> Result<Zeroizing<Vec<u8>>> {
        ask!(self, |messenger, tx| messenger.backup(tx))
    }
}
