//! An honest node: discovery, joined to datagrams as the shell joins it to a socket, and its peers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use undertone_base::Mono;
use undertone_devp2p::NodeId as Id;
use undertone_devp2p::discv4::{Config, Contact, Discovery, Event, Input, StoredNode, Walk};
use undertone_devp2p::enr::{LocalRecord, Record};
use undertone_peers::Remembered;

use super::company::{Company, Peer, Wish};
use super::node::Node;
use super::plan::{DiscoveryPlan, PeersPlan};
use super::world::{Identity, World, record};
use crate::engine::{Cx, LinkChange, LinkId};

/// How many nodes are enough to count as having found the network.
const ENOUGH: usize = 10;

/// What survives a crash.
#[derive(Debug, Default)]
struct Disk {
    nodes: BTreeMap<Id, StoredNode>,
    record: Option<Record>,
    peers: Vec<Remembered>,
}

/// A node that does as it should.
#[derive(Debug)]
pub(super) struct Honest {
    world: Rc<World>,
    me: Identity,
    walk: Walk,
    peers: Option<PeersPlan>,
    disk: Disk,
    discovery: Option<Discovery>,
    company: Option<Company>,
    started: Mono,
    /// When it first knew enough nodes.
    enough: Option<Mono>,
}

impl Honest {
    pub(super) fn new(world: Rc<World>, me: Identity, plan: &DiscoveryPlan) -> Self {
        Self {
            world,
            me,
            walk: if plan.walk { Walk::On } else { Walk::Off },
            peers: plan.peers,
            disk: Disk::default(),
            discovery: None,
            company: None,
            started: Mono::ZERO,
            enough: None,
        }
    }

    /// Who is linked to it.
    pub(super) fn peers(&self) -> Vec<Peer> {
        self.company.as_ref().map_or_else(Vec::new, |company| company.standing().collect())
    }

    /// Who is in its table and answered.
    pub(super) fn known(&self) -> Vec<&Contact> {
        self.discovery.as_ref().map_or_else(Vec::new, |discovery| discovery.nodes().collect())
    }

    /// How long it took to know enough nodes, in milliseconds.
    pub(super) fn took(&self) -> Option<u32> {
        self.enough.and_then(|at| u32::try_from(at.since(self.started).as_millis()).ok())
    }

    /// Whether its record says another place than where it is.
    pub(super) fn is_misled(&self) -> bool {
        let says = self.discovery.as_ref().and_then(|discovery| discovery.record().discovery_address());
        says.is_some_and(|at| at != self.me.contact.address)
    }

    pub(super) fn start(&mut self, cx: &mut Cx<'_, Node>) {
        let Some(local) = self.local() else { return };
        let mut stored: Vec<StoredNode> = self.disk.nodes.values().cloned().collect();
        stored.sort_by_key(|node| Reverse(node.last_pong));
        let config = Config { boot: self.world.boot.clone(), stored, walk: self.walk, ..Config::new(local) };
        self.discovery = Some(Discovery::new(config, cx.now()));
        (self.started, self.enough) = (cx.now().mono, None);
        let remembered = self.disk.peers.clone();
        self.company = self.peers.map(|plan| Company::new(cx, plan, &self.world, &self.me, remembered));
        self.timer(cx);
    }

    fn local(&self) -> Option<LocalRecord> {
        let address = self.me.contact.address;
        let fresh = record(&self.me.key, address, self.me.contact.tcp)?;
        LocalRecord::new(self.me.key.clone(), fresh.entries().clone(), self.disk.record.as_ref()).ok()
    }

    pub(super) fn datagram(&mut self, cx: &mut Cx<'_, Node>, from: SocketAddr, bytes: &[u8]) {
        if let Some(discovery) = &mut self.discovery {
            let now = cx.now();
            // What is refused is counted by the machine.
            let _refused = discovery.handle(now, Input::Datagram { from, bytes }, cx.rng());
            self.drive(cx);
        }
    }

    pub(super) fn link(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, change: LinkChange) {
        if let Some(company) = &mut self.company {
            company.link(cx, link, change);
            self.wishes(cx);
        }
    }

    pub(super) fn message(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, bytes: &[u8]) {
        if let Some(company) = &mut self.company {
            company.message(cx, link, bytes);
            self.wishes(cx);
        }
    }

    pub(super) fn timer(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now();
        if let Some(discovery) = &mut self.discovery {
            discovery.handle_timeout(now, cx.rng());
        }
        if let Some(company) = &mut self.company {
            company.timer(cx);
        }
        self.drive(cx);
    }

    fn drive(&mut self, cx: &mut Cx<'_, Node>) {
        let Some(discovery) = &mut self.discovery else { return };
        let now = cx.now();
        while let Some(out) = discovery.poll_transmit(now) {
            cx.datagram(self.me.contact.address, out.to, out.bytes);
        }
        while let Some(event) = discovery.poll_event() {
            match event {
                Event::NodeFound { enode, .. } => {
                    if let Some(company) = &mut self.company {
                        company.found(cx, enode);
                    }
                }
                Event::RecordChanged(record) => self.disk.record = Some(record),
                Event::Store(nodes) => {
                    self.disk.nodes.extend(nodes.into_iter().map(|node| (*node.contact.id(), node)));
                }
                _ => {}
            }
        }
        if self.enough.is_none() && discovery.nodes().nth(ENOUGH - 1).is_some() {
            self.enough = Some(now.mono);
        }
        self.wishes(cx);
    }

    /// Does what the peer manager wants of the rest of the node.
    fn wishes(&mut self, cx: &mut Cx<'_, Node>) {
        let (Some(company), Some(discovery)) = (&mut self.company, &mut self.discovery) else { return };
        company.drive(cx);
        if let Some(list) = company.poll_remembered() {
            self.disk.peers = list;
        }
        if let Some(wish) = company.poll_wish() {
            let walk = if wish == Wish::Hungry { Walk::On } else { Walk::Off };
            // It always can.
            let _ok = discovery.handle(cx.now(), Input::Walk(walk), cx.rng());
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let discovery = self.discovery.as_ref().and_then(Discovery::poll_timeout);
        discovery.into_iter().chain(self.company.as_ref().and_then(Company::poll_timeout)).min()
    }
}
