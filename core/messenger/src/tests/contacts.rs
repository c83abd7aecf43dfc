//! What we make of people: added, verified, blocked, declined.

use undertone_transport::{PublicName, Route};

use super::*;
use crate::limits::{MAX_NICKNAME, MAX_STRANGER_CHATS};
use crate::{Contact, ContactState, FailReason, OpenedBy, Pfs, Verification, VerifiedBy};

fn lab() -> ChatId {
    ChatId::Public(PublicName::new("lab").unwrap())
}

fn contacts(effects: &[Effect]) -> Vec<Contact> {
    let contact = |effect: &Effect| match effect {
        Effect::Notify(Notice::Contact(contact)) => Some((**contact).clone()),
        _ => None,
    };
    effects.iter().filter_map(contact).collect()
}

/// Routes of people that are listened to (true) or no more (false).
fn listening(effects: &[Effect]) -> Vec<(bool, Route)> {
    let change = |effect: &Effect| match effect {
        Effect::Transport(undertone_transport::Command::Listen(l)) => Some((true, l.route.clone())),
        Effect::Transport(undertone_transport::Command::Unlisten(l)) => Some((false, l.route.clone())),
        _ => None,
    };
    effects.iter().filter_map(change).collect()
}

fn of(side: &Side, person: PublicKey) -> Contact {
    side.messenger.contact(&side.store, &person).unwrap()
}

fn add(peer: PublicKey, nickname: &str) -> Command {
    Command::AddContact { peer, nickname: Some(nickname.to_owned()) }
}

fn fails(side: &mut Side, command: Command) -> Fault {
    let before = side.store.clone();
    let fault = side.try_step(Input::Command(command)).unwrap_err();
    assert_eq!(side.store, before);
    fault
}

#[test]
fn unknown_added_verified_and_back() {
    let (mut alice, bob) = (Side::new(0xa1), Side::new(0xb2));
    let peer = bob.key();
    assert_eq!(of(&alice, peer).state, ContactState::Unknown);
    let effects = alice.command(add(peer, " Bob "));
    assert_eq!(contacts(&effects), [of(&alice, peer)]);
    assert_eq!(
        (of(&alice, peer).state, of(&alice, peer).nickname.as_deref()),
        (ContactState::Added, Some("Bob"))
    );
    assert!(contacts(&alice.command(add(peer, "Bob"))).is_empty(), "nothing changed");

    alice.later(Duration::from_secs(5));
    alice.command(Command::Verify { peer, by: VerifiedBy::CodeOverCall });
    let verified = of(&alice, peer);
    assert_eq!(verified.state, ContactState::Verified);
    let how = Verification { by: VerifiedBy::CodeOverCall, at: alice.now.unix };
    assert_eq!(verified.verification, Some(how));
    // Another nickname does not take it away, and nobody's messages change it.
    alice.command(add(peer, "Robert"));
    alice.command(Command::SetPfs { peer, pfs: Pfs::Off });
    assert_eq!((of(&alice, peer).verification, of(&alice, peer).pfs), (Some(how), Pfs::Off));
    assert_eq!(alice.messenger.contacts(&alice.store).unwrap(), [of(&alice, peer)]);

    let effects = alice.command(Command::RemoveContact(peer));
    assert_eq!(contacts(&effects)[0].state, ContactState::Unknown);
    assert_eq!((of(&alice, peer).nickname, of(&alice, peer).verification), (None, None));
    assert_eq!(of(&alice, peer).pfs, Pfs::Off, "that is no matter of contacts");
    assert!(alice.messenger.contacts(&alice.store).unwrap().is_empty());
}

#[test]
fn a_verified_person_is_added_by_that() {
    let (mut alice, bob) = (Side::new(0xa1), Side::new(0xb2));
    alice.command(Command::Verify { peer: bob.key(), by: VerifiedBy::QrCode });
    assert_eq!(of(&alice, bob.key()).state, ContactState::Verified);
    assert_eq!(alice.messenger.contacts(&alice.store).unwrap().len(), 1);
}

