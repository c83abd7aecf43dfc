//! The life of one connection, from the first byte to the last.
//!
//! ```text
//! dial/accept ─▶ Handshake ─Authenticated─▶ Admission ─admit─▶ Hello ─Established─▶ Active ─▶ Closed
//!                    5 s in all ───────────────────────────────────┘   30 s per message
//! ```
//!
//! | input | output |
//! |---|---|
//! | [`Session::receive`]: bytes | [`Event::Authenticated`], [`Event::Established`], [`Event::Message`], [`Event::Closed`] |
//! | [`Session::admit`], [`Session::send`], [`Session::disconnect`] | [`Session::poll_transmit`]: bytes |
//! | [`Session::handle_timeout`] | [`Session::poll_timeout`] |
//!
//! Poll order after every call: events until `None`, then transmit until `None`, then the timeout.

use std::collections::VecDeque;
use std::sync::Arc;

use rand_core::CryptoRng;
use undertone_base::{Mono, Now};
use undertone_crypto::PublicKey;

use crate::caps::{Offer, Shared, shared};
use crate::error::{SendError, WireError};
use crate::frame::{Egress, Ingress, Read, codecs};
use crate::handshake::{Initiator, Keyed, Recipient, Step};
use crate::limits::{
    HANDSHAKE_TIMEOUT, MAX_EARLY, MAX_FRAME, MAX_HELLO, MAX_PINGS, MAX_QUEUED, PING_INTERVAL, READ_TIMEOUT,
};
use crate::message::{DisconnectReason, EMPTY_LIST, Hello, P2P_VERSION, id};
use crate::node_key::NodeKey;
use crate::{rlp, snappy};

/// What a node tells every peer, and its limits. Shared by its sessions.
#[derive(Clone, Debug)]
pub struct Config {
    key: NodeKey,
    client: Vec<u8>,
    offers: Arc<[Offer]>,
    max_message: usize,
}

impl Config {
    /// Largest plain message by default: 1 MiB of the whisper layer and some slack for its list header.
    pub const MAX_MESSAGE: usize = 1_048_576 + 1_024;

    /// A node with this key, name and capabilities.
    pub fn new(key: NodeKey, client: &str, offers: Vec<Offer>) -> Self {
        Self {
            key,
            client: client.as_bytes().to_vec(),
            offers: offers.into(),
            max_message: Self::MAX_MESSAGE,
        }
    }

    /// With another limit for plain messages in bytes, at most 16,777,215.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes.min(MAX_FRAME);
        self
    }

    /// The node's key.
    pub const fn key(&self) -> &NodeKey {
        &self.key
    }

    fn hello(&self) -> Hello {
        let mut capabilities: Vec<_> = self.offers.iter().map(|offer| offer.capability.clone()).collect();
        capabilities.sort();
        Hello {
            version: P2P_VERSION,
            client: self.client.clone(),
            capabilities,
            listen_port: 0,
            key: self.key.public(),
        }
    }

    /// Largest frame: the largest message that snappy may have made longer, and its id.
    fn max_frame(&self) -> usize {
        snap::raw::max_compress_len(self.max_message).saturating_add(9).min(MAX_FRAME)
    }
}

/// What the shell decides about an authenticated peer: slots, duplicates, bans, itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// Go on to Hello.
    Admit,
    /// Say why not, as the first frame of the link, and close.
    Refuse(DisconnectReason),
}

/// Out of a session.
#[derive(Debug, Eq, PartialEq)]
pub enum Event {
    /// The handshake proved this key; [`Session::admit`] must answer.
    Authenticated(PublicKey),
    /// Both Hellos are exchanged.
    Established {
        /// What the peer says of itself.
        hello: Hello,
        /// The shared capabilities in the order of their ids; [`Event::Message`] and [`Session::send`] index it.
        shared: Vec<Shared>,
    },
    /// A message of a capability.
    Message {
        /// Index into the shared capabilities.
        capability: usize,
        /// Its code.
        code: u64,
        /// Its payload, decompressed.
        payload: Vec<u8>,
    },
    /// The last event.
    Closed(Closed),
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closed {
    /// The peer said goodbye.
    ByPeer(DisconnectReason),
    /// We refused what the peer sent, or it sent nothing.
    Fault(WireError),
    /// We said goodbye.
    ByUs(DisconnectReason),
}

/// One connection. See the [module documentation](self).
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    input: Vec<u8>,
    output: Vec<u8>,
    events: VecDeque<Event>,
    timers: Timers,
}

#[derive(Debug)]
enum Phase {
    Initiating(Box<Initiator>),
    Accepting(Recipient),
    Deciding(Box<Link>),
    Greeting(Box<Link>),
    Active(Box<Active>),
    Closed,
}

