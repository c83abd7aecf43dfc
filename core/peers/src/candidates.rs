//! Nodes that might be dialled, as strangers named them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use undertone_base::Mono;
use undertone_devp2p::Enode;

use crate::address::{Subnet, host};
use crate::config::Source;
use crate::id::Id;
use crate::limits::{
    CANDIDATE_FAILURES, CANDIDATE_LIFE, CANDIDATES_PER_HOST, CANDIDATES_PER_NARROW, CANDIDATES_PER_SOURCE,
    CANDIDATES_PER_WIDE, CANDIDATES_REMEMBERED,
};

/// The candidates. Each source has a share that the others cannot take, and each subnet a limit over all of them.
///
/// When there is no room, a newcomer takes the place of one that failed or was not named for long, in the scope that is
/// full; if there is none it is refused. So whoever floods cannot flush those that are good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    nodes: BTreeMap<Id, Candidate>,
    /// Choices so far: every other one is of those that are remembered, as long as there is any.
    turn: usize,
    /// The same of the fresh ones, whose sources take turns.
    fresh_turn: usize,
}

/// A node that might be dialled.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) enode: Enode,
    pub(crate) ip: IpAddr,
    pub(crate) subnet: Option<Subnet>,
    pub(crate) source: Source,
    seen: Mono,
    failures: u32,
}

const FRESH: [Source; 3] = [Source::V4, Source::V5, Source::Dns];

impl Candidates {
    /// The host of `enode` is `ip`. Says whether the node is a candidate now.
    pub(crate) fn add(&mut self, now: Mono, enode: Enode, ip: IpAddr, source: Source) -> bool {
        let id = Id::of(enode.key());
        if let Some(known) = self.nodes.get_mut(&id) {
            if known.enode.endpoint() == enode.endpoint() {
                known.seen = now;
                return true;
            }
            // Anybody can name an honest key with another address: what has not failed stays.
            if !known.is_weak(now) {
                return true;
            }
            self.nodes.remove(&id);
        }
        let candidate = Candidate { enode, ip, subnet: Subnet::of(ip), source, seen: now, failures: 0 };
        if !self.make_room(now, &candidate) {
            return false;
        }
        self.nodes.insert(id, candidate);
        true
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&Candidate> {
        self.nodes.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Id, &Candidate)> {
        self.nodes.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Id, &Candidate) -> bool) {
        self.nodes.retain(|id, candidate| keep(id, candidate));
    }

    /// An attempt to dial it is over.
    pub(crate) fn tried(&mut self, now: Mono, id: &Id, good: bool) {
        let Some(candidate) = self.nodes.get_mut(id) else { return };
        if good {
            candidate.failures = 0;
            candidate.seen = now;
            return;
        }
        candidate.failures = candidate.failures.saturating_add(1);
        if candidate.failures >= CANDIDATE_FAILURES {
            self.nodes.remove(id);
        }
    }

    /// The source whose turn it is, of those that have somebody.
    pub(crate) fn next_source(&mut self, has: impl Fn(Source) -> bool) -> Option<Source> {
        let fresh = FRESH.iter().enumerate().cycle().skip(self.fresh_turn).take(FRESH.len());
        let fresh = fresh.map(|(at, source)| (at, *source)).find(|(_, source)| has(*source));
        let first = self.turn.is_multiple_of(2) || fresh.is_none();
        let source = match fresh {
            _ if first && has(Source::Remembered) => Source::Remembered,
            Some((at, source)) => {
                self.fresh_turn = at.saturating_add(1) % FRESH.len();
                source
            }
            None => return None,
        };
        self.turn = self.turn.wrapping_add(1);
        Some(source)
    }

    fn make_room(&mut self, now: Mono, new: &Candidate) -> bool {
        let subnet = new.subnet;
        let narrow = |known: &Candidate| {
            subnet.is_some() && known.subnet.map(|s| s.narrow) == subnet.map(|s| s.narrow)
        };
        let wide =
            |known: &Candidate| subnet.is_some() && known.subnet.map(|s| s.wide) == subnet.map(|s| s.wide);
        let source = |known: &Candidate| known.source == new.source;
        // Keys cost nothing, addresses do.
        let same_host = |known: &Candidate| subnet.is_some() && host(known.ip) == host(new.ip);
        self.room_in(now, CANDIDATES_PER_HOST, same_host)
            && self.room_in(now, CANDIDATES_PER_NARROW, narrow)
            && self.room_in(now, CANDIDATES_PER_WIDE, wide)
            && self.room_in(now, share(new.source), source)
    }

    /// Whether one more fits among those that `scope` names; the weakest of them may have to go.
    fn room_in(&mut self, now: Mono, limit: usize, scope: impl Fn(&Candidate) -> bool) -> bool {
        if self.nodes.values().filter(|known| scope(known)).count() < limit {
            return true;
        }
        let weak = self.nodes.iter().filter(|(_, known)| scope(known) && known.is_weak(now));
        let weakest =
            weak.max_by_key(|(_, known)| (known.failures, now.since(known.seen))).map(|(id, _)| *id);
        weakest.is_some_and(|id| self.nodes.remove(&id).is_some())
    }
}

impl Candidate {
    fn is_weak(&self, now: Mono) -> bool {
        self.failures > 0 || now.since(self.seen) >= CANDIDATE_LIFE
    }
}

pub(crate) const fn share(source: Source) -> usize {
    match source {
        Source::Remembered => CANDIDATES_REMEMBERED,
        Source::Dns | Source::V4 | Source::V5 => CANDIDATES_PER_SOURCE,
    }
}
