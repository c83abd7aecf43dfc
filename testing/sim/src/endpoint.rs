//! A node with the whole transport of `core/whisper`: a client, or a relay that also speaks.
//!
//! The first byte on a link is the packet's code, with [`WAKU`] where it is a packet of Waku; the rest is its body.

mod mail;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::Rng as _;
use undertone_base::{Mono, Secret};
use undertone_crypto::{KeyId, Keyring, MemoryKeyring, PublicKey, SecretKey, keccak256};
use undertone_transport::{Command, Event, Flush, Listen, OpenWith, Route, Send, SendId, Transport as _};
use undertone_whisper::wire::{Messages, PacketCode};
use undertone_whisper::{
    Dialects, EnvelopeHash, Input, Link, PeerId, Protocol, Report, Stats, Topic, Transmit, TransportConfig,
    WhisperTransport,
};

pub(crate) use self::mail::Mail;
use crate::engine::{Cx, From, LinkChange, LinkId, Machine, NodeId, Taken};

/// Somebody with a key.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) keyring: Arc<dyn Keyring>,
    pub(crate) id: KeyId,
    pub(crate) key: PublicKey,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.key.fmt(f)
    }
}

impl Person {
    /// The person of a number: in the same world the same key in every run.
    pub(crate) fn new(world: u64, number: u32) -> Self {
        let key = secret(world, number, 0);
        let public = key.public();
        let mut ring = MemoryKeyring::new();
        let id = ring.insert(key);
        Self { keyring: Arc::new(ring), id, key: public }
    }

    /// Listens where others write to this person, and opens with its key.
    pub(crate) const fn listen(&self, route: Route) -> Listen {
        Listen { route, open_with: OpenWith::Identity(self.id) }
    }
}

/// The secret key of a number and a use of it.
pub(crate) fn secret(world: u64, number: u32, usage: u32) -> SecretKey {
    let mut seed =
        keccak256(&[&world.to_be_bytes()[..], &number.to_be_bytes(), &usage.to_be_bytes(), b"sim"].concat());
    loop {
        match SecretKey::from_slice(&seed) {
            Ok(key) => return key,
            Err(_) => seed = keccak256(&seed),
        }
    }
}

/// The highest bit of a packet's first byte: codes of either protocol are below 128.
const WAKU: u8 = 0x80;

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) person: Person,
    pub(crate) config: TransportConfig,
    pub(crate) listens: Vec<Listen>,
    /// What each node of the world can speak, of Waku the latest version: in life Hello says it.
    pub(crate) speaks: Arc<[Dialects]>,
    /// Whether it tells of each envelope that comes over a link.
    pub(crate) trace: Trace,
}

/// Whether each reception is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trace {
    Off,
    On,
}

/// What two nodes speak with each other: all that both can, of Waku the lower of their latest versions.
pub(crate) fn in_common(a: Dialects, b: Dialects) -> Dialects {
    let waku = a.waku.zip(b.waku).map(|(a, b)| if a.number() < b.number() { a } else { b });
    Dialects { whisper: a.whisper && b.whisper, waku }
}

/// A message that a node is to seal and send.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    pub(crate) route: Route,
    pub(crate) to: PublicKey,
    pub(crate) bytes: usize,
    pub(crate) flush: Flush,
}

/// What a node tells the measurement.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// An envelope of somebody else is new here.
    Carried { hash: EnvelopeHash, topic: Topic, bytes: usize, from: NodeId },
    /// An envelope came over a link, whether it is new or not.
    Came { hash: EnvelopeHash, link: LinkId },
    /// It ended the link to a node for a fault.
    Dropped,
    /// An envelope came from the archive.
    Fetched { topic: Topic, bytes: usize },
    /// A packet came from a node, whatever it is.
    #[cfg(test)]
    Heard { from: NodeId, bytes: Vec<u8> },
    /// A message was opened.
    Received(EnvelopeHash),
    /// A message was opened that an earlier life of this node had opened: it is not delivered again.
    Repeated,
    /// It sealed an envelope, which is in its pool from now on; it was told to at `asked`.
    Sealed { hash: EnvelopeHash, bytes: usize, asked: Mono },
}

