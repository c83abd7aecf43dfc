//! Contact updates: telling a person that it was added, and being told.

use undertone_payload::{ContactUpdate, MessageType, Metadata};
use undertone_transport::Route;

use super::*;
use crate::limits::{MAX_STRANGER_CHATS, RESENDS_PER_STEP};
use crate::{Contact, ContactState, OpenedBy, Pfs, Profile, VerifiedBy};

fn of(side: &Side, person: PublicKey) -> Contact {
    side.messenger.contact(&side.store, &person).unwrap()
}

fn told(effects: &[Effect]) -> Vec<Contact> {
    let contact = |effect: &Effect| match effect {
        Effect::Notify(Notice::Contact(contact)) => Some((**contact).clone()),
        _ => None,
    };
    effects.iter().filter_map(contact).collect()
}

fn profile(ens_name: &str, picture: &str) -> Profile {
    Profile { ens_name: ens_name.to_owned(), picture: picture.to_owned() }
}

/// Does what is due at both, until nothing is under way.
fn settle(alice: &mut Side, bob: &mut Side) {
    for _ in 0..4 {
        for n in 0..2 {
            let (from, to) = if n == 0 { (&mut *alice, &mut *bob) } else { (&mut *bob, &mut *alice) };
            let due = from.timeout();
            for send in sends(&due) {
                from.progress(send.id, Progress::Relayed);
                let answer = to.hear(from.key(), send);
                from.hear_all(to.key(), &answer);
            }
        }
    }
}

/// An update of a person as it would come, in a message of its own.
fn arrives(from: &Side, to: &mut Side, clock: u64, ens_name: &str) -> Result<Vec<Effect>, Undecodable> {
    let at = Unix::from_millis(clock.min(START.millis()));
    let update =
        ContactUpdate::new(undertone_payload::Clock::from_value(clock), ens_name, "", at.max(START)).unwrap();
    let metadata = Metadata::sign(
        MessageType::CONTACT_UPDATE,
        update.encode(),
        &*from.keyring,
        from.messenger.identity(),
    );
    let group = undertone_datasync::GroupId::of_pair(&from.key(), &to.key());
    let (_, message) = undertone_datasync::wrap(group, START, metadata.unwrap().into_bytes());
    let received = Received {
        route: Route::Partition(to.key()),
        author: from.key(),
        sealed_to: Some(to.key()),
        payload: undertone_datasync::SyncPayloadOut::message(&message).to_bytes(),
        sent_at: START,
        wire_id: WireId::from_bytes([7; 32]),
        via: Via::Live,
    };
    let effects = to.receive(received);
    match effects.first() {
        Some(Effect::Notify(Notice::Undecodable { why, .. })) => Err(*why),
        _ => Ok(effects),
    }
}

#[test]
fn adding_tells_nobody_and_telling_makes_two_mutual() {
    let (mut alice, mut bob) = acquainted();
    let effects = alice.command(Command::AddContact { peer: bob.key(), nickname: None });
    assert!(sends(&effects).is_empty(), "adding is ours alone");
    settle(&mut alice, &mut bob);
    assert!(!of(&bob, alice.key()).has_added_us);

    let effects = alice.command(Command::SendContactUpdate(bob.key()));
    assert!(of(&alice, bob.key()).told);
    assert_eq!(told(&effects), [of(&alice, bob.key())]);
    settle(&mut alice, &mut bob);
    let seen = of(&bob, alice.key());
    assert!(seen.has_added_us && !seen.is_mutual());
    assert_eq!(
        seen.state,
        ContactState::Unknown,
        "what comes in changes nothing of what we made of somebody"
    );
    assert_eq!((seen.claimed_ens, seen.picture), (None, None));

    bob.command(Command::SendContactUpdate(alice.key()));
    settle(&mut alice, &mut bob);
    assert!(of(&bob, alice.key()).is_mutual() && of(&alice, bob.key()).is_mutual());
    for side in [&alice, &bob] {
        assert_eq!((side.rows(Table::Pending), side.rows(Table::Due)), (0, 0), "acknowledged, and done");
    }
    // Neither is a message.
    assert_eq!(bob.texts(&ChatId::OneToOne(alice.key())), ["hello", "hello"]);
}

