//! What goes in and out of the gossip machine.

use undertone_base::{FaultClass, Mono, Severity};

use super::confirm::AckId;
use super::flush::FlushPolicy;
use crate::confirm::BatchHash;
use crate::dialect::{Protocol, RateLimits};
use crate::envelope::{Envelope, EnvelopeHash};
use crate::limits::MAX_MESSAGE;
use crate::peer::{Link, PeerId};
use crate::skew::ClockFault;
use crate::wire::{PacketCode, PacketFault};
use crate::{Bloom, Pow, Topic};

/// What comes in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A link with at least one of the protocols stands. The peer id is new.
    Connected(Link),
    /// A link is gone.
    Disconnected(PeerId),
    /// The direct packets of a peer are not taken any more.
    Distrust(PeerId),
    /// A peer's link becomes one that no limit of rates binds, or is one no longer.
    Exempt {
        /// Whose.
        peer: PeerId,
        /// Whether it is one.
        exempt: bool,
    },
    /// A packet of a capability, decompressed.
    Packet {
        /// From.
        peer: PeerId,
        /// By which protocol.
        protocol: Protocol,
        /// Its code inside the capability.
        code: PacketCode,
        /// Its body.
        body: &'a [u8],
    },
    /// What a confirmation is about is stored.
    Durable(AckId),
    /// An envelope of our own.
    Post(Envelope),
    /// The link took the last [`Transmit::Packet`] of code [`PacketCode::MESSAGES`] for this peer.
    Sent(PeerId),
    /// Envelopes to one peer, past its and everybody's pool; it takes them if it trusts us. They are not followed.
    SendDirect {
        /// To.
        peer: PeerId,
        /// What.
        envelopes: Vec<Envelope>,
    },
    /// A new filter for everybody; `None` = all topics.
    SetBloom(Option<Bloom>),
    /// Another policy from now on; what waits for a time of its own keeps it.
    SetFlush(FlushPolicy),
    /// A new filter and other topics for everybody, told as one change.
    SetInterest {
        /// As [`Input::SetBloom`].
        bloom: Option<Bloom>,
        /// As [`Input::SetTopics`].
        topics: Vec<Topic>,
    },
    /// Other limits for everybody: of packets and of their bytes.
    SetLimits {
        /// Packets in a second.
        packets: RateLimits,
        /// Bytes in a second; only peers of Waku v1 hear of them.
        bytes: RateLimits,
    },
    /// A new minimum for everybody.
    SetMinPow(Pow),
    /// The topics for peers of Waku, where they are named to them ([`WakuMode::Topics`](crate::WakuMode::Topics)).
    SetTopics(Vec<Topic>),
    /// Envelopes on this topic become events. Counted: each needs its own `Unsubscribe`.
    Subscribe(Topic),
    /// The direct packets of a peer are taken, as long as its link stands.
    Trust(PeerId),
    /// Envelopes on this topic no longer become events.
    Unsubscribe(Topic),
}

/// What goes out to a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transmit {
    /// Close the link; the machine has forgotten the peer.
    Disconnect {
        /// Whose.
        peer: PeerId,
        /// The devp2p reason to send.
        reason: u8,
    },
    /// Read nothing from this peer before then: it sends more than we said we take. Whatever is read all the same is
    /// taken.
    Defer {
        /// Whose link.
        peer: PeerId,
        /// When to read again; at most a second from now.
        until: Mono,
    },
    /// Send a packet. Of code [`PacketCode::MESSAGES`] there is one at a time per peer: the next comes after
    /// [`Input::Sent`].
    Packet {
        /// To.
        peer: PeerId,
        /// By which protocol.
        protocol: Protocol,
        /// Its code inside the capability.
        code: PacketCode,
        /// Its body.
        body: Vec<u8>,
    },
}

