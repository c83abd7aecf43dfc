//! The packets of shh/6: codes and bodies.

mod direct;
mod interest;
mod rate_limits;
pub mod waku;

use std::fmt;

use undertone_base::{FaultClass, PeerFault, Severity};

pub use self::direct::{DirectForm, decode_direct};
pub use self::interest::{Interest, TooManyTopics, TopicInterest};
use crate::envelope::{BadEnvelope, RawEnvelope};
use crate::rlp::{self, BadRlp};
use crate::{Bloom, Pow, RateLimits};

/// The version that is spoken here.
pub const VERSION: u64 = 6;

/// Packet codes that the capability reserves (`whisper.md` 5.1).
pub const CODES: u64 = 128;

/// The devp2p disconnect reason for whatever is wrong inside a capability: subprotocol error.
pub const SUBPROTOCOL_ERROR: u8 = 0x10;

/// The devp2p disconnect reason for a silent peer.
pub const READ_TIMEOUT: u8 = 0x0b;

/// A packet code inside the capability. Unknown ones are kept and ignored.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PacketCode(pub u64);

impl PacketCode {
    /// First packet of each side.
    pub const STATUS: Self = Self(0);
    /// A list of envelopes.
    pub const MESSAGES: Self = Self(1);
    /// A new minimum PoW.
    pub const POW_REQUIREMENT: Self = Self(2);
    /// A new bloom filter.
    pub const BLOOM_FILTER: Self = Self(3);
    /// A packet of envelopes was taken (status-go).
    pub const BATCH_ACK: Self = Self(11);
    /// What of a packet of envelopes was not taken (status-go).
    pub const MESSAGE_RESPONSE: Self = Self(12);
    /// What a mail server asks another for (status-go). This and the next are ignored: none is here.
    pub const P2P_SYNC_REQUEST: Self = Self(123);
    /// What a mail server gives another (status-go).
    pub const P2P_SYNC_RESPONSE: Self = Self(124);
    /// A mail server is done with a request (status-go). Ignored: this machine makes none.
    pub const P2P_REQUEST_COMPLETE: Self = Self(125);
    /// A request to a mail server.
    pub const P2P_REQUEST: Self = Self(126);
    /// Envelopes from a trusted peer.
    pub const P2P_MESSAGE: Self = Self(127);
    /// Limits that bind the receiver (status-go).
    pub const RATE_LIMITS: Self = Self(20);
    /// Changed options (Waku). The texts of specs 6 and 10 say 0x22, which nobody sends.
    pub const STATUS_UPDATE: Self = Self(22);
}

impl fmt::Debug for PacketCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::STATUS => "Status",
            Self::MESSAGES => "Messages",
            Self::POW_REQUIREMENT => "PowRequirement",
            Self::BLOOM_FILTER => "BloomFilter",
            Self::BATCH_ACK => "BatchAck",
            Self::MESSAGE_RESPONSE => "MessageResponse",
            Self::RATE_LIMITS => "RateLimits",
            Self::STATUS_UPDATE => "StatusUpdate",
            Self::P2P_SYNC_REQUEST => "P2pSyncRequest",
            Self::P2P_SYNC_RESPONSE => "P2pSyncResponse",
            Self::P2P_REQUEST_COMPLETE => "P2pRequestComplete",
            Self::P2P_REQUEST => "P2pRequest",
            Self::P2P_MESSAGE => "P2pMessage",
            Self(code) => return write!(f, "PacketCode({code})"),
        };
        f.write_str(name)
    }
}

/// Whether a node announces that it takes but does not give.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Service {
    /// Forwards for others.
    #[default]
    Full,
    /// Forwards nothing but its own, and hears what the others do.
    ///
    /// DEVIATION: a light client of geth or status-go shows what is broadcast to filters with `allowP2P` alone, as if it
    /// were a direct message, and forwards all of it (`whisper.md` 5.6). Here it is an envelope as any other, and stays
    /// here (tests `a_light_node_forwards_only_its_own`, `a_light_node_does_not_bridge`).
    Light,
}

/// Why a packet ended the link. Everything here is answered with [`SUBPROTOCOL_ERROR`] by geth too.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketFault {
    /// Another packet came before Status.
    #[error("packet {0:?} before status")]
    BeforeStatus(PacketCode),
    /// A bloom filter that has not 64 bytes.
    #[error("bloom filter is not 64 bytes")]
    Bloom,
    /// A confirmation that is none.
    #[error("undecodable confirmation")]
    Confirmation,
    /// More than ten times the limits that were announced, for seconds.
    #[error("far more than the announced rate limits")]
    Flood,
    /// A list of envelopes that is none.
    #[error("undecodable messages packet")]
    Messages,
    /// A Status of Waku whose options are none.
    #[error(transparent)]
    Options(#[from] waku::OptionsFault),
    /// A body over the limit.
    #[error("packet of {got} bytes is over the limit")]
    Oversized {
        /// Its size in bytes.
        got: usize,
    },
    /// A PoW requirement that is no number, infinite or negative.
    #[error("invalid pow requirement")]
    Pow,
    /// Rate limits that are not three numbers.
    #[error("undecodable rate limits")]
    RateLimits,
    /// A request to a mail server that is none.
    #[error("undecodable request to a mail server")]
    Request,
    /// No Status came in time.
    #[error("no status in time")]
    Silent,
    /// A Status that is no list or has no version.
    #[error("undecodable status packet")]
    Status,
    /// Two light nodes have nothing for each other.
    #[error("two light nodes")]
    TwoLight,
    /// More low-PoW or unwanted envelopes than an honest peer sends.
    #[error("too many envelopes of low pow or outside the bloom filter")]
    Unwanted,
    /// Another protocol version.
    #[error("protocol version {got} is not {VERSION}")]
    Version {
        /// What the peer speaks.
        got: u64,
    },
}

