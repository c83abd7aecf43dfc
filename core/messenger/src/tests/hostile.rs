//! What peers must not be able to do. Check ids are those of `receive.rs`.

use proptest::prelude::*;
use undertone_base::Secret;
use undertone_datasync::{GroupId, SyncId, SyncPayloadOut, wrap};
use undertone_payload::{ChatMessageOut, Clock, MessageType, Metadata};
use undertone_transport::{NegotiatedSecret, PublicName, Route};

use super::*;
use crate::{Pfs, Protection};

fn name() -> PublicName {
    PublicName::new("lab").unwrap()
}

fn lab() -> ChatId {
    ChatId::Public(name())
}

/// Bytes in an envelope of `from`, sealed to `to`.
fn sealed(from: &Side, to: &Side, payload: Vec<u8>) -> Received {
    Received {
        route: Route::Partition(to.key()),
        author: from.key(),
        sealed_to: Some(to.key()),
        wire_id: WireId::from_bytes(keccak256(&payload)),
        payload,
        sent_at: to.now.unix,
        via: Via::Live,
    }
}

fn on_lab(from: &Side, to: &Side, payload: Vec<u8>) -> Received {
    Received { route: Route::Public(name()), sealed_to: None, ..sealed(from, to, payload) }
}

fn signed(by: &Side, kind: MessageType, payload: Vec<u8>) -> Vec<u8> {
    Metadata::sign(kind, payload, &*by.keyring, by.messenger.identity()).unwrap().into_bytes()
}

fn clock() -> Clock {
    Clock::bid(Clock::NONE, START)
}

fn to_one(by: &Side, to: &Side, text: &str) -> Vec<u8> {
    let message = ChatMessageOut::one_to_one(&to.key(), text, clock(), START);
    signed(by, MessageType::CHAT_MESSAGE, message.encode().unwrap())
}

fn to_lab(by: &Side, text: &str) -> Vec<u8> {
    let message = ChatMessageOut::public("lab", text, clock(), START);
    signed(by, MessageType::CHAT_MESSAGE, message.encode().unwrap())
}

/// A sync payload of the pair with these bodies, and their ids.
fn synced(from: &Side, to: &Side, bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<SyncId>) {
    let group = GroupId::of_pair(&from.key(), &to.key());
    let wrapped: Vec<_> = bodies.iter().map(|body| wrap(group, START, body.clone())).collect();
    let payload = SyncPayloadOut::new([], wrapped.iter().map(|(_, message)| message)).unwrap().to_bytes();
    (payload, wrapped.into_iter().map(|(id, _)| id).collect())
}

fn payload(code: &'static str) -> Undecodable {
    Undecodable::Payload(code)
}

