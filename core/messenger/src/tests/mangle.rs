//! Bad input, systematically: what a peer sends mangled in the middle of a conversation, and rows mangled on disk.
//! What is inside the layers is mangled by the crates of those layers; here it is whole payloads.

use undertone_base::FaultClass;
use undertone_crypto::KeyId;
use undertone_datasync::{GroupId, SyncPayloadOut, wrap};
use undertone_payload::{ChatMessageOut, Clock, MessageType, Metadata};
use undertone_support::mangle::{self, Mutation, Trial, Whose};
use undertone_transport::{Flush, PublicName, Route};

use super::*;
use crate::rows::{Address, Carries, Claim, ContactRow, DeviceLabel, Due, OutboxRow, chat_key};
use crate::{Chat, FailReason, OpenedBy, Pfs, Protection, Verification, VerifiedBy};

fn of(sample: &[u8]) -> Vec<Mutation> {
    let mut made = mangle::bytes(sample);
    made.extend(mangle::protobuf(sample));
    made
}

impl Side {
    /// Another one like this, with the same store.
    fn twin(&self, byte: u8) -> Self {
        Self { store: self.store.clone(), now: self.now, ..Self::unopened(byte) }
    }
}

/// Hears every mutation of what `from` sent, each in the same state, and returns how many were refused or ignored
/// and left no trace, and how many were shown.
fn hear_mangled(bob: &Side, byte: u8, from: PublicKey, send: &Send, text: &str) -> (usize, usize) {
    let (mut still, mut shown) = (0, 0);
    for mutation in of(&send.payload) {
        let mut twin = bob.twin(byte);
        let arrival = Received { payload: mutation.bytes, ..twin.arrival(from, send) };
        let effects = twin.receive(arrival);
        let told = messages(&effects);
        let refused = effects.iter().find_map(|effect| match effect {
            Effect::Notify(Notice::Undecodable { why, .. }) => Some(*why),
            _ => None,
        });
        if let Some(Undecodable::Payload(code) | Undecodable::Security(code) | Undecodable::Sync(code)) =
            refused
        {
            assert!(code.contains('.'), "{}: {code}", mutation.name);
        }
        if refused.is_some() || effects.is_empty() {
            assert_no_trace(&effects, &twin.store, &bob.store, &mutation.name);
            assert!(told.is_empty(), "{}", mutation.name);
            still += 1;
        }
        for message in &told {
            assert_eq!((message.text.as_str(), message.author), (text, from), "{} is shown", mutation.name);
            shown += 1;
        }
    }
    (still, shown)
}

#[test]
fn mangled_ratchet_messages_show_nothing_but_what_was_said() {
    let (mut alice, bob) = acquainted();
    let (_, send) = alice.say(&ChatId::OneToOne(bob.key()), "to be mangled");
    let (still, shown) = hear_mangled(&bob, 0xb2, alice.key(), &send, "to be mangled");
    assert!(still > 1_000 && shown > 0, "{still} refused, {shown} shown");
}

#[test]
fn mangled_first_messages_show_nothing_but_what_was_said() {
    let (mut alice, bob) = (Side::new(0xa1), Side::new(0xb2));
    let (_, send) = alice.say(&ChatId::OneToOne(bob.key()), "to be mangled");
    let (still, shown) = hear_mangled(&bob, 0xb2, alice.key(), &send, "to be mangled");
    assert!(still > 1_000 && shown > 0, "{still} refused, {shown} shown");
}

