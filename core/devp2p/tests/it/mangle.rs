//! Bad input, systematically: records, discovery packets, what the database keeps, and the texts of node lists.

use undertone_crypto::{SecretKey, Signature, keccak256};
use undertone_devp2p::NodeKey;
use undertone_devp2p::discv4::{Contact, Packet, PacketError, StoredNode, WireEndpoint, WireNode, decode};
use undertone_devp2p::dnsdisc::{DnsError, Entry, Link, Root, Tree, TreeHash};
use undertone_devp2p::enr::{EnrError, Entries, Record};
use undertone_support::mangle::{self, Mutation, Trial, Whose};

fn key() -> NodeKey {
    NodeKey::from_hex(&"01".repeat(32)).unwrap()
}

fn record() -> Record {
    let entries = Entries::default().with_ip("1.2.3.4".parse().unwrap()).with_udp(30303).with_tcp(30303);
    let entries = entries.with_raw(b"eth", &[0xc2, 0x01, 0x80]).unwrap();
    Record::sign(&key(), 7, &entries).unwrap()
}

/// Bytes and lists mangled.
fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::rlp(sample));
    made
}

#[test]
fn mangled_records_are_refused() {
    let mut trial = Trial::new(Whose::Peer);
    for mutation in of(record().as_bytes()) {
        let taken = trial.run(&mutation, Record::decode, |e: &EnrError| (e.fault(), e.code()));
        assert_eq!(taken, None, "{}", mutation.name);
    }
    trial.at_least(600, 600);
}

/// A list around these items.
fn list(items: &[u8]) -> Vec<u8> {
    let header = match u8::try_from(items.len()) {
        Ok(short @ 0..=55) => vec![0xc0 + short],
        Ok(long) => vec![0xf8, long],
        Err(_) => [&[0xf9][..], &u16::try_from(items.len()).unwrap().to_be_bytes()].concat(),
    };
    [header, items.to_vec()].concat()
}

#[test]
fn mangled_contents_under_a_right_signature_are_refused_or_kept_as_they_are() {
    let secret = SecretKey::from_slice(&[1; 32]).unwrap();
    let raw = record().as_bytes().to_vec();
    // Behind the header of the list and the signature with its own.
    let content = raw.get(2 + 66..).unwrap();
    let mut trial = Trial::new(Whose::Peer);
    for mutation in of(&list(content)) {
        let Some(content) = mutation.bytes.get(2..) else { continue };
        let signature = Signature::sign(&keccak256(&list(content)), &secret);
        let (rs, _) = signature.as_bytes().split_at(64);
        let bytes = list(&[&[0xb8, 64], rs, content].concat());
        let mangled = Mutation::new(mutation.name, bytes);
        if let Some(read) = trial.run(&mangled, Record::decode, |e: &EnrError| (e.fault(), e.code())) {
            assert_eq!(read.as_bytes(), mangled.bytes, "{}", mangled.name);
            assert_eq!(
                Record::sign(&key(), read.seq(), &Entries::of(&read)).as_ref(),
                Ok(&read),
                "{}",
                mangled.name
            );
        }
    }
    trial.at_least(500, 300);
}

#[test]
fn mangled_texts_of_records_are_refused() {
    let mut trial = Trial::new(Whose::Peer);
    for mutation in mangle::text(&record().to_string()) {
        let parse = |bytes: &[u8]| std::str::from_utf8(bytes).map_err(|_| EnrError::Text)?.parse::<Record>();
        let taken = trial.run(&mutation, parse, |e| (e.fault(), e.code()));
        assert_eq!(taken, None, "{}", mutation.name);
    }
    trial.at_least(1_500, 1_500);
}

/// A datagram around these bytes, with a right hash and signature.
fn datagram(kind: u8, list: &[u8]) -> Vec<u8> {
    let secret = SecretKey::from_slice(&[1; 32]).unwrap();
    let body = [&[kind][..], list].concat();
    let signature = Signature::sign(&keccak256(&body), &secret);
    let signed = [signature.as_bytes().as_slice(), &body].concat();
    [keccak256(&signed).as_slice(), &signed].concat()
}

