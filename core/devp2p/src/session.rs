//! The life of one connection, from the first byte to the last.
//!
//! ```text
//! dial/accept ─▶ Handshake ─Authenticated─▶ Admission ─admit─▶ Hello ─Established─▶ Active ─▶ Closed
//!                    5 s in all ───────────────────────────────────┘   30 s per message
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `session.rs` | the machine as the shell sees it: calls, events, timers |
//! | `session/receive.rs` | from bytes to the next phase |
//! | `session/link.rs` | a keyed link and what is written on it |
//! | `session/config.rs` | what all sessions of a node share |

mod config;
mod link;
mod receive;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use rand_core::CryptoRng;
use undertone_base::{Mono, Now};
use undertone_crypto::PublicKey;

pub use self::config::Config;
use self::link::{Active, Link};
use crate::caps::Shared;
use crate::error::{SendError, WireError};
use crate::handshake::{Initiator, Recipient};
use crate::limits::{HANDSHAKE_TIMEOUT, MAX_FRAME, MAX_QUEUED, PING_INTERVAL, READ_TIMEOUT};
use crate::message::{DisconnectReason, EMPTY_LIST, Hello, id};

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
    /// The handshake named this key; [`Session::admit`] must answer. Whoever replays a recorded auth packet gets
    /// this far with another's key. Only [`Event::Established`] proves it, because a frame has then passed its
    /// MAC: give no older link of that key up before.
    Authenticated(PublicKey),
    /// Both Hellos are exchanged, and the peer has proved its key.
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

/// One connection.
///
/// | input | output |
/// |---|---|
/// | [`Session::receive`]: bytes | [`Event`]s from [`Session::poll_event`] |
/// | [`Session::admit`], [`Session::send`], [`Session::disconnect`] | bytes from [`Session::poll_transmit`] |
/// | [`Session::handle_timeout`] | when to call it, from [`Session::poll_timeout`] |
///
/// Poll order after every call: events until `None`, then transmit until `None`, then the timeout.
pub struct Session {
    config: Config,
    phase: Phase,
    input: Vec<u8>,
    output: Vec<u8>,
    events: VecDeque<Event>,
    timers: Timers,
}

enum Phase {
    Initiating(Box<Initiator>),
    Accepting(Recipient),
    Deciding(Box<Link>),
    Greeting(Box<Link>),
    Active(Box<Active>),
    Closed,
}

#[derive(Clone, Copy, Debug)]
struct Timers {
    /// Handshake budget, then the read deadline.
    deadline: Mono,
    /// When to ping, once both Hellos are exchanged.
    ping: Option<Mono>,
    /// When the last message came.
    heard: Mono,
    /// When the ping was written that has no pong yet.
    pinged: Option<Mono>,
    /// How long the last pong took, until it is taken.
    rtt: Option<Duration>,
}

impl Timers {
    fn established(now: Mono) -> Self {
        let (deadline, ping) = (now.after(READ_TIMEOUT), Some(now.after(PING_INTERVAL)));
        Self { deadline, ping, heard: now, pinged: None, rtt: None }
    }

    /// We write a ping.
    fn ping(&mut self, now: Mono) {
        self.ping = Some(now.after(PING_INTERVAL));
        self.pinged = Some(now);
    }

    /// One that nobody asked for says nothing.
    fn pong(&mut self, now: Mono) {
        if let Some(at) = self.pinged.take() {
            self.rtt = Some(now.since(at));
        }
    }

    fn message(&mut self, now: Mono) {
        self.heard = now;
        self.deadline = now.after(READ_TIMEOUT);
    }

    /// We send something.
    fn put_ping_off(&mut self, now: Mono) {
        // DEVIATION: geth pings every 15 s whatever else it sends (`devp2p.md` 2.6). A message of ours keeps the link
        // alive at the other end as well, but only an answer does at ours: the ping is put off to 15 s after the
        // peer's last message, never further. Pinned by `a_link_that_is_busy_both_ways_needs_no_ping` and
        // `a_peer_that_only_answers_pings_is_kept_however_busy_we_are`.
        let quiet = self.heard.after(PING_INTERVAL);
        if quiet > now {
            self.ping = Some(quiet);
        }
    }
}

impl Session {
    /// We connected to `remote`; the auth packet waits in [`Session::poll_transmit`].
    pub fn dial(config: Config, remote: PublicKey, now: Now, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let (initiator, auth) = Initiator::start(config.key(), remote, rng);
        let mut session = Self::new(config, Phase::Initiating(Box::new(initiator)), now);
        session.output = auth;
        session
    }

    /// Somebody connected to us.
    pub fn accept(config: Config, now: Now) -> Self {
        Self::new(config, Phase::Accepting(Recipient::new()), now)
    }

    fn new(config: Config, phase: Phase, now: Now) -> Self {
        let deadline = now.mono.after(HANDSHAKE_TIMEOUT);
        let timers = Timers { deadline, ping: None, heard: now.mono, pinged: None, rtt: None };
        Self { config, phase, input: Vec::new(), output: Vec::new(), events: VecDeque::new(), timers }
    }