#[test]
fn mangled_public_messages_are_refused_or_somebody_elses_words() {
    let lab = ChatId::Public(PublicName::new("lab").unwrap());
    let (mut alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    bob.command(Command::Open(lab.clone()));
    alice.command(Command::Open(lab.clone()));
    let (id, send) = alice.say(&lab, "to be mangled");
    let (mut still, mut tried) = (0, 0);
    for mutation in of(&send.payload) {
        let mut twin = bob.twin(0xb2);
        let arrival = Received { payload: mutation.bytes, ..twin.arrival(alice.key(), &send) };
        let effects = twin.receive(arrival);
        tried += 1;
        let refused =
            effects.iter().any(|effect| matches!(effect, Effect::Notify(Notice::Undecodable { .. })));
        if refused || effects.is_empty() {
            assert_eq!(twin.store, bob.store, "{} was refused and changed the store", mutation.name);
            still += 1;
        }
        // Whoever signs the envelope may say anything in a public chat, also in another's once signed words.
        for message in messages(&effects) {
            let honest = message.id == id;
            assert!(!honest || message.text == "to be mangled", "{}", mutation.name);
            assert!(message.author != alice.key() || message.text == "to be mangled", "{}", mutation.name);
        }
    }
    assert!(tried > 1_000 && still > 500, "{still} of {tried} refused");
}

#[test]
fn mangled_rows_are_a_corrupt_store() {
    let person = SecretKey::from_slice(&[0xa1; 32]).unwrap().public();
    let lab = ChatId::Public(PublicName::new("lab").unwrap());
    let key = chat_key(&lab);
    let chat = Chat {
        since: START,
        seen: true,
        clock: 77,
        unread: 2,
        opened_by: OpenedBy::Stranger,
        ..Chat::new(lab.clone())
    };
    let id = MessageId::from_bytes([7; 32]);
    let message = Message {
        id,
        chat: lab,
        author: person,
        text: "hello".to_owned(),
        clock: 77,
        timestamp: START,
        state: MessageState::Failed(FailReason::ProofOfWork),
        protection: Protection::DhOnly,
    };
    let outbox = OutboxRow {
        address: Address::Negotiated(person),
        payload: b"sealed".to_vec(),
        ephemeral: true,
        flush: Flush::Blended,
        carries: Carries::Pending(vec![1, 2, 3]),
        failures: 4,
        again: Some(Unix::from_millis(5)),
    };
    let state = Side::new(0xa1).singletons();
    let mut trial = Trial::new(Whose::Environment);
    let says =
        |error: &undertone_base::StoreError| -> (FaultClass, &'static str) { (error.fault(), error.code()) };
    for mutation in of(&chat.to_bytes()) {
        if let Some(row) = trial.run(&mutation, |b| Chat::from_row(&key, b), says) {
            assert_eq!(Chat::from_row(&key, &row.to_bytes()).as_ref(), Ok(&row), "{}", mutation.name);
        }
    }
    for mutation in mangle::bytes(&key) {
        trial.run(&mutation, |b| Chat::from_row(b, &chat.to_bytes()), says);
        trial.run(&mutation, Due::parse, says);
    }
    for mutation in of(&message.to_bytes()) {
        if let Some(row) = trial.run(&mutation, |b| Message::from_row(id, b), says) {
            assert_eq!(Message::from_row(id, &row.to_bytes()).as_ref(), Ok(&row), "{}", mutation.name);
        }
    }
    for mutation in of(&outbox.to_bytes()) {
        if let Some(row) = trial.run(&mutation, OutboxRow::from_bytes, says) {
            assert_eq!(OutboxRow::from_bytes(&row.to_bytes()).as_ref(), Ok(&row), "{}", mutation.name);
        }
    }
    for mutation in of(&ContactRow {
        pfs: Some(Pfs::Off),
        answered: Some(Unix::from_millis(7)),
        shown_pfs: true,
        weaker_allowed: true,
        added: true,
        blocked: true,
        nickname: "Bob".to_owned(),
        verified: Some(Verification { by: VerifiedBy::QrCode, at: Unix::from_millis(8) }),
        declined: 9,
        session_lost: true,
        claim: Some(Claim {
            clock: 4,
            ens_name: "b.eth".to_owned(),
            picture: "data:image/png;base64,".to_owned(),
        }),
        told: true,
        told_clock: 5,
        acquaintance: Some(START),
        answers: 1,
        dropped_told: Some(START),
    }
    .to_bytes())
    {
        trial.run(&mutation, ContactRow::from_bytes, says);
    }
    let label = DeviceLabel { clock: 3, name: "a".to_owned(), kind: "b".to_owned() };
    for mutation in of(&label.to_bytes()) {
        if let Some(row) = trial.run(&mutation, DeviceLabel::from_bytes, says) {
            assert_eq!(DeviceLabel::from_bytes(&row.to_bytes()).as_ref(), Ok(&row), "{}", mutation.name);
        }
    }
    for mutation in of(&state.to_bytes()) {
        if let Some(row) = trial.run(&mutation, State::from_bytes, says) {
            assert_eq!(State::from_bytes(&row.to_bytes()).as_ref(), Ok(&row), "{}", mutation.name);
        }
    }
    trial.at_least(2_000, 1_500);
}

/// Somebody with the keys of Alice and a program of their own.
struct Mallory {
    layer: undertone_ratchet::Encryption,
    rows: undertone_ratchet::MemoryRatchetStore,
    alice: Side,
}

impl Mallory {
    fn new() -> Self {
        let alice = Side::unopened(0xa1);
        let own = undertone_ratchet::LocalIdentity::new(&*alice.keyring, KeyId::of(&alice.key())).unwrap();
        let device = undertone_ratchet::InstallationId::new("a11ce000-0000-4000-8000-000000000001").unwrap();
        let layer = undertone_ratchet::Encryption::new(own, device);
        Self { layer, rows: undertone_ratchet::MemoryRatchetStore::new(), alice }
    }

    /// Seals anything at all.
    fn seal(&mut self, to: Option<&PublicKey>, payload: &[u8]) -> Vec<u8> {
        let Side { keyring, dice, now, .. } = &mut self.alice;
        let mut cx =
            undertone_ratchet::Context { store: &mut self.rows, keyring: &**keyring, now: *now, rng: dice };
        let sealed = match to {
            Some(to) => self.layer.seal_direct(&mut cx, to, payload),
            None => self.layer.seal_public(&mut cx, payload),
        };
        sealed.unwrap().bytes
    }

    /// A chat message, signed.
    fn signed(&self, message: &ChatMessageOut) -> Vec<u8> {
        let kind = MessageType::CHAT_MESSAGE;
        let signer = KeyId::of(&self.alice.key());
        Metadata::sign(kind, message.encode().unwrap(), &*self.alice.keyring, &signer).unwrap().into_bytes()
    }
}

#[test]
fn what_a_contact_seals_mangled_is_refused_or_its_own_words() {
    let mut mallory = Mallory::new();
    let (author, bob) = (mallory.alice.key(), Side::new(0xb2));
    let clock = Clock::from_value(START.millis());
    let chat = ChatMessageOut::one_to_one(&bob.key(), "to be mangled", clock, START);
    let signed = mallory.signed(&chat);
    let (_, message) = wrap(GroupId::of_pair(&author, &bob.key()), START, signed.clone());
    let sample = SyncPayloadOut::message(&message).to_bytes();
    let honest = MessageId::of(Some(&author), &signed);
    let (still, shown) = hear_sealed(&mut mallory, &bob, Some(&bob.key()), &sample, &honest);
    assert!(still > 800 && shown > 20, "{still} refused, {shown} shown");
}

#[test]
fn what_a_stranger_says_mangled_in_a_public_chat_is_refused_or_its_own_words() {
    let mut mallory = Mallory::new();
    let mut bob = Side::new(0xb2);
    bob.command(Command::Open(ChatId::Public(PublicName::new("lab").unwrap())));
    let clock = Clock::from_value(START.millis());
    let sample = mallory.signed(&ChatMessageOut::public("lab", "to be mangled", clock, START));
    let honest = MessageId::of(Some(&mallory.alice.key()), &sample);
    let (still, shown) = hear_sealed(&mut mallory, &bob, None, &sample, &honest);
    assert!(still > 550 && shown > 20, "{still} refused, {shown} shown");
}

/// Hears every mutation of what is inside the security layer; the layers outside are whole.
fn hear_sealed(
    mallory: &mut Mallory,
    bob: &Side,
    to: Option<&PublicKey>,
    sample: &[u8],
    honest: &MessageId,
) -> (usize, usize) {
    let author = mallory.alice.key();
    let route = match to {
        Some(to) => Route::Partition(*to),
        None => Route::Public(PublicName::new("lab").unwrap()),
    };
    let (mut still, mut shown) = (0, 0);
    // All layers hold their own form of the payload, and the rows that come of it.
    let mut trial = Trial::new(Whose::Peer).holding(64);
    // Nothing can be sealed to one person, but not said in public.
    for mutation in of(sample).into_iter().filter(|m| to.is_some() || !m.bytes.is_empty()) {
        let mut twin = bob.twin(0xb2);
        let payload = mallory.seal(to, &mutation.bytes);
        let arrival = Received {
            route: route.clone(),
            author,
            sealed_to: to.copied(),
            wire_id: WireId::from_bytes(keccak256(&payload)),
            payload,
            sent_at: START,
            via: Via::Live,
        };
        let sealed = Mutation::new(mutation.name.as_str(), arrival.payload.as_slice());
        let step = |_: &[u8]| twin.try_step(Input::Transport(Event::Received(Box::new(arrival))));
        let effects = trial.run(&sealed, step, |e| (e.fault(), e.code())).unwrap();
        let refused = effects.iter().any(|e| matches!(e, Effect::Notify(Notice::Undecodable { .. })));
        if refused || effects.is_empty() {
            assert_eq!(twin.store, bob.store, "{} was refused and changed the store", mutation.name);
            still += 1;
        }
        for message in messages(&effects) {
            assert!(!message.text.trim().is_empty() && message.text.len() <= 4_096, "{}", mutation.name);
            // Who signs with the key may say anything, but nothing else under the id of what was said.
            assert!(message.id != *honest || message.text == "to be mangled", "{}", mutation.name);
            assert!(to.is_none() || message.author == author, "{}", mutation.name);
            shown += 1;
        }
    }
    trial.at_least(still, 0);
    (still, shown)
}

#[test]
fn mangled_names_of_chats_are_refused_or_other_chats() {
    let person = SecretKey::from_slice(&[0xa1; 32]).unwrap().public();
    let mut trial = Trial::new(Whose::Caller);
    for chat in [ChatId::OneToOne(person), ChatId::Public(PublicName::new("lab").unwrap())] {
        for mutation in mangle::text(&chat.to_string()) {
            let parse = |b: &[u8]| std::str::from_utf8(b).unwrap_or_default().parse::<ChatId>();
            if let Some(read) = trial.run(&mutation, parse, |e| (e.fault(), e.code())) {
                assert_eq!(read.to_string().parse().as_ref(), Ok(&read), "{}", mutation.name);
            }
        }
    }
    trial.at_least(1_000, 800);
}
