//! Node records (EIP-778, `devp2p.md` 1.3).
//!
//! ```text
//! record = rlp([signature, seq, k1, v1, k2, v2, …])        at most 300 bytes, header included
//! signature = r ‖ s over Keccak-256(rlp([seq, k1, v1, …]))  low s; no recovery byte
//! text = "enr:" base64url without padding
//! ```
//! A [`Record`] is verified and keeps the bytes that came: values that nobody here knows are passed on
//! unchanged. [`LocalRecord`] is the node's own, which counts its own changes. Values are read when they are
//! asked for: a record with an `ip` of five bytes is valid and has no IPv4 address.
//!
//! ```
//! use undertone_devp2p::enr::{Entries, Record};
//! use undertone_devp2p::NodeKey;
//! let key = NodeKey::from_hex(&"01".repeat(32)).unwrap();
//! let entries = Entries::default().with_ip("127.0.0.1".parse().unwrap()).with_udp(30303);
//! let record = Record::sign(&key, 1, &entries)?;
//! let read: Record = record.to_string().parse()?;
//! assert_eq!((read.seq(), read.udp(), read.ip6()), (1, Some(30303), None));
//! assert_eq!(read, record);
//! # Ok::<(), undertone_devp2p::enr::EnrError>(())
//! ```

mod entries;
mod local;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use alloy_rlp::{Decodable, Header};
use data_encoding::BASE64URL_NOPAD;
use undertone_base::{FaultClass, Severity};
use undertone_crypto::{PublicKey, Signature, keccak256};

use crate::enode::{Endpoint, Enode, Host};
use crate::limits::MAX_RECORD;
use crate::node_key::{NodeId, NodeKey};
use crate::rlp;

pub use entries::Entries;
pub use local::LocalRecord;

/// Why bytes or text are no node record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnrError {
    /// More than 300 bytes.
    #[error("record of {size} bytes is over the limit of {MAX_RECORD}")]
    TooLarge {
        /// Its size in bytes; only its first part was looked at.
        size: usize,
    },
    /// Not the list of signature, number and pairs.
    #[error("malformed record")]
    Rlp,
    /// A key without a value.
    #[error("the last key of the record has no value")]
    Incomplete,
    /// A key twice.
    #[error("a key is twice in the record")]
    Duplicate,
    /// Keys that do not ascend.
    #[error("the keys of the record are not sorted")]
    Unsorted,
    /// Bytes after the record.
    #[error("bytes follow the record")]
    Trailing,
    /// No `id`, or another than `v4`.
    #[error("identity scheme is not v4")]
    Scheme,
    /// No `secp256k1`, or not 33 bytes of a point of the curve.
    #[error("the record has no valid public key")]
    Key,
    /// A signature of another length, with high s, or by another key.
    #[error("invalid signature on the record")]
    Signature,
    /// Text without `enr:`, or not base64 for URLs without padding.
    #[error("not the text of a record")]
    Text,
}

impl EnrError {
    /// Whoever made the record.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Serious)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "enr.too_large",
            Self::Rlp => "enr.malformed",
            Self::Incomplete => "enr.incomplete",
            Self::Duplicate => "enr.duplicate",
            Self::Unsorted => "enr.unsorted",
            Self::Trailing => "enr.trailing",
            Self::Scheme => "enr.scheme",
            Self::Key => "enr.key",
            Self::Signature => "enr.signature",
            Self::Text => "enr.text",
        }
    }
}

/// A verified node record.
#[derive(Clone, Eq, PartialEq)]
pub struct Record {
    raw: Box<[u8]>,
    /// Length of the pairs, which are the end of `raw`.
    pairs: usize,
    seq: u64,
    key: PublicKey,
    id: NodeId,
}

