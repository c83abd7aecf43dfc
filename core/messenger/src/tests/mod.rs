//! Tests of single steps: two sides without a network between them.

mod backup;
mod contacts;
mod devices;
mod flow;
mod heal;
mod hostile;
mod mangle;
mod model;
mod names;
mod people;
mod states;
mod topics;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{Keyring, MemoryKeyring, PublicKey, SecretKey, keccak256};
use undertone_payload::MessageId;
use undertone_transport::{Event, Progress, Received, Send, SendId, Via, WireId};

use crate::rows::State;
use crate::store::{Keys, MemoryStore, Order, StoreTx, Table};
use crate::suite::Dice;
use crate::{ChatId, Command, Effect, Fault, Input, Message, MessageState, Messenger, Notice, Undecodable};

const START: Unix = Unix::from_millis(1_600_000_000_000);

/// A messenger, its store and its clock.
struct Side {
    messenger: Messenger,
    keyring: Arc<dyn Keyring>,
    store: MemoryStore,
    dice: Dice,
    now: Now,
}

impl Side {
    /// The side whose private key repeats this byte, started.
    fn new(byte: u8) -> Self {
        let mut side = Self::unopened(byte);
        side.open();
        side
    }

    fn unopened(byte: u8) -> Self {
        let mut ring = MemoryKeyring::new();
        let id = ring.insert(SecretKey::from_slice(&[byte; 32]).unwrap());
        let keyring: Arc<dyn Keyring> = Arc::new(ring);
        Self {
            messenger: Messenger::new(keyring.clone(), id).unwrap(),
            keyring,
            store: MemoryStore::new(),
            dice: Dice::new(&[byte]),
            now: Now { mono: Mono::ZERO, unix: START },
        }
    }

    fn key(&self) -> PublicKey {
        *self.messenger.key()
    }

    fn open(&mut self) -> Vec<Effect> {
        self.messenger.open(&mut self.store, self.now, &mut self.dice).unwrap()
    }

    fn try_step(&mut self, input: Input) -> Result<Vec<Effect>, Fault> {
        self.messenger.step(&mut self.store, self.now, &mut self.dice, input)
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        self.try_step(input).unwrap()
    }

    fn command(&mut self, command: Command) -> Vec<Effect> {
        self.step(Input::Command(command))
    }

    fn say(&mut self, chat: &ChatId, text: &str) -> (MessageId, Send) {
        let effects = self.command(Command::Send { chat: chat.clone(), text: text.to_owned() });
        let ids: Vec<_> = messages(&effects).into_iter().map(|message| message.id).collect();
        let sends = sends(&effects);
        assert_eq!((ids.len(), sends.len()), (1, 1));
        (ids[0], sends[0].clone())
    }

    fn progress(&mut self, id: SendId, progress: Progress) -> Vec<Effect> {
        self.step(Input::Transport(Event::Progress { id, progress }))
    }

    fn timeout(&mut self) -> Vec<Effect> {
        self.step(Input::Timeout)
    }

    fn later(&mut self, by: Duration) {
        self.now = self.now.after(by);
    }

    /// What another side sent arrives here.
    fn hear(&mut self, from: PublicKey, send: &Send) -> Vec<Effect> {
        self.receive(self.arrival(from, send))
    }

    fn receive(&mut self, received: Received) -> Vec<Effect> {
        self.step(Input::Transport(Event::Received(Box::new(received))))
    }

    fn arrival(&self, from: PublicKey, send: &Send) -> Received {
        Received {
            route: send.route.clone(),
            author: from,
            sealed_to: send.to,
            payload: send.payload.clone(),
            sent_at: Unix::from_secs(self.now.unix.secs()),
            wire_id: WireId::from_bytes(keccak256(&send.payload)),
            via: Via::Live,
        }
    }

    /// Takes everything that another side sends in these effects, and gives back what it says to that.
    fn hear_all(&mut self, from: PublicKey, effects: &[Effect]) -> Vec<Effect> {
        sends(effects).into_iter().flat_map(|send| self.hear(from, send)).collect()
    }

