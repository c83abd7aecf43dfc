//! Requests to one node, and lookups, which are many of them.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use undertone_base::{Mono, Now};
use undertone_crypto::keccak256;

use super::address::{Prefix, is_lan};
use super::contact::Contact;
use super::machine::{Discovery, expiration, peer};
use super::memory::Peer;
use super::packet::Packet;
use super::table::Entry;
use super::{DiscoveryError, Event};
use crate::limits::{
    BUCKET_PER_PREFIX, BUCKET_SIZE, LOOKUP_DETOURS, LOOKUP_PARALLEL, MAX_LOOKUP_ASKED, MAX_LOOKUPS,
    MAX_RECORD_REQUESTS, RESPONSE_TIMEOUT, SETTLE_TIME,
};
use crate::node_key::NodeId;

/// What a node is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// For the lookup that is under way.
    FindNode,
    /// Its record; the hash of the request once it is sent.
    Record { hash: [u8; 32] },
}

#[derive(Clone, Debug)]
enum Stage {
    /// Its endpoint is being proved.
    Pinging,
    /// It gets time to ping us and to take our Pong.
    Settling(Mono),
    /// It was asked, and told of so many nodes.
    Waiting { until: Mono, told: usize, any: bool },
}

/// A request on its way: ping if it needs one, settle, ask, wait.
#[derive(Clone, Debug)]
pub(super) struct Query {
    contact: Contact,
    kind: Kind,
    stage: Stage,
}

impl Query {
    /// When the stage ends by itself; that of a ping is the ping's.
    pub(super) const fn deadline(&self) -> Option<Mono> {
        match &self.stage {
            Stage::Pinging => None,
            Stage::Settling(until) | Stage::Waiting { until, .. } => Some(*until),
        }
    }
}

/// Why a lookup is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    /// Somebody asked for it.
    Asked(u64),
    /// To fill the table.
    Refresh,
    /// The last of a refresh: the table is then open to those who come to us.
    LastOfRefresh,
}

/// A lookup that waits for its turn.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    target: [u8; 64],
    reason: Reason,
}

impl Wish {
    pub(super) const fn asked(id: u64, target: [u8; 64]) -> Self {
        Self { target, reason: Reason::Asked(id) }
    }

    pub(super) const fn refresh(target: [u8; 64]) -> Self {
        Self { target, reason: Reason::Refresh }
    }

    pub(super) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut target = [0; 64];
        rng.fill_bytes(&mut target);
        Self::refresh(target)
    }

    pub(super) fn last_of_refresh(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { reason: Reason::LastOfRefresh, ..Self::random(rng) }
    }
}

/// The lookup that is under way; one at a time, because Neighbors do not say what they answer.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    wish: Wish,
    target: NodeId,
    /// Asked before all others: a boot node, in turn, and some of the table, wherever they are.
    detours: Vec<Contact>,
    /// Closest first, at most k.
    closest: Vec<Contact>,
    asked: BTreeSet<NodeId>,
    answered: BTreeSet<NodeId>,
    running: usize,
}

impl Lookup {
    /// Takes what a node told, of one prefix of addresses no more than a bucket takes: whoever names many nodes at one
    /// place would have us ping it for them, or fill the lookup with their own.
    fn merge(&mut self, told: Vec<Contact>) {
        for contact in told {
            let ip = contact.address.ip();
            let near = |known: &&Contact| Prefix::of(known.address.ip()) == Prefix::of(ip);
            let crowded = !is_lan(ip) && self.closest.iter().filter(near).count() >= BUCKET_PER_PREFIX;
            if !crowded && self.closest.iter().all(|known| known.id() != contact.id()) {
                self.closest.push(contact);
            }
        }
        self.closest.sort_by_cached_key(|contact| contact.id().distance(&self.target));
        self.closest.truncate(BUCKET_SIZE);
    }

    fn next(&mut self) -> Option<Contact> {
        if self.running >= LOOKUP_PARALLEL || self.asked.len() >= MAX_LOOKUP_ASKED {
            return None;
        }
        let all = self.detours.iter().chain(&self.closest);
        let next = all.into_iter().find(|contact| !self.asked.contains(contact.id()))?.clone();
        self.asked.insert(*next.id());
        self.running = self.running.saturating_add(1);
        Some(next)
    }
}