impl Record {
    /// Reads exactly one record and verifies it.
    ///
    /// # Errors
    /// Any [`EnrError`] but `Text`; the checks run in the order of the notes.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnrError> {
        let record = Self::decode_first(&mut &*bytes)?;
        if record.raw.len() == bytes.len() { Ok(record) } else { Err(EnrError::Trailing) }
    }

    fn decode_first(input: &mut &[u8]) -> Result<Self, EnrError> {
        let raw = item(input)?;
        if raw.len() > MAX_RECORD {
            return Err(EnrError::TooLarge { size: raw.len() });
        }
        let mut rest = rlp::list(&mut &*raw, "record").map_err(|_| EnrError::Rlp)?;
        let signature = rlp::string(&mut rest, "signature").map_err(|_| EnrError::Rlp)?;
        let content = rest;
        let seq = u64::decode(&mut rest).map_err(|_| EnrError::Rlp)?;
        check_pairs(rest)?;
        let key = identity(rest)?;
        let signature: &[u8; 64] = signature.try_into().map_err(|_| EnrError::Signature)?;
        if !Signature::verify_plain(signature, &content_digest(content), &key) {
            return Err(EnrError::Signature);
        }
        Ok(Self { raw: raw.into(), pairs: rest.len(), seq, key, id: NodeId::of(&key) })
    }

    /// Makes and signs a record. `id` and `secp256k1` are added to the entries, or replaced in them.
    ///
    /// # Errors
    /// [`EnrError::TooLarge`].
    pub fn sign(key: &NodeKey, seq: u64, entries: &Entries) -> Result<Self, EnrError> {
        let public = key.public();
        let mut content = Vec::with_capacity(MAX_RECORD);
        rlp::encode_uint(&mut content, seq);
        let before = content.len();
        entries.clone().with_identity(&public).encode(&mut content);
        let pairs = content.len().saturating_sub(before);
        let signature = key.sign(&content_digest(&content));
        let mut raw = Vec::with_capacity(MAX_RECORD);
        rlp::encode_list(&mut raw, |list| {
            rlp::encode_string(list, signature.as_bytes().get(..64).unwrap_or_default());
            list.extend_from_slice(&content);
        });
        if raw.len() > MAX_RECORD {
            return Err(EnrError::TooLarge { size: raw.len() });
        }
        Ok(Self { raw: raw.into(), pairs, seq, key: public, id: NodeId::of(&public) })
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The sequence number: the higher one is the newer record.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The node's key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The node's id.
    pub const fn id(&self) -> &NodeId {
        &self.id
    }

    /// Keys and the raw RLP of their values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let start = self.raw.len().saturating_sub(self.pairs);
        Pairs(self.raw.get(start..).unwrap_or_default())
    }

    /// The raw RLP of one value.
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.pairs().find_map(|(k, value)| (k == key).then_some(value))
    }

    /// `ip`; `None` when absent or not four bytes.
    pub fn ip(&self) -> Option<Ipv4Addr> {
        self.fixed::<4>(b"ip").map(Ipv4Addr::from)
    }

    /// `ip6`; `None` when absent or not 16 bytes.
    pub fn ip6(&self) -> Option<Ipv6Addr> {
        self.fixed::<16>(b"ip6").map(Ipv6Addr::from)
    }

    /// `tcp`; `None` when absent or no canonical integer below 65536.
    pub fn tcp(&self) -> Option<u16> {
        self.port(b"tcp")
    }

    /// `udp`, read as [`Self::tcp`] is.
    pub fn udp(&self) -> Option<u16> {
        self.port(b"udp")
    }

    /// The RLPx port for IPv6: `tcp6`, else `tcp`.
    pub fn tcp6(&self) -> Option<u16> {
        self.port(b"tcp6").or_else(|| self.tcp())
    }

    /// The discovery port for IPv6: `udp6`, else `udp`.
    pub fn udp6(&self) -> Option<u16> {
        self.port(b"udp6").or_else(|| self.udp())
    }

    /// The address that geth reads: `ip`, else `ip6`; an IPv4-mapped one is the IPv4 address.
    pub fn address(&self) -> Option<IpAddr> {
        self.ip().map(IpAddr::V4).or_else(|| self.ip6().map(|ip| IpAddr::V6(ip).to_canonical()))
    }

    /// Where discovery reaches the node, by geth's rule for its table: an address that is neither multicast nor
    /// unspecified, and a `udp` that is not 0. `udp6` is not looked at, as in geth.
    pub fn discovery_address(&self) -> Option<SocketAddr> {
        let ip = self.address().filter(|ip| !ip.is_multicast() && !ip.is_unspecified())?;
        self.udp().filter(|port| *port != 0).map(|port| SocketAddr::new(ip, port))
    }

    /// The enode of this record as geth prints it; incomplete when the record has no address.
    pub fn to_enode(&self) -> Enode {
        let host = |ip| Endpoint {
            host: Host::Ip(ip),
            tcp: self.tcp().unwrap_or_default(),
            udp: self.udp().unwrap_or_default(),
        };
        match self.address() {
            Some(ip) => Enode::new(self.key, host(ip)),
            None => Enode::incomplete(self.key),
        }
    }

    fn fixed<const N: usize>(&self, key: &[u8]) -> Option<[u8; N]> {
        rlp::fixed::<N>(&mut self.value(key)?, "value").ok()
    }

    fn port(&self, key: &[u8]) -> Option<u16> {
        u16::decode(&mut self.value(key)?).ok()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enr:{}", BASE64URL_NOPAD.encode(&self.raw))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({}, seq {})", self.id.short(), self.seq)
    }
}

