//! The machine: what it owns, its timers, what leaves it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use rand_core::CryptoRng;
use undertone_base::{Mono, Now};

use super::contact::{Contact, StoredNode, pick};
use super::endpoint::Endpoint;
use super::memory::{Bonds, Peer, RateLimit, Votes};
use super::packet::{Packet, WireEndpoint};
use super::query::{Lookup, Query, Wish};
use super::table::{Entry, Table};
use super::{Config, DiscoveryError, Event, Input, Network, Transmit, Walk};
use crate::enr::{LocalRecord, Record};
use crate::limits::{
    BUCKET_SIZE, EMPTY_REFRESH, IDLE_WALK_INTERVAL, MAX_BOOT_NODES, MAX_DATAGRAMS_OUT, MAX_DISCOVERY_EVENTS,
    MAX_PINGS_OUT, MAX_STORED, PACKET_LIFETIME, PONG_TIMEOUT, REFRESH_INTERVAL, REVALIDATE_INTERVAL,
    SEED_AGE, SEEDS, STORE_AFTER, STORE_INTERVAL, THIN_REFRESH, WALK_INTERVAL,
};
use crate::node_key::NodeId;

/// Counters, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Datagrams that came.
    pub received: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Datagrams that were made.
    pub sent: u64,
    /// Datagrams and events that were dropped because nobody took those before.
    pub dropped: u64,
}

/// How many entries the machine holds of what others can make it hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes {
    /// Nodes in the table.
    pub table: usize,
    /// Replacements.
    pub replacements: usize,
    /// Proved endpoints.
    pub bonds: usize,
    /// Pings that wait for their Pong.
    pub pings: usize,
    /// Requests that wait for their answer.
    pub queries: usize,
    /// Prefixes that are counted.
    pub limited: usize,
    /// Statements about our endpoint.
    pub votes: usize,
    /// Datagrams and events that nobody took.
    pub waiting: usize,
}

/// A Ping that was sent.
#[derive(Clone, Debug)]
pub(super) struct PendingPing {
    pub(super) contact: Contact,
    pub(super) hash: [u8; 32],
    pub(super) deadline: Mono,
    /// A Pong takes the node to the front of its bucket, silence removes it.
    pub(super) revalidates: bool,
    /// We ask because it pinged us: whoever wants to be heard on our endpoint could just ping us.
    pub(super) invited: bool,
    /// Its own Ping came meanwhile.
    pub(super) heard: bool,
    /// The hash of that Ping, if it still waits for our Pong.
    pub(super) owed: Option<[u8; 32]>,
}

/// Discovery v4. See the module for what it does, and in which order to poll it.
#[derive(Clone, Debug)]
pub struct Discovery {
    pub(super) local: LocalRecord,
    pub(super) boot: Vec<Contact>,
    pub(super) stored: Vec<StoredNode>,
    restrict: Vec<Network>,
    endpoint: Endpoint,
    walk: Walk,
    pub(super) table: Table,
    pub(super) bonds: Bonds,
    pub(super) strangers: RateLimit,
    pub(super) requests: RateLimit,
    pub(super) votes: Votes,
    pub(super) pings: BTreeMap<Peer, PendingPing>,
    pub(super) queries: BTreeMap<u64, Query>,
    pub(super) next_query: u64,
    pub(super) lookup: Option<Lookup>,
    pub(super) wishes: VecDeque<Wish>,
    /// The first refresh is over: nodes that come to us may enter the table.
    pub(super) ready: bool,
    next_refresh: Mono,
    next_revalidation: Mono,
    last_walk: Mono,
    next_store: Mono,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    stats: Stats,
}

