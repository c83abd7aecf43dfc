//! Composed, queued, sent, delivered, failed: forwards only, on the schedule, and never a lie.

use undertone_base::FaultClass;
use undertone_transport::{Failure, PublicName};

use super::*;
use crate::limits::{CONTACT_CODE_EVERY, MAX_ATTEMPTS, MAX_SLEEP, RESENDS_PER_STEP};
use crate::{FailReason, Place, Protection};

const SECOND: Duration = Duration::from_secs(1);

fn lab() -> ChatId {
    ChatId::Public(PublicName::new("lab").unwrap())
}

fn peer(byte: u8) -> ChatId {
    ChatId::OneToOne(SecretKey::from_slice(&[byte; 32]).unwrap().public())
}

#[test]
fn a_start_listens_publishes_and_names_the_device_once() {
    let mut side = Side::unopened(1);
    assert_eq!(side.messenger.installation_id(&side.store).unwrap(), None);
    let first = side.open();
    let name = side.messenger.installation_id(&side.store).unwrap().unwrap();
    assert!(name.looks_usual());
    let routes = |effects: &[Effect]| -> Vec<String> {
        let of = |effect: &Effect| match effect {
            Effect::Transport(undertone_transport::Command::Listen(l)) => Some(format!("{:?}", l.route)),
            Effect::Transport(undertone_transport::Command::Send(s)) => Some(format!("send {:?}", s.route)),
            _ => None,
        };
        effects.iter().filter_map(of).map(|s| s.split('(').next().unwrap().to_owned()).collect()
    };
    assert_eq!(routes(&first), ["Partition", "Personal", "ContactCode", "send ContactCode"]);
    side.command(Command::Open(lab()));
    side.command(Command::Open(peer(2)));
    let second = side.open();
    assert_eq!(
        routes(&second),
        ["Partition", "Personal", "ContactCode", "ContactCode", "Negotiated", "Public", "send ContactCode"]
    );
    assert_eq!(side.messenger.installation_id(&side.store).unwrap(), Some(name));
    assert_eq!(side.rows(Table::Outbox), 1, "the old contact code is gone");
    assert_ne!(sends(&first)[0].id, sends(&second)[0].id);
}

#[test]
fn the_contact_code_is_published_every_six_hours_unless_one_still_waits() {
    let mut side = Side::new(1);
    side.later(CONTACT_CODE_EVERY);
    assert!(sends(&side.timeout()).is_empty(), "the first one still waits for a peer");
    let id = side.singletons().contact_code_send.unwrap();
    side.progress(id, Progress::Relayed);
    assert_eq!(side.rows(Table::Outbox), 0);
    side.later(CONTACT_CODE_EVERY - SECOND);
    assert!(sends(&side.timeout()).is_empty());
    side.later(SECOND);
    let again = side.timeout();
    assert_eq!(sends(&again).len(), 1);
    // A failure is mended sooner.
    let id = sends(&again)[0].id;
    side.progress(id, Progress::Failed(Failure::Expired));
    side.later(Duration::from_secs(299));
    assert!(sends(&side.timeout()).is_empty());
    side.later(SECOND);
    assert_eq!(sends(&side.timeout()).len(), 1);
}

#[test]
fn a_start_that_fails_at_any_write_can_be_tried_again() {
    let mut side = Side::new(1);
    side.say(&lab(), "public");
    side.say(&peer(2), "direct");
    let before = side.store.clone();
    let mut writes = 0;
    loop {
        let mut tx = crate::suite::Failing { store: &mut side.store, left: Some(writes), written: 0 };
        match side.messenger.open(&mut tx, side.now, &mut side.dice) {
            Ok(effects) => {
                assert_eq!(sends(&effects).len(), 3);
                break;
            }
            Err(fault) => assert_eq!(fault, Fault::Store(undertone_base::StoreError::Unavailable)),
        }
        side.store = before.clone();
        writes += 1;
    }
    assert!(writes >= 6, "three sends moved, the state: {writes}");
    assert_eq!(side.rows(Table::Outbox), 3);
}

#[test]
fn a_messenger_prints_nothing_but_its_key() {
    let side = Side::new(0xa1);
    assert_eq!(format!("{:?}", side.messenger), "Messenger(PublicKey(04ab5d2e79…))");
}