/// For the layer above.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An envelope is new here and on a watched topic.
    Accepted {
        /// It.
        envelope: Envelope,
        /// Who brought it first; `None` = posted here.
        from: Option<PeerId>,
    },
    /// A packet of envelopes may be confirmed to this peer, once what was new in it is stored; only with
    /// [`Confirm::WhenDurable`](crate::Confirm::WhenDurable). [`Input::Durable`] answers it; at most [`MAX_ACKS`](crate::limits::MAX_ACKS) wait.
    AckReady {
        /// Whose packet it was.
        peer: PeerId,
        /// Names the confirmation.
        ack: AckId,
    },
    /// A peer that confirms took an envelope that was posted here.
    Confirmed {
        /// Which.
        hash: EnvelopeHash,
        /// Who.
        peer: PeerId,
        /// The packet in which it left.
        batch: BatchHash,
    },
    /// An envelope of a trusted peer for us alone. Nothing about it was checked but its shape, and it is in no pool.
    Direct {
        /// It.
        envelope: Envelope,
        /// Who sent it.
        peer: PeerId,
        /// By which protocol.
        protocol: Protocol,
    },
    /// An envelope that was posted here left the pool.
    Ended(EnvelopeHash),
    /// An envelope of somebody else left the pool; only with [`Watch::Traffic`](crate::Watch::Traffic).
    Expired(EnvelopeHash),
    /// The handshake is over: envelopes flow.
    PeerReady(PeerId),
    /// An envelope came in a packet of a peer, whether it is taken or not; only with [`Watch::Traffic`](crate::Watch::Traffic).
    Received {
        /// Which.
        hash: EnvelopeHash,
        /// Whose packet it was.
        peer: PeerId,
    },
    /// A peer that confirms did not take an envelope that was posted here. Others may.
    Refused {
        /// Which.
        hash: EnvelopeHash,
        /// Who.
        peer: PeerId,
        /// The packet in which it left.
        batch: BatchHash,
        /// [`TIME_NOT_SYNCED`](crate::confirm::TIME_NOT_SYNCED) or another.
        code: u64,
        /// What is wrong between our clock and the peer's, if it says that.
        clock: Option<ClockFault>,
    },
    /// A request to a mail server; only with [`Requests::Serve`](crate::Requests::Serve).
    Request {
        /// Whose.
        peer: PeerId,
        /// By which protocol.
        protocol: Protocol,
        /// Packet 126 as it came: an envelope, or the list of a plain request.
        body: Vec<u8>,
    },
    /// A peer that was not sent an envelope that was posted here has it: somebody took it and passed it on.
    Returned {
        /// Which.
        hash: EnvelopeHash,
        /// Who brought it.
        peer: PeerId,
    },
    /// The link of a peer that does not confirm took an envelope that was posted here.
    Sent {
        /// Which.
        hash: EnvelopeHash,
        /// Whose link.
        peer: PeerId,
    },
}

impl Event {
    /// What status-go calls it where it is about an envelope, for interfaces that speak of it so (`whisper.md` 5.10).
    /// Its two words for an acknowledgement differ by a letter.
    pub const fn status_go_name(&self, protocol: Protocol) -> Option<&'static str> {
        Some(match self {
            Self::Accepted { .. } | Self::Direct { .. } => "envelope.available",
            Self::Confirmed { .. } | Self::Refused { .. } => match protocol {
                Protocol::Whisper => "batch.acknowleged",
                Protocol::Waku => "batch.acknowledged",
            },
            Self::Ended(_) | Self::Expired(_) => "envelope.expired",
            Self::Received { .. } => "envelope.received",
            Self::Sent { .. } => "envelope.sent",
            Self::AckReady { .. } | Self::PeerReady(_) | Self::Request { .. } | Self::Returned { .. } => {
                return None;
            }
        })
    }
}

