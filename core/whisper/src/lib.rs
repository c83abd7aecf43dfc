//! Who sees that something was said: envelopes that carry sealed payloads, the work that they cost, the filters that
//! they pass, and the gossip that spreads them.
//!
//! Implements Whisper v6 (EIP-627, `shh/6`; `whisper.md` 1, 2, 4, 5, 9) as geth 1.9.7 and status-go 0.60 speak it, and
//! `core/transport` over it, and status-go's confirmations where [`Config::confirm`] asks for them. Left out: Waku, mail
//! servers, JSON-RPC, rate limits (they bind no peer that does not announce them), the direct packets 126 and 127 (nobody
//! is trusted here).
//!
//! ```text
//!                       Transport: Listen · Send                        Received · Progress
//!                               │                                               ▲
//!   Job ◀── derive, seal, open ─┤  WhisperTransport: routes → topics and keys ──┤── JobDone
//!                               ▼                                               │
//!   peer ── Packet ──▶ times ▶ size ▶ hash ▶ work ▶ bloom ──▶ pool ──▶ wants? ──▶ bundle ── Packet ──▶ peer
//!                                         Whisper
//! ```
//!
//! A relay runs [`Whisper`] alone; a client runs [`WhisperTransport`], which owns one. Neither knows devp2p: the shell
//! joins packets (code, body) to links.
//!
//! # The gossip machine
//! - Owns: the pool, what each peer wants and has, our own wishes. All in memory.
//! - Inputs: [`Input`]. Outputs: [`Event`], [`Transmit`]. Poll events and transmits after every call, then the timeout.
//! - Timers: the next expiry, the next held envelope, a silent handshake, a second look for a peer that widened its
//!   wishes.
//! - Credit: one packet of envelopes is out per peer until the shell says [`Input::Sent`]. On an idle link an envelope
//!   leaves at once; on a busy one those that come meanwhile leave together, at most 512 KiB.
//!
//! # Invariants
//! - An envelope is in the pool once, as one exact-size copy of its received bytes; these are hashed and relayed.
//! - It is never sent to a peer that sent it or has got it, nor to one whose PoW or bloom it does not meet by the
//!   strictest reading, nor before it is due, nor in its last two seconds: geth drops whoever does.
//! - What is confirmed is in the pool, and durable if the config says so; nobody is answered who did not ask.
//! - A packet is read whole before the first envelope of it counts; a fault changes counters and ends the link.
//! - Whatever a peer can grow is bounded ([`limits`]): the pool (lowest PoW × remaining life goes first), and a bit per
//!   pooled envelope and peer.
//! - Same inputs, same outputs. The gossip machine draws no randomness; the transport has one seed.
//!
//! # Attacks and answers
//! - *Flood of cheap or long-lived envelopes*: the pool keeps what cost most for the life that it has left; a ttl of 0
//!   or of years is refused; too many envelopes of low PoW end the link.
//! - *Turning a relay against its peers* (an envelope that the next node must refuse): held, measured and withheld as
//!   above. A wrong clock never costs a link here: the deployed status-go does not drop for it either.
//! - *Replay in a fresh envelope*: what was received or sent is known by the hash of its data for ten minutes.
//! - *Wish flapping* to cause passes over the pool: one a second per peer.
//! - *Who sent it first*: a client that advertises its interest shows it; `Advertise::Everything` and `Flush::Blended`
//!   answer in part. A random nonce hides how fast the machine is.
//!
//! # Example
//! ```
//! use undertone_base::{Mono, Now, Unix};
//! use undertone_whisper::wire::{PacketCode, Status};
//! use undertone_whisper::{Config, Event, Input, Link, PeerId, Protocol, Transmit, Whisper};
//!
//! let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
//! let mut relay = Whisper::new(&Config::default());
//! relay.handle(now, Input::Connected(Link::whisper(PeerId(1))))?;
//! let Some(Transmit::Packet { code: PacketCode::STATUS, .. }) = relay.poll_transmit(now) else { panic!() };
//!
//! let theirs = Status::default().encode();
//! relay.handle(now, Input::Packet { peer: PeerId(1), protocol: Protocol::Whisper, code: PacketCode::STATUS, body: &theirs })?;
//! assert_eq!(relay.poll_event(), Some(Event::PeerReady(PeerId(1))));
//! # Ok::<(), undertone_whisper::Fault>(())
//! ```
//!
//! # Features
//! `testing`: networks of machines in virtual time.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod confirm;
mod dialect;
mod engine;
mod envelope;
mod evicted;
pub mod filters;
pub mod limits;
mod peer;
mod pool;
pub mod pow;
pub mod rate;
mod rlp;
mod skew;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;
mod topic;
mod transport;
pub mod wire;

pub use dialect::{Dialects, Protocol, Protocols, RateLimits, WakuVersion};
pub use engine::{
    AckId, Bridge, Config, Confirm, Event, Fault, FlushPolicy, Input, Refusal, Requests, Stats, Transmit,
    Watch, Whisper,
};
pub use envelope::{BadEnvelope, Envelope, EnvelopeHash, Header, NOMINAL_OVERHEAD, RawEnvelope, Work};
pub use peer::{Link, PeerId, WakuMode};
pub use pow::Pow;
pub use skew::{ClockFault, ClockSample, SampleKind};
pub use topic::{Bloom, Topic};
pub use transport::{
    Advertise, Job, JobDone, JobId, LARGE_PAYLOAD, Report, Step, TransportConfig, WhisperTransport, topic_of,
};