#[test]
fn texts_that_no_receiver_takes_are_refused_and_change_nothing() {
    let mut side = Side::new(1);
    let before = side.store.clone();
    let refuse = |side: &mut Side, chat: ChatId, text: &str| {
        let fault = side.try_step(Input::Command(Command::Send { chat, text: text.to_owned() })).unwrap_err();
        assert_eq!(fault.fault(), FaultClass::Caller);
        fault.code()
    };
    assert_eq!(refuse(&mut side, lab(), " \n\t"), "chat.text_blank");
    assert_eq!(refuse(&mut side, peer(2), ""), "chat.text_blank");
    assert_eq!(refuse(&mut side, peer(2), &"x".repeat(4097)), "chat.text_too_long");
    assert_eq!(refuse(&mut side, peer(1), "to myself"), "messenger.oneself");
    assert_eq!(side.try_step(Input::Command(Command::Open(peer(1)))).unwrap_err(), Fault::Oneself);
    let unknown = Command::MarkRead(lab());
    assert_eq!(side.try_step(Input::Command(unknown)).unwrap_err(), Fault::UnknownChat);
    let unknown = Command::GiveUp(MessageId::from_bytes([1; 32]));
    assert_eq!(side.try_step(Input::Command(unknown)).unwrap_err(), Fault::UnknownMessage);
    assert_eq!(side.store, before);
    side.say(&peer(2), &"x".repeat(4096));
}

#[test]
fn a_public_message_is_tried_six_times() {
    let mut side = Side::new(1);
    let (id, mut send) = side.say(&lab(), "anybody?");
    side.progress(send.id, Progress::Queued);
    let mut seen = vec![send.id];
    for wait in [5, 15, 60, 600, 600] {
        let effects = side.progress(send.id, Progress::Failed(Failure::Expired));
        assert_eq!(states(&effects), []);
        assert_eq!(wake(&effects), side.now.unix.after(Duration::from_secs(wait)));
        // Whoever fails twice fails once.
        assert!(sends(&side.progress(send.id, Progress::Failed(Failure::Expired))).is_empty());
        side.later(Duration::from_secs(wait) - Duration::from_millis(1));
        assert!(sends(&side.timeout()).is_empty());
        side.later(Duration::from_millis(1));
        let effects = side.timeout();
        let again = sends(&effects);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].payload, send.payload);
        assert!(!seen.contains(&again[0].id), "a send id is never used again");
        seen.push(again[0].id);
        send = again[0].clone();
    }
    assert_eq!(seen.len(), usize::try_from(MAX_ATTEMPTS).unwrap());
    assert_eq!(side.state(&id), MessageState::Queued);
    let effects = side.progress(send.id, Progress::Failed(Failure::Overloaded));
    assert_eq!(states(&effects), [MessageState::Failed(FailReason::NobodyTookIt)]);
    assert_eq!(side.rows(Table::Due), 0);
    assert_eq!(side.rows(Table::Outbox), 1, "only the contact code");
}

#[test]
fn a_one_to_one_message_is_tried_for_ever_unless_that_is_hopeless() {
    for (why, end) in [
        (Failure::Clock, MessageState::Queued),
        (Failure::Expired, MessageState::Queued),
        (Failure::ProofOfWork, MessageState::Failed(FailReason::ProofOfWork)),
        (Failure::TooLarge, MessageState::Failed(FailReason::TooLarge)),
    ] {
        let mut side = Side::new(1);
        let (id, send) = side.say(&peer(2), "hello?");
        side.progress(send.id, Progress::Queued);
        let mut last = send.id;
        for _ in 0..8 {
            side.progress(last, Progress::Failed(why));
            side.later(MAX_SLEEP);
            let effects = side.timeout();
            let Some(send) = sends(&effects).first().copied().cloned() else { break };
            last = send.id;
        }
        assert_eq!(side.state(&id), end);
        assert_eq!(side.rows(Table::Pending), usize::from(end == MessageState::Queued));
    }
}