#[test]
fn mangled_packets_are_refused_or_read_as_what_they_say() {
    let endpoint = || WireEndpoint::new("1.2.3.4:30303".parse().unwrap(), 30303);
    let node = || WireNode { endpoint: endpoint(), key: key().public().to_xy() };
    let expiration = 1_780_000_000;
    let packets = [
        Packet::Ping {
            version: 4,
            from: endpoint(),
            to: endpoint(),
            expiration,
            enr_seq: Some(7),
            padding: Some(3),
        },
        Packet::Pong { to: endpoint(), ping_hash: [7; 32], expiration, enr_seq: Some(7) },
        Packet::FindNode { target: [7; 64], expiration },
        Packet::Neighbors { nodes: vec![node(), node()], expiration },
        Packet::EnrRequest { expiration },
        Packet::EnrResponse { request_hash: [7; 32], record: record().as_bytes().to_vec() },
    ];
    let says = |e: &PacketError| (e.fault(), e.code());
    let mut trial = Trial::new(Whose::Peer);
    for packet in packets {
        let bytes = packet.encode(&key());
        for mutation in mangle::bytes(&bytes) {
            // A datagram that is not as it was signed is none.
            assert_eq!(trial.run(&mutation, decode, says), None, "{}", mutation.name);
        }
        let list = bytes.get(98..).unwrap();
        for mutation in of(list) {
            let mangled = Mutation::new(mutation.name, datagram(packet.kind(), &mutation.bytes));
            let Some(read) = trial.run(&mangled, decode, says) else { continue };
            assert_eq!(read.sender, key().public());
            // What is behind the known fields is skipped, and so not encoded again.
            let again = decode(&read.packet.encode(&key())).unwrap();
            assert_eq!(again.packet, read.packet, "{}", mangled.name);
        }
    }
    trial.at_least(5_000, 4_000);
}

#[test]
fn mangled_stored_nodes_are_forgotten_or_the_same_form() {
    let contact = Contact::new(key().public(), "1.2.3.4:30303".parse().unwrap(), 30303);
    let last_pong = undertone_base::Unix::from_secs(1_780_000_000);
    let sample = StoredNode { contact, last_pong, record: Some(record()) }.encode();
    let (mut tried, mut refused) = (0, 0);
    for mutation in of(&sample) {
        tried += 1;
        match StoredNode::decode(&mutation.bytes) {
            None => refused += 1,
            Some(node) => assert_eq!(node.encode(), mutation.bytes, "{}", mutation.name),
        }
    }
    assert!(tried > 900 && refused > 800, "{tried} {refused}");
}

#[test]
fn mangled_texts_of_node_lists_are_refused_or_another_text() {
    let link = Link::new(key().public(), "nodes.example").unwrap();
    let says = |e: &DnsError| (e.fault(), e.code());
    let mut trial = Trial::new(Whose::Peer);
    let branch = Entry::Branch(vec![TreeHash::of("a"), TreeHash::of("b")]);
    for entry in [branch, Entry::Link(link.clone()), Entry::Node(record())] {
        for mutation in mangle::text(&entry.to_string()) {
            let parse = |bytes: &[u8]| {
                std::str::from_utf8(bytes).map_err(|_| DnsError::UnknownEntry)?.parse::<Entry>()
            };
            if let Some(read) = trial.run(&mutation, parse, says) {
                assert_ne!(read, entry, "{}", mutation.name);
            }
        }
    }
    trial.at_least(2_500, 2_000);
    let root = Tree::build(&[record()], &[link], 7, &key()).root().to_string();
    let mut trial = Trial::new(Whose::Peer);
    for mutation in mangle::text(&root) {
        let parse = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).map_err(|_| DnsError::Root)?;
            text.parse::<Root>().and_then(|root| root.verify(&key().public()))
        };
        if trial.run(&mutation, parse, says).is_some() {
            // Only text after the signature, which geth ignores too, and its last byte, which nobody looks at.
            assert!(mutation.bytes.starts_with(&root.as_bytes()[..root.len() - 2]), "{}", mutation.name);
        }
    }
    trial.at_least(1_000, 1_000);
}
