//! Packets of discovery v4 (`devp2p.md` 3.1).

use std::net::{IpAddr, SocketAddr};

use alloy_rlp::{Decodable, Header};
use undertone_base::{FaultClass, Severity, Unix};
use undertone_crypto::{PublicKey, Signature, keccak256};

use crate::limits::{MAX_DATAGRAM, MAX_RECORD};
use crate::node_key::NodeKey;
use crate::rlp;

/// Bytes before the packet type.
const HEAD: usize = 97;

/// Why a datagram is no packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Shorter than 98 bytes or longer than 1,280.
    #[error("datagram of {size} bytes cannot be a packet")]
    Size {
        /// Its size in bytes.
        size: usize,
    },
    /// The hash is not that of the datagram.
    #[error("packet with a wrong hash")]
    Hash,
    /// A signature that names nobody.
    #[error("packet with an invalid signature")]
    Signature,
    /// A type that is not known.
    #[error("packet of unknown type {0}")]
    UnknownType(u8),
    /// A list without what its type needs.
    #[error("malformed {0}")]
    Rlp(&'static str),
}

impl PacketError {
    /// Whoever sent it; anyone can send a datagram under any address.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Mild)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "discovery.size",
            Self::Hash => "discovery.hash",
            Self::Signature => "discovery.signature",
            Self::UnknownType(_) => "discovery.unknown_type",
            Self::Rlp(_) => "discovery.malformed",
        }
    }
}

/// `[ip, udp, tcp]` as it is on the wire: the address may be of any length, and is judged when it is used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WireEndpoint {
    /// 4 or 16 bytes, or empty when the sender knows none, or nonsense.
    pub ip: Vec<u8>,
    /// Discovery port.
    pub udp: u16,
    /// RLPx port.
    pub tcp: u16,
}

impl WireEndpoint {
    /// The form of an address.
    pub fn new(address: SocketAddr, tcp: u16) -> Self {
        Self { ip: octets(address.ip()), udp: address.port(), tcp }
    }

    /// The address, an IPv4-mapped one as IPv4; `None` for another length than 4 or 16.
    pub fn address(&self) -> Option<IpAddr> {
        address(&self.ip)
    }
}

/// An entry of Neighbors: `[ip, udp, tcp, key]`, its key not looked at yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WireNode {
    /// Where it is said to be.
    pub endpoint: WireEndpoint,
    /// 64 bytes that should be a key.
    pub key: [u8; 64],
}

/// What a packet says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Packet {
    /// Type 1: are you there?
    Ping {
        /// 4; not looked at on receipt.
        version: u64,
        /// The sender's endpoint as it believes; its RLPx port is used.
        from: WireEndpoint,
        /// Where the sender sends this.
        to: WireEndpoint,
        /// Seconds since 1970 after which to ignore it.
        expiration: u64,
        /// Number of the sender's record (EIP-868).
        enr_seq: Option<u64>,
        /// Bytes of zeros in an additional element, which readers ignore (EIP-8); `None` for no such element.
        padding: Option<usize>,
    },
    /// Type 2: the answer to Ping.
    Pong {
        /// Where the Ping came from.
        to: WireEndpoint,
        /// The hash of the Ping.
        ping_hash: [u8; 32],
        /// Seconds since 1970 after which to ignore it.
        expiration: u64,
        /// Number of the sender's record (EIP-868).
        enr_seq: Option<u64>,
    },
    /// Type 3: who is close to this?
    FindNode {
        /// 64 bytes; need not be a key.
        target: [u8; 64],
        /// Seconds since 1970 after which to ignore it.
        expiration: u64,
    },
    /// Type 4: a part of the answer to FindNode.
    Neighbors {
        /// Whoever the sender knows.
        nodes: Vec<WireNode>,
        /// Seconds since 1970 after which to ignore it.
        expiration: u64,
    },
    /// Type 5: your record, please (EIP-868).
    EnrRequest {
        /// Seconds since 1970 after which to ignore it.
        expiration: u64,
    },
    /// Type 6: the record.
    EnrResponse {
        /// The hash of the request.
        request_hash: [u8; 32],
        /// One RLP list of at most 300 bytes, its signature not looked at yet.
        record: Vec<u8>,
    },
}

/// A packet and who signed it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    /// The packet's hash, which answers quote.
    pub hash: [u8; 32],
    /// The key that signed.
    pub sender: PublicKey,
    /// What it says.
    pub packet: Packet,
}

