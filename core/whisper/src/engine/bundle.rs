//! From the pool to a packet.

use std::time::Duration;

use undertone_base::Now;

use super::{Confirm, LIST_HEADER, Whisper};
use crate::Envelope;
use crate::envelope::Header;
use crate::limits::{FUTURE_SECS, LAST_SECS, MAX_BUNDLE, MAX_DEFERRED};
use crate::peer::{InFlight, Peer, PeerId, Phase, wanted_from, wants};
use crate::pool::{Origin, Slot};
use crate::wire::{self, Service, Status};

/// Whether an envelope goes to a peer.
enum Choice {
    Now,
    /// When it is this many Unix seconds.
    From(u32),
    No,
}

impl Whisper {
    /// The next packet of envelopes for a peer: all that it wants and has not, up to [`MAX_BUNDLE`]; a larger
    /// envelope alone.
    pub(super) fn bundle(&mut self, now: Now, id: PeerId) -> Option<Vec<u8>> {
        let (service, secs) = (self.wishes.service, now.unix.secs_u32());
        let peer = self.peers.get_mut(&id)?;
        peer.queued = false;
        let Phase::Ready(status) = peer.phase else { return None };
        peer.deferred.retain(|seq, due| *due > secs || self.pool.arrival(*seq).is_some());
        let due: Vec<_> =
            peer.deferred.iter().filter(|(_, due)| **due <= secs).map(|(seq, _)| *seq).collect();
        let waited = due.into_iter().filter_map(|seq| self.pool.arrival(seq));
        let (mut picked, mut len, mut own) = (Vec::<&[u8]>::new(), 0, Vec::new());
        for (seq, slot, envelope, origin) in waited.chain(self.pool.arrivals(peer.cursor)) {
            match choice(secs, service, &status, peer, (slot, envelope, origin)) {
                Choice::Now => {
                    let more = envelope.bytes().len();
                    if !picked.is_empty() && len + more > MAX_BUNDLE - LIST_HEADER {
                        break;
                    }
                    len += more;
                    picked.push(envelope.bytes());
                    peer.known.insert(slot);
                    if origin == Origin::Local {
                        own.push(envelope.hash());
                    }
                    peer.deferred.remove(&seq);
                }
                Choice::From(due) if peer.deferred.len() < MAX_DEFERRED => {
                    peer.deferred.insert(seq, due);
                }
                Choice::From(_) => {}
                Choice::No => {
                    peer.deferred.remove(&seq);
                }
            }
            peer.cursor = peer.cursor.max(seq + 1);
        }
        if let Some(due) = peer.schedule() {
            let millis = (u64::from(due) * 1_000).saturating_sub(now.unix.millis());
            self.timers.insert((now.mono.after(Duration::from_millis(millis)), id));
        }
        if picked.is_empty() {
            return None;
        }
        self.stats.bundles += 1;
        self.stats.relayed += picked.len() as u64;
        let body = wire::encode_messages(picked.into_iter(), len);
        let confirmed = status.confirmations && self.confirm != Confirm::Never && !own.is_empty();
        // What the peer will confirm is sent when it does.
        peer.in_flight = Some(InFlight { own: if confirmed { Vec::new() } else { own.clone() } });
        if confirmed {
            self.await_confirmation(id, &body, own);
        }
        Some(body)
    }
}

fn choice(
    secs: u32,
    service: Service,
    status: &Status,
    peer: &Peer,
    (slot, envelope, origin): (Slot, &Envelope, Origin),
) -> Choice {
    let Header { expiry, ttl, .. } = envelope.header();
    // What arrived before our clock was set back may be of the future now, and is not held any more.
    let ahead = secs.saturating_add(FUTURE_SECS / 2);
    let mine = origin == Origin::Local || service == Service::Full;
    let lives = expiry >= secs.saturating_add(LAST_SECS) && expiry.saturating_sub(ttl) <= ahead;
    if !mine || !lives || peer.known.contains(slot) || !wants(status, envelope) {
        return Choice::No;
    }
    // Our own are sealed with work to spare.
    match wanted_from(status, envelope).filter(|due| origin == Origin::Remote && *due > secs) {
        Some(due) => Choice::From(due),
        None => Choice::Now,
    }
}
