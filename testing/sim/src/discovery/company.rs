//! The peers of an honest node: the peer manager, joined to links as the shell joins it to sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use undertone_base::Mono;
use undertone_crypto::PublicKey;
use undertone_devp2p::limits::HANDSHAKE_TIMEOUT;
use undertone_devp2p::{DisconnectReason, Enode, Host};
use undertone_peers::{
    Attempt, Config, Dial, DialId, DialOutcome, Direction, Ending, Event, LinkId as PeerId, Peers, Reach,
    Remembered, Source,
};

use super::hello::Message;
use super::node::Node;
use super::plan::PeersPlan;
use super::world::{Identity, World};
use crate::engine::{Cx, LinkChange, LinkId, NodeId, Rolls as _};

/// Between two rounds in which envelopes come.
const ROUND: Duration = Duration::from_secs(60 / ROUNDS_A_MINUTE as u64);

/// How many of them there are in a minute.
const ROUNDS_A_MINUTE: u32 = 2;

/// Time for an attempt to dial to become a link. Our choice, as the shell has it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A link and how far its handshake is.
#[derive(Debug)]
struct Link {
    /// The other end.
    node: NodeId,
    dial: Option<DialId>,
    /// The source of an inbound one, while its handshake is under way.
    pending: Option<IpAddr>,
    stage: Stage,
    /// When the handshake is given up.
    deadline: Mono,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Inbound; whose it is is not said yet.
    Nameless,
    /// A key is named.
    Admitted(PeerId),
    /// The key is proved.
    Standing { peer: PeerId, since: Mono },
}

impl Link {
    const fn peer(&self) -> Option<PeerId> {
        match self.stage {
            Stage::Nameless => None,
            Stage::Admitted(peer) | Stage::Standing { peer, .. } => Some(peer),
        }
    }

    const fn stands(&self) -> bool {
        matches!(self.stage, Stage::Standing { .. })
    }
}

/// An attempt to dial that has no link yet.
#[derive(Debug)]
struct Attempted {
    key: PublicKey,
    link: Option<LinkId>,
    deadline: Mono,
}

/// What discovery is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    Hungry,
    Satisfied,
}

/// A peer, seen from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    pub(super) dialled: bool,
}

/// The peer manager and its links.
#[derive(Debug)]
pub(super) struct Company {
    me: Identity,
    /// Envelopes that come in a round, and the nodes that relay them: those below this one.
    envelopes: u32,
    relays: NodeId,
    peers: Peers,
    links: BTreeMap<LinkId, Link>,
    attempts: BTreeMap<DialId, Attempted>,
    next_round: Mono,
    wish: Option<Wish>,
    remembered: Option<Vec<Remembered>>,
}

impl Company {
    pub(super) fn new(
        cx: &mut Cx<'_, Node>,
        plan: PeersPlan,
        world: &World,
        me: &Identity,
        remembered: Vec<Remembered>,
    ) -> Self {
        let own = me.contact.key;
        let config = Config {
            max_peers: plan.max,
            dial_ratio: plan.dial_ratio,
            boot: world.boot.iter().filter(|node| *node.key() != own).cloned().collect(),
            remembered,
            ..Config::new(own)
        };
        let first = Duration::from_millis(cx.rng().below(u64::try_from(ROUND.as_millis()).unwrap_or(1)));
        Self {
            me: me.clone(),
            envelopes: plan.envelopes / ROUNDS_A_MINUTE,
            relays: world.relays,
            peers: Peers::new(config, cx.now()),
            links: BTreeMap::new(),
            attempts: BTreeMap::new(),
            next_round: cx.now().mono.after(first),
            wish: None,
            remembered: None,
        }
    }

    /// Who is there.
    pub(super) fn standing(&self) -> impl Iterator<Item = Peer> {
        let peer = |link: &Link| Peer { node: link.node, dialled: link.dial.is_some() };
        self.links.values().filter(|link| link.stands()).map(peer)
    }

    /// What discovery is to do from now on, if that has changed.
    pub(super) const fn poll_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    /// What is to be written to disk, if that has changed.
    pub(super) const fn poll_remembered(&mut self) -> Option<Vec<Remembered>> {
        self.remembered.take()
    }

    pub(super) fn found(&mut self, cx: &mut Cx<'_, Node>, enode: Enode) {
        self.peers.found(cx.now(), enode, Source::V4);
    }

