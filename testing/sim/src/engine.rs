//! The world: a queue of what happens next, and who it happens to.

mod link;
mod log;
mod net;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use undertone_base::{Mono, Now};

pub use self::link::{LinkId, LinkProfile, Taken};
pub use self::log::Log;
use self::net::{Net, What};
pub use self::net::{Rolls, Traffic};

/// A node's name: its position among the machines that the simulation was made of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Its position.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whom bytes came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum From {
    /// The other end of a link.
    Link(LinkId),
    /// A datagram.
    Socket {
        /// Where it says that it comes from.
        from: SocketAddr,
        /// Which address of this node it was sent to.
        to: SocketAddr,
    },
}

/// How a link changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkChange {
    /// It stands.
    Up,
    /// It is gone, with what was under way on it.
    Down,
}

/// The behaviour of a node, honest or not. Whatever the methods do goes through [`Cx`].
pub trait Machine {
    /// What the script of a scenario tells a node to do.
    type Command: fmt::Debug;
    /// What a node reports to the measurement.
    type Event: fmt::Debug;

    /// A cold start, also after a crash: nothing that was in memory is left.
    fn on_start(&mut self, cx: &mut Cx<'_, Self>);

    /// A link came or went. `Down` follows every `Up`, and nothing else.
    fn on_link(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, change: LinkChange);

    /// Bytes came, as they were sent.
    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: From, bytes: &[u8]);

    /// A link has taken what [`Cx::send`] called [`Taken::Later`].
    fn on_sent(&mut self, _cx: &mut Cx<'_, Self>, _link: LinkId) {}

    /// The time of [`Machine::poll_timeout`] has come; may be early.
    fn on_timer(&mut self, _cx: &mut Cx<'_, Self>) {}

    /// The script speaks.
    fn on_command(&mut self, _cx: &mut Cx<'_, Self>, _command: Self::Command) {}

    /// When it wants [`Machine::on_timer`]; asked after each call.
    fn poll_timeout(&self) -> Option<Mono> {
        None
    }
}

/// What a machine can do, and what it can see: its own clock, its own dice, its own links.
#[derive(Debug)]
pub struct Cx<'a, M: Machine + ?Sized> {
    net: &'a mut Net<M::Command>,
    events: &'a mut Vec<(NodeId, M::Event)>,
    node: NodeId,
}

impl<M: Machine + ?Sized> Cx<'_, M> {
    /// This node.
    pub const fn id(&self) -> NodeId {
        self.node
    }

    /// Both clocks of this node.
    pub fn now(&self) -> Now {
        self.net.clock(self.node)
    }

    /// The dice of this node.
    pub fn rng(&mut self) -> &mut ChaCha20Rng {
        self.net.node_rng(self.node)
    }

    /// The other end of a link that is or was this node's.
    pub fn peer(&self, link: LinkId) -> Option<NodeId> {
        self.net.peer(self.node, link)
    }

    /// Sends on a link.
    pub fn send(&mut self, link: LinkId, bytes: Vec<u8>) -> Taken {
        self.net.send(self.node, link, bytes)
    }

    /// Sends without a link: may be lost, doubled, reordered, and `from` may be anybody's address. Lost for certain
    /// when nobody has the address `to`.
    pub fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.net.datagram(self.node, [from, to], bytes);
    }

    /// Dials an address and gives the name that the link will have. It comes up at both ends when the other can be
    /// reached now, else nothing is heard of it; it is not dialled again when it ends. `None` when nobody, or the
    /// node itself, has the address.
    pub fn dial(&mut self, from: SocketAddr, to: SocketAddr) -> Option<LinkId> {
        self.net.dial(self.node, [from, to])
    }

    /// The addresses of a dialled link that is or was this node's: its own first.
    pub fn sockets(&self, link: LinkId) -> Option<[SocketAddr; 2]> {
        self.net.sockets(self.node, link)
    }

    /// Ends a link for good: both ends see it go, and nobody dials it again.
    pub fn hang_up(&mut self, link: LinkId) {
        self.net.hang_up(self.node, link);
    }

    /// The same, but what this end has sent arrives before.
    pub fn close(&mut self, link: LinkId) {
        self.net.close(self.node, link);
    }

    /// Reports to the measurement.
    pub fn emit(&mut self, event: M::Event) {
        self.events.push((self.node, event));
    }
}

/// Machines in a world.
#[derive(Debug)]
pub struct Sim<M: Machine> {
    machines: Vec<M>,
    net: Net<M::Command>,
    events: Vec<(NodeId, M::Event)>,
}