/// Why an envelope is not taken. Only the last two are held against a peer, and only in numbers: an honest
/// one has a wrong clock or an older version.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Made more than [`FUTURE_SECS`](crate::limits::FUTURE_SECS) ahead of our clock. The words of this and of
    /// [`Refusal::VeryOld`] are status-go's: in a confirmation they are all that tells a clock from other reasons.
    #[error("envelope from future")]
    Early,
    /// Expired, or about to when it is our own.
    #[error("envelope has expired")]
    Expired,
    /// Over the size limit.
    #[error("envelope of {got} bytes is over the limit of {MAX_MESSAGE}")]
    TooLarge {
        /// Its nominal size in bytes.
        got: usize,
    },
    /// A time to live of 0 (infinite PoW), above the expiry (wraps) or above [`MAX_TTL`](crate::limits::MAX_TTL).
    #[error("envelope has no acceptable time to live")]
    Ttl,
    /// More than we said we take in a second, and worth less than what was taken.
    #[error("too many envelopes in a second")]
    TooMany,
    /// Expired more than [`VERY_OLD_SECS`](crate::limits::VERY_OLD_SECS) ago.
    #[error("very old envelope")]
    VeryOld,
    /// Less PoW than we ask.
    #[error("envelope with low pow")]
    LowPow,
    /// Outside our bloom filter.
    #[error("envelope does not match the bloom filter")]
    Unwanted,
}

impl Refusal {
    /// The peer's, mild where honest peers do it too.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(match self {
            Self::LowPow | Self::Unwanted => Severity::Serious,
            _ => Severity::Mild,
        })
    }

    /// Whether clocks that differ explain it.
    pub const fn is_of_clocks(&self) -> bool {
        matches!(self, Self::Early | Self::Expired | Self::VeryOld)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Early => "envelope.early",
            Self::Expired => "envelope.expired",
            Self::TooLarge { .. } => "envelope.too_large",
            Self::TooMany => "envelope.too_many",
            Self::Ttl => "envelope.ttl",
            Self::VeryOld => "envelope.very_old",
            Self::LowPow => "envelope.low_pow",
            Self::Unwanted => "envelope.unwanted",
        }
    }
}

/// Why an input had no or no good effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A packet ended the link; [`Transmit::Disconnect`] follows.
    #[error(transparent)]
    Packet(#[from] PacketFault),
    /// Our own envelope was not taken.
    #[error(transparent)]
    Post(#[from] Refusal),
}

impl Fault {
    /// Whose.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Packet(fault) => fault.fault(),
            Self::Post(_) => FaultClass::Caller,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Packet(fault) => fault.code(),
            Self::Post(refusal) => refusal.code(),
        }
    }
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Envelopes that entered the pool.
    pub accepted: u64,
    /// Envelopes that came again.
    pub duplicates: u64,
    /// Refused: too far in the future.
    pub early: u64,
    /// Removed to keep the pool within its limits.
    pub evicted: u64,
    /// Refused: expired or very old.
    pub expired: u64,
    /// Packets that a peer of Waku was forgiven, as status-go does: undecodable ones that are not its Status.
    pub forgiven: u64,
    /// Packets of unknown or untrusted codes.
    pub ignored_packets: u64,
    /// Refused: low PoW.
    pub low_pow: u64,
    /// Pauses that were asked for because a peer gave more than the limits.
    pub deferred: u64,
    /// Refused: more than the limits, and the least valuable.
    pub too_many: u64,
    /// Peers that were dropped for a fault.
    pub dropped_peers: u64,
    /// Envelopes of ours that a peer which confirms did not take.
    pub refused: u64,
    /// Of these, how many for a clock, as status-go says it: of every refusal. Many in a row: our clock is wrong.
    pub refused_for_clock: u64,
    /// How often an envelope had to wait for a peer's clock and found no room to
    /// ([`MAX_DEFERRED`](crate::limits::MAX_DEFERRED)). It is looked at again when the first of them is old enough.
    pub crowded_out: u64,
    /// Envelopes that were put into packets.
    pub relayed: u64,
    /// Packets of envelopes.
    pub bundles: u64,
    /// Refused: size or time to live.
    pub unacceptable: u64,
    /// Refused: outside the bloom filter.
    pub unwanted: u64,
}
