//! Auth and ack against packets of go-ethereum and of EIP-8.

use undertone_base::Secret;
use undertone_support::rng;
use undertone_vectors::{Value, hex, hex_n, load};

use super::*;
use crate::error::WireError;

fn secret_key(value: &Value) -> SecretKey {
    SecretKey::from_slice(&hex(value)).unwrap()
}

fn node_key(value: &Value) -> NodeKey {
    NodeKey::new(secret_key(value))
}

fn entropy(inputs: &Value, side: &str, packet: &str, padding: &Value) -> Entropy {
    Entropy {
        ephemeral: secret_key(&inputs[format!("{side}_ephemeral_key")]),
        nonce: Secret::new(hex_n(&inputs[format!("{side}_nonce")])),
        ecies_ephemeral: secret_key(&inputs[format!("{packet}_ecies_ephemeral_key")]),
        ecies_iv: hex_n(&inputs[format!("{packet}_ecies_iv")]),
        padding: padding.as_u64().map_or(0, |n| usize::try_from(n).unwrap()),
    }
}

/// Both ends of a recorded handshake, rebuilt from its inputs: (initiator, recipient). Every packet must be
/// the recorded one, byte for byte.
pub(crate) fn replay(handshake: &Value) -> (Keyed, Keyed) {
    let inputs = &handshake["inputs"];
    let (a, b) = (node_key(&inputs["initiator_static_key"]), node_key(&inputs["recipient_static_key"]));
    assert_eq!(a.public().to_xy().as_slice(), hex(&inputs["initiator_static_pub"]));
    let recorded = hex(&handshake["auth"]["packet"]);
    let padding = &handshake["auth"]["padding_len"];
    let drawn = entropy(inputs, "initiator", "auth", padding);

    let initiator = if handshake["format"] == "EIP-8" {
        let (initiator, auth) = Initiator::start_with(&a, b.public(), drawn);
        assert_eq!(auth, recorded);
        initiator
    } else {
        // We never send this form; the recorded packet stands in for ours.
        let plain = hex(&handshake["auth"]["plaintext"]);
        let auth = ecies::encrypt_with(&b.public(), &plain, b"", &drawn.ecies_ephemeral, &drawn.ecies_iv);
        assert_eq!(auth, recorded);
        Initiator {
            remote: b.public(),
            ephemeral: drawn.ephemeral,
            nonce: drawn.nonce,
            auth,
            plain_ruled_out: false,
        }
    };
    let drawn = entropy(inputs, "recipient", "ack", &handshake["ack"]["padding_len"]);
    let Step::Done((recipient, ack), consumed) = Recipient::new().read_with(&b, &recorded, || drawn).unwrap()
    else {
        panic!("the auth is whole");
    };
    assert_eq!((consumed, &ack), (recorded.len(), &hex(&handshake["ack"]["packet"])));
    let Step::Done(initiator, consumed) = initiator.read(&a, &ack).unwrap() else {
        panic!("the ack is whole");
    };
    assert_eq!(consumed, ack.len());
    assert_eq!((initiator.remote, recipient.remote), (b.public(), a.public()));
    (initiator, recipient)
}

#[test]
fn recorded_handshakes_are_rebuilt_byte_for_byte() {
    let file = load("rlpx");
    let mut cases = 0;
    let sessions = ["session_eip8_snappy", "session_plain_nosnappy", "negative_frames"];
    for handshake in sessions.map(|name| &file[name]["handshake"]) {
        let (initiator, recipient) = replay(handshake);
        let derived = &handshake["derived"];
        for keyed in [&initiator, &recipient] {
            assert_eq!(keyed.secrets.aes.expose().as_slice(), hex(&derived["aes_secret"]));
            assert_eq!(keyed.secrets.mac.expose().as_slice(), hex(&derived["mac_secret"]));
        }
        let digests = [
            (&initiator.secrets.egress, "initiator_egress_mac_initial_digest"),
            (&initiator.secrets.ingress, "initiator_ingress_mac_initial_digest"),
            (&recipient.secrets.egress, "recipient_egress_mac_initial_digest"),
            (&recipient.secrets.ingress, "recipient_ingress_mac_initial_digest"),
        ];
        for (state, name) in digests {
            assert_eq!(state.snapshot().as_slice(), hex(&derived[name]), "{name}");
        }
        cases += 1;
    }
    assert_eq!(cases, 3);
}

