//! Our node, the one that the program runs, and what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand_core::Rng;
use tokio::runtime::Runtime;
use undertone_base::{Now, Unix};
use undertone_crypto::{KeyId, MemoryKeyring, PublicKey, SecretKey};
use undertone_devp2p::enr::Record;
use undertone_devp2p::{Enode, NodeKey};
use undertone_discovery::Discovery;
use undertone_net::{PeerId, PeerView};
use undertone_node::{Node, NodeConfig, NodeEvent, Role};
use undertone_runtime::{Clock, Environment, ManualClock, Tasks};
use undertone_support::until;
use undertone_transport::{Command, Event, Flush, Listen, OpenWith, Progress, Received, Route, Send, SendId};
use undertone_whisper::wire::waku;
use undertone_whisper::{Envelope, Pow, Protocol, Report, Stats};

use crate::{DEADLINE, hash_text};

/// How often a clock that is off is moved on.
const HAND: Duration = Duration::from_millis(10);

/// What the node said so far.
#[derive(Default)]
struct Heard {
    /// Numbers of peers, one for each change.
    peers: Vec<usize>,
    progress: BTreeMap<SendId, Vec<Progress>>,
    relayed: usize,
    received: Vec<Received>,
    sealed: BTreeMap<SendId, Envelope>,
    carried: BTreeMap<String, Envelope>,
}

/// A node with one identity.
pub(crate) struct Ours {
    runtime: Runtime,
    tasks: Tasks,
    node: Node,
    heard: Arc<Mutex<Heard>>,
    next_send: u64,
    id: KeyId,
    /// Its chat key.
    pub(crate) key: SecretKey,
}

impl Ours {
    /// Starts a node that listens on loopback.
    pub(crate) fn start(role: Role) -> Result<Self> {
        Self::with(role, |_| {})
    }

    /// The same, otherwise.
    pub(crate) fn with(role: Role, change: impl FnOnce(&mut NodeConfig)) -> Result<Self> {
        Self::at(role, 0, change)
    }