#[test]
fn a_public_message_that_is_refused_for_its_time_says_so_in_the_end() {
    let mut side = Side::new(1);
    let (id, mut send) = side.say(&lab(), "at another time");
    for wait in [5, 15, 60, 600, 600] {
        side.progress(send.id, Progress::Failed(Failure::Clock));
        side.later(Duration::from_secs(wait));
        send = sends(&side.timeout())[0].clone();
    }
    let effects = side.progress(send.id, Progress::Failed(Failure::Clock));
    assert_eq!(states(&effects), [MessageState::Failed(FailReason::Clock)]);
    assert_eq!(side.state(&id), MessageState::Failed(FailReason::Clock), "stored");
}

#[test]
fn a_public_message_that_is_too_large_fails_at_once() {
    let mut side = Side::new(1);
    let (_, send) = side.say(&lab(), "hello");
    let effects = side.progress(send.id, Progress::Failed(Failure::TooLarge));
    assert_eq!(states(&effects), [MessageState::Failed(FailReason::TooLarge)]);
}

#[test]
fn the_schedule_starts_when_a_peer_took_it() {
    let mut side = Side::new(1);
    let (_, send) = side.say(&peer(2), "hello");
    side.later(Duration::from_secs(1_000));
    assert!(sends(&side.timeout()).is_empty(), "it waits for the transport, not for the clock");
    let effects = side.progress(send.id, Progress::Relayed);
    assert_eq!(states(&effects), [MessageState::Sent]);
    let mut last = send.id;
    for wait in [5, 15, 60, 600, 600] {
        side.later(Duration::from_secs(wait) - Duration::from_millis(1));
        assert!(sends(&side.timeout()).is_empty());
        side.later(Duration::from_millis(1));
        let effects = side.timeout();
        assert_eq!(sends(&effects).len(), 1);
        assert!(messages(&effects).is_empty(), "it is no new message");
        let again = sends(&effects)[0].id;
        assert_ne!(again, last);
        last = again;
        side.progress(last, Progress::Relayed);
    }
}

#[test]
fn a_step_sends_a_bounded_number_again_and_asks_for_the_next() {
    let mut side = Side::new(1);
    let total = RESENDS_PER_STEP + 5;
    for n in 0..total {
        let (_, send) = side.say(&peer(2), &n.to_string());
        side.progress(send.id, Progress::Relayed);
    }
    side.later(Duration::from_secs(5));
    let first = side.timeout();
    assert_eq!(sends(&first).len(), RESENDS_PER_STEP);
    assert_eq!(wake(&first), side.now.unix, "at once");
    assert_eq!(sends(&side.timeout()).len(), 5);
    assert!(sends(&side.timeout()).is_empty());
}

#[test]
fn a_clock_that_goes_back_does_not_silence_anything() {
    let mut side = Side::new(1);
    let contact_code = side.singletons().contact_code_send.unwrap();
    side.progress(contact_code, Progress::Relayed);
    side.later(Duration::from_secs(1_000_000));
    let (_, send) = side.say(&peer(2), "from the future");
    side.progress(send.id, Progress::Relayed);
    let contact_code = sends(&side.timeout())[0].id;
    side.progress(contact_code, Progress::Relayed);
    side.now.unix = START;
    let effects = side.progress(SendId(u64::MAX), Progress::Relayed);
    assert!(wake(&effects) <= START.after(MAX_SLEEP));
    side.now.unix = wake(&effects);
    let again = side.timeout();
    let routes: Vec<_> = sends(&again).into_iter().map(|send| send.route.is_sealed_to_a_key()).collect();
    assert_eq!(routes, [true, false], "the message and the contact code");
}

#[test]
fn a_clock_that_was_far_ahead_does_not_close_a_chat() {
    let mut side = Side::new(1);
    side.later(Duration::from_secs(365 * 24 * 3600));
    side.say(&lab(), "from the future");
    side.now.unix = START;
    let (first, _) = side.say(&lab(), "from now");
    let (second, _) = side.say(&lab(), "from now");
    assert_ne!(first, second);
    let clock = |side: &Side, id| side.messenger.message(&side.store, id).unwrap().unwrap().clock;
    assert!(clock(&side, &first) < clock(&side, &second));
    assert!(clock(&side, &second) <= START.after(Duration::from_secs(120)).millis());
}

