//! The envelope: five items around sealed data.

use std::fmt;
use std::sync::Arc;

use undertone_base::{FaultClass, Severity, Unix, fixed_bytes};
use undertone_crypto::keccak256;
use undertone_lanes::keccak256_each;

use crate::Topic;
use crate::pow::{Preimage, leading_zeros, ratio};
use crate::rlp::{self, BadRlp};

fixed_bytes! {
    /// Names an envelope: Keccak-256 of its received bytes. The nonce is covered, so the same data in another
    /// envelope has another name.
    pub struct EnvelopeHash(32);
}

/// What a nominal size has over the data in bytes: four for expiry, ttl and topic each, eight for the nonce
/// (`geth: Envelope.size`).
pub const NOMINAL_OVERHEAD: usize = 20;

/// Bytes that are no envelope. Every implementation drops whoever sent them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the five items of an envelope")]
pub struct BadEnvelope;

impl BadEnvelope {
    /// Cannot happen by accident.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::peer(Severity::Fatal)
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        "envelope.malformed"
    }
}

impl From<BadRlp> for BadEnvelope {
    fn from(_: BadRlp) -> Self {
        Self
    }
}

/// What a sealer chooses besides data and nonce.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Unix seconds, 32 bits, when the envelope dies.
    pub expiry: u32,
    /// Seconds of life.
    pub ttl: u32,
    /// Topic.
    pub topic: Topic,
}

impl Header {
    /// The four-item RLP that the proof of work is over.
    pub fn encode_short(&self, data: &[u8]) -> Vec<u8> {
        self.encode(data, None)
    }

    fn encode(&self, data: &[u8], nonce: Option<u64>) -> Vec<u8> {
        use alloy_rlp::Encodable;
        let len = self.expiry.length()
            + self.ttl.length()
            + self.topic.as_bytes().as_slice().length()
            + data.length()
            + nonce.map_or(0, |n| n.length());
        let mut out = Vec::with_capacity(len + rlp::list_header_len(len));
        rlp::put_list(len, &mut out);
        self.expiry.encode(&mut out);
        self.ttl.encode(&mut out);
        self.topic.as_bytes().as_slice().encode(&mut out);
        data.encode(&mut out);
        if let Some(nonce) = nonce {
            nonce.encode(&mut out);
        }
        out
    }
}

/// An envelope in shape: five canonical items and nothing after them. Nothing else is checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RawEnvelope<'a> {
    /// Expiry, ttl and topic.
    pub header: Header,
    /// Sealed data.
    pub data: &'a [u8],
    /// Nonce of the proof of work.
    pub nonce: u64,
    raw: &'a [u8],
    /// The encoding of the first four items inside `raw`.
    four_items: &'a [u8],
    /// Bytes that the encoding of the nonce takes at the end of `raw`.
    nonce_len: usize,
}

impl<'a> RawEnvelope<'a> {
    /// Reads one envelope. Exact: trailing bytes are an error.
    ///
    /// | item | form |
    /// |---|---|
    /// | expiry, ttl | canonical integers of at most 4 bytes |
    /// | topic | string of exactly 4 bytes |
    /// | data | string |
    /// | nonce | canonical integer of at most 8 bytes |
    ///
    /// # Errors
    /// [`BadEnvelope`].
    pub fn decode(raw: &'a [u8]) -> Result<Self, BadEnvelope> {
        let mut outer = raw;
        let items = rlp::list(&mut outer)?;
        rlp::end(outer)?;
        let mut left = items;
        let expiry = rlp::uint32(&mut left)?;
        let ttl = rlp::uint32(&mut left)?;
        let topic = Topic::from_slice(rlp::string(&mut left)?).ok_or(BadEnvelope)?;
        let data = rlp::string(&mut left)?;
        let four_items = items.get(..items.len() - left.len()).ok_or(BadEnvelope)?;
        let nonce_len = left.len();
        let nonce = rlp::uint(&mut left, 8)?;
        rlp::end(left)?;
        Ok(Self { header: Header { expiry, ttl, topic }, data, nonce, raw, four_items, nonce_len })
    }

    /// When it was made, in Unix seconds; `None` when the ttl is above the expiry, where 32-bit arithmetic of
    /// the originals wraps.
    pub const fn sent(&self) -> Option<u32> {
        self.header.expiry.checked_sub(self.header.ttl)
    }

    /// The nominal size that limits are about.
    pub const fn size(&self) -> usize {
        self.data.len() + NOMINAL_OVERHEAD
    }

