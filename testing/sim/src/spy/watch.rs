//! What could be seen: who got each envelope when, and from whom.

use std::collections::BTreeMap;

use undertone_base::Mono;
use undertone_whisper::EnvelopeHash;

use crate::endpoint::Told;
use crate::engine::NodeId;

/// A first arrival.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Microseconds since its author was told to send it.
    pub(super) micros: u32,
    /// Who handed it over.
    pub(super) from: NodeId,
}

/// The way of an envelope.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) author: NodeId,
    asked: Mono,
    /// By relay.
    pub(super) arrivals: Vec<Option<Arrival>>,
}

/// All ways of a run.
#[derive(Debug)]
pub(super) struct Watch {
    relays: u32,
    ways: BTreeMap<EnvelopeHash, Way>,
}

impl Watch {
    pub(super) const fn new(relays: u32) -> Self {
        Self { relays, ways: BTreeMap::new() }
    }

    pub(super) fn ways(&self) -> impl Iterator<Item = &Way> {
        self.ways.values()
    }

    pub(super) fn observe(&mut self, at: Mono, node: NodeId, told: &Told) {
        match told {
            Told::Carried { hash, from, .. } => {
                let Some(way) = self.ways.get_mut(hash) else { return };
                let micros = u32::try_from(at.since(way.asked).as_micros()).unwrap_or(u32::MAX);
                if let Some(arrival) = way.arrivals.get_mut(node.index()) {
                    arrival.get_or_insert(Arrival { micros, from: *from });
                }
            }
            Told::Sealed { hash, asked, .. } => {
                let arrivals = vec![None; self.relays as usize];
                self.ways.insert(*hash, Way { author: node, asked: *asked, arrivals });
            }
            _ => {}
        }
    }

    /// Of the pairs of an envelope and another relay, how many arrived, and how many there are.
    pub(super) fn delivery(&self) -> (u64, u64) {
        let mut pairs = (0, 0);
        for way in self.ways.values() {
            let own = u64::from(way.author.0 < self.relays);
            pairs.0 += way.arrivals.iter().flatten().count() as u64;
            pairs.1 += u64::from(self.relays) - own;
        }
        pairs
    }
}
