//! Row B7: the first message to any of 10,000 known people, the store cold; and what a start reads.
//!
//! ```console
//! cargo run --release -p undertone-bench --bin known                  # makes the store (a minute or two), then measures
//! cargo run --release -p undertone-bench --bin known -- --people 1000 --samples 50
//! ```
//!
//! The people are messengers of their own with real keys: each hears our bundle and writes to us, so that the store has a
//! chat, a contact, a device and a session of each, as a real one has. Then, for each sample, the database is opened anew
//! after the system was asked to forget its pages, and a message to somebody drawn is composed, encrypted and committed
//! durably: that step is the figure. Ratchet, SQLCipher and disk are in it; node and network are not.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod count;
mod people;

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rand_core::Rng as _;
use undertone_base::Secret;
use undertone_bench::rng;
use undertone_crypto::PublicKey;
use undertone_messenger::store::Table;
use undertone_messenger::{ChatId, Command, Effect, Fault, Input, Messenger, Notice, Protection};
use undertone_store::Database;

use crate::count::Counting;
use crate::people::{Myself, NOW};

#[derive(Parser)]
#[command(about = "Measures the first message to one of many known people, and what a start reads")]
struct Arguments {
    /// How many people are known.
    #[arg(long, default_value_t = 10_000)]
    people: u64,
    /// Messages that are measured, each on a cold store.
    #[arg(long, default_value_t = 200)]
    samples: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("messages.db");
    let myself = Myself::new()?;
    let begun = Instant::now();
    let known = myself.meet(&path, arguments.people)?;
    eprintln!("{} people known after {:.0?}", known.len(), begun.elapsed());
    let size = std::fs::metadata(&path)?.len();
    println!("store: {} people, {:.1} MB", known.len(), size as f64 / 1e6);
    start(&path, &myself)?;
    measure(&path, &myself, &known, arguments.samples, Cold::Process)?;
    measure(&path, &myself, &known, arguments.samples, Cold::Disk)
}

/// How cold the store is.
#[derive(Clone, Copy, Debug)]
enum Cold {
    /// Opened anew; the system still has its pages.
    Process,
    /// The system was asked to forget them too.
    Disk,
}

fn measure(path: &Path, myself: &Myself, known: &[PublicKey], samples: usize, cold: Cold) -> Result<()> {
    let mut times = Vec::with_capacity(samples);
    let mut opened = Vec::with_capacity(samples);
    let mut rng = rng(9);
    for n in 0..samples {
        if matches!(cold, Cold::Disk) {
            forget(path)?;
        }
        let begun = Instant::now();
        let mut database = open(path, &myself.secret)?;
        opened.push(begun.elapsed());
        let at = usize::try_from(rng.next_u64() % known.len() as u64)?;
        let to = known.get(at).context("somebody")?;
        times.push(first_message(&mut database, &myself.messenger, to, n)?);
        database.close().map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    report(&format!("{cold:?}: open the database"), &mut opened);
    report(&format!("{cold:?}: first message, with its commit (B7: 5 ms)"), &mut times);
    Ok(())
}

/// What a start reads, table by table. No session, no key of a message, no device of others.
fn start(path: &Path, myself: &Myself) -> Result<()> {
    forget(path)?;
    let mut database = open(path, &myself.secret)?;
    let begun = Instant::now();
    let read = database.transact(|tx| {
        let mut counting = Counting::new(tx);
        myself.messenger.open(&mut counting, NOW, &mut rng(8))?;
        Ok::<_, Fault>(counting.into_rows())
    })?;
    println!("start: {:.1?}; rows read:", begun.elapsed());
    for (table, rows) in &read {
        println!("  {:12} {rows}", table.name());
    }
    for table in [Table::Session, Table::Skipped] {
        ensure!(!read.contains_key(&table), "a start reads no {}", table.name());
    }
    Ok(())
}

/// One message in a transaction of its own, with the commit.
fn first_message(
    database: &mut Database,
    messenger: &Messenger,
    to: &PublicKey,
    n: usize,
) -> Result<Duration> {
    let input = Input::Command(Command::Send { chat: ChatId::OneToOne(*to), text: format!("message {n}") });
    let begun = Instant::now();
    let effects = database.transact(|tx| messenger.step(tx, NOW, &mut rng(n as u64), input))?;
    let took = begun.elapsed();
    let protection = effects.iter().find_map(|effect| match effect {
        Effect::Notify(Notice::Message(message)) => Some(message.protection),
        _ => None,
    });
    ensure!(protection == Some(Protection::Ratchet), "in a session: {protection:?}");
    Ok(took)
}

fn open(path: &Path, secret: &Secret<32>) -> Result<Database> {
    Ok(Database::open(path, secret, &mut rng(7))?)
}

/// Asks the system to drop the pages of the files from its memory, after they are on the disk.
fn forget(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        if let Ok(file) = File::open(&name) {
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
    let millis = |part| at(part).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    println!(
        "{what}: fastest {:.2} ms, median {:.2}, 90 % {:.2}, 99 % {:.2}, slowest {:.2}",
        millis(0),
        millis(50),
        millis(90),
        millis(99),
        millis(100)
    );
}
