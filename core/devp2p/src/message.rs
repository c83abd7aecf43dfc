//! The base protocol: Hello, Disconnect, Ping, Pong (`devp2p.md` 2.6).

use std::fmt;

use undertone_crypto::PublicKey;

use crate::caps::Capability;
use crate::error::WireError;
use crate::limits::{MAX_CAPABILITIES, MAX_HELLO};
use crate::{rlp, snappy};

/// The p2p version that we speak: 5 adds snappy.
pub const P2P_VERSION: u64 = 5;

/// Message ids of the base protocol.
pub(crate) mod id {
    pub(crate) const HELLO: u64 = 0;
    pub(crate) const DISCONNECT: u64 = 1;
    pub(crate) const PING: u64 = 2;
    pub(crate) const PONG: u64 = 3;
}

/// An empty list, the payload of Ping and Pong.
pub(crate) const EMPTY_LIST: [u8; 1] = [0xc0];

/// The first message of each side.
///
/// ```
/// use undertone_devp2p::{Capability, Hello, NodeKey, P2P_VERSION};
/// let hello = Hello {
///     version: P2P_VERSION,
///     client: b"example/v1".to_vec(),
///     capabilities: vec![Capability::new("shh", 6)],
///     listen_port: 0,
///     key: NodeKey::random(&mut rand::rng()).public(),
/// };
/// assert_eq!(Hello::decode(&hello.encode())?, hello);
/// # Ok::<(), undertone_devp2p::WireError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hello {
    /// p2p version.
    pub version: u64,
    /// What the other calls itself; any bytes.
    pub client: Vec<u8>,
    /// At most [`MAX_CAPABILITIES`] of what it offers.
    pub capabilities: Vec<Capability>,
    /// Meaningless: geth always sends 0.
    pub listen_port: u64,
    /// Its node key, still to be compared with the one that the handshake proved.
    pub key: PublicKey,
}

impl Hello {
    /// `[version, client, [[name, version], …], listen port, key (64)]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        rlp::encode_list(&mut out, |list| {
            rlp::encode_uint(list, self.version);
            rlp::encode_string(list, &self.client);
            rlp::encode_list(list, |caps| {
                for cap in &self.capabilities {
                    rlp::encode_list(caps, |pair| {
                        rlp::encode_string(pair, &cap.name);
                        rlp::encode_uint(pair, cap.version);
                    });
                }
            });
            rlp::encode_uint(list, self.listen_port);
            rlp::encode_string(list, &self.key.to_xy());
        });
        out
    }

    /// Tolerant (EIP-8): further elements and trailing bytes are ignored. Each capability is exactly a pair.
    ///
    /// # Errors
    /// [`WireError::TooLarge`], [`WireError::Rlp`], [`WireError::Key`].
    pub fn decode(payload: &[u8]) -> Result<Self, WireError> {
        if payload.len() > MAX_HELLO {
            return Err(WireError::TooLarge { what: "hello", size: payload.len(), max: MAX_HELLO });
        }
        let mut input = payload;
        let mut fields = rlp::list(&mut input, "hello")?;
        let version = rlp::uint(&mut fields, "hello version")?;
        let client = rlp::string(&mut fields, "hello client")?.to_vec();
        let mut list = rlp::list(&mut fields, "hello capabilities")?;
        let mut capabilities = Vec::new();
        while !list.is_empty() {
            let mut pair = rlp::list(&mut list, "capability")?;
            let name = rlp::string(&mut pair, "capability name")?.to_vec();
            let version = rlp::uint(&mut pair, "capability version")?;
            if !pair.is_empty() {
                return Err(WireError::Rlp("capability"));
            }
            if capabilities.len() < MAX_CAPABILITIES {
                capabilities.push(Capability { name, version });
            }
        }
        let listen_port = rlp::uint(&mut fields, "hello port")?;
        let key = rlp::string(&mut fields, "hello key")?;
        let key = PublicKey::from_xy(key).map_err(|_| WireError::Key)?;
        Ok(Self { version, client, capabilities, listen_port, key })
    }
}

