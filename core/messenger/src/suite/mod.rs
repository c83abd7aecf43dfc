//! The messenger's suite, the same for every transport: instantiate
//! [`messenger_suite!`](crate::messenger_suite) for a [`Network`].
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test suite"
)]

mod counting;
mod letters;
mod world;

use std::time::Duration;

use undertone_transport::Route;
use undertone_transport::conformance::{Network, SETTLE};

/// For stores whose tests run messengers: they are not to know of transports otherwise.
pub use undertone_transport as transport;

pub use self::counting::{Counting, Rows};
pub use self::letters::{letter, messenger_of, received, sends};
pub use self::world::{Dice, Failing, Party, World, ratchet_headers};
use crate::store::{MemoryStore, Table};
use crate::{Command, MessageState, Notice, Pfs, Protection};

/// A message and its acknowledgement.
const TRIP: Duration = SETTLE.saturating_mul(2);

/// Two who never met: the first message goes without a session, all others in one, on the route that only
/// these two know; each arrives once and is acknowledged.
pub fn one_to_one_both_ways<N: Network>() {
    let mut world = World::<N>::new(2);
    let (alice, bob) = (world.with(0), world.with(1));
    let first = world.say(0, &bob, "hello bob");
    assert_eq!(world.message(0, &first).state, MessageState::Composed);
    world.run(TRIP);
    let second = world.say(1, &alice, "hello alice");
    world.run(TRIP);
    let third = world.say(0, &bob, "how are you?");
    world.run(TRIP);

    for (at, chat) in [(0, &bob), (1, &alice)] {
        assert_eq!(world.texts(at, chat), ["hello bob", "hello alice", "how are you?"]);
    }
    let of = |at, id| world.message(at, id).protection;
    assert_eq!((of(0, &first), of(1, &first)), (Protection::DhOnly, Protection::DhOnly));
    assert_eq!((of(0, &second), of(1, &second)), (Protection::Ratchet, Protection::Ratchet));
    assert_eq!((of(0, &third), of(1, &third)), (Protection::Ratchet, Protection::Ratchet));
    for (at, id) in [(0, &first), (1, &second), (0, &third)] {
        let states = [MessageState::Queued, MessageState::Sent, MessageState::Delivered];
        assert_eq!(world.states(at, id), states);
        assert_eq!(world.message(at, id).state, MessageState::Delivered);
    }
    assert!(matches!(world.traces(1, &first)[0].route, Route::Partition(_)));
    assert!(matches!(world.traces(0, &second)[0].route, Route::Negotiated(_)));
    assert!(matches!(world.traces(1, &third)[0].route, Route::Negotiated(_)));
    let sent = world.traces(0, &first)[0].sizes;
    assert_eq!(sent, world.traces(1, &first)[0].sizes, "both sides see the same layers");
    assert!(
        0 < sent.text && sent.text < sent.metadata && sent.metadata < sent.sync && sent.sync < sent.protocol
    );
    for party in &world.parties {
        for table in [Table::Pending, Table::Due, Table::Outbox] {
            assert_eq!(party.store.count(table), 0, "nothing waits in {}", table.name());
        }
        let complaint = party.notices.iter().find(|n| matches!(n, Notice::Undecodable { .. }));
        assert_eq!(complaint, None);
    }
    world.check();
}

/// Whoever has heard a contact code needs no first message without forward secrecy.
pub fn a_contact_code_comes_first<N: Network>() {
    let mut world = World::<N>::new(2);
    let bob = world.with(1);
    world.command(0, Command::Open(bob.clone())).expect("opens");
    world.run(SETTLE);
    world.restart(1);
    world.run(SETTLE);
    let id = world.say(0, &bob, "secret from the first word");
    world.run(TRIP);
    assert_eq!(world.message(0, &id).protection, Protection::Ratchet);
    assert_eq!(world.message(0, &id).state, MessageState::Delivered);
    assert_eq!(world.texts(1, &world.with(0)), ["secret from the first word"]);
    world.check();
}

