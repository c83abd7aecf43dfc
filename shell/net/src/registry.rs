//! The mailboxes of the links, beside the peer manager that decides about them. Behind one lock that is never held
//! across an await.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::sync::{Notify, watch};
use undertone_base::{FaultClass, Mono, Now};
use undertone_crypto::PublicKey;
use undertone_devp2p::{DisconnectReason, Enode, Shared};
use undertone_peers::{
    BanTarget, Config, Counts, Dial, DialId, DialOutcome, Direction, Ending, Event, LinkId, Peers, Refusal,
    Remembered, Source, StaticError, StaticView,
};
use undertone_runtime::Clock;

use crate::config::{self, PeerId, PeerView, SendRefused};
use crate::mailbox::{Mailbox, Outgoing};

/// Links that have named a key, and the manager's word about everything.
pub(crate) struct Registry {
    clock: Clock,
    max_message: usize,
    state: Mutex<State>,
    /// There may be somebody to dial, or another time to wake up.
    pub(crate) changed: Notify,
    wants: Wants,
}

/// What the layer above is asked for. Of each only the newest counts, so nothing queues.
#[derive(Debug)]
struct Wants {
    hungry: watch::Sender<bool>,
    unresolved: watch::Sender<BTreeSet<PublicKey>>,
    memory: watch::Sender<Vec<Remembered>>,
}

struct State {
    peers: Peers,
    rng: StdRng,
    /// Bounded as the links of `peers` are.
    links: BTreeMap<LinkId, Link>,
}

#[derive(Debug)]
struct Link {
    mailbox: Mailbox,
    established: Option<Established>,
}

/// What a Hello added.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) client: String,
    pub(crate) shared: Vec<Shared>,
}

/// A connection's place in the registry. Whoever drops it without saying how the link ended has lost the connection.
pub(crate) struct Slot {
    registry: Arc<Registry>,
    link: LinkId,
    ended: bool,
}

/// An accepted connection whose handshake is under way; over when this is dropped.
pub(crate) struct Pending {
    registry: Arc<Registry>,
    from: IpAddr,
}

impl Registry {
    pub(crate) fn new(config: Config, max_message: usize, clock: Clock, rng: StdRng) -> Arc<Self> {
        let memory = watch::Sender::new(config.remembered.clone());
        let wants = Wants { hungry: watch::Sender::new(false), unresolved: watch::Sender::default(), memory };
        let state = State { peers: Peers::new(config, clock.now()), rng, links: BTreeMap::new() };
        Arc::new(Self { clock, max_message, state: Mutex::new(state), changed: Notify::new(), wants })
    }

    /// An inbound connection, before any cryptography.
    pub(crate) fn accept(self: &Arc<Self>, from: IpAddr) -> Result<Pending, Refusal> {
        self.quietly(|state, now| state.peers.accept(now, from))?;
        Ok(Pending { registry: Arc::clone(self), from })
    }

    /// The handshake has named a key.
    pub(crate) fn admit(
        self: &Arc<Self>,
        key: PublicKey,
        address: SocketAddr,
        direction: Direction,
        mailbox: Mailbox,
    ) -> Result<Slot, DisconnectReason> {
        let link = self.quietly(|state, now| {
            let link = state.peers.admit(now, key, address, direction)?;
            state.links.insert(link, Link { mailbox, established: None });
            Ok::<_, DisconnectReason>(link)
        })?;
        Ok(Slot { registry: Arc::clone(self), link, ended: false })
    }

    pub(crate) fn send(&self, peer: PeerId, message: Outgoing) -> Result<(), SendRefused> {
        let size = message.payload.len();
        let mailbox = {
            let state = self.lock();
            let link = state.links.get(&peer.0).ok_or(SendRefused::Gone)?;
            let established = link.established.as_ref().ok_or(SendRefused::Gone)?;
            let shared = established.shared.get(message.capability).ok_or(SendRefused::UnknownMessage)?;
            shared.id_of(message.code).ok_or(SendRefused::UnknownMessage)?;
            link.mailbox.clone()
        };
        if size > self.max_message {
            return Err(SendRefused::TooLarge { size, max: self.max_message });
        }
        mailbox.send(message)
    }

