//! Messengers on the endpoints of any network, in virtual time.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use rand_core::{TryCryptoRng, TryRng};
use undertone_base::{Now, StoreError, Unix};
use undertone_crypto::keccak256;
use undertone_payload::MessageId;
use undertone_transport::conformance::{Network, Person, people};
use undertone_transport::{Event, Failure, Progress, PublicName, Send};

use crate::store::{Keys, MemoryStore, Order, Row, StoreTx, Table};
use crate::{ChatId, Command, Effect, Fault, Input, Message, MessageState, Messenger, Notice, Trace};

/// Messengers, each with a store of its own, and the network between them.
#[derive(Debug)]
pub struct World<N> {
    net: N,
    /// Who they are.
    pub people: Vec<Person>,
    /// What each of them has.
    pub parties: Vec<Party>,
}

/// One messenger with its store, and what happens to what it hears.
#[derive(Debug)]
pub struct Party {
    messenger: Messenger,
    /// Its store.
    pub store: MemoryStore,
    dice: Dice,
    wake: Unix,
    /// What the person was told, in order.
    pub notices: Vec<Notice>,
    /// What was handed to the transport, with the time.
    pub sends: Vec<(Unix, Send)>,
    /// How many received payloads are lost from now on.
    pub lose: usize,
    /// Whether every received payload comes twice.
    pub twice: bool,
    /// Where received payloads are held back, while they are.
    pub hold: Option<Vec<Event>>,
    /// Lets the write of this number in the next received payload fail; that payload is then lost, as in a crash.
    pub crash_at: Option<usize>,
    /// The same for the next step of any kind: a receipt, news of a send, a timeout.
    pub crash_any: Option<usize>,
    /// After how many more writes of whatever steps its process dies; then it starts again.
    pub dies_after_writes: Option<usize>,
    /// After how many more steps it dies: what they wrote is durable, and what the last one says is never heard.
    pub dies_after_steps: Option<usize>,
    /// Writes and steps that were made so far.
    pub made: (usize, usize),
    /// How often it died of the two above.
    pub deaths: usize,
}

impl<N: Network> World<N> {
    /// `n` messengers, all started and online.
    pub fn new(n: u8) -> Self {
        let (net, people) = people::<N>(n);
        let party = |person: &Person| Party {
            messenger: Messenger::new(person.keyring.clone(), person.id).expect("the key is in the ring"),
            store: MemoryStore::new(),
            dice: Dice::new(person.key.to_compressed().as_slice()),
            wake: Unix::default(),
            notices: Vec::new(),
            sends: Vec::new(),
            lose: 0,
            twice: false,
            hold: None,
            crash_at: None,
            crash_any: None,
            dies_after_writes: None,
            dies_after_steps: None,
            made: (0, 0),
            deaths: 0,
        };
        let parties = people.iter().map(party).collect();
        let mut world = Self { net, people, parties };
        for at in 0..world.parties.len() {
            world.start(at);
        }
        world
    }

    /// The clock.
    pub fn now(&self) -> Now {
        self.net.now()
    }

    /// The chat with a party.
    pub fn with(&self, party: usize) -> ChatId {
        ChatId::OneToOne(self.people[party].key)
    }

    /// A public chat.
    pub fn public(name: &str) -> ChatId {
        ChatId::Public(PublicName::new(name).expect("a valid name"))
    }

    /// Starts a messenger on the store that is there.
    pub fn start(&mut self, at: usize) {
        let now = self.net.now();
        let party = &mut self.parties[at];
        let savepoint = party.store.clone();
        let mut tx = Failing { store: &mut party.store, left: party.dies_after_writes, written: 0 };
        let opened = party.messenger.open(&mut tx, now, &mut party.dice);
        let written = tx.written;
        match opened {
            Ok(effects) => {
                if party.survives(written) {
                    self.apply(at, effects);
                } else {
                    self.start(at);
                }
            }
            Err(fault) => {
                assert!(party.dies_after_writes.take().is_some(), "does not open: {fault}");
                party.store = savepoint;
                party.deaths += 1;
                self.start(at);
            }
        }
    }