    /// Refused: says why, and asserts that nothing was written and nothing else comes out.
    fn refused(&mut self, received: Received) -> Undecodable {
        let before = self.store.clone();
        let author = received.author;
        let effects = self.receive(received);
        assert_eq!(self.store, before, "a refused input writes nothing");
        match effects.as_slice() {
            [Effect::Notify(Notice::Undecodable { author: of, why })] if *of == author => *why,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Ignored: asserts that nothing was written and nothing comes out.
    fn ignored(&mut self, received: Received) {
        let before = self.store.clone();
        let effects = self.receive(received);
        assert!(effects.is_empty(), "{effects:?}");
        assert_eq!(self.store, before);
    }

    fn state(&self, id: &MessageId) -> MessageState {
        self.messenger.message(&self.store, id).unwrap().unwrap().state
    }

    fn texts(&self, chat: &ChatId) -> Vec<String> {
        let mut all = self.messenger.messages(&self.store, chat, None, usize::MAX).unwrap();
        all.reverse();
        all.into_iter().map(|message| message.text).collect()
    }

    fn singletons(&self) -> State {
        State::load(&self.store).unwrap().unwrap()
    }

    fn rows(&self, table: Table) -> usize {
        self.store.scan(table, Keys::ALL, Order::Ascending, usize::MAX).unwrap().len()
    }
}

/// Asserts that what was refused left no trace; or, where it is answered, none but the answer and the sender's devices.
fn assert_no_trace(effects: &[Effect], after: &MemoryStore, before: &MemoryStore, what: &str) {
    const KEPT: [Table; 9] = [
        Table::Chat,
        Table::Message,
        Table::Timeline,
        Table::Pending,
        Table::Due,
        Table::OwnPrekey,
        Table::Session,
        Table::Negotiated,
        Table::Skipped,
    ];
    if !effects.iter().any(|effect| matches!(effect, Effect::Notify(Notice::LostSession { .. }))) {
        assert_eq!(after, before, "{what} was refused and changed the store");
    }
    for table in KEPT {
        let rows = |store: &MemoryStore| store.scan(table, Keys::ALL, Order::Ascending, usize::MAX).unwrap();
        assert_eq!(rows(after), rows(before), "{what} was refused and changed {}", table.name());
    }
}

/// Two who have exchanged a message each and have nothing under way.
fn acquainted() -> (Side, Side) {
    let (mut alice, mut bob) = (Side::new(0xa1), Side::new(0xb2));
    let (to_bob, to_alice) = (ChatId::OneToOne(bob.key()), ChatId::OneToOne(alice.key()));
    for n in 0..2 {
        let (from, to, chat) =
            if n == 0 { (&mut alice, &mut bob, &to_bob) } else { (&mut bob, &mut alice, &to_alice) };
        let (id, send) = from.say(chat, "hello");
        from.progress(send.id, Progress::Relayed);
        let answer = to.hear(from.key(), &send);
        from.hear_all(to.key(), &answer);
        for ack in sends(&answer) {
            to.progress(ack.id, Progress::Relayed);
        }
        assert_eq!(from.state(&id), MessageState::Delivered);
    }
    (alice, bob)
}

fn sends(effects: &[Effect]) -> Vec<&Send> {
    let send = |effect| match effect {
        &Effect::Transport(undertone_transport::Command::Send(ref send)) => Some(send),
        _ => None,
    };
    effects.iter().filter_map(send).collect()
}

fn messages(effects: &[Effect]) -> Vec<&Message> {
    let message = |effect| match effect {
        &Effect::Notify(Notice::Message(ref message)) => Some(&**message),
        _ => None,
    };
    effects.iter().filter_map(message).collect()
}

fn states(effects: &[Effect]) -> Vec<MessageState> {
    let state = |effect| match effect {
        &Effect::Notify(Notice::State { state, .. }) => Some(state),
        _ => None,
    };
    effects.iter().filter_map(state).collect()
}

fn wake(effects: &[Effect]) -> Unix {
    let wake = |effect: &Effect| if let Effect::WakeAt(at) = effect { Some(*at) } else { None };
    effects.iter().filter_map(wake).next_back().unwrap()
}
