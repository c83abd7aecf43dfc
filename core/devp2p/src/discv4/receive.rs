//! What datagrams do.

use std::net::{IpAddr, SocketAddr};

use rand_core::CryptoRng;
use undertone_base::Now;

use super::address::check_relay;
use super::contact::{Contact, check_neighbor};
use super::machine::{Discovery, PendingPing, expiration, is_self, peer};
use super::memory::Peer;
use super::packet::{Packet, Signed, WireEndpoint, WireNode, decode};
use super::query::Kind;
use super::table::Heard;
use super::{DiscoveryError, Event};
use crate::enr::Record;
use crate::limits::{MAX_PINGS_OUT, MAX_REQUESTS, MAX_UNPROVEN_PINGS, NEIGHBORS_PER_PACKET, PACKET_LIFETIME};
use crate::node_key::NodeId;

/// A Ping that came.
struct Pinged {
    contact: Contact,
    hash: [u8; 32],
    len: usize,
    enr_seq: u64,
}

/// A Pong that came.
struct Ponged {
    to: WireEndpoint,
    ping_hash: [u8; 32],
    expiration: u64,
    enr_seq: u64,
}

impl Discovery {
    pub(super) fn receive(
        &mut self,
        now: Now,
        from: SocketAddr,
        bytes: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), DiscoveryError> {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let bad = from.port() == 0 || from.ip().is_unspecified() || from.ip().is_multicast();
        if bad || !self.allowed(from.ip()) {
            return Err(DiscoveryError::Address);
        }
        let Signed { hash, sender, packet } = decode(bytes)?;
        if packet.expired(now.unix) {
            return Err(DiscoveryError::Expired);
        }
        let contact = Contact::new(sender, from, 0);
        if is_self(&self.local, contact.id()) {
            return Err(DiscoveryError::Address);
        }
        match packet {
            Packet::Ping { from, enr_seq, .. } => {
                let contact = Contact { tcp: from.tcp, ..contact };
                let enr_seq = enr_seq.unwrap_or_default();
                self.receive_ping(now, Pinged { contact, hash, len: bytes.len(), enr_seq })
            }
            Packet::Pong { to, ping_hash, expiration, enr_seq } => {
                let enr_seq = enr_seq.unwrap_or_default();
                self.receive_pong(now, &contact, Ponged { to, ping_hash, expiration, enr_seq })
            }
            Packet::FindNode { target, .. } => self.receive_find_node(now, &contact, &target),
            Packet::Neighbors { nodes, .. } => self.receive_neighbors(now, &contact, &nodes, rng),
            Packet::EnrRequest { .. } => self.receive_enr_request(now, &contact, hash),
            Packet::EnrResponse { request_hash, record } => {
                self.receive_record(now, &contact, request_hash, &record)
            }
        }
    }

    fn receive_ping(&mut self, now: Now, ping: Pinged) -> Result<(), DiscoveryError> {
        let peer = peer(&ping.contact);
        let (to, tcp) = (ping.contact.address, ping.contact.tcp);
        if self.bonds.is_proven(&peer, now.mono) {
            if !self.requests.allow(to, MAX_REQUESTS, now.mono) {
                return Err(DiscoveryError::Limited);
            }
            let pong = self.pong_packet(to, tcp, ping.hash, now).encode(self.local.key());
            self.send(to, pong);
            self.bonds.heard(&peer, now.mono);
            if self.ready {
                self.table.add_verified(ping.contact.clone(), now.mono, Heard::Ping);
            }
            self.fetch_if_newer(&ping.contact, ping.enr_seq, now);
            self.settle(&peer, now);
            return Ok(());
        }
        if !self.strangers.allow(to, MAX_UNPROVEN_PINGS, now.mono) {
            return Err(DiscoveryError::Limited);
        }
        if self.pings.contains_key(&peer) {
            self.answer_while_asking(now, &ping)
        } else {
            self.challenge(now, &ping)
        }
    }

