//! A node that means harm.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use undertone_base::{Mono, Now};
use undertone_crypto::keccak256;
use undertone_devp2p::NodeId as Id;
use undertone_devp2p::discv4::{Contact, Packet, WireEndpoint, WireNode, decode};
use undertone_devp2p::limits::{BUCKET_PER_PREFIX, BUCKET_SIZE, NEIGHBORS_PER_PACKET};

use super::hello::Message;
use super::node::Node;
use super::plan::LiarPlan;
use super::world::{Identity, World, nowhere, record};
use crate::engine::{Cx, LinkChange, LinkId, Rolls as _};
use crate::layout::second;

/// Between two rounds of what it does by itself.
const ROUND: Duration = Duration::from_secs(1);

/// Between two pings of a key to the same node that it did not draw.
const AGAIN: Duration = Duration::from_secs(20);

/// Answers FindNode with hostile nodes, the best for an attacker: the closest to what is asked for, spread over
/// addresses as a careful asker wants them. Knows every honest node from the start and pings it, so as to be known
/// to it; tells everybody a false endpoint of theirs. Connects to honest nodes and keeps what it gets.
#[derive(Debug)]
pub(super) struct Liar {
    world: Rc<World>,
    plan: LiarPlan,
    /// Its keys.
    mine: Vec<Identity>,
    /// By key: the record, which says a false endpoint.
    records: Vec<Vec<u8>>,
    next: Option<Mono>,
    /// Sixtieths of a ping and of a connection that are due.
    due: [u32; 2],
    /// By link: whom it dialled with which key, if it did.
    links: BTreeMap<LinkId, Option<(usize, usize)>>,
    /// When a ping last went from a key's port to an address.
    pinged: BTreeMap<(u16, IpAddr), Mono>,
}

impl Liar {
    pub(super) fn new(world: Rc<World>, number: usize, plan: LiarPlan) -> Self {
        let mine = world.keys_of(number).to_vec();
        let text = |identity: &Identity| {
            let at = SocketAddr::new(nowhere(0), identity.contact.address.port());
            let local = record(&identity.key, at, at.port())?;
            Some(local.record().as_bytes().to_vec())
        };
        let records = mine.iter().map(|identity| text(identity).unwrap_or_default()).collect();
        Self {
            world,
            plan,
            mine,
            records,
            next: None,
            due: [0; 2],
            links: BTreeMap::new(),
            pinged: BTreeMap::new(),
        }
    }

    pub(super) fn start(&mut self, cx: &Cx<'_, Node>) {
        self.links.clear();
        self.next = Some(cx.now().mono.after(ROUND));
    }

    pub(super) const fn poll_timeout(&self) -> Option<Mono> {
        self.next
    }

    pub(super) fn timer(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now();
        if self.next.is_none_or(|at| at > now.mono) {
            return;
        }
        self.next = Some(now.mono.after(ROUND));
        self.join(cx);
        if now.mono < second(self.plan.from) {
            return;
        }
        for _ in 0..take_due(&mut self.due[0], self.plan.pings) {
            let (victim, key) = (draw(cx, self.world.honest.len()), draw(cx, self.mine.len()));
            if let (Some(victim), Some(me)) = (self.world.honest.get(victim), self.mine.get(key)) {
                send(cx, me, victim.contact.address, &ping(me, victim.contact.address, now));
            }
        }
        for _ in 0..take_due(&mut self.due[1], self.plan.dials) {
            let drawn = (draw(cx, self.world.honest.len()), draw(cx, self.mine.len()));
            if let (Some(victim), Some(me)) = (self.world.honest.get(drawn.0), self.mine.get(drawn.1))
                && self.links.values().all(|known| *known != Some(drawn))
                && let Some(link) = cx.dial(me.contact.address, victim.contact.address)
            {
                self.links.insert(link, Some(drawn));
            }
        }
    }

    /// One of its keys makes itself known to the boot nodes, as every node does.
    fn join(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now();
        let drawn = draw(cx, self.mine.len());
        let Some(me) = self.mine.get(drawn) else { return };
        for boot in self.world.honest.iter().take(self.world.boot.len()) {
            let to = boot.contact.address;
            if !self.pinged_lately(me, to.ip(), now.mono) {
                self.pinged.insert((me.contact.address.port(), to.ip()), now.mono);
                send(cx, me, to, &ping(me, to, now));
            }
        }
    }

    fn pinged_lately(&self, me: &Identity, ip: IpAddr, now: Mono) -> bool {
        let pinged = self.pinged.get(&(me.contact.address.port(), ip));
        pinged.is_some_and(|at| now.since(*at) < AGAIN)
    }

    pub(super) fn link(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, change: LinkChange) {
        if change == LinkChange::Down {
            self.links.remove(&link);
            return;
        }
        let Some((victim, me)) = *self.links.entry(link).or_insert(None) else { return };
        if let (Some(victim), Some(me)) = (self.world.honest.get(victim), self.mine.get(me)) {
            let auth = Message::Auth { key: me.contact.key, wanted: victim.contact.key };
            cx.send(link, auth.encode());
        }
    }

