//! Which topic is used when (`security.md` 6): one test for each rule.
//!
//! | rule | what | goes to |
//! |---|---|---|
//! | T1 | direct, every target is known to listen there | where only these two meet |
//! | T2 | direct, somebody's devices are not known (the first message) | the recipient's partition |
//! | T3 | direct, one target of several is not known to listen | the recipient's partition |
//! | T4 | without the ratchet | the recipient's partition |
//! | T5 | our devices for somebody whose message was for others | its partition |
//! | T6 | our name for our other devices | our own partition |
//! | T7 | our bundle, at a start, every six hours and at a first contact | our contact code |
//! | T8 | public | the chat's |
//! | T9 | nothing | the personal and the generic discovery topic |
//!
//! | rule | when | listens |
//! |---|---|---|
//! | L1 | from the start | to our partition, our personal topic, our contact code |
//! | L2 | a chat with a person, or one that is added | to its contact code, and where the two meet |
//! | L3 | before the first direct message to somebody leaves | where the two meet |
//! | L4 | a public chat | to it |

use undertone_crypto::{Keyring as _, MemoryKeyring};
use undertone_transport::{PublicName, Route};

use super::*;
use crate::Pfs;

fn routes(effects: &[Effect]) -> Vec<Route> {
    sends(effects).into_iter().map(|send| send.route.clone()).collect()
}

fn listens(effects: &[Effect]) -> Vec<Route> {
    let listen = |effect: &Effect| match effect {
        Effect::Transport(undertone_transport::Command::Listen(listen)) => Some(listen.route.clone()),
        _ => None,
    };
    effects.iter().filter_map(listen).collect()
}

fn to(side: &Side) -> ChatId {
    ChatId::OneToOne(side.key())
}

/// The route on which these two meet: named by their shared secret.
fn meeting(a: u8, b: &Side) -> Route {
    let mut ring = MemoryKeyring::new();
    let id = ring.insert(SecretKey::from_slice(&[a; 32]).unwrap());
    Route::Negotiated(undertone_transport::NegotiatedSecret::new(ring.ecdh(&id, &b.key()).unwrap()))
}

#[test]
fn t1_where_every_target_is_known_to_listen() {
    let (mut alice, bob) = acquainted();
    let (_, send) = alice.say(&to(&bob), "hi");
    assert_eq!((send.route.clone(), send.to), (meeting(0xa1, &bob), None));
    assert_eq!(send.route, meeting(0xb2, &alice), "both compute the same");
}

#[test]
fn t2_the_first_message_goes_to_the_partition() {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::unopened(0xb2));
    let (_, send) = alice.say(&to(&bob), "hi");
    assert_eq!((send.route, send.to), (Route::Partition(bob.key()), Some(bob.key())));
    // A bundle alone does not say that its owner knows of us: still the partition, through the ratchet.
    let code = sends(&bob.open())[0].clone();
    alice.hear(bob.key(), &code);
    let (id, send) = alice.say(&to(&bob), "hi again");
    assert_eq!(send.route, Route::Partition(bob.key()));
    let message = alice.messenger.message(&alice.store, &id).unwrap().unwrap();
    assert_eq!(message.protection, crate::Protection::Ratchet);
}

#[test]
fn t3_one_target_that_is_not_known_to_listen_is_enough() {
    let (mut alice, bob) = acquainted();
    let mut tablet = Side::unopened(0xb2);
    tablet.dice = Dice::new(b"tablet");
    tablet.later(Duration::from_secs(1));
    let code = sends(&tablet.open())[0].clone();
    alice.now = tablet.now;
    alice.hear(bob.key(), &code);
    let (_, send) = alice.say(&to(&bob), "to both of you");
    assert_eq!(send.route, Route::Partition(bob.key()));
    let heard = tablet.hear(alice.key(), &send);
    assert_eq!(messages(&heard)[0].text, "to both of you");
    // Its acknowledgement is a direct message: from then on it is known.
    alice.hear_all(tablet.key(), &heard);
    let (_, send) = alice.say(&to(&bob), "and now");
    assert_eq!(send.route, meeting(0xa1, &bob));
}

#[test]
fn t4_without_the_ratchet_to_the_partition() {
    let (mut alice, bob) = acquainted();
    alice.command(Command::SetPfs { peer: bob.key(), pfs: Pfs::Off });
    let (_, send) = alice.say(&to(&bob), "bare");
    assert_eq!((send.route, send.to), (Route::Partition(bob.key()), Some(bob.key())));
    alice.command(Command::SetPfs { peer: bob.key(), pfs: Pfs::On });
    let (_, send) = alice.say(&to(&bob), "covered");
    assert_eq!(send.route, meeting(0xa1, &bob));
}

#[test]
fn t5_an_answer_with_our_devices_goes_to_the_partition() {
    let (mut alice, bob) = acquainted();
    let mut anew = Side::unopened(0xb2);
    anew.dice = Dice::new(b"another device");
    anew.open();
    anew.command(Command::Open(to(&alice)));
    let (_, send) = alice.say(&to(&bob), "are you there?");
    let answer = anew.hear(alice.key(), &send);
    assert_eq!(routes(&answer), [Route::Partition(alice.key())]);
}