/// A keyed link.
#[derive(Debug)]
struct Link {
    remote: PublicKey,
    egress: Egress,
    ingress: Ingress,
}

/// An established one.
#[derive(Debug)]
struct Active {
    link: Link,
    shared: Vec<Shared>,
    snappy: bool,
    pong_owed: bool,
    pings: u32,
}

#[derive(Clone, Copy, Debug)]
struct Timers {
    /// Handshake budget, then the read deadline.
    deadline: Mono,
    /// When to ping, and when the ping count starts anew.
    ping: Option<Mono>,
}

impl Session {
    /// We connected to `remote`; the auth packet waits in [`Session::poll_transmit`].
    pub fn dial(config: Config, remote: PublicKey, now: Now, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let (initiator, auth) = Initiator::start(&config.key, remote, rng);
        let mut session = Self::new(config, Phase::Initiating(Box::new(initiator)), now);
        session.output = auth;
        session
    }

    /// Somebody connected to us.
    pub fn accept(config: Config, now: Now) -> Self {
        Self::new(config, Phase::Accepting(Recipient::new()), now)
    }

    fn new(config: Config, phase: Phase, now: Now) -> Self {
        let timers = Timers { deadline: now.mono.after(HANDSHAKE_TIMEOUT), ping: None };
        Self { config, phase, input: Vec::new(), output: Vec::new(), events: VecDeque::new(), timers }
    }