    /// It is a good peer, but for what it relays.
    pub(super) fn message(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, bytes: &[u8]) {
        let answer = match Message::decode(bytes) {
            Some(Message::Auth { wanted, .. }) => self.mine.iter().any(|me| me.contact.key == wanted),
            Some(Message::Hello) => {
                let dialled = self.links.get(&link).is_some_and(Option::is_some);
                dialled && !cx.rng().chance(self.plan.half_open)
            }
            Some(Message::Bye(_)) | None => false,
        };
        if answer {
            cx.send(link, Message::Hello.encode());
        }
    }

    pub(super) fn datagram(&mut self, cx: &mut Cx<'_, Node>, [from, to]: [SocketAddr; 2], bytes: &[u8]) {
        let position = self.mine.iter().position(|me| me.contact.address == to);
        let Some((position, me)) = position.and_then(|at| Some((at, self.mine.get(at)?))) else { return };
        let Ok(signed) = decode(bytes) else { return };
        let (now, expiration) = (cx.now(), expiration(cx.now()));
        match signed.packet {
            Packet::Ping { .. } => {
                let lie = WireEndpoint::new(SocketAddr::new(nowhere(1), from.port()), from.port());
                let enr_seq = Some(u64::MAX >> 1);
                send(cx, me, from, &Packet::Pong { to: lie, ping_hash: signed.hash, expiration, enr_seq });
                if !self.pinged_lately(me, from.ip(), now.mono) {
                    self.pinged.insert((to.port(), from.ip()), now.mono);
                    send(cx, me, from, &ping(me, from, now));
                }
            }
            Packet::FindNode { target, .. } => {
                let mut nodes = self.choose(cx, &Id::from_bytes(keccak256(&target)));
                let rest = nodes.split_off(nodes.len().min(NEIGHBORS_PER_PACKET));
                for nodes in [nodes, rest] {
                    send(cx, me, from, &Packet::Neighbors { nodes, expiration });
                }
            }
            Packet::EnrRequest { .. } => {
                let record = self.records.get(position).cloned().unwrap_or_default();
                send(cx, me, from, &Packet::EnrResponse { request_hash: signed.hash, record });
            }
            Packet::EnrResponse { .. } | Packet::Neighbors { .. } | Packet::Pong { .. } => {}
        }
    }

    /// Hostile nodes close to a target.
    fn choose(&self, cx: &mut Cx<'_, Node>, target: &Id) -> Vec<WireNode> {
        let mut all: Vec<&Contact> = self.world.hostile.iter().map(|known| &known.contact).collect();
        all.sort_by_cached_key(|contact| distance(contact.id(), target));
        let mut told: Vec<&Contact> = Vec::new();
        for contact in all {
            let same = told.iter().filter(|other| prefix(other) == prefix(contact)).count();
            if same < BUCKET_PER_PREFIX {
                told.push(contact);
            }
            if told.len() == BUCKET_SIZE {
                break;
            }
        }
        told.into_iter().map(|contact| self.wire(cx, contact)).collect()
    }

    fn wire(&self, cx: &mut Cx<'_, Node>, contact: &Contact) -> WireNode {
        let mut address = contact.address;
        if cx.rng().chance(self.plan.false_endpoints) {
            address.set_ip(nowhere(u32::try_from(draw(cx, 0xffff)).unwrap_or(0)));
        }
        WireNode { endpoint: WireEndpoint::new(address, contact.tcp), key: contact.key.to_xy() }
    }
}

fn distance(a: &Id, b: &Id) -> Vec<u8> {
    a.as_bytes().iter().zip(b.as_bytes()).map(|(a, b)| a ^ b).collect()
}

/// How many things that happen so often a minute are to happen this second.
const fn take_due(due: &mut u32, a_minute: u32) -> u32 {
    let all = *due + a_minute;
    *due = all % 60;
    all / 60
}

fn prefix(contact: &Contact) -> [u8; 3] {
    match contact.address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [a, b, c]
        }
        IpAddr::V6(_) => [0; 3],
    }
}

fn ping(me: &Identity, to: SocketAddr, now: Now) -> Packet {
    Packet::Ping {
        version: 4,
        from: WireEndpoint::new(me.contact.address, me.contact.tcp),
        to: WireEndpoint::new(to, 0),
        expiration: expiration(now),
        enr_seq: Some(u64::MAX >> 1),
        padding: Some(40),
    }
}

const fn expiration(now: Now) -> u64 {
    now.unix.secs() + 20
}

fn send(cx: &mut Cx<'_, Node>, me: &Identity, to: SocketAddr, packet: &Packet) {
    cx.datagram(me.contact.address, to, packet.encode(&me.key));
}

fn draw(cx: &mut Cx<'_, Node>, end: usize) -> usize {
    usize::try_from(cx.rng().below(end as u64)).unwrap_or(0)
}