/// Checks and reads a datagram. Cheap checks come first: size, hash, type and content, then the signature.
///
/// # Errors
/// [`PacketError`].
pub fn decode(datagram: &[u8]) -> Result<Signed, PacketError> {
    if datagram.len() > MAX_DATAGRAM {
        return Err(PacketError::Size { size: datagram.len() });
    }
    let size = PacketError::Size { size: datagram.len() };
    let (hash, signed) = datagram.split_first_chunk::<32>().ok_or(size)?;
    let (signature, body) = signed.split_at_checked(HEAD - 32).ok_or(size)?;
    let (kind, mut list) = body.split_first().ok_or(size)?;
    if keccak256(signed) != *hash {
        return Err(PacketError::Hash);
    }
    let packet = Packet::decode(*kind, &mut list)?;
    let sender = Signature::from_slice(signature)
        .and_then(|signature| signature.recover(&keccak256(body)))
        .map_err(|_| PacketError::Signature)?;
    Ok(Signed { hash: *hash, sender, packet })
}

impl Packet {
    /// The signed datagram.
    ///
    /// | offset | length | content |
    /// |---|---|---|
    /// | 0 | 32 | Keccak-256 of what follows |
    /// | 32 | 65 | signature over Keccak-256 of what follows |
    /// | 97 | 1 | type |
    /// | 98 | – | one RLP list |
    pub fn encode(&self, key: &NodeKey) -> Vec<u8> {
        let mut body = vec![self.kind()];
        rlp::encode_list(&mut body, |list| self.encode_list(list));
        let signature = key.sign(&keccak256(&body));
        let mut signed = Vec::with_capacity(body.len().saturating_add(HEAD));
        signed.extend_from_slice(signature.as_bytes());
        signed.extend_from_slice(&body);
        let mut out = Vec::with_capacity(signed.len().saturating_add(32));
        out.extend_from_slice(&keccak256(&signed));
        out.extend_from_slice(&signed);
        out
    }

    /// Length of what [`Self::encode`] makes, in bytes.
    pub fn encoded_len(&self) -> usize {
        let mut list = Vec::new();
        rlp::encode_list(&mut list, |list| self.encode_list(list));
        list.len().saturating_add(HEAD).saturating_add(1)
    }

    /// Whether the time of this packet is over. An expiration of 2⁶³ or more counts as over, because geth reads
    /// it as a negative number (`devp2p.md` 9, trap 21).
    pub fn expired(&self, now: Unix) -> bool {
        match self {
            Self::Ping { expiration, .. }
            | Self::Pong { expiration, .. }
            | Self::FindNode { expiration, .. }
            | Self::Neighbors { expiration, .. }
            | Self::EnrRequest { expiration } => *expiration < now.secs() || *expiration >= 1 << 63,
            Self::EnrResponse { .. } => false,
        }
    }

    /// The packet type.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Ping { .. } => 1,
            Self::Pong { .. } => 2,
            Self::FindNode { .. } => 3,
            Self::Neighbors { .. } => 4,
            Self::EnrRequest { .. } => 5,
            Self::EnrResponse { .. } => 6,
        }
    }

    fn encode_list(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ping { version, from, to, expiration, enr_seq, padding } => {
                rlp::encode_uint(out, *version);
                from.encode(out);
                to.encode(out);
                rlp::encode_uint(out, *expiration);
                enr_seq.iter().for_each(|seq| rlp::encode_uint(out, *seq));
                padding.iter().for_each(|len| rlp::encode_string(out, &vec![0; *len]));
            }
            Self::Pong { to, ping_hash, expiration, enr_seq } => {
                to.encode(out);
                rlp::encode_string(out, ping_hash);
                rlp::encode_uint(out, *expiration);
                enr_seq.iter().for_each(|seq| rlp::encode_uint(out, *seq));
            }
            Self::FindNode { target, expiration } => {
                rlp::encode_string(out, target);
                rlp::encode_uint(out, *expiration);
            }
            Self::Neighbors { nodes, expiration } => {
                rlp::encode_list(out, |list| nodes.iter().for_each(|node| node.encode(list)));
                rlp::encode_uint(out, *expiration);
            }
            Self::EnrRequest { expiration } => rlp::encode_uint(out, *expiration),
            Self::EnrResponse { request_hash, record } => {
                rlp::encode_string(out, request_hash);
                out.extend_from_slice(record);
            }
        }
    }

    /// Tolerant (EIP-8): more elements, and bytes after the list, are ignored. Endpoints and nodes are exact.
    fn decode(kind: u8, input: &mut &[u8]) -> Result<Self, PacketError> {
        let read: fn(&mut &[u8]) -> Result<Self, PacketError> = match kind {
            1 => ping,
            2 => pong,
            3 => |list| Ok(Self::FindNode { target: fixed(list, "findnode")?, expiration: uint(list)? }),
            4 => neighbors,
            5 => |list| Ok(Self::EnrRequest { expiration: uint(list)? }),
            6 => enr_response,
            other => return Err(PacketError::UnknownType(other)),
        };
        read(&mut sublist(input, "packet")?)
    }
}

