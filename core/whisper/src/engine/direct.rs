//! Packets between two nodes that know each other: direct envelopes, and requests to a mail server.

use super::{Event, Requests, Transmit, Whisper};
use crate::Envelope;
use crate::dialect::Protocol;
use crate::envelope::RawEnvelope;
use crate::limits::MAX_MESSAGE;
use crate::peer::PeerId;
use crate::rlp;
use crate::wire::{self, DirectForm, PacketCode, PacketFault};

impl Whisper {
    /// Trust lasts as long as the link.
    pub(super) fn trust(&mut self, id: PeerId, trusted: bool) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.trusted = trusted;
        }
    }

    /// Packet 127. What nobody asked for is not even read.
    ///
    /// DEVIATION: geth drops whoever it trusts for a list; status-go's mail servers send lists, and both forms are taken here
    /// (test `whisper_packets_as_status_go_takes_them`).
    pub(super) fn direct(&mut self, id: PeerId, protocol: Protocol, body: &[u8]) -> Result<(), PacketFault> {
        if !self.peers.get(&id).is_some_and(|peer| peer.trusted) {
            self.stats.ignored_packets += 1;
            return Ok(());
        }
        let form = match protocol {
            Protocol::Whisper => DirectForm::BareOrList,
            Protocol::Waku => DirectForm::List,
        };
        for raw in wire::decode_direct(body, form)?.iter() {
            let envelope = raw.to_envelope(raw.hash(), &raw.work());
            self.events.push_back(Event::Direct { envelope, peer: id, protocol });
        }
        Ok(())
    }

    /// Packet 126.
    pub(super) fn request(&mut self, id: PeerId, protocol: Protocol, body: &[u8]) -> Result<(), PacketFault> {
        if self.requests == Requests::Ignore {
            self.stats.ignored_packets += 1;
            return Ok(());
        }
        if RawEnvelope::decode(body).is_err() && !is_plain_request(protocol, body) {
            return Err(PacketFault::Request);
        }
        self.events.push_back(Event::Request { peer: id, protocol, body: body.to_vec() });
        Ok(())
    }

    /// By Waku where there is one. To a peer of `shh/6` each envelope goes alone and bare: geth drops whoever sends a
    /// list.
    pub(super) fn send_direct(&mut self, id: PeerId, envelopes: &[Envelope]) {
        let Some(peer) = self.peers.get(&id) else { return };
        let Some((protocol, _)) = peer.first_wants() else { return };
        let bodies: Vec<_> = match protocol {
            Protocol::Whisper => envelopes.iter().map(|envelope| envelope.bytes().to_vec()).collect(),
            Protocol::Waku => lists(envelopes),
        };
        for body in bodies {
            let code = PacketCode::P2P_MESSAGE;
            self.out.push_back(Transmit::Packet { peer: id, protocol, code, body });
        }
    }
}

/// Lists that a peer takes.
fn lists(envelopes: &[Envelope]) -> Vec<Vec<u8>> {
    let (mut bodies, mut list, mut len) = (Vec::new(), Vec::new(), 0);
    for envelope in envelopes {
        let more = envelope.bytes().len();
        if !list.is_empty() && len + more > MAX_MESSAGE - super::LIST_HEADER {
            bodies.push(wire::encode_messages(list.drain(..), len));
            len = 0;
        }
        len += more;
        list.push(envelope.bytes());
    }
    if !list.is_empty() {
        bodies.push(wire::encode_messages(list.into_iter(), len));
    }
    bodies
}

/// Whether this is `[id, from, to, limit, cursor, bloom]`, and for Waku `topics` behind it: the shape, not the values.
fn is_plain_request(protocol: Protocol, mut body: &[u8]) -> bool {
    let wanted = match protocol {
        Protocol::Whisper => 6,
        Protocol::Waku => 7,
    };
    let Ok(mut items) = rlp::list(&mut body) else { return false };
    let mut peek = items;
    let has_id = rlp::string(&mut peek).is_ok_and(|id| id.len() == REQUEST_ID);
    let mut count = 0;
    while count <= wanted && !items.is_empty() && rlp::item(&mut items).is_ok() {
        count += 1;
    }
    has_id && body.is_empty() && items.is_empty() && count == wanted
}

/// Bytes of the id of a plain request.
const REQUEST_ID: usize = 32;
