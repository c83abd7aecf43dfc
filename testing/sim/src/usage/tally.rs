//! What came over the links of the clients of a run, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use undertone_base::Mono;
use undertone_whisper::{EnvelopeHash, Stats, Topic};

use crate::endpoint::{Endpoint, Mail, Told};
use crate::engine::{NodeId, Sim};
use crate::figures::ratio;

/// What a run came to, over all clients.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) sent: u64,
    pub(super) opened: u64,
    pub(super) envelope_bytes: u64,
    /// Bytes of envelopes on topics that the client listens to, once each.
    pub(super) wanted: u64,
    /// Envelopes that it does not listen to, and their bytes.
    pub(super) foreign: u64,
    pub(super) foreign_bytes: u64,
    pub(super) stats: Stats,
    pub(super) bytes: u64,
    pub(super) sent_bytes: u64,
    pub(super) relay_bytes: u64,
    pub(super) pool: usize,
    pub(super) away: Away,
}

/// What only a run has in which clients are mostly away.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Away {
    /// Messages to clients that were away.
    pub(super) missed: u64,
    /// Of these, delivered.
    pub(super) recovered: u64,
    /// Of all, delivered more than once.
    pub(super) twice: u64,
    /// Opened again in a later life, and not delivered.
    pub(super) repeated: u64,
    /// Bytes of the archive's packets.
    pub(super) bytes: u64,
    /// Bytes of envelopes in them on topics that the client listens to.
    pub(super) wanted: u64,
    /// Envelopes in them that it does not listen to, and their bytes.
    pub(super) foreign: u64,
    pub(super) foreign_bytes: u64,
    /// Envelopes that the archive has, and their bytes.
    pub(super) kept: u64,
    pub(super) kept_bytes: u64,
}

/// Adds up what clients tell.
#[derive(Debug, Default)]
pub(super) struct Tally {
    relays: u32,
    topics: BTreeMap<NodeId, BTreeSet<Topic>>,
    /// Who was told when to write to somebody who was away.
    misses: BTreeSet<(Mono, NodeId)>,
    missed: BTreeSet<EnvelopeHash>,
    received: BTreeMap<(NodeId, EnvelopeHash), u32>,
    sums: Sums,
}

impl Tally {
    /// For clients that come after so many relays and listen to these topics.
    pub(super) fn new(relays: u32, topics: BTreeMap<NodeId, BTreeSet<Topic>>) -> Self {
        Self { relays, topics, ..Self::default() }
    }

    /// These writes are to somebody who is away.
    pub(super) fn expect_misses(&mut self, misses: impl Iterator<Item = (Mono, NodeId)>) {
        self.misses = misses.collect();
    }

    pub(super) fn observe(&mut self, node: NodeId, told: &Told) {
        if node.0 < self.relays {
            return;
        }
        let listens = |topic| self.topics.get(&node).is_some_and(|topics| topics.contains(topic));
        let sums = &mut self.sums;
        match told {
            Told::Carried { topic, bytes, .. } if listens(topic) => sums.wanted += *bytes as u64,
            Told::Carried { bytes, .. } => {
                sums.foreign += 1;
                sums.foreign_bytes += *bytes as u64;
            }
            Told::Fetched { topic, bytes } if listens(topic) => sums.away.wanted += *bytes as u64,
            Told::Fetched { bytes, .. } => {
                sums.away.foreign += 1;
                sums.away.foreign_bytes += *bytes as u64;
            }
            Told::Received(hash) => *self.received.entry((node, *hash)).or_default() += 1,
            Told::Repeated => sums.away.repeated += 1,
            Told::Sealed { hash, bytes, asked } => {
                sums.sent += 1;
                sums.envelope_bytes += *bytes as u64;
                if self.misses.contains(&(*asked, node)) {
                    self.missed.insert(*hash);
                }
            }
            _ => {}
        }
    }

    pub(super) fn sums(self, sim: &Sim<Endpoint>) -> Sums {
        let mut sums = self.sums;
        sums.opened = self.received.len() as u64;
        sums.away.twice = self.received.values().filter(|times| **times > 1).count() as u64;
        sums.away.missed = self.missed.len() as u64;
        let delivered: BTreeSet<_> = self.received.keys().map(|(_, hash)| hash).collect();
        sums.away.recovered = self.missed.iter().filter(|hash| delivered.contains(hash)).count() as u64;
        for (node, machine) in (0..).zip(sim.machines()) {
            let (counted, stats) = (machine.counted(), machine.stats());
            if let Mail::Keeps(archive) = machine.mail() {
                let (kept, bytes) = archive.size();
                (sums.away.kept, sums.away.kept_bytes) = (kept as u64, bytes);
            }
            if node < self.relays {
                sums.relay_bytes += counted.bytes;
                continue;
            }
            sums.bytes += counted.bytes;
            sums.away.bytes += counted.fetched;
            sums.sent_bytes += counted.sent;
            sums.stats.accepted += stats.accepted;
            sums.stats.duplicates += stats.duplicates;
            sums.pool = sums.pool.max(counted.pool_bytes);
        }
        sums
    }
}

impl Sums {
    /// Receptions of envelopes of others, over those that were new.
    pub(super) fn copies(&self) -> f64 {
        let came = self.stats.accepted.saturating_sub(self.sent);
        ratio(came + self.stats.duplicates, came)
    }

    /// Bytes on links for each byte of different envelopes.
    pub(super) fn per_byte(&self) -> f64 {
        ratio(self.bytes, self.wanted + self.foreign_bytes)
    }
}
