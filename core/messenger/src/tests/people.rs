//! Strangers: what they may grow, and what becomes of the rest.

use undertone_transport::{PublicName, Route};

use super::*;
use crate::Protection;
use crate::limits::{MAX_PEOPLE, MAX_QUEUED_ACKS, MAX_STRANGER_CHATS};

fn lab() -> ChatId {
    ChatId::Public(PublicName::new("lab").unwrap())
}

fn set(side: &mut Side, change: impl FnOnce(&mut State)) {
    let mut state = side.singletons();
    change(&mut state);
    state.save(&mut side.store).unwrap();
}

#[test]
fn one_stranger_too_many_is_refused_until_there_is_room() {
    let (mut bob, mut carol) = (Side::new(0xb2), Side::new(0xc3));
    let (_, send) = carol.say(&ChatId::OneToOne(bob.key()), "hi");
    set(&mut bob, |state| state.strangers = MAX_STRANGER_CHATS);
    let arrival = bob.arrival(carol.key(), &send);
    assert_eq!(bob.refused(arrival.clone()), Undecodable::Payload("messenger.too_many_strangers"));
    set(&mut bob, |state| state.strangers = MAX_STRANGER_CHATS - 1);
    assert_eq!(messages(&bob.receive(arrival)).len(), 1);
    assert_eq!(bob.singletons().strangers, MAX_STRANGER_CHATS);
    // Writing back makes the chat ours.
    bob.say(&ChatId::OneToOne(carol.key()), "hello");
    assert_eq!(bob.singletons().strangers, MAX_STRANGER_CHATS - 1);
    bob.command(Command::Open(ChatId::OneToOne(carol.key())));
    assert_eq!(bob.singletons().strangers, MAX_STRANGER_CHATS - 1);
}

#[test]
fn whom_we_have_added_is_no_stranger_however_many_there_are() {
    let (mut bob, mut carol) = (Side::new(0xb2), Side::new(0xc3));
    let (_, send) = carol.say(&ChatId::OneToOne(bob.key()), "hi");
    bob.command(Command::AddContact { peer: carol.key(), nickname: None });
    set(&mut bob, |state| state.strangers = MAX_STRANGER_CHATS);
    let arrival = bob.arrival(carol.key(), &send);
    assert_eq!(messages(&bob.receive(arrival)).len(), 1);
    assert_eq!(bob.singletons().strangers, MAX_STRANGER_CHATS);
}

#[test]
fn devices_of_people_beyond_the_limit_are_not_kept_but_their_words_are() {
    let (mut bob, mut carol) = (Side::new(0xb2), Side::new(0xc3));
    bob.command(Command::Open(lab()));
    let (_, send) = carol.say(&lab(), "hi all");
    set(&mut bob, |state| state.people = MAX_PEOPLE);
    let devices = bob.rows(Table::Device);
    bob.hear(carol.key(), &send);
    assert_eq!(bob.texts(&lab()), ["hi all"]);
    assert_eq!(bob.rows(Table::Device), devices);
    set(&mut bob, |state| state.people = MAX_PEOPLE - 1);
    let (_, send) = carol.say(&lab(), "me again");
    bob.hear(carol.key(), &send);
    assert_eq!(bob.rows(Table::Device), devices + 1);
    assert_eq!(bob.singletons().people, MAX_PEOPLE);
}

#[test]
fn a_bundle_of_somebody_unknown_teaches_nothing() {
    // Dave's contact code, carried by Carol into a public chat as if it were her message.
    let (mut bob, mut carol, mut dave) = (Side::new(0xb2), Side::new(0xc3), Side::unopened(0xd4));
    bob.command(Command::Open(lab()));
    let code = sends(&dave.open())[0].clone();
    let (_, hers) = carol.say(&lab(), "look");
    // Fields of two messages one after the other are one message with both bundles.
    let mut joined = code.payload.clone();
    joined.extend_from_slice(&hers.payload);
    let arrival = Received { payload: joined, ..bob.arrival(carol.key(), &hers) };
    let effects = bob.receive(arrival);
    assert_eq!(messages(&effects).len(), 1);
    assert_eq!(bob.rows(Table::Device), 1, "Carol's, not Dave's");
    assert_eq!(bob.singletons().people, 1);
}

