//! The whole road of a received payload, above the contract: what a stranger can do to a messenger.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{KeyId, MemoryKeyring, SecretKey};
use undertone_messenger::store::MemoryStore;
use undertone_messenger::{ChatId, Command, Effect, Input, Messenger, Notice};
use undertone_payload::MessageId;
use undertone_ratchet::{Context, Encryption, InstallationId, LocalIdentity, MemoryRatchetStore};
use undertone_support::{ChaCha20Rng, rng};
use undertone_transport::{Event, Progress, PublicName, Received, Route, SendId, Via, WireId};

/// The public chat of the test vectors.
const CHAT: &str = "status-lab";

/// Records of operation, length (2 bytes) and body. The operation says how the body arrives from the other
/// person: bare, as a public message, or encrypted by a ratchet of its own; or that a send went on; or that
/// time passes. The keys are those of alice and bob in `payloads.json`, and bob is the one under test.
pub fn messenger(data: &[u8]) {
    let mut bob = Bob::new();
    for (op, body) in crate::records(data) {
        bob.record(op, body);
    }
}

struct Bob {
    messenger: Messenger,
    store: MemoryStore,
    alice: Alice,
    now: Now,
    rng: ChaCha20Rng,
    told: BTreeSet<MessageId>,
    sends: Vec<SendId>,
    arrived: u64,
}

impl Bob {
    fn new() -> Self {
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(secret(0xb2));
        let messenger = Messenger::new(Arc::new(keyring), id).expect("the keyring has it");
        let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
        let mut bob = Self {
            messenger,
            store: MemoryStore::new(),
            alice: Alice::new(),
            now,
            rng: rng(1),
            told: BTreeSet::new(),
            sends: Vec::new(),
            arrived: 0,
        };
        let effects = bob.messenger.open(&mut bob.store, now, &mut bob.rng).expect("an empty store opens");
        bob.effects(effects);
        let chat = ChatId::Public(PublicName::new(CHAT).expect("a good name"));
        bob.step(Input::Command(Command::Open(chat)));
        bob
    }

    fn record(&mut self, op: u8, body: &[u8]) {
        let public = Route::Public(PublicName::new(CHAT).expect("a good name"));
        let personal = Route::Partition(*self.messenger.key());
        match op & 7 {
            0 => self.receive(personal, body.to_vec()),
            1 => self.receive(public, body.to_vec()),
            2 => {
                if let Some(bytes) = self.alice.public(self.now, body) {
                    self.receive(public, bytes);
                }
            }
            3 | 4 => {
                if let Some(bytes) = self.alice.direct(self.now, &secret(0xb2).public(), body) {
                    self.receive(personal, bytes);
                }
            }
            5 => {
                let id = self.sends.get(usize::from(op >> 3)).copied().unwrap_or(SendId(u64::from(op)));
                let progress = if body.is_empty() { Progress::Queued } else { Progress::Relayed };
                self.step(Input::Transport(Event::Progress { id, progress }));
            }
            6 => {
                self.now = self.now.after(Duration::from_secs(u64::from(op >> 3)));
                self.step(Input::Timeout);
            }
            _ => {
                let text = String::from_utf8_lossy(body).into_owned();
                let chat = ChatId::OneToOne(secret(0xa1).public());
                let _ = self.try_step(Input::Command(Command::Send { chat, text }));
            }
        }
    }

    fn receive(&mut self, route: Route, payload: Vec<u8>) {
        self.arrived += 1;
        let mut wire_id = [0; 32];
        wire_id[..8].copy_from_slice(&self.arrived.to_be_bytes());
        let received = Received {
            sealed_to: route.is_sealed_to_a_key().then(|| *self.messenger.key()),
            route,
            author: secret(0xa1).public(),
            payload,
            sent_at: self.now.unix,
            wire_id: WireId::from_bytes(wire_id),
            via: Via::Live,
        };
        let before = self.store.clone();
        let refused = self.step(Input::Transport(Event::Received(Box::new(received))));
        assert!(!refused || self.store == before, "what is refused changes nothing");
    }

    /// A step that no input may make fail. Says whether something was refused.
    fn step(&mut self, input: Input) -> bool {
        self.try_step(input).expect("only a store can fail, and this one does not")
    }

    fn try_step(&mut self, input: Input) -> Result<bool, undertone_messenger::Fault> {
        let before = self.store.clone();
        match self.messenger.step(&mut self.store, self.now, &mut self.rng, input) {
            Ok(effects) => Ok(self.effects(effects)),
            Err(fault) => {
                assert_eq!(self.store, before, "a command that is refused changes nothing");
                Err(fault)
            }
        }
    }

    fn effects(&mut self, effects: Vec<Effect>) -> bool {
        let mut refused = false;
        for effect in effects {
            match effect {
                Effect::Notify(Notice::Message(message)) => {
                    assert!(self.told.insert(message.id), "a person is told of each message once");
                }
                Effect::Notify(Notice::Undecodable { .. }) => refused = true,
                Effect::Transport(undertone_transport::Command::Send(send)) => self.sends.push(send.id),
                _ => {}
            }
        }
        refused
    }
}

/// Whoever writes to Bob: with a real security layer, so that the bodies get through to the layers above it.
struct Alice {
    keyring: MemoryKeyring,
    layer: Encryption,
    store: MemoryRatchetStore,
    rng: ChaCha20Rng,
}

impl Alice {
    fn new() -> Self {
        let mut keyring = MemoryKeyring::new();
        let id: KeyId = keyring.insert(secret(0xa1));
        let mut rng = rng(2);
        let own = LocalIdentity::new(&keyring, id).expect("the keyring has it");
        let layer = Encryption::new(own, InstallationId::random(&mut rng));
        Self { keyring, layer, store: MemoryRatchetStore::new(), rng }
    }

    fn public(&mut self, now: Now, body: &[u8]) -> Option<Vec<u8>> {
        let mut cx = Context { store: &mut self.store, keyring: &self.keyring, now, rng: &mut self.rng };
        self.layer.seal_public(&mut cx, body).ok().map(|sealed| sealed.bytes)
    }

    fn direct(&mut self, now: Now, to: &undertone_crypto::PublicKey, body: &[u8]) -> Option<Vec<u8>> {
        let mut cx = Context { store: &mut self.store, keyring: &self.keyring, now, rng: &mut self.rng };
        self.layer.seal_direct(&mut cx, to, body).ok().map(|sealed| sealed.bytes)
    }
}

fn secret(byte: u8) -> SecretKey {
    SecretKey::from_slice(&[byte; 32]).expect("a scalar in range")
}
