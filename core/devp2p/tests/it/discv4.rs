//! Discovery v4: packets and addresses.

use std::net::IpAddr;

use proptest::prelude::*;
use undertone_base::Unix;
use undertone_devp2p::discv4::{Packet, PacketError, RelayFault, WireNode, check_neighbor, decode};
use undertone_devp2p::{NodeId, NodeKey};
use undertone_vectors::{Value, hex, hex_n, load};

/// An hour of 2026, before the vectors expire.
const NOW: Unix = Unix::from_secs(1_780_000_000);

fn keys(file: &Value) -> [NodeKey; 2] {
    ["a_key", "b_key"].map(|name| {
        NodeKey::from_hex(file.pointer(&format!("/keys/{name}")).unwrap().as_str().unwrap()).unwrap()
    })
}

#[test]
fn own_packets_are_rebuilt_byte_for_byte() {
    let file = load("discv4");
    let [a, b] = keys(&file);
    let mut count = 0;
    for case in file["packets"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let bytes = hex(&case["packet"]);
        count += 1;
        if bytes.len() > 1280 {
            assert_eq!(decode(&bytes), Err(PacketError::Size { size: 1296 }), "{note}");
            continue;
        }
        let signed = decode(&bytes).unwrap_or_else(|e| panic!("{note}: {e}"));
        let key = if case["sender"] == "a" { &a } else { &b };
        assert_eq!(signed.hash, hex_n::<32>(&case["hash"]), "{note}");
        assert_eq!(signed.sender.to_xy().as_slice(), hex(&case["sender_pub_recovered"]), "{note}");
        assert_eq!(u64::from(signed.packet.kind()), case["type"].as_u64().unwrap(), "{note}");
        assert_eq!(signed.packet.encode(key), bytes, "{note}");
        assert_eq!(signed.packet.encoded_len(), bytes.len(), "{note}");
        let expired = note.contains("expired") || note.contains("2^64-1");
        assert_eq!(signed.packet.expired(NOW), expired, "{note}");
        let fields = &case["fields"];
        match &signed.packet {
            Packet::Ping { enr_seq, from, .. } => {
                if let Some(seq) = fields.get("enr_seq") {
                    assert_eq!(*enr_seq, seq.as_u64(), "{note}");
                }
                assert_eq!(from.ip.is_empty(), note.contains("empty IP"), "{note}");
            }
            Packet::Pong { enr_seq, ping_hash, .. } => {
                if fields.get("ping_hash").is_some() {
                    assert_eq!((*enr_seq, *ping_hash), (Some(3), hex_n(&fields["ping_hash"])));
                }
            }
            Packet::FindNode { target, .. } => assert_eq!(target.as_slice(), hex(&fields["target"])),
            Packet::Neighbors { nodes, .. } => {
                assert_eq!(nodes.len() as u64, fields["count"].as_u64().unwrap())
            }
            Packet::EnrRequest { .. } => {}
            Packet::EnrResponse { record, .. } => assert_eq!(record, &hex(&fields["enr_rlp"])),
        }
    }
    assert_eq!(count, 16);
}