    /// Drops a messenger and makes a new one on its store.
    pub fn restart(&mut self, at: usize) {
        let person = &self.people[at];
        self.parties[at].messenger =
            Messenger::new(person.keyring.clone(), person.id).expect("the key is in the ring");
        self.start(at);
    }

    /// Gives a command.
    ///
    /// # Errors
    /// Whatever the messenger says; its store is then compared with what it was.
    pub fn command(&mut self, at: usize, command: Command) -> Result<(), Fault> {
        self.step(at, Input::Command(command))
    }

    /// Sends a text and names the message.
    pub fn say(&mut self, at: usize, chat: &ChatId, text: &str) -> MessageId {
        self.command(at, Command::Send { chat: chat.clone(), text: text.to_owned() }).expect("sends");
        let last = self.parties[at].notices.iter().rev().find_map(|notice| match notice {
            Notice::Message(message) => Some(message.id),
            _ => None,
        });
        last.expect("a message is shown as soon as it is composed")
    }

    /// Does one step as a shell does: a savepoint before, rolled back on an error.
    ///
    /// # Errors
    /// Whatever the messenger says.
    pub fn step(&mut self, at: usize, input: Input) -> Result<(), Fault> {
        self.step_with(at, input, None)
    }

    /// The same, with a store that fails at the write of number `fail_at`.
    ///
    /// # Errors
    /// Whatever the messenger says.
    pub fn step_with(&mut self, at: usize, input: Input, fail_at: Option<usize>) -> Result<(), Fault> {
        let now = self.net.now();
        let party = &mut self.parties[at];
        let savepoint = party.store.clone();
        let left = fail_at.into_iter().chain(party.dies_after_writes).min();
        let mut tx = Failing { store: &mut party.store, left, written: 0 };
        let stepped = party.messenger.step(&mut tx, now, &mut party.dice, input);
        let written = tx.written;
        match stepped {
            Ok(effects) => {
                if party.survives(written) {
                    self.apply(at, effects);
                } else {
                    self.restart(at);
                }
                Ok(())
            }
            Err(fault) => {
                let failed_write = matches!(fault, Fault::Store(_));
                assert!(failed_write || party.store == savepoint, "a refused input writes nothing");
                party.store = savepoint;
                if failed_write && party.dies_after_writes == Some(written) {
                    party.dies_after_writes = None;
                    party.deaths += 1;
                    self.restart(at);
                }
                Err(fault)
            }
        }
    }

    fn apply(&mut self, at: usize, effects: Vec<Effect>) {
        let mut refused = Vec::new();
        for effect in effects {
            match effect {
                Effect::Notify(notice) => self.parties[at].notices.push(notice),
                Effect::WakeAt(wake) => self.parties[at].wake = wake,
                Effect::Transport(command) => {
                    let id = match &command {
                        undertone_transport::Command::Send(send) => {
                            let now = self.net.now().unix;
                            self.parties[at].sends.push((now, send.clone()));
                            Some(send.id)
                        }
                        _ => None,
                    };
                    if self.net.command(at, command).is_err() {
                        refused.extend(id);
                    }
                }
            }
        }
        for id in refused {
            let event = Event::Progress { id, progress: Progress::Failed(Failure::Refused) };
            self.step(at, Input::Transport(event)).expect("a failure is taken");
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let slice = left.min(SLICE);
            left -= slice;
            self.net.run(slice);
            for at in 0..self.parties.len() {
                self.hear(at);
                if self.parties[at].wake <= self.net.now().unix {
                    self.parties[at].wake = Unix::from_millis(u64::MAX);
                    self.shaken(at, Input::Timeout);
                }
            }
        }
    }

    fn hear(&mut self, at: usize) {
        for event in self.net.events(at) {
            if !matches!(event, Event::Received(_)) {
                self.shaken(at, Input::Transport(event));
                continue;
            }
            let party = &mut self.parties[at];
            if party.lose > 0 {
                party.lose -= 1;
            } else if let Some(held) = &mut party.hold {
                held.push(event);
            } else {
                self.deliver(at, event);
            }
        }
    }