#[test]
fn m1_our_own_envelopes_are_ignored() {
    let (alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    bob.command(Command::Open(lab()));
    let own = Side::new(0xb2);
    bob.ignored(on_lab(&own, &bob, to_lab(&own, "echo")));
    // Our own word in somebody else's envelope.
    bob.ignored(on_lab(&alice, &bob, to_lab(&own, "echo")));
}

#[test]
fn m2_a_public_message_stays_in_the_chat_it_names() {
    let (alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    bob.ignored(on_lab(&alice, &bob, to_lab(&alice, "not opened")));
    bob.command(Command::Open(lab()));
    let elsewhere = ChatMessageOut::public("Lab", "another name", clock(), START).encode().unwrap();
    let elsewhere = signed(&alice, MessageType::CHAT_MESSAGE, elsewhere);
    assert_eq!(bob.refused(on_lab(&alice, &bob, elsewhere)), payload("messenger.wrong_chat"));
    // Trap 17: a public message that names the chat of two people.
    let carol = Side::new(0xc3);
    bob.command(Command::Open(ChatId::OneToOne(carol.key())));
    let aimed = ChatMessageOut::public(carol.key().to_hex(), "aimed", clock(), START).encode().unwrap();
    let aimed = signed(&alice, MessageType::CHAT_MESSAGE, aimed);
    assert_eq!(bob.refused(on_lab(&alice, &bob, aimed.clone())), payload("messenger.wrong_chat"));
    assert_eq!(bob.refused(sealed(&alice, &bob, aimed)), payload("messenger.wrong_chat"));
    let own = on_lab(&alice, &bob, to_one(&alice, &bob, "private in public"));
    assert_eq!(bob.refused(own), payload("messenger.wrong_chat"));
    assert_eq!(messages(&bob.receive(on_lab(&alice, &bob, to_lab(&alice, "fine")))).len(), 1);
}

#[test]
fn m4_each_form_belongs_on_its_routes() {
    let (mut alice, mut bob) = acquainted();
    bob.command(Command::Open(lab()));
    let (_, direct) = alice.say(&ChatId::OneToOne(bob.key()), "psst");
    let arrival = bob.arrival(alice.key(), &direct);
    let in_public = Received { route: Route::Public(name()), sealed_to: None, ..arrival };
    assert_eq!(bob.refused(in_public), payload("messenger.not_a_public_message"));
    let (_, public) = alice.say(&lab(), "hello all");
    let arrival = bob.arrival(alice.key(), &public);
    let sealed_to = Some(bob.key());
    let in_private = Received { route: Route::Partition(bob.key()), sealed_to, ..arrival };
    assert_eq!(bob.refused(in_private), payload("messenger.not_a_direct_message"));
    // Both were only misplaced.
    assert_eq!(messages(&bob.hear(alice.key(), &direct)).len(), 1);
    assert_eq!(messages(&bob.hear(alice.key(), &public)).len(), 1);
}

#[test]
fn m5_bare_messages_need_the_transport_to_have_sealed_them() {
    let (alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    let bare = to_one(&alice, &bob, "bare");
    let open = Received { sealed_to: None, ..sealed(&alice, &bob, bare.clone()) };
    assert!(matches!(bob.refused(open), Undecodable::Security(_)));
    let secret = NegotiatedSecret::new(Secret::new([1; 32]));
    let negotiated =
        Received { route: Route::Negotiated(secret), sealed_to: None, ..sealed(&alice, &bob, bare) };
    let effects = bob.receive(negotiated);
    assert_eq!(messages(&effects)[0].protection, Protection::TransportOnly);
    assert!(sends(&effects).is_empty(), "nothing to acknowledge without data sync");
}

#[test]
fn m6_only_the_author_itself_speaks_in_a_chat_of_two() {
    let (alice, mut bob, carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    bob.command(Command::Open(lab()));
    // Alice has what Carol once signed, and passes it on (S14).
    let relayed = to_one(&carol, &bob, "I never said that to you");
    assert!(matches!(bob.refused(sealed(&alice, &bob, relayed.clone())), Undecodable::Security(_)));
    let (sync, _) = synced(&alice, &bob, &[relayed]);
    assert!(matches!(bob.refused(sealed(&alice, &bob, sync)), Undecodable::Security(_)));
    // In a public chat everybody may repeat what everybody may hear; it is Carol's word all the same.
    let effects = bob.receive(on_lab(&alice, &bob, to_lab(&carol, "quoted")));
    assert_eq!(messages(&effects)[0].author, carol.key());
    // Without the signature it is nobody's.
    let mut unsigned = to_lab(&alice, "unsigned");
    unsigned.drain(..67);
    assert_eq!(bob.refused(on_lab(&alice, &bob, unsigned)), payload("metadata.unsigned"));
}

#[test]
fn m6_holds_behind_the_ratchet_too() {
    let (mut alice, mut bob) = acquainted();
    let carol = Side::new(0xc3);
    let (sync, _) = synced(&alice, &bob, &[to_one(&carol, &bob, "forwarded")]);
    let send = ratcheted(&mut alice, &bob, sync);
    let arrival = bob.arrival(alice.key(), &send);
    assert_eq!(bob.refused(arrival), payload("metadata.relayed"));
}

#[test]
fn m9_an_acknowledgement_of_a_third_party_proves_nothing() {
    let (mut alice, bob, carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    let (id, send) = alice.say(&ChatId::OneToOne(bob.key()), "hello");
    alice.progress(send.id, Progress::Relayed);
    let pending = alice.store.scan(Table::Pending, Keys::ALL, Order::Ascending, 9).unwrap();
    let sync_id = SyncId::from_slice(&pending[0].0[33..]).unwrap();
    let ack = SyncPayloadOut::new([sync_id], []).unwrap().to_bytes();
    alice.receive(sealed(&carol, &alice, ack.clone()));
    assert_eq!(alice.state(&id), MessageState::Sent);
    assert_eq!(alice.rows(Table::Pending), 1);
    alice.receive(sealed(&bob, &alice, ack.clone()));
    assert_eq!(alice.state(&id), MessageState::Delivered);
    // And one for something that never was is nothing.
    assert!(states(&alice.receive(sealed(&bob, &alice, ack))).is_empty());
}

#[test]
fn only_the_valid_bodies_of_a_payload_are_acknowledged() {
    let (alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    let long = "x".repeat(4097);
    let mut too_long = ChatMessageOut::one_to_one(&bob.key(), "x", clock(), START);
    too_long.text.clone_from(&long);
    assert!(too_long.encode().is_err());
    let wrong = signed(&alice, MessageType::CHAT_MESSAGE, b"\xff\xff".to_vec());
    let unhandled = signed(&alice, MessageType::CONTACT_UPDATE, vec![8, 1]);
    let newer = signed(&alice, MessageType::from_wire(24), vec![8, 1]);
    let good = to_one(&alice, &bob, "good");
    let (sync, ids) = synced(&alice, &bob, &[wrong, unhandled, newer, good]);
    let effects = bob.receive(sealed(&alice, &bob, sync));
    assert_eq!(messages(&effects).len(), 1);
    let complaints = effects.iter().filter(|e| matches!(e, Effect::Notify(Notice::Undecodable { .. })));
    assert_eq!(complaints.count(), 1);
    let ack = acks(&mut Side::new(0xa1), &bob, sends(&effects)[0]);
    assert_eq!(ack, ids[1..]);

    let (sync, _) = synced(&alice, &bob, &[signed(&alice, MessageType::UNKNOWN, vec![8, 1])]);
    assert_eq!(bob.refused(sealed(&alice, &bob, sync)), payload("payload.unknown_type"));
}

#[test]
fn a_message_of_another_pair_is_refused() {
    let (alice, mut bob, carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    let (sync, _) = synced(&alice, &carol, &[to_one(&alice, &bob, "misdirected")]);
    let foreign = Undecodable::Sync("messenger.foreign_group");
    assert_eq!(bob.refused(sealed(&alice, &bob, sync)), foreign);
}

#[test]
fn a_clock_far_ahead_is_refused_and_does_not_poison_the_chat() {
    let (alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    let late = Unix::from_millis(START.millis() + 120_001);
    let message = ChatMessageOut::one_to_one(&bob.key(), "x", Clock::from_value(late.millis()), late);
    let body = signed(&alice, MessageType::CHAT_MESSAGE, message.encode().unwrap());
    assert_eq!(bob.refused(sealed(&alice, &bob, body)), payload("clock.too_high"));
}

#[test]
fn a_clock_pushed_to_the_limit_does_not_push_our_own_messages_over_it() {
    let (alice, mut bob, mut carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    for side in [&mut bob, &mut carol] {
        side.command(Command::Open(lab()));
    }
    let highest = Clock::from_value(START.millis() + undertone_payload::limits::CLOCK_DRIFT_MAX);
    let pushed = ChatMessageOut::public("lab", "first", highest, START).encode().unwrap();
    let pushed = signed(&alice, MessageType::CHAT_MESSAGE, pushed);
    assert_eq!(messages(&bob.receive(on_lab(&alice, &bob, pushed))).len(), 1);
    for text in ["I can still speak", "I can still speak"] {
        let (_, send) = bob.say(&lab(), text);
        assert_eq!(messages(&carol.hear(bob.key(), &send)).len(), 1, "and everybody takes it");
    }
}

/// Only the payload is signed: whoever has seen a public message can wrap it anew under another id.
#[test]
fn a_public_message_in_another_wrapper_is_the_same_message() {
    let (alice, carol, mut bob) = (Side::new(0xa1), Side::new(0xc3), Side::new(0xb2));
    bob.command(Command::Open(lab()));
    let genuine = to_lab(&alice, "hello all");
    assert_eq!(messages(&bob.receive(on_lab(&alice, &bob, genuine.clone()))).len(), 1);
    for unknown in [&[0x7a, 0][..], &[0x7a, 1, 7], &[0x78, 1]] {
        let mut wrapped = genuine.clone();
        wrapped.extend_from_slice(unknown);
        let effects = bob.receive(on_lab(&carol, &bob, wrapped));
        assert!(messages(&effects).is_empty(), "shown again: {effects:?}");
    }
    assert_eq!(bob.texts(&lab()), ["hello all"]);
    // The same words of somebody else, or said again, are other messages.
    assert_eq!(messages(&bob.receive(on_lab(&carol, &bob, to_lab(&carol, "hello all")))).len(), 1);
    let later = Clock::from_value(clock().value() + 1);
    let again = ChatMessageOut::public("lab", "hello all", later, START).encode().unwrap();
    let again = signed(&alice, MessageType::CHAT_MESSAGE, again);
    assert_eq!(messages(&bob.receive(on_lab(&alice, &bob, again))).len(), 1);
}

#[test]
fn a_copy_of_a_ciphertext_is_ignored_and_a_copy_of_a_message_acknowledged() {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    let to_bob = ChatId::OneToOne(bob.key());
    // DH-only can be read twice.
    let (_, first) = alice.say(&to_bob, "first");
    assert_eq!(sends(&bob.hear(alice.key(), &first)).len(), 1);
    let again = bob.hear(alice.key(), &first);
    assert_eq!((messages(&again).len(), sends(&again).len()), (0, 1));
    // A ratchet message cannot.
    let (mut alice, mut bob) = acquainted();
    let (_, second) = alice.say(&to_bob, "second");
    assert_eq!(messages(&bob.hear(alice.key(), &second)).len(), 1);
    let copy = bob.arrival(alice.key(), &second);
    bob.ignored(copy);
}

#[test]
fn another_envelope_signer_cannot_pass_a_ciphertext_off_as_its_own() {
    let (mut alice, mut bob) = acquainted();
    let carol = Side::new(0xc3);
    let (_, send) = alice.say(&ChatId::OneToOne(bob.key()), "for bob");
    let stolen = bob.arrival(carol.key(), &send);
    assert!(matches!(bob.refused(stolen), Undecodable::Security(_)));
    assert_eq!(messages(&bob.hear(alice.key(), &send)).len(), 1);
}

/// The name of the device is not bound to the opening of a session, so that the ratchet remembers the opening.
#[test]
fn an_opening_under_another_device_name_shows_nothing_twice() {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::unopened(0xb2));
    let code = bob.open();
    let to_bob = ChatId::OneToOne(bob.key());
    alice.command(Command::Open(to_bob.clone()));
    alice.hear_all(bob.key(), &code);
    let (_, send) = alice.say(&to_bob, "first");
    assert_eq!(messages(&bob.hear(alice.key(), &send)).len(), 1);
    let sessions = bob.rows(Table::Session);
    let name = alice.messenger.installation_id(&alice.store).unwrap().unwrap();
    let at = send.payload.windows(36).position(|part| part == name.as_str().as_bytes()).unwrap();
    let mut renamed = send;
    renamed.payload[at] = if renamed.payload[at] == b'0' { b'1' } else { b'0' };
    let copy = bob.arrival(alice.key(), &renamed);
    bob.ignored(copy);
    assert_eq!(bob.rows(Table::Session), sessions);
}

#[test]
fn a_message_for_other_devices_is_refused_by_its_name() {
    let (mut alice, mut bob) = acquainted();
    // Bob has lost everything and begins anew.
    let mut anew = Side::new(0xb2);
    let mut state = anew.singletons();
    state.installation = undertone_ratchet::InstallationId::random(&mut Dice::new(b"new"));
    state.save(&mut anew.store).unwrap();
    let (_, send) = alice.say(&ChatId::OneToOne(bob.key()), "are you still there?");
    let arrival = anew.arrival(alice.key(), &send);
    assert_eq!(anew.refused(arrival), Undecodable::Security("open.device_not_found"));
    assert_eq!(messages(&bob.hear(alice.key(), &send)).len(), 1);
}

/// What a peer can make of the ratchet: any payload in a genuine session.
fn ratcheted(from: &mut Side, to: &Side, payload: Vec<u8>) -> Send {
    use crate::step::Step;
    let mut step = Step::begin(&from.messenger, &mut from.store, from.now, &mut from.dice).unwrap();
    let sealed = step.seal_direct(&to.key(), payload).unwrap();
    assert_eq!(sealed.protection, Protection::Ratchet);
    let row = crate::rows::OutboxRow::new(sealed.address, sealed.bytes, crate::rows::Carries::Ack);
    step.hand_over(&row).unwrap();
    sends(&step.finish().unwrap())[0].clone()
}

/// The ids that a send acknowledges.
fn acks(to: &mut Side, from: &Side, send: &Send) -> Vec<SyncId> {
    use undertone_datasync::{Unwrapped, receive, unwrap};
    let arrival = to.arrival(from.key(), send);
    let mut step = crate::step::Step::begin(&to.messenger, &mut to.store, to.now, &mut to.dice).unwrap();
    let opened = step.open_sealed(&arrival).unwrap();
    let Unwrapped::Sync(payload) = unwrap(opened.payload.unwrap()).unwrap() else { panic!("plain") };
    receive(payload, &to.key(), &from.key()).acked
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Bytes of no meaning, from anybody, on every route: nothing is written, nothing is sent.
    #[test]
    fn noise_writes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300), route in 0..6, sealed_to: bool) {
        let (alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
        bob.command(Command::Open(lab()));
        bob.command(Command::Open(ChatId::OneToOne(alice.key())));
        let route = match route {
            0 => Route::Public(name()),
            1 => Route::ContactCode(alice.key()),
            2 => Route::Personal(bob.key()),
            3 => Route::Negotiated(NegotiatedSecret::new(Secret::new([1; 32]))),
            4 => Route::Public(PublicName::new("closed").unwrap()),
            _ => Route::Partition(bob.key()),
        };
        let sealed_to = sealed_to.then(|| bob.key());
        let received = Received { route, sealed_to, ..sealed(&alice, &bob, bytes) };
        let before = bob.store.clone();
        let effects = bob.receive(received);
        prop_assert!(sends(&effects).is_empty());
        prop_assert!(messages(&effects).is_empty());
        prop_assert!(bob.store == before);
    }

    /// A genuine message with one bit changed, or cut short: refused with nothing written, or (where the bit
    /// is covered by nothing) the same message. Never another.
    #[test]
    fn a_changed_bit_never_makes_another_message(at in any::<prop::sample::Index>(), bit in 0..8u8, cut: bool) {
        let (mut alice, mut bob) = acquainted();
        let (id, mut send) = alice.say(&ChatId::OneToOne(bob.key()), "as I said");
        let at = at.index(send.payload.len());
        if cut {
            send.payload.truncate(at);
        } else {
            send.payload[at] ^= 1 << bit;
        }
        let before = bob.store.clone();
        let effects = bob.hear(alice.key(), &send);
        match messages(&effects).as_slice() {
            [] => assert_no_trace(&effects, &bob.store, &before, "a changed message"),
            [message] => prop_assert_eq!(message.id, id),
            more => prop_assert!(false, "{} messages", more.len()),
        }
    }

    /// The same for a message without the ratchet.
    #[test]
    fn a_changed_bit_of_a_bare_message(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (mut alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
        alice.command(Command::SetPfs { peer: bob.key(), pfs: Pfs::Off });
        let (_, mut send) = alice.say(&ChatId::OneToOne(bob.key()), "as I said");
        let at = at.index(send.payload.len());
        send.payload[at] ^= 1 << bit;
        let effects = bob.hear(alice.key(), &send);
        match messages(&effects).as_slice() {
            [] => {}
            // The type, unknown fields and the time of the sync message are signed by nobody.
            [message] => prop_assert!(message.author == alice.key() && message.text == "as I said"),
            more => prop_assert!(false, "{} messages", more.len()),
        }
    }
}

/// What a stranger sends to Bob in a session that Bob's bundle opened: the last of `skipped + 1` messages.
fn after_many(mallory: &Side, bob: &Side, code: &[u8], skipped: usize, payload: &[u8]) -> Vec<u8> {
    use undertone_ratchet::{Context, Encryption, InstallationId, LocalIdentity, MemoryRatchetStore};
    let own = LocalIdentity::new(&*mallory.keyring, *mallory.messenger.identity()).unwrap();
    let layer = Encryption::new(own, InstallationId::random(&mut Dice::new(b"m")));
    let (mut store, mut rng) = (MemoryRatchetStore::new(), Dice::new(&mallory.key().to_compressed()));
    let mut cx = Context { store: &mut store, keyring: &*mallory.keyring, now: bob.now, rng: &mut rng };
    layer.open(&mut cx, &bob.key(), code).unwrap();
    for _ in 0..skipped {
        layer.seal_direct(&mut cx, &bob.key(), b"").unwrap();
    }
    layer.seal_direct(&mut cx, &bob.key(), payload).unwrap().bytes
}

/// Bob's bundle, as everybody gets it from his contact code.
fn contact_code(bob: &mut Side) -> Vec<u8> {
    let effects = bob.open();
    let code = sends(&effects).into_iter().find(|send| matches!(send.route, Route::ContactCode(_)));
    code.unwrap().payload.clone()
}

/// A stranger whose messages say nothing is shown nowhere, and leaves no session and no key.
#[test]
fn silent_strangers_do_not_fill_the_store() {
    let mut bob = Side::new(0xb2);
    let code = contact_code(&mut bob);
    for stranger in 1..=5u8 {
        let mallory = Side::unopened(stranger);
        let silent = after_many(&mallory, &bob, &code, 1_000, b"");
        bob.receive(sealed(&mallory, &bob, silent));
    }
    assert_eq!(bob.rows(Table::Chat), 0, "nothing is shown");
    for table in [Table::Session, Table::Skipped, Table::Negotiated] {
        assert_eq!(bob.rows(table), 0, "{}", table.name());
    }
}

/// One whose chat nobody has accepted makes us keep few keys of messages that never came.
#[test]
fn a_request_keeps_only_so_many_keys() {
    let (mut mallory, mut bob) = (Side::new(0xc3), Side::new(0xb2));
    let (_, hello) = mallory.say(&ChatId::OneToOne(bob.key()), "hello");
    bob.hear(mallory.key(), &hello);
    assert_eq!(bob.rows(Table::Chat), 1);
    let code = contact_code(&mut bob);
    let silent = after_many(&mallory, &bob, &code, 1_000, b"");
    bob.receive(sealed(&mallory, &bob, silent));
    assert_eq!(bob.rows(Table::Session), 2, "it is read, beside the one of the acknowledgement");
    assert_eq!(bob.rows(Table::Skipped), crate::limits::MAX_SKIPPED_OF_STRANGER);
}

/// Whom we have added loses nothing, although it was a stranger when it opened the chat.
#[test]
fn who_was_added_may_have_as_many_messages_under_way_as_anybody() {
    let (mut carol, mut bob) = (Side::new(0xc3), Side::new(0xb2));
    let (_, hello) = carol.say(&ChatId::OneToOne(bob.key()), "hello");
    bob.hear(carol.key(), &hello);
    bob.command(Command::AddContact { peer: carol.key(), nickname: None });
    let code = contact_code(&mut bob);
    let late = after_many(&carol, &bob, &code, 1_000, b"");
    bob.receive(sealed(&carol, &bob, late));
    assert_eq!(bob.rows(Table::Skipped), 1_000);
}

/// A chat that nobody has accepted is not a disk for its author. What does not fit comes again when it is accepted.
#[test]
fn a_request_keeps_only_so_many_messages() {
    let (mut mallory, mut bob) = (Side::new(0xc3), Side::new(0xb2));
    let chat = ChatId::OneToOne(bob.key());
    let mut last = None;
    for n in 0..=crate::limits::MAX_REQUEST_MESSAGES {
        let (_, send) = mallory.say(&chat, &format!("{n}"));
        bob.hear(mallory.key(), &send);
        last = Some(send.clone());
    }
    assert_eq!(bob.messenger.chats(&bob.store).unwrap()[0].opened_by, crate::OpenedBy::Stranger);
    assert_eq!(bob.rows(Table::Message), crate::limits::MAX_REQUEST_MESSAGES);
    let last = last.unwrap();
    let refused = crate::Undecodable::Payload("messenger.request_is_full");
    let effects = bob.hear(mallory.key(), &last);
    let notice = Notice::Undecodable { author: mallory.key(), why: refused };
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Notify(n) if *n == notice)), "{effects:?}");
    assert!(sends(&effects).is_empty(), "and it is not acknowledged");
    bob.command(Command::AddContact { peer: mallory.key(), nickname: None });
    assert_eq!(messages(&bob.hear(mallory.key(), &last)).len(), 1);
}

/// Each topic that is listened to opens the announced filter a little, for everybody: strangers get one.
#[test]
fn a_stranger_opens_one_topic_until_it_is_accepted() {
    let (mut mallory, mut bob) = (Side::new(0xc3), Side::new(0xb2));
    let of_mallory = |effects: &[Effect]| {
        let routes = effects.iter().filter_map(|effect| match effect {
            Effect::Transport(undertone_transport::Command::Listen(listen)) => Some(&listen.route),
            _ => None,
        });
        let (mut codes, mut secrets) = (0, 0);
        for route in routes {
            codes += usize::from(*route == Route::ContactCode(Side::unopened(0xc3).key()));
            secrets += usize::from(matches!(route, Route::Negotiated(_)));
        }
        (codes, secrets)
    };
    let (_, hello) = mallory.say(&ChatId::OneToOne(bob.key()), "hello");
    assert_eq!(of_mallory(&bob.hear(mallory.key(), &hello)), (0, 1));
    assert_eq!(of_mallory(&bob.open()), (0, 1), "nor after a start");
    let peer = mallory.key();
    assert_eq!(of_mallory(&bob.command(Command::AddContact { peer, nickname: None })), (1, 1));
    assert_eq!(of_mallory(&bob.open()), (1, 1));
}

/// `security.md` S14 by the outer layer: what Alice signed for Bob, sealed anew to Carol by Bob, who has its plaintext.
#[test]
fn m13_what_was_written_to_another_is_not_ours() {
    let (alice, bob, mut carol) = (Side::new(0xa1), Side::new(0xb2), Side::new(0xc3));
    let to_bob = to_one(&alice, &bob, "I leave you everything");
    assert_eq!(carol.refused(sealed(&alice, &carol, to_bob.clone())), payload("messenger.wrong_chat"));
    let (sync, _) = synced(&alice, &carol, &[to_bob]);
    assert_eq!(carol.refused(sealed(&alice, &carol, sync)), payload("messenger.wrong_chat"));
    // What names no person at all says nothing about who was meant.
    let mut nobody = ChatMessageOut::one_to_one(&carol.key(), "hello", clock(), START);
    nobody.chat_id = "somebody".to_owned();
    let nobody = signed(&alice, MessageType::CHAT_MESSAGE, nobody.encode().unwrap());
    assert_eq!(messages(&carol.receive(sealed(&alice, &carol, nobody))).len(), 1);
}

/// Whoever fills a clock with messages of its own does not get a copy of somebody else's shown twice.
#[test]
fn a_crowded_clock_does_not_show_a_message_in_another_wrapper_again() {
    let (alice, mallory, mut bob) = (Side::new(0xa1), Side::new(0xc3), Side::new(0xb2));
    bob.command(Command::Open(lab()));
    let genuine = to_lab(&alice, "hello all");
    bob.receive(on_lab(&alice, &bob, genuine.clone()));
    for n in 0..=crate::limits::MAX_SAME_CLOCK {
        bob.receive(on_lab(&mallory, &bob, to_lab(&mallory, &format!("{n}"))));
    }
    for n in 0..9 {
        let wrapped = [&genuine[..], &[0x78, n]].concat();
        assert!(messages(&bob.receive(on_lab(&mallory, &bob, wrapped))).is_empty(), "shown again");
    }
    assert_eq!(bob.rows(Table::Message), crate::limits::MAX_SAME_CLOCK);
}