#[test]
fn nicknames_are_visible_bounded_and_of_one_person_only() {
    let (mut alice, bob, carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    alice.command(add(bob.key(), "Bob"));
    assert_eq!(fails(&mut alice, add(carol.key(), "bOB ")), Fault::NicknameTaken);
    for bad in ["a\nb", "a\u{202e}b", "Bo\u{200b}b", "\u{feff}x", &"a".repeat(MAX_NICKNAME + 1)] {
        assert_eq!(fails(&mut alice, add(carol.key(), bad)), Fault::Nickname, "{bad:?}");
    }
    alice.command(add(carol.key(), &"a".repeat(MAX_NICKNAME)));
    alice.command(add(carol.key(), ""));
    assert_eq!(of(&alice, carol.key()).nickname, None);
    alice.command(Command::AddContact { peer: bob.key(), nickname: None });
    assert_eq!(of(&alice, bob.key()).nickname.as_deref(), Some("Bob"));
    alice.command(Command::RemoveContact(bob.key()));
    alice.command(add(carol.key(), "Bob"));
}

#[test]
fn oneself_is_no_contact() {
    let mut alice = Side::new(0xa1);
    let peer = alice.key();
    for command in [add(peer, "me"), Command::Block(peer), Command::Verify { peer, by: VerifiedBy::QrCode }] {
        assert_eq!(fails(&mut alice, command), Fault::Oneself);
    }
}

#[test]
fn devices_of_an_added_person_are_learned_before_the_first_message() {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::unopened(0xb2));
    let code = sends(&bob.open())[0].clone();
    let heard = listening(&alice.command(add(bob.key(), "Bob")));
    assert_eq!(heard[0], (true, Route::ContactCode(bob.key())));
    assert!(alice.messenger.chats(&alice.store).unwrap().is_empty(), "there is nothing to show yet");
    assert!(listening(&alice.open()).contains(&heard[0]), "also after a start");
    alice.hear(bob.key(), &code);
    let (id, _) = alice.say(&ChatId::OneToOne(bob.key()), "hello");
    let message = alice.messenger.message(&alice.store, &id).unwrap().unwrap();
    assert_eq!(message.protection, crate::Protection::Ratchet);
    // Whom we forget, and have no chat with, is not listened to any more.
    let carol = Side::new(0xc3);
    alice.command(add(carol.key(), "Carol"));
    let heard = listening(&alice.command(Command::RemoveContact(carol.key())));
    assert_eq!(heard[0], (false, Route::ContactCode(carol.key())));
    assert!(listening(&alice.command(Command::RemoveContact(bob.key()))).is_empty());
}