#[test]
fn what_was_given_up_does_not_hide_what_waits_from_a_person_who_is_back() {
    let (mut alice, mut bob) = acquainted();
    let to_bob = ChatId::OneToOne(bob.key());
    for n in 0..4 * RESENDS_PER_STEP {
        let (id, _) = alice.say(&to_bob, &n.to_string());
        alice.command(Command::GiveUp(id));
    }
    let waiting = 5;
    for n in 0..waiting {
        let (_, send) = alice.say(&to_bob, &format!("waits {n}"));
        alice.progress(send.id, Progress::Relayed);
    }
    for wait in [5, 15, 60] {
        alice.later(Duration::from_secs(wait));
        for send in sends(&alice.timeout()).into_iter().map(|send| send.id) {
            alice.progress(send, Progress::Relayed);
        }
    }
    alice.later(Duration::from_secs(30));
    let code = bob.open();
    alice.hear_all(bob.key(), &code);
    let again = alice.timeout();
    assert_eq!(sends(&again).len(), waiting);
}

#[test]
fn an_acknowledgement_that_comes_after_giving_up_is_the_truth() {
    let (mut alice, mut bob) = acquainted();
    let to_bob = ChatId::OneToOne(bob.key());
    let (id, send) = alice.say(&to_bob, "never mind");
    assert_eq!(states(&alice.command(Command::GiveUp(id))), [MessageState::Failed(FailReason::GivenUp)]);
    assert!(states(&alice.progress(send.id, Progress::Relayed)).is_empty());
    alice.later(Duration::from_secs(10_000));
    alice.open();
    assert!(sends(&alice.timeout()).is_empty(), "it is not sent again");
    let twice = alice.try_step(Input::Command(Command::GiveUp(id))).unwrap_err();
    assert_eq!(twice, Fault::NotWaiting);
    // It got out after all.
    let answer = bob.hear(alice.key(), &send);
    alice.hear_all(bob.key(), &answer);
    assert_eq!(alice.state(&id), MessageState::Delivered);
    assert_eq!(alice.rows(Table::Pending), 0);

    let (id, send) = alice.say(&lab(), "nor this");
    alice.progress(send.id, Progress::Failed(Failure::Expired));
    alice.command(Command::GiveUp(id));
    assert_eq!((alice.rows(Table::Due), alice.state(&id).word()), (0, "failed"));
}

#[test]
fn delivery_before_the_news_of_the_relay_stays_delivery() {
    let (mut alice, mut bob) = acquainted();
    let (id, send) = alice.say(&ChatId::OneToOne(bob.key()), "quick");
    let answer = bob.hear(alice.key(), &send);
    let effects = alice.hear_all(bob.key(), &answer);
    assert_eq!(states(&effects), [MessageState::Delivered]);
    for late in [Progress::Queued, Progress::Relayed, Progress::Failed(Failure::Expired)] {
        assert_eq!(states(&alice.progress(send.id, late)), []);
    }
    assert_eq!(alice.state(&id), MessageState::Delivered);
    assert_eq!((alice.rows(Table::Pending), alice.rows(Table::Due)), (0, 0));
}

#[test]
fn a_start_hands_over_again_what_no_peer_took() {
    let (mut alice, mut bob) = acquainted();
    let (id, send) = alice.say(&ChatId::OneToOne(bob.key()), "hello?");
    let (_, public) = alice.say(&lab(), "anybody?");
    let (_, failed) = alice.say(&lab(), "hm");
    alice.progress(failed.id, Progress::Failed(Failure::Expired));
    let effects = alice.open();
    let again: Vec<_> = sends(&effects).into_iter().cloned().collect();
    assert_eq!(
        again.len(),
        3,
        "the direct one, the public one, a contact code; what waits for its time waits"
    );
    assert_eq!((&again[0].payload, &again[0].route), (&send.payload, &send.route));
    assert_eq!((&again[1].payload, &again[1].route), (&public.payload, &public.route));
    assert!(again.iter().all(|new| new.id > failed.id), "under new ids");
    // News of the last run's send is no news of this one.
    assert!(states(&alice.progress(send.id, Progress::Relayed)).is_empty());
    alice.progress(again[0].id, Progress::Relayed);
    assert_eq!(alice.state(&id), MessageState::Sent);
    assert_eq!(messages(&bob.hear(alice.key(), &again[0])).len(), 1);
}

