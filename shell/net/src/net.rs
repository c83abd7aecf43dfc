//! The handle and what its tasks share.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use undertone_base::{FaultClass, Mono};
use undertone_crypto::PublicKey;
use undertone_devp2p::{Config, DisconnectReason, Endpoint, Enode, Host};
use undertone_peers::{BanTarget, Counts, Remembered, Source, StaticError};
use undertone_runtime::{Environment, FileLimit, Tasks};

use crate::config::{NetConfig, NetError, NetEvent, PeerId, PeerView, SendRefused};
use crate::limits::{EVENTS, HANDSHAKES_AT_ONCE};
use crate::mailbox::Outgoing;
use crate::registry::Registry;
use crate::stats::{Counters, Stats};
use crate::{dial, listen};

/// The peers of a node. Clones are the same network; when the last is dropped, or the tasks are stopped, the peers
/// are told that the client goes.
#[derive(Clone, Debug)]
pub struct Net {
    inner: Arc<Inner>,
    enode: Arc<Enode>,
    _guard: Arc<DropGuard>,
}

/// What the tasks of a network share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) env: Environment,
    pub(crate) session: Config,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stats: Stats,
    pub(crate) stop: CancellationToken,
    /// For large frames, while they are received.
    pub(crate) large_frames: Arc<Semaphore>,
    /// For the cryptography of handshakes.
    pub(crate) handshakes: Arc<Semaphore>,
    /// Overflow: the connection waits and does not read its peer meanwhile.
    pub(crate) events: mpsc::Sender<NetEvent>,
}

