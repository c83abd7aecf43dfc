//! What a packet is, by protocol and code.

use undertone_base::Now;

use super::rates::Allowance;
use super::{Confirm, Whisper};
use crate::RateLimits;
use crate::dialect::Protocol;
use crate::limits::MAX_MESSAGE;
use crate::peer::{PeerId, Side, Wants, widens};
use crate::wire::{self, Interest, PacketCode, PacketFault, waku};

impl Whisper {
    pub(super) fn packet(
        &mut self,
        now: Now,
        id: PeerId,
        protocol: Protocol,
        (code, body): (PacketCode, &[u8]),
    ) -> Result<(), PacketFault> {
        let Some(side) = self.peers.get(&id).and_then(|peer| peer.side(protocol)) else { return Ok(()) };
        if body.len() > MAX_MESSAGE {
            return Err(PacketFault::Oversized { got: body.len() });
        }
        let Some(wants) = side.wants() else { return self.first_packet(now, id, protocol, (code, body)) };
        let confirms = wants.confirmations && self.confirm != Confirm::Never;
        // What is said between envelopes is heard in any case, and paid for; but for answers to what we said, of which
        // status-go gives two for each packet.
        let allowance = match code {
            PacketCode::BATCH_ACK | PacketCode::MESSAGE_RESPONSE => Allowance::All,
            _ => self.admit(now, id, body.len())?,
        };
        let Some(side) = self.peers.get(&id).and_then(|peer| peer.side(protocol)) else { return Ok(()) };
        let done = match (code, protocol) {
            (PacketCode::MESSAGES, _) => self.messages(now, (id, protocol), body, allowance),
            (PacketCode::BATCH_ACK | PacketCode::MESSAGE_RESPONSE, _) if confirms => {
                self.confirmation(now, id, code, body)
            }
            (PacketCode::P2P_MESSAGE, _) => self.direct(id, protocol, body),
            (PacketCode::P2P_REQUEST, _) => self.request(id, protocol, body),
            _ => match changed(side, protocol, code, body) {
                Some(Ok(wants)) => {
                    self.wishes_changed(now, id, protocol, wants);
                    Ok(())
                }
                Some(Err(fault)) => Err(fault),
                // A second Status is ignored, as is what a mail server's peers say to each other.
                None => {
                    self.stats.ignored_packets += 1;
                    Ok(())
                }
            },
        };
        match done {
            Err(fault) if is_forgiven(protocol, fault) => self.forgive(now, id, fault),
            done => done,
        }
    }

    /// status-go logs what a peer of Waku does wrong and keeps it.
    ///
    /// DEVIATION: that is free of charge for whoever floods with garbage. Here a bucket of such packets is kept per peer, as
    /// of bad envelopes, and one too many ends the link (test `a_peer_of_waku_is_forgiven_for_a_while`).
    fn forgive(&mut self, now: Now, id: PeerId, fault: PacketFault) -> Result<(), PacketFault> {
        self.stats.forgiven += 1;
        let too_many = self.peers.get_mut(&id).is_some_and(|peer| peer.blame(now.mono));
        if too_many { Err(fault) } else { Ok(()) }
    }

    /// A peer changed its wishes.
    fn wishes_changed(&mut self, now: Now, id: PeerId, protocol: Protocol, wants: Wants) {
        let Some(side) = self.peers.get_mut(&id).and_then(|peer| peer.side_mut(protocol)) else { return };
        let Some(old) = side.replace(wants) else { return };
        if side.wants().is_some_and(|new| widens(&old, new)) {
            let at = side.wants_more(now.mono);
            self.timers.insert((at, id));
            self.handle_timeout(now);
        }
    }
}

/// What a change of settings makes of a peer's wishes; `None` where the packet is no such change.
///
/// DEVIATION: of a change whose filter has a wrong length status-go takes the price that stands beside it. Here all of a
/// change counts or nothing (test `odd_options_count_as_in_status_go`).
fn changed(
    side: &Side,
    protocol: Protocol,
    code: PacketCode,
    body: &[u8],
) -> Option<Result<Wants, PacketFault>> {
    let mut wants = side.wants()?.clone();
    let done = match (protocol, code) {
        (Protocol::Whisper, PacketCode::POW_REQUIREMENT) => {
            wire::decode_pow(body).map(|pow| wants.min_pow = pow)
        }
        (Protocol::Whisper, PacketCode::BLOOM_FILTER) => {
            wire::decode_bloom(body).map(|bloom| wants.interest = Interest::bloom(bloom))
        }
        (Protocol::Whisper, PacketCode::RATE_LIMITS) => {
            RateLimits::decode(body).map(|limits| wants.packet_limits = limits)
        }
        (Protocol::Waku, PacketCode::STATUS_UPDATE) => {
            let options = waku::Options::decode(side.version?, body);
            options.map(|options| wants.apply(&options)).map_err(PacketFault::from)
        }
        _ => return None,
    };
    Some(done.map(|()| wants))
}

/// Whether it is a body that could not be read, and no more, and peers of this protocol are kept for that.
///
/// DEVIATION: status-go drops a peer of Whisper for a packet 20 that is no limits; geth does not know the code and keeps
/// it. Here it is kept (test `packets_accepted_and_refused`).
const fn is_forgiven(protocol: Protocol, fault: PacketFault) -> bool {
    match protocol {
        Protocol::Whisper => matches!(fault, PacketFault::RateLimits),
        Protocol::Waku => matches!(
            fault,
            PacketFault::Confirmation
                | PacketFault::Messages
                | PacketFault::Options(_)
                | PacketFault::RateLimits
                | PacketFault::Request
        ),
    }
}
