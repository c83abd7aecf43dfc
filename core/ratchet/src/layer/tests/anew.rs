//! A device that lost everything but its name and its identity, as the original does when its database is gone.

use super::*;
use crate::RatchetError;
use crate::limits::MAX_REPLACED_OPENINGS;

/// The same device with nothing in its store.
fn lost(party: &Party, seed: u64) -> Party {
    Party { store: MemoryRatchetStore::new(), rng: undertone_support::rng(seed), ..party.clone() }
}

/// Alice and Bob in a session that both have spoken in; Bob opened it, on Alice's prekey.
fn in_a_session(seed: u64) -> (Party, Party) {
    let (mut alice, mut bob) = acquainted(seed);
    let opening = bob.direct(START, &alice.key(), b"hello");
    alice.open(START, &bob.key(), &opening.bytes).unwrap();
    let reply = alice.direct(START, &bob.key(), b"hello");
    bob.open(START, &alice.key(), &reply.bytes).unwrap();
    (alice, bob)
}

fn ratchet(party: &mut Party, now: Now, from: &PublicKey, sealed: &Sealed) -> Opened {
    let opened = party.open(now, from, &sealed.bytes).unwrap();
    assert_eq!(opened.protection, Protection::Pfs);
    opened
}

#[test]
fn a_device_that_begins_again_under_its_old_name_is_written_to() {
    let (mut alice, bob) = in_a_session(70);
    let later = START.after(HOUR);
    let mut anew = lost(&bob, 71);
    // All that it lets hear of itself is its bundle, whose version is 1 again.
    let advertised = anew.public(later);
    let dead = alice.direct(later, &bob.key(), b"into the old session");
    assert_eq!(anew.open(later, &alice.key(), &dead.bytes), Err(OpenError::UnknownSession));
    let opened = alice.open(later, &bob.key(), &advertised.bytes).unwrap();
    assert_eq!(opened.learned.iter().map(|l| l.change).collect::<Vec<_>>(), [DeviceChange::Anew]);

    let sealed = alice.direct(later, &bob.key(), b"into a new one");
    assert_eq!(sealed.targets, [bob.layer.installation().clone()]);
    assert!(!sealed.agreed, "it does not listen where the two have met");
    ratchet(&mut anew, later, &alice.key(), &sealed);
    let reply = anew.direct(later, &alice.key(), b"here I am");
    assert!(!ratchet(&mut alice, later, &bob.key(), &reply).replaced);
    // What the old one had sent before is still read, and changes nothing of where Alice writes.
    let mut bob = bob;
    let late = bob.direct(START, &alice.key(), b"from before");
    ratchet(&mut alice, later, &bob.key(), &late);
    let sealed = alice.direct(later, &bob.key(), b"still the new one");
    ratchet(&mut anew, later, &alice.key(), &sealed);
}

#[test]
fn a_device_that_begins_again_under_its_old_name_is_read() {
    let (mut alice, bob) = in_a_session(72);
    let later = START.after(HOUR);
    let mut anew = lost(&bob, 73);
    let alices = alice.public(later);
    anew.open(later, &alice.key(), &alices.bytes).unwrap();
    // On the same prekey of Alice, under the same name: the session that she has cannot read it.
    let first = anew.direct(later, &alice.key(), b"one");
    let second = anew.direct(later, &alice.key(), b"two");
    let opened = ratchet(&mut alice, later, &bob.key(), &second);
    assert!(opened.replaced);
    assert_eq!(opened.payload.as_deref(), Some(&b"two"[..]));
    assert!(!ratchet(&mut alice, later, &bob.key(), &first).replaced);
    let reply = alice.direct(later, &bob.key(), b"welcome");
    ratchet(&mut anew, later, &alice.key(), &reply);
    assert_eq!(alice.store.len(Table::Session), 1);
}

/// What the device sent before it lost its state may come after what it sent since.
#[test]
fn a_late_opening_of_before_does_not_take_the_place_of_the_new_one() {
    let (mut alice, mut bob) = acquainted(189);
    let late = bob.direct(START, &alice.key(), b"from before");
    let later = START.after(HOUR);
    let mut anew = lost(&bob, 191);
    let alices = alice.public(later);
    anew.open(later, &alice.key(), &alices.bytes).unwrap();
    let first = anew.direct(later, &alice.key(), b"one");
    ratchet(&mut alice, later, &bob.key(), &first);
    assert_eq!(alice.open(later, &bob.key(), &late.bytes), Err(RatchetError::BadMac.into()));
    let second = anew.direct(later, &alice.key(), b"two");
    assert!(!ratchet(&mut alice, later, &bob.key(), &second).replaced);
    let reply = alice.direct(later, &bob.key(), b"welcome");
    ratchet(&mut anew, later, &alice.key(), &reply);
}

#[test]
fn an_opening_that_was_replaced_opens_nothing_any_more() {
    let (mut alice, mut bob) = acquainted(74);
    let openings: Vec<_> = (0..3u64)
        .map(|life| {
            let (now, opening) = (START.after(Duration::from_secs(life)), &mut bob);
            if life > 0 {
                *opening = lost(opening, 75 + life);
                let alices = alice.public(now);
                opening.open(now, &alice.key(), &alices.bytes).unwrap();
            }
            let sealed = opening.direct(now, &alice.key(), b"hello");
            ratchet(&mut alice, now, &opening.key(), &sealed);
            sealed
        })
        .collect();
    for old in &openings {
        let refused = alice.open(START.after(HOUR), &bob.key(), &old.bytes);
        assert_eq!(refused, Err(RatchetError::Duplicate.into()));
        // Nor does it under another name.
        use prost::Message as _;
        let mut renamed = crate::proto::wire::ProtocolMessage::decode(&old.bytes[..]).unwrap();
        renamed.installation_id = "another".to_owned();
        assert!(alice.open(START.after(HOUR), &bob.key(), &renamed.encode_to_vec()).is_err());
    }
    let sealed = bob.direct(START.after(HOUR), &alice.key(), b"as ever");
    ratchet(&mut alice, START.after(HOUR), &bob.key(), &sealed);
}

