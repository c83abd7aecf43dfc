//! The queue, the links and the state of every node that is not its machine's.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use undertone_base::{Mono, Now, Unix};

use super::link::{Edge, FIRST_LIFE, LinkId, LinkProfile, Redial, Taken};
use super::{Log, NodeId};

/// What the wall clock of a node without skew shows at time zero, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_600_000_000_000;

/// One-way latencies that pass before both ends of a dialled link know: TCP's three packets and RLPx's two.
const SETUP_LATENCIES: u32 = 4;

/// Something that happens at its time.
pub(super) enum What<C> {
    Command(NodeId, C),
    Connect(u32),
    Crash(NodeId),
    Datagram { node: NodeId, sockets: [SocketAddr; 2], bytes: Vec<u8> },
    Deliver { link: LinkId, to: NodeId, bytes: Vec<u8> },
    HangUp { node: NodeId, link: LinkId },
    Heal(usize),
    LinkDown { node: NodeId, link: LinkId },
    LinkUp { node: NodeId, link: LinkId },
    Part(usize),
    Reset(LinkId),
    Sent { node: NodeId, link: LinkId },
    Start(NodeId),
    Timer(NodeId),
}

impl<C> What<C> {
    /// Kind and subject as numbers, and the bytes, for the log.
    fn essence(&self) -> ([u64; 3], &[u8]) {
        let node = |node: &NodeId| u64::from(node.0);
        match self {
            Self::Command(at, _) => ([1, node(at), 0], &[]),
            Self::Connect(edge) => ([2, u64::from(*edge), 0], &[]),
            Self::Crash(at) => ([3, node(at), 0], &[]),
            Self::Datagram { sockets: [from, to], bytes, .. } => ([4, word(*from), word(*to)], bytes),
            Self::Deliver { link, to, bytes } => ([5, link.number(), node(to)], bytes),
            Self::Heal(cut) => ([6, *cut as u64, 0], &[]),
            Self::LinkDown { node: at, link } => ([7, link.number(), node(at)], &[]),
            Self::LinkUp { node: at, link } => ([8, link.number(), node(at)], &[]),
            Self::Part(cut) => ([9, *cut as u64, 0], &[]),
            Self::Reset(link) => ([10, link.number(), 0], &[]),
            Self::Sent { node: at, link } => ([11, link.number(), node(at)], &[]),
            Self::Start(at) => ([12, node(at), 0], &[]),
            Self::Timer(at) => ([13, node(at), 0], &[]),
            Self::HangUp { node: at, link } => ([14, link.number(), node(at)], &[]),
        }
    }
}

/// An address in a word; of IPv6 the half that says more.
const fn word(socket: SocketAddr) -> u64 {
    match socket {
        SocketAddr::V4(socket) => (socket.ip().to_bits() as u64) << 16 | socket.port() as u64,
        SocketAddr::V6(socket) => (socket.ip().to_bits() >> 64) as u64 ^ socket.port() as u64,
    }
}

/// The smallest time comes first, then the smallest order: the heap keeps the greatest on top, so both are turned.
struct Pending<C> {
    at: Mono,
    order: u64,
    what: What<C>,
}

impl<C> Ord for Pending<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<C> PartialOrd for Pending<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C> PartialEq for Pending<C> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<C> Eq for Pending<C> {}

/// Draws from a generator.
pub trait Rolls {
    /// A number below `end`, or 0 when that is 0. The bias of the remainder is far below anything measured here.
    fn below(&mut self, end: u64) -> u64;

    /// Whether something of this probability happens.
    fn chance(&mut self, probability: f64) -> bool;

    /// Puts a list in a random order.
    fn shuffle<T>(&mut self, list: &mut [T]);
}

impl Rolls for ChaCha20Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.next_u64().checked_rem(end).unwrap_or(0)
    }

    fn chance(&mut self, probability: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in binary64")]
        let roll = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        roll < probability
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(last);
            list.swap(last, other);
        }
    }
}

