//! From the pool to a packet.

use std::time::Duration;

use undertone_base::Now;

use super::rates::bundle_limit;
use super::{Bridge, Confirm, LIST_HEADER, Whisper};
use crate::Envelope;
use crate::dialect::Protocol;
use crate::envelope::Header;
use crate::limits::{FUTURE_SECS, LAST_SECS, MAX_DEFERRED};
use crate::peer::{InFlight, PREFERRED, PeerId, Wants, is_wanted, wanted_from};
use crate::pool::{Origin, Slot};
use crate::wire::{self, Service};

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
    pub(super) fn bundle(&mut self, now: Now, id: PeerId) -> Option<(Protocol, Vec<u8>)> {
        self.peers.get_mut(&id)?.queued = false;
        // DEVIATION: peers' limits are stored by status-go and never used. Here they are kept (test
        // `what_a_peer_takes_in_a_second_is_all_that_it_gets`).
        if let Some(at) = PREFERRED.into_iter().filter_map(|by| self.paced_until(now, id, by)).max() {
            self.flush_at(id, at);
            return None;
        }
        PREFERRED.into_iter().find_map(|protocol| Some((protocol, self.bundle_by(now, id, protocol)?)))
    }

    fn bundle_by(&mut self, now: Now, id: PeerId, protocol: Protocol) -> Option<Vec<u8>> {
        let secs = now.unix.secs_u32();
        let (side, known) = self.peers.get_mut(&id)?.offer(protocol)?;
        let wants = side.wants()?.clone();
        side.deferred.retain(|seq, due| *due > secs || self.pool.arrival(*seq).is_some());
        let due: Vec<_> =
            side.deferred.iter().filter(|(_, due)| **due <= secs).map(|(seq, _)| *seq).collect();
        let waited = due.into_iter().filter_map(|seq| self.pool.arrival(seq));
        let carry =
            Carry { secs, protocol, service: self.wishes.service, bridge: self.bridge, wants: &wants };
        let most = bundle_limit(&wants).saturating_sub(LIST_HEADER);
        let (mut picked, mut len, mut own) = (Vec::<Slot>::new(), 0, Vec::new());
        for (seq, slot, envelope, origin) in waited.chain(self.pool.arrivals(side.cursor)) {
            match carry.choice(known.contains(slot), envelope, origin) {
                Choice::Now => {
                    let more = envelope.bytes().len();
                    if !picked.is_empty() && len + more > most {
                        break;
                    }
                    len += more;
                    picked.push(slot);
                    known.insert(slot);
                    if origin.is_local() {
                        own.push(envelope.hash());
                    }
                    side.deferred.remove(&seq);
                }
                Choice::From(due) if side.deferred.len() < MAX_DEFERRED => {
                    side.deferred.insert(seq, due);
                }
                Choice::From(_) => {}
                Choice::No => {
                    side.deferred.remove(&seq);
                }
            }
            side.cursor = side.cursor.max(seq + 1);
        }
        if let Some(due) = side.schedule() {
            let millis = (u64::from(due) * 1_000).saturating_sub(now.unix.millis());
            self.timers.insert((now.mono.after(Duration::from_millis(millis)), id));
        }
        if picked.is_empty() {
            return None;
        }
        self.stats.bundles += 1;
        self.stats.relayed += picked.len() as u64;
        self.shuffle(&mut picked);
        let envelopes = picked.into_iter().filter_map(|slot| self.pool.get(slot));
        let body = wire::encode_messages(envelopes.map(|(envelope, _)| envelope.bytes()), len);
        self.paced(now, id, protocol, body.len());
        let confirmed = wants.confirmations && self.confirm != Confirm::Never && !own.is_empty();
        // What the peer will confirm is sent when it does.
        let in_flight = InFlight { own: if confirmed { Vec::new() } else { own.clone() } };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.in_flight = Some(in_flight);
        }
        if confirmed {
            self.await_confirmation(id, &body, own);
        }
        Some(body)
    }
}

/// What decides whether an envelope goes to a peer by one protocol.
struct Carry<'a> {
    secs: u32,
    protocol: Protocol,
    service: Service,
    bridge: Bridge,
    wants: &'a Wants,
}

impl Carry<'_> {
    fn choice(&self, known: bool, envelope: &Envelope, origin: Origin) -> Choice {
        let Header { expiry, ttl, .. } = envelope.header();
        // What arrived before our clock was set back may be of the future now, and is not held any more.
        let ahead = self.secs.saturating_add(FUTURE_SECS / 2);
        let lives = expiry >= self.secs.saturating_add(LAST_SECS) && expiry.saturating_sub(ttl) <= ahead;
        if known || !lives || !self.may_carry(origin) || !is_wanted(self.wants, envelope) {
            return Choice::No;
        }
        // Our own are sealed with work to spare.
        match wanted_from(self.wants, envelope).filter(|due| !origin.is_local() && *due > self.secs) {
            Some(due) => Choice::From(due),
            None => Choice::Now,
        }
    }

    fn may_carry(&self, origin: Origin) -> bool {
        let across = self.bridge == Bridge::On || origin.came_by(self.protocol);
        origin.is_local() || (self.service == Service::Full && across)
    }
}