impl Net {
    /// Listens, and begins to dial. May be cancelled: nothing has started then. The limit of open files is raised as
    /// far as the process may.
    ///
    /// Events must be taken without long pauses: while they wait the peers are not read, and after 30 s of that their
    /// links end as timed out. When the receiver is dropped all links end.
    ///
    /// # Errors
    /// [`NetError::Listen`].
    pub async fn start(
        config: NetConfig,
        env: &Environment,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<NetEvent>), NetError> {
        let peers = manager(&config);
        let NetConfig {
            key, client, offers, listen, static_peers, trusted, max_message, large_frames, ..
        } = config;
        let listener = match listen {
            None => None,
            Some(address) => Some(bind(address).await?),
        };
        let (events, receiver) = mpsc::channel(EVENTS);
        let stop = tasks.token().child_token();
        let own = key.public();
        let inner = Arc::new(Inner {
            env: env.clone(),
            session: Config::new(key, &client, offers).max_message(max_message),
            registry: Registry::new(peers, max_message, env.clock().clone(), env.rng()),
            stats: Stats::default(),
            stop: stop.clone(),
            large_frames: Arc::new(Semaphore::new(large_frames)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE)),
            events,
        });
        let net = Self {
            inner: Arc::clone(&inner),
            enode: Arc::new(enode(own, listener.as_ref().map(|(_, address)| *address))),
            _guard: Arc::new(stop.drop_guard()),
        };
        for key in trusted {
            net.trust(key);
        }
        for peer in static_peers {
            if let Err(error) = net.add_static(peer.clone()) {
                tracing::warn!(%peer, code = error.code(), "left out: {error}");
            }
        }
        if let Some((listener, address)) = listener {
            tracing::info!(%address, "listening");
            tasks.spawn("net.listen", listen::accept(Arc::clone(&inner), listener, tasks.clone()));
        }
        tasks.spawn("net.dialler", dial::run(inner, tasks.clone()));
        Ok((net, receiver))
    }

    /// Where this node can be dialled, with the port that it really has. A node that listens on every address is
    /// shown as 127.0.0.1 (or ::1): which of its addresses others can reach it does not know. Port 0: it does not
    /// listen.
    pub fn enode(&self) -> Enode {
        Enode::clone(&self.enode)
    }

    /// Keeps a peer connected from now on, free of every limit: dials it now and whenever it is not. Another endpoint of a
    /// known key replaces it. `false` when it is known exactly so already.
    ///
    /// # Errors
    /// [`StaticError`]; nothing has changed then.
    pub fn add_static(&self, peer: Enode) -> Result<bool, StaticError> {
        self.inner.registry.add_static(peer)
    }

    /// Stops keeping a peer connected, and disconnects it with 0x00, whoever made the link. `false` when it was not
    /// static.
    pub fn remove_static(&self, key: &PublicKey) -> bool {
        self.inner.registry.remove_static(key)
    }

    /// Static peers that are not connected.
    pub fn absent(&self) -> Vec<Enode> {
        let statics = self.inner.registry.statics().into_iter();
        statics.filter(|peer| peer.link.is_none()).map(|peer| peer.enode).collect()
    }

    /// Lets a key in whatever the limits. `false` when it was trusted already.
    pub fn trust(&self, key: PublicKey) -> bool {
        self.inner.registry.trust(key)
    }

    /// Takes trust back: a live link needs a place like others then, or ends. `false` when it was not trusted.
    pub fn untrust(&self, key: &PublicKey) -> bool {
        self.inner.registry.untrust(key)
    }

    /// The trusted keys.
    pub fn trusted(&self) -> Vec<PublicKey> {
        self.inner.registry.trusted()
    }

    /// Neither dials nor lets it in for this long, for ever with `None`, and ends its links. Stronger than static and
    /// trusted.
    pub fn ban(&self, target: BanTarget, span: Option<Duration>) {
        self.inner.registry.ban(target, span);
    }

    /// Ends a ban. `false` when there was none.
    pub fn unban(&self, target: BanTarget) -> bool {
        self.inner.registry.unban(target)
    }

    /// Who is banned, and for how much longer; `None` for ever.
    pub fn bans(&self) -> Vec<(BanTarget, Option<Duration>)> {
        self.inner.registry.bans()
    }

    /// A node that discovery found: dialled when there is a place for it. Whether it is among the candidates now.
    pub fn found(&self, enode: Enode, source: Source) -> bool {
        self.inner.registry.found(enode, source)
    }

    /// The peer delivered this many valid envelopes that nobody had delivered before.
    pub fn useful(&self, peer: PeerId, new_envelopes: u32) {
        self.inner.registry.useful(peer, new_envelopes);
    }

    /// The peer did something wrong that does not end the link by itself. Enough of it is a ban.
    pub fn fault(&self, peer: PeerId, fault: FaultClass) {
        self.inner.registry.fault(peer, fault);
    }

    /// Whether more candidates are wanted: discovery should walk then, and rest otherwise.
    pub fn hungry(&self) -> watch::Receiver<bool> {
        self.inner.registry.hungry()
    }

    /// Static peers that are unreachable or have no endpoint: look their endpoints up, and say [`Net::resolved`] of each.
    pub fn unresolved(&self) -> watch::Receiver<BTreeSet<PublicKey>> {
        self.inner.registry.unresolved()
    }

    /// What looking up an unresolved static peer gave.
    pub fn resolved(&self, key: &PublicKey, enode: Option<Enode>) {
        self.inner.registry.resolved(key, enode);
    }

    /// What to write to disk for the next start, whenever it changes: the whole list.
    pub fn memory(&self) -> watch::Receiver<Vec<Remembered>> {
        self.inner.registry.memory()
    }

    /// The same at this moment, to be written at shutdown.
    pub fn remembered(&self) -> Vec<Remembered> {
        self.inner.registry.remembered()
    }

    /// Numbers of the peer manager.
    pub fn counts(&self) -> Counts {
        self.inner.registry.counts()
    }

    /// Queues a message of a shared capability. Messages to a peer keep their order.
    ///
    /// # Errors
    /// [`SendRefused`]; nothing was queued.
    pub fn send(
        &self,
        peer: PeerId,
        capability: usize,
        code: u64,
        payload: Vec<u8>,
    ) -> Result<(), SendRefused> {
        self.inner.registry.send(peer, Outgoing { capability, code, payload })
    }

    /// Reads nothing from a peer before then: it sends more than is wanted. The latest word counts, and one in the past
    /// ends the pause. What was read already still comes, of one read at most. Whoever defers for longer than a second at
    /// a time makes the peer look dead.
    pub fn defer(&self, peer: PeerId, until: Mono) {
        self.inner.registry.defer(peer, until);
    }

    /// Ends a link, after what was queued for it. An unknown peer is gone already.
    pub fn disconnect(&self, peer: PeerId, reason: DisconnectReason) {
        self.inner.registry.disconnect(peer, reason);
    }

    /// Who is connected, in the order in which they came.
    pub fn peers(&self) -> Vec<PeerView> {
        self.inner.registry.peers()
    }

    /// What happened since the start.
    pub fn stats(&self) -> Counters {
        self.inner.stats.read()
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), NetError> {
    let refused = |source| NetError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

fn manager(config: &NetConfig) -> undertone_peers::Config {
    let limit = FileLimit::raise();
    let possible = limit.peers();
    if possible < config.max_peers {
        tracing::warn!(
            wanted = config.max_peers,
            possible,
            soft = limit.soft,
            hard = limit.hard,
            code = "net.files",
            "fewer peers than configured: the process may not open enough files; raise its hard limit"
        );
    }
    undertone_peers::Config {
        own: config.key.public(),
        max_peers: config.max_peers.min(possible),
        dial_ratio: config.dial_ratio,
        dynamic: config.dynamic,
        restrict: config.restrict.clone(),
        boot: config.boot.clone(),
        remembered: config.remembered.clone(),
    }
}

fn enode(key: PublicKey, bound: Option<SocketAddr>) -> Enode {
    let (ip, tcp) = bound.map_or((IpAddr::V4(Ipv4Addr::LOCALHOST), 0), |bound| (bound.ip(), bound.port()));
    let ip = match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Enode::new(key, Endpoint { host: Host::Ip(ip), tcp, udp: 0 })
}

#[cfg(test)]
mod tests {
    use undertone_devp2p::NodeKey;

    use super::*;

    #[test]
    fn peers_are_as_many_as_sockets_may_be_opened() {
        let key = NodeKey::random(&mut undertone_support::rng(1));
        let max_peers = |max_peers| {
            manager(&NetConfig { max_peers, ..NetConfig::new(key.clone(), "", vec![]) }).max_peers
        };
        assert_eq!(max_peers(5), 5);
        assert_eq!(max_peers(usize::MAX), FileLimit::current().peers());
    }

    #[test]
    fn an_enode_shows_an_address_that_can_be_dialled() {
        let key = NodeKey::random(&mut undertone_support::rng(1)).public();
        let shown = |bound: Option<&str>| {
            let text = enode(key, bound.map(|bound| bound.parse().unwrap())).to_string();
            text.split_once('@').unwrap().1.to_owned()
        };
        assert_eq!(shown(Some("0.0.0.0:30303")), "127.0.0.1:30303?discport=0");
        assert_eq!(shown(Some("[::]:30303")), "[::1]:30303?discport=0");
        assert_eq!(shown(Some("192.168.1.2:5")), "192.168.1.2:5?discport=0");
        assert_eq!(shown(None), "127.0.0.1:0");
    }
}
