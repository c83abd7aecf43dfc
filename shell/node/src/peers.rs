//! What can be asked of a running node, and told to it: the functions behind `admin_*`, `net_*` and `doctor`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use undertone_crypto::PublicKey;
use undertone_devp2p::{Capability, Endpoint, Enode, Host, NodeId};
use undertone_discovery::NodeView;
use undertone_nat::NatStatus;
use undertone_net::{Direction, PeerView};
use undertone_peers::skew::SkewPrecision;
use undertone_peers::{BanTarget, StaticError};
use undertone_runtime::FileLimit;
use undertone_whisper::Protocols;

use crate::admin::{BanInfo, NodeInfo, PeerInfo, PeerNetwork, PeerQuality, Ports};
use crate::health::{ClockHealth, DiscoveryHealth, FilesHealth, Health, MappedPort, NatHealth, PeersHealth};
use crate::node::Node;

/// What geth's Whisper calls its version.
const SHH_VERSION: &str = "6.0";
/// What status-go's Waku calls its version, of both.
const WAKU_VERSION: &str = "0";

impl Node {
    /// `admin_nodeInfo`.
    pub fn admin_node_info(&self) -> NodeInfo {
        let enode = self.enode();
        let (ip, ports) = match enode.endpoint() {
            Some(at) => (host(&at.host), Ports { discovery: at.udp, listener: at.tcp }),
            None => (String::new(), Ports { discovery: 0, listener: 0 }),
        };
        let about = |version: &str| {
            json!({
                "version": version,
                "maxMessageSize": undertone_whisper::limits::MAX_MESSAGE,
                "minimumPoW": self.inner.min_pow.value(),
            })
        };
        let Protocols { whisper, waku } = self.inner.protocols;
        let shh = whisper.then(|| ("shh".to_owned(), about(SHH_VERSION)));
        let waku = waku.then(|| ("waku".to_owned(), about(WAKU_VERSION)));
        NodeInfo {
            id: id(&self.inner.own),
            name: self.inner.name.clone(),
            enode: enode.to_string(),
            enr: self.inner.discovery.as_ref().map(|d| d.record().to_string()).unwrap_or_default(),
            ip,
            ports,
            listen_addr: self.inner.listen.map(|at| at.to_string()).unwrap_or_default(),
            protocols: shh.into_iter().chain(waku).collect(),
        }
    }

    /// `admin_peers`.
    pub async fn admin_peers(&self) -> Vec<PeerInfo> {
        let known = match &self.inner.discovery {
            Some(discovery) => discovery.nodes().await,
            None => Vec::new(),
        };
        let known: BTreeMap<PublicKey, NodeView> =
            known.into_iter().map(|node| (*node.enode.key(), node)).collect();
        self.peers().iter().map(|peer| self.peer_info(peer, known.get(&peer.key))).collect()
    }

    /// `admin_addPeer`: stays connected to a node from now on. Whether that is new.
    ///
    /// # Errors
    /// [`StaticError`].
    pub fn admin_add_peer(&self, enode: Enode) -> Result<bool, StaticError> {
        self.inner.net.add_static(enode)
    }

    /// Stays connected to a node from now on; one that cannot be dialled is left out with a warning.
    pub fn add_peer(&self, enode: Enode) {
        if let Err(error) = self.admin_add_peer(enode) {
            tracing::warn!(code = error.code(), "not a peer to stay connected to: {error}");
        }
    }

    /// `admin_removePeer`: stays connected to it no more, and ends its link. Whether it did.
    pub fn admin_remove_peer(&self, key: &PublicKey) -> bool {
        self.inner.net.remove_static(key)
    }

    /// `admin_addTrustedPeer`: lets it in whatever the limits. Whether that is new.
    pub fn admin_add_trusted_peer(&self, key: PublicKey) -> bool {
        self.inner.net.trust(key)
    }

    /// `admin_removeTrustedPeer`: holds it to the limits. Whether it was free of them.
    pub fn admin_remove_trusted_peer(&self, key: &PublicKey) -> bool {
        self.inner.net.untrust(key)
    }

    /// Has nothing to do with a key or an address for a time, or for ever. Its links end.
    pub fn ban(&self, target: BanTarget, span: Option<Duration>) {
        self.inner.net.ban(target, span);
    }

    /// Forgets that, and the faults that led to it. Whether it was so.
    pub fn unban(&self, target: BanTarget) -> bool {
        self.inner.net.unban(target)
    }

    /// Whom it has nothing to do with.
    pub fn bans(&self) -> Vec<BanInfo> {
        let info = |(target, left): (BanTarget, Option<Duration>)| BanInfo {
            who: match target {
                BanTarget::Ip(ip) => ip.to_string(),
                BanTarget::Key(key) => Enode::incomplete(key).to_string(),
            },
            secs: left.map(|left| left.as_secs()),
        };
        self.inner.net.bans().into_iter().map(info).collect()
    }

    /// The nodes to stay connected to that are not connected now.
    pub fn absent(&self) -> Vec<Enode> {
        self.inner.net.absent()
    }

