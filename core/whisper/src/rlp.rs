//! Exact RLP: canonical integers, canonical lengths, nothing after the value.

use alloy_rlp::Header;

/// Not the RLP that was expected here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BadRlp;

/// The payload of the list at the front of `left`.
pub(crate) fn list<'a>(left: &mut &'a [u8]) -> Result<&'a [u8], BadRlp> {
    Header::decode_bytes(left, true).map_err(|_| BadRlp)
}

/// The string at the front of `left`.
pub(crate) fn string<'a>(left: &mut &'a [u8]) -> Result<&'a [u8], BadRlp> {
    Header::decode_bytes(left, false).map_err(|_| BadRlp)
}

/// The whole encoding of whatever item is at the front of `left`.
pub(crate) fn item<'a>(left: &mut &'a [u8]) -> Result<&'a [u8], BadRlp> {
    let whole = *left;
    let header = Header::decode(left).map_err(|_| BadRlp)?;
    *left = left.get(header.payload_length..).ok_or(BadRlp)?;
    whole.get(..whole.len() - left.len()).ok_or(BadRlp)
}

/// A canonical integer of at most `max_bytes`.
pub(crate) fn uint(left: &mut &[u8], max_bytes: usize) -> Result<u64, BadRlp> {
    let bytes = string(left)?;
    if bytes.len() > max_bytes || bytes.first() == Some(&0) {
        return Err(BadRlp);
    }
    Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// A canonical integer of at most four bytes.
pub(crate) fn uint32(left: &mut &[u8]) -> Result<u32, BadRlp> {
    u32::try_from(uint(left, 4)?).map_err(|_| BadRlp)
}

/// Nothing may be left.
pub(crate) const fn end(left: &[u8]) -> Result<(), BadRlp> {
    if left.is_empty() { Ok(()) } else { Err(BadRlp) }
}

/// Appends the header of a list whose payload has `len` bytes.
pub(crate) fn put_list(len: usize, out: &mut dyn alloy_rlp::BufMut) {
    Header { list: true, payload_length: len }.encode(out);
}

/// Bytes of the header of a list whose payload has `len` bytes.
pub(crate) const fn list_header_len(len: usize) -> usize {
    Header { list: true, payload_length: len }.length()
}
