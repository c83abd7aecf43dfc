//! Who sees that something was said: envelopes that carry sealed payloads, the work that they cost, the filters that
//! they pass, and the gossip that spreads them.
//!
//! Implements Whisper v6 (EIP-627, `shh/6`) as geth 1.9.7 and status-go 0.60 speak it, Waku v0 and v1 as status-go 0.60
//! speaks them (`whisper.md` 1 to 6 and 9), and `core/transport` over both. Left out: mail servers (their packets 123 to
//! 126 are skipped, or handed up as they are), JSON-RPC.
//!
//! ```text
//!                       Transport: Listen · Send                        Received · Progress
//!                               │                                               ▲
//!   Job ◀── derive, seal, open ─┤  WhisperTransport: routes → topics and keys ──┤── JobDone
//!                               ▼                                               │
//!   shh/6  ─┐                                                                   ┌─ shh/6
//!   waku/0 ─┼─▶ rates ▶ times ▶ size ▶ hash ▶ work ▶ wished? ──▶ one pool ──▶ wants? ──▶ bundle ─┼─ waku/0
//!   waku/1 ─┘                           Whisper                                  └─ waku/1
//! ```
//!
//! A relay runs [`Whisper`] alone; a client runs [`WhisperTransport`], which owns one. Neither knows devp2p: the shell
//! joins packets (protocol, code, body) to links. [`filters::Filters`] stands beside either, for those who install filters
//! and come back for what they caught: it is offered what [`Event::Accepted`] and [`Event::Direct`] name.
//!
//! # The gossip machine
//! - Owns: the pool, what each peer wants and has, our own wishes. All in memory.
//! - Inputs: [`Input`]. Outputs: [`Event`], [`Transmit`]. Poll events and transmits after every call, then the timeout.
//! - Timers: the next expiry, the next held envelope, a silent handshake, a second look for a peer that widened its
//!   wishes, a peer's flush time, what is told of our wishes.
//! - A link speaks `shh/6`, one version of Waku, or both ([`Dialects`]); each has its own handshake and wishes, and what a
//!   peer has is one set. An envelope goes to a peer once: by Waku if that handshake is over and wants it, else by Whisper.
//! - Credit: one packet of envelopes is out per peer until the shell says [`Input::Sent`]. With [`FlushPolicy::Fast`] an
//!   envelope leaves at once on an idle link; on a busy one those that come meanwhile leave together, at most 512 KiB.
//!   With [`FlushPolicy::Blended`] each peer has random flush times of its own and gets shuffled bundles.
//! - [`Bridge`]: whether what came by one protocol goes on by the other. A node for Status clients speaks both
//!   ([`Protocols::BOTH`]) and bridges; a relay of this crate speaks `shh/6` until it is told more.
//!
//! # Invariants
//! - An envelope is in the pool once, as one exact-size copy of its received bytes; these are hashed and relayed.
//! - It is never sent to a peer that sent it or has got it, by whichever protocol, nor to one whose PoW or topics it does
//!   not meet by the strictest reading, nor before it is due, nor in its last two seconds: geth drops whoever does.
//! - What is confirmed is in the pool, and durable if the config says so; nobody is answered who did not ask.
//! - A packet is read whole before the first envelope of it counts; a fault changes counters and, but for what peers of
//!   Waku are forgiven, ends the link.
//! - Whatever a peer can grow is bounded ([`limits`], [`Config::memory_bound`]): the pool (lowest PoW × remaining life goes
//!   first), and a bit per pooled envelope and peer.
//! - Same seed, same inputs, same outputs.
//!
//! # Attacks and answers (tests: `tests/it/attacks.rs`, `src/tests/{crash,rates}.rs`)
//! - *Flood of cheap or long-lived envelopes*: the pool keeps what cost most for the life that it has left; a ttl of 0
//!   or of years is refused; too many envelopes of low PoW end the link; above announced limits ([`rate`]) reading is put
//!   off, then what is worth least is dropped.
//! - *Turning a relay against its peers* (an envelope that the next node must refuse): held, measured and withheld as
//!   above. A wrong clock never costs a link here: the deployed status-go does not drop for it either.
//! - *Replay in a fresh envelope*: what was received or sent is known by the hash of its data for ten minutes.
//! - *Wish flapping* to cause passes over the pool: one a second per peer and protocol.
//! - *Who sent it first*: a client that advertises its interest shows it; [`Advertise::Everything`] and
//!   [`FlushPolicy::Blended`] answer in part. A random nonce hides how fast the machine is.
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