/// Why a link ends.
///
/// ```
/// use undertone_devp2p::DisconnectReason;
/// assert_eq!(DisconnectReason::TOO_MANY_PEERS.to_string(), "too many peers");
/// assert_eq!(DisconnectReason::from_wire(0x11).wire(), 0, "kept, but not sent");
/// ```
///
/// Unknown values are kept; they are never sent, because 0x11 and values from 2^63 end the
/// whole process of geth 1.9.7 and status-go 0.60.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DisconnectReason(u64);

impl DisconnectReason {
    /// Asked for.
    pub const REQUESTED: Self = Self(0x00);
    /// TCP failed. geth never sends it.
    pub const NETWORK_ERROR: Self = Self(0x01);
    /// Breach of protocol.
    pub const PROTOCOL_ERROR: Self = Self(0x02);
    /// No shared capability.
    pub const USELESS_PEER: Self = Self(0x03);
    /// No slot is free.
    pub const TOO_MANY_PEERS: Self = Self(0x04);
    /// The same node is connected already.
    pub const ALREADY_CONNECTED: Self = Self(0x05);
    /// p2p versions do not fit.
    pub const INCOMPATIBLE_VERSION: Self = Self(0x06);
    /// The Hello's key is no key.
    pub const INVALID_IDENTITY: Self = Self(0x07);
    /// The client goes.
    pub const QUITTING: Self = Self(0x08);
    /// Another key than expected.
    pub const UNEXPECTED_IDENTITY: Self = Self(0x09);
    /// Ourselves.
    pub const SELF: Self = Self(0x0a);
    /// Nothing came in time.
    pub const READ_TIMEOUT: Self = Self(0x0b);
    /// A capability ended the link.
    pub const SUBPROTOCOL_ERROR: Self = Self(0x10);

    /// A received value.
    pub const fn from_wire(value: u64) -> Self {
        Self(value)
    }

    /// The value to send: itself when defined, else 0.
    pub const fn wire(self) -> u8 {
        // DEVIATION: geth echoes undefined reasons (`devp2p.md` 2.6), some of which end the process of another
        // geth. Pinned by `reasons_that_end_the_originals_are_never_sent`.
        match self.0 {
            #[expect(clippy::cast_possible_truncation, reason = "at most 0x10")]
            0x00..=0x0b | 0x10 => self.0 as u8,
            _ => 0,
        }
    }

    /// Its name, `None` for undefined values.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x00 => "requested",
            0x01 => "network error",
            0x02 => "breach of protocol",
            0x03 => "useless peer",
            0x04 => "too many peers",
            0x05 => "already connected",
            0x06 => "incompatible p2p version",
            0x07 => "invalid node identity",
            0x08 => "client quitting",
            0x09 => "unexpected identity",
            0x0a => "connected to self",
            0x0b => "read timeout",
            0x10 => "subprotocol error",
            _ => return None,
        })
    }

    /// `[reason]`.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2);
        rlp::encode_list(&mut out, |list| rlp::encode_uint(list, u64::from(self.wire())));
        out
    }

    /// Reads `[reason, …]` or a bare integer; anything else is [`Self::REQUESTED`], as geth reads it. With
    /// snappy on, the compressed form is tried first: no raw payload is also a valid block.
    pub(crate) fn decode(payload: &[u8], snappy: bool) -> Self {
        if snappy && let Ok(plain) = snappy::decompress(payload, MAX_HELLO) {
            return Self::decode_raw(&plain);
        }
        Self::decode_raw(payload)
    }

    // DEVIATION: geth 1.9.7 reads a bare integer as reason 0 (`devp2p.md` 2.6); others send that form, and we
    // read it. Pinned by `reasons_are_read_in_both_forms`.
    fn decode_raw(payload: &[u8]) -> Self {
        let mut input = payload;
        if let Ok(mut list) = rlp::list(&mut input, "disconnect") {
            return rlp::uint(&mut list, "reason").map_or(Self::REQUESTED, Self);
        }
        let mut input = payload;
        rlp::uint(&mut input, "reason").map_or(Self::REQUESTED, Self)
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "undefined reason {:#x}", self.0),
        }
    }
}

impl fmt::Debug for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisconnectReason({:#04x} {self})", self.0)
    }
}

#[cfg(test)]
mod tests;
