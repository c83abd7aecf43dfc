//! The nodes of a gossip network.

use std::collections::{BTreeMap, VecDeque};

use undertone_base::Mono;
use undertone_whisper::pow::{Search, SearchStep};
use undertone_whisper::wire::PacketCode;
use undertone_whisper::{
    Config, EnvelopeHash, Event, Header, Input, Link, PeerId, Pow, Protocol, Stats, Topic, Transmit, Whisper,
};

use rand_core::Rng as _;

use super::liar::Liar;
use crate::engine::{Cx, From, LinkChange, LinkId, Machine, NodeId, Taken};

/// All that honest nodes post is on this topic.
pub(super) const TOPIC: Topic = Topic::from_bytes([0xcd, 0x42, 0x37, 0x60]);

/// A node, honest or not.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are relays")]
pub(super) enum Node {
    Liar(Liar),
    Relay(Relay),
}

/// An envelope that a node is to make and post.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    /// Length of its data.
    pub data_bytes: u32,
    /// Its life in seconds.
    pub ttl: u32,
    /// Its work.
    pub pow: Pow,
}

/// What a node tells the measurement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Accepted { hash: EnvelopeHash, from: NodeId },
    Dropped(NodeId),
    Posted(EnvelopeHash),
}

/// What a node counted over all its lives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) stats: Stats,
    pub(super) posted: u64,
    pub(super) bytes: u64,
    pub(super) pool_envelopes: usize,
    pub(super) pool_bytes: usize,
    /// The most bytes that waited for links that were busy.
    pub(super) queued: usize,
}

/// The engine, joined to links as the shell joins it to sockets.
#[derive(Debug)]
pub(super) struct Relay {
    config: Config,
    engine: Whisper,
    /// By link that is busy: the sizes of the packets that wait for it.
    waiting: BTreeMap<LinkId, VecDeque<usize>>,
    counted: Counted,
}

impl Relay {
    pub(super) fn new(config: Config) -> Self {
        let engine = Whisper::new(&config);
        Self { config, engine, waiting: BTreeMap::new(), counted: Counted::default() }
    }

    pub(super) fn counted(&self) -> Counted {
        Counted { stats: sum(&self.counted.stats, &self.engine.stats()), ..self.counted }
    }

    fn input(&mut self, cx: &mut Cx<'_, Node>, input: Input<'_>) {
        // A fault shows in the counters and as a disconnect.
        let _fault = self.engine.handle(cx.now(), input);
        self.drive(cx);
    }

    fn drive(&mut self, cx: &mut Cx<'_, Node>) {
        let now = cx.now();
        let (envelopes, bytes) = self.engine.pooled();
        self.counted.pool_envelopes = self.counted.pool_envelopes.max(envelopes);
        self.counted.pool_bytes = self.counted.pool_bytes.max(bytes);
        while let Some(event) = self.engine.poll_event() {
            if let Event::Accepted { envelope, from } = event {
                let hash = envelope.hash();
                match from.and_then(|peer| cx.peer(LinkId::from_number(peer.0))) {
                    Some(from) => cx.emit(Told::Accepted { hash, from }),
                    None => cx.emit(Told::Posted(hash)),
                }
            }
        }
        while let Some(out) = self.engine.poll_transmit(now) {
            match out {
                Transmit::Defer { .. } => {}
                Transmit::Packet { peer, code, body, .. } => {
                    let link = LinkId::from_number(peer.0);
                    let bytes = body.len() + 1;
                    let taken = cx.send(link, frame(code, body));
                    if taken == Taken::Later {
                        self.wait(link, bytes);
                    }
                    if code == PacketCode::MESSAGES && taken == Taken::Now {
                        let _no_fault = self.engine.handle(now, Input::Sent(peer));
                    }
                }
                Transmit::Disconnect { peer, .. } => {
                    let link = LinkId::from_number(peer.0);
                    if let Some(peer) = cx.peer(link) {
                        cx.emit(Told::Dropped(peer));
                    }
                    cx.hang_up(link);
                }
            }
        }
    }