/// A public chat is heard by those who opened it under its exact name.
pub fn public_chat<N: Network>() {
    let mut world = World::<N>::new(4);
    let lab = World::<N>::public("lab");
    for at in 0..3 {
        world.command(at, Command::Open(lab.clone())).expect("opens");
    }
    world.command(3, Command::Open(World::<N>::public("Lab"))).expect("opens");
    world.run(SETTLE);
    let id = world.say(0, &lab, "hello all");
    world.run(SETTLE);
    let answer = world.say(1, &lab, "hello back");
    world.run(SETTLE);
    for at in 0..3 {
        assert_eq!(world.texts(at, &lab), ["hello all", "hello back"]);
    }
    assert!(world.texts(3, &World::<N>::public("Lab")).is_empty());
    assert_eq!(world.states(0, &id), [MessageState::Queued, MessageState::Sent]);
    assert_eq!(world.message(2, &answer).protection, Protection::Public);
    assert_eq!(world.message(2, &answer).author, world.people[1].key);
    // A public message came with a bundle.
    let direct = world.say(2, &world.with(0), "in private");
    world.run(TRIP);
    assert_eq!(world.message(2, &direct).protection, Protection::Ratchet);
    assert_eq!(world.message(2, &direct).state, MessageState::Delivered);
    world.check();
}

/// Held back, turned round and doubled: each message is shown once, in the order of the conversation.
pub fn out_of_order_and_twice<N: Network>() {
    let mut world = World::<N>::new(2);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    world.parties[1].hold = Some(Vec::new());
    let texts = ["one", "two", "three", "four", "five"];
    let ids = texts.map(|text| world.say(0, &bob, text));
    world.run(Duration::from_secs(3));
    let held = world.parties[1].hold.take().expect("held");
    assert!(held.len() >= texts.len());
    for event in held.iter().rev().chain(&held) {
        world.parties[1].twice = true;
        world.deliver(1, event.clone());
    }
    world.parties[1].twice = false;
    world.run(TRIP);
    assert_eq!(world.texts(1, &alice)[2..], texts);
    for id in ids {
        assert_eq!(world.message(0, &id).state, MessageState::Delivered);
        assert_eq!(world.message(1, &id).protection, Protection::Ratchet);
    }
    world.check();
}

/// Nobody takes a message while its sender is cut off: it waits, also over a restart, and arrives once.
pub fn an_offline_sender_waits<N: Network>() {
    let mut world = World::<N>::new(2);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    world.set_online(0, false);
    let id = world.say(0, &bob, "later");
    world.run(Duration::from_secs(30));
    assert_eq!(world.message(0, &id).state, MessageState::Queued);
    world.restart(0);
    world.run(Duration::from_secs(5));
    assert_eq!(world.message(0, &id).state, MessageState::Queued);
    world.set_online(0, true);
    world.run(TRIP);
    assert_eq!(world.texts(1, &alice)[2..], ["later"]);
    assert_eq!(world.message(0, &id).state, MessageState::Delivered);
    world.check();
}

/// A peer that is away gets it when it is back; until then the state says no more than is known.
pub fn an_offline_recipient_gets_it_later<N: Network>() {
    let mut world = World::<N>::new(3);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    world.set_online(1, false);
    let id = world.say(0, &bob, "are you there?");
    world.run(Duration::from_secs(40));
    assert_eq!(world.message(0, &id).state, MessageState::Sent);
    world.set_online(1, true);
    world.run(Duration::from_secs(60));
    assert_eq!(world.texts(1, &alice)[2..], ["are you there?"]);
    assert_eq!(world.message(0, &id).state, MessageState::Delivered);
    world.check();
}

/// Whoever starts again says so with its contact code, and what has waited for minutes comes at once.
pub fn a_recipient_that_starts_gets_it_at_once<N: Network>() {
    let mut world = World::<N>::new(3);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    world.set_online(1, false);
    let id = world.say(0, &bob, "call me when you are back");
    world.run(Duration::from_secs(100));
    assert_eq!(world.message(0, &id).state, MessageState::Sent);
    world.set_online(1, true);
    world.restart(1);
    world.run(TRIP);
    assert_eq!(world.texts(1, &alice)[2..], ["call me when you are back"]);
    assert_eq!(world.message(0, &id).state, MessageState::Delivered);
    world.check();
}

