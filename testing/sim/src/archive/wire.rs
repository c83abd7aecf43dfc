//! The plain request of packet 126 and the end of an answer, packet 125.

use alloy_rlp::{Encodable as _, Header};
use undertone_whisper::wire::PacketCode;
use undertone_whisper::{Bloom, EnvelopeHash};

/// The packet that ends an answer (`whisper.md` 5.1). The machine of the core skips it: a mail server is another issue.
pub(crate) const COMPLETE: PacketCode = PacketCode(125);

/// Bytes of the name of a request.
const ID: usize = 32;

/// Bytes of a cursor: the second and the hash of an envelope.
pub(super) const CURSOR: usize = 36;

/// What the text of an answer without a result begins with.
const ERROR: &[u8] = b"ERROR=";

/// A request as Whisper writes it: `[id, from, to, limit, cursor, bloom]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Request {
    /// Its name, which the answer repeats.
    pub(crate) id: [u8; ID],
    /// First second that envelopes were made in.
    pub(crate) from: u32,
    /// Last one.
    pub(crate) to: u32,
    /// Most envelopes of an answer; 0 = 1,000.
    pub(crate) limit: u32,
    /// Where the page before ended.
    pub(crate) cursor: Option<[u8; CURSOR]>,
    /// Which topics.
    pub(crate) bloom: Bloom,
}

impl Request {
    /// The body of packet 126.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let cursor = self.cursor.as_ref().map_or(&[][..], |cursor| cursor);
        let mut items = Vec::new();
        self.id.encode(&mut items);
        self.from.encode(&mut items);
        self.to.encode(&mut items);
        self.limit.encode(&mut items);
        cursor.encode(&mut items);
        self.bloom.as_bytes().encode(&mut items);
        let mut body = Vec::new();
        Header { list: true, payload_length: items.len() }.encode(&mut body);
        body.extend(items);
        body
    }

    /// Exact. A cursor of another length counts as none, as for the servers of status-go.
    pub(crate) fn decode(mut body: &[u8]) -> Option<Self> {
        let mut items = Header::decode_bytes(&mut body, true).ok().filter(|_| body.is_empty())?;
        let mut string = || Header::decode_bytes(&mut items, false).ok();
        let id = string()?.try_into().ok()?;
        let [from, to, limit] = [number(string()?)?, number(string()?)?, number(string()?)?];
        let cursor = string()?.try_into().ok();
        let bloom = Bloom::from_bytes(string()?.try_into().ok()?);
        items.is_empty().then_some(Self { id, from, to, limit, cursor, bloom })
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    let canonical = bytes.len() <= 4 && bytes.first() != Some(&0);
    canonical.then(|| bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

/// How an answer ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Completion {
    pub(super) id: [u8; ID],
    /// The last envelope of the page and where the next one goes on, if there may be one; or why there is none.
    pub(super) end: Result<(Option<EnvelopeHash>, Option<[u8; CURSOR]>), String>,
}

impl Completion {
    /// The body of packet 125: a string.
    pub(super) fn encode(&self) -> Vec<u8> {
        let text = match &self.end {
            Ok((last, cursor)) => {
                let last = last.as_ref().map_or(&[0; 32], EnvelopeHash::as_bytes);
                let cursor = cursor.as_ref().map_or(&[][..], |cursor| cursor);
                [&self.id[..], last, cursor].concat()
            }
            Err(why) => [ERROR, &self.id, why.as_bytes()].concat(),
        };
        let mut body = Vec::new();
        text.as_slice().encode(&mut body);
        body
    }

    pub(super) fn decode(mut body: &[u8]) -> Option<Self> {
        let text = Header::decode_bytes(&mut body, false).ok().filter(|_| body.is_empty())?;
        if let Some(failed) = text.strip_prefix(ERROR) {
            let (id, why) = failed.split_first_chunk()?;
            return Some(Self { id: *id, end: Err(String::from_utf8_lossy(why).into_owned()) });
        }
        let (id, rest) = text.split_first_chunk()?;
        let (last, cursor) =
            rest.split_first_chunk::<32>().map_or((None, rest), |(last, c)| (Some(*last), c));
        let last = last.filter(|last| *last != [0; 32]).map(EnvelopeHash::from_bytes);
        Some(Self { id: *id, end: Ok((last, cursor.try_into().ok())) })
    }
}