impl<M: Machine> Sim<M> {
    /// A world of these machines, all of which start at time zero.
    pub fn new(seed: u64, profile: LinkProfile, machines: Vec<M>) -> Self {
        let count = u32::try_from(machines.len()).unwrap_or(u32::MAX);
        let mut net = Net::new(seed, profile, count);
        for node in (0..count).map(NodeId) {
            net.schedule(Mono::ZERO, What::Start(node));
        }
        Self { machines, net, events: Vec::new() }
    }

    /// A link that is dialled as soon as both ends are there, and again whenever it breaks.
    pub fn link(&mut self, a: NodeId, b: NodeId) {
        self.net.keep_linked(a, b);
    }

    /// Gives a node an address, besides those that it has. Without one it gets no datagram and is not dialled.
    pub fn give_address(&mut self, node: NodeId, ip: IpAddr) {
        self.net.give_address(node, ip);
    }

    /// Lets a node start later than at time zero.
    pub fn start_late(&mut self, node: NodeId, at: Mono) {
        self.net.start_late(node, at);
    }

    /// Sets a node's wall clock off by so many milliseconds.
    pub fn set_skew(&mut self, node: NodeId, millis: i64) {
        self.net.set_skew(node, millis);
    }

    /// Lets a node read its links slowly: whoever sends to it waits.
    pub fn set_reading(&mut self, node: NodeId, kib_per_s: u32) {
        self.net.set_reading(node, kib_per_s);
    }

    /// Between these times nothing passes between the nodes of `side` and the others.
    pub fn partition(&mut self, from: Mono, until: Mono, side: &[NodeId]) {
        self.net.partition(from, until, side);
    }

    /// A node crashes and, after `down`, starts cold.
    pub fn crash(&mut self, at: Mono, node: NodeId, down: Duration) {
        self.net.schedule(at, What::Crash(node));
        self.net.schedule(at.after(down), What::Start(node));
    }

    /// Gives a node a command when the time comes; one that is down misses it.
    pub fn command(&mut self, at: Mono, node: NodeId, command: M::Command) {
        self.net.schedule(at, What::Command(node, command));
    }

    /// Runs to `end`. Each event of a machine is handed over with the true time it happened at.
    pub fn run(&mut self, end: Mono, mut observe: impl FnMut(Mono, NodeId, M::Event)) {
        while let Some(what) = self.net.next(end) {
            self.dispatch(what);
            for (node, event) in self.events.drain(..) {
                observe(self.net.now(), node, event);
            }
        }
    }

    /// The machines, by node.
    pub fn machines(&self) -> &[M] {
        &self.machines
    }

    /// What was carried.
    pub const fn traffic(&self) -> Traffic {
        self.net.traffic()
    }

    /// A digest over all that happened so far.
    pub const fn log(&self) -> Log {
        self.net.log()
    }

    fn dispatch(&mut self, what: What<M::Command>) {
        match what {
            What::Command(node, command) => self.call(node, |m, cx| m.on_command(cx, command)),
            What::Connect(edge) => self.net.connect(edge),
            What::Crash(node) => self.net.crash(node),
            What::Datagram { node, sockets: [from, to], bytes } => {
                self.call(node, |m, cx| m.on_message(cx, From::Socket { from, to }, &bytes));
            }
            What::Deliver { link, to, bytes } => {
                if self.net.arrived(link) {
                    self.call(to, |m, cx| m.on_message(cx, From::Link(link), &bytes));
                }
            }
            What::HangUp { node, link } => self.net.hang_up(node, link),
            What::Heal(cut) => self.net.heal(cut),
            What::LinkDown { node, link } => self.call(node, |m, cx| m.on_link(cx, link, LinkChange::Down)),
            What::LinkUp { node, link } => {
                if self.net.announce(node, link) {
                    self.call(node, |m, cx| m.on_link(cx, link, LinkChange::Up));
                }
            }
            What::Part(cut) => self.net.part(cut),
            What::Reset(link) => self.net.reset(link),
            What::Sent { node, link } => {
                if self.net.stands(link) {
                    self.call(node, |m, cx| m.on_sent(cx, link));
                }
            }
            What::Start(node) => {
                if self.net.start(node) {
                    self.call(node, Machine::on_start);
                }
            }
            What::Timer(node) => {
                if self.net.timer_fires(node) {
                    self.call(node, Machine::on_timer);
                }
            }
        }
    }

    fn call(&mut self, node: NodeId, act: impl FnOnce(&mut M, &mut Cx<'_, M>)) {
        let Some(machine) = self.machines.get_mut(node.index()).filter(|_| self.net.is_online(node)) else {
            return;
        };
        act(machine, &mut Cx { net: &mut self.net, events: &mut self.events, node });
        self.net.arm(node, machine.poll_timeout());
    }
}
