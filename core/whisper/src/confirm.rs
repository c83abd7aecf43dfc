//! Confirmations of the status-go dialect: packets 11 and 12 (`whisper.md` 5.8).
//!
//! Both name a packet of envelopes by the Keccak-256 of its body. An acknowledgement says that all of it was taken; a
//! response, what of it was not.

use undertone_base::fixed_bytes;

use crate::dialect::Protocol;
use crate::envelope::EnvelopeHash;
use crate::rlp::{self, BadRlp};
use crate::wire::PacketFault;

fixed_bytes! {
    /// Names a packet of envelopes: Keccak-256 of its body.
    pub struct BatchHash(32);
}

/// The only version of a response.
const VERSION: u64 = 1;

/// What status-go's Whisper answers for every envelope that it refuses, and for a wrong clock alone by its own intent
/// (`status-go: EnvelopeTimeNotSynced`).
///
/// DEVIATION: specs 3 say 1. The constant stands inside an `iota` block and is 37 on the wire, 21 in Waku; status-go's
/// clients know these and the next ones, and so ours are these (test `confirmations_of_status_go`).
pub const TIME_NOT_SYNCED: u64 = 37;

/// Refused for another reason (`status-go: EnvelopeOtherError`).
pub const OTHER_ERROR: u64 = 38;

/// [`TIME_NOT_SYNCED`] in Waku.
pub const WAKU_TIME_NOT_SYNCED: u64 = 21;

/// [`OTHER_ERROR`] in Waku.
pub const WAKU_OTHER_ERROR: u64 = 22;

/// The code of an error in the words of a protocol.
pub(crate) const fn error_code(protocol: Protocol, of_clocks: bool) -> u64 {
    match (protocol, of_clocks) {
        (Protocol::Whisper, true) => TIME_NOT_SYNCED,
        (Protocol::Whisper, false) => OTHER_ERROR,
        (Protocol::Waku, true) => WAKU_TIME_NOT_SYNCED,
        (Protocol::Waku, false) => WAKU_OTHER_ERROR,
    }
}

/// Whether a code is that of a wrong clock, by either protocol.
pub(crate) const fn is_of_clocks(code: u64) -> bool {
    matches!(code, TIME_NOT_SYNCED | WAKU_TIME_NOT_SYNCED)
}

/// An envelope of a packet that was not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotTaken<'a> {
    /// Which.
    pub hash: EnvelopeHash,
    /// [`TIME_NOT_SYNCED`], [`OTHER_ERROR`] or another: all mean that it was not taken.
    pub code: u64,
    /// Why, in words. Untrusted, and not always UTF-8.
    pub text: &'a [u8],
}

/// The body of an acknowledgement: one string of 32 bytes, though specs 6 draw a list.
pub fn encode_ack(batch: &BatchHash) -> Vec<u8> {
    alloy_rlp::encode(batch.as_bytes().as_slice())
}

/// Trailing bytes are skipped, as in status-go.
///
/// # Errors
/// [`PacketFault::Confirmation`].
pub fn decode_ack(mut body: &[u8]) -> Result<BatchHash, PacketFault> {
    let bytes = rlp::string(&mut body).map_err(|BadRlp| PacketFault::Confirmation)?;
    BatchHash::from_slice(bytes).ok_or(PacketFault::Confirmation)
}

/// The body of a response: `[1, [batch, [[hash, code, text], …]]]`.
pub fn encode_response(batch: &BatchHash, errors: &[NotTaken<'_>]) -> Vec<u8> {
    use alloy_rlp::Encodable;
    let mut items = Vec::new();
    for NotTaken { hash, code, text } in errors {
        let hash = hash.as_bytes().as_slice();
        rlp::put_list(hash.length() + code.length() + text.length(), &mut items);
        hash.encode(&mut items);
        code.encode(&mut items);
        text.encode(&mut items);
    }
    let mut inner = alloy_rlp::encode(batch.as_bytes().as_slice());
    rlp::put_list(items.len(), &mut inner);
    inner.extend_from_slice(&items);
    let mut outer = alloy_rlp::encode(VERSION);
    rlp::put_list(inner.len(), &mut outer);
    outer.extend_from_slice(&inner);
    let mut out = Vec::with_capacity(outer.len() + rlp::list_header_len(outer.len()));
    rlp::put_list(outer.len(), &mut out);
    out.extend_from_slice(&outer);
    out
}

/// What a response says. Strict outside, tolerant inside, as status-go is: another version, or an inner part that is
/// none, is ignored (`None`); trailing bytes are skipped.
///
/// # Errors
/// [`PacketFault::Confirmation`] when it is no list of a version and something.
pub fn decode_response(mut body: &[u8]) -> Result<Option<(BatchHash, Vec<NotTaken<'_>>)>, PacketFault> {
    let outer = |body: &mut &[u8]| {
        let mut items = rlp::list(body)?;
        let version = rlp::uint(&mut items, 8)?;
        rlp::item(&mut items)?;
        rlp::end(items).map(|()| version)
    };
    let whole = body;
    let version = outer(&mut body).map_err(|BadRlp| PacketFault::Confirmation)?;
    if version != VERSION {
        return Ok(None);
    }
    Ok(inner(whole).ok())
}

fn inner(mut body: &[u8]) -> Result<(BatchHash, Vec<NotTaken<'_>>), BadRlp> {
    let mut items = rlp::list(&mut body)?;
    rlp::uint(&mut items, 8)?;
    let mut parts = rlp::list(&mut items)?;
    let batch = BatchHash::from_slice(rlp::string(&mut parts)?).ok_or(BadRlp)?;
    let mut left = rlp::list(&mut parts)?;
    let mut errors = Vec::new();
    while !left.is_empty() {
        let mut one = rlp::list(&mut left)?;
        let hash = EnvelopeHash::from_slice(rlp::string(&mut one)?).ok_or(BadRlp)?;
        let code = rlp::uint(&mut one, 8)?;
        errors.push(NotTaken { hash, code, text: rlp::string(&mut one)? });
    }
    Ok((batch, errors))
}