impl WireEndpoint {
    fn encode(&self, out: &mut Vec<u8>) {
        rlp::encode_list(out, |list| self.encode_fields(list));
    }

    fn encode_fields(&self, list: &mut Vec<u8>) {
        rlp::encode_string(list, &self.ip);
        rlp::encode_uint(list, u64::from(self.udp));
        rlp::encode_uint(list, u64::from(self.tcp));
    }

    fn decode(input: &mut &[u8]) -> Result<Self, PacketError> {
        let mut list = sublist(input, "endpoint")?;
        let endpoint = Self::decode_fields(&mut list)?;
        if list.is_empty() { Ok(endpoint) } else { Err(PacketError::Rlp("endpoint")) }
    }

    fn decode_fields(list: &mut &[u8]) -> Result<Self, PacketError> {
        let ip = rlp::string(list, "ip").map_err(|_| PacketError::Rlp("ip"))?.to_vec();
        Ok(Self { ip, udp: port(list)?, tcp: port(list)? })
    }
}

impl WireNode {
    fn encode(&self, out: &mut Vec<u8>) {
        rlp::encode_list(out, |list| {
            self.endpoint.encode_fields(list);
            rlp::encode_string(list, &self.key);
        });
    }

    fn decode(input: &mut &[u8]) -> Result<Self, PacketError> {
        let mut list = sublist(input, "node")?;
        let node = Self { endpoint: WireEndpoint::decode_fields(&mut list)?, key: fixed(&mut list, "node")? };
        if list.is_empty() { Ok(node) } else { Err(PacketError::Rlp("node")) }
    }
}

fn ping(list: &mut &[u8]) -> Result<Packet, PacketError> {
    Ok(Packet::Ping {
        version: uint(list)?,
        from: WireEndpoint::decode(list)?,
        to: WireEndpoint::decode(list)?,
        expiration: uint(list)?,
        enr_seq: optional_uint(list),
        padding: None,
    })
}

fn pong(list: &mut &[u8]) -> Result<Packet, PacketError> {
    Ok(Packet::Pong {
        to: WireEndpoint::decode(list)?,
        ping_hash: fixed(list, "pong")?,
        expiration: uint(list)?,
        enr_seq: optional_uint(list),
    })
}

fn neighbors(list: &mut &[u8]) -> Result<Packet, PacketError> {
    let mut inner = sublist(list, "neighbors")?;
    let mut nodes = Vec::new();
    // A datagram of 1,280 bytes has room for 18 of them.
    while !inner.is_empty() {
        nodes.push(WireNode::decode(&mut inner)?);
    }
    Ok(Packet::Neighbors { nodes, expiration: uint(list)? })
}

fn enr_response(list: &mut &[u8]) -> Result<Packet, PacketError> {
    let request_hash = fixed(list, "enr response")?;
    let start = *list;
    sublist(list, "record")?;
    let record = start.get(..start.len().saturating_sub(list.len())).unwrap_or_default();
    if record.len() > MAX_RECORD {
        return Err(PacketError::Rlp("record"));
    }
    Ok(Packet::EnrResponse { request_hash, record: record.to_vec() })
}

fn sublist<'a>(input: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], PacketError> {
    rlp::list(input, what).map_err(|_| PacketError::Rlp(what))
}

fn fixed<const N: usize>(input: &mut &[u8], what: &'static str) -> Result<[u8; N], PacketError> {
    rlp::fixed(input, what).map_err(|_| PacketError::Rlp(what))
}

fn uint(input: &mut &[u8]) -> Result<u64, PacketError> {
    rlp::uint(input, "integer").map_err(|_| PacketError::Rlp("integer"))
}

fn port(input: &mut &[u8]) -> Result<u16, PacketError> {
    u16::decode(input).map_err(|_| PacketError::Rlp("port"))
}

/// An element that older peers do not send; whatever is no integer is as absent.
fn optional_uint(input: &mut &[u8]) -> Option<u64> {
    let header = Header::decode(&mut &**input).ok()?;
    if header.list { None } else { u64::decode(input).ok() }
}

pub(super) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(bytes));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_canonical())
}