/// What the network carried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Packets that came over links.
    pub packets: u64,
    /// Datagrams that were sent.
    pub datagrams: u64,
    /// Links that came up.
    pub links: u64,
    /// Links that broke.
    pub resets: u64,
    /// Bytes that were given to links and datagrams.
    pub bytes: u64,
}

/// A node without its machine.
struct Place {
    online: bool,
    /// When it starts for the first time, if that is later.
    late: Option<Mono>,
    skew_ms: i64,
    /// KiB a second that it reads from a link; all that comes when absent.
    reads: Option<u32>,
    rng: ChaCha20Rng,
    edges: Vec<u32>,
    /// The timer in the queue that counts.
    armed: Option<Mono>,
}

/// A partition and whether it holds now.
struct Cut {
    /// By node, whether it is on the smaller side.
    inside: Vec<bool>,
    holds: bool,
}

pub(super) struct Net<C> {
    now: Mono,
    order: u64,
    queue: BinaryHeap<Pending<C>>,
    profile: LinkProfile,
    places: Vec<Place>,
    /// Who has an address.
    addresses: BTreeMap<IpAddr, NodeId>,
    edges: Vec<Edge>,
    cuts: Vec<Cut>,
    rng: ChaCha20Rng,
    log: Log,
    traffic: Traffic,
}

impl<C> fmt::Debug for Net<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("now", &self.now).field("log", &self.log).finish_non_exhaustive()
    }
}

