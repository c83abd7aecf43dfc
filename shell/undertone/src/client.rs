//! The handle of a client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, mpsc, oneshot};
use undertone_account::ChatKey;
use undertone_base::StoreError;
use undertone_crypto::{KeyId, MemoryKeyring, PublicKey};
use undertone_devp2p::Enode;
use undertone_messenger::{Chat, ChatId, Command, Message, Messenger, Notice, Pfs};
use undertone_net::PeerView;
use undertone_node::{ClockNotice, DiscoveryOptions, Node, NodeConfig, Role, load_or_make_node_key};
use undertone_payload::MessageId;
use undertone_runtime::{Environment, Tasks};
use undertone_store::{Database, SqlTx, Writer};
use undertone_transport::Flush;
use undertone_whisper::{Bridge, FlushPolicy, Protocols, RateLimits, Report, WakuMode};

use crate::error::ClientError;
use crate::limits;
use crate::pilot::{Pilot, Request, Steps};

/// Where a client lives and how it takes part.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Directory of the account: `messages.db`, `nodekey`, and what its node learned (`peers`, `nodes`). Private to one process
    /// ([`undertone_runtime::DataDirLock`] is the caller's).
    pub home: PathBuf,
    /// Where its node listens; `None`: it only dials.
    pub listen: Option<SocketAddr>,
    /// Nodes to stay connected to.
    pub peers: Vec<Enode>,
    /// Which protocols its node speaks: both meet every peer there is. One alone is for laboratories, and for a peer that
    /// should not learn that the other is spoken.
    pub protocols: Protocols,
    /// How peers of Waku are told which topics it wants.
    pub waku: WakuMode,
    /// Whether its node passes on by one protocol what came by the other.
    pub bridge: Bridge,
    /// Packets a second that it takes of an address, a peer and a topic of a peer, and says that it takes; none by default.
    pub packet_limits: RateLimits,
    /// Bytes a second, the same.
    pub byte_limits: RateLimits,
    /// How other nodes are found; `None`: only [`ClientConfig::peers`] are known.
    pub discovery: Option<DiscoveryOptions>,
    /// How many peers at most, those of [`ClientConfig::peers`] not counted.
    pub max_peers: usize,
    /// Whether it passes on nothing of others and says so. Cheapest, and its peers know that whatever it sends is
    /// this account's.
    pub light: bool,
    /// When messages leave: at once, or mixed with other traffic.
    pub flush: Flush,
    /// Whether what the privacy layer does is reported ([`ClientEvent::Report`]).
    pub watch: bool,
}

impl ClientConfig {
    /// A client of Whisper and Waku that only dials and knows nobody yet. Messages leave mixed with others.
    pub const fn new(home: PathBuf) -> Self {
        Self {
            home,
            listen: None,
            peers: Vec::new(),
            protocols: Protocols::BOTH,
            waku: WakuMode::Bloom,
            bridge: Bridge::On,
            packet_limits: RateLimits::NONE,
            byte_limits: RateLimits::NONE,
            discovery: None,
            max_peers: MAX_PEERS,
            light: false,
            flush: Flush::Blended,
            watch: false,
        }
    }
}

/// Peers of a client by default: enough that no single one decides what it hears (`status-go: MaxPeers`).
const MAX_PEERS: usize = 25;

/// What a client tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The clock of this machine is wrong, so that others refuse what it sends, or is right again.
    Clock(ClockNotice),
    /// What the messenger tells the person.
    Notice(Notice),
    /// How many peers its node has.
    Peers(usize),
    /// What the privacy layer did, when [`ClientConfig::watch`] asks for it.
    Report(Report),
    /// The store has failed: nothing is taken any more. The stable code of the reason.
    Stopped(&'static str),
}

/// A person's account at work. Clones are the same client; it runs until its [`Tasks`] stop.
///
/// To end it: [`Tasks::shutdown`], whose answer tells of a task that panicked or was stuck. What was told as done is
/// durable without that.
///
/// To lock the account: stop the tasks, and drop every clone. Then nothing in the process opens it any more; keys in memory
/// and on used stacks are wiped (a test reads all of a process's memory and looks).
#[derive(Clone, Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    writer: Writer<Steps>,
    /// Queries that may wait for the store's thread, so that they leave room in its queue for the pilot's inputs.
    queries: Arc<Semaphore>,
    messenger: Messenger,
    node: Node,
    blended: Arc<AtomicBool>,
}

