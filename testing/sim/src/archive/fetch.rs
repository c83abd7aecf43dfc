//! A client that comes back and asks for what it missed.

use std::collections::BTreeSet;

use undertone_whisper::{Bloom, EnvelopeHash};

use super::wire::{CURSOR, Completion, Request};
use crate::engine::NodeId;

/// Seconds before the last sign of life that are asked for again: an envelope of then may have been on its way for as
/// long as it lives (15), made by a clock that is as slow as peers accept (10).
pub(crate) const LOOK_BACK: u32 = 25;

/// Asks an archive. Outlives restarts of its node: this is what a client has on its disk.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    archive: NodeId,
    /// Its topics in several filters, each of which lets less through than all of them in one would.
    queries: Vec<Bloom>,
    /// Envelopes of a page.
    limit: u32,
    /// Second up to which it has everything.
    since: u32,
    state: State,
    /// What was ever delivered.
    delivered: BTreeSet<EnvelopeHash>,
}

#[derive(Clone, Debug)]
enum State {
    /// No link to the archive, or nothing asked on it yet.
    Away,
    Asking {
        id: [u8; 32],
        query: usize,
        to: u32,
    },
    /// All answers came: from now on relays bring what is new.
    Live,
}

/// What an answer leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// The next request.
    Ask(Vec<u8>),
    /// That was the last answer.
    Done,
    /// Not an answer to what was asked, or a refusal.
    Nothing,
}

impl Fetch {
    pub(crate) const fn new(archive: NodeId, queries: Vec<Bloom>, limit: u32) -> Self {
        Self { archive, queries, limit, since: 0, state: State::Away, delivered: BTreeSet::new() }
    }

    pub(crate) const fn archive(&self) -> NodeId {
        self.archive
    }

    /// Whether it is to ask as soon as its archive is there.
    pub(crate) const fn is_away(&self) -> bool {
        matches!(self.state, State::Away)
    }

    /// The link to the archive is gone, or the node has restarted.
    pub(crate) fn leave(&mut self) {
        self.state = State::Away;
    }

    /// The network was heard now. Counts once everything missed is there.
    pub(crate) const fn heard(&mut self, now: u32) {
        if matches!(self.state, State::Live) {
            self.since = now;
        }
    }

    /// The first request; `None` for who listens to nothing.
    pub(crate) fn begin(&mut self, id: [u8; 32], now: u32) -> Option<Vec<u8>> {
        self.ask(id, 0, now, None)
    }

    /// Packet 125 came; `id` is for the request that may follow.
    pub(crate) fn completed(&mut self, body: &[u8], id: [u8; 32]) -> Step {
        let State::Asking { id: asked, query, to } = self.state else { return Step::Nothing };
        let Some(Completion { end: Ok((_, cursor)), .. }) =
            Completion::decode(body).filter(|answer| answer.id == asked)
        else {
            return Step::Nothing;
        };
        let query = if cursor.is_some() { query } else { query + 1 };
        match self.ask(id, query, to, cursor) {
            Some(request) => Step::Ask(request),
            None => {
                self.state = State::Live;
                Step::Done
            }
        }
    }

    fn ask(&mut self, id: [u8; 32], query: usize, to: u32, cursor: Option<[u8; CURSOR]>) -> Option<Vec<u8>> {
        let bloom = *self.queries.get(query)?;
        self.state = State::Asking { id, query, to };
        let from = self.since.saturating_sub(LOOK_BACK);
        Some(Request { id, from, to, limit: self.limit, cursor, bloom }.encode())
    }

    /// Whether an opened envelope is delivered: for the first time.
    pub(crate) fn deliver(&mut self, hash: EnvelopeHash) -> bool {
        self.delivered.insert(hash)
    }
}