#[test]
fn what_was_acknowledged_while_it_waited_is_not_sent_by_the_next_start() {
    let (mut alice, mut bob) = acquainted();
    let (_, send) = alice.say(&ChatId::OneToOne(bob.key()), "quick");
    let answer = bob.hear(alice.key(), &send);
    alice.hear_all(bob.key(), &answer);
    let codes = alice.open();
    assert_eq!(sends(&codes).len(), 1, "only the contact code");
}

#[test]
fn the_weakest_form_in_which_it_left_is_shown() {
    let mut side = Side::new(1);
    let bob = SecretKey::from_slice(&[2; 32]).unwrap().public();
    let (id, send) = side.say(&ChatId::OneToOne(bob), "hello");
    side.progress(send.id, Progress::Relayed);
    assert_eq!(side.messenger.message(&side.store, &id).unwrap().unwrap().protection, Protection::DhOnly);
    side.command(Command::SetPfs { peer: bob, pfs: crate::Pfs::Off });
    assert_eq!(side.messenger.pfs(&side.store, &bob).unwrap(), crate::Pfs::Off);
    side.later(Duration::from_secs(5));
    side.timeout();
    let protection = side.messenger.message(&side.store, &id).unwrap().unwrap().protection;
    assert_eq!(protection, Protection::TransportOnly);
}

#[test]
fn pages_go_back_through_a_chat_without_gap_or_double() {
    let mut side = Side::new(1);
    let texts: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    for text in &texts {
        side.say(&lab(), text);
    }
    side.say(&ChatId::Public(PublicName::new("lab2").unwrap()), "elsewhere");
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = side.messenger.messages(&side.store, &lab(), before, 3).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(Place::of(last));
        seen.extend(page.into_iter().map(|message| message.text));
    }
    seen.reverse();
    assert_eq!(seen, texts);
}

#[test]
fn unread_counts_what_others_wrote_until_it_is_read() {
    let (mut alice, mut bob) = acquainted();
    let (to_bob, to_alice) = (ChatId::OneToOne(bob.key()), ChatId::OneToOne(alice.key()));
    let unread = |side: &Side| side.messenger.chats(&side.store).unwrap()[0].unread;
    assert_eq!((unread(&alice), unread(&bob)), (1, 1));
    let (_, send) = alice.say(&to_bob, "two");
    bob.hear(alice.key(), &send);
    assert_eq!(unread(&bob), 2);
    bob.command(Command::MarkRead(to_alice));
    assert_eq!(unread(&bob), 0);
    assert_eq!(unread(&alice), 1);
}

/// So many keys that one step does not erase all of them: the next one goes on at once.
#[test]
fn outdated_keys_that_are_too_many_for_a_step_are_erased_in_the_next_ones() {
    use undertone_ratchet::limits::{MAX_ERASED, SKIPPED_KEPT};
    let (mut alice, mut bob) = acquainted();
    let chat = ChatId::OneToOne(bob.key());
    alice.say(&chat, "comes never");
    let (_, second) = alice.say(&chat, "comes");
    bob.hear(alice.key(), &second);
    let rows = bob.store.scan(Table::Skipped, Keys::ALL, Order::Ascending, 9).unwrap();
    let (_, row) = &rows[0];
    for n in 0..u32::try_from(MAX_ERASED).unwrap() {
        let key = [&bob.key().to_compressed()[..], &n.to_be_bytes()].concat();
        bob.store.put(Table::Skipped, &key, row).unwrap();
    }
    bob.later(SKIPPED_KEPT + Duration::from_secs(1));
    let effects = bob.timeout();
    assert_eq!(bob.rows(Table::Skipped), 1);
    assert_eq!(wake(&effects), bob.now.unix, "it goes on at once");
    let effects = bob.timeout();
    assert_eq!(bob.rows(Table::Skipped), 0);
    assert!(wake(&effects) > bob.now.unix);
}