impl PacketFault {
    /// The peer's, with the reason to send.
    pub const fn fault(&self) -> FaultClass {
        let (severity, reason) = match self {
            Self::Options(fault) => return fault.fault(),
            Self::Silent => (Severity::Mild, READ_TIMEOUT),
            // An honest geth puts its whole pool into its first packet, and a change of its wishes before its Status
            // when somebody sets them at that moment (`whisper.md` 5.2): the link ends, and it may come again.
            //
            // DEVIATION: to the originals such a peer is as bad as one that sends garbage. Here it costs little (tests
            // `oversized_packets_and_silence_end_a_link`, `faults_have_codes_and_reasons`).
            Self::BeforeStatus(_) | Self::Oversized { .. } | Self::TwoLight | Self::Version { .. } => {
                (Severity::Mild, SUBPROTOCOL_ERROR)
            }
            Self::Flood | Self::Unwanted => (Severity::Serious, SUBPROTOCOL_ERROR),
            _ => (Severity::Fatal, SUBPROTOCOL_ERROR),
        };
        FaultClass::Peer(PeerFault { severity, disconnect: Some(reason) })
    }

    /// The disconnect reason to send.
    pub const fn reason(&self) -> u8 {
        match self {
            Self::Silent => READ_TIMEOUT,
            _ => SUBPROTOCOL_ERROR,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BeforeStatus(_) => "packet.before_status",
            Self::Bloom => "packet.bloom",
            Self::Confirmation => "packet.confirmation",
            Self::Flood => "packet.flood",
            Self::Messages => "packet.messages",
            Self::Options(fault) => fault.code(),
            Self::Oversized { .. } => "packet.oversized",
            Self::Pow => "packet.pow",
            Self::RateLimits => "packet.rate_limits",
            Self::Request => "packet.request",
            Self::Silent => "packet.silent",
            Self::Status => "packet.status",
            Self::TwoLight => "packet.two_light",
            Self::Unwanted => "packet.unwanted",
            Self::Version { .. } => "packet.version",
        }
    }
}

/// What a node says of itself first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// Least PoW of envelopes that it wants.
    pub min_pow: Pow,
    /// Which topics it wants; `None` = all.
    pub bloom: Option<Bloom>,
    /// Whether it forwards.
    pub service: Service,
    /// Whether it confirms packets of envelopes, and wants them confirmed (status-go).
    pub confirmations: bool,
    /// Packets that it takes in a second (status-go).
    pub limits: RateLimits,
}

impl Default for Status {
    /// What geth assumes of whoever sends the version alone.
    fn default() -> Self {
        Self {
            min_pow: Pow::ZERO,
            bloom: None,
            service: Service::Full,
            confirmations: false,
            limits: RateLimits::NONE,
        }
    }
}

impl Status {
    /// geth's dialect, `[6, pow bits, bloom or empty, is light]`; with confirmations or limits status-go's, which goes on
    /// with `confirms, [ip, peer, topic]`.
    ///
    /// DEVIATION: status-go sends six items always. geth sends four and skips the rest, so that is what a node sends that
    /// has nothing more to say (tests `status_as_the_originals_send_it`, `status_accepted_and_refused`).
    pub fn encode(&self) -> Vec<u8> {
        use alloy_rlp::Encodable;
        let bloom: &[u8] = self.bloom.as_ref().map_or(&[], |b| b.as_bytes().as_slice());
        let mut items = Vec::with_capacity(88);
        VERSION.encode(&mut items);
        self.min_pow.to_wire().encode(&mut items);
        bloom.encode(&mut items);
        (self.service == Service::Light).encode(&mut items);
        if self.confirmations || self.limits != RateLimits::NONE {
            self.confirmations.encode(&mut items);
            self.limits.put(&mut items);
        }
        let mut out = Vec::with_capacity(items.len() + rlp::list_header_len(items.len()));
        rlp::put_list(items.len(), &mut out);
        out.extend_from_slice(&items);
        out
    }