#[test]
fn the_handshakes_of_eip_8() {
    let file = load("rlpx");
    let eip8 = &file["eip8"];
    let (a, b) = (node_key(&eip8["static_key_a"]), node_key(&eip8["static_key_b"]));
    let mut cases = 0;
    for case in eip8["handshakes"].as_array().unwrap() {
        let (auth, ack) = (hex(&case["auth"]), hex(&case["ack"]));
        let packet = match read_packet(|point| b.ecdh(point), &auth, PLAIN_AUTH, &mut false).unwrap() {
            Packet::Whole(packet) => packet,
            Packet::More(_) => panic!("whole"),
        };
        assert_eq!(packet.form == Form::Plain, case["auth_plain_format"].as_bool().unwrap());
        let read = Auth::decode(&packet).unwrap();
        assert_eq!((read.key, read.nonce), (a.public(), hex_n(&eip8["nonce_a"])));
        assert_eq!(read.signature.as_bytes().as_slice(), hex(&case["auth_signature"]));

        // The recipient, with the ack of the text in the place of ours.
        let token = xor(b.ecdh(&read.key).expose(), &read.nonce);
        let ephemeral = read.signature.recover(token.expose()).unwrap();
        assert_eq!(ephemeral.to_xy().as_slice(), hex(&case["recovered_initiator_ephemeral_pub"]));
        let shared = secret_key(&eip8["ephemeral_key_b"]).ecdh(&ephemeral);
        let nonce_b = Secret::new(hex_n(&eip8["nonce_b"]));
        let mut recipient = Secrets::derive(&shared, &read.nonce, nonce_b.expose());
        recipient.absorb(&read.nonce, &ack, nonce_b.expose(), &auth);

        let initiator = Initiator {
            remote: b.public(),
            ephemeral: secret_key(&eip8["ephemeral_key_a"]),
            nonce: Secret::new(hex_n(&eip8["nonce_a"])),
            auth,
            plain_ruled_out: false,
        };
        let Step::Done(Keyed { secrets: initiator, .. }, _) = initiator.read(&a, &ack).unwrap() else {
            panic!("whole");
        };
        for secrets in [&recipient, &initiator] {
            assert_eq!(secrets.aes.expose().as_slice(), hex(&case["aes_secret"]));
            assert_eq!(secrets.mac.expose().as_slice(), hex(&case["mac_secret"]));
        }
        let egress = hex(&case["recipient_egress_mac_initial_digest"]);
        assert_eq!(recipient.egress.snapshot().as_slice(), egress);
        assert_eq!(initiator.ingress.snapshot().as_slice(), egress);
        for mut state in [recipient.ingress, initiator.egress] {
            state.absorb(b"foo");
            assert_eq!(state.snapshot().as_slice(), hex(&case["recipient_ingress_mac_foo"]));
        }
        cases += 1;
    }
    assert_eq!(cases, 3);
}

