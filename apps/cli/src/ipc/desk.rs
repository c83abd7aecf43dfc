//! The owner's side.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast};
use tokio::time::timeout;
use undertone::Client;
use undertone_devp2p::Enode;
use undertone_messenger::MessageState;
use undertone_node::Node;
use undertone_payload::MessageId;
use undertone_runtime::{Tasks, private_dir};

use super::{NodeRequest, PeerList, Reply, Request, SOCKET, SendRequest, WorkRequest};
use crate::Usage;
use crate::args::EnsArgs;
use crate::peers::Who;
use crate::people::{self, Book};
use crate::who;

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

/// Where the owner of a data directory takes requests.
#[derive(Clone)]
pub(crate) struct Desk {
    node: Node,
    mail: Option<Mail>,
}

/// What an owner with an account has besides its node.
#[derive(Clone)]
pub(crate) struct Mail {
    client: Client,
    account: String,
    states: broadcast::Sender<(MessageId, MessageState)>,
}

impl Mail {
    pub(crate) fn new(client: Client, account: String) -> Self {
        Self { client, account, states: broadcast::Sender::new(STATES) }
    }

    /// Passes on how far a message is, to whoever waits for it.
    pub(crate) fn tell(&self, id: MessageId, state: MessageState) {
        // Nobody waits when this fails.
        let _ = self.states.send((id, state));
    }
}

impl Desk {
    /// Takes requests until the tasks stop. The caller owns the directory, so a socket that is there is a dead one's.
    pub(crate) fn open(dir: &Path, node: Node, mail: Option<Mail>, tasks: &Tasks) -> Result<()> {
        let path = dir.join(SOCKET);
        let about = || format!("open {}", path.display());
        // Before the socket: nobody connects between its making and its becoming private.
        private_dir(dir).with_context(about)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(about);
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).with_context(about)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).with_context(about)?;
        tasks.spawn("ipc", Self { node, mail }.accept(listener, path, tasks.clone()));
        Ok(())
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
                Ok(Request::Send(request)) => self.send(request, &mut write).await,
                Ok(Request::Node(request)) => self.node(request).await.map(|value| Reply::Answer { value }),
                Ok(Request::Work(request)) => self.work(request).await.map(|value| Reply::Answer { value }),
                Err(error) => Err(error.into()),
            };
            let last = last.unwrap_or_else(|error| Reply::Refused {
                usage: error.is::<Usage>(),
                why: format!("{error:#}"),
            });
            say(&mut write, &last).await
        };
        tokio::select! {
            outcome = work => outcome,
            // Whoever asked has gone; what is written down stays.
            _ = lines.next_line() => Ok(()),
        }
    }

    async fn send(&self, request: SendRequest, write: &mut (impl AsyncWrite + Unpin)) -> Result<Reply> {
        self.mail()?.send(request, write).await
    }

    async fn work(&self, request: WorkRequest) -> Result<Value> {
        let mail = self.mail()?;
        mail.has_open(&request.account)?;
        people::perform(&mut Book::Client(&mail.client), request.task).await
    }

    fn mail(&self) -> Result<&Mail> {
        let pid = std::process::id();
        self.mail.as_ref().with_context(|| {
            format!(
                "the directory is in use by process {pid}, a node without an account: stop it, or use another --datadir"
            )
        })
    }

    async fn node(&self, request: NodeRequest) -> Result<Value> {
        let node = &self.node;
        let known = node.known();
        Ok(match request {
            NodeRequest::Health => json!(node.health()),
            NodeRequest::Peers => json!(PeerList {
                peers: node.admin_peers().await,
                max: node.max_peers(),
                absent: node.absent().iter().map(ToString::to_string).collect(),
                bans: node.bans(),
            }),
            NodeRequest::Add { enode } => json!(node.admin_add_peer(enode.parse::<Enode>()?)?),
            NodeRequest::Remove { peer } => json!(node.admin_remove_peer(&peer.parse::<Who>()?.key(&known)?)),
            NodeRequest::Trust { peer } => {
                json!(node.admin_add_trusted_peer(peer.parse::<Who>()?.key(&known)?))
            }
            NodeRequest::Untrust { peer } => {
                json!(node.admin_remove_trusted_peer(&peer.parse::<Who>()?.key(&known)?))
            }
            NodeRequest::Ban { who, secs } => {
                node.ban(who.parse::<Who>()?.ban_target(&known)?, secs.map(Duration::from_secs));
                json!(true)
            }
            NodeRequest::Unban { who } => json!(node.unban(who.parse::<Who>()?.ban_target(&known)?)),
        })
    }
}

impl Mail {
    fn has_open(&self, account: &str) -> Result<()> {
        ensure!(
            account == self.account,
            "the process that owns the directory has account {} open, not {account}",
            self.account,
        );
        Ok(())
    }

    async fn send(&self, request: SendRequest, write: &mut (impl AsyncWrite + Unpin)) -> Result<Reply> {
        self.has_open(&request.account)?;
        // A name of ENS was looked up by whoever asks.
        let chat = who::chat(&request.to, &EnsArgs::default())
            .await?
            .find(&mut Book::Client(&self.client), None)
            .await?;
        for peer in &request.peers {
            self.client.add_peer(peer.parse::<Enode>()?);
        }
        // Before the message, so that none of its states is missed.
        let mut states = self.states.subscribe();
        let id = self.client.send_text(chat, &request.text).await?;
        let protection = self.client.message(id).await?.map(|message| message.protection.word());
        let protection = protection.unwrap_or_default().to_owned();
        say(write, &Reply::Composed { id: id.to_string(), protection }).await?;
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