#[test]
fn an_update_is_repeated_until_it_is_acknowledged_also_after_a_restart() {
    let (mut alice, mut bob) = acquainted();
    alice.command(Command::SendContactUpdate(bob.key()));
    let due = alice.timeout();
    let lost = sends(&due)[0].clone();
    assert!(matches!(lost.route, Route::Negotiated(_)), "by the ratchet, where the two meet");
    alice.progress(lost.id, Progress::Relayed);
    alice.later(Duration::from_secs(5));
    bob.now = alice.now;
    alice.open();
    let again = alice.timeout();
    let again: Vec<_> =
        sends(&again).into_iter().filter(|s| matches!(s.route, Route::Negotiated(_))).collect();
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].payload, lost.payload, "sealed anew");
    let answer = bob.hear(alice.key(), again[0]);
    assert!(of(&bob, alice.key()).has_added_us);
    // What was lost comes after all: acknowledged, and nothing new.
    assert!(told(&bob.hear(alice.key(), &lost)).is_empty());
    alice.progress(again[0].id, Progress::Relayed);
    alice.hear_all(bob.key(), &answer);
    assert_eq!(alice.rows(Table::Pending), 0);
    // One that no transport can carry is not tried for ever.
    alice.command(Command::SendContactUpdate(bob.key()));
    let due = alice.timeout();
    alice.progress(sends(&due)[0].id, Progress::Failed(undertone_transport::Failure::TooLarge));
    assert_eq!((alice.rows(Table::Pending), alice.rows(Table::Due)), (0, 0));
}

#[test]
fn a_new_profile_goes_to_those_who_were_told_and_no_further() {
    let (mut alice, mut bob) = acquainted();
    let mut carol = Side::new(0xc3);
    alice.command(Command::AddContact { peer: carol.key(), nickname: None });
    alice.command(Command::SendContactUpdate(bob.key()));
    settle(&mut alice, &mut bob);
    alice.later(Duration::from_secs(1));
    bob.now = alice.now;
    let named = profile("alice.stateofus.eth", "data:image/png;base64,AAAA");
    let effects = alice.command(Command::SetProfile(named.clone()));
    let noticed =
        effects.iter().any(|effect| matches!(effect, Effect::Notify(Notice::Profile(p)) if **p == named));
    assert!(noticed);
    assert_eq!(alice.messenger.profile(&alice.store).unwrap(), named);
    let due = alice.timeout();
    assert_eq!(sends(&due).len(), 1, "Bob, not Carol");
    alice.progress(sends(&due)[0].id, Progress::Relayed);
    let answer = bob.hear_all(alice.key(), &due);
    alice.hear_all(bob.key(), &answer);
    let seen = of(&bob, alice.key());
    assert_eq!(seen.claimed_ens.as_deref(), Some("alice.stateofus.eth"));
    assert_eq!(seen.picture.as_deref(), Some("data:image/png;base64,AAAA"));
    // Who is told later hears it then.
    carol.now = alice.now;
    alice.command(Command::SendContactUpdate(carol.key()));
    let due = alice.timeout();
    carol.hear_all(alice.key(), &due);
    assert_eq!(of(&carol, alice.key()).claimed_ens.as_deref(), Some("alice.stateofus.eth"));

    for (bad, code) in [
        (profile("alice", ""), "contact_update.ens_name"),
        (profile("", "https://example.org/x.png"), "contact_update.picture"),
    ] {
        let before = alice.store.clone();
        let fault = alice.try_step(Input::Command(Command::SetProfile(bad))).unwrap_err();
        assert_eq!((fault.code(), fault.fault()), (code, undertone_base::FaultClass::Caller));
        assert_eq!(alice.store, before);
    }
}