    pub(super) fn link(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, change: LinkChange) {
        match change {
            LinkChange::Down => {
                if let Some(gone) = self.links.remove(&link) {
                    self.over(cx, &gone, Ending::Broken);
                }
            }
            LinkChange::Up => self.up(cx, link),
        }
        self.drive(cx);
    }

    fn up(&mut self, cx: &mut Cx<'_, Node>, link: LinkId) {
        let (Some([_, remote]), Some(node)) = (cx.sockets(link), cx.peer(link)) else { return };
        let now = cx.now();
        let mut new = Link {
            node,
            dial: None,
            pending: None,
            stage: Stage::Nameless,
            deadline: now.mono.after(HANDSHAKE_TIMEOUT),
        };
        let attempt = self.attempts.iter().find(|(_, attempt)| attempt.link == Some(link));
        if let Some((id, key)) = attempt.map(|(id, attempt)| (*id, attempt.key)) {
            self.attempts.remove(&id);
            new.dial = Some(id);
            match self.peers.admit(now, key, remote, Direction::Dialled(id)) {
                Ok(peer) => {
                    new.stage = Stage::Admitted(peer);
                    let auth = Message::Auth { key: self.me.contact.key, wanted: key };
                    cx.send(link, auth.encode());
                    self.links.insert(link, new);
                }
                Err(_) => {
                    self.over(cx, &new, Ending::Clean);
                    cx.hang_up(link);
                }
            }
        } else if self.peers.accept(now, remote.ip()).is_ok() {
            new.pending = Some(remote.ip());
            self.links.insert(link, new);
        } else {
            cx.hang_up(link);
        }
    }

    pub(super) fn message(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, bytes: &[u8]) {
        match Message::decode(bytes) {
            Some(Message::Auth { key, wanted }) => self.auth(cx, link, [key, wanted]),
            Some(Message::Bye(reason)) => self.bye(cx, link, reason),
            Some(Message::Hello) => self.hello(cx, link),
            None => {}
        }
        self.drive(cx);
    }

    fn auth(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, [key, wanted]: [PublicKey; 2]) {
        let Some([_, remote]) = cx.sockets(link) else { return };
        let Some(known) = self.links.get_mut(&link).filter(|known| matches!(known.stage, Stage::Nameless))
        else {
            return;
        };
        if wanted != self.me.contact.key {
            self.end(cx, link, DisconnectReason::UNEXPECTED_IDENTITY);
            return;
        }
        match self.peers.admit(cx.now(), key, remote, Direction::Inbound) {
            Ok(peer) => {
                known.stage = Stage::Admitted(peer);
                cx.send(link, Message::Hello.encode());
            }
            Err(reason) => self.end(cx, link, reason),
        }
    }

    fn hello(&mut self, cx: &mut Cx<'_, Node>, link: LinkId) {
        let now = cx.now();
        let Some(known) = self.links.get_mut(&link) else { return };
        let Stage::Admitted(peer) = known.stage else { return };
        match self.peers.establish(now, peer) {
            Ok(other) => {
                known.stage = Stage::Standing { peer, since: now.mono };
                if known.dial.is_some() {
                    cx.send(link, Message::Hello.encode());
                }
                if let Some(ip) = known.pending.take() {
                    self.peers.accept_over(ip);
                }
                if let Some(other) = other.and_then(|other| self.of(other)) {
                    self.end(cx, other, DisconnectReason::ALREADY_CONNECTED);
                }
            }
            Err(reason) => self.end(cx, link, reason),
        }
    }

    fn bye(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, reason: DisconnectReason) {
        if let Some(gone) = self.links.remove(&link) {
            let ending = if gone.stands() { Ending::Clean } else { Ending::Refused(reason) };
            self.over(cx, &gone, ending);
            cx.hang_up(link);
        }
    }

    /// Ends a link from our side.
    fn end(&mut self, cx: &mut Cx<'_, Node>, link: LinkId, reason: DisconnectReason) {
        if let Some(gone) = self.links.remove(&link) {
            cx.send(link, Message::Bye(reason).encode());
            cx.close(link);
            self.over(cx, &gone, Ending::Clean);
        }
    }