/// What came over the links of a node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Packets of envelopes that came.
    pub(crate) bundles: u64,
    /// Bytes of all packets that came.
    pub(crate) bytes: u64,
    /// Of these, bytes of what an archive answered.
    pub(crate) fetched: u64,
    /// Bytes that it sent.
    pub(crate) sent: u64,
    /// The fullest that its pool was, in bytes of envelopes.
    pub(crate) pool_bytes: usize,
}

/// The transport, joined to links as the shell joins it to sockets.
#[derive(Debug)]
pub(crate) struct Endpoint {
    setup: Setup,
    transport: Option<WhisperTransport>,
    mail: Mail,
    counted: Counted,
    sends: u64,
    /// When it was told to send what it has not sealed yet.
    asked: BTreeMap<SendId, Mono>,
}

impl Endpoint {
    pub(crate) const fn new(setup: Setup) -> Self {
        Self::with_mail(setup, Mail::None)
    }

    /// With an archive beside it, or asking one.
    pub(crate) const fn with_mail(setup: Setup, mail: Mail) -> Self {
        let counted = Counted { bundles: 0, bytes: 0, fetched: 0, sent: 0, pool_bytes: 0 };
        Self { setup, transport: None, mail, counted, sends: 0, asked: BTreeMap::new() }
    }

    pub(crate) const fn mail(&self) -> &Mail {
        &self.mail
    }

    pub(crate) const fn counted(&self) -> Counted {
        self.counted
    }

    /// What the gossip machine counted in its present life.
    pub(crate) fn stats(&self) -> Stats {
        self.transport.as_ref().map(|transport| transport.engine().stats()).unwrap_or_default()
    }

    fn input(&mut self, cx: &mut Cx<'_, Self>, input: Input<'_>) {
        if let Some(transport) = &mut self.transport {
            // A fault shows in the counters and as a disconnect.
            let _fault = transport.handle(cx.now(), input);
        }
        self.drive(cx);
    }

    /// Jobs run here and take no time.
    fn drive(&mut self, cx: &mut Cx<'_, Self>) {
        let now = cx.now();
        let Some(transport) = &mut self.transport else { return };
        while let Some(job) = transport.poll_job() {
            transport.job_done(now, job.run());
        }
        while let Some(event) = transport.poll_event() {
            if let Event::Received(received) = event {
                let hash = EnvelopeHash::from_bytes(*received.wire_id.as_bytes());
                cx.emit(if self.mail.delivers(hash) { Told::Received(hash) } else { Told::Repeated });
            }
        }
        while let Some(report) = transport.poll_report() {
            match report {
                Report::Carried { envelope, from } => {
                    let Some(from) = cx.peer(LinkId::from_number(from.0)) else { continue };
                    let (hash, topic) = (envelope.hash(), envelope.topic());
                    cx.emit(Told::Carried { hash, topic, bytes: envelope.bytes().len(), from });
                    self.mail.pooled(envelope);
                }
                Report::Sealed { envelope, send } => {
                    let asked = self.asked.remove(&send).unwrap_or(now.mono);
                    let (hash, bytes) = (envelope.hash(), envelope.bytes().len());
                    cx.emit(Told::Sealed { hash, bytes, asked });
                }
                _ => {}
            }
        }
        self.counted.pool_bytes = self.counted.pool_bytes.max(transport.engine().pooled().1);
        while let Some(out) = transport.poll_transmit(now) {
            match out {
                Transmit::Defer { .. } => {}
                Transmit::Packet { peer, protocol, code, body } => {
                    let bytes = frame(protocol, code, body);
                    self.counted.sent += bytes.len() as u64;
                    let taken = cx.send(LinkId::from_number(peer.0), bytes);
                    if code == PacketCode::MESSAGES && taken == Taken::Now {
                        let _no_fault = transport.handle(now, Input::Sent(peer));
                    }
                }
                Transmit::Disconnect { peer, .. } => {
                    cx.emit(Told::Dropped);
                    cx.hang_up(LinkId::from_number(peer.0));
                }
            }
        }
    }
}

