//! One process owns a data directory. Any other asks the owner to do its work, over a socket there.
//!
//! One request and its replies are JSON lines on one connection. The directory and the socket are open to their owner
//! alone, so whoever can connect could read the key file too; the account is unlocked there already, and no password
//! is asked or passed on.

mod desk;

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use undertone_node::{BanInfo, PeerInfo};

pub(crate) use self::desk::{Desk, Mail};
use crate::args::Wait;
use crate::people::Task;
use crate::{Usage, home};

/// Name of the socket in the data directory.
const SOCKET: &str = "undertone.ipc";

/// What a process can ask of the owner.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Request {
    /// Of the account that it has open.
    Send(SendRequest),
    /// Of its node.
    Node(NodeRequest),
    /// With the people and devices of the account that it has open.
    Work(WorkRequest),
}

/// Asks for work on people and devices.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct WorkRequest {
    /// Address of the account that is meant.
    pub(crate) account: String,
    pub(crate) task: Task,
}

/// Asks to send a message.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SendRequest {
    /// Address of the account that is meant.
    pub(crate) account: String,
    /// To whom, as it is typed.
    pub(crate) to: String,
    pub(crate) text: String,
    /// Peers to stay connected to from now on.
    pub(crate) peers: Vec<String>,
    pub(crate) wait: Wait,
    pub(crate) timeout_ms: u64,
}

impl std::fmt::Debug for SendRequest {
    /// Not what is said, and not to whom.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendRequest")
            .field("account", &self.account)
            .field("text_bytes", &self.text.len())
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// Asks about a node, or tells it what to do.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) enum NodeRequest {
    /// How it is: [`undertone_node::Health`].
    Health,
    /// Its peers: [`PeerList`].
    Peers,
    /// To stay connected to a node; whether that is new.
    Add { enode: String },
    /// Not to stay connected; whether it did.
    Remove { peer: String },
    /// To let a node in whatever the limits; whether that is new.
    Trust { peer: String },
    /// To hold it to the limits; whether it was free of them.
    Untrust { peer: String },
    /// To have nothing to do with a node or an address.
    Ban { who: String, secs: Option<u64> },
    /// To forget that; whether it was so.
    Unban { who: String },
}

/// The peers of a node, and what concerns those that are not there.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct PeerList {
    pub(crate) peers: Vec<PeerInfo>,
    /// How many it may have.
    pub(crate) max: usize,
    /// To stay connected to, and not connected.
    pub(crate) absent: Vec<String>,
    pub(crate) bans: Vec<BanInfo>,
}

/// How it goes; all but the first two come last.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Reply {
    /// It is written down.
    Composed { id: String, protection: String },
    /// It went on.
    State { id: String, state: String },
    /// What the node says.
    Answer { value: serde_json::Value },
    /// It was given up.
    Failed { why: String },
    /// It is as far as was asked for.
    Reached { state: String },
    /// Nothing was done; by a mistake of whoever asked, when `usage` says so.
    Refused {
        why: String,
        #[serde(default)]
        usage: bool,
    },
    /// It is not as far as was asked for; it stays queued.
    TimedOut { peers: usize },
}

/// Asks the node that owns the directory.
pub(crate) async fn ask<T: DeserializeOwned>(dir: &Path, request: NodeRequest) -> Result<T> {
    let Some(mut replies) = Replies::to(dir, &Request::Node(request)).await? else {
        return Err(nobody(dir));
    };
    match replies.next().await? {
        Reply::Answer { value } => serde_json::from_value(value).context(OTHER_VERSION),
        Reply::Refused { why, usage } => Err(refused(why, usage)),
        _ => bail!(OTHER_VERSION),
    }
}

/// Asks the owner of the directory for work on an account. Where it takes no requests, `held` says who it is.
pub(crate) async fn work(
    dir: &Path,
    account: String,
    task: Task,
    held: anyhow::Error,
) -> Result<serde_json::Value> {
    let request = Request::Work(WorkRequest { account, task });
    let Some(mut replies) = Replies::to(dir, &request).await? else { return Err(held) };
    match replies.next().await? {
        Reply::Answer { value } => Ok(value),
        Reply::Refused { why, usage } => Err(refused(why, usage)),
        _ => bail!(OTHER_VERSION),
    }
}

/// Why the owner has done nothing.
pub(crate) fn refused(why: String, usage: bool) -> anyhow::Error {
    if usage { Usage(why).into() } else { anyhow!("{why}") }
}

/// Why nobody answers at the socket of the directory.
fn nobody(dir: &Path) -> anyhow::Error {
    match home::check(dir) {
        Ok(()) => anyhow!("no node is running on {}: start one with `undertone node`", dir.display()),
        Err(error) => error,
    }
}

pub(crate) const OTHER_VERSION: &str = "the process that owns the directory speaks another version";

/// What the owner of a directory answers.
pub(crate) struct Replies(Lines<BufReader<UnixStream>>);

impl Replies {
    /// Hands a request to the owner; `None` when it takes none.
    pub(crate) async fn to(dir: &Path, request: &Request) -> Result<Option<Self>> {
        let Ok(mut stream) = UnixStream::connect(dir.join(SOCKET)).await else { return Ok(None) };
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await.context("ask the process that owns the directory")?;
        Ok(Some(Self(BufReader::new(stream).lines())))
    }

    pub(crate) async fn next(&mut self) -> Result<Reply> {
        let line = self.0.next_line().await.context("hear the process that owns the directory")?;
        let line =
            line.context("the process that owns the directory has stopped; what was composed stays queued")?;
        serde_json::from_str(&line).context(OTHER_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_message() {
        let request = Request::Send(SendRequest {
            account: "0x01".to_owned(),
            to: "bob".to_owned(),
            text: "meet me at nine".to_owned(),
            peers: Vec::new(),
            wait: Wait::Sent,
            timeout_ms: 1,
        });
        let shown = format!("{request:?}");
        assert!(
            shown.contains("text_bytes: 15") && !shown.contains("nine") && !shown.contains("bob"),
            "{shown}"
        );
    }
}
