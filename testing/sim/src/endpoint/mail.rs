//! What a node has to do with an archive: it keeps one, it asks one, or neither.

use undertone_whisper::wire::{DirectForm, Messages, PacketCode, decode_direct};
use undertone_whisper::{Envelope, EnvelopeHash, Input, PeerId, Protocol};

use rand_core::Rng as _;

use super::{Endpoint, Told, frame};
use crate::archive::{Archive, COMPLETE, Fetch, Request, Step};
use crate::engine::{Cx, LinkId, NodeId};

/// A part that a node may have beside its transport. It outlives a restart, as a disk does.
#[derive(Clone, Debug)]
pub(crate) enum Mail {
    None,
    /// Keeps what its relay pools.
    Keeps(Archive),
    /// Asks for what it missed.
    Asks(Fetch),
}

impl Mail {
    /// An envelope is new in the pool.
    pub(super) fn pooled(&mut self, envelope: Envelope) {
        if let Self::Keeps(archive) = self {
            archive.keep(envelope);
        }
    }

    /// Whether an opened message is delivered.
    pub(super) fn delivers(&mut self, hash: EnvelopeHash) -> bool {
        match self {
            Self::Asks(fetch) => fetch.deliver(hash),
            _ => true,
        }
    }

    pub(super) fn started(&mut self) {
        if let Self::Asks(fetch) = self {
            fetch.leave();
        }
    }

    pub(super) fn link_gone(&mut self, other: Option<NodeId>) {
        if let Self::Asks(fetch) = self
            && Some(fetch.archive()) == other
        {
            fetch.leave();
        }
    }
}

impl Endpoint {
    /// A packet came, which the machine has had.
    pub(super) fn on_mail(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, code: PacketCode, body: &[u8]) {
        match (&self.mail, code) {
            (Mail::Keeps(archive), PacketCode::P2P_REQUEST) => {
                let Some(request) = Request::decode(body) else { return };
                let (envelopes, end) = archive.answer(&request);
                self.input(cx, Input::SendDirect { peer: PeerId(link.number()), envelopes });
                self.tell(cx, link, COMPLETE, end);
            }
            (Mail::Asks(_), _) => self.on_answer(cx, link, code, body),
            _ => {}
        }
    }

    fn on_answer(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, code: PacketCode, body: &[u8]) {
        let (peer, now) = (PeerId(link.number()), cx.now().unix.secs_u32());
        let Mail::Asks(fetch) = &mut self.mail else { return };
        fetch.heard(now);
        match code {
            PacketCode::P2P_MESSAGE => {
                self.counted.fetched += 1 + body.len() as u64;
                for raw in decode_direct(body, DirectForm::BareOrList).iter().flat_map(Messages::iter) {
                    let envelope = raw.to_envelope(raw.hash(), &raw.work());
                    cx.emit(Told::Fetched { topic: envelope.topic(), bytes: envelope.bytes().len() });
                }
            }
            COMPLETE => {
                self.counted.fetched += 1 + body.len() as u64;
                match fetch.completed(body, name(cx)) {
                    Step::Ask(request) => self.tell(cx, link, PacketCode::P2P_REQUEST, request),
                    Step::Done => self.input(cx, Input::Distrust(peer)),
                    Step::Nothing => {}
                }
            }
            // The handshake is over: from here on relays bring what is new, and the archive what was before.
            _ if fetch.is_away() && cx.peer(link) == Some(fetch.archive()) && self.is_ready(peer) => {
                let Mail::Asks(fetch) = &mut self.mail else { return };
                if let Some(request) = fetch.begin(name(cx), now) {
                    self.input(cx, Input::Trust(peer));
                    self.tell(cx, link, PacketCode::P2P_REQUEST, request);
                }
            }
            _ => {}
        }
    }

    fn is_ready(&self, peer: PeerId) -> bool {
        self.transport
            .iter()
            .any(|transport| transport.engine().ready_peers().any(|(ready, _)| ready == peer))
    }

    fn tell(&mut self, cx: &mut Cx<'_, Self>, link: LinkId, code: PacketCode, body: Vec<u8>) {
        let bytes = frame(Protocol::Whisper, code, body);
        self.counted.sent += bytes.len() as u64;
        let _taken = cx.send(link, bytes);
    }
}

/// A name for a request.
fn name(cx: &mut Cx<'_, Endpoint>) -> [u8; 32] {
    let mut id = [0; 32];
    cx.rng().fill_bytes(&mut id);
    id
}
