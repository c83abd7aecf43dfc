//! Somebody whom many people write to.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rand_core::Rng as _;
use undertone_base::{Mono, Now, Secret, Unix};
use undertone_bench::{ChaCha20Rng, rng};
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_messenger::store::MemoryStore;
use undertone_messenger::{ChatId, Command, Effect, Fault, Input, Messenger};
use undertone_store::Database;
use undertone_transport::{Event, Progress, Received, Send, Via, WireId};

/// The time of everything.
pub(crate) const NOW: Now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };

/// People who write in one transaction.
const BATCH: u64 = 64;

/// Whoever the store belongs to.
pub(crate) struct Myself {
    pub(crate) secret: Secret<32>,
    pub(crate) messenger: Messenger,
}

impl Myself {
    pub(crate) fn new() -> Result<Self> {
        let key = SecretKey::random(&mut rng(1));
        Ok(Self { secret: key.secret().clone(), messenger: messenger(key)? })
    }

    /// Lets people write until so many are known; their keys.
    pub(crate) fn meet(&self, path: &Path, people: u64) -> Result<Vec<PublicKey>> {
        let mut database = Database::open(path, &self.secret, &mut rng(2))?;
        let mut own = rng(3);
        let effects = database.transact(|tx| self.messenger.open(tx, NOW, &mut own))?;
        let bundle = sends(effects).into_iter().next().context("a start publishes our bundle")?;
        let bundle = received(bundle, self.messenger.key(), &mut own);
        let mut known = Vec::new();
        let mut next = 0;
        while next < people {
            let mut letters = Vec::new();
            for n in next..people.min(next + BATCH) {
                let (key, letter) = letter(n, &bundle, self.messenger.key())?;
                known.push(key);
                letters.push(letter);
            }
            next += BATCH;
            database.transact(|tx| {
                for letter in letters {
                    // Chats of strangers are bounded far below; these are people to whom we wrote first.
                    let chat = ChatId::OneToOne(letter.author);
                    let first = Command::Send { chat, text: "Good day".to_owned() };
                    let mut out = self.messenger.step(tx, NOW, &mut own, Input::Command(first))?;
                    let input = Input::Transport(Event::Received(Box::new(letter)));
                    out.extend(self.messenger.step(tx, NOW, &mut own, input)?);
                    // All of it leaves, so that nothing waits in the outbox.
                    for Send { id, .. } in sends(out) {
                        let taken = Event::Progress { id, progress: Progress::Relayed };
                        self.messenger.step(tx, NOW, &mut own, Input::Transport(taken))?;
                    }
                }
                Ok::<_, Fault>(())
            })?;
        }
        database.close().map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(known)
    }
}

/// What somebody of his own writes after hearing our bundle.
fn letter(n: u64, bundle: &Received, to: &PublicKey) -> Result<(PublicKey, Received)> {
    let mut rng = rng(1_000 + n);
    let (messenger, mut store) = (messenger(SecretKey::random(&mut rng))?, MemoryStore::new());
    messenger.open(&mut store, NOW, &mut rng)?;
    messenger.step(&mut store, NOW, &mut rng, Input::Transport(Event::Received(Box::new(bundle.clone()))))?;
    let command = Command::Send { chat: ChatId::OneToOne(*to), text: format!("Hello from {n}") };
    let effects = messenger.step(&mut store, NOW, &mut rng, Input::Command(command))?;
    let sent = sends(effects).into_iter().find(|send| send.to == Some(*to) || send.to.is_none());
    let letter = received(sent.context("a message is sent")?, messenger.key(), &mut rng);
    Ok((*messenger.key(), letter))
}

fn messenger(key: SecretKey) -> Result<Messenger> {
    let mut keyring = MemoryKeyring::new();
    let id = keyring.insert(key);
    Ok(Messenger::new(Arc::new(keyring), id)?)
}

fn sends(effects: Vec<Effect>) -> Vec<Send> {
    let sends = effects.into_iter().filter_map(|effect| match effect {
        Effect::Transport(undertone_transport::Command::Send(send)) => Some(send),
        _ => None,
    });
    sends.collect()
}

fn received(send: Send, author: &PublicKey, rng: &mut ChaCha20Rng) -> Received {
    let mut wire_id = [0; 32];
    rng.fill_bytes(&mut wire_id);
    Received {
        route: send.route,
        author: *author,
        sealed_to: send.to,
        payload: send.payload,
        sent_at: NOW.unix,
        wire_id: WireId::from_bytes(wire_id),
        via: Via::Live,
    }
}
