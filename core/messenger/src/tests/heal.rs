//! Lost state: who is told of what, and how two come together again.

use super::*;
use crate::limits::ANSWER_EVERY;
use crate::{Pfs, Protection};

/// Bob after he has lost everything but his key: another device, on which he has opened his chat with Alice again.
fn anew(bob: &Side, alice: &Side) -> Side {
    let mut anew = Side::unopened(0xb2);
    anew.dice = Dice::new(b"another device");
    anew.now = bob.now;
    anew.open();
    anew.command(Command::Open(ChatId::OneToOne(alice.key())));
    anew
}

fn lost(effects: &[Effect]) -> Vec<bool> {
    let lost = |effect: &Effect| match effect {
        Effect::Notify(Notice::LostSession { answered, .. }) => Some(*answered),
        _ => None,
    };
    effects.iter().filter_map(lost).collect()
}

fn new_devices(effects: &[Effect]) -> Vec<PublicKey> {
    let new = |effect: &Effect| match effect {
        Effect::Notify(Notice::NewDevice { peer, .. }) => Some(*peer),
        _ => None,
    };
    effects.iter().filter_map(new).collect()
}

#[test]
fn a_device_that_lost_its_state_is_heard_of_and_written_to() {
    let (mut alice, bob) = acquainted();
    let mut bob = anew(&bob, &alice);
    let to_bob = ChatId::OneToOne(bob.key());
    let (id, send) = alice.say(&to_bob, "are you still there?");
    alice.progress(send.id, Progress::Relayed);

    let effects = bob.hear(alice.key(), &send);
    assert!(messages(&effects).is_empty());
    assert_eq!(lost(&effects), [true], "the person sees it");
    let answer = sends(&effects);
    assert_eq!(answer.len(), 1);

    // Alice sees that Bob has another device, and what waits for its time reaches it.
    let effects = alice.hear(bob.key(), answer[0]);
    assert_eq!(new_devices(&effects), [bob.key()]);
    assert!(messages(&effects).is_empty(), "nothing to read in it");
    alice.later(Duration::from_secs(3_600));
    bob.now = alice.now;
    let again = alice.timeout();
    let arrived: Vec<_> = sends(&again).into_iter().flat_map(|send| bob.hear(alice.key(), send)).collect();
    let read: Vec<_> = messages(&arrived).into_iter().map(|m| (m.text.clone(), m.protection)).collect();
    assert_eq!(read, [("are you still there?".to_owned(), Protection::Ratchet)]);
    alice.hear_all(bob.key(), &arrived);
    assert_eq!(alice.state(&id), MessageState::Delivered);

    // And both go on in it.
    let (id, send) = bob.say(&ChatId::OneToOne(alice.key()), "I am back");
    let acks = alice.hear(bob.key(), &send);
    assert_eq!(messages(&acks)[0].protection, Protection::Ratchet);
    assert!(new_devices(&acks).is_empty());
    bob.hear_all(alice.key(), &acks);
    assert_eq!(bob.state(&id), MessageState::Delivered);
}

#[test]
fn one_answer_in_two_hours_also_after_a_restart() {
    let (mut alice, bob) = acquainted();
    let mut bob = anew(&bob, &alice);
    let to_bob = ChatId::OneToOne(bob.key());
    let write = |alice: &mut Side, bob: &mut Side| {
        bob.now = alice.now;
        let (_, send) = alice.say(&to_bob, "hello?");
        let effects = bob.hear(alice.key(), &send);
        (lost(&effects), sends(&effects).len())
    };
    assert_eq!(write(&mut alice, &mut bob), (vec![true], 1));
    assert_eq!(write(&mut alice, &mut bob), (vec![false], 0));
    alice.later(ANSWER_EVERY - Duration::from_millis(1));
    bob.open();
    assert_eq!(write(&mut alice, &mut bob), (vec![false], 0));
    alice.later(Duration::from_millis(1));
    assert_eq!(write(&mut alice, &mut bob), (vec![true], 1));
    // A clock that was ahead does not silence it.
    alice.now = Now { unix: START, ..alice.now };
    assert_eq!(write(&mut alice, &mut bob), (vec![true], 1));
}