    /// Takes bytes of the peer. What they mean comes as events; after a fault the rest is dropped.
    ///
    /// Every whole frame becomes an event at once, and snappy can make one some twenty times as large as its
    /// bytes: hand over one read of a socket (64 KiB or so) at a time, and take the events before the next.
    pub fn receive(&mut self, now: Now, bytes: &[u8], rng: &mut (impl CryptoRng + ?Sized)) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.input.extend_from_slice(bytes);
        if let Err(fault) = self.process(now, rng) {
            self.fail(fault);
        }
    }

    /// Answers [`Event::Authenticated`]. At any other time it does nothing.
    pub fn admit(&mut self, now: Now, admission: Admission, rng: &mut (impl CryptoRng + ?Sized)) {
        if !matches!(self.phase, Phase::Deciding(_)) {
            return;
        }
        let Phase::Deciding(mut link) = std::mem::replace(&mut self.phase, Phase::Closed) else { return };
        match admission {
            Admission::Refuse(reason) => {
                link.goodbye(&mut self.output, reason);
                self.close(Closed::ByUs(reason));
            }
            Admission::Admit => {
                link.write_base(&mut self.output, id::HELLO, &self.config.hello().encode());
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
        active
            .link
            .write(&mut self.output, message, payload)
            .map_err(|size| SendError::TooLarge { size, max: MAX_FRAME })?;
        self.timers.put_ping_off(now.mono);
        Ok(())
    }

    /// How many bytes wait to be written.
    pub const fn queued(&self) -> usize {
        self.output.len()
    }

    /// How many bytes of an unfinished packet or frame it holds.
    pub const fn buffered(&self) -> usize {
        self.input.len()
    }

    /// Says goodbye. What was sent before still goes out first. Does nothing once the session is closed.
    pub fn disconnect(&mut self, reason: DisconnectReason) {
        if self.is_closed() {
            return;
        }
        if let Phase::Greeting(link) = &mut self.phase {
            // DEVIATION: geth says nothing here, and what it says raw between the Hellos (`devp2p.md` 2.6) another
            // geth cannot read: our Hello has turned compression on at its end. Pinned by
            // `a_goodbye_between_the_hellos_is_readable_by_geth`.
            link.snappy = true;
        }
        self.goodbye(reason);
        self.close(Closed::ByUs(reason));
    }

    /// Everything that waits to be written, or `None`.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if let Phase::Active(active) = &mut self.phase {
            active.pay_pong(&mut self.output);
        }
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }

    /// The next event, or `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How long the peer took to answer our last ping, once for each answer.
    pub fn take_rtt(&mut self) -> Option<Duration> {
        self.timers.rtt.take()
    }

    /// Fires due timers: the handshake budget, the read deadline, the ping. Early calls are harmless.
    pub fn handle_timeout(&mut self, now: Now) {
        let expired = now.mono >= self.timers.deadline;
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Active(_) if expired => self.fail(WireError::TimedOut),
            // geth closes without a word when the handshake takes too long.
            _ if expired => self.close(Closed::Fault(WireError::TimedOut)),
            Phase::Active(active) if self.timers.ping.is_some_and(|at| now.mono >= at) => {
                active.link.write_base(&mut self.output, id::PING, &EMPTY_LIST);
                self.timers.ping(now.mono);
            }
            _ => {}
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

    fn fail(&mut self, fault: WireError) {
        if let Some(reason) = fault.disconnect() {
            self.goodbye(reason);
        }
        self.close(Closed::Fault(fault));
    }

    /// Writes a Disconnect where the phase has a link for it, in the form that its Hellos agreed on.
    fn goodbye(&mut self, reason: DisconnectReason) {
        match &mut self.phase {
            Phase::Greeting(link) | Phase::Deciding(link) => link.goodbye(&mut self.output, reason),
            Phase::Active(active) => {
                active.pay_pong(&mut self.output);
                active.link.goodbye(&mut self.output, reason);
            }
            Phase::Initiating(_) | Phase::Accepting(_) | Phase::Closed => {}
        }
    }

    fn close(&mut self, why: Closed) {
        self.events.push_back(Event::Closed(why));
        self.phase = Phase::Closed;
        self.input = Vec::new();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (phase, remote) = match &self.phase {
            Phase::Initiating(_) => ("initiating", None),
            Phase::Accepting(_) => ("accepting", None),
            Phase::Deciding(link) => ("deciding", Some(link.remote)),
            Phase::Greeting(link) => ("greeting", Some(link.remote)),
            Phase::Active(active) => ("active", Some(active.link.remote)),
            Phase::Closed => ("closed", None),
        };
        f.debug_struct("Session")
            .field("phase", &phase)
            .field("remote", &remote)
            .field("buffered", &self.input.len())
            .field("queued", &self.output.len())
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}
