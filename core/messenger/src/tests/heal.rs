//! Lost state: who is told of what, and how two come together again.

use undertone_transport::{PublicName, Route};

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

/// Devices that began again under their old names.
fn began_anew(effects: &[Effect]) -> usize {
    let anew = |effect: &&Effect| matches!(effect, Effect::Notify(Notice::DeviceBeganAnew { .. }));
    effects.iter().filter(anew).count()
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

#[test]
fn the_person_is_told_when_a_session_is_lost_and_when_it_is_back() {
    let (mut alice, bob) = acquainted();
    let mut bob = anew(&bob, &alice);
    let name = |side: &Side| side.messenger.installation_id(&side.store).unwrap();
    let to_bob = ChatId::OneToOne(bob.key());
    let (_, send) = alice.say(&to_bob, "one");
    let effects = bob.hear(alice.key(), &send);
    let lost = effects.iter().find_map(|effect| match effect {
        Effect::Notify(Notice::LostSession { peer, installation, answered }) => {
            Some((*peer, installation.clone(), *answered))
        }
        _ => None,
    });
    assert_eq!(lost, Some((alice.key(), name(&alice), true)), "whose, which device of it, and what was done");

    let changed = |effects: &[Effect]| -> Vec<_> {
        let of = |effect: &Effect| match effect {
            Effect::Notify(Notice::SessionChanged { peer, installation }) => {
                Some((*peer, installation.clone()))
            }
            _ => None,
        };
        effects.iter().filter_map(of).collect()
    };
    alice.hear_all(bob.key(), &effects);
    // Also after a restart in between, and once.
    bob.open();
    for text in ["two", "three"] {
        let (_, send) = alice.say(&to_bob, text);
        let effects = bob.hear(alice.key(), &send);
        assert_eq!(messages(&effects)[0].protection, Protection::Ratchet, "not weaker than what it replaces");
        let expected = if text == "two" { vec![(alice.key(), name(&alice))] } else { Vec::new() };
        assert_eq!(changed(&effects), expected);
    }
}

#[test]
fn forward_secrecy_that_is_off_by_default_is_told_and_kept_and_does_not_let_others_fall_back() {
    let (mut alice, mut bob) = acquainted();
    let (to_bob, to_alice) = (ChatId::OneToOne(bob.key()), ChatId::OneToOne(alice.key()));
    let (_, send) = alice.say(&to_bob, "well protected");
    bob.hear(alice.key(), &send);
    let told = |effects: &[Effect]| {
        effects.iter().any(|effect| matches!(effect, Effect::Notify(Notice::DefaultPfs(Pfs::Off))))
    };
    assert!(told(&bob.command(Command::SetDefaultPfs(Pfs::Off))));
    assert!(!told(&bob.command(Command::SetDefaultPfs(Pfs::Off))), "once");
    bob.open();
    assert_eq!(bob.messenger.default_pfs(&bob.store).unwrap(), Pfs::Off);

    // What is sent shows how it was protected, on both sides; what somebody else was told goes by that.
    let (id, send) = bob.say(&to_alice, "bare");
    let shown = |side: &Side| side.messenger.message(&side.store, &id).unwrap().unwrap().protection;
    assert_eq!(shown(&bob), Protection::TransportOnly);
    assert_eq!(
        downgrades(&alice.hear(bob.key(), &send)),
        [Protection::TransportOnly],
        "Bob had shown better"
    );
    bob.command(Command::SetPfs { peer: alice.key(), pfs: Pfs::On });
    let (id, _) = bob.say(&to_alice, "covered");
    let message = bob.messenger.message(&bob.store, &id).unwrap().unwrap();
    assert_eq!(message.protection, Protection::Ratchet);
    bob.command(Command::PfsByDefault(alice.key()));
    let contact = bob.messenger.contact(&bob.store, &alice.key()).unwrap();
    assert_eq!((contact.pfs, contact.pfs_chosen), (Pfs::Off, None));

    // That Bob sends so does not mean that Alice may.
    alice.command(Command::SetPfs { peer: bob.key(), pfs: Pfs::Off });
    let (_, bare) = alice.say(&to_bob, "in my name");
    let effects = bob.hear(alice.key(), &bare);
    assert_eq!(downgrades(&effects), [Protection::TransportOnly]);
    assert!(messages(&effects).is_empty());
    // A choice for this person does.
    let effects = bob.command(Command::SetPfs { peer: alice.key(), pfs: Pfs::Off });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Notify(Notice::Contact(_)))), "it is told");
    assert_eq!(messages(&bob.hear(alice.key(), &bare)).len(), 1);
}