    pub(crate) fn disconnect(&self, peer: PeerId, reason: DisconnectReason) {
        if let Some(link) = self.lock().links.get(&peer.0) {
            link.mailbox.close(reason);
        }
    }

    pub(crate) fn defer(&self, peer: PeerId, until: Mono) {
        if let Some(link) = self.lock().links.get(&peer.0) {
            link.mailbox.defer(until);
        }
    }

    pub(crate) fn peers(&self) -> Vec<PeerView> {
        let now = self.clock.now();
        let state = self.lock();
        let view = |view: undertone_peers::PeerView| {
            let established = state.links.get(&view.link)?.established.as_ref()?;
            Some(PeerView {
                peer: PeerId(view.link),
                key: view.key,
                address: view.address,
                direction: config::Direction::of(view.direction),
                client: established.client.clone(),
                capabilities: established.shared.iter().map(|shared| shared.capability.clone()).collect(),
                since: view.since,
                fixed: view.fixed,
                trusted: view.trusted,
                usefulness: view.usefulness,
                faults: view.faults,
                rtt: view.rtt,
            })
        };
        state.peers.peers(now).into_iter().filter_map(view).collect()
    }

    /// Whether this address may be connected to, for what a name resolved to.
    pub(crate) fn allows(&self, ip: IpAddr) -> bool {
        self.lock().peers.allows(self.clock.now(), ip)
    }

    /// Fires due timers, and gives the next one to dial.
    pub(crate) fn poll_dial(&self) -> Option<Dial> {
        self.quietly(|state, now| {
            if state.peers.poll_timeout().is_some_and(|at| at <= now.mono) {
                state.peers.handle_timeout(now, &mut state.rng);
            }
            state.peers.poll_dial(now, &mut state.rng)
        })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        self.lock().peers.poll_timeout()
    }

    pub(crate) fn dial_over(&self, dial: DialId, outcome: DialOutcome) {
        self.tell(|state, now| state.peers.dial_over(now, dial, outcome, &mut state.rng));
    }

    pub(crate) fn found(&self, enode: Enode, source: Source) -> bool {
        self.tell(|state, now| state.peers.found(now, enode, source))
    }

    pub(crate) fn add_static(&self, enode: Enode) -> Result<bool, StaticError> {
        self.tell(|state, now| state.peers.add_static(now, enode))
    }

    pub(crate) fn remove_static(&self, key: &PublicKey) -> bool {
        self.forget_unresolved(key);
        self.tell(|state, now| state.peers.remove_static(now, key))
    }

    pub(crate) fn resolved(&self, key: &PublicKey, enode: Option<Enode>) {
        self.forget_unresolved(key);
        self.tell(|state, now| state.peers.resolved(now, key, enode));
    }

    pub(crate) fn trust(&self, key: PublicKey) -> bool {
        self.tell(|state, now| state.peers.trust(now, key))
    }

    pub(crate) fn untrust(&self, key: &PublicKey) -> bool {
        self.tell(|state, now| state.peers.untrust(now, key))
    }

    pub(crate) fn ban(&self, target: BanTarget, span: Option<Duration>) {
        self.tell(|state, now| state.peers.ban(now, target, span));
    }

    pub(crate) fn unban(&self, target: BanTarget) -> bool {
        self.tell(|state, now| state.peers.unban(now, target))
    }

    pub(crate) fn fault(&self, peer: PeerId, fault: FaultClass) {
        self.quietly(|state, now| state.peers.fault(now, peer.0, fault));
    }

    pub(crate) fn useful(&self, peer: PeerId, new: u32) {
        self.quietly(|state, now| state.peers.useful(now, peer.0, new));
    }

    pub(crate) fn answered(&self, peer: PeerId, rtt: Duration) {
        self.quietly(|state, now| state.peers.answered(now, peer.0, rtt));
    }

    pub(crate) fn statics(&self) -> Vec<StaticView> {
        self.lock().peers.statics()
    }

    pub(crate) fn trusted(&self) -> Vec<PublicKey> {
        self.lock().peers.trusted()
    }

