//! Node URLs, and one connection: both handshakes, then frames between two of our own sessions.

use std::time::Duration;

use undertone_base::Now;
use undertone_crypto::SecretKey;
use undertone_devp2p::{
    Admission, Capability, Closed, Config, DisconnectReason, Enode, Event, Hello, NodeKey, Offer, Session,
};
use undertone_support::{ChaCha20Rng, rng};

/// The URL of a node.
pub fn enode(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(node) = text.parse::<Enode>() {
        assert_eq!(node.to_string().parse().as_ref(), Ok(&node), "{text}");
    }
}

/// The payload of a Hello.
pub fn hello(data: &[u8]) {
    let _ = DisconnectReason::from_wire(data.len() as u64).name();
    if let Ok(hello) = Hello::decode(data) {
        assert_eq!(Hello::decode(&hello.encode()).as_ref(), Ok(&hello));
    }
}

/// Bytes of somebody who has not proven anything yet, to both roles: in one piece and byte by byte, which must
/// come to the same.
pub fn rlpx_handshake(data: &[u8]) {
    for make in [accepted, dialled] {
        let whole = feed(make(), data, data.len().max(1));
        let pieces = feed(make(), data, 1);
        assert_eq!(whole, pieces, "how the bytes were cut must not matter");
    }
}

/// What came of a session: its events, and the bytes that it wants to send.
fn feed(mut session: Session, data: &[u8], piece: usize) -> (Vec<Event>, Vec<u8>) {
    let mut rng = rng(9);
    let (mut events, mut output) = (Vec::new(), Vec::new());
    for bytes in data.chunks(piece) {
        session.receive(Now::default(), bytes, &mut rng);
        events.extend(std::iter::from_fn(|| session.poll_event()));
        output.extend(std::iter::from_fn(|| session.poll_transmit()).flatten());
    }
    (events, output)
}

/// Two established sessions and a list of operations: messages, pings by silence, cuts at any byte, damage.
/// Without damage every message arrives, once and in order.
pub fn rlpx_session(data: &[u8]) {
    let mut pair = Pair::established();
    let mut data = data.iter().copied();
    while let (Some(op), Some(arg)) = (data.next(), data.next()) {
        let side = usize::from(op & 1);
        match op >> 1 & 7 {
            0..=2 => pair.send(side, u64::from(arg), usize::from(op >> 4) * 37),
            3 => pair.carry(side, usize::from(arg) + 1),
            4 => pair.damage(side, usize::from(arg), op >> 4),
            5 => pair.wait(u64::from(arg)),
            6 => pair.side[side].disconnect(DisconnectReason::from_wire(u64::from(arg))),
            _ => pair.carry(side, usize::MAX),
        }
        pair.settle();
    }
    for side in [0, 1, 0, 1] {
        pair.carry(side, usize::MAX);
        pair.settle();
    }
    if pair.intact && !pair.over() {
        for side in [0, 1] {
            assert_eq!(pair.received[1 - side], pair.sent[side], "sent and received differ");
        }
    }
}

struct Pair {
    side: [Session; 2],
    /// Bytes on their way from each side.
    wire: [Vec<u8>; 2],
    sent: [Vec<(u64, Vec<u8>)>; 2],
    received: [Vec<(u64, Vec<u8>)>; 2],
    rng: ChaCha20Rng,
    now: Now,
    /// Nothing was damaged.
    intact: bool,
}

impl Pair {
    fn established() -> Self {
        let mut pair = Self {
            side: [dialled(), accepted()],
            wire: Default::default(),
            sent: Default::default(),
            received: Default::default(),
            rng: rng(3),
            now: Now::default(),
            intact: true,
        };
        for side in [0, 1, 0, 1, 0, 1] {
            pair.settle();
            pair.carry(side, usize::MAX);
        }
        pair.settle();
        pair.side.iter_mut().for_each(|session| assert!(!session.is_closed(), "our own handshake succeeds"));
        pair
    }

    fn over(&self) -> bool {
        self.side.iter().any(Session::is_closed)
    }

    fn send(&mut self, side: usize, code: u64, len: usize) {
        let payload = vec![code as u8; len];
        if self.side[side].send(self.now, 0, code, &payload).is_ok() {
            self.sent[side].push((code, payload));
        }
    }

    fn carry(&mut self, side: usize, most: usize) {
        let len = most.min(self.wire[side].len());
        let bytes: Vec<u8> = self.wire[side].drain(..len).collect();
        self.side[1 - side].receive(self.now, &bytes, &mut self.rng);
    }

    fn damage(&mut self, side: usize, at: usize, bit: u8) {
        if let Some(byte) = self.wire[side].get_mut(at) {
            *byte ^= 1 << (bit & 7);
            self.intact = false;
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.side.iter_mut().for_each(|session| session.handle_timeout(self.now));
    }

    fn settle(&mut self) {
        for side in [0, 1] {
            while let Some(event) = self.side[side].poll_event() {
                match event {
                    Event::Authenticated(_) => {
                        self.side[side].admit(self.now, Admission::Admit, &mut self.rng);
                    }
                    Event::Message { code, payload, .. } => self.received[side].push((code, payload)),
                    Event::Closed(Closed::Fault(fault)) => {
                        let _ = (fault.fault(), fault.code());
                    }
                    _ => {}
                }
            }
            while let Some(bytes) = self.side[side].poll_transmit() {
                self.wire[side].extend(bytes);
            }
        }
    }
}

fn accepted() -> Session {
    Session::accept(config(2), Now::default())
}

fn dialled() -> Session {
    Session::dial(config(1), key(2).public(), Now::default(), &mut rng(5))
}

fn config(n: u8) -> Config {
    let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
    Config::new(key(n), "fuzz/v1", vec![offer])
}

/// The recipient has the key of `rlpx.json`, so that its packets open.
fn key(n: u8) -> NodeKey {
    const RECIPIENT: &str = "21720b3a1e6e62a8b1aa878a12eefd558b1b330c9802d9f1af79ec7d88110cdf";
    let key = if n == 2 { SecretKey::from_hex(RECIPIENT) } else { SecretKey::from_slice(&[n; 32]) };
    NodeKey::new(key.expect("a scalar in range"))
}