#[test]
fn a_header_that_an_attacker_strips_is_a_downgrade_and_names_its_device() {
    let (mut alice, mut bob) = acquainted();
    let to_bob = ChatId::OneToOne(bob.key());
    let (_, send) = alice.say(&to_bob, "well protected");
    bob.hear(alice.key(), &send);
    // Whoever holds the key of Alice's identity and none of her sessions.
    let mut thief = Side::unopened(0xa1);
    thief.dice = Dice::new(b"thief");
    thief.open();
    let (_, send) = thief.say(&to_bob, "send money");
    let before = bob.texts(&ChatId::OneToOne(alice.key()));
    let effects = bob.hear(alice.key(), &send);
    let seen = effects.iter().find_map(|effect| match effect {
        Effect::Notify(Notice::Downgraded { peer, installation, to }) => {
            Some((*peer, installation.clone(), *to))
        }
        _ => None,
    });
    let name = thief.messenger.installation_id(&thief.store).unwrap();
    assert_eq!(seen, Some((alice.key(), name, Protection::DhOnly)));
    assert_eq!(bob.texts(&ChatId::OneToOne(alice.key())), before);
    // Stored: from then on, whatever happens, this person has shown better.
    bob.open();
    assert!(bob.messenger.contact(&bob.store, &alice.key()).unwrap().shown_pfs);
}

/// Bob after he has lost everything but his key and the name of his device, as the original does when its database is
/// gone.
fn nameless(bob: &Side) -> Side {
    let mut anew = Side::unopened(0xb2);
    anew.dice = Dice::new(b"the same device");
    anew.now = bob.now;
    State::new(bob.singletons().installation).save(&mut anew.store).unwrap();
    anew
}

fn changed(effects: &[Effect]) -> usize {
    let changed = |effect: &&Effect| matches!(effect, Effect::Notify(Notice::SessionChanged { .. }));
    effects.iter().filter(changed).count()
}

#[test]
fn a_device_that_begins_again_under_its_old_name_is_told_of_and_written_to() {
    let (mut alice, bob) = acquainted();
    let mut bob = nameless(&bob);
    alice.later(Duration::from_secs(3_600));
    bob.now = alice.now;
    let to_bob = ChatId::OneToOne(bob.key());
    let (id, send) = alice.say(&to_bob, "are you still there?");
    alice.progress(send.id, Progress::Relayed);
    assert!(matches!(send.route, Route::Negotiated(_)));
    // He does not listen there any more; what he does is start, and say so.
    let started = bob.open();
    alice.later(Duration::from_secs(10));
    bob.now = alice.now;
    let effects = alice.hear(bob.key(), sends(&started)[0]);
    assert_eq!((began_anew(&effects), lost(&effects).len()), (1, 0), "no message is lost");
    assert!(new_devices(&effects).is_empty());

    let again = alice.timeout();
    assert_eq!(sends(&again)[0].route, Route::Partition(bob.key()));
    let arrived = bob.hear_all(alice.key(), &again);
    let read: Vec<_> = messages(&arrived).into_iter().map(|m| (m.text.clone(), m.protection)).collect();
    assert_eq!(read, [("are you still there?".to_owned(), Protection::Ratchet)]);
    let effects = alice.hear(bob.key(), sends(&arrived)[0]);
    assert_eq!(changed(&effects), 1);
    assert_eq!(alice.state(&id), MessageState::Delivered);
}

#[test]
fn a_device_that_begins_again_under_its_old_name_and_writes_is_answered_at_once() {
    let (mut alice, bob) = acquainted();
    // She has answered somebody's lost message of Bob's lately.
    let (to_bob, to_alice) = (ChatId::OneToOne(bob.key()), ChatId::OneToOne(alice.key()));
    let (_, send) = alice.say(&to_bob, "well protected");
    let mut first = bob;
    let acks = first.hear(alice.key(), &send);
    alice.hear_all(first.key(), &acks);
    for life in 0..3u8 {
        let mut bob = nameless(&first);
        bob.dice = Dice::new(&[life]);
        alice.later(Duration::from_secs(60));
        bob.now = alice.now;
        bob.open();
        let (id, send) = bob.say(&to_alice, &format!("who are you? {life}"));
        bob.progress(send.id, Progress::Relayed);
        let effects = alice.hear(bob.key(), &send);
        assert_eq!((downgrades(&effects), began_anew(&effects)), (vec![Protection::DhOnly], 1));
        assert!(lost(&effects).is_empty());
        let devices: Vec<_> =
            sends(&effects).into_iter().filter(|send| send.route == Route::Partition(bob.key())).collect();
        assert_eq!(devices.len(), 1, "in life {life}");
        bob.hear(alice.key(), devices[0]);
        bob.later(Duration::from_secs(5));
        alice.now = bob.now;
        let again = bob.timeout();
        let arrived = alice.hear_all(bob.key(), &again);
        assert_eq!(messages(&arrived)[0].protection, Protection::Ratchet);
        assert_eq!(changed(&arrived), 1);
        bob.hear_all(alice.key(), &arrived);
        assert_eq!(bob.state(&id), MessageState::Delivered);
        first = bob;
    }
}

