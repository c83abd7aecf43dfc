//! One process owns a data directory. Any other asks the owner to do its work, over a socket there.
//!
//! One request and its replies are JSON lines on one connection. The directory and the socket are open to their owner
//! alone, so whoever can connect could read the key file too; the account is unlocked there already, and no password
//! is asked or passed on.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Lines};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast};
use tokio::time::timeout;
use undertone::Client;
use undertone_devp2p::Enode;
use undertone_messenger::MessageState;
use undertone_payload::MessageId;
use undertone_runtime::Tasks;

use crate::args::Wait;
use crate::chat;

/// Name of the socket in the data directory.
const SOCKET: &str = "undertone.ipc";
/// Longest line in bytes: the longest text that the program reads, with room for what surrounds it.
const MAX_LINE: u64 = 256 * 1024;
/// How many are served at once; more wait.
const MAX_CLIENTS: usize = 16;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for a state.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// States that wait for whoever serves a client. Overflow: it looks the newest one up.
const STATES: usize = 1_024;

/// Asks to send a message.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Request {
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

/// How it goes; one of the last four comes last.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Reply {
    /// It is written down.
    Composed { id: String },
    /// It went on.
    State { id: String, state: String },
    /// It was given up.
    Failed { why: String },
    /// It is as far as was asked for.
    Reached { state: String },
    /// Nothing was done.
    Refused { why: String },
    /// It is not as far as was asked for; it stays queued.
    TimedOut { peers: usize },
}

/// Where the owner of a data directory takes requests.
#[derive(Clone)]
pub(crate) struct Desk {
    client: Client,
    account: String,
    states: broadcast::Sender<(MessageId, MessageState)>,
}

impl Desk {
    /// Takes requests until the tasks stop. The caller owns the directory, so a socket that is there is a dead one's.
    pub(crate) fn open(dir: &Path, account: String, client: Client, tasks: &Tasks) -> Result<Self> {
        let path = dir.join(SOCKET);
        let about = || format!("open {}", path.display());
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(about);
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).with_context(about)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).with_context(about)?;
        let desk = Self { client, account, states: broadcast::Sender::new(STATES) };
        tasks.spawn("ipc", desk.clone().accept(listener, path, tasks.clone()));
        Ok(desk)
    }

    /// Passes on how far a message is, to whoever waits for it.
    pub(crate) fn tell(&self, id: MessageId, state: MessageState) {
        // Nobody waits when this fails.
        let _ = self.states.send((id, state));
    }

    async fn accept(self, listener: UnixListener, path: PathBuf, tasks: Tasks) {
        let places = Arc::new(Semaphore::new(MAX_CLIENTS));
        let stop = tasks.token();
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await?;
                anyhow::Ok((place, listener.accept().await?.0))
            };
            let (place, stream) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                next = next => match next {
                    Ok(next) => next,
                    Err(error) => {
                        tracing::warn!("no more requests are taken: {error:#}");
                        break;
                    }
                },
            };
            let (desk, stop) = (self.clone(), stop.clone());
            tasks.spawn("ipc.client", async move {
                let _place = place;
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    outcome = desk.serve(stream) => if let Err(error) = outcome {
                        tracing::info!("a request was not served: {error:#}");
                    }
                }
            });
        }
        // The directory is still ours; a socket that stays does no harm.
        let _ = std::fs::remove_file(path);
    }

    async fn serve(&self, stream: UnixStream) -> Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read.take(MAX_LINE)).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.context("no request came")??;
        let request = serde_json::from_str(&line.unwrap_or_default());
        let work = async {
            let last = match request {
                Ok(request) => self.send(request, &mut write).await,
                Err(error) => Err(error.into()),
            };
            let last = last.unwrap_or_else(|error| Reply::Refused { why: format!("{error:#}") });
            say(&mut write, &last).await
        };
        tokio::select! {
            outcome = work => outcome,
            // Whoever asked has gone; what is written down stays.
            _ = lines.next_line() => Ok(()),
        }
    }

    async fn send(&self, request: Request, write: &mut (impl AsyncWrite + Unpin)) -> Result<Reply> {
        ensure!(
            request.account == self.account,
            "the process that owns the directory has account {} open, not {}",
            self.account,
            request.account
        );
        let chat = chat::recipient(&request.to)?;
        for peer in &request.peers {
            self.client.add_peer(peer.parse::<Enode>()?);
        }
        // Before the message, so that none of its states is missed.
        let mut states = self.states.subscribe();
        let id = self.client.send_text(chat, &request.text).await?;
        say(write, &Reply::Composed { id: id.to_string() }).await?;
        let reached = async {
            loop {
                let state = match states.recv().await {
                    Ok((of, state)) if of == id => state,
                    Ok(_) => continue,
                    Err(RecvError::Lagged(_)) => match self.client.message(id).await? {
                        Some(message) => message.state,
                        None => continue,
                    },
                    Err(RecvError::Closed) => return Err(anyhow!("the owner has stopped")),
                };
                say(write, &Reply::State { id: id.to_string(), state: state.word().to_owned() }).await?;
                if let Some(last) = request.wait.reached(state) {
                    return Ok(last);
                }
            }
        };
        let patience = Duration::from_millis(request.timeout_ms).min(MAX_WAIT);
        match timeout(patience, reached).await {
            Ok(last) => last,
            Err(_) => Ok(Reply::TimedOut { peers: self.client.peers().len() }),
        }
    }
}

async fn say(write: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await.context("answer")
}

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
        serde_json::from_str(&line).context("the process that owns the directory speaks another version")
    }
}