    /// Tells the manager all that it has to hear when a link is gone.
    fn over(&mut self, cx: &mut Cx<'_, Node>, gone: &Link, ending: Ending) {
        let now = cx.now();
        if let Some(ip) = gone.pending {
            self.peers.accept_over(ip);
        }
        if let Some(peer) = gone.peer() {
            self.peers.closed(now, peer, ending);
        }
        let attempt = match gone.stage {
            Stage::Standing { since, .. } => Attempt::Lived(now.mono.since(since)),
            Stage::Admitted(_) | Stage::Nameless => Attempt::Failed,
        };
        if let Some(dial) = gone.dial {
            self.peers.dial_over(now, dial, DialOutcome { reach: Reach::Remote, attempt }, cx.rng());
        }
    }

    pub(super) fn timer(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now().mono;
        let late = |deadline: Mono| deadline <= now;
        let given_up: Vec<DialId> =
            self.attempts.iter().filter(|(_, attempt)| late(attempt.deadline)).map(|(id, _)| *id).collect();
        for dial in given_up {
            self.attempts.remove(&dial);
            let outcome = DialOutcome { reach: Reach::Remote, attempt: Attempt::Unreachable };
            self.peers.dial_over(cx.now(), dial, outcome, cx.rng());
        }
        let stuck = |link: &Link| !link.stands() && late(link.deadline);
        let stuck: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| stuck(link)).map(|(link, _)| *link).collect();
        for link in stuck {
            self.end(cx, link, DisconnectReason::READ_TIMEOUT);
        }
        if late(self.next_round) {
            self.next_round = now.after(ROUND);
            self.round(cx);
        }
        self.peers.handle_timeout(cx.now(), cx.rng());
        self.drive(cx);
    }

    /// Everybody answers a ping; each new envelope comes first from one of those who relay.
    fn round(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now();
        let standing: Vec<(PeerId, NodeId)> = self
            .links
            .values()
            .filter(|link| link.stands())
            .filter_map(|link| Some((link.peer()?, link.node)))
            .collect();
        for (peer, _) in &standing {
            self.peers.answered(now, *peer, Duration::from_millis(100));
        }
        let relays: Vec<PeerId> =
            standing.iter().filter(|(_, node)| *node < self.relays).map(|(peer, _)| *peer).collect();
        for _ in 0..self.envelopes {
            let drawn = usize::try_from(cx.rng().below(relays.len() as u64)).unwrap_or(0);
            if let Some(peer) = relays.get(drawn) {
                self.peers.useful(now, *peer, 1);
            }
        }
    }

    pub(super) fn drive(&mut self, cx: &mut Cx<'_, Node>) {
        self.events(cx);
        while let Some(dial) = self.peers.poll_dial(cx.now(), cx.rng()) {
            self.dial(cx, &dial);
        }
        self.events(cx);
    }

    fn events(&mut self, cx: &mut Cx<'_, Node>) {
        while let Some(event) = self.peers.poll_event() {
            match event {
                Event::Disconnect { link, reason } => {
                    if let Some(link) = self.of(link) {
                        self.end(cx, link, reason);
                    }
                }
                Event::Hungry => self.wish = Some(Wish::Hungry),
                Event::Satisfied => self.wish = Some(Wish::Satisfied),
                Event::Remember(list) => self.remembered = Some(list),
                Event::Banned { .. } | Event::Resolve(_) => {}
            }
        }
    }

    fn dial(&mut self, cx: &mut Cx<'_, Node>, dial: &Dial) {
        let socket = dial.enode.endpoint().and_then(|endpoint| match endpoint.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, endpoint.tcp)),
            _ => None,
        });
        let link = socket.and_then(|to| cx.dial(self.me.contact.address, to));
        let deadline = cx.now().mono.after(CONNECT_TIMEOUT);
        self.attempts.insert(dial.id, Attempted { key: *dial.enode.key(), link, deadline });
    }

    fn of(&self, peer: PeerId) -> Option<LinkId> {
        self.links.iter().find(|(_, link)| link.peer() == Some(peer)).map(|(link, _)| *link)
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let attempts = self.attempts.values().map(|attempt| attempt.deadline);
        let links = self.links.values().filter(|link| !link.stands()).map(|link| link.deadline);
        attempts.chain(links).chain(self.peers.poll_timeout()).chain([self.next_round]).min()
    }
}