/// Each repetition is one more message that a device which is away passes over, and it passes over a thousand.
#[test]
fn repetitions_do_not_carry_a_session_beyond_what_its_device_passes_over() {
    const WRITTEN: usize = 60;
    let (mut alice, mut bob) = acquainted();
    let to_bob = ChatId::OneToOne(bob.key());
    let (mut last, mut sent) = (None, 0);
    for n in 0..WRITTEN {
        let (_, send) = alice.say(&to_bob, &format!("message {n}"));
        alice.progress(send.id, Progress::Relayed);
        sent += 1;
        last = Some(send);
    }
    // He is away for most of a day.
    let mut wake_at = alice.now.unix;
    for _ in 0..2_000 {
        if wake_at.millis() > START.after(Duration::from_secs(20 * 3_600)).millis() {
            break;
        }
        alice.now = alice
            .now
            .after(Duration::from_millis(wake_at.millis().saturating_sub(alice.now.unix.millis()).max(1)));
        let effects = alice.timeout();
        for send in sends(&effects) {
            if matches!(send.route, Route::ContactCode(_)) {
                continue;
            }
            sent += 1;
            last = Some(send.clone());
            alice.progress(send.id, Progress::Relayed);
        }
        let again = alice.timeout();
        for send in sends(&again) {
            alice.progress(send.id, Progress::Relayed);
            sent += 1;
            last = Some(send.clone());
        }
        wake_at = wake(&again);
    }
    assert!((600..1_000).contains(&sent), "{sent} were sent");

    // The last one arrives, and with its answer everything.
    bob.now = alice.now;
    let mut answers = bob.hear(alice.key(), &last.unwrap());
    assert_eq!(messages(&answers).len(), 1, "it is read");
    for _ in 0..WRITTEN {
        let mut effects = alice.hear_all(bob.key(), &answers);
        alice.later(Duration::from_secs(6));
        bob.now = alice.now;
        effects.extend(alice.timeout());
        effects.extend(alice.timeout());
        answers = bob.hear_all(alice.key(), &effects);
    }
    assert_eq!(bob.texts(&ChatId::OneToOne(alice.key())).len(), WRITTEN + 2);
}

#[test]
fn a_new_device_of_a_person_that_first_speaks_in_public_is_announced() {
    let (mut alice, bob) = acquainted();
    let lab = ChatId::Public(PublicName::new("lab").unwrap());
    alice.command(Command::Open(lab.clone()));
    let mut bob = anew(&bob, &alice);
    bob.command(Command::Open(lab.clone()));
    let (_, send) = bob.say(&lab, "from the new one");
    assert_eq!(new_devices(&alice.hear(bob.key(), &send)), [bob.key()]);
    let (_, send) = bob.say(&lab, "once more");
    assert!(new_devices(&alice.hear(bob.key(), &send)).is_empty());
    // Of somebody that she has no chat with it is nobody's business.
    for (life, dice) in [b"one", b"two"].into_iter().enumerate() {
        let mut carol = Side::unopened(0xc3);
        carol.dice = Dice::new(dice);
        carol.now = alice.now;
        carol.open();
        carol.command(Command::Open(lab.clone()));
        let (_, send) = carol.say(&lab, &format!("carol {life}"));
        assert!(new_devices(&alice.hear(carol.key(), &send)).is_empty());
    }
}

/// Bob's bundle may come in anybody's message; a device in it that is new is announced before it is written to.
#[test]
fn a_new_device_of_a_person_that_a_third_one_names_is_announced() {
    let (mut alice, bob) = acquainted();
    let lab = ChatId::Public(PublicName::new("lab").unwrap());
    alice.command(Command::Open(lab.clone()));
    let mut second = Side::unopened(0xb2);
    second.dice = Dice::new(b"second");
    second.now = alice.now;
    let code = sends(&second.open())[0].clone();
    let mut carol = Side::new(0xc3);
    carol.now = alice.now;
    carol.command(Command::Open(lab.clone()));
    let (_, hers) = carol.say(&lab, "look");
    // Fields of two messages one after the other are one message with both bundles.
    let payload = [&code.payload[..], &hers.payload].concat();
    let arrival = Received { payload, ..alice.arrival(carol.key(), &hers) };
    assert_eq!(new_devices(&alice.receive(arrival)), [bob.key()]);
}

