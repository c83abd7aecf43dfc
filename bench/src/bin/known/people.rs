//! Somebody whom many people write to.

use std::path::Path;

use anyhow::{Context, Result};
use undertone_base::{Mono, Now, Secret, Unix};
use undertone_bench::rng;
use undertone_crypto::SecretKey;
use undertone_messenger::suite::{letter, messenger_of, received, sends};
use undertone_messenger::{ChatId, Command, Fault, Input, Messenger};
use undertone_store::Database;
use undertone_transport::{Event, Progress, Send};

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
    pub(crate) fn new() -> Self {
        let key = SecretKey::random(&mut rng(1));
        Self { secret: key.secret().clone(), messenger: messenger_of(key) }
    }

    /// Lets people write until so many are known.
    pub(crate) fn meet(&self, path: &Path, people: u64) -> Result<()> {
        let mut database = Database::open(path, &self.secret, &mut rng(2))?;
        let mut own = rng(3);
        let effects = database.transact(|tx| self.messenger.open(tx, NOW, &mut own))?;
        let bundle = sends(effects).next().context("a start publishes our bundle")?;
        let bundle = received(bundle, self.messenger.key(), NOW);
        let mut next = 0;
        while next < people {
            let mut letters = Vec::new();
            for n in next..people.min(next + BATCH) {
                let text = format!("Hello from {n}");
                letters.push(letter(somebody(n), &bundle, &text, NOW, &mut rng(1_000_000 + n)));
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
        database.close().map_err(|e| anyhow::anyhow!("{e}"))
    }
}

/// The key of one of them.
pub(crate) fn somebody(n: u64) -> SecretKey {
    SecretKey::random(&mut rng(1_000 + n))
}