#[test]
fn above_the_limit_messages_are_kept_but_not_acknowledged() {
    let (mut alice, mut bob) = acquainted();
    let to_bob = ChatId::OneToOne(bob.key());
    set(&mut bob, |state| state.acks_queued = MAX_QUEUED_ACKS);
    let (id, send) = alice.say(&to_bob, "one");
    alice.progress(send.id, Progress::Relayed);
    let answer = bob.hear(alice.key(), &send);
    assert_eq!((messages(&answer).len(), sends(&answer).len()), (1, 0));
    set(&mut bob, |state| state.acks_queued = MAX_QUEUED_ACKS - 1);
    alice.later(Duration::from_secs(5));
    let again = alice.timeout();
    let answer = bob.hear_all(alice.key(), &again);
    assert_eq!((messages(&answer).len(), sends(&answer).len()), (0, 1));
    assert_eq!(bob.singletons().acks_queued, MAX_QUEUED_ACKS);
    bob.progress(sends(&answer)[0].id, Progress::Relayed);
    assert_eq!(bob.singletons().acks_queued, MAX_QUEUED_ACKS - 1);
    alice.hear_all(bob.key(), &answer);
    assert_eq!(alice.state(&id), MessageState::Delivered);
}

#[test]
fn a_contact_code_counts_only_from_its_owner_and_only_for_our_chats() {
    let (mut alice, mut bob, carol) = (Side::new(0xa1), Side::unopened(0xb2), Side::new(0xc3));
    let code = sends(&bob.open())[0].clone();
    assert!(matches!(code.route, Route::ContactCode(_)));
    let arrival = alice.arrival(bob.key(), &code);
    alice.ignored(arrival.clone());
    let to_bob = ChatId::OneToOne(bob.key());
    alice.command(Command::Open(to_bob.clone()));
    alice.ignored(Received { author: carol.key(), ..arrival.clone() });
    assert!(messages(&alice.receive(arrival)).is_empty());
    let (id, send) = alice.say(&to_bob, "hello");
    assert_eq!(alice.messenger.message(&alice.store, &id).unwrap().unwrap().protection, Protection::Ratchet);
    assert_eq!(messages(&bob.hear(alice.key(), &send))[0].text, "hello");
}

#[test]
fn whoever_is_answered_is_listened_to_also_after_a_start() {
    use undertone_payload::{MessageType, Metadata};
    let (mut carol, mut bob) = (Side::new(0xc3), Side::new(0xb2));
    // A contact update, which nothing is done with yet, in a genuine first message.
    let id = carol.messenger.identity();
    let update = Metadata::sign(MessageType::CONTACT_UPDATE, vec![8, 1], &*carol.keyring, id).unwrap();
    let group = undertone_datasync::GroupId::of_pair(&carol.key(), &bob.key());
    let (_, message) = undertone_datasync::wrap(group, START, update.into_bytes());
    let payload = undertone_datasync::SyncPayloadOut::message(&message).to_bytes();
    let now = carol.now;
    let mut step =
        crate::step::Step::begin(&carol.messenger, &mut carol.store, now, &mut carol.dice).unwrap();
    let sealed = step.seal_direct(&bob.key(), payload).unwrap();
    let row = crate::rows::OutboxRow::new(sealed.address, sealed.bytes, crate::rows::Carries::Ack);
    step.hand_over(&row).unwrap();
    let send = sends(&step.finish().unwrap())[0].clone();

    let arrival = bob.arrival(carol.key(), &send);
    set(&mut bob, |state| state.strangers = MAX_STRANGER_CHATS);
    assert_eq!(bob.refused(arrival.clone()), Undecodable::Payload("messenger.too_many_strangers"));
    set(&mut bob, |state| state.strangers = 0);
    let effects = bob.receive(arrival);
    assert_eq!((messages(&effects).len(), sends(&effects).len()), (0, 1));
    let negotiated = |effects: &[Effect]| {
        let is = |effect: &Effect| match effect {
            Effect::Transport(undertone_transport::Command::Listen(listen)) => {
                matches!(listen.route, Route::Negotiated(_))
            }
            _ => false,
        };
        effects.iter().any(is)
    };
    assert!(negotiated(&effects));
    assert!(negotiated(&bob.open()));
}
