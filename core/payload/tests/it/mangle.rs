//! Bad input, systematically: metadata and chat messages of every kind, mangled.

use undertone_base::Unix;
use undertone_crypto::SecretKey;
use undertone_payload::{Attribution, Parsed, RawChatMessage, RawContactUpdate, RawMetadata};
use undertone_support::mangle::{self, Mutation, Trial, Whose};
use undertone_vectors::{hex, load};

const SENT: Unix = Unix::from_millis(1_600_000_000_000);

fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::protobuf(sample));
    made
}

#[test]
fn mangled_metadata_is_refused_or_is_another_message() {
    let somebody = SecretKey::from_slice(&[1; 32]).unwrap().public();
    let mut trial = Trial::new(Whose::Peer);
    let file = load("payloads");
    let cases = file["application_metadata"].as_array().unwrap();
    for case in cases.iter().filter(|case| hex(&case["wrapped"]).len() < 400).take(6) {
        let sample = hex(&case["wrapped"]);
        let honest = RawMetadata::decode(sample.clone()).unwrap().identify(&somebody).unwrap();
        for mutation in of(&sample) {
            let decode = |b: &[u8]| RawMetadata::decode(b.to_vec());
            let Some(raw) = trial.run(&mutation, decode, |e| (e.fault(), e.code())) else { continue };
            let identify = |_: &[u8]| raw.identify(&somebody);
            let Some(read) = trial.run(&mutation, identify, |e| (e.fault(), e.code())) else { continue };
            assert_ne!(read.id(), honest.id(), "{}", mutation.name);
            if read.author() == honest.author() && read.attribution() != Attribution::Unsigned {
                assert_eq!(read.payload(), honest.payload(), "{}: forged", mutation.name);
            }
            let parsed = trial.run(&mutation, |_| read.parse(), |e| (e.fault(), e.code()));
            if let Some(Parsed::Chat(raw)) = parsed {
                trial.run(&mutation, |_| raw.check(SENT), |e| (e.fault(), e.code()));
            }
        }
    }
    trial.at_least(9_000, 2_000);
}

#[test]
fn mangled_chat_messages_are_refused_or_obey_every_rule() {
    let mut trial = Trial::new(Whose::Peer);
    let mut cases = 0;
    for case in load("payloads")["application_metadata"].as_array().unwrap() {
        if case["type"] != 1 {
            continue;
        }
        for mutation in of(&hex(&case["payload"])) {
            let read = trial.run(&mutation, RawChatMessage::decode, |e| (e.fault(), e.code()));
            let Some(raw) = read else { continue };
            let Some(read) = trial.run(&mutation, |_| raw.check(SENT), |e| (e.fault(), e.code())) else {
                continue;
            };
            assert!(!read.text().trim().is_empty() && read.text().len() <= 4_096, "{}", mutation.name);
            assert!(!read.chat_id().is_empty() && read.chat_id().len() <= 512, "{}", mutation.name);
            assert!(read.clock().value() > 0 && read.timestamp().millis() > 0, "{}", mutation.name);
        }
        cases += 1;
    }
    assert_eq!(cases, 8);
    trial.at_least(8_000, 4_000);
}

#[test]
fn mangled_contact_updates_are_refused_or_obey_every_rule() {
    let mut trial = Trial::new(Whose::Peer);
    let mut cases = 0;
    for case in load("payloads")["application_metadata"].as_array().unwrap() {
        if case["type"] != 2 {
            continue;
        }
        for mutation in of(&hex(&case["payload"])) {
            let read = trial.run(&mutation, RawContactUpdate::decode, |e| (e.fault(), e.code()));
            let Some(raw) = read else { continue };
            let Some(read) = trial.run(&mutation, |_| raw.check(SENT), |e| (e.fault(), e.code())) else {
                continue;
            };
            assert!(read.ens_name().is_empty() || read.ens_name().ends_with(".eth"), "{}", mutation.name);
            assert!(
                read.picture().is_empty() || read.picture().starts_with("data:image/"),
                "{}",
                mutation.name
            );
            assert!(read.clock().value() > 0, "{}", mutation.name);
        }
        cases += 1;
    }
    assert_eq!(cases, 2);
    trial.at_least(500, 200);
}