impl<C> Net<C> {
    pub(super) fn new(seed: u64, profile: LinkProfile, nodes: u32) -> Self {
        let stream = |number: u64| {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        let place = |node: u32| Place {
            online: false,
            late: None,
            skew_ms: 0,
            reads: None,
            rng: stream(u64::from(node) + 1),
            edges: Vec::new(),
            armed: None,
        };
        Self {
            now: Mono::ZERO,
            order: 0,
            queue: BinaryHeap::new(),
            profile,
            places: (0..nodes).map(place).collect(),
            addresses: BTreeMap::new(),
            edges: Vec::new(),
            cuts: Vec::new(),
            rng: stream(0),
            log: Log::new(),
            traffic: Traffic::default(),
        }
    }

    pub(super) const fn now(&self) -> Mono {
        self.now
    }

    pub(super) const fn log(&self) -> Log {
        self.log
    }

    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub(super) fn schedule(&mut self, at: Mono, what: What<C>) {
        self.order += 1;
        self.queue.push(Pending { at: at.max(self.now), order: self.order, what });
    }

    /// What happens next, unless that is after `end`; then it is `end`.
    pub(super) fn next(&mut self, end: Mono) -> Option<What<C>> {
        if self.queue.peek().is_none_or(|next| next.at > end) {
            self.now = self.now.max(end);
            return None;
        }
        let Pending { at, what, .. } = self.queue.pop()?;
        self.now = at;
        let ([kind, subject, object], bytes) = what.essence();
        self.log.entry([at.nanos(), kind, subject, object], bytes);
        Some(what)
    }

    // Nodes.

    pub(super) fn is_online(&self, node: NodeId) -> bool {
        self.places.get(node.index()).is_some_and(|place| place.online)
    }

    pub(super) fn clock(&self, node: NodeId) -> Now {
        let skew = self.places.get(node.index()).map_or(0, |place| place.skew_ms);
        let millis = (EPOCH_MS + self.now.nanos() / 1_000_000).saturating_add_signed(skew);
        Now { mono: self.now, unix: Unix::from_millis(millis) }
    }

    pub(super) fn node_rng(&mut self, node: NodeId) -> &mut ChaCha20Rng {
        match self.places.get_mut(node.index()) {
            Some(place) => &mut place.rng,
            None => &mut self.rng,
        }
    }

    pub(super) fn set_skew(&mut self, node: NodeId, millis: i64) {
        if let Some(place) = self.places.get_mut(node.index()) {
            place.skew_ms = millis;
        }
    }

    pub(super) fn set_reading(&mut self, node: NodeId, kib_per_s: u32) {
        if let Some(place) = self.places.get_mut(node.index()) {
            place.reads = Some(kib_per_s);
        }
    }

    pub(super) fn give_address(&mut self, node: NodeId, ip: IpAddr) {
        self.addresses.insert(ip, node);
    }

    fn at(&self, socket: SocketAddr) -> Option<NodeId> {
        self.addresses.get(&socket.ip()).copied()
    }

    /// Arms a node's timer. One that is armed for earlier stays: it fires, and asks again.
    pub(super) fn arm(&mut self, node: NodeId, wanted: Option<Mono>) {
        // Whole milliseconds, rounded up, and never now: machines derive deadlines from a clock of milliseconds.
        let Some(wanted) = wanted else { return };
        let millis = wanted.nanos().div_ceil(1_000_000).max(self.now.nanos() / 1_000_000 + 1);
        let at = Mono::from_nanos(millis.saturating_mul(1_000_000));
        let Some(place) = self.places.get_mut(node.index()) else { return };
        if place.armed.is_none_or(|armed| at < armed) {
            place.armed = Some(at);
            self.schedule(at, What::Timer(node));
        }
    }

    pub(super) fn timer_fires(&mut self, node: NodeId) -> bool {
        let now = self.now;
        let Some(place) = self.places.get_mut(node.index()) else { return false };
        place.armed.take_if(|at| *at == now).is_some()
    }

    /// Whether the node starts now.
    pub(super) fn start(&mut self, node: NodeId) -> bool {
        let Some(place) = self.places.get_mut(node.index()) else { return false };
        if let Some(later) = place.late.take() {
            self.schedule(later, What::Start(node));
            return false;
        }
        place.online = true;
        for edge in place.edges.clone() {
            self.redial(edge);
        }
        true
    }

    pub(super) fn start_late(&mut self, node: NodeId, at: Mono) {
        if let Some(place) = self.places.get_mut(node.index()) {
            place.late = Some(at);
        }
    }

    pub(super) fn crash(&mut self, node: NodeId) {
        let Some(place) = self.places.get_mut(node.index()) else { return };
        place.armed = None;
        for edge in place.edges.clone() {
            self.fall(edge);
        }
        if let Some(place) = self.places.get_mut(node.index()) {
            place.online = false;
        }
    }

    // Partitions.

    pub(super) fn partition(&mut self, from: Mono, until: Mono, side: &[NodeId]) {
        let mut inside = vec![false; self.places.len()];
        for node in side {
            if let Some(flag) = inside.get_mut(node.index()) {
                *flag = true;
            }
        }
        let cut = self.cuts.len();
        self.cuts.push(Cut { inside, holds: false });
        self.schedule(from, What::Part(cut));
        self.schedule(until, What::Heal(cut));
    }

    pub(super) fn part(&mut self, cut: usize) {
        self.hold(cut, true);
        for edge in self.edge_numbers() {
            let crosses = self.edge(edge).is_some_and(|e| e.up && !self.reach(e.ends));
            if crosses {
                self.fall(edge);
            }
        }
    }

    pub(super) fn heal(&mut self, cut: usize) {
        self.hold(cut, false);
        for edge in self.edge_numbers() {
            self.redial(edge);
        }
    }

    fn hold(&mut self, cut: usize, holds: bool) {
        if let Some(cut) = self.cuts.get_mut(cut) {
            cut.holds = holds;
        }
    }

    /// Whether both are there and nothing stands between them.
    fn reach(&self, [a, b]: [NodeId; 2]) -> bool {
        let apart = |cut: &Cut| cut.holds && cut.inside.get(a.index()) != cut.inside.get(b.index());
        self.is_online(a) && self.is_online(b) && !self.cuts.iter().any(apart)
    }

    // Links.

    /// Before the ends have started nothing is dialled: their start does it.
    pub(super) fn keep_linked(&mut self, a: NodeId, b: NodeId) {
        if let Some(edge) = self.new_edge([a, b], Redial::Always, None).filter(|_| self.reach([a, b])) {
            self.redial(edge);
        }
    }

    pub(super) fn dial(&mut self, from: NodeId, sockets: [SocketAddr; 2]) -> Option<LinkId> {
        let to = self.at(sockets[1]).filter(|to| *to != from)?;
        let edge = self.new_edge([from, to], Redial::Never, Some(sockets))?;
        self.schedule(self.now, What::Connect(edge));
        Some(LinkId::new(edge, FIRST_LIFE))
    }

    fn new_edge(
        &mut self,
        ends: [NodeId; 2],
        redial: Redial,
        sockets: Option<[SocketAddr; 2]>,
    ) -> Option<u32> {
        let number = u32::try_from(self.edges.len()).ok()?;
        let latency = self.latency();
        for end in ends {
            self.places.get_mut(end.index())?.edges.push(number);
        }
        self.edges.push(Edge::new(ends, latency, redial, sockets));
        Some(number)
    }

    pub(super) fn connect(&mut self, number: u32) {
        let Some(edge) = self.edge(number) else { return };
        if edge.up || !self.reach(edge.ends) {
            return;
        }
        self.traffic.links += 1;
        let Some(edge) = self.edge_mut(number) else { return };
        edge.rise();
        let (ends, link) = (edge.ends, LinkId::new(number, edge.life));
        let at = self.now.after(self.edge(number).map_or(Duration::ZERO, |e| e.latency * SETUP_LATENCIES));
        for node in ends {
            self.schedule(at, What::LinkUp { node, link });
        }
    }

    /// Whether the end is to be told; from then on it will be told of the fall too.
    pub(super) fn announce(&mut self, node: NodeId, link: LinkId) -> bool {
        if !self.stands(link) {
            return false;
        }
        let Some(edge) = self.edge_mut(link.edge()) else { return false };
        let Some((side, _)) = edge.side(node) else { return false };
        edge.announced.get_mut(side).is_some_and(|told| !std::mem::replace(told, true))
    }

    pub(super) fn reset(&mut self, link: LinkId) {
        if self.stands(link) {
            self.traffic.resets += 1;
            self.fall(link.edge());
            self.redial(link.edge());
        }
    }

    pub(super) fn hang_up(&mut self, node: NodeId, link: LinkId) {
        if !self.stands(link) || self.peer(node, link).is_none() {
            return;
        }
        self.fall(link.edge());
        if let Some(edge) = self.edge_mut(link.edge()) {
            edge.redial = Redial::Never;
        }
    }

    pub(super) fn close(&mut self, node: NodeId, link: LinkId) {
        let Some(edge) = self.edge(link.edge()).filter(|_| self.stands(link)) else { return };
        let Some((side, _)) = edge.side(node) else { return };
        let last = edge.last_arrival.get(side).copied().unwrap_or_default();
        self.schedule(last, What::HangUp { node, link });
    }

    fn fall(&mut self, number: u32) {
        let Some(edge) = self.edge_mut(number).filter(|edge| edge.up) else { return };
        edge.up = false;
        let link = LinkId::new(number, edge.life);
        let told: Vec<NodeId> = edge.ends.iter().zip(edge.announced).filter(|e| e.1).map(|e| *e.0).collect();
        for node in told {
            self.schedule(self.now, What::LinkDown { node, link });
        }
    }

    fn redial(&mut self, number: u32) {
        let wanted = self.edge(number).is_some_and(|edge| !edge.up && edge.redial == Redial::Always);
        if wanted {
            let wait = u64::from(self.profile.reconnect_ms);
            let wait = wait + self.rng.below(wait + 1);
            self.schedule(self.now.after(Duration::from_millis(wait)), What::Connect(number));
        }
    }

    pub(super) fn stands(&self, link: LinkId) -> bool {
        self.edge(link.edge()).is_some_and(|edge| edge.up && LinkId::new(link.edge(), edge.life) == link)
    }

    /// Whether a packet that was under way gets out of its link; counts it.
    pub(super) fn arrived(&mut self, link: LinkId) -> bool {
        let stands = self.stands(link);
        self.traffic.packets += u64::from(stands);
        stands
    }

    pub(super) fn peer(&self, node: NodeId, link: LinkId) -> Option<NodeId> {
        self.edge(link.edge())?.side(node).map(|(_, peer)| peer)
    }

    /// Its own socket first.
    pub(super) fn sockets(&self, node: NodeId, link: LinkId) -> Option<[SocketAddr; 2]> {
        let edge = self.edge(link.edge())?;
        let (side, _) = edge.side(node)?;
        let [dialler, dialled] = edge.sockets?;
        Some(if side == 0 { [dialler, dialled] } else { [dialled, dialler] })
    }

    // Bytes.

    pub(super) fn send(&mut self, from: NodeId, link: LinkId, bytes: Vec<u8>) -> Taken {
        if !self.stands(link) {
            return Taken::Never;
        }
        let reads = self.peer(from, link).and_then(|to| self.places.get(to.index())?.reads);
        let (now, busy, resets) = (self.now, self.profile.busy(bytes.len(), reads), self.profile.reset);
        let jitter = self.jitter();
        let breaks = resets > 0.0 && self.rng.chance(resets);
        let Some(edge) = self.edge_mut(link.edge()) else { return Taken::Never };
        let Some((side, to)) = edge.side(from) else { return Taken::Never };
        let (Some(free_at), Some(last)) = (edge.free_at.get_mut(side), edge.last_arrival.get_mut(side))
        else {
            return Taken::Never;
        };
        let gone = now.max(*free_at).after(busy);
        *free_at = gone;
        let at = gone.after(edge.latency).after(jitter).max(*last);
        *last = at;
        self.traffic.bytes += bytes.len() as u64;
        let what = if breaks { What::Reset(link) } else { What::Deliver { link, to, bytes } };
        self.schedule(at, what);
        if gone == now {
            return Taken::Now;
        }
        self.schedule(gone, What::Sent { node: from, link });
        Taken::Later
    }

    pub(super) fn datagram(&mut self, from: NodeId, sockets: [SocketAddr; 2], bytes: Vec<u8>) {
        self.traffic.datagrams += 1;
        self.traffic.bytes += bytes.len() as u64;
        let (loss, duplicate) = (self.profile.loss, self.profile.duplicate);
        let Some(node) = self.at(sockets[1]).filter(|to| self.reach([from, *to])) else { return };
        if self.rng.chance(loss) {
            return;
        }
        if self.rng.chance(duplicate) {
            let at = self.now.after(self.latency()).after(self.jitter());
            self.schedule(at, What::Datagram { node, sockets, bytes: bytes.clone() });
        }
        let at = self.now.after(self.latency()).after(self.jitter());
        self.schedule(at, What::Datagram { node, sockets, bytes });
    }

    fn latency(&mut self) -> Duration {
        let [low, high] = self.profile.latency_ms.map(|ms| u64::from(ms) * 1_000);
        Duration::from_micros(low + self.rng.below(high.saturating_sub(low) + 1))
    }

    fn jitter(&mut self) -> Duration {
        match u64::from(self.profile.jitter_ms) * 1_000 {
            0 => Duration::ZERO,
            most => Duration::from_micros(self.rng.below(most + 1)),
        }
    }

    fn edge(&self, number: u32) -> Option<&Edge> {
        self.edges.get(number as usize)
    }

    fn edge_mut(&mut self, number: u32) -> Option<&mut Edge> {
        self.edges.get_mut(number as usize)
    }

    fn edge_numbers(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.edges.len()).unwrap_or(u32::MAX)
    }
}