/// A contact may claim to have lost everything as often as it likes: each time it hears of our devices once, as it would
/// of an acknowledgement, and what is kept of it does not grow.
#[test]
fn a_contact_that_begins_again_and_again_gains_nothing() {
    let (mut alice, first) = acquainted();
    let to_alice = ChatId::OneToOne(alice.key());
    for life in 0..80u8 {
        let mut bob = nameless(&first);
        bob.dice = Dice::new(&[1, life]);
        alice.later(Duration::from_secs(1));
        bob.now = alice.now;
        bob.open();
        let (_, send) = bob.say(&to_alice, "again");
        let effects = alice.hear(bob.key(), &send);
        assert_eq!(sends(&effects).len(), 1, "in life {life}");
    }
    assert_eq!((alice.rows(Table::Device), alice.rows(Table::Session)), (1, 1));
    assert_eq!((alice.rows(Table::Chat), alice.rows(Table::Contact)), (1, 1));
}

/// Everybody can open a contact code and seal it anew.
#[test]
fn an_old_contact_code_sent_again_neither_dates_a_device_nor_brings_anything_forward() {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::unopened(0xb2));
    let old = bob.open();
    alice.command(Command::Open(ChatId::OneToOne(bob.key())));
    alice.hear_all(bob.key(), &old);
    let (_, send) = alice.say(&ChatId::OneToOne(bob.key()), "are you there?");
    alice.progress(send.id, Progress::Relayed);
    alice.later(Duration::from_secs(6 * 3_600));
    for send in sends(&alice.timeout()) {
        alice.progress(send.id, Progress::Relayed);
    }
    alice.later(Duration::from_secs(10));
    let of_bob = bob.key();
    let heard = |alice: &Side| alice.messenger.devices(&alice.store, &of_bob).unwrap()[0].last_heard;
    let (before, brought) =
        (heard(&alice), |alice: &Side| alice.store.scan(Table::Due, Keys::ALL, Order::Ascending, 9));
    let due = brought(&alice);
    alice.hear_all(bob.key(), &old);
    assert_eq!((heard(&alice), brought(&alice)), (before, due.clone()), "a copy says nothing");

    bob.now = alice.now;
    let new = bob.open();
    alice.hear_all(bob.key(), &new);
    assert!(brought(&alice) != due && heard(&alice) == Some(alice.now.unix), "he has started");
}

/// Each new device of a person that writes without the ratchet hears of ours, however soon it follows another.
#[test]
fn every_new_device_of_a_person_is_answered_at_once() {
    use crate::limits::MAX_ANSWERS;
    let (mut alice, bob) = acquainted();
    let to_alice = ChatId::OneToOne(alice.key());
    let mut answers = Vec::new();
    for n in 0..=MAX_ANSWERS + 1 {
        let mut anew = Side::unopened(0xb2);
        anew.dice = Dice::new(&n.to_be_bytes());
        anew.now = bob.now;
        anew.open();
        let (_, send) = anew.say(&to_alice, "from my new device");
        let effects = alice.hear(bob.key(), &send);
        assert!(messages(&effects).is_empty(), "less than it has shown");
        answers.push(sends(&effects).len());
        // It comes again: the device is known, and has been told.
        assert_eq!(sends(&alice.hear(bob.key(), &send)).len(), 0);
    }
    let all = usize::try_from(MAX_ANSWERS).unwrap() + 1;
    assert_eq!((answers.iter().sum::<usize>(), answers.last()), (all, Some(&0)), "and not for ever");
}

/// A clock that is two days ahead: its device's bundle is not believed, and the person learns why nothing it says is
/// forward secret.
#[test]
fn a_bundle_that_is_left_out_is_told_once_a_day() {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::unopened(0xb2));
    bob.later(Duration::from_secs(2 * 24 * 3_600));
    bob.open();
    let left_out = |effects: &[Effect]| {
        let why = |effect: &Effect| match effect {
            Effect::Notify(Notice::DevicesLeftOut { why, .. }) => Some(*why),
            _ => None,
        };
        effects.iter().filter_map(why).collect::<Vec<_>>()
    };
    let code = bob.open();
    assert!(
        left_out(&alice.hear_all(bob.key(), &code)).is_empty(),
        "of whom we do not want to hear nothing is told"
    );
    alice.command(Command::AddContact { peer: bob.key(), nickname: None });
    assert_eq!(left_out(&alice.receive(alice.arrival(bob.key(), sends(&code)[0]))), ["bundle.timestamp"]);
    for (hours, told) in [(0, 0), (23, 0), (1, 1), (1, 0)] {
        alice.later(Duration::from_secs(hours * 3_600));
        bob.later(Duration::from_secs(hours * 3_600));
        let code = bob.open();
        let effects = alice.receive(alice.arrival(bob.key(), sends(&code)[0]));
        assert_eq!(left_out(&effects).len(), told);
    }
    assert!(alice.messenger.devices(&alice.store, &bob.key()).unwrap().is_empty());
}
