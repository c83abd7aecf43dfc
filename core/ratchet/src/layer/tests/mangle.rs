//! Bad input, systematically: messages of every kind in the middle of a conversation, and bundles, mangled.

use undertone_support::mangle::{self, Mutation, Trial, Whose};

use super::*;
use crate::{ProtocolMessage, RawBundle};

fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::protobuf(sample));
    made
}

fn blame(error: &OpenError) -> (undertone_base::FaultClass, &'static str) {
    (error.fault(), error.code())
}

/// Opens every mutation of `bytes` as if nothing had come before it. A refused one changes nothing, and whatever
/// opens as an encrypted message is the message that was sealed.
fn open_mangled(party: &Party, from: &PublicKey, bytes: &[u8], said: &[u8]) -> Trial {
    // What is inside a bundle is bounded in number and remembered in rows.
    let mut trial = Trial::new(Whose::Peer).holding(32);
    for mutation in of(bytes) {
        let mut twin = party.clone();
        let opened = trial.run(
            &mutation,
            |bytes| {
                let (layer, mut cx) = twin.cx(START);
                layer.open(&mut cx, from, bytes)
            },
            blame,
        );
        match opened {
            None => {
                assert_eq!(twin.store, party.store, "{} was refused and changed the store", mutation.name)
            }
            Some(opened) if opened.kind == Kind::Public => {}
            Some(opened) => assert_eq!(opened.payload.as_deref(), Some(said), "{}", mutation.name),
        }
    }
    trial
}

#[test]
fn mangled_first_messages_change_nothing() {
    let (mut alice, bob) = (Party::new(70), Party::new(71));
    let sealed = alice.direct(START, &bob.key(), b"first");
    assert_eq!(sealed.protection, Protection::DhOnly);
    open_mangled(&bob, &alice.key(), &sealed.bytes, b"first").at_least(2_000, 1_000);
}

#[test]
fn mangled_session_openings_change_nothing() {
    let (mut alice, bob) = acquainted(72);
    let sealed = alice.direct(START, &bob.key(), b"opening");
    assert_eq!(sealed.protection, Protection::Pfs);
    open_mangled(&bob, &alice.key(), &sealed.bytes, b"opening").at_least(2_500, 1_500);
}

#[test]
fn mangled_messages_of_a_session_change_nothing() {
    let (mut alice, mut bob) = acquainted(74);
    let (a, b) = (alice.key(), bob.key());
    for _ in 0..2 {
        let sealed = alice.direct(START, &b, b"there");
        bob.open(START, &a, &sealed.bytes).unwrap();
        let sealed = bob.direct(START, &a, b"and back");
        alice.open(START, &b, &sealed.bytes).unwrap();
    }
    // Two keys are skipped, so that their rows are there to be spoilt.
    alice.direct(START, &b, b"lost");
    let early = alice.direct(START, &b, b"late");
    let sealed = alice.direct(START, &b, b"again");
    open_mangled(&bob, &a, &sealed.bytes, b"again").at_least(2_500, 1_500);
    bob.open(START, &a, &sealed.bytes).unwrap();
    open_mangled(&bob, &a, &early.bytes, b"late").at_least(2_500, 1_500);
}

#[test]
fn mangled_public_messages_are_refused_or_in_clear() {
    let (mut alice, bob) = acquainted(76);
    let sealed = alice.public(START);
    open_mangled(&bob, &alice.key(), &sealed.bytes, b"public").at_least(1_500, 800);
}

#[test]
fn mangled_messages_teach_nothing_false() {
    let (mut alice, bob) = (Party::new(78), Party::new(79));
    let sealed = alice.public(START);
    let honest = {
        let mut twin = bob.clone();
        twin.open(START, &alice.key(), &sealed.bytes).unwrap();
        twin.layer.devices(&twin.store, &alice.key()).unwrap()
    };
    assert_eq!(honest.len(), 1);
    let mut trial = Trial::new(Whose::Peer).holding(32);
    for mutation in of(&sealed.bytes) {
        let mut twin = bob.clone();
        let learn = |b: &[u8]| twin.layer.learn(&mut twin.store, START, &alice.key(), b);
        trial.run(&mutation, learn, blame);
        for (device, known) in twin.layer.devices(&twin.store, &alice.key()).unwrap() {
            let (name, honest) = &honest[0];
            // The protocol version is not signed.
            let same = (&known.prekey, known.version, known.timestamp)
                == (&honest.prekey, honest.version, honest.timestamp);
            assert!(device == *name && same, "{}", mutation.name);
        }
    }
    trial.at_least(1_500, 800);
}

#[test]
fn mangled_bundles_are_refused_or_the_same_bundle() {
    let alice = Party::new(80);
    let prekey = some_prekey(81);
    let sample = alice.bundle("a11ce000-0000-4000-8000-000000000001", prekey, 7, nanos(START));
    let honest = RawBundle::decode(&sample).unwrap().unwrap().verify(START.unix).unwrap();
    let mut trial = Trial::new(Whose::Peer).holding(32);
    for mutation in of(&sample) {
        let says = |e: &crate::ProtocolError| (e.fault(), e.code());
        let Some(raw) = trial.run(&mutation, RawBundle::decode, says) else { continue };
        let verify = |_: &[u8]| raw.and_then(|raw| raw.verify(START.unix));
        let says = |e: &crate::BundleError| (e.fault(), e.code());
        let Some(bundle) = trial.run(&mutation, verify, says) else { continue };
        if bundle.identity() == honest.identity() {
            let [entry] = bundle.entries() else { panic!("{}: {bundle:?}", mutation.name) };
            let signed = (&entry.installation, &entry.prekey, entry.version);
            let known = &honest.entries()[0];
            assert_eq!(signed, (&known.installation, &known.prekey, known.version), "{}", mutation.name);
        }
    }
    trial.at_least(1_200, 700);
}

#[test]
fn mangled_protocol_messages_are_refused_within_their_bounds() {
    let (mut alice, bob) = acquainted(82);
    let sealed = alice.direct(START, &bob.key(), b"payload");
    let mut trial = Trial::new(Whose::Peer).holding(32);
    for mutation in of(&sealed.bytes) {
        trial.run(&mutation, ProtocolMessage::decode, |e| (e.fault(), e.code()));
    }
    trial.at_least(2_500, 900);
}