    /// The name: one Keccak over all of it.
    pub fn hash(&self) -> EnvelopeHash {
        EnvelopeHash::from_bytes(keccak256(self.raw))
    }

    /// The proof of work: another Keccak over all but the nonce.
    pub fn work(&self) -> Work {
        let mut hash = [[0; 32]; 1];
        keccak256_each(&[self.preimage().input()], &mut hash);
        let [hash] = hash;
        self.work_of(&hash)
    }

    /// What [`RawEnvelope::hash`] is of.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// What [`RawEnvelope::work`] counts the hash of.
    pub(crate) fn preimage(&self) -> Preimage<'a> {
        Preimage::new(self.four_items, self.nonce)
    }

    /// The proof of work when the hash of its preimage is this.
    pub(crate) fn work_of(&self, hash: &[u8; 32]) -> Work {
        let short = self.four_items.len() + rlp::list_header_len(self.four_items.len());
        Work { zeros: leading_zeros(hash), short, strict: self.raw.len().max(self.size()) }
    }

    /// An exact-size copy, with what was computed before.
    pub fn to_envelope(&self, hash: EnvelopeHash, work: &Work) -> Envelope {
        let data_at = self.raw.len().saturating_sub(self.nonce_len + self.data.len());
        Envelope {
            raw: self.raw.into(),
            hash,
            header: self.header,
            strict_pow: work.strict(self.header.ttl),
            data_at: u8::try_from(data_at).unwrap_or(u8::MAX),
            nonce_len: u8::try_from(self.nonce_len).unwrap_or(u8::MAX),
        }
    }
}

/// The hashing behind a proof of work, done once; the divisors are cheap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Work {
    zeros: u32,
    short: usize,
    strict: usize,
}

impl Work {
    /// Leading zero bits, 0..=256.
    pub const fn zeros(&self) -> u32 {
        self.zeros
    }

    /// The PoW as geth and status-go count it: over the RLP without nonce and `ttl` seconds.
    pub fn geth(&self, ttl: u32) -> f64 {
        ratio(self.zeros, self.short, ttl)
    }

    /// The least PoW that any implementation counts: over the largest of full RLP and nominal size.
    pub fn strict(&self, ttl: u32) -> f64 {
        ratio(self.zeros, self.strict, ttl)
    }
}

/// An envelope that owns one exact-size copy of its bytes. Clones share it.
#[derive(Clone)]
pub struct Envelope {
    raw: Arc<[u8]>,
    hash: EnvelopeHash,
    header: Header,
    strict_pow: f64,
    /// Where the data begins: at most 25, after a list header, two integers, a topic and a string header.
    data_at: u8,
    /// Bytes behind the data: at most 9.
    nonce_len: u8,
}

impl Envelope {
    /// Encodes an envelope. Whether the nonce is worth anything shows in [`Envelope::strict_pow`].
    pub fn new(header: Header, data: &[u8], nonce: u64) -> Self {
        let raw = header.encode(data, Some(nonce));
        #[expect(
            clippy::expect_used,
            reason = "the encoder writes what the decoder reads; a property test holds it"
        )]
        let decoded = RawEnvelope::decode(&raw).expect("own encoding");
        decoded.to_envelope(decoded.hash(), &decoded.work())
    }

    /// The bytes as received or encoded: what is hashed and relayed.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The name.
    pub const fn hash(&self) -> EnvelopeHash {
        self.hash
    }

    /// Expiry, ttl and topic.
    pub const fn header(&self) -> Header {
        self.header
    }

    /// Topic.
    pub const fn topic(&self) -> Topic {
        self.header.topic
    }

    /// Sealed data.
    pub fn data(&self) -> &[u8] {
        let end = self.raw.len().saturating_sub(self.nonce_len.into());
        self.raw.get(self.data_at.into()..end).unwrap_or_default()
    }

    /// When it was made: expiry minus ttl.
    pub fn sent_at(&self) -> Unix {
        Unix::from_secs(u64::from(self.header.expiry.wrapping_sub(self.header.ttl)))
    }

    /// The PoW by the strictest divisor in use; what forwarding goes by. Infinite for a ttl of 0.
    ///
    /// DEVIATION: each of the originals forwards by its own divisor, and is dropped by one that counts otherwise (test
    /// `forwarding_goes_by_the_strictest_divisor`). What is taken goes by geth's, the mildest.
    pub const fn strict_pow(&self) -> f64 {
        self.strict_pow
    }
}

impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Envelope {}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("hash", &self.hash)
            .field("header", &self.header)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}