    /// We wait for its Pong: ours goes at once if it is no larger than what came, else after the proof.
    fn answer_while_asking(&mut self, now: Now, ping: &Pinged) -> Result<(), DiscoveryError> {
        let (to, tcp) = (ping.contact.address, ping.contact.tcp);
        let pong = self.pong_packet(to, tcp, ping.hash, now);
        let fits = pong.encoded_len() <= ping.len;
        if let Some(pending) = self.pings.get_mut(&peer(&ping.contact)) {
            pending.heard = true;
            pending.contact.tcp = tcp;
            pending.owed = if fits { None } else { Some(ping.hash) };
        }
        if fits {
            self.send(to, pong.encode(self.local.key()));
        }
        Ok(())
    }

    // DEVIATION: geth answers a stranger's Ping with Pong and Ping at once (`devp2p.md` 3.2), more than twice what
    // came, to an address that anyone may have written. Here a stranger gets a Ping of at most the length of its own,
    // and its Pong after it answered. Pinned by `forged_pings_are_cheap`.
    fn challenge(&mut self, now: Now, ping: &Pinged) -> Result<(), DiscoveryError> {
        if self.pings.len() >= MAX_PINGS_OUT {
            return Err(DiscoveryError::Limited);
        }
        let pending = self.ping(&ping.contact, now, Some(ping.len)).ok_or(DiscoveryError::Limited)?;
        (pending.invited, pending.heard) = (true, true);
        pending.owed = Some(ping.hash);
        Ok(())
    }

    fn receive_pong(&mut self, now: Now, contact: &Contact, pong: Ponged) -> Result<(), DiscoveryError> {
        let Ponged { to, ping_hash, expiration, enr_seq } = pong;
        let peer = peer(contact);
        if self.pings.get(&peer).is_none_or(|ping| ping.hash != ping_hash || ping.deadline < now.mono) {
            return Err(DiscoveryError::Unsolicited);
        }
        let Some(PendingPing { contact: asked, revalidates, invited, heard, owed, .. }) =
            self.pings.remove(&peer)
        else {
            return Err(DiscoveryError::Unsolicited);
        };
        let contact = Contact { address: contact.address, ..asked };
        let known = self.bonds.is_proven(&peer, now.mono);
        self.bonds.prove(peer, now, std::time::Duration::ZERO);
        if heard {
            self.bonds.heard(&peer, now.mono);
        }
        if let Some(hash) = owed {
            let pong = self.pong_packet(contact.address, contact.tcp, hash, now).encode(self.local.key());
            self.send(contact.address, pong);
        }
        if revalidates {
            self.table.alive(contact.clone());
        } else if self.ready || self.table.get(contact.id()).is_some() {
            self.table.add_verified(contact.clone(), now.mono, Heard::Pong);
        }
        if !known {
            self.found(&contact);
        }
        self.event(Event::Pong { contact: contact.clone(), offset_ms: clock_offset(now, expiration) });
        if !invited {
            self.vote(contact.address.ip(), &to, now);
        }
        self.fetch_if_newer(&contact, enr_seq, now);
        self.proved(&peer, now);
        Ok(())
    }

    fn receive_find_node(
        &mut self,
        now: Now,
        asker: &Contact,
        target: &[u8; 64],
    ) -> Result<(), DiscoveryError> {
        self.check_request(now, asker)?;
        let teller = asker.address.ip();
        let target = NodeId::from_bytes(undertone_crypto::keccak256(target));
        let closest = self.table.closest(&target, |entry| entry.live > 0);
        let mut nodes: Vec<WireNode> = closest
            .into_iter()
            .map(|entry| &entry.contact)
            .filter(|contact| check_relay(teller, contact.address.ip()).is_ok())
            .map(Contact::to_wire)
            .collect();
        loop {
            let rest = nodes.split_off(nodes.len().min(NEIGHBORS_PER_PACKET));
            let packet = Packet::Neighbors { nodes, expiration: expiration(now) };
            self.send(asker.address, packet.encode(self.local.key()));
            if rest.is_empty() {
                return Ok(());
            }
            nodes = rest;
        }
    }