    /// A link is busy: what it was given waits there.
    fn wait(&mut self, link: LinkId, bytes: usize) {
        self.waiting.entry(link).or_default().push_back(bytes);
        let queued = self.waiting.values().flatten().sum();
        self.counted.queued = self.counted.queued.max(queued);
    }

    /// A link took what waited longest.
    fn took(&mut self, link: LinkId) {
        if let Some(sizes) = self.waiting.get_mut(&link) {
            sizes.pop_front();
        }
    }

    fn start(&mut self) {
        self.counted = self.counted();
        self.waiting.clear();
        self.engine = Whisper::new(&self.config);
    }

    /// Work is found inline and takes no time.
    fn post(&mut self, cx: &mut Cx<'_, Node>, post: Post) {
        let mut data = vec![0; post.data_bytes as usize];
        cx.rng().fill_bytes(&mut data);
        let nonce = cx.rng().next_u64();
        let expiry = cx.now().unix.secs_u32().saturating_add(post.ttl);
        let header = Header { expiry, ttl: post.ttl, topic: TOPIC };
        let Ok(search) = Search::new(header, data, post.pow, nonce) else { return };
        if let SearchStep::Done(Ok(envelope)) = search.run(u64::MAX) {
            self.counted.posted += 1;
            self.input(cx, Input::Post(envelope));
        }
    }
}

/// The code goes first.
pub(super) fn frame(code: PacketCode, mut body: Vec<u8>) -> Vec<u8> {
    body.insert(0, u8::try_from(code.0).unwrap_or(u8::MAX));
    body
}

impl Machine for Node {
    type Command = Post;
    type Event = Told;

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        match self {
            Self::Liar(liar) => liar.start(cx),
            Self::Relay(relay) => relay.start(),
        }
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, change: LinkChange) {
        match (self, change) {
            (Self::Liar(liar), _) => liar.link(cx, link, change),
            (Self::Relay(relay), LinkChange::Up) => {
                relay.input(cx, Input::Connected(Link::whisper(PeerId(link.number()))));
            }
            (Self::Relay(relay), LinkChange::Down) => {
                relay.waiting.remove(&link);
                relay.input(cx, Input::Disconnected(PeerId(link.number())));
            }
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: From, bytes: &[u8]) {
        match (self, from, bytes.split_first()) {
            (Self::Liar(liar), From::Link(link), _) => liar.message(cx, link, bytes),
            (Self::Relay(relay), From::Link(link), Some((code, body))) => {
                relay.counted.bytes += bytes.len() as u64;
                let code = PacketCode(u64::from(*code));
                relay.input(
                    cx,
                    Input::Packet { peer: PeerId(link.number()), protocol: Protocol::Whisper, code, body },
                );
            }
            _ => {}
        }
    }

    fn on_sent(&mut self, cx: &mut Cx<'_, Self>, link: LinkId) {
        if let Self::Relay(relay) = self {
            relay.took(link);
            relay.input(cx, Input::Sent(PeerId(link.number())));
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>) {
        match self {
            Self::Liar(liar) => liar.timer(cx),
            Self::Relay(relay) => {
                relay.engine.handle_timeout(cx.now());
                relay.drive(cx);
            }
        }
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, post: Post) {
        if let Self::Relay(relay) = self {
            relay.post(cx, post);
        }
    }

    fn poll_timeout(&self) -> Option<Mono> {
        match self {
            Self::Liar(liar) => liar.poll_timeout(),
            Self::Relay(relay) => relay.engine.poll_timeout(),
        }
    }
}

/// The counters that reports are made of; the others stay those of the first.
pub(super) const fn sum(a: &Stats, b: &Stats) -> Stats {
    let mut all = *a;
    all.accepted += b.accepted;
    all.duplicates += b.duplicates;
    all.early += b.early;
    all.evicted += b.evicted;
    all.expired += b.expired;
    all.relayed += b.relayed;
    all.bundles += b.bundles;
    all.ignored_packets += b.ignored_packets;
    all.unacceptable += b.unacceptable;
    all
}