impl Client {
    /// Opens the account's messages (made when absent), starts its node, listens for what concerns it, and sends
    /// what waited. The receiver should be read: while [`limits::EVENTS`] wait, nothing more is taken from the
    /// network. After an error the node may have been started: stop `tasks` then, too.
    ///
    /// # Errors
    /// [`ClientError::Open`] (wrong key, damaged, newer version …), [`ClientError::Node`],
    /// [`ClientError::Messenger`], [`ClientError::Threads`].
    pub async fn open(
        key: ChatKey,
        config: ClientConfig,
        env: &Environment,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<ClientEvent>), ClientError> {
        let mut rng = env.rng();
        let secret = key.into_secret_key();
        let database = Database::open(&config.home.join(crate::MESSAGES), secret.secret(), &mut rng)?;
        let mut keyring = MemoryKeyring::new();
        let identity: KeyId = keyring.insert(secret);
        let keyring = Arc::new(keyring);
        let messenger = Messenger::new(keyring.clone(), identity)?;
        let steps = Steps::new(messenger.clone(), env);
        let writer = Writer::start(database, steps, env.clock().clone()).map_err(ClientError::Threads)?;

        let mut node = NodeConfig::relay(load_or_make_node_key(&config.home.join("nodekey"), &mut rng)?);
        node.role = if config.light { Role::Light } else { Role::Client };
        node.protocols = config.protocols;
        node.waku = config.waku;
        node.bridge = config.bridge;
        (node.packet_limits, node.byte_limits) = (config.packet_limits, config.byte_limits);
        node.flush = match config.flush {
            Flush::Blended => FlushPolicy::Blended,
            Flush::Fast => FlushPolicy::Fast,
        };
        node.listen = config.listen;
        node.peers = config.peers;
        node.discovery = config.discovery;
        node.max_peers = config.max_peers;
        node.home = Some(config.home.clone());
        node.watch = config.watch;
        let (node, network) = Node::start(node, keyring, env, tasks).await?;

        let (requests, inbox) = mpsc::channel(limits::REQUESTS);
        let (events, outbox) = mpsc::channel(limits::EVENTS);
        let blended = Arc::new(AtomicBool::new(config.flush == Flush::Blended));
        let pilot = Pilot::new(writer.clone(), node.clone(), env.clone(), events, blended.clone());
        let pilot = pilot.open().await?;
        tasks.spawn("client", pilot.run(tasks.token(), inbox, network));
        let queries = Arc::new(Semaphore::new(limits::QUERIES));
        Ok((Self { requests, writer, queries, messenger, node, blended }, outbox))
    }

    /// The account's public key.
    pub const fn me(&self) -> &PublicKey {
        self.messenger.key()
    }

    /// Its node: peers, discovery, how it is.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Where its node can be dialled.
    pub fn enode(&self) -> Enode {
        self.node.enode()
    }

    /// The peers of its node.
    pub fn peers(&self) -> Vec<PeerView> {
        self.node.peers()
    }

    /// Stays connected to a node from now on.
    pub fn add_peer(&self, enode: Enode) {
        self.node.add_peer(enode);
    }

    /// Changes when messages leave, from the next one on: mixed with others, or at once.
    pub fn set_flush(&self, flush: Flush) {
        self.blended.store(flush == Flush::Blended, Ordering::Relaxed);
    }

    /// Writes a message down and sends it. It is durable when this returns; how it goes on comes as
    /// [`Notice::State`].
    ///
    /// Dropping the future does not take the message back.
    ///
    /// # Errors
    /// [`ClientError::Messenger`] (blank, too long, to oneself), [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn send_text(&self, chat: ChatId, text: &str) -> Result<MessageId, ClientError> {
        let command = Command::Send { chat, text: text.to_owned() };
        self.request(command).await?.ok_or(ClientError::Gone)
    }

    /// Listens to a chat from now on.
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn open_chat(&self, chat: ChatId) -> Result<(), ClientError> {
        self.request(Command::Open(chat)).await.map(drop)
    }

    /// Sets the unread count of a chat to zero.
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn mark_read(&self, chat: ChatId) -> Result<(), ClientError> {
        self.request(Command::MarkRead(chat)).await.map(drop)
    }

    /// Perfect forward secrecy on or off for what is sent to a person from now on.
    ///
    /// # Errors
    /// [`ClientError::Messenger`], [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn set_pfs(&self, peer: PublicKey, pfs: Pfs) -> Result<(), ClientError> {
        self.request(Command::SetPfs { peer, pfs }).await.map(drop)
    }

    /// Gives up a message that no peer has taken yet.
    ///
    /// # Errors
    /// [`ClientError::Messenger`] when it is too late, [`ClientError::Store`], [`ClientError::Gone`].
    pub async fn give_up(&self, id: MessageId) -> Result<(), ClientError> {
        self.request(Command::GiveUp(id)).await.map(drop)
    }

    /// Every chat.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn chats(&self) -> Result<Vec<Chat>, ClientError> {
        let messenger = self.messenger.clone();
        self.read(move |tx| messenger.chats(tx)).await
    }

    /// The newest messages of a chat, newest first.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn messages(&self, chat: ChatId, limit: usize) -> Result<Vec<Message>, ClientError> {
        let messenger = self.messenger.clone();
        self.read(move |tx| {
            let mut all: Vec<Message> = Vec::new();
            while all.len() < limit {
                let before = all.last().map(undertone_messenger::Place::of);
                let page = messenger.messages(tx, &chat, before, limit - all.len())?;
                if page.is_empty() {
                    break;
                }
                all.extend(page);
            }
            Ok(all)
        })
        .await
    }

    /// One message.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, ClientError> {
        let messenger = self.messenger.clone();
        self.read(move |tx| messenger.message(tx, &id)).await
    }

    pub(crate) const fn messenger(&self) -> &Messenger {
        &self.messenger
    }

    pub(crate) async fn request(&self, command: Command) -> Result<Option<MessageId>, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { command, reply }).await.map_err(|_| ClientError::Gone)?;
        answer.await.map_err(|_| ClientError::Gone)?
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&SqlTx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ClientError> {
        let permit = Arc::clone(&self.queries).acquire_owned().await.map_err(|_| ClientError::Gone)?;
        let query = move |tx: &SqlTx<'_>| {
            // With the query: one that nobody waits for any more takes its place in the queue all the same.
            let _permit = permit;
            query(tx)
        };
        let outcome = self.writer.read(query).await?;
        Ok(outcome.map_err(undertone_store::WriterError::from)?)
    }
}
