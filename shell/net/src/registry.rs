//! Who is connected, and who may be. Behind one lock that is never held across an await.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use undertone_base::{Mono, Unix};
use undertone_crypto::PublicKey;
use undertone_devp2p::{DisconnectReason, Enode, Shared};

use crate::address::Throttle;
use crate::config::{Direction, PeerId, PeerView, SendRefused};
use crate::limits::{QUEUED_BYTES, QUEUED_MESSAGES};

/// A message on its way to a connection's task.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) capability: usize,
    pub(crate) code: u64,
    pub(crate) payload: Vec<u8>,
}

/// The sending side of a connection's task. Overflow: refused, the sender keeps its message.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    messages: mpsc::Sender<Outgoing>,
    bytes: Arc<AtomicUsize>,
    close: mpsc::Sender<DisconnectReason>,
}

/// Its receiving side.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) messages: mpsc::Receiver<Outgoing>,
    bytes: Arc<AtomicUsize>,
    /// The first reason counts; capacity one, more are dropped.
    pub(crate) close: mpsc::Receiver<DisconnectReason>,
}

pub(crate) fn mailbox() -> (Mailbox, Inbox) {
    let (messages, messages_out) = mpsc::channel(QUEUED_MESSAGES);
    let (close, close_out) = mpsc::channel(1);
    let bytes = Arc::new(AtomicUsize::new(0));
    let inbox = Inbox { messages: messages_out, bytes: Arc::clone(&bytes), close: close_out };
    (Mailbox { messages, bytes, close }, inbox)
}

impl Mailbox {
    fn send(&self, message: Outgoing) -> Result<(), SendRefused> {
        let size = message.payload.len();
        let before = self.bytes.fetch_add(size, Ordering::AcqRel);
        let sent = if before > 0 && before.saturating_add(size) > QUEUED_BYTES {
            Err(SendRefused::Full)
        } else {
            self.messages.try_send(message).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendRefused::Full,
                mpsc::error::TrySendError::Closed(_) => SendRefused::Gone,
            })
        };
        if sent.is_err() {
            self.bytes.fetch_sub(size, Ordering::AcqRel);
        }
        sent
    }

    fn close(&self, reason: DisconnectReason) {
        // Full: it is closing already. Closed: it is gone.
        let _ = self.close.try_send(reason);
    }
}

impl Inbox {
    /// To be called for each message received: its bytes no longer wait here.
    pub(crate) fn taken(&self, message: &Outgoing) {
        self.bytes.fetch_sub(message.payload.len(), Ordering::AcqRel);
    }
}

/// Connections that have authenticated, and static peers.
#[derive(Debug)]
pub(crate) struct Registry {
    own: PublicKey,
    max_peers: usize,
    max_message: usize,
    state: Mutex<State>,
    /// Changes whenever a connection goes.
    gone: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Bounded by the pending handshakes, `max_peers` and the static peers.
    peers: BTreeMap<PeerId, Entry>,
    /// Those whose Hello is there.
    keys: BTreeMap<PublicKey, PeerId>,
    /// Grows by the caller's hand only.
    statics: BTreeMap<PublicKey, (Enode, CancellationToken)>,
    throttle: Throttle,
}

#[derive(Debug)]
struct Entry {
    key: PublicKey,
    address: SocketAddr,
    direction: Direction,
    mailbox: Mailbox,
    established: Option<Established>,
}

/// What a Hello added.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) client: String,
    pub(crate) shared: Vec<Shared>,
    pub(crate) since: Unix,
}

/// A connection's place in the registry, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    registry: Arc<Registry>,
    pub(crate) peer: PeerId,
}

impl Registry {
    pub(crate) fn new(own: PublicKey, max_peers: usize, max_message: usize) -> Arc<Self> {
        let (gone, _) = watch::channel(());
        Arc::new(Self { own, max_peers, max_message, state: Mutex::default(), gone })
    }

    /// The first check, when the handshake has proved a key (`devp2p.md` 7.2), against the peers whose Hello is there.
    /// A link without one counts for nothing: an auth packet can be replayed by anyone, and must neither take a place
    /// of `max_peers` nor keep its true sender out.
    pub(crate) fn admit(
        self: &Arc<Self>,
        key: PublicKey,
        address: SocketAddr,
        direction: Direction,
        mailbox: Mailbox,
    ) -> Result<Slot, DisconnectReason> {
        let mut state = self.lock();
        if direction == Direction::Inbound && state.keys.len() >= self.max_peers {
            return Err(DisconnectReason::TOO_MANY_PEERS);
        }
        if state.keys.contains_key(&key) {
            return Err(DisconnectReason::ALREADY_CONNECTED);
        }
        if key == self.own {
            return Err(DisconnectReason::SELF);
        }
        let peer = PeerId(state.next);
        state.next = state.next.saturating_add(1);
        state.peers.insert(peer, Entry { key, address, direction, mailbox, established: None });
        Ok(Slot { registry: Arc::clone(self), peer })
    }