#[test]
fn auth_packets_that_geth_refuses_are_refused() {
    let file = load("rlpx");
    let section = &file["negative_auth"];
    let key = node_key(&section["recipient_static_key"]);
    let mut refused = 0;
    let mut accepted = 0;
    for case in section["cases"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let auth = hex(&case["auth"]);
        let outcome = Recipient::new().read(&key, &auth, &mut rng(1));
        match case["expect"].as_str().unwrap() {
            "ok" => {
                let Ok(Step::Done(..)) = outcome else { panic!("{note}: {outcome:?}") };
                accepted += 1;
                continue;
            }
            // The stream ended; a session waits until its deadline.
            "error: unexpected EOF" => assert!(matches!(outcome, Ok(Step::More(..))), "{note}: {outcome:?}"),
            "error: ecies: invalid message" | "error: size underflow, need at least 307 bytes" => {
                assert_eq!(outcome.unwrap_err(), WireError::Handshake, "{note}");
            }
            "error: invalid signature recovery id" => {
                assert_eq!(outcome.unwrap_err(), WireError::Signature, "{note}");
            }
            "error: invalid secp256k1 public key" => {
                assert_eq!(outcome.unwrap_err(), WireError::HandshakeContent("auth key"), "{note}");
            }
            other => {
                assert!(other.starts_with("error: rlp: "), "{other}");
                assert!(matches!(outcome.unwrap_err(), WireError::HandshakeContent(_)), "{note}");
            }
        }
        refused += 1;
    }
    assert_eq!((accepted, refused), (3, 15));
}

#[test]
fn packets_are_read_from_any_cut() {
    let file = load("rlpx");
    let handshake = &file["session_eip8_snappy"]["handshake"];
    let key = node_key(&handshake["inputs"]["recipient_static_key"]);
    let mut auth = hex(&handshake["auth"]["packet"]);
    let length = auth.len();
    auth.extend_from_slice(b"the first frame");
    let mut recipient = Recipient::new();
    for end in 0..length {
        match recipient.read(&key, &auth[..end], &mut rng(1)).unwrap() {
            Step::More(next, needed) => {
                assert_eq!(needed, if end < PLAIN_AUTH { PLAIN_AUTH } else { length });
                recipient = next;
            }
            Step::Done(..) => panic!("done after {end} bytes"),
        }
    }
    let Step::Done((keyed, ack), consumed) = recipient.read(&key, &auth, &mut rng(1)).unwrap() else {
        panic!("whole");
    };
    assert_eq!(consumed, length);
    assert_eq!(keyed.remote.to_xy().as_slice(), hex(&handshake["inputs"]["initiator_static_pub"]));
    assert!(ack.len() >= 102 + 113 + 2 + HANDSHAKE_PADDING.start());
}

#[test]
fn sizes_out_of_range_are_refused_before_anything_is_waited_for() {
    let key = NodeKey::random(&mut rng(1));
    for size in [0u16, 306, 2_049, 0xffff] {
        let mut input = vec![0; PLAIN_AUTH];
        input[..2].copy_from_slice(&size.to_be_bytes());
        let outcome = Recipient::new().read(&key, &input, &mut rng(2));
        assert_eq!(outcome.unwrap_err(), WireError::Handshake, "{size}");
    }
    for size in [307u16, 2_048] {
        let mut input = vec![0; PLAIN_AUTH];
        input[..2].copy_from_slice(&size.to_be_bytes());
        let outcome = Recipient::new().read(&key, &input, &mut rng(2)).unwrap();
        let Step::More(_, needed) = outcome else { panic!("{size}") };
        assert_eq!(needed, usize::from(size) + 2);
    }
}

/// How often a point is multiplied for these bytes, given one at a time, and whether they were refused.
fn multiplied(key: &NodeKey, bytes: &[u8]) -> (u32, bool) {
    let count = std::cell::Cell::new(0);
    let ecdh = |point: &PublicKey| {
        count.set(count.get() + 1);
        key.ecdh(point)
    };
    let mut ruled_out = false;
    for end in 0..=bytes.len() {
        match read_packet(ecdh, &bytes[..end], PLAIN_AUTH, &mut ruled_out) {
            Ok(Packet::More(_)) => {}
            Ok(Packet::Whole(_)) => return (count.get(), false),
            Err(_) => return (count.get(), true),
        }
    }
    (count.get(), false)
}