    fn receive_neighbors(
        &mut self,
        now: Now,
        teller: &Contact,
        nodes: &[WireNode],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), DiscoveryError> {
        let peer = peer(teller);
        let query = self.waiting(&peer, &Kind::FindNode).ok_or(DiscoveryError::Unsolicited)?;
        let mut told = Vec::new();
        for node in nodes {
            let Ok(contact) = check_neighbor(teller.address.ip(), node) else { continue };
            if self.allowed(contact.address.ip()) && !is_self(&self.local, contact.id()) {
                self.table.add_seen(contact.clone(), now.mono);
                told.push(contact);
            }
        }
        self.told(query, nodes.len(), told, now, rng);
        Ok(())
    }

    fn receive_enr_request(
        &mut self,
        now: Now,
        asker: &Contact,
        request_hash: [u8; 32],
    ) -> Result<(), DiscoveryError> {
        self.check_request(now, asker)?;
        let packet = Packet::EnrResponse { request_hash, record: self.record().as_bytes().to_vec() };
        self.send(asker.address, packet.encode(self.local.key()));
        Ok(())
    }

    fn receive_record(
        &mut self,
        now: Now,
        contact: &Contact,
        request_hash: [u8; 32],
        record: &[u8],
    ) -> Result<(), DiscoveryError> {
        let peer = peer(contact);
        let kind = Kind::Record { hash: request_hash };
        let query = self.waiting(&peer, &kind).ok_or(DiscoveryError::Unsolicited)?;
        let record = self.check_record(contact, record)?;
        self.queries.remove(&query);
        if let Some(entry) = self.table.get_mut(contact.id()) {
            // The address is the one that was proved; only the RLPx port is the record's to say.
            if record.address() == Some(contact.address.ip()) {
                entry.contact.tcp = record.tcp().unwrap_or(entry.contact.tcp);
            }
            entry.record = Some(record.clone());
        }
        self.event(Event::NodeRecord(record));
        self.advance_lookup(now);
        Ok(())
    }

    fn check_record(&self, contact: &Contact, bytes: &[u8]) -> Result<Record, DiscoveryError> {
        let record = Record::decode(bytes).map_err(|_| DiscoveryError::Record)?;
        let known = self.table.get(contact.id()).and_then(|entry| entry.record.as_ref());
        let older = known.is_some_and(|known| record.seq() < known.seq());
        // DEVIATION: geth refuses a record without an address (`devp2p.md` 3.1). Ours say none before they know it,
        // and the address that counts is the proved one. Pinned by `records_are_fetched_and_checked`.
        let foreign = |ip: IpAddr| check_relay(contact.address.ip(), ip).is_err();
        if record.id() != contact.id() || older || record.address().is_some_and(foreign) {
            return Err(DiscoveryError::Record);
        }
        Ok(record)
    }

    /// Long answers go to proved endpoints only, and not without end.
    fn check_request(&mut self, now: Now, asker: &Contact) -> Result<(), DiscoveryError> {
        let peer: Peer = peer(asker);
        if !self.bonds.is_proven(&peer, now.mono) {
            return Err(DiscoveryError::Unproven);
        }
        if !self.requests.allow(asker.address, MAX_REQUESTS, now.mono) {
            return Err(DiscoveryError::Limited);
        }
        Ok(())
    }

    /// Asks for a record that is newer than the one we have.
    fn fetch_if_newer(&mut self, contact: &Contact, enr_seq: u64, now: Now) {
        let Some(entry) = self.table.get(contact.id()) else { return };
        let known = entry.record.as_ref().map_or(0, Record::seq);
        if enr_seq > known {
            // No room now: the next ping says it again.
            let _ = self.request_record(contact.clone(), now);
        }
    }
}

/// How far the clock of whoever wrote this expiration is from ours, in milliseconds.
fn clock_offset(now: Now, expiration: u64) -> i64 {
    let theirs = i128::from(expiration)
        .saturating_mul(1_000)
        .saturating_sub(i128::try_from(PACKET_LIFETIME.as_millis()).unwrap_or_default());
    let offset = theirs.saturating_sub(i128::from(now.unix.millis()));
    i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })
}
