//! Peers that come and go, and their handshakes.

use undertone_base::Now;

use super::{Event, Transmit, Whisper};
use crate::dialect::Protocol;
use crate::peer::{Link, Peer, PeerId, Phase, Wants};
use crate::wire::{PacketCode, PacketFault, Service, Status, waku};

impl Whisper {
    /// Every Status leaves at once: whoever waits for the other end's first may wait for ever.
    pub(super) fn connected(&mut self, now: Now, link: &Link) {
        let (id, dialects) = (link.peer, link.dialects.within(self.protocols));
        if dialects.is_empty() || self.peers.contains_key(&id) {
            return;
        }
        let peer = Peer::new(now.mono, dialects, link);
        for (protocol, side) in peer.sides() {
            if let Phase::AwaitStatus { until } = side.phase {
                self.timers.insert((until, id));
            }
            let body = match side.version {
                Some(version) => self.wishes.waku_status().encode(version),
                None => self.wishes.status().encode(),
            };
            self.out.push_back(Transmit::Packet { peer: id, protocol, code: PacketCode::STATUS, body });
        }
        self.peers.insert(id, peer);
    }

    pub(super) fn forget(&mut self, id: PeerId) {
        if self.peers.remove(&id).is_some() {
            self.timers.retain(|(_, peer)| *peer != id);
            self.queue.retain(|peer| *peer != id);
            self.rates.forget(id);
            self.out.retain(|out| {
                !matches!(out, Transmit::Packet { peer, .. } | Transmit::Defer { peer, .. } if *peer == id)
            });
        }
    }

    pub(super) fn drop_peer(&mut self, id: PeerId, fault: PacketFault) {
        self.forget(id);
        self.stats.dropped_peers += 1;
        self.out.push_back(Transmit::Disconnect { peer: id, reason: fault.reason() });
    }

    /// The first packet of a protocol.
    pub(super) fn first_packet(
        &mut self,
        now: Now,
        id: PeerId,
        protocol: Protocol,
        (code, body): (PacketCode, &[u8]),
    ) -> Result<(), PacketFault> {
        if code != PacketCode::STATUS {
            return Err(PacketFault::BeforeStatus(code));
        }
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(side) = peer.side_mut(protocol) else { return Ok(()) };
        let wants: Wants = match side.version {
            Some(version) => waku::Status::decode(version, body)?,
            None => Status::decode(body)?.into(),
        };
        if wants.service == Service::Light && self.wishes.service == Service::Light {
            return Err(PacketFault::TwoLight);
        }
        if let Phase::AwaitStatus { until } = std::mem::replace(&mut side.phase, Phase::Ready(wants))
            && peer.sides().all(|(_, side)| side.wants().is_some())
        {
            self.timers.remove(&(until, id));
        }
        if !std::mem::replace(&mut peer.announced, true) {
            self.events.push_back(Event::PeerReady(id));
        }
        self.wake(now, id);
        Ok(())
    }
}
