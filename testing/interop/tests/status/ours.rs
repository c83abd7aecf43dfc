//! Our side: a client of the SDK with tasks of its own.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use undertone::{Client, ClientConfig, ClientEvent};
use undertone_account::ChatKey;
use undertone_crypto::{PublicKey, SecretKey};
use undertone_devp2p::Enode;
use undertone_messenger::{ChatId, Message, MessageState, Notice, Undecodable};
use undertone_payload::MessageId;
use undertone_runtime::{Environment, Tasks};

use crate::theirs::Theirs;

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// One of our people on one device.
pub(crate) struct Person {
    pub(crate) client: Client,
    events: mpsc::Receiver<ClientEvent>,
    tasks: Tasks,
    pub(crate) notices: Vec<Notice>,
}

/// Runs a case to its end.
pub(crate) fn block_on(case: fn() -> Case) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(case())
}

/// A case under way.
pub(crate) type Case = Pin<Box<dyn Future<Output = Result<()>>>>;

/// A chat key that nobody had before.
pub(crate) fn new_key() -> Result<SecretKey> {
    Ok(SecretKey::random(&mut Environment::system()?.rng()))
}

impl Person {
    /// A person whose device connects to the peer.
    pub(crate) async fn open(key: &SecretKey, home: &Path, theirs: &Theirs) -> Result<Self> {
        Self::open_at(key, home, theirs.enode.clone()).await
    }

    /// The same, connected to this node.
    pub(crate) async fn open_at(key: &SecretKey, home: &Path, node: Enode) -> Result<Self> {
        let mut config = ClientConfig::new(home.to_owned());
        config.peers = vec![node];
        let (env, tasks) = (Environment::system()?, Tasks::new(Handle::current()));
        let (client, events) = Client::open(ChatKey::new(key.clone()), config, &env, &tasks).await?;
        let mut person = Self { client, events, tasks, notices: Vec::new() };
        while !matches!(person.next().await?, ClientEvent::Peers(1..)) {}
        Ok(person)
    }

    pub(crate) fn me(&self) -> PublicKey {
        *self.client.me()
    }

    async fn next(&mut self) -> Result<ClientEvent> {
        let event = timeout(LONG, self.events.recv()).await.context("nothing happens")?;
        let event = event.context("the client has ended")?;
        if let ClientEvent::Notice(notice) = &event {
            self.notices.push(notice.clone());
        }
        Ok(event)
    }

    /// The next thing that a person is told.
    pub(crate) async fn notice(&mut self) -> Result<Notice> {
        loop {
            if let ClientEvent::Notice(notice) = self.next().await? {
                return Ok(notice);
            }
        }
    }

    /// The name of this device.
    pub(crate) async fn installation(&self) -> Result<String> {
        let devices = self.client.devices(self.me()).await?;
        let this = devices.into_iter().find(|device| device.this_device).context("there is this device")?;
        Ok(this.installation.as_str().to_owned())
    }

    /// The next message of somebody else.
    pub(crate) async fn received(&mut self) -> Result<Message> {
        loop {
            match self.next().await? {
                ClientEvent::Notice(Notice::Message(message)) if message.state == MessageState::Received => {
                    return Ok(*message);
                }
                // What was meant for a device that is gone comes again.
                ClientEvent::Notice(Notice::Undecodable {
                    why: Undecodable::Security("open.device_not_found"),
                    ..
                }) => {}
                ClientEvent::Notice(Notice::Undecodable { why, .. }) => bail!("unreadable: {why:?}"),
                _ => {}
            }
        }
    }

    /// The next message of somebody else, through whatever cannot be read on the way to it.
    pub(crate) async fn received_at_last(&mut self) -> Result<Message> {
        loop {
            if let Notice::Message(message) = self.notice().await?
                && message.state == MessageState::Received
            {
                return Ok(*message);
            }
        }
    }

    /// Waits for this state, unless it was reached before.
    pub(crate) async fn reaches_or_is(&mut self, id: MessageId, wanted: MessageState) -> Result<()> {
        match self.client.message(id).await? {
            Some(message) if message.state == wanted => Ok(()),
            _ => self.reaches(id, wanted).await,
        }
    }

    /// Writes, and waits until the other side has acknowledged it.
    pub(crate) async fn deliver(&mut self, to: PublicKey, text: &str) -> Result<()> {
        let id = self.client.send_text(ChatId::OneToOne(to), text).await?;
        self.reaches(id, MessageState::Delivered).await.with_context(|| format!("{text:?} is delivered"))
    }

    pub(crate) async fn reaches(&mut self, id: MessageId, wanted: MessageState) -> Result<()> {
        loop {
            if let ClientEvent::Notice(Notice::State { id: of, state, .. }) = self.next().await?
                && of == id
                && state == wanted
            {
                return Ok(());
            }
        }
    }

    pub(crate) async fn stop(self) {
        let _ = self.tasks.shutdown(LONG).await;
    }
}
