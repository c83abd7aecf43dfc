//! Whose fault a dead link is.

use undertone_base::{FaultClass, PeerFault, Severity};

use crate::message::DisconnectReason;

/// Why bytes of a peer were refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not the RLP that was expected.
    #[error("malformed {0}")]
    Rlp(&'static str),
    /// An auth or ack packet that does not decrypt, or of an impossible size.
    #[error("handshake packet cannot be opened")]
    Handshake,
    /// An auth or ack packet that decrypts, but holds something else than it should.
    #[error("malformed {0}")]
    HandshakeContent(&'static str),
    /// The key of a Hello is no point of the curve.
    #[error("hello names an invalid public key")]
    Key,
    /// A signature that names nobody.
    #[error("invalid signature in auth")]
    Signature,
    /// The MAC of a frame header is wrong.
    #[error("bad frame header mac")]
    HeaderMac,
    /// The MAC of a frame body is wrong.
    #[error("bad frame body mac")]
    BodyMac,
    /// A frame or message over the limit.
    #[error("{what} of {size} bytes is over the limit of {max}")]
    TooLarge {
        /// Which.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A frame without a message id, or an id that is no canonical integer.
    #[error("frame has no valid message id")]
    MessageId,
    /// Not a snappy block, or not of the length that it declares.
    #[error("bad snappy block")]
    Snappy,
    /// Another message than Hello or Disconnect before Hello.
    #[error("message {0} before hello")]
    BeforeHello(u64),
    /// A message id outside every capability.
    #[error("message id {0} belongs to no capability")]
    UnknownMessage(u64),
    /// The Hello names another key than the handshake proved.
    #[error("hello names another key than the handshake proved")]
    UnexpectedIdentity,
    /// No capability in common.
    #[error("no capability in common")]
    UselessPeer,
    /// Too many pings.
    #[error("too many pings")]
    PingFlood,
    /// Too much sent before it was let in.
    #[error("too many bytes before admission")]
    Early,
    /// The handshake or a message did not come in time.
    #[error("nothing came in time")]
    TimedOut,
}

impl WireError {
    /// The reason to send before closing, or `None` to close without a word (`devp2p.md` 2.9; where geth
    /// closes silently on an authenticated peer's malformed message we name the breach).
    pub const fn disconnect(&self) -> Option<DisconnectReason> {
        // DEVIATION: geth closes without a word on a malformed Hello, an unknown id, bad snappy, an oversize frame
        // and silence (`devp2p.md` 2.9). We say 0x02 and 0x0b, because the peer has proved its key and its
        // operator can mend it. Pinned by `every_observed_behaviour_of_geth_has_ours_beside_it`.
        match self {
            Self::Handshake
            | Self::HandshakeContent(_)
            | Self::Signature
            | Self::HeaderMac
            | Self::BodyMac
            | Self::Early
            | Self::BeforeHello(_) => None,
            Self::UnexpectedIdentity => Some(DisconnectReason::UNEXPECTED_IDENTITY),
            Self::UselessPeer => Some(DisconnectReason::USELESS_PEER),
            Self::Key => Some(DisconnectReason::INVALID_IDENTITY),
            Self::TimedOut => Some(DisconnectReason::READ_TIMEOUT),
            Self::Rlp(_)
            | Self::TooLarge { .. }
            | Self::MessageId
            | Self::Snappy
            | Self::UnknownMessage(_)
            | Self::PingFlood => Some(DisconnectReason::PROTOCOL_ERROR),
        }
    }

    /// The peer's, in every case.
    pub const fn fault(&self) -> FaultClass {
        let severity = match self {
            Self::TimedOut | Self::UselessPeer => Severity::Mild,
            _ => Severity::Serious,
        };
        let disconnect = match self.disconnect() {
            Some(reason) => Some(reason.wire()),
            None => None,
        };
        FaultClass::Peer(PeerFault { severity, disconnect })
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Rlp(_) => "rlpx.malformed",
            Self::Handshake => "rlpx.handshake",
            Self::HandshakeContent(_) => "rlpx.handshake_content",
            Self::Key => "rlpx.key",
            Self::Signature => "rlpx.signature",
            Self::HeaderMac => "rlpx.header_mac",
            Self::BodyMac => "rlpx.body_mac",
            Self::TooLarge { .. } => "rlpx.too_large",
            Self::MessageId => "rlpx.message_id",
            Self::Snappy => "rlpx.snappy",
            Self::BeforeHello(_) => "rlpx.before_hello",
            Self::UnknownMessage(_) => "rlpx.unknown_message",
            Self::UnexpectedIdentity => "rlpx.unexpected_identity",
            Self::UselessPeer => "rlpx.useless_peer",
            Self::PingFlood => "rlpx.ping_flood",
            Self::Early => "rlpx.early",
            Self::TimedOut => "rlpx.timed_out",
        }
    }
}

/// Why a message was not taken for sending. The session is as before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer reads more slowly than we write; try again after the next flush.
    #[error("the peer does not read fast enough")]
    Congested,
    /// No established session, or it is closing.
    #[error("the link is not established")]
    NotEstablished,
    /// The capability is not shared, or the code is beyond its length.
    #[error("no such message on this link")]
    UnknownMessage,
    /// Larger than a frame or the peer's limit.
    #[error("message of {size} bytes is over the limit of {max}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
}

impl SendError {
    /// The caller, except for congestion.
    pub const fn fault(&self) -> FaultClass {
        match self {
            Self::Congested | Self::NotEstablished => FaultClass::peer(Severity::Mild),
            Self::UnknownMessage | Self::TooLarge { .. } => FaultClass::Caller,
        }
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Congested => "rlpx.congested",
            Self::NotEstablished => "rlpx.not_established",
            Self::UnknownMessage => "rlpx.no_such_message",
            Self::TooLarge { .. } => "rlpx.send_too_large",
        }
    }
}