    /// Gives an event to a messenger, as often as its weather says.
    pub fn deliver(&mut self, at: usize, event: Event) {
        if self.parties[at].crash_any.is_some() {
            return self.shaken(at, Input::Transport(event));
        }
        let crash = self.parties[at].crash_at.take();
        let deaths = self.parties[at].deaths;
        if self.parties[at].twice {
            self.step(at, Input::Transport(event.clone())).expect("received");
        }
        match self.step_with(at, Input::Transport(event), crash) {
            Ok(()) => {
                if crash.is_some() {
                    self.parties[at].crash_at = Some(usize::MAX);
                }
            }
            Err(Fault::Store(_)) if self.parties[at].deaths > deaths => {}
            Err(Fault::Store(_)) if crash.is_some() => self.restart(at),
            Err(fault) => panic!("a received payload is no fault of ours: {fault}"),
        }
    }

    /// A step at which the process may die; then it starts again, and the input is lost.
    fn shaken(&mut self, at: usize, input: Input) {
        let crash = self.parties[at].crash_any.take();
        let deaths = self.parties[at].deaths;
        match self.step_with(at, input, crash) {
            Ok(()) => {}
            Err(Fault::Store(_)) if self.parties[at].deaths > deaths => {}
            Err(Fault::Store(_)) if crash.is_some() => self.restart(at),
            Err(fault) => panic!("no fault of ours: {fault}"),
        }
    }

    /// Cuts a party off or brings it back.
    pub fn set_online(&mut self, at: usize, online: bool) {
        self.net.set_online(at, online);
    }

    /// The texts of a chat, oldest first, and that each was announced exactly once.
    pub fn texts(&self, at: usize, chat: &ChatId) -> Vec<String> {
        let party = &self.parties[at];
        let mut messages = party.messenger.messages(&party.store, chat, None, usize::MAX).expect("messages");
        messages.reverse();
        for message in &messages {
            let announced = |n: &&Notice| matches!(n, Notice::Message(m) if m.id == message.id);
            assert_eq!(party.notices.iter().filter(announced).count(), 1, "announced exactly once");
        }
        messages.into_iter().map(|message| message.text).collect()
    }

    /// The messages of a chat as the store has them, oldest first.
    pub fn stored(&self, at: usize, chat: &ChatId) -> Vec<Message> {
        let party = &self.parties[at];
        let mut messages = party.messenger.messages(&party.store, chat, None, usize::MAX).expect("messages");
        messages.reverse();
        messages
    }

    /// A message as a party has it.
    pub fn message(&self, at: usize, id: &MessageId) -> Message {
        let party = &self.parties[at];
        party.messenger.message(&party.store, id).expect("store").expect("the message is there")
    }

    /// The states that a message went through, in order.
    pub fn states(&self, at: usize, id: &MessageId) -> Vec<MessageState> {
        let state = |notice: &Notice| match notice {
            Notice::State { id: of, state, .. } if of == id => Some(*state),
            _ => None,
        };
        self.parties[at].notices.iter().filter_map(state).collect()
    }

    /// The traces of a message.
    pub fn traces(&self, at: usize, id: &MessageId) -> Vec<Trace> {
        let trace = |notice: &Notice| match notice {
            Notice::Trace(trace) if trace.message == Some(*id) => Some((**trace).clone()),
            _ => None,
        };
        self.parties[at].notices.iter().filter_map(trace).collect()
    }

    /// Asserts what must hold whatever happened.
    pub fn check(&self) {
        self.no_message_key_was_used_twice();
        for party in &self.parties {
            for (key, _) in
                party.store.scan(Table::Pending, Keys::ALL, Order::Ascending, usize::MAX).expect("scan")
            {
                let waits = |table| {
                    let rows =
                        party.store.scan(table, Keys::ALL, Order::Ascending, usize::MAX).expect("scan");
                    rows.iter().any(|(k, v)| contains(k, &key) || contains(v, &key))
                };
                assert!(waits(Table::Due) || waits(Table::Outbox), "what is pending waits for something");
            }
        }
    }

