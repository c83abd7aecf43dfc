//! The handle and what its tasks share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use undertone_crypto::PublicKey;
use undertone_devp2p::{Config, DisconnectReason, Endpoint, Enode, Host};
use undertone_runtime::{Environment, Tasks};

use crate::config::{NetConfig, NetError, NetEvent, PeerId, PeerView, SendRefused};
use crate::limits::{EVENTS, MAX_DIALS};
use crate::registry::{Outgoing, Registry};
use crate::stats::{Counters, Stats};
use crate::{dial, listen};

/// The peers of a node. Clones are the same network; when the last is dropped, or the tasks are stopped, the peers
/// are told that the client goes.
#[derive(Clone, Debug)]
pub struct Net {
    inner: Arc<Inner>,
    tasks: Tasks,
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
    pub(crate) dials: Semaphore,
    /// Overflow: the connection waits and does not read its peer meanwhile.
    pub(crate) events: mpsc::Sender<NetEvent>,
}

impl Net {
    /// Listens, and begins to dial the static peers. May be cancelled: nothing has started then.
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
        let NetConfig { key, client, offers, listen, static_peers, max_peers, max_message } = config;
        let (listener, address) = match listen {
            None => (None, None),
            Some(address) => {
                let refused = |source| NetError::Listen { address, source };
                let listener = TcpListener::bind(address).await.map_err(refused)?;
                let bound = listener.local_addr().map_err(refused)?;
                (Some(listener), Some(bound))
            }
        };
        let (events, receiver) = mpsc::channel(EVENTS);
        let stop = tasks.token().child_token();
        let own = key.public();
        let inner = Arc::new(Inner {
            env: env.clone(),
            session: Config::new(key, &client, offers).max_message(max_message),
            registry: Registry::new(own, max_peers, max_message),
            stats: Stats::default(),
            stop: stop.clone(),
            dials: Semaphore::new(MAX_DIALS),
            events,
        });
        let net = Self {
            inner: Arc::clone(&inner),
            tasks: tasks.clone(),
            enode: Arc::new(enode(own, address)),
            _guard: Arc::new(stop.drop_guard()),
        };
        if let (Some(listener), Some(address)) = (listener, address) {
            tracing::info!(%address, "listening");
            tasks.spawn("net.listen", listen::accept(inner, listener, tasks.clone()));
        }
        static_peers.into_iter().for_each(|peer| net.add_static(peer));
        Ok((net, receiver))
    }

    /// Where this node can be dialled, with the port that it really has. A node that listens on every address is
    /// shown as 127.0.0.1 (or ::1): which of its addresses others can reach it does not know. Port 0: it does not
    /// listen.
    pub fn enode(&self) -> Enode {
        Enode::clone(&self.enode)
    }

    /// Keeps a peer connected: dials it now and whenever it is not. Another endpoint of a known key replaces it. This
    /// node itself, and an enode without an endpoint or with port 0, is left out with a warning.
    pub fn add_static(&self, peer: Enode) {
        let dialable = peer.endpoint().is_some_and(|endpoint| endpoint.tcp != 0);
        if !dialable || peer.key() == self.enode.key() {
            tracing::warn!(%peer, code = "net.static", "cannot be dialled: left out");
            return;
        }
        let stop = self.inner.stop.child_token();
        if self.inner.registry.add_static(&peer, stop.clone()) {
            self.tasks.spawn("net.dial", dial::keep(Arc::clone(&self.inner), peer, stop));
        }
    }

    /// Stops keeping a peer connected, and disconnects it.
    pub fn remove_static(&self, key: &PublicKey) {
        self.inner.registry.remove_static(key);
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

    /// Ends a link, after what was queued for it. An unknown peer is gone already.
    pub fn disconnect(&self, peer: PeerId, reason: DisconnectReason) {
        self.inner.registry.disconnect(peer, reason);
    }

    /// Who is connected, the longest first.
    pub fn peers(&self) -> Vec<PeerView> {
        self.inner.registry.peers()
    }

    /// What happened since the start.
    pub fn stats(&self) -> Counters {
        self.inner.stats.read()
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
