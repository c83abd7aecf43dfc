//! Finding other nodes: records, the packets of discovery v4, what a node keeps of others, and the machine.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{PublicKey, SecretKey, Signature, keccak256};
use undertone_devp2p::discv4::{
    Config, Contact, Discovery, Event, Input, Packet, Sizes, StoredNode, Walk, WireEndpoint, WireNode,
    check_neighbor, decode,
};
use undertone_devp2p::enr::{Entries, LocalRecord, Record};
use undertone_devp2p::{NodeKey, limits};
use undertone_support::{ChaCha20Rng, rng};

/// A node record, as bytes and as text.
pub fn enr(data: &[u8]) {
    if let Ok(record) = Record::decode(data) {
        assert_eq!(record.as_bytes(), data, "what is kept is what came");
        record_survives(&record);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(record) = text.parse::<Record>() {
        assert_eq!(record.to_string(), text, "a record has one text");
        record_survives(&record);
    }
}

/// A record that was read can be written in both forms, and its entries can be signed by another node.
fn record_survives(record: &Record) {
    assert!(record.as_bytes().len() <= limits::MAX_RECORD);
    assert_eq!(Record::decode(record.as_bytes()).as_ref(), Ok(record));
    assert_eq!(record.to_string().parse().as_ref(), Ok(record));
    let _ = (record.discovery_address(), Contact::of_record(record), record.pairs().count());
    let enode = record.to_enode();
    assert_eq!(enode.to_string().parse().as_ref(), Ok(&enode));
    if let Ok(signed) = Record::sign(&NodeKey::new(key(0)), record.seq(), &Entries::of(record)) {
        assert_eq!(Record::decode(signed.as_bytes()).as_ref(), Ok(&signed));
    }
}

/// A datagram: as it is, and its content hashed and signed anew, because no mutation gets past the hash.
pub fn discv4_packet(data: &[u8]) {
    packet_survives(data);
    if let Some(body) = data.get(HEAD..) {
        packet_survives(&sealed(body, &key(1)));
    }
}

fn packet_survives(datagram: &[u8]) {
    let Ok(signed) = decode(datagram) else { return };
    let again = signed.packet.encode(&NodeKey::new(key(1)));
    assert_eq!(again.len(), signed.packet.encoded_len());
    assert_eq!(decode(&again).map(|again| again.packet).as_ref(), Ok(&signed.packet));
    if let Packet::Neighbors { nodes, .. } = &signed.packet {
        let _ = nodes.iter().filter_map(|node| check_neighbor(address(0).ip(), node).ok()).count();
    }
    let _ = (signed.packet.expired(start().unix), signed.packet.kind());
}

/// A row of the node database.
pub fn discv4_stored(data: &[u8]) {
    if let Some(node) = StoredNode::decode(data) {
        assert_eq!(StoredNode::decode(&node.encode()).as_ref(), Some(&node));
    }
}

/// The machine among peers of which any may lie. The input is a list of records: operation, length (2 bytes),
/// that many bytes. The operation's low bits name a peer, the next ones say what it sends, what the layer above
/// wishes, or that time passes.
pub fn discovery(data: &[u8]) {
    let mut alone = Alone::new();
    for (op, body) in crate::records(data) {
        alone.step(op, body);
    }
}

struct Alone {
    node: Discovery,
    now: Now,
    rng: ChaCha20Rng,
    /// What the machine sent: to whom, of which type, its hash. For answers that it asked for.
    sent: Vec<(SocketAddr, u8, [u8; 32])>,
    /// Who answered a ping of ours, and where.
    proved: BTreeSet<(PublicKey, IpAddr)>,
}

impl Alone {
    fn new() -> Self {
        let boot = [1, 2].map(|who| contact(who).to_enode()).to_vec();
        let config = Config { boot, walk: Walk::On, ..Config::new(local(0)) };
        let (now, rng) = (start(), rng(9));
        let node = Discovery::new(config, now);
        let mut alone = Self { node, now, rng, sent: Vec::new(), proved: BTreeSet::new() };
        alone.pass(Duration::ZERO);
        alone
    }

    fn step(&mut self, op: u8, body: &[u8]) {
        let who = (op & 3) + 1;
        let expiration = self.now.unix.secs() + 20;
        match op >> 2 & 7 {
            0 => self.datagram(who, body),
            1 => self.datagram(who, &sealed(body, &key(who))),
            2 => self.tell(who, ping(who, expiration, body.len())),
            3 => self.tell(who, self.answer(who, body, expiration)),
            4 => self.tell(who, Packet::FindNode { target: [op; 64], expiration }),
            5 => self.tell(who, Packet::EnrRequest { expiration }),
            6 => self.pass(Duration::from_millis(100 * body.len() as u64)),
            _ => self.wish(who, op >> 5),
        }
        assert!(self.node.poll_timeout().is_some(), "a timer runs always");
        self.is_bounded();
    }

    /// What answers: a Pong, Neighbors or a record. The first byte says which, the second which of the requests to
    /// this peer it quotes, counted from the last.
    fn answer(&self, who: u8, body: &[u8], expiration: u64) -> Packet {
        let (&[kind, back], rest) = body.split_first_chunk().unwrap_or((&[0, 0], &[]));
        let quoted = |kind| {
            let asked = self.sent.iter().rev().filter(|(to, sent, _)| (*to, *sent) == (address(who), kind));
            asked.map(|(.., hash)| *hash).nth(usize::from(back)).unwrap_or_default()
        };
        match kind % 3 {
            0 => {
                let to = WireEndpoint::new(address(rest.first().copied().unwrap_or(0)), 30303);
                Packet::Pong { to, ping_hash: quoted(1), expiration, enr_seq: Some(9) }
            }
            1 => {
                let nodes = rest.iter().take(limits::NEIGHBORS_PER_PACKET).map(|n| wire_node(*n)).collect();
                Packet::Neighbors { nodes, expiration }
            }
            _ => Packet::EnrResponse {
                request_hash: quoted(5),
                record: local(who).record().as_bytes().to_vec(),
            },
        }
    }

    fn wish(&mut self, who: u8, which: u8) {
        let input = match which {
            0..=2 => Input::Lookup { id: u64::from(which), target: key(who).public().to_xy() },
            3 | 4 => Input::RequestRecord(contact(who)),
            5 => Input::ExternalAddress((who > 1).then(|| address(who).ip())),
            6 => Input::Walk(if who > 1 { Walk::On } else { Walk::Off }),
            _ => Input::Nodes((who..who + 30).map(contact).collect()),
        };
        let _ = self.node.handle(self.now, input, &mut self.rng);
        self.drain();
    }

    fn tell(&mut self, who: u8, packet: Packet) {
        self.datagram(who, &packet.encode(&NodeKey::new(key(who))));
    }

    /// Nobody gets more bytes for a datagram than it has, before it proved that it is where it says it is.
    fn datagram(&mut self, who: u8, bytes: &[u8]) {
        let from = address(who);
        let before = Sizes { limited: 0, ..self.node.sizes() };
        let outcome = self.node.handle(self.now, Input::Datagram { from, bytes }, &mut self.rng);
        if let Err(refused) = outcome {
            let _ = (refused.fault(), refused.code());
            let after = Sizes { limited: 0, ..self.node.sizes() };
            assert_eq!(after, before, "what is refused changes nothing: {refused}");
        }
        let sent = self.drain();
        let Ok(signed) = decode(bytes) else { return assert!(sent.is_empty()) };
        let peer = (signed.sender, from.ip());
        if outcome.is_ok() && matches!(signed.packet, Packet::Pong { .. }) {
            self.proved.insert(peer);
        }
        if !self.proved.contains(&peer) {
            assert!(sent.iter().all(|(to, _)| *to == from), "a stranger has us write to others");
            let out: usize = sent.iter().map(|(_, len)| len).sum();
            assert!(out <= bytes.len(), "{out} bytes for {} of a stranger", bytes.len());
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.node.handle_timeout(self.now, &mut self.rng);
        self.drain();
    }

    fn drain(&mut self) -> Vec<(SocketAddr, usize)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.node.poll_transmit(self.now) {
            assert!(transmit.bytes.len() <= limits::MAX_DATAGRAM);
            let signed = decode(&transmit.bytes).expect("what is sent is a packet");
            self.sent.push((transmit.to, signed.packet.kind(), signed.hash));
            sent.push((transmit.to, transmit.bytes.len()));
        }
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::LookupDone { closest, .. } => assert!(closest.len() <= limits::BUCKET_SIZE),
                Event::Store(nodes) => {
                    for node in nodes {
                        assert_eq!(StoredNode::decode(&node.encode()).as_ref(), Some(&node));
                    }
                }
                _ => {}
            }
        }
        sent
    }

    fn is_bounded(&self) {
        let sizes = self.node.sizes();
        let bounded = sizes.table <= limits::BUCKETS * limits::BUCKET_SIZE
            && sizes.replacements <= limits::BUCKETS * limits::REPLACEMENTS
            && sizes.bonds <= limits::MAX_BONDS
            // Our own wishes ping beyond what strangers can make us ping.
            && sizes.pings <= limits::MAX_PINGS_OUT + 20
            && sizes.queries <= limits::LOOKUP_PARALLEL + limits::MAX_RECORD_REQUESTS
            && sizes.limited <= 2 * limits::MAX_LIMITED
            && sizes.votes <= limits::MAX_VOTES
            && sizes.waiting == 0;
        assert!(bounded, "{sizes:?}");
    }
}