/// A lost message is sent again after 5 s, 15 s and 60 s, and arrives once.
pub fn lost_messages_are_sent_again<N: Network>() {
    let mut world = World::<N>::new(2);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    world.parties[1].lose = 3;
    let before = world.parties[0].sends.len();
    let id = world.say(0, &bob, "again");
    world.run(Duration::from_secs(100));
    assert_eq!(world.texts(1, &alice)[2..], ["again"]);
    assert_eq!(world.message(0, &id).state, MessageState::Delivered);
    let times: Vec<u64> = world.parties[0].sends[before..].iter().map(|(at, _)| at.millis()).collect();
    assert_eq!(times.len(), 4, "sent four times");
    for (pair, wait) in times.windows(2).zip([5_000, 15_000, 60_000]) {
        let late = (pair[1] - pair[0]).checked_sub(wait).expect("not before its time");
        assert!(late < 3_000, "{late} ms late");
    }
    world.check();
}

/// A lost acknowledgement makes the sender repeat; the copy is acknowledged, not shown.
pub fn a_lost_acknowledgement_is_repeated<N: Network>() {
    let mut world = World::<N>::new(2);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    world.parties[0].lose = 1;
    let id = world.say(0, &bob, "did you get it?");
    world.run(Duration::from_secs(3));
    assert_eq!(world.texts(1, &alice)[2..], ["did you get it?"]);
    assert_eq!(world.message(0, &id).state, MessageState::Sent);
    world.run(Duration::from_secs(10));
    assert_eq!(world.texts(1, &alice)[2..], ["did you get it?"]);
    assert_eq!(world.message(0, &id).state, MessageState::Delivered);
    world.check();
}

/// A restart of either side goes on in the same session, under the same device name.
pub fn a_restart_goes_on_in_the_same_session<N: Network>() {
    let mut world = World::<N>::new(2);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    let sessions =
        |world: &World<N>| world.parties.iter().map(|p| p.store.count(Table::Session)).sum::<usize>();
    let before = sessions(&world);
    for round in 0..3_usize {
        let text = format!("round {round}");
        let id = world.say(round % 2, if round % 2 == 0 { &bob } else { &alice }, &text);
        // Between the send and its acknowledgement.
        world.run(Duration::from_millis(100));
        world.restart(0);
        world.restart(1);
        world.run(TRIP);
        let shown = world.message(1 - round % 2, &id);
        assert_eq!((shown.text, shown.protection), (text, Protection::Ratchet));
        assert_eq!(world.message(round % 2, &id).state, MessageState::Delivered);
    }
    assert_eq!(sessions(&world), before, "no new session");
    assert_eq!(world.texts(0, &bob).len(), 5);
    assert_eq!(world.texts(1, &alice).len(), 5);
    world.check();
}

/// With the store failing at every single write of a send: nothing leaves, nothing stays; tried again, the
/// message arrives once, and no message key is used twice.
pub fn crash_points_of_a_send<N: Network>() {
    let mut world = World::<N>::new(2);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    let mut writes = 0;
    loop {
        let sends = world.parties[0].sends.len();
        let before = world.parties[0].store.clone();
        let send = Command::Send { chat: bob.clone(), text: format!("write {writes}") };
        if world.step_with(0, crate::Input::Command(send.clone()), Some(writes)).is_ok() {
            break;
        }
        assert_eq!(world.parties[0].store, before);
        assert_eq!(world.parties[0].sends.len(), sends, "no byte has left");
        world.restart(0);
        world.command(0, send).expect("sends");
        writes += 1;
    }
    assert!(writes >= 6, "message, timeline, chat, pending, outbox, session: {writes}");
    world.run(TRIP);
    let texts: Vec<String> = (0..=writes).map(|n| format!("write {n}")).collect();
    assert_eq!(world.texts(1, &alice)[2..], texts);
    world.check();
}