/// A number out of a target, which is random in a random lookup.
fn seed(target: &NodeId) -> u64 {
    target.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Discovery {
    /// Queues a lookup.
    pub(super) fn wish(&mut self, wish: Wish, now: Now) -> Result<(), DiscoveryError> {
        if self.wishes.len() >= MAX_LOOKUPS {
            return Err(DiscoveryError::Refused);
        }
        self.wishes.push_back(wish);
        self.advance_lookup(now);
        Ok(())
    }

    /// Asks a node for its record.
    pub(super) fn request_record(&mut self, contact: Contact, now: Now) -> Result<(), DiscoveryError> {
        let is_record = |query: &&Query| matches!(query.kind, Kind::Record { .. });
        if self.queries.values().filter(is_record).any(|query| query.contact.id() == contact.id()) {
            return Ok(());
        }
        let full = self.queries.values().filter(is_record).count() >= MAX_RECORD_REQUESTS;
        if full || !self.allowed(contact.address.ip()) {
            return Err(DiscoveryError::Refused);
        }
        self.start(contact, Kind::Record { hash: [0; 32] }, now);
        Ok(())
    }

    /// The query that waits for such an answer of this node.
    pub(super) fn waiting(&self, peer_: &Peer, kind: &Kind) -> Option<u64> {
        let matches = |query: &Query| {
            matches!(query.stage, Stage::Waiting { .. })
                && query.kind == *kind
                && peer(&query.contact) == *peer_
        };
        self.queries.iter().find_map(|(id, query)| matches(query).then_some(*id))
    }

    /// Starts lookups and requests as far as there is room.
    pub(super) fn advance_lookup(&mut self, now: Now) {
        loop {
            if self.lookup.is_none() {
                let Some(wish) = self.wishes.pop_front() else { return };
                self.lookup = Some(self.begin(wish));
            }
            while let Some(next) = self.lookup.as_mut().and_then(Lookup::next) {
                self.start(next, Kind::FindNode, now);
            }
            if self.lookup.as_ref().is_some_and(|lookup| lookup.running > 0) {
                return;
            }
            self.end_lookup(now);
        }
    }

    fn begin(&self, wish: Wish) -> Lookup {
        let target = NodeId::from_bytes(keccak256(&wish.target));
        let closest = self.table.closest(&target, |_| true);
        let contacts =
            |entries: Vec<&Entry>| entries.into_iter().map(|entry| entry.contact.clone()).collect();
        let closest = contacts(closest);
        let mut detours: Vec<Contact> = contacts(self.table.some(seed(&target), LOOKUP_DETOURS));
        let turn = usize::try_from(self.next_query).unwrap_or_default().checked_rem(self.boot.len());
        detours.extend(
            turn.and_then(|turn| self.boot.get(turn)).filter(|boot| self.allowed(boot.address.ip())).cloned(),
        );
        let (asked, answered) = (BTreeSet::new(), BTreeSet::new());
        Lookup { wish, target, detours, closest, asked, answered, running: 0 }
    }

    fn end_lookup(&mut self, now: Now) {
        let Some(lookup) = self.lookup.take() else { return };
        let closest: Vec<_> =
            lookup.closest.into_iter().filter(|contact| lookup.answered.contains(contact.id())).collect();
        self.refresh_soon_if_thin(now);
        match lookup.wish.reason {
            Reason::Asked(id) => self.event(Event::LookupDone { id, closest }),
            Reason::Refresh => {}
            Reason::LastOfRefresh => self.ready = true,
        }
    }

    fn start(&mut self, contact: Contact, kind: Kind, now: Now) {
        let id = self.next_query;
        self.next_query = self.next_query.wrapping_add(1);
        let peer = peer(&contact);
        let stage = Stage::Pinging;
        let bonded = self.bonds.is_proven(&peer, now.mono) && self.bonds.is_heard(&peer, now.mono);
        self.queries.insert(id, Query { contact: contact.clone(), kind, stage });
        if bonded {
            self.ask(id, now);
        } else if self.ping(&contact, now, None).is_none() {
            // Cannot be: a ping without a bound on its length always fits.
            self.forget(id);
        }
    }

    /// Sends the request itself.
    fn ask(&mut self, id: u64, now: Now) {
        let Some(query) = self.queries.get(&id) else { return };
        let expiration = expiration(now);
        let packet = match (&query.kind, &self.lookup) {
            (Kind::FindNode, Some(lookup)) => Packet::FindNode { target: lookup.wish.target, expiration },
            (Kind::FindNode, None) => return,
            (Kind::Record { .. }, _) => Packet::EnrRequest { expiration },
        };
        let bytes = packet.encode(self.local.key());
        let to = query.contact.address;
        let sent = bytes.first_chunk::<32>().copied().unwrap_or_default();
        if let Some(query) = self.queries.get_mut(&id) {
            if let Kind::Record { hash } = &mut query.kind {
                *hash = sent;
            }
            query.stage = Stage::Waiting { until: now.mono.after(RESPONSE_TIMEOUT), told: 0, any: false };
        }
        self.send(to, bytes);
    }

    /// A node proved its endpoint: whoever waits to ask it goes on.
    pub(super) fn proved(&mut self, peer_: &Peer, now: Now) {
        let settled = self.bonds.is_heard(peer_, now.mono);
        for id in self.queries_of(peer_, |stage| matches!(stage, Stage::Pinging)) {
            if settled {
                self.ask(id, now);
            } else if let Some(query) = self.queries.get_mut(&id) {
                query.stage = Stage::Settling(now.mono.after(SETTLE_TIME));
            }
        }
    }

    /// It pinged us and has our Pong: no need to wait longer.
    pub(super) fn settle(&mut self, peer_: &Peer, now: Now) {
        for id in self.queries_of(peer_, |stage| matches!(stage, Stage::Settling(_))) {
            self.ask(id, now);
        }
    }

    fn queries_of(&self, peer_: &Peer, stage: impl Fn(&Stage) -> bool) -> Vec<u64> {
        let matches = |query: &Query| stage(&query.stage) && peer(&query.contact) == *peer_;
        self.queries.iter().filter(|(_, query)| matches(query)).map(|(id, _)| *id).collect()
    }

    /// Nodes came for the lookup.
    pub(super) fn told(
        &mut self,
        id: u64,
        count: usize,
        nodes: Vec<Contact>,
        now: Now,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        if let Some(lookup) = &mut self.lookup {
            lookup.merge(nodes);
        }
        let Some(query) = self.queries.get_mut(&id) else { return };
        let Stage::Waiting { told, any, .. } = &mut query.stage else { return };
        *told = told.saturating_add(count);
        *any |= count > 0;
        let first = *told == count;
        // Empty, or as many as there can be: nothing follows. Also entries that are no good count.
        let done = count == 0 || *told >= BUCKET_SIZE;
        let contact = query.contact.clone();
        if first {
            if let Some(lookup) = &mut self.lookup {
                lookup.answered.insert(*contact.id());
            }
            self.found(&contact);
        }
        if done {
            self.end_query(id, now, rng);
        }
        self.advance_lookup(now);
    }

    /// A request is over, with an answer or without.
    fn end_query(&mut self, id: u64, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        let Some(query) = self.forget(id) else { return };
        let Stage::Waiting { told, any, .. } = query.stage else { return };
        if query.kind == Kind::FindNode {
            self.table.found(query.contact.id(), any, now.mono, rng);
        }
        if told == 0 && !any {
            // It may have forgotten us: it is pinged before it is asked again.
            self.bonds.unheard(&peer(&query.contact));
        }
    }

    fn forget(&mut self, id: u64) -> Option<Query> {
        let query = self.queries.remove(&id)?;
        if let (Kind::FindNode, Some(lookup)) = (&query.kind, &mut self.lookup) {
            lookup.running = lookup.running.saturating_sub(1);
        }
        Some(query)
    }

    pub(super) fn expire_pings(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        let over: Vec<Peer> =
            self.pings.iter().filter(|(_, ping)| ping.deadline <= now.mono).map(|(peer, _)| *peer).collect();
        for peer in over {
            let Some(ping) = self.pings.remove(&peer) else { continue };
            if ping.revalidates {
                self.table.dead(ping.contact.id(), now.mono, rng);
                self.refresh_soon_if_thin(now);
            }
            for id in self.queries_of(&peer, |stage| matches!(stage, Stage::Pinging)) {
                self.table.found(ping.contact.id(), false, now.mono, rng);
                self.end_query(id, now, rng);
            }
        }
    }

    pub(super) fn expire_queries(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        let over: Vec<u64> = self
            .queries
            .iter()
            .filter(|(_, query)| query.deadline().is_some_and(|until| until <= now.mono))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            if self.queries.get(&id).is_some_and(|query| matches!(query.stage, Stage::Settling(_))) {
                self.ask(id, now);
            } else {
                self.end_query(id, now, rng);
            }
        }
    }
}
