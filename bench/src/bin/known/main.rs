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
//! durably: that step is the figure. Ratchet, SQLCipher and disk are in it; node and network are not. After each, the
//! bytes that the log grew by are appended to another file and made durable: what no store could be faster than.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod disk;
mod people;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rand_core::Rng as _;
use undertone_base::Secret;
use undertone_bench::rng;
use undertone_crypto::PublicKey;
use undertone_messenger::store::Table;
use undertone_messenger::suite::{Counting, Rows};
use undertone_messenger::{ChatId, Command, Effect, Fault, Input, Messenger, Notice, Protection};
use undertone_store::Database;

use crate::disk::{Disk, forget};
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
    /// Where the store is made, or is already; for as many people as now. Else a directory of its own.
    #[arg(long)]
    store: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let dir = tempfile::tempdir()?;
    let path = arguments.store.as_deref().unwrap_or(dir.path()).join("messages.db");
    let myself = Myself::new();
    let begun = Instant::now();
    if !path.exists() {
        myself.meet(&path, arguments.people)?;
        eprintln!("{} people known after {:.0?}", arguments.people, begun.elapsed());
    }
    let known: Vec<_> = (0..arguments.people).map(people::somebody).map(|key| key.public()).collect();
    let size = std::fs::metadata(&path)?.len();
    println!("store: {} people, {:.1} MB", known.len(), size as f64 / 1e6);
    start(&path, &myself)?;
    touched(&path, &myself, known.first().context("somebody")?)?;
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
    let mut computed = Vec::with_capacity(samples);
    let mut floor = Vec::with_capacity(samples);
    let mut disk = Disk::beside(path)?;
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
        let before = disk.log()?;
        let (took, busy) = first_message(&mut database, &myself.messenger, to, n)?;
        times.push(took);
        computed.push(busy);
        floor.push(disk.append(disk.log()?.saturating_sub(before))?);
        database.close().map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    report(&format!("{cold:?}: open the database"), &mut opened);
    report(&format!("{cold:?}: first message, with its commit (B7: 5 ms)"), &mut times);
    report(&format!("{cold:?}: of that the processor, whoever else uses it"), &mut computed);
    report(&format!("{cold:?}: of that the disk: as many bytes appended and made durable"), &mut floor);
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
        Ok::<_, Fault>(counting.read())
    })?;
    println!("start: {:.1?}; rows read: {}", begun.elapsed(), list(&read));
    for table in [Table::Session, Table::Skipped] {
        ensure!(!read.contains_key(&table), "a start reads no {}", table.name());
    }
    Ok(())
}

/// The rows that one message reads and writes.
fn touched(path: &Path, myself: &Myself, to: &PublicKey) -> Result<()> {
    let mut database = open(path, &myself.secret)?;
    let (read, written) = database.transact(|tx| {
        let mut counting = Counting::new(tx);
        let send = Command::Send { chat: ChatId::OneToOne(*to), text: "how many rows".to_owned() };
        myself.messenger.step(&mut counting, NOW, &mut rng(8), Input::Command(send))?;
        Ok::<_, Fault>((counting.read(), counting.written().clone()))
    })?;
    println!("a message reads: {}; and writes: {}", list(&read), list(&written));
    Ok(())
}

fn list(rows: &Rows) -> String {
    let each: Vec<_> = rows.iter().map(|(table, rows)| format!("{} {rows}", table.name())).collect();
    each.join(", ")
}

/// One message in a transaction of its own, with the commit: the time, and that of the processor alone.
fn first_message(
    database: &mut Database,
    messenger: &Messenger,
    to: &PublicKey,
    n: usize,
) -> Result<(Duration, Duration)> {
    let input = Input::Command(Command::Send { chat: ChatId::OneToOne(*to), text: format!("message {n}") });
    let (begun, busy) = (Instant::now(), processor()?);
    let effects = database.transact(|tx| messenger.step(tx, NOW, &mut rng(n as u64), input))?;
    let took = (begun.elapsed(), processor()?.saturating_sub(busy));
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

/// What this thread has used of it.
fn processor() -> Result<Duration> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Ok(Duration::new(u64::try_from(used.tv_sec)?, u32::try_from(used.tv_nsec)?))
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
