//! Node records.

use proptest::prelude::*;
use undertone_devp2p::enr::{EnrError, Entries, LocalRecord, Record};
use undertone_devp2p::{Endpoint, Enode, Host, NodeKey};
use undertone_vectors::{Value, hex, load};

fn key(n: u8) -> NodeKey {
    NodeKey::from_hex(&format!("{n:02x}").repeat(32)).unwrap()
}

fn pairs(case: &Value) -> Entries {
    case["pairs"].as_array().unwrap().iter().fold(Entries::default(), |entries, pair| {
        entries.with_raw(pair["key"].as_str().unwrap().as_bytes(), &hex(&pair["value_rlp"])).unwrap()
    })
}

#[test]
fn every_valid_record_reads_as_geth_reads_it() {
    let file = load("enr");
    let (mut read, mut refused, mut signed) = (0, 0, 0);
    for case in file["valid"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let text = case["text"].as_str().unwrap();
        let record = Record::decode(&hex(&case["rlp"])).unwrap_or_else(|e| panic!("{note}: {e}"));
        if case.get("ours").is_some() {
            assert_eq!(text.parse::<Record>(), Err(EnrError::Text), "{note}");
            refused += 1;
        } else {
            assert_eq!(text.parse::<Record>().as_ref(), Ok(&record), "{note}");
            assert_eq!(record.to_string(), text, "{note}");
        }
        assert_eq!(record.as_bytes(), hex(&case["rlp"]));
        assert_eq!(record.seq(), case["seq"].as_u64().unwrap());
        assert_eq!(record.key().to_xy().as_slice(), hex(&case["pubkey"]));
        assert_eq!(record.id().as_bytes().as_slice(), hex(&case["node_id"]));
        assert_eq!(Entries::of(&record), pairs(case), "{note}");
        let ip = record.address().map(|ip| ip.to_string()).unwrap_or_default();
        assert_eq!(ip, case["ip_as_geth_sees_it"].as_str().unwrap(), "{note}");
        assert_eq!(u64::from(record.udp().unwrap_or_default()), case["udp"].as_u64().unwrap(), "{note}");
        assert_eq!(u64::from(record.tcp().unwrap_or_default()), case["tcp"].as_u64().unwrap(), "{note}");
        assert_eq!(record.discovery_address().is_some(), case["usable_as_table_node"] == "yes", "{note}");
        if let Some(secret) = case["private_key"].as_str() {
            let key = NodeKey::from_hex(secret).unwrap();
            // Signatures follow RFC 6979, except in the EIP's own example, which was made otherwise.
            if !note.contains("EIP-778 example") && !note.contains("newline") {
                assert_eq!(Record::sign(&key, record.seq(), &pairs(case)), Ok(record), "{note}");
                signed += 1;
            }
        }
        read += 1;
    }
    assert_eq!((read, refused, signed), (20, 1, 17));
}

#[test]
fn every_invalid_record_is_refused_for_its_reason() {
    let file = load("enr");
    let mut count = 0;
    for case in file["invalid"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let expected = match (note, case["expect"].as_str().unwrap()) {
            ("record of exactly 301 bytes", _) => EnrError::TooLarge { size: 301 },
            ("no id" | "id v5", _) => EnrError::Scheme,
            ("public key x >= p", _) => EnrError::Key,
            (_, e) if e.contains("duplicate") => EnrError::Duplicate,
            (_, e) if e.contains("not sorted") => EnrError::Unsorted,
            (_, e) if e.contains("incomplete") => EnrError::Incomplete,
            (_, e) if e.contains("invalid signature") => EnrError::Signature,
            (_, e) if e.contains("missing ENR key") || e.contains("public key") => EnrError::Key,
            (_, e) if e.contains("more than one value") => EnrError::Trailing,
            (_, e) if e.contains("base64") => EnrError::Text,
            _ => EnrError::Rlp,
        };
        assert_eq!(case["text"].as_str().unwrap().parse::<Record>(), Err(expected), "{note}");
        if case.get("rlp").is_some() {
            assert_eq!(Record::decode(&hex(&case["rlp"])), Err(expected), "{note}");
        }
        count += 1;
    }
    assert_eq!(count, 29);
}