    /// The second check, when both Hellos are there.
    ///
    /// Two nodes that dial each other at once could each refuse the link that the other keeps, and none would be left.
    /// So the link that the larger key dialled takes the other's place, as both sides can tell.
    ///
    /// DEVIATION: geth has no tie-break (`devp2p.md` 7.3); towards it a pause with jitter does what this cannot. Test:
    /// `of_two_links_at_once_both_sides_keep_the_same`.
    fn establish(&self, peer: PeerId, established: Established) -> Result<(), DisconnectReason> {
        let mut state = self.lock();
        let State { peers, keys, .. } = &mut *state;
        let gone = DisconnectReason::REQUESTED;
        let (key, direction) = peers.get(&peer).map(|entry| (entry.key, entry.direction)).ok_or(gone)?;
        let ours_stays = self.own > key;
        match keys.get(&key).and_then(|known| peers.get_mut(known)) {
            Some(known)
                if known.direction != direction && ours_stays == (direction == Direction::Dialled) =>
            {
                known.established = None;
                known.mailbox.close(DisconnectReason::ALREADY_CONNECTED);
            }
            Some(_) => return Err(DisconnectReason::ALREADY_CONNECTED),
            None if direction == Direction::Inbound && keys.len() >= self.max_peers => {
                return Err(DisconnectReason::TOO_MANY_PEERS);
            }
            None => {}
        }
        keys.insert(key, peer);
        peers.get_mut(&peer).ok_or(gone)?.established = Some(established);
        Ok(())
    }

    pub(crate) fn is_connected(&self, key: &PublicKey) -> bool {
        self.lock().keys.contains_key(key)
    }

    pub(crate) fn gone(&self) -> watch::Receiver<()> {
        self.gone.subscribe()
    }

    pub(crate) fn send(&self, peer: PeerId, message: Outgoing) -> Result<(), SendRefused> {
        let size = message.payload.len();
        let mailbox = {
            let state = self.lock();
            let entry = state.peers.get(&peer).ok_or(SendRefused::Gone)?;
            let established = entry.established.as_ref().ok_or(SendRefused::Gone)?;
            let shared = established.shared.get(message.capability).ok_or(SendRefused::UnknownMessage)?;
            shared.id_of(message.code).ok_or(SendRefused::UnknownMessage)?;
            entry.mailbox.clone()
        };
        if size > self.max_message {
            return Err(SendRefused::TooLarge { size, max: self.max_message });
        }
        mailbox.send(message)
    }

    pub(crate) fn disconnect(&self, peer: PeerId, reason: DisconnectReason) {
        if let Some(entry) = self.lock().peers.get(&peer) {
            entry.mailbox.close(reason);
        }
    }

    pub(crate) fn peers(&self) -> Vec<PeerView> {
        let view = |(peer, entry): (&PeerId, &Entry)| {
            let established = entry.established.as_ref()?;
            Some(PeerView {
                peer: *peer,
                key: entry.key,
                address: entry.address,
                direction: entry.direction,
                client: established.client.clone(),
                capabilities: established.shared.iter().map(|shared| shared.capability.clone()).collect(),
                since: established.since,
            })
        };
        self.lock().peers.iter().filter_map(view).collect()
    }

    pub(crate) fn throttle(&self, ip: IpAddr, now: Mono) -> bool {
        self.lock().throttle.admit(ip, now)
    }

    /// Remembers a static peer under a token that stops its dialler; `false` when it is known exactly so already.
    /// Another endpoint of a known key replaces it.
    pub(crate) fn add_static(&self, enode: &Enode, stop: CancellationToken) -> bool {
        let mut state = self.lock();
        match state.statics.insert(*enode.key(), (enode.clone(), stop)) {
            Some((known, token)) if known == *enode => {
                state.statics.insert(*enode.key(), (known, token));
                false
            }
            Some((_, token)) => {
                token.cancel();
                true
            }
            None => true,
        }
    }

    /// Stops the dialler, and its link or the one that the peer made.
    pub(crate) fn remove_static(&self, key: &PublicKey) {
        let mut state = self.lock();
        let Some((_, token)) = state.statics.remove(key) else { return };
        token.cancel();
        if let Some(entry) = state.keys.get(key).and_then(|peer| state.peers.get(peer)) {
            entry.mailbox.close(DisconnectReason::REQUESTED);
        }
    }

