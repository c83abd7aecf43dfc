//! The raw snappy block of p2p version 5 (EIP-706).

use crate::error::WireError;

/// A byte of a block stands for fewer plain bytes than this: the densest element copies 64 bytes with three.
const MAX_RATIO: usize = 22;

/// Compresses `plain` onto the end of `out`.
pub(crate) fn compress(plain: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start.saturating_add(snap::raw::max_compress_len(plain.len())), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    #[expect(clippy::expect_used, reason = "the buffer has the length that the encoder asks for")]
    let written = snap::raw::Encoder::new().compress(plain, room).expect("room for the largest result");
    out.truncate(start.saturating_add(written));
}

/// Decompresses a block, after checking the length that it declares against `max` bytes and against what the block
/// can hold at all: otherwise six bytes would cost the room of the largest message.
pub(crate) fn decompress(block: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    let size = snap::raw::decompress_len(block).map_err(|_| WireError::Snappy)?;
    if size > max {
        return Err(WireError::TooLarge { what: "decompressed message", size, max });
    }
    if size > block.len().saturating_mul(MAX_RATIO) {
        return Err(WireError::Snappy);
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|_| WireError::Snappy)
}