#[test]
fn a_blocked_person_is_neither_shown_nor_acknowledged_nor_learned_from() {
    let (mut alice, mut bob) = acquainted();
    let (to_bob, to_alice) = (ChatId::OneToOne(bob.key()), ChatId::OneToOne(alice.key()));
    alice.command(Command::Open(lab()));
    let effects = alice.command(Command::Block(bob.key()));
    assert_eq!(contacts(&effects)[0].state, ContactState::Blocked);
    assert_eq!(listening(&effects).len(), 2, "neither its contact code nor what we share");
    assert!(listening(&effects).iter().all(|(on, _)| !on));

    let (direct, send) = bob.say(&to_alice, "can you hear me?");
    bob.progress(send.id, Progress::Relayed);
    let (_, public) = bob.say(&lab(), "can anybody?");
    let code = sends(&bob.open())[0].clone();
    for send in [&send, &public, &code] {
        alice.ignored(alice.arrival(bob.key(), send));
    }
    // Lost state is not answered either.
    let mut anew = Side::unopened(0xb2);
    anew.dice = Dice::new(b"another device");
    anew.open();
    let (_, strange) = anew.say(&to_alice, "and now?");
    alice.ignored(alice.arrival(bob.key(), &strange));
    assert!(!listening(&alice.open()).contains(&(true, Route::ContactCode(bob.key()))));
    for command in [
        Command::Open(to_bob.clone()),
        Command::Send { chat: to_bob.clone(), text: "no".to_owned() },
        add(bob.key(), "Bob"),
        Command::Verify { peer: bob.key(), by: VerifiedBy::QrCode },
    ] {
        assert_eq!(fails(&mut alice, command), Fault::Blocked);
    }
    assert_eq!(alice.texts(&to_bob), ["hello", "hello"], "what was said stays");

    // The ratchet is where it was: what comes again afterwards is read and acknowledged.
    let effects = alice.command(Command::Unblock(bob.key()));
    assert_eq!(contacts(&effects)[0].state, ContactState::Unknown);
    assert_eq!(listening(&effects)[0], (true, Route::ContactCode(bob.key())));
    bob.later(Duration::from_secs(5));
    let again = bob.timeout();
    let answer = alice.hear_all(bob.key(), &again);
    assert_eq!(messages(&answer)[0].text, "can you hear me?");
    bob.hear_all(alice.key(), &answer);
    assert_eq!(bob.state(&direct), MessageState::Delivered);
}

