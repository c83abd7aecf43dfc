//! Our network and our Whisper machine without the node around them: shows what the node keeps to itself, as what
//! a peer announced and why a link ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use undertone_base::Secret;
use undertone_crypto::MemoryKeyring;
use undertone_devp2p::{Capability, DisconnectReason, Enode, NodeKey, Offer, Shared};
use undertone_net::{Direction, LinkEnd, Net, NetConfig, NetEvent, PeerView};
use undertone_runtime::{CancellationToken, Environment, Tasks};
use undertone_support::until;
use undertone_transport::{Command, Event, Listen, OpenWith, Received, Route, Transport};
use undertone_whisper::wire::{PacketCode, Status};
use undertone_whisper::{
    Advertise, Input, PeerId, Pow, Protocol, Transmit, TransportConfig, WhisperTransport,
};

use crate::DEADLINE;
use crate::ours::node_key;

/// What the machine is asked to do.
enum Act {
    Listen(Route),
    SetMinPow(Pow),
}

/// A link as our Hello exchange left it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) direction: Direction,
    pub(crate) client: String,
    pub(crate) shared: Vec<Shared>,
}

#[derive(Default)]
struct Seen {
    links: Vec<Link>,
    ends: Vec<LinkEnd>,
    statuses: Vec<Status>,
    received: Vec<Received>,
}

/// Network and machine.
pub(crate) struct Wire {
    runtime: Runtime,
    tasks: Tasks,
    net: Net,
    acts: mpsc::Sender<Act>,
    seen: Arc<Mutex<Seen>>,
}

impl Wire {
    /// Listens on loopback, asks its peers for nothing and for a PoW of `min_pow`.
    pub(crate) fn start(min_pow: Pow) -> Result<Self> {
        Self::with_key(node_key()?, min_pow)
    }

    /// The same, under this key.
    pub(crate) fn with_key(key: NodeKey, min_pow: Pow) -> Result<Self> {
        Self::with(key, min_pow, |_| {})
    }

    /// The same, with another network.
    pub(crate) fn with(key: NodeKey, min_pow: Pow, change: impl FnOnce(&mut NetConfig)) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let env = Environment::system()?;
        let tasks = Tasks::new(runtime.handle().clone());
        let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
        let mut config = NetConfig::new(key, "Undertone/interop", vec![offer]);
        config.listen = Some(([127, 0, 0, 1], 0).into());
        change(&mut config);
        let (net, events) = runtime.block_on(Net::start(config, &env, &tasks))?;

