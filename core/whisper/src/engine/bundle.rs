//! From the pool to a packet.

use std::time::Duration;

use undertone_base::Now;

use super::rates::{Packet, bundle_limit, paced, paced_until};
use super::{Bridge, Confirm, LIST_HEADER, Whisper};
use crate::Envelope;
use crate::dialect::Protocol;
use crate::envelope::{EnvelopeHash, Header};
use crate::limits::{FUTURE_SECS, LAST_SECS, MAX_DEFERRED};
use crate::peer::{InFlight, PREFERRED, PeerId, Phase, Side, Wants, is_wanted, wanted_from};
use crate::pool::{Origin, Pool, Slot, Slots};
use crate::wire::{self, PacketCode, Service};

/// Whether an envelope goes to a peer.
enum Choice {
    Now,
    /// When it is this many Unix seconds.
    From(u32),
    No,
}

impl Whisper {
    /// The next packet of envelopes for a peer: all that it wants and has not, up to [`MAX_BUNDLE`](crate::limits::MAX_BUNDLE); a larger
    /// envelope alone. What several protocols could carry goes by the preferred one.
    pub(super) fn bundle(&mut self, now: Now, id: PeerId) -> Option<Packet> {
        let peer = self.peers.get_mut(&id)?;
        peer.queued = false;
        // DEVIATION: peers' limits are stored by status-go and never used. Here they are kept (tests
        // `what_a_peer_takes_in_a_second_is_all_that_it_gets`,
        // `answers_count_in_what_a_peer_takes_and_leave_first`).
        if let Some(at) = paced_until(peer, now.mono) {
            self.flush_at(id, at);
            return None;
        }
        if peer.in_flight.is_some() {
            return None;
        }
        let (secs, service, bridge) = (now.unix.secs_u32(), self.wishes.service, self.bridge);
        for protocol in PREFERRED {
            let Some((side, known)) = peer.offer(protocol) else { continue };
            let carry = Carry { secs, protocol, service, bridge };
            let Some(picked) = carry.pick(&self.pool, side, known) else { continue };
            let Picked { mut slots, len, own, crowded_out } = picked;
            self.stats.crowded_out += crowded_out;
            if let Some(due) = side.schedule() {
                let millis = (u64::from(due) * 1_000).saturating_sub(now.unix.millis());
                self.timers.insert((now.mono.after(Duration::from_millis(millis)), id));
            }
            if slots.is_empty() {
                continue;
            }
            self.stats.bundles += 1;
            self.stats.relayed += slots.len() as u64;
            paced(side, now.mono, wire::messages_len(len));
            let asked = self.confirm != Confirm::Never && !own.is_empty();
            let confirmed = asked && side.wants().is_some_and(|wants| wants.confirmations);
            // What the peer will confirm is sent when it does.
            peer.in_flight = Some(InFlight { own: if confirmed { Vec::new() } else { own.clone() } });
            self.shuffle(&mut slots);
            let envelopes = slots.into_iter().filter_map(|slot| self.pool.get(slot));
            let body = wire::encode_messages(envelopes.map(|(envelope, _)| envelope.bytes()), len);
            if confirmed {
                self.await_confirmation(id, &body, own);
            }
            return Some((protocol, PacketCode::MESSAGES, body));
        }
        None
    }
}

/// What goes into a packet.
struct Picked {
    slots: Vec<Slot>,
    /// Bytes of them.
    len: usize,
    /// The local ones among them.
    own: Vec<EnvelopeHash>,
    /// How many more have to wait for the peer's clock than may.
    crowded_out: u64,
}

/// What decides whether an envelope goes to a peer by one protocol.
struct Carry {
    secs: u32,
    protocol: Protocol,
    service: Service,
    bridge: Bridge,
}

impl Carry {
    /// Takes what has waited for the peer's clock and is due, then what has arrived since it was last looked at; `None`
    /// before the end of the handshake.
    fn pick(&self, pool: &Pool, side: &mut Side, known: &mut Slots) -> Option<Picked> {
        let Side { phase: Phase::Ready(wants), deferred, crowded_out, cursor, .. } = side else {
            return None;
        };
        if let Some((first, _)) = crowded_out.take_if(|(_, due)| *due <= self.secs) {
            *cursor = first.min(*cursor);
        }
        let mut waited = Vec::new();
        if !deferred.is_empty() {
            deferred.retain(|seq, due| *due > self.secs || pool.arrival(*seq).is_some());
            let due = deferred.iter().filter(|(_, due)| **due <= self.secs);
            waited.extend(due.filter_map(|(seq, _)| pool.arrival(*seq)));
        }
        let most = bundle_limit(wants).saturating_sub(LIST_HEADER);
        let mut picked = Picked { slots: Vec::new(), len: 0, own: Vec::new(), crowded_out: 0 };
        for (seq, slot, envelope, origin) in waited.into_iter().chain(pool.arrivals(*cursor)) {
            match self.choice(wants, known.contains(slot), envelope, origin) {
                Choice::Now => {
                    let more = envelope.bytes().len();
                    if !picked.slots.is_empty() && picked.len + more > most {
                        break;
                    }
                    picked.len += more;
                    picked.slots.push(slot);
                    known.insert(slot);
                    if origin.is_local() {
                        picked.own.push(envelope.hash());
                    }
                    deferred.remove(&seq);
                }
                Choice::From(_) if deferred.contains_key(&seq) => {}
                Choice::From(due) if deferred.len() < MAX_DEFERRED => {
                    deferred.insert(seq, due);
                }
                Choice::From(due) => {
                    let (first, soonest) = crowded_out.unwrap_or((seq, due));
                    *crowded_out = Some((first.min(seq), soonest.min(due)));
                    picked.crowded_out += 1;
                }
                Choice::No => {
                    deferred.remove(&seq);
                }
            }
            *cursor = (*cursor).max(seq + 1);
        }
        Some(picked)
    }

    fn choice(&self, wants: &Wants, known: bool, envelope: &Envelope, origin: Origin) -> Choice {
        if known {
            return Choice::No;
        }
        let Header { expiry, ttl, .. } = envelope.header();
        // What arrived before our clock was set back may be of the future now, and is not held any more.
        let ahead = self.secs.saturating_add(FUTURE_SECS / 2);
        let lives = expiry >= self.secs.saturating_add(LAST_SECS) && expiry.saturating_sub(ttl) <= ahead;
        if !lives || !self.may_carry(origin) || !is_wanted(wants, envelope) {
            return Choice::No;
        }
        // Our own are sealed with work to spare.
        match wanted_from(wants, envelope).filter(|due| !origin.is_local() && *due > self.secs) {
            Some(due) => Choice::From(due),
            None => Choice::Now,
        }
    }

    fn may_carry(&self, origin: Origin) -> bool {
        let across = self.bridge == Bridge::On || origin.came_by(self.protocol);
        origin.is_local() || (self.service == Service::Full && across)
    }
}