    /// Every key that it has to do with: of peers, of static nodes, and of whom it banned.
    pub fn known(&self) -> Vec<PublicKey> {
        let net = &self.inner.net;
        let mut keys: Vec<PublicKey> = net.peers().iter().map(|peer| peer.key).collect();
        keys.extend(net.absent().iter().map(|enode| *enode.key()));
        keys.extend(net.trusted());
        keys.extend(net.bans().into_iter().filter_map(|(target, _)| match target {
            BanTarget::Key(key) => Some(key),
            BanTarget::Ip(_) => None,
        }));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// How many peers it may have, static and trusted ones not counted.
    pub fn max_peers(&self) -> usize {
        self.inner.max_peers
    }

    /// `net_version`: the number of the Ethereum network. Messages belong to none, so it is 0, which no network has.
    pub fn net_version(&self) -> String {
        "0".to_owned()
    }

    /// `net_listening`.
    pub fn net_listening(&self) -> bool {
        self.inner.listen.is_some()
    }

    /// `net_peerCount`; JSON-RPC shows it as a hexadecimal quantity.
    pub fn net_peer_count(&self) -> usize {
        self.peers().len()
    }

    /// How the node is.
    pub fn health(&self) -> Health {
        let now = self.inner.env.now().mono;
        let estimate = self.inner.skew.lock().estimate(now);
        let clock = estimate.map_or_else(ClockHealth::default, |estimate| ClockHealth {
            offset_ms: Some(estimate.offset_ms),
            at_least: estimate.precision == SkewPrecision::AtLeast,
            sources: estimate.sources,
        });
        Health {
            enode: self.enode().to_string(),
            age_secs: now.since(self.inner.started).as_secs(),
            listen: self.inner.listen,
            clock,
            nat: self.nat_health(),
            discovery: self.discovery_health(),
            peers: self.peers_health(),
            files: files_health(),
        }
    }

    fn peer_info(&self, peer: &PeerView, known: Option<&NodeView>) -> PeerInfo {
        let inbound = peer.direction == Direction::Inbound;
        let at = Endpoint {
            host: Host::Ip(peer.address.ip()),
            tcp: peer.address.port(),
            udp: peer.address.port(),
        };
        let now = self.inner.env.now().unix;
        let about = |Capability { name, version }: &Capability| {
            let name = std::str::from_utf8(name).ok().filter(|name| ["shh", "waku"].contains(name))?;
            Some((name.to_owned(), json!({ "version": version })))
        };
        PeerInfo {
            enode: known.map_or_else(|| Enode::new(peer.key, at), |node| node.enode.clone()).to_string(),
            enr: known.and_then(|node| node.record.as_ref()).map(ToString::to_string),
            id: id(&peer.key),
            name: peer.client.clone(),
            caps: peer.capabilities.iter().map(ToString::to_string).collect(),
            network: PeerNetwork {
                local_address: self
                    .inner
                    .listen
                    .filter(|_| inbound)
                    .map(|at| at.to_string())
                    .unwrap_or_default(),
                remote_address: peer.address.to_string(),
                inbound,
                trusted: peer.trusted,
                fixed: peer.fixed,
            },
            protocols: peer.capabilities.iter().filter_map(about).collect(),
            undertone: PeerQuality {
                age_secs: now.millis().saturating_sub(peer.since.millis()) / 1_000,
                usefulness: peer.usefulness,
                faults: peer.faults,
                rtt_ms: peer.rtt.map(|rtt| u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX)),
            },
        }
    }

    fn nat_health(&self) -> NatHealth {
        let status = self.inner.nat.as_ref().map(|nat| nat.status().borrow().clone());
        let NatStatus { method, gateway, external, second_nat, mapped, error } = status.unwrap_or_default();
        let mapped = mapped.iter().map(|(port, external)| MappedPort {
            protocol: port.protocol.to_string(),
            internal: port.internal,
            external: *external,
        });
        NatHealth {
            mode: self.inner.nat_mode.to_string(),
            method: method.map(|method| method.to_string()),
            gateway,
            external,
            second_nat,
            mapped: mapped.collect(),
            wanted: self.inner.ports,
            error: error.map(|error| error.to_string()),
        }
    }

    fn discovery_health(&self) -> Option<DiscoveryHealth> {
        let (discovery, starts) = (self.inner.discovery.as_ref()?, self.inner.starts?);
        let stats = discovery.stats();
        Some(DiscoveryHealth {
            udp: discovery.local_addr(),
            v4: starts.v4.then_some(stats.sizes.table),
            v5: starts.v5.then_some(stats.v5_table),
            starts: starts.given,
        })
    }

    fn peers_health(&self) -> PeersHealth {
        let (peers, counts) = (self.peers(), self.inner.net.counts());
        let inbound = || peers.iter().filter(|peer| peer.direction == Direction::Inbound);
        PeersHealth {
            connected: peers.len(),
            inbound: inbound().count(),
            from_outside: inbound().filter(|peer| !peer.address.ip().to_canonical().is_loopback()).count(),
            max: self.inner.max_peers,
            candidates: counts.candidates,
            banned: counts.banned,
        }
    }
}

fn id(key: &PublicKey) -> String {
    let text = NodeId::of(key).to_string();
    text.strip_prefix("0x").map(str::to_owned).unwrap_or(text)
}

fn host(host: &Host) -> String {
    match host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    }
}

fn files_health() -> FilesHealth {
    let limit = FileLimit::current();
    // Linux lists them; elsewhere the number is not known.
    let open = std::fs::read_dir("/proc/self/fd").ok().and_then(|list| u64::try_from(list.count()).ok());
    FilesHealth { soft: limit.soft, hard: limit.hard, open }
}
