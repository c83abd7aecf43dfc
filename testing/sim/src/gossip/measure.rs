//! Who got what, when and from whom.

use std::collections::BTreeMap;

use undertone_base::Mono;
use undertone_whisper::EnvelopeHash;

use super::node::Told;
use crate::engine::NodeId;

/// Nobody has it.
const NEVER: u32 = u32::MAX;

/// An envelope that an honest node posted.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) by: NodeId,
    at: Mono,
    /// By node: microseconds from the post to the first arrival, or [`NEVER`].
    arrivals: Vec<u32>,
    /// By node: over how many links it came.
    hops: Vec<u8>,
}

impl Posted {
    pub(super) fn reached(&self, node: NodeId) -> bool {
        self.micros(node).is_some()
    }

    fn micros(&self, node: NodeId) -> Option<u32> {
        self.arrivals.get(node.index()).copied().filter(|micros| *micros != NEVER)
    }

    fn set(&mut self, node: NodeId, micros: u32, hops: u8) {
        if let (Some(arrival), Some(count)) =
            (self.arrivals.get_mut(node.index()), self.hops.get_mut(node.index()))
        {
            *arrival = micros;
            *count = hops;
        }
    }
}

/// What the events of a run add up to.
#[derive(Debug)]
pub(super) struct Measure {
    nodes: usize,
    /// Nodes from here on are liars.
    liars_from: u32,
    posts: BTreeMap<EnvelopeHash, Posted>,
    /// Microseconds and hops of each arrival, and microseconds of its last hop.
    pub(super) latency: Vec<u32>,
    pub(super) hop: Vec<u32>,
    pub(super) hops: Vec<u32>,
    pub(super) drops_of_honest: u64,
    pub(super) drops_of_liars: u64,
}

impl Measure {
    pub(super) const fn new(nodes: usize, liars_from: u32) -> Self {
        Self {
            nodes,
            liars_from,
            posts: BTreeMap::new(),
            latency: Vec::new(),
            hop: Vec::new(),
            hops: Vec::new(),
            drops_of_honest: 0,
            drops_of_liars: 0,
        }
    }

    pub(super) fn posts(&self) -> impl Iterator<Item = &Posted> {
        self.posts.values()
    }

    pub(super) fn observe(&mut self, at: Mono, node: NodeId, told: Told) {
        match told {
            Told::Accepted { hash, from } => self.accepted(at, node, hash, from),
            Told::Dropped(peer) if peer.0 >= self.liars_from => self.drops_of_liars += 1,
            Told::Dropped(_) => self.drops_of_honest += 1,
            Told::Posted(hash) => {
                let mut posted =
                    Posted { by: node, at, arrivals: vec![NEVER; self.nodes], hops: vec![0; self.nodes] };
                posted.set(node, 0, 0);
                self.posts.insert(hash, posted);
            }
        }
    }

    fn accepted(&mut self, at: Mono, node: NodeId, hash: EnvelopeHash, from: NodeId) {
        // What liars posted is not ours to deliver; after a crash an envelope is accepted again.
        let Some(posted) = self.posts.get_mut(&hash).filter(|posted| !posted.reached(node)) else { return };
        let Some(before) = posted.micros(from) else { return };
        let micros = u32::try_from(at.since(posted.at).as_micros()).unwrap_or(NEVER - 1);
        let hops = posted.hops.get(from.index()).copied().unwrap_or(0).saturating_add(1);
        posted.set(node, micros, hops);
        self.latency.push(micros);
        self.hop.push(micros.saturating_sub(before));
        self.hops.push(u32::from(hops));
    }
}