impl FromStr for Record {
    type Err = EnrError;

    // DEVIATION: Go's base64 decoder skips line breaks and does not look at the unused bits of the last digit,
    // so that geth takes many texts for one record (`devp2p.md` 9, trap 20). Here a record has one text. Pinned
    // by `every_valid_record_reads_as_geth_reads_it`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix("enr:").ok_or(EnrError::Text)?;
        // Four digits for three bytes: whatever is longer cannot be a record, and is not decoded.
        if encoded.len() > MAX_TEXT {
            return Err(EnrError::TooLarge { size: encoded.len() / 4 * 3 });
        }
        Self::decode(&BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| EnrError::Text)?)
    }
}

/// Digits that 300 bytes and a trailing rest make, with room so that 301 bytes are named as what they are.
const MAX_TEXT: usize = 2 * MAX_RECORD;

/// One RLP item with its header.
fn item<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], EnrError> {
    let start = *input;
    let header = Header::decode(input).map_err(|_| EnrError::Rlp)?;
    *input = input.get(header.payload_length..).ok_or(EnrError::Rlp)?;
    start.get(..start.len().saturating_sub(input.len())).ok_or(EnrError::Rlp)
}

/// Keys are strings that ascend, each with a value.
fn check_pairs(mut rest: &[u8]) -> Result<(), EnrError> {
    let mut previous: Option<&[u8]> = None;
    while !rest.is_empty() {
        let key = rlp::string(&mut rest, "key").map_err(|_| EnrError::Rlp)?;
        if rest.is_empty() {
            return Err(EnrError::Incomplete);
        }
        item(&mut rest)?;
        match previous {
            Some(previous) if previous == key => return Err(EnrError::Duplicate),
            Some(previous) if previous > key => return Err(EnrError::Unsorted),
            _ => previous = Some(key),
        }
    }
    Ok(())
}

fn identity(pairs: &[u8]) -> Result<PublicKey, EnrError> {
    let value = |name: &[u8]| Pairs(pairs).find_map(|(key, value)| (key == name).then_some(value));
    let scheme = value(b"id").and_then(|mut raw| rlp::string(&mut raw, "id").ok());
    if scheme != Some(b"v4") {
        return Err(EnrError::Scheme);
    }
    let mut key = value(b"secp256k1").ok_or(EnrError::Key)?;
    let key = rlp::fixed::<33>(&mut key, "secp256k1").map_err(|_| EnrError::Key)?;
    PublicKey::from_compressed(&key).map_err(|_| EnrError::Key)
}

/// What is signed: the list without the signature.
fn content_digest(content: &[u8]) -> [u8; 32] {
    let mut list = Vec::with_capacity(MAX_RECORD);
    rlp::encode_list(&mut list, |out| out.extend_from_slice(content));
    keccak256(&list)
}

/// Key and raw value, until the first that is none.
struct Pairs<'a>(&'a [u8]);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        Some((rlp::string(&mut self.0, "key").ok()?, item(&mut self.0).ok()?))
    }
}