#[test]
fn the_packets_of_eip_8_are_read() {
    let file = load("discv4");
    let mut count = 0;
    for case in file["eip8_published"]["packets"].as_array().unwrap() {
        let signed = decode(&hex(&case["packet"])).unwrap();
        assert_eq!(signed.sender.to_xy().as_slice(), hex(&case["sender_pub"]));
        assert_eq!(signed.hash, hex_n::<32>(&case["hash"]));
        assert!(signed.packet.expired(NOW) && !signed.packet.expired(Unix::from_secs(1_136_239_445)));
        let fields = &case["fields"];
        match signed.packet {
            Packet::Ping { version, enr_seq, .. } => {
                assert_eq!(Some(version), fields["version"].as_u64());
                assert_eq!(Some(enr_seq.unwrap_or_default()), fields["enr_seq_as_geth_reads_it"].as_u64());
            }
            Packet::Pong { ping_hash, enr_seq, .. } => {
                assert_eq!((ping_hash, enr_seq), (hex_n(&fields["ping_hash"]), None));
            }
            Packet::FindNode { target, .. } => assert_eq!(target.as_slice(), hex(&fields["target"])),
            Packet::Neighbors { nodes, .. } => {
                let listed = fields["nodes"].as_array().unwrap();
                assert_eq!(nodes.len(), listed.len());
                for (node, text) in nodes.iter().zip(listed) {
                    let ip = node.endpoint.address().unwrap();
                    let head = format!("{ip} udp {} tcp {} ", node.endpoint.udp, node.endpoint.tcp);
                    assert!(text.as_str().unwrap().starts_with(&head), "{head}");
                }
            }
            other => panic!("{other:?}"),
        }
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn odd_and_malformed_packets_are_judged_as_geth_judges_them() {
    let file = load("discv4");
    let (mut taken, mut expired, mut refused) = (0, 0, 0);
    for case in file["negative"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let outcome = decode(&hex(&case["packet"]));
        let expected = match case["expect"].as_str().unwrap() {
            "ok" => {
                let packet = outcome.unwrap_or_else(|e| panic!("{note}: {e}")).packet;
                assert!(!packet.expired(NOW), "{note}");
                if note.contains("enr-seq is a list") {
                    assert!(matches!(packet, Packet::Ping { enr_seq: None, .. }));
                }
                taken += 1;
                continue;
            }
            "expired" => {
                assert!(outcome.unwrap().packet.expired(NOW), "{note}");
                expired += 1;
                continue;
            }
            e if e.contains("bad hash") => Some(PacketError::Hash),
            e if e.contains("too small") => Some(PacketError::Size { size: 97 }),
            e if e.contains("unknown type: 0") => Some(PacketError::UnknownType(0)),
            e if e.contains("unknown type: 7") => Some(PacketError::UnknownType(7)),
            e if e.contains("recover") => Some(PacketError::Signature),
            _ => None,
        };
        match expected {
            Some(expected) => assert_eq!(outcome, Err(expected), "{note}"),
            None => assert!(matches!(outcome, Err(PacketError::Rlp(_))), "{note}: {outcome:?}"),
        }
        refused += 1;
    }
    assert_eq!((taken, expired, refused), (7, 2, 19));
}

#[test]
fn neighbors_are_taken_as_geth_takes_them() {
    let file = load("discv4");
    let mut count = 0;
    for case in file["neighbor_acceptance"].as_array().unwrap() {
        let port = |name: &str| u16::try_from(case[name].as_u64().unwrap()).unwrap();
        let endpoint = undertone_devp2p::discv4::WireEndpoint {
            ip: hex(&case["ip"]),
            udp: port("udp"),
            tcp: port("tcp"),
        };
        let node = WireNode { endpoint, key: hex_n(&case["id"]) };
        let teller: IpAddr = case["sender_ip"].as_str().unwrap().parse().unwrap();
        let expected = match case["expect"].as_str().unwrap() {
            "accepted" => None,
            e if e.contains("low port") => Some(RelayFault::LowPort),
            e if e.contains("LAN address") => Some(RelayFault::Lan),
            e if e.contains("loopback") => Some(RelayFault::Loopback),
            e if e.contains("zero address") => Some(RelayFault::Unspecified),
            e if e.contains("special") => Some(RelayFault::Special),
            e if e.contains("invalid IP") => Some(RelayFault::Length),
            e => {
                assert!(e.contains("curve point"), "{e}");
                Some(RelayFault::Key)
            }
        };
        assert_eq!(check_neighbor(teller, &node).err(), expected, "{}", case["note"]);
        count += 1;
    }
    assert_eq!(count, 19);
}

#[test]
fn distances_are_those_of_geth() {
    let file = load("discv4");
    let mut count = 0;
    for case in file["distances"].as_array().unwrap() {
        let id = |name: &str| NodeId::from_bytes(hex_n(&case[name]));
        let distance = id("a").log_distance(&id("b"));
        assert_eq!(u64::from(distance), case["log_dist"].as_u64().unwrap());
        assert_eq!(distance, id("b").log_distance(&id("a")));
        count += 1;
    }
    assert_eq!(count, 6);
}

proptest! {
    #[test]
    fn a_changed_byte_is_noticed(at in 0usize..104, bit in 0u32..8) {
        let key = NodeKey::from_hex(&"01".repeat(32)).unwrap();
        let mut bytes = Packet::EnrRequest { expiration: 1_780_000_000 }.encode(&key);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(decode(&bytes), Err(PacketError::Hash));
    }

    #[test]
    fn any_content_under_a_right_hash_and_signature_is_read_without_panic(
        kind in 0u8..8, list in proptest::collection::vec(any::<u8>(), 0..200), wrap: bool,
    ) {
        use undertone_crypto::{SecretKey, Signature, keccak256};
        let key = SecretKey::from_slice(&[1; 32]).unwrap();
        let mut body = vec![kind];
        if wrap {
            alloy_list(&mut body, &list);
        } else {
            body.extend_from_slice(&list);
        }
        let mut signed = Signature::sign(&keccak256(&body), &key).as_bytes().to_vec();
        signed.extend_from_slice(&body);
        let mut bytes = keccak256(&signed).to_vec();
        bytes.extend_from_slice(&signed);
        let _ = decode(&bytes);
        let _ = decode(&list);
    }
}

/// A list header of the right length before the bytes.
fn alloy_list(out: &mut Vec<u8>, payload: &[u8]) {
    match u8::try_from(payload.len()).unwrap() {
        short @ 0..=55 => out.push(0xc0 + short),
        long => out.extend_from_slice(&[0xf8, long]),
    }
    out.extend_from_slice(payload);
}