#[test]
fn nothing_is_multiplied_before_the_cheap_checks() {
    let mut rng = rng(7);
    let (key, other) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
    let (_, right) = Initiator::start(&other, key.public(), &mut rng);
    assert_eq!(multiplied(&key, &right), (1, false));
    let (_, foreign) = Initiator::start(&key, other.public(), &mut rng);
    assert_eq!(multiplied(&key, &foreign), (1, true), "the tag tells");
    let with = |at: usize, bytes: &[u8]| {
        let mut packet = right.clone();
        packet[at..at + bytes.len()].copy_from_slice(bytes);
        packet
    };
    for (what, packet) in [
        ("garbage", vec![0xa5; 2_100]),
        ("size 0", with(0, &[0, 0])),
        ("size 306", with(0, &306u16.to_be_bytes())),
        ("size 2,049", with(0, &2_049u16.to_be_bytes())),
        ("first byte of the point", with(2, &[6])),
        ("off the curve", with(66, &[right[66] ^ 1])),
        ("zeros", with(2, &[0; 65])),
    ] {
        assert_eq!(multiplied(&key, &packet), (0, true), "{what}");
    }
    // A point at the very beginning, where the size of it is one that is waited for: once for each form at most.
    let mut two = vec![0; 2_048];
    two[..65].copy_from_slice(&other.public().to_uncompressed());
    let (count, refused) = multiplied(&key, &two);
    assert!(count <= 2 && refused, "{count}");
}

/// Right tags, so that only the length speaks against them.
#[test]
fn blobs_too_short_for_their_parts_are_refused() {
    let mut rng = rng(8);
    let key = NodeKey::random(&mut rng);
    let ephemeral = SecretKey::random(&mut rng);
    let z = ephemeral.ecdh(&key.public());
    let derived = undertone_crypto::hash::sha256_parts(&[&[0, 0, 0, 1], z.expose()]);
    let mac = undertone_crypto::hash::sha256(&derived[16..]);
    for middle in 0..=16 {
        let body = vec![0; middle];
        let tag = undertone_crypto::kdf::hmac_sha256(&mac, &[&body]);
        let blob = [&ephemeral.public().to_uncompressed()[..], &body, tag.expose()].concat();
        let opened = ecies::decrypt(&blob, b"", |point| Some(key.ecdh(point)));
        assert_eq!(opened.is_ok(), middle == 16, "{middle} bytes between key and tag");
        for end in 0..blob.len() {
            assert!(ecies::decrypt(&blob[..end], b"", |point| Some(key.ecdh(point))).is_err());
        }
    }
}

#[test]
fn the_padding_is_what_geth_needs() {
    let mut seen = std::collections::BTreeSet::new();
    let mut rng = rng(5);
    for _ in 0..4_000 {
        let drawn = Entropy::draw(&mut rng);
        assert!(HANDSHAKE_PADDING.contains(&drawn.padding));
        seen.insert(drawn.padding);
    }
    assert_eq!((seen.first(), seen.last()), (Some(&100), Some(&299)));
}

#[test]
fn keys_and_nonces_do_not_print() {
    let key = NodeKey::new(SecretKey::from_slice(&[1; 32]).unwrap());
    let (initiator, _) = Initiator::start(&key, key.public(), &mut rng(1));
    insta::assert_snapshot!(format!("{initiator:?}"), @"Initiator { remote: PublicKey(041b84c556…), .. }");
    let (keyed, _) = replay(&load("rlpx")["session_eip8_snappy"]["handshake"]);
    insta::assert_snapshot!(format!("{keyed:?}"), @"Keyed { remote: PublicKey(04818864e8…), secrets: Secrets { aes: Secret(32 bytes), mac: Secret(32 bytes), egress: Keccak(..), ingress: Keccak(..) } }");
    insta::assert_snapshot!(format!("{:?}", Recipient::new()), @"Recipient { plain_ruled_out: false }");
    insta::assert_snapshot!(format!("{key:?}"), @"NodeKey(SecretKey(32 bytes))");
}