        let mut config = TransportConfig { advertise: Advertise::Interest, ..TransportConfig::default() };
        config.gossip.min_pow = min_pow;
        let seed = Secret::random(&mut env.rng());
        let whisper = WhisperTransport::new(config, Arc::new(MemoryKeyring::new()), &seed);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (acts, inbox) = mpsc::channel(16);
        let driver =
            Driver { whisper, net: net.clone(), env, links: BTreeMap::new(), seen: Arc::clone(&seen) };
        tasks.spawn("interop.wire", driver.run(tasks.token(), inbox, events));
        Ok(Self { runtime, tasks, net, acts, seen })
    }

    /// Where it can be dialled.
    pub(crate) fn enode(&self) -> Enode {
        self.net.enode()
    }

    /// Stays connected to a node from now on.
    pub(crate) fn dial(&self, enode: &Enode) {
        let _ = self.net.add_static(enode.clone());
    }

    /// The network.
    pub(crate) const fn net(&self) -> &Net {
        &self.net
    }

    /// Waits until exactly these are connected.
    pub(crate) fn await_peers(&self, wanted: &[&Enode]) -> Result<()> {
        let keys = |peers: Vec<PeerView>| peers.iter().map(|peer| peer.key).collect::<BTreeSet<_>>();
        let wanted: BTreeSet<_> = wanted.iter().map(|enode| *enode.key()).collect();
        let there = until(DEADLINE, || keys(self.net.peers()) == wanted);
        ensure!(there, "peers are {:?}, not {wanted:?}", self.net.peers());
        Ok(())
    }

    /// Waits for the `count`-th link since the start.
    pub(crate) fn await_link(&self, count: usize) -> Result<Link> {
        self.await_link_for(DEADLINE, count)
    }

    /// The same, for so long.
    pub(crate) fn await_link_for(&self, deadline: Duration, count: usize) -> Result<Link> {
        until(deadline, || self.seen().links.len() >= count);
        let links = self.seen().links.clone();
        ensure!(links.len() == count, "{} links, not {count}", links.len());
        links.last().cloned().context("no link")
    }

    /// Waits until what the only peer wants is what `right` says.
    pub(crate) fn await_status(&self, right: impl Fn(&Status) -> bool) -> Result<Status> {
        let now = || self.seen().statuses.clone();
        ensure!(
            until(DEADLINE, || matches!(now().as_slice(), [one] if right(one))),
            "peers announced {:?}",
            now()
        );
        now().pop().context("no peer")
    }

    /// How links ended so far.
    pub(crate) fn ends(&self) -> Vec<LinkEnd> {
        self.seen().ends.clone()
    }

    /// What arrived so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.seen().received.clone()
    }

    /// Receives on a symmetric route, and tells the peers.
    pub(crate) fn listen(&self, route: Route) -> Result<()> {
        Ok(self.acts.blocking_send(Act::Listen(route))?)
    }

    /// Asks for another PoW.
    pub(crate) fn set_min_pow(&self, pow: Pow) -> Result<()> {
        Ok(self.acts.blocking_send(Act::SetMinPow(pow))?)
    }

    /// Stops it in order.
    pub(crate) fn stop(self) -> Result<()> {
        let shutdown = self.runtime.block_on(self.tasks.shutdown(DEADLINE));
        ensure!(shutdown.panicked.is_none() && shutdown.stuck.is_empty(), "{shutdown:?}");
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

struct Driver {
    whisper: WhisperTransport,
    net: Net,
    env: Environment,
    links: BTreeMap<PeerId, undertone_net::PeerId>,
    seen: Arc<Mutex<Seen>>,
}

impl Driver {
    async fn run(
        mut self,
        stop: CancellationToken,
        mut acts: mpsc::Receiver<Act>,
        mut events: mpsc::Receiver<NetEvent>,
    ) {
        loop {
            let wait = self.whisper.poll_timeout().map(|at| at.since(self.env.now().mono));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(act) = acts.recv() => self.act(act),
                () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {
                    self.whisper.handle_timeout(self.env.now());
                }
                event = events.recv() => match event {
                    Some(event) => self.network(event),
                    None => return,
                },
            }
            self.pump();
        }
    }

    fn act(&mut self, act: Act) {
        let now = self.env.now();
        match act {
            Act::Listen(route) => {
                let listen = Listen { open_with: OpenWith::ByRoute, route };
                let _ = self.whisper.command(now, Command::Listen(listen));
            }
            Act::SetMinPow(pow) => self.tell(Input::SetMinPow(pow)),
        }
    }

    fn network(&mut self, event: NetEvent) {
        match event {
            NetEvent::Connected { peer, direction, client, shared, .. } => {
                let id = PeerId(peer.number());
                self.links.insert(id, peer);
                lock(&self.seen).links.push(Link { direction, client, shared });
                self.tell(Input::Connected(undertone_whisper::Link::whisper(id)));
            }
            NetEvent::Message { peer, code, payload, .. } => {
                let peer = PeerId(peer.number());
                self.tell(Input::Packet {
                    peer,
                    protocol: Protocol::Whisper,
                    code: PacketCode(code),
                    body: &payload,
                });
            }
            // It has one peer and sends nothing of its own, so no packet of envelopes waits for this.
            NetEvent::Writable { .. } => {}
            NetEvent::Disconnected { peer, closed } => {
                let id = PeerId(peer.number());
                self.links.remove(&id);
                self.tell(Input::Disconnected(id));
                lock(&self.seen).ends.push(closed);
            }
        }
    }

    /// A fault ends the link, and the end is seen.
    fn tell(&mut self, input: Input<'_>) {
        let _ = self.whisper.handle(self.env.now(), input);
    }

    fn pump(&mut self) {
        while let Some(job) = self.whisper.poll_job() {
            self.whisper.job_done(self.env.now(), job.run());
        }
        while let Some(transmit) = self.whisper.poll_transmit(self.env.now()) {
            match transmit {
                Transmit::Disconnect { peer, reason } => {
                    if let Some(link) = self.links.get(&peer) {
                        self.net.disconnect(*link, DisconnectReason::from_wire(reason.into()));
                    }
                }
                Transmit::Defer { .. } => {}
                Transmit::Packet { peer, code, body, .. } => {
                    if let Some(link) = self.links.get(&peer) {
                        let _ = self.net.send(*link, 0, code.0, body);
                    }
                }
            }
        }
        let mut seen = lock(&self.seen);
        seen.statuses = self.whisper.engine().ready_peers().map(|(_, status)| status).collect();
        while let Some(event) = self.whisper.poll_event() {
            if let Event::Received(received) = event {
                seen.received.push(*received);
            }
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