    /// Takes bytes of the peer. What they mean comes as events; after a fault the rest is dropped.
    pub fn receive(&mut self, now: Now, bytes: &[u8], rng: &mut (impl CryptoRng + ?Sized)) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.input.extend_from_slice(bytes);
        if let Err(fault) = self.process(now, rng) {
            self.fail(fault);
        }
    }

    /// Answers [`Event::Authenticated`]. Without one it does nothing.
    pub fn admit(&mut self, now: Now, admission: Admission, rng: &mut (impl CryptoRng + ?Sized)) {
        let Phase::Deciding(mut link) = std::mem::replace(&mut self.phase, Phase::Closed) else { return };
        match admission {
            Admission::Refuse(reason) => {
                link.write(&mut self.output, id::DISCONNECT, &reason.encode());
                self.close(Closed::ByUs(reason));
            }
            Admission::Admit => {
                link.write(&mut self.output, id::HELLO, &self.config.hello().encode());
                self.phase = Phase::Greeting(link);
                self.receive(now, &[], rng);
            }
        }
    }

    /// Sends a message of a shared capability.
    ///
    /// # Errors
    /// [`SendError`]; the session is then as before.
    pub fn send(&mut self, now: Now, capability: usize, code: u64, payload: &[u8]) -> Result<(), SendError> {
        let Phase::Active(active) = &mut self.phase else { return Err(SendError::NotEstablished) };
        if payload.len() > self.config.max_message {
            return Err(SendError::TooLarge { size: payload.len(), max: self.config.max_message });
        }
        let shared = active.shared.get(capability).ok_or(SendError::UnknownMessage)?;
        let message = shared.id_of(code).ok_or(SendError::UnknownMessage)?;
        if !self.output.is_empty() && self.output.len().saturating_add(payload.len()) > MAX_QUEUED {
            return Err(SendError::Congested);
        }
        active.write(&mut self.output, message, payload);
        self.timers.ping = Some(now.mono.after(PING_INTERVAL));
        Ok(())
    }

    /// How many bytes wait to be written.
    pub const fn queued(&self) -> usize {
        self.output.len()
    }

    /// Says goodbye. What was sent before still goes out first.
    pub fn disconnect(&mut self, reason: DisconnectReason) {
        self.goodbye(reason);
        self.close(Closed::ByUs(reason));
    }

    /// Everything that waits to be written, or `None`.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if let Phase::Active(active) = &mut self.phase
            && active.pong_owed
        {
            active.pong_owed = false;
            active.write(&mut self.output, id::PONG, &EMPTY_LIST);
        }
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }

    /// The next event, or `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Fires due timers: the handshake budget, the read deadline, the ping.
    pub fn handle_timeout(&mut self, now: Now) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if now.mono >= self.timers.deadline {
            let silent = !matches!(self.phase, Phase::Active(_));
            if silent {
                // geth closes without a word when the handshake takes too long.
                self.close(Closed::Fault(WireError::TimedOut));
            } else {
                self.fail(WireError::TimedOut);
            }
            return;
        }
        if let Phase::Active(active) = &mut self.phase
            && self.timers.ping.is_some_and(|at| now.mono >= at)
        {
            active.pings = 0;
            active.write(&mut self.output, id::PING, &EMPTY_LIST);
            self.timers.ping = Some(now.mono.after(PING_INTERVAL));
        }
    }

    /// When [`Session::handle_timeout`] wants to be called next; `None` when closed.
    pub fn poll_timeout(&self) -> Option<Mono> {
        if matches!(self.phase, Phase::Closed) {
            return None;
        }
        Some(self.timers.ping.map_or(self.timers.deadline, |ping| ping.min(self.timers.deadline)))
    }

    /// Whether the session is over; what is queued may still be written.
    pub const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn process(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), WireError> {
        let mut input = std::mem::take(&mut self.input);
        let mut used = 0;
        let outcome = loop {
            match self.advance(now, input.get_mut(used..).unwrap_or_default(), rng) {
                Ok(Some(consumed)) => used = used.saturating_add(consumed),
                Ok(None) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        input.drain(..used.min(input.len()));
        self.input = input;
        outcome
    }

    /// One step at the front of `input`: how many bytes it consumed, `None` when it needs more.
    fn advance(
        &mut self,
        now: Now,
        input: &mut [u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<usize>, WireError> {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Initiating(initiator) => match initiator.read(&self.config.key, input)? {
                Step::More(initiator, _) => self.wait(Phase::Initiating(Box::new(initiator))),
                Step::Done(keyed, consumed) => Ok(self.keyed(keyed, consumed)),
            },
            Phase::Accepting(recipient) => match recipient.read(&self.config.key, input, rng)? {
                Step::More(recipient, _) => self.wait(Phase::Accepting(recipient)),
                Step::Done((keyed, ack), consumed) => {
                    self.output.extend_from_slice(&ack);
                    Ok(self.keyed(keyed, consumed))
                }
            },
            phase @ Phase::Deciding(_) if input.len() <= MAX_EARLY => self.wait(phase),
            Phase::Deciding(_) => Err(WireError::Early),
            Phase::Greeting(link) => self.greet(now, link, input),
            Phase::Active(active) => self.active(now, active, input),
            Phase::Closed => Ok(None),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every arm of advance")]
    fn wait(&mut self, phase: Phase) -> Result<Option<usize>, WireError> {
        self.phase = phase;
        Ok(None)
    }

    fn keyed(&mut self, keyed: Keyed, consumed: usize) -> Option<usize> {
        let (egress, ingress) = codecs(keyed.secrets);
        self.events.push_back(Event::Authenticated(keyed.remote));
        self.phase = Phase::Deciding(Box::new(Link { remote: keyed.remote, egress, ingress }));
        Some(consumed)
    }

    /// Reads the peer's Hello or Disconnect. Both are raw, except a Disconnect that geth sends after it has
    /// decoded our Hello, which is compressed.
    fn greet(&mut self, now: Now, mut link: Box<Link>, input: &mut [u8]) -> Result<Option<usize>, WireError> {
        let (frame, consumed) = match link.ingress.read(input, MAX_HELLO.saturating_add(9)) {
            Ok(Read::More(_)) => return self.wait(Phase::Greeting(link)),
            Ok(Read::Header { consumed }) => {
                self.phase = Phase::Greeting(link);
                return Ok(Some(consumed));
            }
            Ok(Read::Body { data, consumed }) => (data, consumed),
            // Oversize, malformed or out of place before Hello: geth closes without a word, and so do we.
            Err(fault) => return Err(fault),
        };
        let (message, payload) = split_id(frame)?;
        match message {
            id::DISCONNECT => {
                self.close(Closed::ByPeer(DisconnectReason::decode(payload, true)));
                Ok(None)
            }
            id::HELLO => {
                let outcome = Hello::decode(payload).and_then(|hello| self.established(&link, hello));
                match outcome {
                    Ok((hello, shared)) => {
                        let snappy = hello.version.min(P2P_VERSION) >= 5;
                        self.timers = Timers {
                            deadline: now.mono.after(READ_TIMEOUT),
                            ping: Some(now.mono.after(PING_INTERVAL)),
                        };
                        self.events.push_back(Event::Established { hello, shared: shared.clone() });
                        let active = Active { link: *link, shared, snappy, pong_owed: false, pings: 0 };
                        self.phase = Phase::Active(Box::new(active));
                        Ok(Some(consumed))
                    }
                    Err(fault) => {
                        self.phase = Phase::Greeting(link);
                        Err(fault)
                    }
                }
            }
            other => Err(WireError::BeforeHello(other)),
        }
    }

    fn established(&self, link: &Link, hello: Hello) -> Result<(Hello, Vec<Shared>), WireError> {
        if hello.key != link.remote {
            return Err(WireError::UnexpectedIdentity);
        }
        let shared = shared(&self.config.offers, &hello.capabilities);
        if shared.is_empty() {
            return Err(WireError::UselessPeer);
        }
        Ok((hello, shared))
    }

    fn active(
        &mut self,
        now: Now,
        mut active: Box<Active>,
        input: &mut [u8],
    ) -> Result<Option<usize>, WireError> {
        let (frame, consumed) = match active.link.ingress.read(input, self.config.max_frame())? {
            Read::More(_) => return self.wait(Phase::Active(active)),
            Read::Header { consumed } => {
                self.phase = Phase::Active(active);
                return Ok(Some(consumed));
            }
            Read::Body { data, consumed } => (data, consumed),
        };
        self.timers.deadline = now.mono.after(READ_TIMEOUT);
        let outcome = self.message(&mut active, frame);
        // Kept also after a fault: the Disconnect is written on it.
        self.phase = Phase::Active(active);
        if let Some(reason) = outcome? {
            // The originals echo the reason before they close, except for a network error.
            if reason != DisconnectReason::NETWORK_ERROR {
                self.goodbye(reason);
            }
            self.close(Closed::ByPeer(reason));
            return Ok(None);
        }
        Ok(Some(consumed))
    }

    /// Handles one frame of an established link; `Some` when it was a Disconnect.
    fn message(&mut self, active: &mut Active, frame: &[u8]) -> Result<Option<DisconnectReason>, WireError> {
        let (message, payload) = split_id(frame)?;
        if message == id::DISCONNECT {
            return Ok(Some(DisconnectReason::decode(payload, active.snappy)));
        }
        let found = active.shared.iter().enumerate().find_map(|(i, s)| s.code_of(message).map(|c| (i, c)));
        if message >= crate::caps::BASE_LENGTH && found.is_none() {
            return Err(WireError::UnknownMessage(message));
        }
        let max = self.config.max_message;
        let payload = match active.snappy {
            true => snappy::decompress(payload, max)?,
            false if payload.len() > max => {
                return Err(WireError::TooLarge { what: "message", size: payload.len(), max });
            }
            false => payload.to_vec(),
        };
        if let Some((capability, code)) = found {
            self.events.push_back(Event::Message { capability, code, payload });
        } else if message == id::PING {
            active.pings = active.pings.saturating_add(1);
            if active.pings > MAX_PINGS {
                return Err(WireError::PingFlood);
            }
            active.pong_owed = true;
        }
        // Pongs, a second Hello and the reserved ids are ignored.
        Ok(None)
    }

    fn fail(&mut self, fault: WireError) {
        if let Some(reason) = fault.disconnect() {
            self.goodbye(reason);
        }
        self.close(Closed::Fault(fault));
    }

    /// Writes a Disconnect where the phase allows one: raw before our peer's Hello, else as any message.
    fn goodbye(&mut self, reason: DisconnectReason) {
        match &mut self.phase {
            Phase::Greeting(link) | Phase::Deciding(link) => {
                link.write(&mut self.output, id::DISCONNECT, &reason.encode());
            }
            Phase::Active(active) => active.write(&mut self.output, id::DISCONNECT, &reason.encode()),
            Phase::Initiating(_) | Phase::Accepting(_) | Phase::Closed => {}
        }
    }

    fn close(&mut self, why: Closed) {
        if !matches!(self.events.back(), Some(Event::Closed(_))) {
            self.events.push_back(Event::Closed(why));
        }
        self.phase = Phase::Closed;
        self.input = Vec::new();
    }
}

impl Link {
    fn write(&mut self, out: &mut Vec<u8>, message: u64, payload: &[u8]) {
        let written = self.egress.write(out, MAX_FRAME, |out| {
            rlp::encode_uint(out, message);
            out.extend_from_slice(payload);
        });
        debug_assert!(written.is_ok(), "our own messages were measured before");
    }
}

impl Active {
    fn write(&mut self, out: &mut Vec<u8>, message: u64, payload: &[u8]) {
        if !self.snappy {
            return self.link.write(out, message, payload);
        }
        let written = self.link.egress.write(out, MAX_FRAME, |out| {
            rlp::encode_uint(out, message);
            snappy::compress(payload, out);
        });
        debug_assert!(written.is_ok(), "our own messages were measured before");
    }
}

/// The canonical integer at the front of a frame, and the rest.
fn split_id(frame: &[u8]) -> Result<(u64, &[u8]), WireError> {
    let mut rest = frame;
    let message = rlp::uint(&mut rest, "message id").map_err(|_| WireError::MessageId)?;
    Ok((message, rest))
}
