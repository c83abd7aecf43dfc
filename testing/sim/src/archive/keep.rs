//! What was pooled, by the second in which it was made.

use std::collections::BTreeMap;
use std::ops::Bound;

use undertone_whisper::{Bloom, Envelope};

use super::wire::{CURSOR, Completion, Request};

/// Most envelopes of an answer (`status-go: const maxMessagesRequestPayloadLimit`).
const MAX_LIMIT: u32 = 1_000;

/// Second, hash, topic: the key under which mail servers store an envelope. Its first 36 bytes are a cursor.
type Key = [u8; 40];

/// Envelopes of any age, oldest first. Nothing is ever given up: a run is short.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive {
    kept: BTreeMap<Key, Envelope>,
    bytes: u64,
}

impl Archive {
    pub(crate) fn keep(&mut self, envelope: Envelope) {
        let bytes = envelope.bytes().len() as u64;
        if self.kept.insert(key(&envelope), envelope).is_none() {
            self.bytes += bytes;
        }
    }

    /// How many envelopes it has, and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.kept.len(), self.bytes)
    }

    /// A page of envelopes, and the body of the packet that follows it.
    pub(crate) fn answer(&self, request: &Request) -> (Vec<Envelope>, Vec<u8>) {
        let (page, end) = match refusal(request) {
            Some(why) => (Vec::new(), Err(why.to_owned())),
            None => {
                let (page, cursor) = self.page(request);
                let last = page.last().map(Envelope::hash);
                (page, Ok((last, cursor)))
            }
        };
        (page, Completion { id: request.id, end }.encode())
    }

    fn page(&self, request: &Request) -> (Vec<Envelope>, Option<[u8; CURSOR]>) {
        let limit = if request.limit == 0 { MAX_LIMIT } else { request.limit } as usize;
        let first = bound(&request.from.to_be_bytes(), 0);
        let last = bound(&request.to.to_be_bytes(), u8::MAX);
        // No key has this cursor and ends higher.
        let after = request.cursor.map_or(Bound::Included(first), |at| Bound::Excluded(bound(&at, u8::MAX)));
        if matches!(after, Bound::Excluded(at) if at >= last) {
            return (Vec::new(), None);
        }
        let range = self.kept.range((after, Bound::Included(last)));
        let wanted = range.filter(|(_, envelope)| request.bloom.wants(envelope.topic()));
        let page: Vec<_> = wanted.take(limit).map(|(_, envelope)| envelope.clone()).collect();
        let full = page.last().filter(|_| page.len() == limit);
        let cursor = full.and_then(|last| key(last).first_chunk().copied());
        (page, cursor)
    }
}

/// Why a request is not served, in the words of status-go.
fn refusal(request: &Request) -> Option<&'static str> {
    if request.from > request.to {
        return Some("query range is invalid: lower > upper");
    }
    if request.limit > MAX_LIMIT {
        return Some("request is invalid: limit exceeds the maximum allowed value");
    }
    (request.bloom == Bloom::EMPTY).then_some("request is invalid: bloom filter is empty")
}

fn key(envelope: &Envelope) -> Key {
    let header = envelope.header();
    let sent = header.expiry.wrapping_sub(header.ttl).to_be_bytes();
    let parts = [&sent[..], envelope.hash().as_bytes(), header.topic.as_bytes()].concat();
    bound(&parts, 0)
}

/// The lowest or highest key that begins so.
fn bound(begin: &[u8], fill: u8) -> Key {
    let mut key = [fill; 40];
    key.iter_mut().zip(begin).for_each(|(to, from)| *to = *from);
    key
}
