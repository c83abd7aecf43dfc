//! Frames against those of go-ethereum, in both directions.

use undertone_support::rng;
use undertone_vectors::{Value, hex, load};

use super::*;
use crate::handshake::tests::replay;

/// A frame whole, header and body, from the front of a buffer of its own.
fn read(ingress: &mut Ingress, wire: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut wire = wire.to_vec();
    let Read::Header { consumed } = ingress.read(&mut wire, MAX_FRAME)? else { panic!("no header") };
    let left = wire.len() - consumed;
    match ingress.read(&mut wire[consumed..], MAX_FRAME)? {
        Read::Body { data, consumed } => {
            assert_eq!(consumed, left, "a vector is one frame");
            Ok(data.to_vec())
        }
        other => panic!("{other:?}"),
    }
}

fn write(egress: &mut Egress, frame_data: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    egress.write(&mut out, MAX_FRAME, |out| out.extend_from_slice(frame_data)).unwrap();
    assert_eq!(&out[..6], b"before");
    out.split_off(6)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The payload of a frame, which the largest one describes instead of holding it.
fn payload(frame: &Value) -> Vec<u8> {
    if !frame["payload"].is_null() {
        return hex(&frame["payload"]);
    }
    let mut plain = vec![0xba, 0x01, 0x11, 0x70];
    plain.extend((0..70_000u32).map(|i| u8::try_from(i % 251).unwrap()));
    assert_eq!(plain.len() as u64, number(&frame["payload_len"]));
    assert_eq!(undertone_crypto::keccak256(&plain).as_slice(), hex(&frame["payload_keccak256"]));
    plain
}

#[test]
fn recorded_sessions_decode_and_encode_byte_for_byte() {
    let file = load("rlpx");
    let mut cases = Vec::new();
    for name in ["session_eip8_snappy", "session_plain_nosnappy"] {
        let session = &file[name];
        let (initiator, recipient) = replay(&session["handshake"]);
        let (mut a_out, mut a_in) = codecs(initiator.secrets);
        let (mut b_out, mut b_in) = codecs(recipient.secrets);
        let frames = session["frames"].as_array().unwrap();
        for frame in frames {
            let note = frame["note"].as_str().unwrap();
            let (egress, ingress) = match frame["direction"].as_str().unwrap() {
                "i2r" => (&mut a_out, &mut b_in),
                _ => (&mut b_out, &mut a_in),
            };
            let (wire, data) = (hex(&frame["wire"]), hex(&frame["frame_data"]));
            assert_eq!(wire.len() as u64, number(&frame["wire_len"]));
            assert_eq!(undertone_crypto::keccak256(&wire).as_slice(), hex(&frame["wire_keccak256"]));
            assert_eq!(write(egress, &data), wire, "{note}");
            assert_eq!(read(ingress, &wire).unwrap(), data, "{note}");
            let digest = hex(&frame["sender_egress_mac_digest_after"]);
            assert_eq!(egress.mac.state.snapshot().as_slice(), digest, "{note}");
            assert_eq!(ingress.mac.state.snapshot().as_slice(), digest, "{note}");

            let mut rest = data.as_slice();
            assert_eq!(crate::rlp::uint(&mut rest, "id").unwrap(), number(&frame["msg_code"]));
            let plain = payload(frame);
            if frame["snappy"].as_bool().unwrap() {
                assert_eq!(crate::snappy::decompress(rest, MAX_FRAME).unwrap(), plain, "{note}");
                let mut again = Vec::new();
                crate::snappy::compress(&plain, &mut again);
                assert_eq!(crate::snappy::decompress(&again, plain.len()).unwrap(), plain, "{note}");
            } else {
                assert_eq!(rest, plain, "{note}");
            }
        }
        cases.push(frames.len());
    }
    assert_eq!(cases, [14, 7]);
}

/// What becomes of one frame: its message id and payload.
fn message(ingress: &mut Ingress, wire: &[u8]) -> Result<(u64, Vec<u8>), WireError> {
    let frame = read(ingress, wire)?;
    let mut rest = frame.as_slice();
    let id = crate::rlp::uint(&mut rest, "id").map_err(|_| WireError::MessageId)?;
    Ok((id, crate::snappy::decompress(rest, MAX_FRAME)?))
}

#[test]
fn frames_that_geth_refuses_are_refused() {
    let file = load("rlpx");
    let section = &file["negative_frames"];
    let mut cases = 0;
    let mut reference = Vec::new();
    for case in section["cases"].as_array().unwrap() {
        let note = case["note"].as_str().unwrap();
        let (initiator, recipient) = replay(&section["handshake"]);
        let (_, mut b_in) = codecs(recipient.secrets);
        let (_, mut a_in) = codecs(initiator.secrets);
        for hello in section["hellos"].as_array().unwrap() {
            let ingress = if hello["direction"] == "i2r" { &mut b_in } else { &mut a_in };
            assert_eq!(read(ingress, &hex(&hello["wire"])).unwrap(), hex(&hello["frame_data"]));
        }
        let wire = hex(&case["wire"]);
        if note.starts_with("valid reference") {
            reference.clone_from(&wire);
        }
        if note.starts_with("frame replayed") {
            message(&mut b_in, &reference).unwrap();
        }
        match case["expect"].as_str().unwrap() {
            "ok" => {
                let expected = (number(&case["msg_code"]), hex(&case["payload"]));
                assert_eq!(message(&mut b_in, &wire), Ok(expected), "{note}");
            }
            "error: unexpected EOF" | "error: EOF" if wire.len() < 48 || note.starts_with("trunc") => {
                let mut wire = wire;
                let consumed = match b_in.read(&mut wire, MAX_FRAME).unwrap() {
                    Read::Header { consumed } => consumed,
                    Read::More(32) => 0,
                    other => panic!("{note}: {other:?}"),
                };
                let more = b_in.read(&mut wire[consumed..], MAX_FRAME).unwrap();
                assert!(matches!(more, Read::More(_)), "{note}: {more:?}");
            }
            expect => {
                let fault = message(&mut b_in, &wire).unwrap_err();
                let expected = match expect {
                    "error: bad header MAC" => WireError::HeaderMac,
                    "error: bad frame MAC" => WireError::BodyMac,
                    "error: EOF" => WireError::MessageId,
                    "error: snappy: corrupt input" => WireError::Snappy,
                    "error: message length >= 16MB" => {
                        let size = 0x100_0000;
                        WireError::TooLarge { what: "decompressed message", size, max: MAX_FRAME }
                    }
                    rlp => {
                        assert!(rlp.starts_with("error: rlp: "), "{rlp}");
                        WireError::MessageId
                    }
                };
                assert_eq!(fault, expected, "{note}");
            }
        }
        cases += 1;
    }
    assert_eq!(cases, 23);
}

/// Two ends of a link that never was.
fn pair(seed: u64) -> ((Egress, Ingress), (Egress, Ingress)) {
    use crate::handshake::{Initiator, Recipient, Step};
    use crate::node_key::NodeKey;
    let mut rng = rng(seed);
    let (a, b) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
    let (initiator, auth) = Initiator::start(&a, b.public(), &mut rng);
    let Ok(Step::Done((recipient, ack), _)) = Recipient::new().read(&b, &auth, &mut rng) else {
        panic!("auth");
    };
    let Ok(Step::Done(initiator, _)) = initiator.read(&a, &ack) else { panic!("ack") };
    (codecs(initiator.secrets), codecs(recipient.secrets))
}

#[test]
fn an_oversize_body_is_not_written_and_leaves_no_trace() {
    let ((mut sender, _), (_, mut receiver)) = pair(1);
    let mut out = b"before".to_vec();
    assert_eq!(sender.write(&mut out, 15, |out| out.extend_from_slice(&[1; 16])), Err(16));
    assert_eq!(out, b"before");
    let too_large = MAX_FRAME + 1;
    let written = sender.write(&mut out, usize::MAX, |out| out.resize(out.len() + too_large, 0));
    assert_eq!(written, Err(too_large));
    let wire = write(&mut sender, b"still in step");
    assert_eq!(read(&mut receiver, &wire).unwrap(), b"still in step");
}

#[test]
fn a_size_over_the_limit_is_refused_at_the_header() {
    let ((mut sender, _), (_, mut receiver)) = pair(2);
    let mut wire = write(&mut sender, &[7; 101]);
    let refused = WireError::TooLarge { what: "frame", size: 101, max: 100 };
    assert_eq!(receiver.read(&mut wire[..32], 100), Err(refused));
}

#[test]
fn every_flipped_bit_of_a_frame_is_noticed() {
    let ((mut sender, _), _) = pair(3);
    let wire = write(&mut sender, b"one frame of a link");
    for bit in 0..wire.len() * 8 {
        let mut wire = wire.clone();
        wire[bit / 8] ^= 1 << (bit % 8);
        let (_, (_, mut receiver)) = pair(3);
        let expected = if bit / 8 < 32 { WireError::HeaderMac } else { WireError::BodyMac };
        assert_eq!(read(&mut receiver, &wire), Err(expected), "bit {bit}");
    }
}

#[test]
fn codecs_do_not_print_keys() {
    let ((egress, ingress), _) = pair(4);
    insta::assert_snapshot!(format!("{egress:?}"), @"Egress { cipher: Aes256Stream(..), mac: FrameMac { cipher: Aes256Block(..), state: Keccak(..), digest: Digest(..) } }");
    insta::assert_snapshot!(format!("{ingress:?}"), @"Ingress { cipher: Aes256Stream(..), mac: FrameMac { cipher: Aes256Block(..), state: Keccak(..), digest: Digest(..) }, expected: Header }");
}