/// Bytes of a datagram before its type.
const HEAD: usize = 97;

/// Type and content, hashed and signed.
fn sealed(body: &[u8], key: &SecretKey) -> Vec<u8> {
    let signature = Signature::sign(&keccak256(body), key);
    let signed = [&signature.as_bytes()[..], body].concat();
    [&keccak256(&signed)[..], &signed].concat()
}

fn ping(who: u8, expiration: u64, padding: usize) -> Packet {
    Packet::Ping {
        version: 4,
        from: WireEndpoint::new(address(who), 30303),
        to: WireEndpoint::new(address(0), 0),
        expiration,
        enr_seq: Some(9),
        padding: padding.checked_sub(1),
    }
}

fn start() -> Now {
    Now { mono: Mono::ZERO, unix: Unix::from_secs(1_780_000_000) }
}

fn local(who: u8) -> LocalRecord {
    let entries = Entries::default().with_discovery(address(who)).with_tcp(30303);
    LocalRecord::new(NodeKey::new(key(who)), entries, None).expect("a short record")
}

fn contact(who: u8) -> Contact {
    Contact::new(key(who).public(), address(who), 30303)
}

fn wire_node(who: u8) -> WireNode {
    WireNode { endpoint: WireEndpoint::new(address(who), 30303), key: key(who).public().to_xy() }
}

/// Two nodes share a /24.
fn address(who: u8) -> SocketAddr {
    SocketAddr::from(([34, 70, who / 2, who], 30303))
}

fn key(who: u8) -> SecretKey {
    SecretKey::from_slice(&[who % 0xf0 + 1; 32]).expect("a scalar in range")
}
