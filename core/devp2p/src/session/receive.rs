//! What arrives: from the bytes of each phase to the next phase and its events.

use rand_core::CryptoRng;
use undertone_base::Now;

use super::link::{Active, Link, PingRate};
use super::{Closed, Event, Phase, Session, Timers};
use crate::caps::{BASE_LENGTH, Shared, shared};
use crate::error::WireError;
use crate::frame::{Read, codecs};
use crate::handshake::{Keyed, Step};
use crate::limits::{IDLE_BUFFER, MAX_EARLY, MAX_HELLO, MESSAGE_ID};
use crate::message::{DisconnectReason, Hello, P2P_VERSION, id};
use crate::{rlp, snappy};

/// What the front of the input was.
enum Front {
    /// Not all there yet.
    Partial,
    /// Done with this many bytes.
    Done(usize),
    /// A Hello, in this many bytes.
    Hello(Hello, usize),
    /// A Disconnect, behind which nothing counts.
    Goodbye(DisconnectReason),
}

impl Session {
    /// Takes every step that the input allows. The input is moved to the front once, at the end.
    pub(super) fn process(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), WireError> {
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
        let spent = input.is_empty() && input.capacity() > IDLE_BUFFER;
        if !self.is_closed() && !spent {
            self.input = input;
        }
        outcome
    }

    /// One step at the front of `input`: how many bytes it consumed, `None` when it needs more. After an error
    /// of the handshake no link is left; after any other it is, for the Disconnect.
    fn advance(
        &mut self,
        now: Now,
        input: &mut [u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<usize>, WireError> {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Initiating(initiator) => match initiator.read(self.config.key(), input)? {
                Step::More(initiator, _) => self.wait(Phase::Initiating(Box::new(initiator))),
                Step::Done(keyed, consumed) => Ok(self.keyed(keyed, consumed)),
            },
            Phase::Accepting(recipient) => match recipient.read(self.config.key(), input, rng)? {
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
        let link = Link { remote: keyed.remote, egress, ingress, snappy: false };
        self.phase = Phase::Deciding(Box::new(link));
        Some(consumed)
    }

    fn greet(&mut self, now: Now, mut link: Box<Link>, input: &mut [u8]) -> Result<Option<usize>, WireError> {
        let front = read_greeting(&mut link, input);
        if let Ok(Front::Hello(hello, consumed)) = front {
            return self.establish(now, link, hello).map(|()| Some(consumed));
        }
        self.phase = Phase::Greeting(link);
        Ok(self.settle(front?))
    }

    /// Both Hellos are known: either the link serves, or the fault is said in the form that the Hellos agree on.
    fn establish(&mut self, now: Now, mut link: Box<Link>, hello: Hello) -> Result<(), WireError> {
        link.snappy = hello.version.min(P2P_VERSION) >= 5;
        let shared = match self.matching(&link, &hello) {
            Ok(shared) => shared,
            Err(fault) => {
                self.phase = Phase::Greeting(link);
                return Err(fault);
            }
        };
        self.timers = Timers::established(now.mono);
        self.events.push_back(Event::Established { hello, shared: shared.clone() });
        let pings = PingRate::new(now.mono);
        self.phase = Phase::Active(Box::new(Active { link: *link, shared, pong_owed: false, pings }));
        Ok(())
    }

    fn matching(&self, link: &Link, hello: &Hello) -> Result<Vec<Shared>, WireError> {
        if hello.key != link.remote {
            return Err(WireError::UnexpectedIdentity);
        }
        let shared = shared(&self.config.offers, &hello.capabilities);
        if shared.is_empty() {
            return Err(WireError::UselessPeer);
        }
        Ok(shared)
    }

    fn active(
        &mut self,
        now: Now,
        mut active: Box<Active>,
        input: &mut [u8],
    ) -> Result<Option<usize>, WireError> {
        let front = self.read_message(now, &mut active, input);
        self.phase = Phase::Active(active);
        Ok(self.settle(front?))
    }

    fn settle(&mut self, front: Front) -> Option<usize> {
        match front {
            Front::Partial => None,
            Front::Done(consumed) | Front::Hello(_, consumed) => Some(consumed),
            Front::Goodbye(reason) => {
                // The originals echo the reason before they close, except for a network error.
                if reason != DisconnectReason::NETWORK_ERROR {
                    self.goodbye(reason);
                }
                self.close(Closed::ByPeer(reason));
                None
            }
        }
    }

    /// Reads one piece of an established link.
    fn read_message(&mut self, now: Now, active: &mut Active, input: &mut [u8]) -> Result<Front, WireError> {
        let (frame, consumed) = match active.link.ingress.read(input, self.config.max_frame())? {
            Read::More(_) => return Ok(Front::Partial),
            Read::Header { consumed } => return Ok(Front::Done(consumed)),
            Read::Body { data, consumed } => (data, consumed),
        };
        self.timers.message(now.mono);
        let (message, payload) = split_id(frame)?;
        if message == id::DISCONNECT {
            return Ok(Front::Goodbye(DisconnectReason::decode(payload, active.link.snappy)));
        }
        let found = active.shared.iter().enumerate().find_map(|(i, s)| s.code_of(message).map(|c| (i, c)));
        if message >= BASE_LENGTH && found.is_none() {
            return Err(WireError::UnknownMessage(message));
        }
        let payload = self.unpack(payload, active.link.snappy)?;
        if let Some((capability, code)) = found {
            self.events.push_back(Event::Message { capability, code, payload });
        } else if message == id::PING {
            if !active.pings.count(now.mono) {
                return Err(WireError::PingFlood);
            }
            active.pong_owed = true;
        } else if message == id::PONG {
            self.timers.pong(now.mono);
        }
        // A second Hello and the reserved ids are ignored.
        Ok(Front::Done(consumed))
    }

    fn unpack(&self, payload: &[u8], compressed: bool) -> Result<Vec<u8>, WireError> {
        let max = self.config.max_message;
        match compressed {
            true => snappy::decompress(payload, max),
            false if payload.len() > max => {
                Err(WireError::TooLarge { what: "message", size: payload.len(), max })
            }
            false => Ok(payload.to_vec()),
        }
    }
}

/// Reads the peer's Hello or Disconnect. A Hello is never compressed. A Disconnect is, when geth sends it after
/// it has decoded our Hello, so both forms are read.
fn read_greeting(link: &mut Link, input: &mut [u8]) -> Result<Front, WireError> {
    let (frame, consumed) = match link.ingress.read(input, MAX_HELLO.saturating_add(MESSAGE_ID))? {
        Read::More(_) => return Ok(Front::Partial),
        Read::Header { consumed } => return Ok(Front::Done(consumed)),
        Read::Body { data, consumed } => (data, consumed),
    };
    let (message, payload) = split_id(frame)?;
    match message {
        id::DISCONNECT => Ok(Front::Goodbye(DisconnectReason::decode(payload, true))),
        id::HELLO => Ok(Front::Hello(Hello::decode(payload)?, consumed)),
        other => Err(WireError::BeforeHello(other)),
    }
}

/// The canonical integer at the front of a frame, and the rest.
fn split_id(frame: &[u8]) -> Result<(u64, &[u8]), WireError> {
    let mut rest = frame;
    let message = rlp::uint(&mut rest, "message id").map_err(|_| WireError::MessageId)?;
    Ok((message, rest))
}