#[test]
fn a_blocked_authors_words_are_not_shown_in_anybodys_envelope() {
    let (mut alice, mut bob, carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    alice.command(Command::Open(lab()));
    alice.command(Command::Block(bob.key()));
    let (_, send) = bob.say(&lab(), "hi");
    // Carol passes on what Bob has signed.
    alice.ignored(alice.arrival(carol.key(), &send));
    assert!(alice.texts(&lab()).is_empty());
}

#[test]
fn a_blocked_persons_bundle_in_anothers_message_teaches_nothing() {
    let (mut alice, mut bob) = acquainted();
    let mut carol = Side::new(0xc3);
    alice.command(Command::Open(lab()));
    alice.command(Command::Block(bob.key()));
    let mut anew = Side::unopened(0xb2);
    anew.dice = Dice::new(b"another device");
    let code = sends(&anew.open())[0].clone();
    let (_, hers) = carol.say(&lab(), "look");
    let mut joined = code.payload.clone();
    joined.extend_from_slice(&hers.payload);
    let devices = alice.rows(Table::Device);
    let arrival = Received { payload: joined, ..alice.arrival(carol.key(), &hers) };
    assert_eq!(messages(&alice.receive(arrival)).len(), 1);
    assert_eq!(alice.rows(Table::Device), devices + 1, "Carol's, not Bob's");
    bob.later(Duration::from_secs(1));
}

#[test]
fn blocking_gives_up_what_waits() {
    let (mut alice, mut bob) = acquainted();
    let (to_bob, to_alice) = (ChatId::OneToOne(bob.key()), ChatId::OneToOne(alice.key()));
    let (waits, _) = alice.say(&to_bob, "not out yet");
    let (relayed, send) = alice.say(&to_bob, "out, but not there");
    alice.progress(send.id, Progress::Relayed);
    // An acknowledgement that still waits for the transport.
    let (_, theirs) = bob.say(&to_alice, "hi");
    alice.hear(bob.key(), &theirs);
    alice.command(Command::Block(bob.key()));
    for id in [waits, relayed] {
        assert_eq!(alice.state(&id), MessageState::Failed(FailReason::GivenUp));
    }
    assert_eq!((alice.rows(Table::Due), alice.singletons().acks_queued), (0, 0));
    let codes = alice.open();
    assert_eq!(sends(&codes).len(), 1, "the contact code alone");
    alice.later(Duration::from_secs(10_000));
    assert!(sends(&alice.timeout()).iter().all(|send| !matches!(send.route, Route::Negotiated(_))));
    // What got there after all is known to be there, once its acknowledgement counts again.
    let answer = bob.hear(alice.key(), &send);
    alice.command(Command::Unblock(bob.key()));
    alice.hear_all(bob.key(), &answer);
    assert_eq!(alice.state(&relayed), MessageState::Delivered);
}

#[test]
fn a_request_is_settled_by_a_decision() {
    let (mut alice, mut bob, mut carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    for stranger in [&mut bob, &mut carol] {
        let (_, send) = stranger.say(&ChatId::OneToOne(alice.key()), "hi");
        alice.hear(stranger.key(), &send);
    }
    let opened_by = |alice: &Side| {
        alice.messenger.chats(&alice.store).unwrap().iter().map(|chat| chat.opened_by).collect::<Vec<_>>()
    };
    assert_eq!(opened_by(&alice), [OpenedBy::Stranger, OpenedBy::Stranger]);
    assert_eq!(alice.singletons().strangers, 2);
    alice.command(add(bob.key(), "Bob"));
    alice.command(Command::Block(carol.key()));
    assert_eq!(opened_by(&alice), [OpenedBy::Us, OpenedBy::Us]);
    assert_eq!(alice.singletons().strangers, 0);
    let decline = Command::Decline { peer: bob.key(), block: false };
    assert_eq!(fails(&mut alice, decline), Fault::NotARequest);
}

#[test]
fn a_declined_chat_is_gone_and_old_messages_do_not_bring_it_back() {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    let (to_alice, to_bob) = (ChatId::OneToOne(alice.key()), ChatId::OneToOne(bob.key()));
    let decline = Command::Decline { peer: bob.key(), block: false };
    assert_eq!(fails(&mut alice, decline.clone()), Fault::UnknownChat);
    let (lost, send) = bob.say(&to_alice, "one");
    bob.progress(send.id, Progress::Relayed);
    let (_, second) = bob.say(&to_alice, "two");
    let mut state = alice.singletons();
    state.strangers = MAX_STRANGER_CHATS - 1;
    state.save(&mut alice.store).unwrap();
    assert_eq!(messages(&alice.hear(bob.key(), &second)).len(), 1);

    let effects = alice.command(decline);
    assert!(effects.iter().any(|e| matches!(e, Effect::Notify(Notice::ChatRemoved(id)) if *id == to_bob)));
    assert!(listening(&effects).iter().all(|(on, _)| !on));
    assert_eq!(listening(&effects).len(), 2);
    assert_eq!(alice.singletons().strangers, MAX_STRANGER_CHATS - 1, "there is room for another");
    for table in [Table::Chat, Table::Message, Table::Timeline, Table::Pending, Table::Due] {
        assert_eq!(alice.rows(table), 0, "{}", table.name());
    }
    assert_eq!(of(&alice, bob.key()).state, ContactState::Unknown);

    // What was under way is acknowledged, lest it come for ever, and not shown.
    let answer = alice.hear(bob.key(), &send);
    assert_eq!((messages(&answer).len(), sends(&answer).len(), alice.rows(Table::Chat)), (0, 1, 0));
    bob.hear_all(alice.key(), &answer);
    assert_eq!(bob.state(&lost), MessageState::Delivered);

    // A new word opens a new chat.
    bob.later(Duration::from_secs(1));
    alice.now = bob.now;
    let (_, third) = bob.say(&to_alice, "three");
    alice.hear(bob.key(), &third);
    assert_eq!(alice.texts(&to_bob), ["three"]);
    assert_eq!(alice.singletons().strangers, MAX_STRANGER_CHATS);

    let effects = alice.command(Command::Decline { peer: bob.key(), block: true });
    assert_eq!(contacts(&effects)[0].state, ContactState::Blocked);
    bob.later(Duration::from_secs(1));
    let (_, fourth) = bob.say(&to_alice, "four");
    alice.ignored(alice.arrival(bob.key(), &fourth));
}
