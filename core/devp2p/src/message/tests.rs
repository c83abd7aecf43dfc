//! Hello and Disconnect against what go-ethereum reads.

use undertone_vectors::{Value, hex, load};

use super::*;

/// Capabilities as the vectors print them.
fn listed(hello: &Hello) -> String {
    let caps: Vec<_> = hello.capabilities.iter().map(ToString::to_string).collect();
    format!("[{}]", caps.join(" "))
}

#[test]
fn hellos_are_read_as_geth_reads_them() {
    let file = load("rlpx");
    let (mut read, mut refused) = (0, 0);
    for case in file["hello_decoding"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let payload = hex(&case["payload"]);
        assert_eq!(payload.len() as u64, case["size"].as_u64().unwrap(), "{note}");
        let outcome = Hello::decode(&payload);
        match case["expect"].as_str().unwrap() {
            "ok" => {
                let hello = outcome.unwrap_or_else(|e| panic!("{note}: {e}"));
                assert_eq!(hello.version, case["version"].as_u64().unwrap(), "{note}");
                assert_eq!(hello.client, hex(&case["client"]), "{note}");
                assert_eq!(hello.listen_port, case["port"].as_u64().unwrap(), "{note}");
                assert_eq!(listed(&hello), case["caps"].as_str().unwrap(), "{note}");
                // What we make of it is read as the same, and is what came when nothing was tolerated.
                assert_eq!(Hello::decode(&hello.encode()).unwrap(), hello, "{note}");
                if !note.contains("extra") && !note.contains("trailing") {
                    assert_eq!(hello.encode(), payload, "{note}");
                }
                read += 1;
                continue;
            }
            "disconnect reason 7" => {
                let fault = outcome.unwrap_err();
                assert_eq!(fault.disconnect(), Some(DisconnectReason::INVALID_IDENTITY), "{note}");
            }
            "error: message too big" => {
                assert!(matches!(outcome.unwrap_err(), WireError::TooLarge { size: 2_049, .. }), "{note}");
            }
            other => {
                assert!(other.starts_with("error: invalid message"), "{other}");
                assert!(matches!(outcome.unwrap_err(), WireError::Rlp(_)), "{note}");
            }
        }
        refused += 1;
    }
    assert_eq!((read, refused), (7, 7));
}

#[test]
fn the_hello_of_eip_8_has_version_55() {
    let file = load("rlpx");
    let expected = &file["eip8"]["hello_v22_decoded"];
    let hello = Hello::decode(&hex(&file["eip8"]["hello_v22_extra_elements"])).unwrap();
    assert_eq!(hello.version, expected["version"].as_u64().unwrap());
    assert_eq!(hello.client, expected["client"].as_str().unwrap().as_bytes());
    assert_eq!(hello.listen_port, expected["listen_port"].as_u64().unwrap());
    assert_eq!(listed(&hello), expected["caps"].as_str().unwrap());
    assert_eq!(hello.key.to_xy().as_slice(), hex(&expected["id"]));
}

#[test]
fn reasons_are_read_in_both_forms() {
    let file = load("rlpx");
    let mut cases = 0;
    for case in file["disconnect_decoding"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        // "treat as unspecified, close"
        let expected = DisconnectReason::from_wire(case["recommended"].as_u64().unwrap_or(0));
        let raw = hex(&case["payload"]);
        let mut compressed = Vec::new();
        snappy::compress(&raw, &mut compressed);
        assert_eq!(DisconnectReason::decode(&raw, false), expected, "{note}");
        assert_eq!(DisconnectReason::decode(&raw, true), expected, "{note}: raw though snappy is on");
        assert_eq!(DisconnectReason::decode(&compressed, true), expected, "{note}: compressed");
        cases += 1;
    }
    assert_eq!(cases, 11);
}

#[test]
fn reasons_that_end_the_originals_are_never_sent() {
    let file = load("rlpx");
    let crash: &Value = &file["server_behaviour"]["crash"]["payloads"];
    let mut cases = 0;
    for payload in crash.as_array().unwrap() {
        let reason = DisconnectReason::decode(&hex(payload), false);
        assert_eq!(reason.name(), None);
        assert_eq!(reason.encode(), [0xc1, 0x80]);
        cases += 1;
    }
    assert_eq!(cases, 2);
    for value in (0..=u64::from(u16::MAX)).chain([u64::MAX, 1 << 63]) {
        let reason = DisconnectReason::from_wire(value);
        let sent = u64::from(reason.wire());
        assert!(sent <= 0x0b || sent == 0x10);
        assert_eq!(sent == value, reason.name().is_some() || value == 0, "{value:#x}");
    }
}

#[test]
fn unknown_reasons_keep_their_number() {
    assert_eq!(
        format!("{:?}", DisconnectReason::from_wire(0x12c)),
        "DisconnectReason(0x12c undefined reason 0x12c)"
    );
    assert_eq!(format!("{:?}", DisconnectReason::TOO_MANY_PEERS), "DisconnectReason(0x04 too many peers)");
}
