//! The plaintext: flags, size, payload, padding, signature.

use rand_core::CryptoRng;
use undertone_base::Reader;
use undertone_crypto::{KeyId, Keyring, Opaque, PublicKey, Signature, UnknownKey, keccak256};

use crate::Opened;

/// Padded plaintexts are a multiple of this many bytes (`geth: const padSizeLimit`).
pub const SIZE_CLASS: usize = 256;

/// Largest payload in bytes: what three bytes of size can say. A fourth would set the signature flag
/// (`whisper.md` 3.1).
pub const MAX_PAYLOAD: usize = 0xff_ffff;

/// Bytes of a signature at the end of a plaintext.
pub(crate) const SIGNATURE: usize = 65;

/// Flag bits 0 and 1: how many size bytes follow.
const SIZE_MASK: u8 = 0x03;
/// Flag bit 2: a signature ends the plaintext.
const SIGNED: u8 = 0x04;

/// What follows the payload so that its length does not show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Padding<'a> {
    /// 1 to 256 random bytes up to the next multiple of [`SIZE_CLASS`].
    #[default]
    Auto,
    /// These bytes and nothing else; empty means [`Padding::Auto`], as in geth.
    Given(&'a [u8]),
}

/// Length of the plaintext before padding.
pub(crate) const fn unpadded_len(payload: usize, signed: bool) -> usize {
    1 + size_bytes(payload) + payload + if signed { SIGNATURE } else { 0 }
}

/// Length of the plaintext with automatic padding: always at least one byte more than without.
pub(crate) const fn padded_len(payload: usize, signed: bool) -> usize {
    let raw = unpadded_len(payload, signed);
    raw + SIZE_CLASS - raw % SIZE_CLASS
}

const fn size_bytes(payload: usize) -> usize {
    match payload {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 3,
    }
}

/// | offset | length | content |
/// |---|---|---|
/// | 0 | 1 | flags: bits 0–1 = n, bit 2 = signed, the rest zero |
/// | 1 | n | length of the payload, little-endian |
/// | 1 + n | – | payload, then padding |
/// | end − 65 | 65 | signature over Keccak-256 of all before it, if signed |
///
/// The payload is at most [`MAX_PAYLOAD`] bytes: the caller checked.
pub(crate) fn encode(
    payload: &[u8],
    padding: Padding<'_>,
    signer: Option<(&dyn Keyring, KeyId)>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, UnknownKey> {
    let n = size_bytes(payload.len());
    let mut out = Vec::with_capacity(padded_len(payload.len(), signer.is_some()));
    let flags = u8::try_from(n).unwrap_or(SIZE_MASK) | if signer.is_some() { SIGNED } else { 0 };
    out.push(flags);
    out.extend(payload.len().to_le_bytes().into_iter().take(n));
    out.extend_from_slice(payload);
    match padding {
        Padding::Given(bytes) if !bytes.is_empty() => out.extend_from_slice(bytes),
        _ => {
            let start = out.len();
            let end =
                padded_len(payload.len(), signer.is_some()) - if signer.is_some() { SIGNATURE } else { 0 };
            out.resize(end, 0);
            rng.fill_bytes(out.get_mut(start..).unwrap_or_default());
        }
    }
    if let Some((keyring, key)) = signer {
        let signature = keyring.sign(&key, &keccak256(&out))?;
        out.extend_from_slice(signature.as_bytes());
    }
    Ok(out)
}

/// Takes a plaintext apart. Tolerant: reserved flag bits and an oversized size field are accepted, padding may
/// be anything; whatever runs over the end is refused (status-go's rule; geth crashes on seven short forms).
pub(crate) fn decode(mut plaintext: Vec<u8>) -> Result<Opened, Opaque> {
    let flags = *plaintext.first().ok_or(Opaque)?;
    let author = if flags & SIGNED == 0 { None } else { Some(split_signature(&mut plaintext)?) };
    let mut reader = Reader::new(&plaintext);
    let _flags = reader.take::<1>().map_err(|_| Opaque)?;
    let n = usize::from(flags & SIZE_MASK);
    let size = reader.sub(n).map_err(|_| Opaque)?;
    let len = size.iter().rev().fold(0usize, |len, byte| len << 8 | usize::from(*byte));
    let _payload = reader.sub(len).map_err(|_| Opaque)?;
    let padding = plaintext.split_off(1 + n + len);
    plaintext.drain(..1 + n);
    Ok(Opened { payload: plaintext, padding, author })
}

/// Cuts the signature off and recovers who made it. At least two bytes must be left before it (geth's rule:
/// flags and signature alone are refused).
fn split_signature(plaintext: &mut Vec<u8>) -> Result<PublicKey, Opaque> {
    let end = plaintext.len().checked_sub(SIGNATURE).filter(|end| *end > 1).ok_or(Opaque)?;
    let signature = Signature::from_slice(plaintext.get(end..).ok_or(Opaque)?).map_err(|_| Opaque)?;
    plaintext.truncate(end);
    signature.recover(&keccak256(plaintext)).map_err(|_| Opaque)
}