    /// The same, where the clock is so many seconds ahead of the machine's, or behind it.
    pub(crate) fn at(role: Role, ahead: i64, change: impl FnOnce(&mut NodeConfig)) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let env = if ahead == 0 { Environment::system()? } else { off_by(ahead, &runtime)? };
        let key = SecretKey::random(&mut env.rng());
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(key.clone());
        let tasks = Tasks::new(runtime.handle().clone());
        let mut config = NodeConfig::relay(NodeKey::random(&mut env.rng()));
        config.listen = Some(([127, 0, 0, 1], 0).into());
        config.role = role;
        config.watch = true;
        change(&mut config);
        let (node, mut events) = runtime.block_on(Node::start(config, Arc::new(keyring), &env, &tasks))?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let notes = Arc::clone(&heard);
        tasks.spawn("interop.heard", async move {
            while let Some(event) = events.recv().await {
                lock(&notes).note(event);
            }
        });
        Ok(Self { runtime, tasks, node, heard, next_send: 1, id, key })
    }

    /// Where it can be dialled.
    pub(crate) fn enode(&self) -> Enode {
        self.node.enode()
    }

    /// Its record, when it has discovery.
    pub(crate) fn record(&self) -> Option<Record> {
        self.node.discovery().map(Discovery::record)
    }

    /// Its chat key, as others see it.
    pub(crate) fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Dials a node and waits for it.
    pub(crate) fn dial(&self, enode: &Enode) -> Result<PeerView> {
        self.node.add_peer(enode.clone());
        self.await_peer(enode)
    }

    /// Waits until this node is connected.
    pub(crate) fn await_peer(&self, enode: &Enode) -> Result<PeerView> {
        let mut found = None;
        until(DEADLINE, || {
            found = self.node.peers().into_iter().find(|peer| peer.key == *enode.key());
            found.is_some()
        });
        found.with_context(|| format!("no link to {enode}"))
    }

    /// Waits until it has so many peers.
    pub(crate) fn await_peers(&self, count: usize) -> Result<()> {
        let there = || self.heard().peers.last().copied().unwrap_or_default();
        ensure!(until(DEADLINE, || there() == count), "{} peers, not {count}", there());
        Ok(())
    }

    /// The number of peers after each change.
    pub(crate) fn peer_counts(&self) -> Vec<usize> {
        self.heard().peers.clone()
    }

    /// Its links of this moment.
    pub(crate) fn peers(&self) -> Vec<PeerView> {
        self.node.peers()
    }

    /// No link was lost since the start, and these are all that there ever were.
    pub(crate) fn ensure_never_lost(&self, links: &[PeerId]) -> Result<()> {
        let counts = self.peer_counts();
        ensure!(counts.is_sorted() && counts.len() == links.len(), "a link was lost: peers were {counts:?}");
        let now: Vec<_> = self.node.peers().iter().map(|peer| peer.peer).collect();
        ensure!(now == links, "links were {links:?} and are {now:?}");
        Ok(())
    }

    fn command(&self, command: Command) -> Result<()> {
        Ok(self.runtime.block_on(self.node.command(command))?)
    }

    /// Receives on a route, with the route's key or, where it is sealed to one, with ours.
    pub(crate) fn listen(&self, route: &Route) -> Result<()> {
        let identity = route.is_sealed_to_a_key();
        let open_with = if identity { OpenWith::Identity(self.id) } else { OpenWith::ByRoute };
        self.command(Command::Listen(Listen { open_with, route: route.clone() }))
    }

    /// Sends at once; does not wait.
    pub(crate) fn send(&mut self, route: &Route, payload: &[u8]) -> Result<SendId> {
        let id = SendId(self.next_send);
        self.next_send += 1;
        let to = match route {
            Route::Partition(key) | Route::Personal(key) => Some(*key),
            _ => None,
        };
        self.command(Command::Send(Send {
            id,
            route: route.clone(),
            to,
            sign_as: self.id,
            payload: payload.to_vec(),
            ephemeral: false,
            flush: Flush::Fast,
        }))?;
        Ok(id)
    }

    /// What its privacy layer counted.
    pub(crate) fn stats(&self) -> Result<Stats> {
        Ok(self.runtime.block_on(self.node.envelope_stats())?)
    }

    /// What a peer announced by one protocol, if it has.
    pub(crate) fn wishes(&self, key: &PublicKey, protocol: Protocol) -> Result<Option<waku::Status>> {
        let all = self.runtime.block_on(self.node.peer_wishes())?;
        let peer = all.into_iter().find(|peer| peer.key == *key);
        Ok(peer.and_then(|peer| match protocol {
            Protocol::Whisper => peer.whisper,
            Protocol::Waku => peer.waku,
        }))
    }

    /// Waits until a peer has announced what is right.
    pub(crate) fn await_wishes(
        &self,
        key: &PublicKey,
        protocol: Protocol,
        right: impl Fn(&waku::Status) -> bool,
    ) -> Result<waku::Status> {
        let mut last = None;
        until(DEADLINE, || {
            last = self.wishes(key, protocol).ok().flatten();
            last.as_ref().is_some_and(&right)
        });
        last.filter(right).with_context(|| format!("it announced {:?}", self.wishes(key, protocol)))
    }

    /// Takes direct envelopes of a peer, or does not any more.
    pub(crate) fn trust(&self, key: &PublicKey, trusted: bool) -> Result<()> {
        let connected = if trusted {
            self.runtime.block_on(self.node.take_direct_from(*key))?
        } else {
            self.runtime.block_on(self.node.take_none_from(*key))?
        };
        ensure!(connected, "it is not connected");
        Ok(())
    }

    /// Hands envelopes to one peer.
    pub(crate) fn send_direct(&self, key: &PublicKey, envelopes: Vec<Envelope>) -> Result<()> {
        ensure!(self.runtime.block_on(self.node.send_direct(*key, envelopes))?, "it is not connected");
        Ok(())
    }

    /// Asks for another proof of work.
    pub(crate) fn set_min_pow(&self, pow: Pow) -> Result<()> {
        Ok(self.runtime.block_on(self.node.set_min_pow(pow))?)
    }

    /// Whether the envelope of this hash has come from a peer.
    pub(crate) fn carried(&self, hash: &str) -> bool {
        self.heard().carried.contains_key(hash)
    }

    /// Whether a peer took this send.
    pub(crate) fn is_relayed(&self, id: SendId) -> bool {
        self.heard().progress.get(&id).is_some_and(|all| all.last() == Some(&Progress::Relayed))
    }

    /// How many sends a peer took.
    pub(crate) fn relayed(&self) -> usize {
        self.heard().relayed
    }

    /// Waits until a peer took it; gives the envelope.
    pub(crate) fn await_relayed(&self, id: SendId) -> Result<Envelope> {
        let last = || self.heard().progress.get(&id).and_then(|all| all.last().copied());
        until(DEADLINE, || !matches!(last(), None | Some(Progress::Queued)));
        ensure!(last() == Some(Progress::Relayed), "{id:?} is {:?}", last());
        let mut envelope = None;
        until(DEADLINE, || {
            envelope = self.heard().sealed.get(&id).cloned();
            envelope.is_some()
        });
        envelope.context("no envelope was reported")
    }

    /// Waits for so many messages in all.
    pub(crate) fn await_received(&self, count: usize, deadline: Duration) -> Result<Vec<Received>> {
        until(deadline, || self.heard().received.len() >= count);
        let received = self.heard().received.clone();
        ensure!(received.len() == count, "{} messages of {count} arrived here", received.len());
        Ok(received)
    }

    /// Waits for the message in the envelope of this hash.
    pub(crate) fn await_message(&self, hash: &str) -> Result<Received> {
        let find = || self.heard().received.iter().find(|r| r.wire_id.to_string() == hash).cloned();
        let mut found = None;
        until(DEADLINE, || {
            found = find();
            found.is_some()
        });
        found.with_context(|| format!("{hash} did not arrive here"))
    }

    /// The envelope of this hash as it came from a peer.
    pub(crate) fn await_carried(&self, hash: &str) -> Result<Envelope> {
        let mut found = None;
        until(DEADLINE, || {
            found = self.heard().carried.get(hash).cloned();
            found.is_some()
        });
        found.with_context(|| format!("{hash} was not carried"))
    }

    /// Stops it in order.
    pub(crate) fn stop(self) -> Result<()> {
        let Self { runtime, tasks, node, .. } = self;
        drop(node);
        let shutdown = runtime.block_on(tasks.shutdown(DEADLINE));
        if let Some(task) = shutdown.panicked {
            bail!("the task {task} panicked");
        }
        ensure!(shutdown.stuck.is_empty(), "tasks did not stop: {:?}", shutdown.stuck);
        Ok(())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }
}