    /// Tolerant, as geth and status-go are: only the version must be there; an item that is missing or of another form
    /// ends what is said, and the rest keeps its default; more items and trailing bytes are skipped.
    ///
    /// # Errors
    /// [`PacketFault::Status`], [`PacketFault::Version`], [`PacketFault::Pow`], [`PacketFault::Bloom`].
    pub fn decode(mut body: &[u8]) -> Result<Self, PacketFault> {
        let mut items = rlp::list(&mut body).map_err(|_| PacketFault::Status)?;
        let got = rlp::uint(&mut items, 8).map_err(|_| PacketFault::Status)?;
        if got != VERSION {
            return Err(PacketFault::Version { got });
        }
        let mut status = Self::default();
        let Some(bits) = take(&mut items, |item| rlp::uint(item, 8)) else { return Ok(status) };
        status.min_pow = Pow::from_wire(bits).ok_or(PacketFault::Pow)?;
        let Some(bytes) = take(&mut items, rlp::string) else { return Ok(status) };
        if !bytes.is_empty() {
            status.bloom = Some(Bloom::from_slice(bytes).ok_or(PacketFault::Bloom)?);
        }
        // A number that is neither yes nor no is a no, and what is behind it counts.
        if take(&mut items, |item| rlp::uint(item, 1)) == Some(1) {
            status.service = Service::Light;
        }
        status.confirmations = take(&mut items, |item| rlp::uint(item, 1)) == Some(1);
        status.limits = take(&mut items, RateLimits::read).unwrap_or(RateLimits::NONE);
        Ok(status)
    }
}

/// Takes an item of one form. One of another form stays where it is, so that nothing behind it is reached.
fn take<'a, T>(items: &mut &'a [u8], read: impl FnOnce(&mut &'a [u8]) -> Result<T, BadRlp>) -> Option<T> {
    let mut left = *items;
    let value = read(&mut left).ok()?;
    *items = left;
    Some(value)
}

/// A PoW Requirement body: the bits as an integer, no list.
pub fn encode_pow(pow: Pow) -> Vec<u8> {
    alloy_rlp::encode(pow.to_wire())
}

/// Trailing bytes are skipped, as in the originals.
///
/// # Errors
/// [`PacketFault::Pow`].
pub fn decode_pow(mut body: &[u8]) -> Result<Pow, PacketFault> {
    let bits = rlp::uint(&mut body, 8).map_err(|_| PacketFault::Pow)?;
    Pow::from_wire(bits).ok_or(PacketFault::Pow)
}

/// A Bloom Filter body: one string of 64 bytes.
pub fn encode_bloom(bloom: &Bloom) -> Vec<u8> {
    alloy_rlp::encode(bloom.as_bytes().as_slice())
}

/// The empty string that Status may carry is refused here. Trailing bytes are skipped, as in the originals.
///
/// # Errors
/// [`PacketFault::Bloom`].
pub fn decode_bloom(mut body: &[u8]) -> Result<Bloom, PacketFault> {
    let bytes = rlp::string(&mut body).map_err(|_| PacketFault::Bloom)?;
    Bloom::from_slice(bytes).ok_or(PacketFault::Bloom)
}

/// A Messages body whose every item is an envelope in shape.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    items: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Looks at every envelope before the first is processed, so that a bad packet changes nothing. Exact.
    ///
    /// DEVIATION: geth skips what stands behind the list. status-go drops a peer of Whisper for it and overlooks the packet
    /// of a peer of Waku; here it is as there, because confirmations name a packet by all of its bytes (test
    /// `what_stands_behind_a_packet`).
    ///
    /// # Errors
    /// [`PacketFault::Messages`].
    pub fn decode(mut body: &'a [u8]) -> Result<Self, PacketFault> {
        let items = rlp::list(&mut body).map_err(|_| PacketFault::Messages)?;
        rlp::end(body).map_err(|_| PacketFault::Messages)?;
        let mut left = items;
        while !left.is_empty() {
            next_envelope(&mut left).map_err(|_| PacketFault::Messages)?;
        }
        Ok(Self { items })
    }

    /// The envelopes in order.
    pub fn iter(&self) -> impl Iterator<Item = RawEnvelope<'a>> + use<'a> {
        let mut left = self.items;
        std::iter::from_fn(move || next_envelope(&mut left).ok())
    }
}

fn next_envelope<'a>(left: &mut &'a [u8]) -> Result<RawEnvelope<'a>, BadEnvelope> {
    let item = rlp::item(left).map_err(|BadRlp| BadEnvelope)?;
    RawEnvelope::decode(item)
}

/// Bytes of a Messages body out of encoded envelopes whose lengths sum to `len`.
pub(crate) const fn messages_len(len: usize) -> usize {
    rlp::list_header_len(len) + len
}

/// A Messages body out of encoded envelopes whose lengths sum to `len`.
pub(crate) fn encode_messages<'a>(envelopes: impl Iterator<Item = &'a [u8]>, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + rlp::list_header_len(len));
    rlp::put_list(len, &mut out);
    for envelope in envelopes {
        out.extend_from_slice(envelope);
    }
    out
}
