//! Strangers: what they may grow, and what becomes of the rest.

use undertone_transport::{PublicName, Route};

use super::*;
use crate::limits::{ACQUAINTANCES_LEAVE, MAX_PEOPLE, MAX_QUEUED_ACKS, MAX_STRANGER_CHATS};
use crate::rows::ContactRow;
use crate::{Pfs, Protection};

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

/// A thousand keys cost an attacker minutes: what they ask for must not keep others out.
#[test]
fn the_oldest_request_that_nobody_has_looked_at_gives_way() {
    let mut bob = Side::new(0xb2);
    let mut strangers: Vec<Side> = (1..=4).map(Side::new).collect();
    for stranger in &mut strangers {
        let (_, hello) = stranger.say(&ChatId::OneToOne(bob.key()), "hello");
        stranger.hear_all(bob.key(), &bob.hear(stranger.key(), &hello));
        // In a session, with the key of a message that has not come.
        stranger.say(&ChatId::OneToOne(bob.key()), "lost");
        let (_, third) = stranger.say(&ChatId::OneToOne(bob.key()), "third");
        bob.hear(stranger.key(), &third);
        bob.later(Duration::from_secs(1));
    }
    let chats: Vec<_> = strangers.iter().map(|stranger| ChatId::OneToOne(stranger.key())).collect();
    // The first was looked at; the second has given way, when there is no more room.
    bob.command(Command::MarkRead(chats[0].clone()));
    set(&mut bob, |state| state.strangers = MAX_STRANGER_CHATS);
    let of = |bob: &Side, table, stranger: &Side| {
        let prefix = [bob.key().to_compressed(), stranger.key().to_compressed()].concat();
        bob.store.scan_prefix(table, &prefix, Order::Ascending, 9).unwrap().len()
    };
    let of_ratchet = [Table::Device, Table::Session, Table::Skipped, Table::Negotiated];
    for table in of_ratchet {
        assert_ne!(of(&bob, table, &strangers[1]), 0, "{}", table.name());
    }
    let mut newcomer = Side::new(0xc3);
    let (_, send) = newcomer.say(&ChatId::OneToOne(bob.key()), "I am honest");
    let effects = bob.hear(newcomer.key(), &send);
    assert_eq!(messages(&effects).len(), 1);
    let removed = |effects: &[Effect]| {
        let is = |effect: &Effect| match effect {
            Effect::Notify(Notice::ChatRemoved(id)) => Some(id.clone()),
            _ => None,
        };
        effects.iter().filter_map(is).collect::<Vec<_>>()
    };
    assert_eq!(removed(&effects), [chats[1].clone()], "the person is told");
    let unlisten =
        |effect: &&Effect| matches!(effect, Effect::Transport(undertone_transport::Command::Unlisten(_)));
    assert_eq!(effects.iter().filter(unlisten).count(), 2);
    assert_eq!(bob.texts(&chats[0]).len(), 2);
    for table in of_ratchet {
        assert_eq!(of(&bob, table, &strangers[1]), 0, "{}", table.name());
        assert_ne!(of(&bob, table, &strangers[2]), 0, "{}", table.name());
    }
    assert!(bob.texts(&chats[1]).is_empty());
    assert_eq!(bob.store.get(Table::Contact, &strangers[1].key().to_compressed()).unwrap(), None);
    assert_eq!(bob.singletons().strangers, MAX_STRANGER_CHATS);
    // Neither does one give way that was answered or added, nor whom we have said how to write to.
    bob.command(Command::AddContact { peer: strangers[2].key(), nickname: None });
    bob.command(Command::SetPfs { peer: strangers[3].key(), pfs: Pfs::Off });
    bob.command(Command::MarkRead(ChatId::OneToOne(newcomer.key())));
    set(&mut bob, |state| state.strangers = MAX_STRANGER_CHATS);
    let (_, send) = Side::new(0xd4).say(&ChatId::OneToOne(bob.key()), "too many");
    let arrival = bob.arrival(Side::new(0xd4).key(), &send);
    assert_eq!(bob.refused(arrival), Undecodable::Payload("messenger.too_many_strangers"));
    // Whoever gave way may ask again.
    set(&mut bob, |state| state.strangers = 0);
    let (_, again) = strangers[1].say(&ChatId::OneToOne(bob.key()), "me again");
    bob.now = strangers[1].now;
    bob.hear(strangers[1].key(), &again);
    assert_eq!(bob.rows(Table::Chat), 4, "a request, if it can be read: its session is gone");
}

/// Everybody in a public chat can be somebody else with each word.
#[test]
fn acquaintances_make_room_for_each_other_and_those_heard_longest_ago_leave() {
    let (mut bob, mut carol, mut dave) = (Side::new(0xb2), Side::new(0xc3), Side::new(0xd4));
    bob.command(Command::Open(lab()));
    for (n, speaker) in [&mut carol, &mut dave].into_iter().enumerate() {
        let (_, send) = speaker.say(&lab(), "hi all");
        bob.hear(speaker.key(), &send);
        assert_eq!(bob.singletons().people, u32::try_from(n).unwrap() + 1);
    }
    bob.later(Duration::from_secs(3_600));
    carol.now = bob.now;
    let (_, send) = carol.say(&lab(), "still here");
    bob.hear(carol.key(), &send);
    // As many more as leave at once but one, all heard between the two.
    let heard = ContactRow { acquaintance: Some(bob.now.unix), ..ContactRow::default() };
    let earlier = ContactRow { acquaintance: Some(START.after(Duration::from_secs(9))), ..heard.clone() };
    for n in 1..ACQUAINTANCES_LEAVE {
        let secret = SecretKey::from_slice(&keccak256(&n.to_be_bytes())).unwrap();
        bob.store.put(Table::Contact, &secret.public().to_compressed(), &earlier.to_bytes()).unwrap();
    }
    set(&mut bob, |state| state.people = MAX_PEOPLE);
    let mut erin = Side::new(0xe5);
    let (_, send) = erin.say(&lab(), "I am new");
    bob.hear(erin.key(), &send);
    let known = |bob: &Side, side: &Side| !bob.messenger.devices(&bob.store, &side.key()).unwrap().is_empty();
    assert_eq!([&carol, &dave, &erin].map(|side| known(&bob, side)), [true, false, true]);
    assert_eq!(bob.singletons().people, 2, "and the number is counted anew");
    assert_eq!(bob.texts(&lab()).len(), 4, "what was said stays");
    // Whom we write to or add, or who asks for a chat, is no mere acquaintance any more.
    bob.say(&ChatId::OneToOne(carol.key()), "hello");
    assert_eq!(bob.singletons().people, 1);
    bob.command(Command::AddContact { peer: erin.key(), nickname: None });
    assert_eq!(bob.singletons().people, 0);
    dave.now = bob.now;
    let (_, send) = dave.say(&lab(), "back");
    bob.hear(dave.key(), &send);
    assert_eq!(bob.singletons().people, 1);
    let (_, send) = dave.say(&ChatId::OneToOne(bob.key()), "psst");
    bob.hear(dave.key(), &send);
    assert_eq!(bob.singletons().people, 0);
    bob.command(Command::Decline { peer: dave.key(), block: false });
    assert_eq!(bob.singletons().people, 0);
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
