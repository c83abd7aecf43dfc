//! The three ways in which devp2p reads RLP: exact lists, lists with an ignored tail, integers always canonical.

use alloy_rlp::{Decodable, Encodable, Header};

use crate::error::WireError;

/// The payload of a list at the front of `input`; what follows the list stays in `input`.
pub(crate) fn list<'a>(input: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], WireError> {
    Header::decode_bytes(input, true).map_err(|_| WireError::Rlp(what))
}

/// A string item.
pub(crate) fn string<'a>(input: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], WireError> {
    Header::decode_bytes(input, false).map_err(|_| WireError::Rlp(what))
}

/// A string item of exactly `N` bytes.
pub(crate) fn fixed<const N: usize>(input: &mut &[u8], what: &'static str) -> Result<[u8; N], WireError> {
    string(input, what)?.try_into().map_err(|_| WireError::Rlp(what))
}

/// A canonical integer.
pub(crate) fn uint(input: &mut &[u8], what: &'static str) -> Result<u64, WireError> {
    u64::decode(input).map_err(|_| WireError::Rlp(what))
}

/// Encodes a list whose payload `fill` writes.
pub(crate) fn encode_list(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    fill(&mut payload);
    Header { list: true, payload_length: payload.len() }.encode(out);
    out.extend_from_slice(&payload);
}

/// Encodes a string item.
pub(crate) fn encode_string(out: &mut Vec<u8>, bytes: &[u8]) {
    bytes.encode(out);
}

/// Encodes an integer.
pub(crate) fn encode_uint(out: &mut Vec<u8>, value: u64) {
    value.encode(out);
}