/// With the store failing at every single write of a receipt, and the process dying there: the message comes
/// again, is shown once and acknowledged.
pub fn crash_points_of_a_receipt<N: Network>() {
    let mut world = World::<N>::new(2);
    meet(&mut world);
    let (alice, bob) = (world.with(0), world.with(1));
    let mut writes = 0;
    loop {
        let text = format!("write {writes}");
        world.parties[1].crash_at = Some(writes);
        let id = world.say(0, &bob, &text);
        world.run(SETTLE);
        let survived = world.parties[1].crash_at.take().is_some();
        if !survived {
            assert_eq!(world.message(0, &id).state, MessageState::Sent, "not acknowledged");
        }
        world.run(TRIP);
        assert_eq!(world.message(0, &id).state, MessageState::Delivered);
        assert_eq!(world.texts(1, &alice).last(), Some(&text));
        if survived {
            break;
        }
        writes += 1;
    }
    assert!(writes >= 6, "message, timeline, chat, outbox, session, state: {writes}");
    assert_eq!(world.texts(1, &alice).len(), 2 + writes + 1);
    world.check();
}

/// Without the ratchet a message is sealed by the transport alone, and both sides show that.
pub fn without_forward_secrecy<N: Network>() {
    let mut world = World::<N>::new(2);
    let (alice, bob) = (world.with(0), world.with(1));
    let peer = world.people[1].key;
    world.command(0, Command::SetPfs { peer, pfs: Pfs::Off }).expect("sets");
    let bare = world.say(0, &bob, "bare");
    world.run(TRIP);
    world.say(1, &alice, "covered");
    world.run(TRIP);
    world.command(0, Command::SetPfs { peer, pfs: Pfs::On }).expect("sets");
    let covered = world.say(0, &bob, "covered, too");
    world.run(TRIP);
    assert_eq!(world.texts(1, &alice), ["bare", "covered", "covered, too"]);
    assert_eq!(world.texts(0, &bob), ["bare", "covered", "covered, too"]);
    assert_eq!(world.message(0, &bare).protection, Protection::TransportOnly);
    assert_eq!(world.message(1, &bare).protection, Protection::TransportOnly);
    assert_eq!(world.message(0, &bare).state, MessageState::Delivered);
    assert_eq!(world.message(1, &covered).protection, Protection::Ratchet);
    world.check();
}

/// The same world twice: the same rows, byte for byte.
pub fn runs_repeat<N: Network>() {
    let run = || -> Vec<MemoryStore> {
        let mut world = World::<N>::new(3);
        let lab = World::<N>::public("lab");
        for at in 0..3 {
            world.command(at, Command::Open(lab.clone())).expect("opens");
        }
        world.say(0, &lab, "one");
        world.say(1, &world.with(2), "two");
        world.run(TRIP);
        world.say(2, &world.with(1), "three");
        world.run(TRIP);
        world.parties.into_iter().map(|party| party.store).collect()
    };
    assert!(run() == run(), "two runs of one world differ");
}

/// Lets the first two exchange a message each, so that both have a session.
fn meet<N: Network>(world: &mut World<N>) {
    let (alice, bob) = (world.with(0), world.with(1));
    world.say(0, &bob, "first");
    world.run(TRIP);
    world.say(1, &alice, "second");
    world.run(TRIP);
    assert_eq!(world.texts(0, &bob), ["first", "second"]);
}

/// Instantiates the suite for a [`Network`].
#[macro_export]
macro_rules! messenger_suite {
    ($network:ty) => {
        $crate::messenger_suite!(@each $network,
            one_to_one_both_ways, a_contact_code_comes_first, public_chat, out_of_order_and_twice,
            an_offline_sender_waits, an_offline_recipient_gets_it_later,
            a_recipient_that_starts_gets_it_at_once, lost_messages_are_sent_again,
            a_lost_acknowledgement_is_repeated, a_restart_goes_on_in_the_same_session,
            crash_points_of_a_send, crash_points_of_a_receipt, without_forward_secrecy, runs_repeat);
    };
    (@each $network:ty, $($name:ident),+) => {
        $(#[test] fn $name() { $crate::suite::$name::<$network>(); })+
    };
}