#[test]
fn a_step_sends_a_bounded_number_of_updates() {
    let mut alice = Side::new(0xa1);
    for n in 0..40u8 {
        alice.command(Command::SendContactUpdate(Side::unopened(n + 1).key()));
        let due = alice.timeout();
        for send in sends(&due) {
            alice.progress(send.id, Progress::Relayed);
        }
    }
    alice.command(Command::SetProfile(profile("alice.eth", "")));
    let due = alice.timeout();
    assert_eq!(sends(&due).len(), RESENDS_PER_STEP);
    assert!(wake(&due) <= alice.now.unix, "the rest at once");
}

#[test]
fn what_a_person_claims_changes_nothing_of_what_we_made_of_it() {
    let (mut alice, bob) = acquainted();
    let now = START.millis();
    alice.command(Command::Verify { peer: bob.key(), by: VerifiedBy::QrCode });
    alice.command(Command::SetPfs { peer: bob.key(), pfs: Pfs::Off });
    let before = of(&alice, bob.key());
    arrives(&bob, &mut alice, now + 10, "bob.eth").unwrap();
    let after = of(&alice, bob.key());
    let same = Contact { has_added_us: true, claimed_ens: Some("bob.eth".to_owned()), ..before };
    assert_eq!(after, same);
    // An older one that comes late says nothing.
    assert!(told(&arrives(&bob, &mut alice, now + 9, "mallory.eth").unwrap()).is_empty());
    assert_eq!(of(&alice, bob.key()), same);
    // Nor does one from the future: it would close the chat for everybody.
    let refused = |alice: &mut Side, clock: u64| {
        let at = Unix::from_millis(clock);
        let update = ContactUpdate::new(undertone_payload::Clock::from_value(clock), "", "", at).unwrap();
        let signed = Metadata::sign(
            MessageType::CONTACT_UPDATE,
            update.encode(),
            &*bob.keyring,
            bob.messenger.identity(),
        );
        let arrival = Received {
            route: Route::Partition(alice.key()),
            author: bob.key(),
            sealed_to: Some(alice.key()),
            payload: signed.unwrap().into_bytes(),
            sent_at: START,
            wire_id: WireId::from_bytes([8; 32]),
            via: Via::Live,
        };
        alice.refused(arrival)
    };
    assert_eq!(refused(&mut alice, now + 120_001), Undecodable::Payload("clock.too_high"));
    assert_eq!(refused(&mut alice, 1 << 62), Undecodable::Payload("clock.too_high"));
    let (id, _) = alice.say(&ChatId::OneToOne(bob.key()), "still open");
    assert!(alice.messenger.message(&alice.store, &id).unwrap().unwrap().clock <= now + 119_000);
    // Nobody is freed from a block by what he sends.
    alice.command(Command::Block(bob.key()));
    let effects = arrives(&bob, &mut alice, now + 20, "free.eth").unwrap();
    assert!(effects.is_empty());
    assert_eq!(of(&alice, bob.key()).state, ContactState::Blocked);
}

#[test]
fn a_strangers_update_is_a_request_and_takes_a_place() {
    let (mut alice, bob) = (Side::new(0xa1), Side::new(0xb2));
    let mut state = alice.singletons();
    state.strangers = MAX_STRANGER_CHATS;
    state.save(&mut alice.store).unwrap();
    let before = alice.store.clone();
    let refused = arrives(&bob, &mut alice, START.millis(), "").unwrap_err();
    assert_eq!(refused, Undecodable::Payload("messenger.too_many_strangers"));
    assert_eq!(alice.store, before);
    state.strangers = 0;
    state.save(&mut alice.store).unwrap();
    arrives(&bob, &mut alice, START.millis(), "").unwrap();
    let chat = alice.messenger.chats(&alice.store).unwrap()[0].clone();
    assert_eq!((chat.opened_by, chat.unread), (OpenedBy::Stranger, 0));
    assert!(of(&alice, bob.key()).has_added_us);
    // Declined, it does not come back by the same update.
    alice.command(Command::Decline { peer: bob.key(), block: false });
    arrives(&bob, &mut alice, START.millis(), "").unwrap();
    assert_eq!(alice.rows(Table::Chat), 0);
    arrives(&bob, &mut alice, START.millis() + 1, "").unwrap();
    assert_eq!(alice.rows(Table::Chat), 1, "a new one is a new request");
}
