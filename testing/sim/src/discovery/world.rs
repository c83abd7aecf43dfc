//! Who has which address and which keys.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use undertone_devp2p::discv4::Contact;
use undertone_devp2p::enr::{Entries, LocalRecord};
use undertone_devp2p::{Enode, NodeKey};

use super::plan::DiscoveryPlan;
use crate::engine::NodeId;
use crate::scenario::Scenario;

/// Port of discovery and of links; a liar's other keys have the next ones.
pub(super) const PORT: u16 = 30_303;

/// Most keys of a liar: as many ports.
pub(super) const MAX_KEYS: u32 = 1_000;

/// The stream of the generator that draws keys; next to that of the layout.
const KEYS: u64 = u64::MAX - 1;

/// First addresses: of honest nodes, of liars, and of nobody.
const HONEST: u32 = 0x2200_0000;
const HOSTILE: u32 = 0x3c00_0000;
const NOWHERE: u32 = 0x5a00_0000;

/// Networks of /16 that nodes are in; also the most /24 that each of them is cut into.
const WIDE: u32 = 256;

/// A key and where it is reached.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) key: NodeKey,
    pub(super) contact: Contact,
}

/// All of the scenario that does not change.
#[derive(Debug)]
pub(super) struct World {
    /// By node.
    pub(super) honest: Vec<Identity>,
    /// By node and key: the keys of the first liar, of the second, …
    pub(super) hostile: Vec<Identity>,
    /// Keys of each liar.
    keys: usize,
    pub(super) boot: Vec<Enode>,
    /// Nodes below this one relay envelopes.
    pub(super) relays: NodeId,
    /// Who is honest, by the address.
    nodes: BTreeMap<IpAddr, NodeId>,
}

impl World {
    pub(super) fn new(scenario: &Scenario, plan: &DiscoveryPlan) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(scenario.seed);
        rng.set_stream(KEYS);
        let mut identity = |ip, port| {
            let key = NodeKey::random(&mut rng);
            let contact = Contact::new(key.public(), SocketAddr::new(ip, port), port);
            Identity { key, contact }
        };
        let count = scenario.honest();
        let honest: Vec<_> = (0..count).map(|n| identity(place(HONEST, n, plan.per_prefix), PORT)).collect();
        let liars = scenario.nodes.saturating_sub(count);
        let ports = || (PORT..).take(plan.liars.keys as usize);
        let hostile = (0..liars)
            .flat_map(|n| ports().map(move |port| (place(HOSTILE, n, plan.liars.per_prefix), port)))
            .map(|(ip, port)| identity(ip, port))
            .collect();
        let boot = honest.iter().take(plan.boot as usize).map(|node| node.contact.to_enode()).collect();
        let nodes =
            (0..).map(NodeId).zip(&honest).map(|(node, known)| (known.contact.address.ip(), node)).collect();
        let relays = NodeId(if plan.liars.relays { scenario.nodes } else { count });
        Self { honest, relays, hostile, keys: plan.liars.keys as usize, boot, nodes }
    }

    /// The keys of a liar, which is the `number`th of them.
    pub(super) fn keys_of(&self, number: usize) -> &[Identity] {
        self.hostile.chunks(self.keys).nth(number).unwrap_or_default()
    }

    /// Addresses by node, the liars' last.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let liars = self.hostile.iter().step_by(self.keys);
        self.honest.iter().chain(liars).map(|known| known.contact.address.ip())
    }

    pub(super) fn is_honest(&self, node: NodeId) -> bool {
        node.index() < self.honest.len()
    }

    /// The honest node at an address.
    pub(super) fn honest_at(&self, ip: IpAddr) -> Option<NodeId> {
        self.nodes.get(&ip).copied()
    }
}

/// A record that says where a node is.
pub(super) fn record(key: &NodeKey, at: SocketAddr, tcp: u16) -> Option<LocalRecord> {
    LocalRecord::new(key.clone(), Entries::default().with_discovery(at).with_tcp(tcp), None).ok()
}

/// An address at which nobody is.
pub(super) fn nowhere(number: u32) -> IpAddr {
    place(NOWHERE, number % (WIDE * WIDE), 1)
}

/// The `number`th address from `first` on: so many in a /24, and these spread over [`WIDE`] networks of /16.
fn place(first: u32, number: u32, per_prefix: u32) -> IpAddr {
    let (prefix, host) = (number / per_prefix, number % per_prefix + 1);
    let (wide, narrow) = (prefix % WIDE, prefix / WIDE);
    IpAddr::from((first | wide << 16 | narrow << 8 | host).to_be_bytes())
}