impl Discovery {
    /// Starts: the first refresh is due at once, with [`Self::handle_timeout`].
    pub fn new(config: Config, now: Now) -> Self {
        let table = Table::new(*config.local.record().id());
        let mut machine = Self {
            boot: config.boot.iter().filter_map(Contact::of_enode).take(MAX_BOOT_NODES).collect(),
            stored: config.stored.into_iter().take(MAX_STORED).collect(),
            restrict: config.restrict,
            endpoint: Endpoint::new(config.local.entries().clone(), config.external),
            walk: config.walk,
            table,
            bonds: Bonds::default(),
            strangers: RateLimit::default(),
            requests: RateLimit::default(),
            votes: Votes::default(),
            pings: BTreeMap::new(),
            queries: BTreeMap::new(),
            next_query: 0,
            lookup: None,
            wishes: VecDeque::new(),
            ready: false,
            next_refresh: now.mono,
            next_revalidation: now.mono.after(REVALIDATE_INTERVAL),
            last_walk: now.mono,
            next_store: now.mono.after(STORE_INTERVAL),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            local: config.local,
        };
        machine.restore_bonds(now);
        machine
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`DiscoveryError`]; a refused datagram changes nothing but counters.
    pub fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), DiscoveryError> {
        match input {
            Input::Boot(contacts) => {
                self.add_boot(contacts, now);
                Ok(())
            }
            Input::Datagram { from, bytes } => {
                self.stats.received = self.stats.received.saturating_add(1);
                let outcome = self.receive(now, from, bytes, rng);
                if outcome.is_err() {
                    self.stats.refused = self.stats.refused.saturating_add(1);
                }
                outcome
            }
            Input::ExternalAddress(ip) => {
                self.endpoint.external = ip;
                self.update_record()
            }
            Input::Lookup { id, target } => self.wish(Wish::asked(id, target), now),
            Input::Nodes(contacts) => {
                self.offer(contacts, now);
                Ok(())
            }
            Input::Ping(contact) => {
                if self.pings.len() >= MAX_PINGS_OUT || !self.allowed(contact.address.ip()) {
                    return Err(DiscoveryError::Refused);
                }
                // Without a bound on its length a ping always fits.
                self.ping(&contact, now, None).map(|_| ()).ok_or(DiscoveryError::Refused)
            }
            Input::Ports { tcp, udp } => {
                (self.endpoint.tcp, self.endpoint.udp) = (tcp, udp);
                self.update_record()
            }
            Input::RequestRecord(contact) => self.request_record(contact, now),
            Input::SetEntries(entries) => {
                self.endpoint.own = entries;
                self.update_record()
            }
            Input::Vote { voter, said } => {
                self.count_vote(voter, said, now);
                Ok(())
            }
            Input::Walk(walk) => {
                self.walk = walk;
                Ok(())
            }
        }
    }

    /// Does what is due. Early calls are harmless.
    pub fn handle_timeout(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        self.expire_pings(now, rng);
        self.expire_queries(now, rng);
        self.refresh_if_due(now, rng);
        self.revalidate_if_due(now, rng);
        if self.is_idle() && self.ready && self.walk_at() <= now.mono {
            self.last_walk = now.mono;
            // An empty queue has room.
            let _ = self.wish(Wish::random(rng), now);
        }
        self.advance_lookup(now);
        self.store_if_due(now);
    }

    /// Datagrams to send, until `None`.
    pub fn poll_transmit(&mut self, _now: Now) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Events, until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let pings = self.pings.values().map(|ping| ping.deadline).min();
        let queries = self.queries.values().filter_map(Query::deadline).min();
        let walk = (self.is_idle() && self.ready).then(|| self.walk_at());
        let refresh = self.is_idle().then_some(self.next_refresh);
        let fixed = Some(self.next_revalidation.min(self.next_store));
        [pings, queries, walk, refresh, fixed].into_iter().flatten().min()
    }

    /// Our record.
    pub const fn record(&self) -> &Record {
        self.local.record()
    }

    /// The nodes in the table that have answered a ping.
    pub fn nodes(&self) -> impl Iterator<Item = &Contact> {
        self.table.iter().filter(|entry| entry.live > 0).map(|entry| &entry.contact)
    }

    /// The record of a node in the table.
    pub fn record_of(&self, id: &NodeId) -> Option<&Record> {
        self.table.get(id)?.record.as_ref()
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// How many entries are held.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            table: self.table.len(),
            replacements: self.table.replacements(),
            bonds: self.bonds.len(),
            pings: self.pings.len(),
            queries: self.queries.len(),
            limited: self.strangers.len().saturating_add(self.requests.len()),
            votes: self.votes.len(),
            waiting: self.transmits.len().saturating_add(self.events.len()),
        }
    }

    /// Nodes for the database: who answered at least once and is in the table for five minutes.
    pub fn snapshot(&self, now: Now) -> Vec<StoredNode> {
        let old = |entry: &&Entry| entry.live > 0 && now.mono.since(entry.added) >= STORE_AFTER;
        let stored = |entry: &Entry| {
            let last_pong = self.bonds.last_pong(&peer(&entry.contact))?;
            Some(StoredNode { contact: entry.contact.clone(), last_pong, record: entry.record.clone() })
        };
        self.table.iter().filter(old).filter_map(stored).collect()
    }

    /// Whether the address may be asked, told of and answered.
    pub(super) fn allowed(&self, ip: IpAddr) -> bool {
        self.restrict.is_empty() || self.restrict.iter().any(|network| network.contains(ip))
    }

    pub(super) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        if self.transmits.len() >= MAX_DATAGRAMS_OUT {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            return;
        }
        self.stats.sent = self.stats.sent.saturating_add(1);
        self.transmits.push_back(Transmit { to, bytes });
    }

    pub(super) fn event(&mut self, event: Event) {
        if self.events.len() >= MAX_DISCOVERY_EVENTS {
            self.events.pop_front();
            self.stats.dropped = self.stats.dropped.saturating_add(1);
        }
        self.events.push_back(event);
    }

    pub(super) fn found(&mut self, contact: &Contact) {
        let record = self.table.get(&contact.id).and_then(|entry| entry.record.clone());
        self.event(Event::NodeFound { enode: contact.to_enode(), record });
    }

    /// Sends a Ping unless one is under way. `room` bounds its length.
    pub(super) fn ping(
        &mut self,
        contact: &Contact,
        now: Now,
        room: Option<usize>,
    ) -> Option<&mut PendingPing> {
        let peer = peer(contact);
        if !self.pings.contains_key(&peer) {
            let packet = self.ping_packet(contact.address, now, room)?;
            let bytes = packet.encode(self.local.key());
            let hash = *bytes.first_chunk::<32>()?;
            self.send(contact.address, bytes);
            let ping = PendingPing {
                contact: contact.clone(),
                hash,
                deadline: now.mono.after(PONG_TIMEOUT),
                revalidates: false,
                invited: false,
                heard: false,
                owed: None,
            };
            self.pings.insert(peer, ping);
        }
        self.pings.get_mut(&peer)
    }

    /// A Pong to the address that a Ping came from.
    pub(super) fn pong_packet(&self, to: SocketAddr, tcp: u16, ping_hash: [u8; 32], now: Now) -> Packet {
        Packet::Pong {
            to: WireEndpoint::new(to, tcp),
            ping_hash,
            expiration: expiration(now),
            enr_seq: Some(self.record().seq()),
        }
    }

    /// A Ping as long as the Pong that answers it, or as `room` allows; `None` when none fits.
    fn ping_packet(&self, to: SocketAddr, now: Now, room: Option<usize>) -> Option<Packet> {
        let record = self.record();
        let ip = record.address().map(super::packet::octets).unwrap_or_default();
        let (udp, tcp) = (record.udp().unwrap_or_default(), record.tcp().unwrap_or_default());
        let make = |ip: &[u8], enr_seq, padding| Packet::Ping {
            version: 4,
            from: WireEndpoint { ip: ip.to_vec(), udp, tcp },
            to: WireEndpoint::new(to, 0),
            expiration: expiration(now),
            enr_seq,
            padding,
        };
        let seq = Some(record.seq());
        let plain = make(&ip, seq, None);
        let wanted = self.pong_packet(to, u16::MAX, [0; 32], now).encoded_len().saturating_add(PONG_SPARE);
        let room = room.unwrap_or(wanted).min(wanted);
        let padding = room.saturating_sub(plain.encoded_len()).saturating_sub(2);
        [make(&ip, seq, Some(padding)), plain, make(&[], seq, None), make(&[], None, None)]
            .into_iter()
            .find(|packet| packet.encoded_len() <= room)
    }

    /// Signs the record anew if its content changed, and says so.
    fn update_record(&mut self) -> Result<(), DiscoveryError> {
        let entries = self.endpoint.entries(self.votes.predicted());
        if self.local.set(entries).map_err(|_| DiscoveryError::Refused)? {
            self.event(Event::RecordChanged(self.record().clone()));
        }
        Ok(())
    }

    /// Counts what a solicited Pong says of our endpoint.
    pub(super) fn vote(&mut self, voter: IpAddr, said: &WireEndpoint, now: Now) {
        let Some(ip) = said.address() else { return };
        self.count_vote(voter, SocketAddr::new(ip, said.udp), now);
    }

    fn count_vote(&mut self, voter: IpAddr, said: SocketAddr, now: Now) {
        let held = self.endpoint.held(said.is_ipv4());
        let Some(endpoint) = self.votes.add(voter, said, held, now.mono) else { return };
        self.event(Event::EndpointPredicted(endpoint));
        // A record that has no room for an address stays as it is.
        let _ = self.update_record();
    }

    /// Takes nodes that the layer above names. If nobody was known, they are asked at once.
    fn offer(&mut self, contacts: Vec<Contact>, now: Now) {
        if self.table.len() == 0 {
            self.next_refresh = self.next_refresh.min(now.mono);
        }
        for contact in contacts.into_iter().take(MAX_STORED) {
            if self.allowed(contact.address.ip()) {
                self.table.add_seen(contact, now.mono);
            }
        }
    }

    fn add_boot(&mut self, contacts: Vec<Contact>, now: Now) {
        for contact in contacts.into_iter().take(MAX_BOOT_NODES) {
            self.boot.retain(|known| known.id() != contact.id());
            self.boot.push(contact.clone());
            if self.boot.len() > MAX_BOOT_NODES {
                self.boot.remove(0);
            }
            self.table.forget_silent_elsewhere(&contact);
            self.offer(vec![contact], now);
        }
    }

    fn restore_bonds(&mut self, now: Now) {
        let oldest = |age: u64| std::time::Duration::from_millis(age);
        for node in &self.stored {
            let age = oldest(now.unix.millis().saturating_sub(node.last_pong.millis()));
            if age < crate::limits::BOND && node.last_pong <= now.unix {
                self.bonds.prove(peer(&node.contact), now, age);
            }
        }
    }

    fn walk_at(&self) -> Mono {
        self.last_walk.after(match self.walk {
            Walk::On => WALK_INTERVAL,
            Walk::Off => IDLE_WALK_INTERVAL,
        })
    }

    fn is_idle(&self) -> bool {
        self.lookup.is_none() && self.wishes.is_empty()
    }

    fn refresh_if_due(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        if now.mono < self.next_refresh || !self.is_idle() {
            return;
        }
        self.next_refresh = now.mono.after(REFRESH_INTERVAL);
        for contact in self.seeds(now, rng) {
            self.table.add_seen(contact, now.mono);
        }
        let own = self.local.key().public().to_xy();
        for wish in [Wish::refresh(own), Wish::random(rng), Wish::random(rng), Wish::last_of_refresh(rng)] {
            // An empty queue has room for four.
            let _ = self.wish(wish, now);
        }
    }

    /// A table with few nodes is filled anew soon, not in half an hour.
    pub(super) fn refresh_soon_if_thin(&mut self, now: Now) {
        let soon = match self.table.len() {
            0 => EMPTY_REFRESH,
            few if few < BUCKET_SIZE => THIN_REFRESH,
            _ => return,
        };
        self.next_refresh = self.next_refresh.min(now.mono.after(soon));
    }

    fn seeds(&self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Contact> {
        let age = |node: &&StoredNode| {
            u128::from(now.unix.millis().saturating_sub(node.last_pong.millis())) < SEED_AGE.as_millis()
        };
        let mut stored: Vec<_> = self.stored.iter().filter(age).map(|node| node.contact.clone()).collect();
        let mut seeds = self.boot.clone();
        for _ in 0..SEEDS {
            if stored.is_empty() {
                break;
            }
            seeds.push(stored.swap_remove(pick(rng, stored.len())));
        }
        seeds.retain(|contact| self.allowed(contact.address.ip()));
        seeds
    }

    fn revalidate_if_due(&mut self, now: Now, rng: &mut (impl CryptoRng + ?Sized)) {
        if now.mono < self.next_revalidation {
            return;
        }
        let span = usize::try_from(REVALIDATE_INTERVAL.as_millis()).unwrap_or_default();
        let pause = u64::try_from(pick(rng, span).saturating_add(1)).unwrap_or_default();
        self.next_revalidation = now.mono.after(std::time::Duration::from_millis(pause));
        let Some(contact) = self.table.least_recent(rng).cloned() else { return };
        if let Some(ping) = self.ping(&contact, now, None) {
            ping.revalidates = true;
        }
    }

    fn store_if_due(&mut self, now: Now) {
        if now.mono < self.next_store {
            return;
        }
        self.next_store = now.mono.after(STORE_INTERVAL);
        self.bonds.expire(now.mono);
        let nodes = self.snapshot(now);
        if !nodes.is_empty() {
            self.event(Event::Store(nodes));
        }
    }
}

/// Numbers in a Pong may be longer than in ours, and the name of the asker: room for a record number of 64 bits and
/// an address of IPv6.
const PONG_SPARE: usize = 8;

pub(super) fn peer(contact: &Contact) -> Peer {
    (contact.id, contact.address.ip())
}

pub(super) fn expiration(now: Now) -> u64 {
    now.unix.after(PACKET_LIFETIME).secs()
}

pub(super) fn is_self(local: &LocalRecord, id: &NodeId) -> bool {
    local.record().id() == id
}