    /// Every ciphertext that ever left has a ratchet key and number of its own, or is the same bytes again.
    fn no_message_key_was_used_twice(&self) {
        for party in &self.parties {
            let mut seen = BTreeSet::new();
            let mut payloads = BTreeSet::new();
            for (_, send) in &party.sends {
                if payloads.insert(&send.payload) {
                    for header in ratchet_headers(&send.payload) {
                        assert!(seen.insert(header), "a message key was used twice");
                    }
                }
            }
        }
    }
}

impl Party {
    /// Counts a step that was committed, and whether its process lives to say what came out of it.
    fn survives(&mut self, written: usize) -> bool {
        self.made = (self.made.0 + written, self.made.1 + 1);
        if let Some(left) = &mut self.dies_after_writes {
            *left -= written;
        }
        match &mut self.dies_after_steps {
            None => true,
            Some(left) if *left > 1 => {
                *left -= 1;
                true
            }
            Some(_) => {
                self.dies_after_steps = None;
                self.deaths += 1;
                false
            }
        }
    }
}

/// How often a messenger looks at what has come.
const SLICE: Duration = Duration::from_millis(100);

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The encoded ratchet headers of a `ProtocolMessage`: what names the key of each ciphertext.
pub fn ratchet_headers(bytes: &[u8]) -> Vec<Vec<u8>> {
    const DIRECT: u64 = 101;
    let entries = fields(bytes).into_iter().filter(|(number, _)| *number == DIRECT);
    let values = entries.flat_map(|(_, entry)| fields(entry)).filter(|(number, _)| *number == 2);
    let headers = values.flat_map(|(_, message)| fields(message)).filter(|(number, _)| *number == 2);
    headers.map(|(_, header)| header.to_vec()).collect()
}

/// The length-delimited fields of a protobuf message; nothing after the first thing that is none.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut out = Vec::new();
    while let Ok(key) = prost::encoding::decode_varint(&mut bytes) {
        let Ok(value) = prost::encoding::decode_varint(&mut bytes) else { break };
        if key & 7 != 2 {
            continue;
        }
        let Some((field, rest)) = usize::try_from(value).ok().and_then(|len| bytes.split_at_checked(len))
        else {
            break;
        };
        bytes = rest;
        out.push((key >> 3, field));
    }
    out
}

/// A store whose writes fail from a certain one on.
#[derive(Debug)]
pub struct Failing<'a> {
    /// The store.
    pub store: &'a mut MemoryStore,
    /// How many writes are left; `None` for any number.
    pub left: Option<usize>,
    /// How many were made.
    pub written: usize,
}

impl Failing<'_> {
    fn write(&mut self) -> Result<(), StoreError> {
        match &mut self.left {
            None => {}
            Some(0) => return Err(StoreError::Unavailable),
            Some(left) => *left -= 1,
        }
        self.written += 1;
        Ok(())
    }
}

impl StoreTx for Failing<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.write()?;
        self.store.put(table, key, value)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.write()?;
        self.store.delete(table, key)
    }

    fn scan(&self, table: Table, keys: Keys<'_>, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.store.scan(table, keys, order, limit)
    }
}

/// A generator for tests: Keccak-256 of seed and counter. The same seed gives the same bytes.
#[derive(Clone, Debug)]
pub struct Dice {
    seed: [u8; 32],
    count: u64,
}

impl Dice {
    /// The generator of a seed.
    pub fn new(seed: &[u8]) -> Self {
        Self { seed: keccak256(seed), count: 0 }
    }
}

impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for chunk in dst.chunks_mut(32) {
            let mut input = self.seed.to_vec();
            input.extend_from_slice(&self.count.to_be_bytes());
            self.count += 1;
            let len = chunk.len();
            chunk.copy_from_slice(&keccak256(&input)[..len]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Dice {}