#[test]
fn openings_in_the_place_of_others_have_an_end() {
    let (mut alice, mut bob) = acquainted(80);
    let mut refused = None;
    for life in 0..MAX_REPLACED_OPENINGS + 2 {
        let seed = 81 + u64::try_from(life).unwrap();
        let now = START.after(Duration::from_secs(seed));
        let alices = alice.public(now);
        bob = lost(&bob, seed);
        bob.open(now, &alice.key(), &alices.bytes).unwrap();
        let sealed = bob.direct(now, &alice.key(), b"hello");
        if alice.open(now, &bob.key(), &sealed.bytes).is_err() {
            refused.get_or_insert(life);
        }
    }
    assert_eq!(refused, Some(MAX_REPLACED_OPENINGS + 1));
}

#[test]
fn only_the_word_of_the_device_itself_and_a_later_one_makes_it_begin_again() {
    let (mut alice, bob) = in_a_session(84);
    let name = bob.layer.installation().as_str().to_owned();
    let known = alice.device(&bob.key(), &name).unwrap();
    let before = alice.store.clone();
    // Another device of Bob's says it, from what it may remember of the past.
    let stale = bob.bundle(&name, some_prekey(1), 1, nanos(START.after(HOUR)));
    alice.open(START, &bob.key(), &carry(stale.clone())).unwrap();
    assert_eq!(alice.store, before);
    // So does somebody else, under its name.
    let mallory = Party::new(184);
    let own_word =
        |bundle: Vec<u8>| encode(&name, bundle, std::collections::BTreeMap::new(), b"payload".to_vec());
    alice.open(START, &mallory.key(), &own_word(stale)).unwrap();
    assert_eq!(alice.store, before);
    // Its own word, but not a later one.
    let old = bob.bundle(&name, some_prekey(1), 1, known.timestamp);
    alice.open(START, &bob.key(), &own_word(old)).unwrap();
    let device = alice.device(&bob.key(), &name).unwrap();
    assert_eq!((device.prekey, device.heard_on), (known.prekey, known.heard_on));
}

#[test]
fn whoever_answers_nothing_is_silent_until_it_is_heard_of() {
    let (mut alice, mut bob) = in_a_session(185);
    let silent = |alice: &mut Party, bob: &Party, now: Now| {
        let (layer, mut cx) = alice.cx(now);
        layer.silent_since(&mut cx, &bob.key(), 4).unwrap()
    };
    let mut sent = Vec::new();
    for n in 0..3 {
        assert_eq!(silent(&mut alice, &bob, START), None);
        sent.push(alice.direct(START.after(n * HOUR), &bob.key(), b"?"));
    }
    let last = START.after(2 * HOUR).unix;
    assert_eq!(silent(&mut alice, &bob, START.after(DAY / 2)), Some(last));
    // Its bundle says that it is there.
    let mut heard_of = alice.clone();
    let advertised = bob.public(START.after(3 * HOUR));
    heard_of.open(START.after(3 * HOUR), &bob.key(), &advertised.bytes).unwrap();
    assert_eq!(silent(&mut heard_of, &bob, START.after(3 * HOUR)), None);
    // Or its answer.
    bob.open(START.after(3 * HOUR), &alice.key(), &sent[2].bytes).unwrap();
    let answer = bob.direct(START, &alice.key(), b"!");
    alice.open(START.after(3 * HOUR), &bob.key(), &answer.bytes).unwrap();
    assert_eq!(silent(&mut alice, &bob, START.after(3 * HOUR)), None);
}

/// Whoever has stolen Bob's identity takes the name of his device, counts its version up, and opens a session of its own
/// beside the one that Alice began.
#[test]
fn a_session_that_a_known_device_opens_beside_one_that_was_heard_is_told_of() {
    let (mut alice, mut bob) = acquainted(80);
    let first = alice.direct(START, &bob.key(), b"hello");
    bob.open(START, &alice.key(), &first.bytes).unwrap();
    let reply = bob.direct(START, &alice.key(), b"hello");
    assert!(!ratchet(&mut alice, START, &bob.key(), &reply).replaced);

    let mut thief = lost(&bob, 81);
    thief.public(START);
    let later = START.after(25 * HOUR);
    thief.open(later, &alice.key(), &alice.public(later).bytes).unwrap();
    let theirs = thief.direct(later, &alice.key(), b"send money");
    let opened = ratchet(&mut alice, later, &bob.key(), &theirs);
    assert!(
        opened.learned.iter().all(|learned| learned.change == DeviceChange::Rotated),
        "{:?}",
        opened.learned
    );
    assert!(opened.replaced, "the person is to be told");
    // It is told of once.
    let again = thief.direct(later, &alice.key(), b"soon");
    assert!(!ratchet(&mut alice, later, &bob.key(), &again).replaced);
}