#[test]
fn strangers_and_people_without_forward_secrecy_get_no_answer() {
    let (mut alice, bob) = acquainted();
    // A chat that nobody here has opened.
    let mut unaware = Side::unopened(0xb2);
    unaware.dice = Dice::new(b"another device");
    unaware.open();
    let (_, send) = alice.say(&ChatId::OneToOne(bob.key()), "hello?");
    let arrival = unaware.arrival(alice.key(), &send);
    assert_eq!(unaware.refused(arrival), Undecodable::Security("open.device_not_found"));

    let mut bob = anew(&bob, &alice);
    bob.command(Command::SetPfs { peer: alice.key(), pfs: Pfs::Off });
    let arrival = bob.arrival(alice.key(), &send);
    assert_eq!(bob.refused(arrival), Undecodable::Security("open.device_not_found"));
}

fn downgrades(effects: &[Effect]) -> Vec<Protection> {
    let to = |effect: &Effect| match effect {
        Effect::Notify(Notice::Downgraded { to, .. }) => Some(*to),
        _ => None,
    };
    effects.iter().filter_map(to).collect()
}

#[test]
fn whoever_has_shown_forward_secrecy_does_not_fall_back_unseen() {
    let (mut alice, mut bob) = acquainted();
    let to_bob = ChatId::OneToOne(bob.key());
    // So far only Bob has answered through the ratchet.
    let (_, send) = alice.say(&to_bob, "well protected");
    assert_eq!(messages(&bob.hear(alice.key(), &send))[0].protection, Protection::Ratchet);

    alice.command(Command::SetPfs { peer: bob.key(), pfs: Pfs::Off });
    let (_, bare) = alice.say(&to_bob, "in my name");
    let effects = bob.hear(alice.key(), &bare);
    assert_eq!(downgrades(&effects), [Protection::TransportOnly]);
    assert!(messages(&effects).is_empty());
    assert_eq!(bob.texts(&ChatId::OneToOne(alice.key())), ["hello", "hello", "well protected"]);

    bob.command(Command::AllowWeaker { peer: alice.key(), allowed: true });
    let effects = bob.hear(alice.key(), &bare);
    assert_eq!(messages(&effects)[0].protection, Protection::TransportOnly, "shown for what it is");
    bob.command(Command::AllowWeaker { peer: alice.key(), allowed: false });
    let (_, bare) = alice.say(&to_bob, "once more");
    assert_eq!(downgrades(&bob.hear(alice.key(), &bare)), [Protection::TransportOnly]);
}

#[test]
fn a_device_that_was_set_up_anew_comes_back_through_the_ratchet() {
    let (mut alice, mut bob) = acquainted();
    let to_bob = ChatId::OneToOne(bob.key());
    let (_, send) = alice.say(&to_bob, "well protected");
    bob.hear(alice.key(), &send);

    let mut anew = Side::unopened(0xa1);
    anew.dice = Dice::new(b"another device");
    anew.open();
    let (id, send) = anew.say(&to_bob, "it is me");
    anew.progress(send.id, Progress::Relayed);
    let effects = bob.hear(anew.key(), &send);
    assert_eq!(downgrades(&effects), [Protection::DhOnly]);
    assert_eq!(new_devices(&effects), [anew.key()]);
    for answer in sends(&effects) {
        anew.hear(bob.key(), answer);
    }
    anew.later(Duration::from_secs(3_600));
    bob.now = anew.now;
    let again = anew.timeout();
    let arrived: Vec<_> = sends(&again).into_iter().flat_map(|send| bob.hear(anew.key(), send)).collect();
    assert_eq!(messages(&arrived)[0].text, "it is me");
    assert_eq!(messages(&arrived)[0].protection, Protection::Ratchet);
    anew.hear_all(bob.key(), &arrived);
    assert_eq!(anew.state(&id), MessageState::Delivered);
}