    /// No code that can panic runs under it, so a poisoned lock still holds a whole value.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The second check, when both Hellos are there.
    pub(crate) fn establish(&self, established: Established) -> Result<(), DisconnectReason> {
        self.registry.establish(self.peer, established)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        {
            let mut state = self.registry.lock();
            if let Some(entry) = state.peers.remove(&self.peer)
                && state.keys.get(&entry.key) == Some(&self.peer)
            {
                state.keys.remove(&entry.key);
            }
        }
        self.registry.gone.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use undertone_devp2p::{Capability, NodeKey};

    use super::*;

    const MAX: usize = 2;

    fn key(seed: u64) -> PublicKey {
        NodeKey::random(&mut undertone_support::rng(seed)).public()
    }

    fn registry(own: PublicKey) -> Arc<Registry> {
        Registry::new(own, MAX, 1_000)
    }

    fn admit(
        registry: &Arc<Registry>,
        key: PublicKey,
        direction: Direction,
    ) -> Result<(Slot, Inbox), DisconnectReason> {
        let (mailbox, inbox) = mailbox();
        let slot = registry.admit(key, ([127, 0, 0, 1], 1).into(), direction, mailbox)?;
        Ok((slot, inbox))
    }

    fn hello() -> Established {
        let shared = Shared { capability: Capability::new("shh", 6), offset: 16, length: 128 };
        Established { client: String::new(), shared: vec![shared], since: Unix::from_secs(1) }
    }

    #[test]
    fn a_replayed_auth_takes_nobodys_place() {
        let registry = registry(key(1));
        let replayed: Vec<_> =
            (0..50).map(|_| admit(&registry, key(2), Direction::Inbound).unwrap()).collect();
        let (slot, _inbox) = admit(&registry, key(2), Direction::Inbound).unwrap();
        assert!(!registry.is_connected(&key(2)));
        slot.establish(hello()).unwrap();
        let late = &replayed.first().unwrap().0;
        assert_eq!(late.establish(hello()), Err(DisconnectReason::ALREADY_CONNECTED));
        drop(replayed);
        assert!(registry.is_connected(&key(2)));
        assert_eq!(registry.peers().len(), 1);
        drop(slot);
        assert!(!registry.is_connected(&key(2)));
    }

    #[test]
    fn admission_refuses_self_duplicates_and_too_many() {
        let registry = registry(key(1));
        let refused = |key, direction| admit(&registry, key, direction).err();
        assert_eq!(refused(key(1), Direction::Inbound), Some(DisconnectReason::SELF));
        let links = [2, 3, 4].map(|seed| admit(&registry, key(seed), Direction::Inbound).unwrap());
        assert_eq!(links[0].0.establish(hello()), Ok(()));
        assert_eq!(refused(key(2), Direction::Dialled), Some(DisconnectReason::ALREADY_CONNECTED));
        assert_eq!(links[1].0.establish(hello()), Ok(()));
        assert_eq!(links[2].0.establish(hello()), Err(DisconnectReason::TOO_MANY_PEERS));
        assert_eq!(refused(key(5), Direction::Inbound), Some(DisconnectReason::TOO_MANY_PEERS));
        let (dialled, _inbox) = admit(&registry, key(5), Direction::Dialled).unwrap();
        assert_eq!(dialled.establish(hello()), Ok(()), "whom we dial is let in");
        assert_eq!(registry.peers().len(), MAX + 1);
    }

    /// Whatever the order in which each side sees the two links.
    #[test]
    fn of_two_links_at_once_both_sides_keep_the_same() {
        let (a, b) = (key(1), key(2));
        // Who dialled the link that is left, seen from `own` when its links come in this order.
        let kept = |own: PublicKey, other: PublicKey, order: [Direction; 2]| {
            let registry = registry(own);
            let links = order.map(|direction| admit(&registry, other, direction).unwrap());
            assert_eq!(links[0].0.establish(hello()), Ok(()));
            let second = links[1].0.establish(hello());
            let mut links = links;
            assert_eq!(links[0].1.close.try_recv().is_ok(), second.is_ok(), "the other one is told to close");
            let peers = registry.peers();
            assert_eq!(peers.len(), 1);
            if peers[0].direction == Direction::Dialled { own } else { other }
        };
        for (own, other) in [(a, b), (b, a)] {
            for order in [[Direction::Dialled, Direction::Inbound], [Direction::Inbound, Direction::Dialled]]
            {
                assert_eq!(kept(own, other, order), a.max(b));
            }
        }
    }

    #[test]
    fn a_mailbox_is_bounded_in_messages_and_in_bytes() {
        let message = |size| Outgoing { capability: 0, code: 0, payload: vec![0; size] };
        let (mailbox, mut inbox) = mailbox();
        for _ in 0..QUEUED_MESSAGES {
            assert_eq!(mailbox.send(message(1)), Ok(()));
        }
        assert_eq!(mailbox.send(message(1)), Err(SendRefused::Full));
        while let Ok(message) = inbox.messages.try_recv() {
            inbox.taken(&message);
        }
        assert_eq!(mailbox.send(message(QUEUED_BYTES + 1)), Ok(()), "a large one alone");
        assert_eq!(mailbox.send(message(1)), Err(SendRefused::Full));
        let large = inbox.messages.try_recv().unwrap();
        inbox.taken(&large);
        assert_eq!(mailbox.send(message(QUEUED_BYTES)), Ok(()));
        assert_eq!(mailbox.send(message(0)), Ok(()));
        assert_eq!(mailbox.send(message(1)), Err(SendRefused::Full));
        drop(inbox);
        let gone = self::mailbox().0;
        assert_eq!(gone.send(message(1)), Err(SendRefused::Gone));
    }
}