#[test]
fn t6_our_name_goes_to_our_own_partition() {
    let mut alice = Side::new(0xa1);
    let pair = Command::Pair { name: "desk".to_owned(), kind: "desktop".to_owned() };
    assert_eq!(routes(&alice.command(pair)), [Route::Partition(alice.key())]);
}

#[test]
fn t7_our_bundle_goes_to_our_contact_code_at_a_start_and_every_six_hours() {
    let mut alice = Side::unopened(0xa1);
    let start = alice.open();
    assert_eq!(routes(&start), [Route::ContactCode(alice.key())]);
    alice.progress(sends(&start)[0].id, Progress::Relayed);
    alice.later(crate::limits::CONTACT_CODE_EVERY - Duration::from_millis(1));
    assert!(routes(&alice.timeout()).is_empty());
    alice.later(Duration::from_millis(1));
    assert_eq!(routes(&alice.timeout()), [Route::ContactCode(alice.key())]);
}

#[test]
fn t7_our_bundle_goes_there_at_a_first_contact_too_unless_that_was_just_done() {
    let mut alice = Side::unopened(0xa1);
    let start = alice.open();
    alice.progress(sends(&start)[0].id, Progress::Relayed);
    let code = Route::ContactCode(alice.key());
    let mut contact = |byte: u8, later: Duration| {
        alice.later(later);
        let peer = ChatId::OneToOne(Side::unopened(byte).key());
        let effects = alice.command(Command::Open(peer.clone()));
        let soon = wake(&effects) <= alice.now.unix;
        let due = alice.timeout();
        let published = routes(&due).contains(&code);
        assert_eq!(soon, published);
        for send in sends(&due) {
            alice.progress(send.id, Progress::Relayed);
        }
        // The second word to somebody is no first contact.
        alice.command(Command::Send { chat: peer, text: "hi".to_owned() });
        assert!(!routes(&alice.timeout()).contains(&code));
        published
    };
    let gap = crate::limits::CONTACT_CODE_GAP;
    assert!(!contact(1, gap - Duration::from_millis(1)), "the start has just said it");
    assert!(contact(2, Duration::from_millis(1)));
    assert!(!contact(3, Duration::from_secs(1)), "and so has this");
    assert!(contact(4, gap));
}

#[test]
fn t8_public_goes_to_the_chat() {
    let mut alice = Side::new(0xa1);
    let lab = PublicName::new("lab").unwrap();
    let (_, send) = alice.say(&ChatId::Public(lab.clone()), "all");
    assert_eq!((send.route, send.to), (Route::Public(lab), None));
}

#[test]
fn t9_nothing_goes_to_a_discovery_topic() {
    // A day of everything that is sent: nothing of it to the personal topic, and there is no route for the generic one.
    let (mut alice, mut bob) = acquainted();
    let mut sent = Vec::new();
    for _ in 0..24 {
        for side in [&mut alice, &mut bob] {
            side.later(Duration::from_secs(3_600));
            sent.extend(routes(&side.timeout()));
        }
        let (_, send) = alice.say(&to(&bob), "hi");
        sent.push(send.route.clone());
        let answer = bob.hear(alice.key(), &send);
        sent.extend(routes(&answer));
    }
    assert!(sent.len() >= 48);
    assert!(sent.iter().all(|route| !matches!(route, Route::Personal(_))));
}

#[test]
fn l1_a_start_listens_for_ourselves() {
    let mut alice = Side::unopened(0xa1);
    let key = alice.key();
    assert_eq!(
        listens(&alice.open()),
        [Route::Partition(key), Route::Personal(key), Route::ContactCode(key)]
    );
}

#[test]
fn l2_l3_a_chat_listens_to_the_contact_code_and_where_the_two_meet() {
    let bob = Side::unopened(0xb2);
    let both = [Route::ContactCode(bob.key()), meeting(0xa1, &bob)];
    let mut alice = Side::new(0xa1);
    assert_eq!(listens(&alice.command(Command::Open(to(&bob)))), both);
    let mut alice = Side::new(0xa1);
    let peer = bob.key();
    assert_eq!(listens(&alice.command(Command::AddContact { peer, nickname: None })), both);
    // Before the message leaves: the answer may come there.
    let mut alice = Side::new(0xa1);
    let effects = alice.command(Command::Send { chat: to(&bob), text: "hi".to_owned() });
    assert_eq!(listens(&effects), both);
    let position = |is: fn(&Effect) -> bool| effects.iter().position(is).unwrap();
    let heard = position(|e| matches!(e, Effect::Transport(undertone_transport::Command::Listen(_))));
    let sent = position(|e| matches!(e, Effect::Transport(undertone_transport::Command::Send(_))));
    assert!(heard < sent);
    // And again at the next start.
    let start = listens(&alice.open());
    assert!(both.iter().all(|route| start.contains(route)));
}

#[test]
fn l4_a_public_chat_is_listened_to() {
    let mut alice = Side::new(0xa1);
    let lab = PublicName::new("lab").unwrap();
    let effects = alice.command(Command::Open(ChatId::Public(lab.clone())));
    assert_eq!(listens(&effects), [Route::Public(lab)]);
}