#[test]
fn the_number_rises_by_one_with_each_change_and_with_nothing_else() {
    let mut local = LocalRecord::new(key(1), Entries::default().with_tcp(1), None).unwrap();
    assert_eq!(local.record().seq(), 1);
    assert_eq!(local.set(Entries::default().with_tcp(1)), Ok(false));
    assert_eq!(local.set(Entries::default().with_tcp(2)), Ok(true));
    assert_eq!((local.record().seq(), local.record().tcp()), (2, Some(2)));
    let stored = local.record().clone();
    // The next start, with the same content and with another.
    let same = LocalRecord::new(key(1), Entries::default().with_tcp(2), Some(&stored)).unwrap();
    assert_eq!(same.record(), &stored);
    let changed = LocalRecord::new(key(1), Entries::default().with_tcp(3), Some(&stored)).unwrap();
    assert_eq!(changed.record().seq(), 3);
    // A record of another node says nothing about this one.
    let other = LocalRecord::new(key(2), Entries::default(), Some(&stored)).unwrap();
    assert_eq!(other.record().seq(), 1);
}

#[test]
fn a_record_that_would_be_too_large_changes_nothing() {
    let mut local = LocalRecord::new(key(1), Entries::default(), None).unwrap();
    let before = local.record().clone();
    let outcome = local.set(local.entries().clone().with_string(b"z", &[0; 300]));
    assert!(matches!(outcome, Err(EnrError::TooLarge { .. })), "{outcome:?}");
    assert_eq!(local.record(), &before);
    assert_eq!(local.set(local.entries().clone()), Ok(false));
}

#[test]
fn an_enode_becomes_a_record_and_comes_back() {
    for (ip, udp) in [("1.2.3.4", 5), ("2a01:4f8::1", 30303), ("1.2.3.4", 0)] {
        let endpoint = Endpoint { host: Host::Ip(ip.parse().unwrap()), tcp: 30303, udp };
        let enode = Enode::new(key(1).public(), endpoint);
        let record = Record::sign(&key(1), 1, &Entries::of_enode(&enode)).unwrap();
        assert_eq!(record.to_enode(), enode);
    }
    let bare = Enode::incomplete(key(1).public());
    let record = Record::sign(&key(1), 1, &Entries::of_enode(&bare)).unwrap();
    assert_eq!(record.to_enode(), bare);
}

#[test]
fn ipv6_ports_fall_back_and_stay_apart() {
    let v6 = "[2a01:4f8::1]:9".parse().unwrap();
    let sign = |entries: &Entries| Record::sign(&key(1), 1, entries).unwrap();
    let alone = sign(&Entries::default().with_discovery(v6));
    assert_eq!((alone.udp(), alone.udp6(), alone.value(b"udp6")), (Some(9), Some(9), None));
    let both = sign(&Entries::default().with_discovery("1.2.3.4:7".parse().unwrap()).with_discovery(v6));
    assert_eq!((both.udp(), both.udp6()), (Some(7), Some(9)));
    assert!(Entries::default().with_raw(b"a", &[0x82, 1]).is_none());
    assert!(Entries::default().with_raw(b"a", &[1, 2]).is_none());
}

#[test]
fn codes_are_stable() {
    use EnrError::*;
    let all =
        [TooLarge { size: 1 }, Rlp, Incomplete, Duplicate, Unsorted, Trailing, Scheme, Key, Signature, Text];
    let codes: std::collections::BTreeSet<_> = all.iter().map(EnrError::code).collect();
    assert_eq!(codes.len(), all.len());
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,60}") {
        let _ = Record::decode(&bytes);
        let _ = format!("enr:{text}").parse::<Record>();
    }

    #[test]
    fn a_record_with_one_byte_changed_is_refused(at in 0usize..130, bit in 0u32..8) {
        let record = Record::sign(&key(1), 7, &Entries::default().with_tcp(30303)).unwrap();
        let mut bytes = record.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(Record::decode(&bytes).is_err());
    }

    #[test]
    fn what_is_signed_is_read_as_the_same(
        seq: u64, ip: std::net::IpAddr, tcp: u16, udp: u16, key_name in "[a-z]{0,9}",
        value in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let entries = Entries::default().with_string(key_name.as_bytes(), &value).with_ip(ip).with_tcp(tcp)
            .with_udp(udp);
        let record = Record::sign(&key(1), seq, &entries).unwrap();
        prop_assert_eq!(&Record::decode(record.as_bytes()).unwrap(), &record);
        prop_assert_eq!(&record.to_string().parse::<Record>().unwrap(), &record);
        prop_assert_eq!(record.address(), Some(ip.to_canonical()));
        prop_assert_eq!((record.tcp(), record.udp()), (Some(tcp), Some(udp)));
    }
}
