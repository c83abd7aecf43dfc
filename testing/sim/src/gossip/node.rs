//! The nodes of a gossip network.

use undertone_base::Mono;
use undertone_whisper::pow::{Search, SearchStep};
use undertone_whisper::wire::PacketCode;
use undertone_whisper::{
    Config, EnvelopeHash, Event, Header, Input, PeerId, Pow, Stats, Topic, Transmit, Whisper,
};

use rand_core::Rng as _;

use super::liar::Flooder;
use crate::engine::{Cx, From, LinkChange, LinkId, Machine, NodeId, Taken};

/// All that honest nodes post is on this topic.
pub(super) const TOPIC: Topic = Topic::from_bytes([0xcd, 0x42, 0x37, 0x60]);

/// A node, honest or not.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are relays")]
pub(super) enum Node {
    Flooder(Flooder),
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
}

/// The engine, joined to links as the shell joins it to sockets.
#[derive(Debug)]
pub(super) struct Relay {
    config: Config,
    engine: Whisper,
    counted: Counted,
}

impl Relay {
    pub(super) const fn new(config: Config) -> Self {
        let engine = Whisper::new(&config);
        let counted =
            Counted { stats: engine.stats(), posted: 0, bytes: 0, pool_envelopes: 0, pool_bytes: 0 };
        Self { config, engine, counted }
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
                Transmit::Packet { peer, code, body } => {
                    let taken = cx.send(LinkId::from_number(peer.0), frame(code, body));
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

    fn start(&mut self) {
        self.counted = self.counted();
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
            Self::Flooder(flooder) => flooder.start(cx),
            Self::Relay(relay) => relay.start(),
        }
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, change: LinkChange) {
        match (self, change) {
            (Self::Flooder(flooder), _) => flooder.link(cx, link, change),
            (Self::Relay(relay), LinkChange::Up) => {
                relay.input(cx, Input::Connected(PeerId(link.number())));
            }
            (Self::Relay(relay), LinkChange::Down) => {
                relay.input(cx, Input::Disconnected(PeerId(link.number())));
            }
        }
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: From, bytes: &[u8]) {
        if let (Self::Relay(relay), From::Link(link), Some((code, body))) = (self, from, bytes.split_first())
        {
            relay.counted.bytes += bytes.len() as u64;
            let code = PacketCode(u64::from(*code));
            relay.input(cx, Input::Packet { peer: PeerId(link.number()), code, body });
        }
    }

    fn on_sent(&mut self, cx: &mut Cx<'_, Self>, link: LinkId) {
        if let Self::Relay(relay) = self {
            relay.input(cx, Input::Sent(PeerId(link.number())));
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>) {
        match self {
            Self::Flooder(flooder) => flooder.timer(cx),
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
            Self::Flooder(flooder) => flooder.poll_timeout(),
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
    all
}
