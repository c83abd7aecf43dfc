//! One test for each weakness of the deployed protocol (`security.md` 8.1) that no vector covers.

use prost::Message as _;

use super::*;
use crate::proto::wire;

fn entry_of(sealed: &Sealed) -> wire::DirectMessage {
    crate::ProtocolMessage::decode(&sealed.bytes).unwrap().direct.into_values().next().unwrap()
}

/// A first message of Alice, and Bob's answer to it.
fn answered(seed: u64) -> (Party, Party, Sealed) {
    let (mut alice, mut bob) = acquainted(seed);
    let first = alice.direct(START, &bob.key(), b"hello");
    bob.open(START, &alice.key(), &first.bytes).unwrap();
    let answer = bob.direct(START, &alice.key(), b"hi");
    (alice, bob, answer)
}

/// S19.
#[test]
fn an_answer_that_does_not_decrypt_does_not_silence_the_opening() {
    let (mut alice, bob, answer) = answered(90);
    let mut forged = wire::ProtocolMessage::decode(&answer.bytes[..]).unwrap();
    forged.direct_message.values_mut().for_each(|entry| entry.payload[20] ^= 1);
    let refused = alice.open(START, &bob.key(), &forged.encode_to_vec());
    assert_eq!(refused, Err(crate::RatchetError::BadMac.into()));
    assert!(entry_of(&alice.direct(START, &bob.key(), b"again")).x3dh_header.is_some());
    alice.open(START, &bob.key(), &answer.bytes).unwrap();
    assert!(entry_of(&alice.direct(START, &bob.key(), b"again")).x3dh_header.is_none());
}

/// S6.
#[test]
fn a_stranger_who_goes_by_the_name_of_a_device_takes_nothing_from_it() {
    let (mut alice, mut bob) = acquainted(91);
    let mut mallory = Party::new(92);
    mallory.layer.installation = alice.layer.installation().clone();
    let (bobs, mallorys) = (bob.public(START), mallory.public(START));
    mallory.open(START, &bob.key(), &bobs.bytes).unwrap();
    bob.open(START, &mallory.key(), &mallorys.bytes).unwrap();
    let first = mallory.direct(START, &bob.key(), b"I am her device");
    bob.open(START, &mallory.key(), &first.bytes).unwrap();

    let honest = alice.direct(START, &bob.key(), b"it is me");
    let opened = bob.open(START, &alice.key(), &honest.bytes).unwrap();
    assert!(!opened.replaced);
    let reply = bob.direct(START, &alice.key(), b"for Alice");
    assert!(mallory.open(START, &bob.key(), &reply.bytes).is_err());
    assert_eq!(
        alice.open(START, &bob.key(), &reply.bytes).unwrap().payload.as_deref(),
        Some(&b"for Alice"[..])
    );
}

/// S12: a key and its negation give the same secrets, and so the same message keys.
#[test]
fn a_session_does_not_take_the_negated_identity_for_its_own() {
    let (mut alice, bob, answer) = answered(93);
    let mut negated = bob.key().to_compressed();
    negated[0] ^= 1;
    let negated = PublicKey::from_compressed(&negated).unwrap();
    assert_eq!(alice.open(START, &negated, &answer.bytes), Err(OpenError::UnknownSession));
    alice.open(START, &bob.key(), &answer.bytes).unwrap();
}

/// S4: digits that move from one field of a signed bundle into the next leave the signature as it is.
#[test]
fn a_bundle_whose_digits_moved_is_dropped_or_does_no_harm() {
    let (mut alice, bob) = (Party::new(94), Party::new(95));
    let prekey = some_prekey(1);
    let honest = bob.bundle("phone", prekey, 1, nanos(START));
    let moved = |version: u32, timestamp: i64| {
        let mut bundle = wire::Bundle::decode(&honest[..]).unwrap();
        bundle.signed_pre_keys.values_mut().for_each(|entry| entry.version = version);
        bundle.timestamp = timestamp;
        bundle.encode_to_vec()
    };
    // "1" and "1700000000000000000" are one text, wherever the first ends.
    let digits = nanos(START).to_string();
    for cut in 1..9 {
        let (version, timestamp) = digits.split_at(cut);
        let version = format!("1{version}").parse().unwrap();
        let forged = carry(moved(version, timestamp.parse().unwrap()));
        let opened = alice.open(START, &bob.key(), &forged).unwrap();
        assert_eq!(opened.dropped, [crate::BundleError::Timestamp], "{cut}");
    }
    assert!(alice.store.is_empty());
}

