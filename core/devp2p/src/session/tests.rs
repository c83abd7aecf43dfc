//! A session against a scripted peer that may do anything with its keys.

mod behaviour;
mod mangle;
mod memory;

use undertone_base::Now;
use undertone_support::{ChaCha20Rng, rng};

use super::*;
use crate::caps::{Capability, Offer};
use crate::frame::{Egress, Ingress, Read, codecs};
use crate::handshake::Step;
use crate::limits::{MAX_EARLY, MAX_HELLO, MAX_PINGS, READ_TIMEOUT};
use crate::node_key::NodeKey;
use crate::{rlp, snappy};

fn shh() -> Vec<Offer> {
    vec![Offer { capability: Capability::new("shh", 6), length: 128 }]
}

/// The dialling side, by hand, with its link; `session` is the machine under test.
struct Script {
    session: Session,
    egress: Egress,
    ingress: Ingress,
    key: NodeKey,
    now: Now,
    rng: ChaCha20Rng,
}

impl Script {
    /// Auth and ack are through; the session waits to be told whether to admit.
    fn keyed(seed: u64) -> Self {
        let mut rng = rng(seed);
        let (ours, theirs) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
        let now = Now::default();
        let mut session = Session::accept(Config::new(ours.clone(), "undertone/test", shh()), now);
        let (initiator, auth) = Initiator::start(&theirs, ours.public(), &mut rng);
        session.receive(now, &auth, &mut rng);
        assert_eq!(session.poll_event(), Some(Event::Authenticated(theirs.public())));
        let ack = session.poll_transmit().unwrap();
        let Ok(Step::Done(keyed, consumed)) = initiator.read(&theirs, &ack) else { panic!("ack") };
        assert_eq!(consumed, ack.len());
        let (egress, ingress) = codecs(keyed.secrets);
        Self { session, egress, ingress, key: theirs, now, rng }
    }

    /// And is told yes: its Hello is on the way.
    fn admitted(seed: u64) -> Self {
        let mut script = Self::keyed(seed);
        script.admit(Admission::Admit);
        script
    }

    /// And both Hellos went.
    fn established(seed: u64) -> Self {
        let mut script = Self::admitted(seed);
        script.raw(id::HELLO, &script.hello().encode());
        assert_eq!(script.seen(), "Hello");
        assert!(matches!(script.session.poll_event(), Some(Event::Established { .. })));
        script
    }

    fn hello(&self) -> Hello {
        Hello {
            version: 5,
            client: b"script".to_vec(),
            capabilities: vec![Capability::new("shh", 6)],
            listen_port: 0,
            key: self.key.public(),
        }
    }

    fn admit(&mut self, admission: Admission) {
        self.session.admit(self.now, admission, &mut self.rng);
    }

    fn frame(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.egress.write(&mut out, MAX_FRAME, |out| out.extend_from_slice(data)).unwrap();
        out
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.session.receive(self.now, bytes, &mut self.rng);
    }

    fn raw(&mut self, message: u64, payload: &[u8]) {
        let mut data = Vec::new();
        rlp::encode_uint(&mut data, message);
        data.extend_from_slice(payload);
        let wire = self.frame(&data);
        self.bytes(&wire);
    }

    fn packed(&mut self, message: u64, payload: &[u8]) {
        let mut compressed = Vec::new();
        snappy::compress(payload, &mut compressed);
        self.raw(message, &compressed);
    }

    fn pass(&mut self, by: Duration) {
        self.now = self.now.after(by);
        self.session.handle_timeout(self.now);
    }

    /// Everything that the session has written since, in the words of `server_behaviour`.
    fn seen(&mut self) -> String {
        let mut wire = self.session.poll_transmit().unwrap_or_default();
        let mut rest = wire.as_mut_slice();
        let mut words = Vec::new();
        while !rest.is_empty() {
            let Read::Header { consumed } = self.ingress.read(rest, MAX_FRAME).unwrap() else { panic!() };
            rest = &mut rest[consumed..];
            let Read::Body { data, consumed } = self.ingress.read(rest, MAX_FRAME).unwrap() else { panic!() };
            words.push(describe(data));
            rest = &mut rest[consumed..];
        }
        words.join(" ")
    }

    /// The last event, after which there is none.
    fn end(&mut self) -> Closed {
        assert!(self.session.is_closed());
        let mut last = None;
        while let Some(event) = self.session.poll_event() {
            assert!(!matches!(last, Some(Event::Closed(_))), "an event after the last");
            last = Some(event);
        }
        let Some(Event::Closed(why)) = last else { panic!("{last:?}") };
        why
    }
}

fn describe(frame: &[u8]) -> String {
    let mut payload = frame;
    let message = rlp::uint(&mut payload, "id").unwrap();
    let unpacked = snappy::decompress(payload, MAX_HELLO);
    let plain = unpacked.as_deref().unwrap_or(payload);
    let hex: String = plain.iter().map(|b| format!("{b:02x}")).collect();
    match message {
        id::HELLO => {
            Hello::decode(payload).unwrap();
            "Hello".to_owned()
        }
        id::DISCONNECT => {
            let form = if unpacked.is_ok() { "snappy-compressed" } else { "not compressed" };
            format!("Disconnect({hex}, {form})")
        }
        other => format!("msg{other}({hex})"),
    }
}