/// The code goes first.
fn frame(protocol: Protocol, code: PacketCode, mut body: Vec<u8>) -> Vec<u8> {
    let waku = if protocol == Protocol::Waku { WAKU } else { 0 };
    body.insert(0, u8::try_from(code.0).unwrap_or(0) | waku);
    body
}

impl Machine for Endpoint {
    type Command = Say;
    type Event = Told;

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        let mut seed = [0; 32];
        cx.rng().fill_bytes(&mut seed);
        let Setup { person, config, listens, .. } = &self.setup;
        let mut transport = WhisperTransport::new(*config, person.keyring.clone(), &Secret::new(seed));
        for listen in listens {
            let heard = transport.command(cx.now(), Command::Listen(listen.clone()));
            debug_assert!(heard.is_ok(), "a person listens with its own key");
        }
        self.transport = Some(transport);
        self.mail.started();
        self.drive(cx);
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, change: LinkChange) {
        let peer = PeerId(link.number());
        if change == LinkChange::Down {
            self.mail.link_gone(cx.peer(link));
            return self.input(cx, Input::Disconnected(peer));
        }
        let speaks = |node: NodeId| self.setup.speaks.get(node.index()).copied();
        let (Some(mine), Some(theirs)) = (speaks(cx.id()), cx.peer(link).and_then(speaks)) else { return };
        self.input(cx, Input::Connected(Link::new(peer, in_common(mine, theirs))));
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, from: From, bytes: &[u8]) {
        let (From::Link(link), Some((code, body))) = (from, bytes.split_first()) else { return };
        #[cfg(test)]
        if let Some(from) = cx.peer(link).filter(|_| self.setup.trace == Trace::On) {
            cx.emit(Told::Heard { from, bytes: bytes.to_vec() });
        }
        let protocol = if code & WAKU == 0 { Protocol::Whisper } else { Protocol::Waku };
        let code = PacketCode(u64::from(code & !WAKU));
        self.counted.bytes += bytes.len() as u64;
        if code == PacketCode::MESSAGES {
            self.counted.bundles += 1;
            if let Some(list) = Messages::decode(body).ok().filter(|_| self.setup.trace == Trace::On) {
                list.iter().for_each(|envelope| cx.emit(Told::Came { hash: envelope.hash(), link }));
            }
        }
        self.input(cx, Input::Packet { peer: PeerId(link.number()), protocol, code, body });
        self.on_mail(cx, link, code, body);
    }

    fn on_sent(&mut self, cx: &mut Cx<'_, Self>, link: LinkId) {
        self.input(cx, Input::Sent(PeerId(link.number())));
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>) {
        if let Some(transport) = &mut self.transport {
            transport.handle_timeout(cx.now());
        }
        self.drive(cx);
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, say: Say) {
        self.sends += 1;
        let mut payload = vec![0; say.bytes];
        cx.rng().fill_bytes(&mut payload);
        let id = SendId(self.sends);
        self.asked.insert(id, cx.now().mono);
        let send = Send {
            id,
            route: say.route,
            to: Some(say.to),
            sign_as: self.setup.person.id,
            payload,
            ephemeral: false,
            flush: say.flush,
        };
        if let Some(transport) = &mut self.transport {
            let taken = transport.command(cx.now(), Command::Send(send));
            debug_assert!(taken.is_ok(), "a message to a key, signed with one's own");
        }
        self.drive(cx);
        // The core keeps the last word on when messages leave for all that leaves; here it is for this one.
        self.input(cx, Input::SetFlush(self.setup.config.gossip.flush));
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.transport.as_ref().and_then(WhisperTransport::poll_timeout)
    }
}