/// S4: the last digit of a version may move into the next name. The device that is made up has no key of its own, and
/// falls behind as soon as an honest bundle comes.
#[test]
fn a_device_whose_name_took_a_digit_of_a_version_falls_behind() {
    let (mut alice, bob) = (Party::new(86), Party::new(87));
    let entries = || {
        [("0a", 12), ("1b", 1)].map(|(name, version)| Entry {
            installation: InstallationId::new(name).unwrap(),
            prekey: some_prekey(u64::from(version)),
            version,
            protocol_version: 1,
        })
    };
    let signed = |now: Now| sign(&bob.keyring, bob.layer.own(), entries(), nanos(now)).unwrap();
    let mut forged = wire::Bundle::decode(&signed(START)[..]).unwrap();
    let renamed = forged.signed_pre_keys.remove("1b").unwrap();
    forged.signed_pre_keys.insert("21b".to_owned(), renamed);
    forged.signed_pre_keys.get_mut("0a").unwrap().version = 1;
    let opened = alice.open(START, &bob.key(), &carry(forged.encode_to_vec())).unwrap();
    assert_eq!(opened.learned.len(), 2, "the signature is good");

    let later = START.after(Duration::from_millis(1));
    alice.open(later, &bob.key(), &carry(signed(later))).unwrap();
    assert_eq!(alice.device(&bob.key(), "0a").unwrap().version, 12);
    let targets = alice.direct(later, &bob.key(), b"x").targets;
    assert_eq!(targets.iter().map(InstallationId::as_str).collect::<Vec<_>>(), ["0a", "1b", "21b"]);
}

/// S5: whoever passes a bundle on can change its protocol version, which says on which topic a device listens.
#[test]
fn an_unsigned_protocol_version_moves_messages_and_nothing_else() {
    let (mut alice, mut bob) = acquainted(96);
    let mut flipped =
        wire::ProtocolMessage::decode(&alice.direct(START, &bob.key(), b"hello").bytes[..]).unwrap();
    for bundle in &mut flipped.bundles {
        let mut changed = wire::Bundle::decode(&bundle[..]).unwrap();
        changed.signed_pre_keys.values_mut().for_each(|entry| entry.protocol_version = 0);
        *bundle = changed.encode_to_vec();
    }
    let opened = bob.open(START, &alice.key(), &flipped.encode_to_vec()).unwrap();
    assert_eq!((opened.protection, opened.negotiated), (Protection::Pfs, false));
    let reply = bob.direct(START, &alice.key(), b"hi");
    assert_eq!((reply.protection, reply.agreed), (Protection::Pfs, false));
}

#[test]
fn a_bundle_of_somebody_else_says_nothing_of_the_senders_topics() {
    let (mut alice, mut bob) = acquainted(97);
    let carol = Party::new(98);
    let name = alice.layer.installation().as_str().to_owned();
    let sealed = alice.direct(START, &bob.key(), b"hello");
    let mut message = wire::ProtocolMessage::decode(&sealed.bytes[..]).unwrap();
    // Carol's, first, which calls a device of hers as Alice's.
    message.bundles = vec![carol.bundle(&name, some_prekey(2), 1, nanos(START))];
    let opened = bob.open(START, &alice.key(), &message.encode_to_vec()).unwrap();
    assert!(!opened.negotiated);
    assert!(!bob.direct(START, &alice.key(), b"hi").agreed);
}