impl Heard {
    fn note(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Peers(count) => self.peers.push(count),
            NodeEvent::Report(Report::Sealed { send, envelope }) => {
                self.sealed.insert(send, envelope);
            }
            NodeEvent::Report(Report::Carried { envelope, .. }) => {
                self.carried.insert(hash_text(&envelope), envelope);
            }
            NodeEvent::Transport(Event::Progress { id, progress }) => {
                self.relayed += usize::from(progress == Progress::Relayed);
                self.progress.entry(id).or_default().push(progress);
            }
            NodeEvent::Transport(Event::Received(received)) => self.received.push(*received),
            _ => {}
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An environment whose clock goes as the machine's does and shows another time, for as long as the runtime lives.
fn off_by(ahead: i64, runtime: &Runtime) -> Result<Environment> {
    let machine = Clock::system();
    let Now { mono, unix } = machine.now();
    let millis = i64::try_from(unix.millis())? + ahead * 1_000;
    let hand = ManualClock::new(Now { mono, unix: Unix::from_millis(u64::try_from(millis)?) });
    let env = Environment::fixed(
        Environment::system()?.rng().next_u64(),
        Clock::manual(hand.clone()),
        BTreeMap::new(),
    );
    runtime.spawn(async move {
        let mut ticks = tokio::time::interval(HAND);
        loop {
            ticks.tick().await;
            hand.advance(machine.now().mono.since(hand.now().mono));
        }
    });
    Ok(env)
}

/// A fresh key of a node.
pub(crate) fn node_key() -> Result<NodeKey> {
    Ok(NodeKey::random(&mut Environment::system()?.rng()))
}

/// A port of loopback on which nobody listens.
pub(crate) fn closed_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
