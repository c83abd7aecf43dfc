//! Frames: encrypted and authenticated pieces of an established link (`devp2p.md` 2.4).
//!
//! | offset | length | content |
//! |---|---|---|
//! | 0 | 16 | header: size (3, big-endian), `c2 80 80`, zeros; AES-256-CTR |
//! | 16 | 16 | header MAC |
//! | 32 | size, filled to 16 | body; AES-256-CTR |
//! | 32 + filled | 16 | body MAC |

use std::fmt;

use subtle::ConstantTimeEq;
use undertone_base::Secret;
use undertone_crypto::ctr::{Aes256Block, Aes256Stream};
use undertone_crypto::hash::Keccak;

use crate::error::WireError;
use crate::handshake::Secrets;
use crate::limits::MAX_FRAME;

const HEADER: usize = 16;
const MAC: usize = 16;
/// Header-data that geth sends; ignored on receipt.
const HEADER_DATA: [u8; 3] = [0xc2, 0x80, 0x80];

/// Both directions of a link.
pub(crate) fn codecs(secrets: Secrets) -> (Egress, Ingress) {
    let Secrets { aes, mac, egress, ingress } = secrets;
    let egress = Egress { cipher: Aes256Stream::new(&aes), mac: FrameMac::new(&mac, egress) };
    let ingress = Ingress {
        cipher: Aes256Stream::new(&aes),
        mac: FrameMac::new(&mac, ingress),
        expected: Expected::Header,
    };
    (egress, ingress)
}

/// Writes frames.
#[derive(Debug)]
pub(crate) struct Egress {
    cipher: Aes256Stream,
    mac: FrameMac,
}

impl Egress {
    /// Appends a frame to `out`, whose body is whatever `fill` appends there: the body is written once, in
    /// place, and encrypted where it lies. Nothing is appended when the body is over `max`.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        max: usize,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), usize> {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER + MAC]);
        let body_start = out.len();
        fill(out);
        let size = out.len().saturating_sub(body_start);
        if size > max.min(MAX_FRAME) {
            out.truncate(start);
            return Err(size);
        }
        out.resize(body_start.saturating_add(size.next_multiple_of(HEADER)), 0);
        let (Some(header), Some(_)) = (header(size), out.get(body_start..)) else {
            out.truncate(start);
            return Err(size);
        };
        let mut header = header;
        self.cipher.apply(&mut header);
        let header_mac = self.mac.header(&header);
        if let Some(room) = out.get_mut(start..body_start) {
            let (first, second) = room.split_at_mut(HEADER);
            first.copy_from_slice(&header);
            second.copy_from_slice(&header_mac);
        }
        let body = out.get_mut(body_start..).unwrap_or_default();
        self.cipher.apply(body);
        let body_mac = self.mac.body(body);
        out.extend_from_slice(&body_mac);
        Ok(())
    }
}

/// Reads frames.
#[derive(Debug)]
pub(crate) struct Ingress {
    cipher: Aes256Stream,
    mac: FrameMac,
    expected: Expected,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Header,
    Body { size: usize },
}

/// How far reading a frame is.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Read<'a> {
    /// Needs this many bytes at the front of the input.
    More(usize),
    /// A header was consumed; go on behind it.
    Header { consumed: usize },
    /// A frame body, decrypted in place, and how many bytes it took.
    Body { data: &'a [u8], consumed: usize },
}

impl Ingress {
    /// Reads the next piece at the front of `input`, decrypting it where it lies. The header MAC is checked
    /// before the size is believed, the body MAC before the body is decrypted; `max` bounds the size.
    pub(crate) fn read<'a>(&mut self, input: &'a mut [u8], max: usize) -> Result<Read<'a>, WireError> {
        match self.expected {
            Expected::Header => self.read_header(input, max),
            Expected::Body { size } => self.read_body(input, size),
        }
    }

    fn read_header(&mut self, input: &[u8], max: usize) -> Result<Read<'static>, WireError> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER>() else {
            return Ok(Read::More(HEADER + MAC));
        };
        let Some((tag, _)) = rest.split_first_chunk::<MAC>() else { return Ok(Read::More(HEADER + MAC)) };
        if !bool::from(self.mac.header(header).ct_eq(tag)) {
            return Err(WireError::HeaderMac);
        }
        let mut header = *header;
        self.cipher.apply(&mut header);
        let [a, b, c, ..] = header;
        let size = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        if size > max {
            return Err(WireError::TooLarge { what: "frame", size, max });
        }
        self.expected = Expected::Body { size };
        Ok(Read::Header { consumed: HEADER + MAC })
    }

    fn read_body<'a>(&mut self, input: &'a mut [u8], size: usize) -> Result<Read<'a>, WireError> {
        let filled = size.next_multiple_of(HEADER);
        let consumed = filled.saturating_add(MAC);
        let Some((frame, _)) = input.split_at_mut_checked(consumed) else { return Ok(Read::More(consumed)) };
        let Some((body, tag)) = frame.split_at_mut_checked(filled) else { return Ok(Read::More(consumed)) };
        if !bool::from(self.mac.body(body).as_slice().ct_eq(tag)) {
            return Err(WireError::BodyMac);
        }
        self.cipher.apply(body);
        self.expected = Expected::Header;
        let data = body.get(..size).unwrap_or_default();
        Ok(Read::Body { data, consumed })
    }
}

/// The running MAC of one direction.
#[derive(Debug)]
struct FrameMac {
    cipher: Aes256Block,
    state: Keccak,
    /// The digest of `state`, which the next header begins with: a quarter of the hashing of a small frame.
    digest: Digest,
}

#[derive(Clone, Copy)]
struct Digest([u8; MAC]);

impl FrameMac {
    fn new(key: &Secret<32>, state: Keccak) -> Self {
        Self { cipher: Aes256Block::new(key), digest: Digest::of(&state), state }
    }

    fn header(&mut self, ciphertext: &[u8; HEADER]) -> [u8; MAC] {
        self.update(self.digest, ciphertext)
    }

    fn body(&mut self, ciphertext: &[u8]) -> [u8; MAC] {
        self.state.absorb(ciphertext);
        let digest = Digest::of(&self.state);
        self.update(digest, &digest.0)
    }

    /// Absorbs `seed` as 2.4 wants it; `digest` is that of the state as it is.
    fn update(&mut self, digest: Digest, seed: &[u8; HEADER]) -> [u8; MAC] {
        let mut block = self.cipher.encrypt(digest.0);
        for (b, s) in block.iter_mut().zip(seed) {
            *b ^= s;
        }
        self.state.absorb(&block);
        self.digest = Digest::of(&self.state);
        self.digest.0
    }
}

impl Digest {
    fn of(state: &Keccak) -> Self {
        let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = state.snapshot();
        Self(first)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

fn header(size: usize) -> Option<[u8; HEADER]> {
    let [0, a, b, c] = u32::try_from(size).ok()?.to_be_bytes() else { return None };
    let [x, y, z] = HEADER_DATA;
    Some([a, b, c, x, y, z, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

#[cfg(test)]
mod tests;