    /// With the time that each has left, `None` for ever.
    pub(crate) fn bans(&self) -> Vec<(BanTarget, Option<Duration>)> {
        let now = self.clock.now();
        let left =
            |(target, until): (BanTarget, Option<Mono>)| (target, until.map(|until| until.since(now.mono)));
        self.lock().peers.bans(now).into_iter().map(left).collect()
    }

    pub(crate) fn remembered(&self) -> Vec<Remembered> {
        self.lock().peers.remembered(self.clock.now())
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().peers.counts()
    }

    pub(crate) fn hungry(&self) -> watch::Receiver<bool> {
        self.wants.hungry.subscribe()
    }

    pub(crate) fn unresolved(&self) -> watch::Receiver<BTreeSet<PublicKey>> {
        self.wants.unresolved.subscribe()
    }

    pub(crate) fn memory(&self) -> watch::Receiver<Vec<Remembered>> {
        self.wants.memory.subscribe()
    }

    /// An input to the manager after which somebody else may be worth dialling.
    fn tell<T>(&self, input: impl FnOnce(&mut State, Now) -> T) -> T {
        let answer = self.quietly(input);
        self.changed.notify_one();
        answer
    }

    /// An input to the manager that leaves it with nobody else to dial, and what it wants done. Whoever only knocks must not
    /// make us look through all candidates.
    fn quietly<T>(&self, input: impl FnOnce(&mut State, Now) -> T) -> T {
        let mut state = self.lock();
        let answer = input(&mut state, self.clock.now());
        while let Some(event) = state.peers.poll_event() {
            self.follow(&state, event);
        }
        answer
    }

    fn follow(&self, state: &State, event: Event) {
        match event {
            Event::Banned { target, .. } => {
                tracing::debug!(?target, code = "net.banned", "banned for its faults")
            }
            Event::Disconnect { link, reason } => {
                if let Some(link) = state.links.get(&link) {
                    link.mailbox.close(reason);
                }
            }
            Event::Hungry => self.say_hungry(true),
            Event::Satisfied => self.say_hungry(false),
            Event::Remember(peers) => {
                self.wants.memory.send_replace(peers);
            }
            Event::Resolve(key) => {
                self.wants.unresolved.send_if_modified(|keys| keys.insert(key));
            }
        }
    }

    fn say_hungry(&self, hungry: bool) {
        self.wants.hungry.send_if_modified(|was| std::mem::replace(was, hungry) != hungry);
    }

    fn forget_unresolved(&self, key: &PublicKey) {
        self.wants.unresolved.send_if_modified(|keys| keys.remove(key));
    }

    /// No code that can panic runs under it, so a poisoned lock still holds a whole value.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    pub(crate) const fn peer(&self) -> PeerId {
        PeerId(self.link)
    }

    /// Both Hellos are there: the key is proved. Another link of it may have to go.
    pub(crate) fn establish(&self, established: Established) -> Result<(), DisconnectReason> {
        self.registry.tell(|state, now| {
            if let Some(other) = state.peers.establish(now, self.link)?
                && let Some(other) = state.links.get_mut(&other)
            {
                other.established = None;
                other.mailbox.close(DisconnectReason::ALREADY_CONNECTED);
            }
            if let Some(link) = state.links.get_mut(&self.link) {
                link.established = Some(established);
            }
            Ok(())
        })
    }

    /// Whether the peer is static or trusted.
    pub(crate) fn is_exempt(&self) -> bool {
        let now = self.registry.clock.now();
        let peers = self.registry.lock().peers.peers(now);
        peers.iter().any(|peer| peer.link == self.link && (peer.fixed || peer.trusted))
    }

    /// The peer answered a ping.
    pub(crate) fn answered(&self, rtt: Duration) {
        self.registry.answered(self.peer(), rtt);
    }

    /// The link is over.
    pub(crate) fn end(mut self, ending: Ending) {
        self.over(ending);
    }

    fn over(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let established = self.registry.quietly(|state, now| {
            let link = state.links.remove(&self.link);
            state.peers.closed(now, self.link, ending);
            link.is_some_and(|link| link.established.is_some())
        });
        if established {
            self.registry.changed.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.over(Ending::Broken);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.registry.quietly(|state, _| state.peers.accept_over(self.from));
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
