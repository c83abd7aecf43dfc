//! Floods a node with envelopes, or times single ones through it.
//!
//! The node is any that speaks shh/6, named by its enode: ours and geth alike. Two peers inside this program connect to
//! it over RLPx and TCP; what one sends, the node must relay to the other.
//!
//! ```text
//!   sender ── bundles, sealed before the clock starts ──▶ the node ──▶ receiver, which counts or times
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod envelopes;
mod link;
mod process;
mod run;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::runtime::{Handle, Runtime};
use undertone_devp2p::Enode;
use undertone_runtime::{Environment, Tasks};

use crate::link::Link;
use crate::process::Process;
use crate::run::{Flood, Paced};

/// Floods a shh/6 node with envelopes and says how many it relays; with --rate, how long single ones take.
#[derive(Debug, Parser)]
#[command(name = "flood")]
struct Args {
    /// The node.
    enode: Enode,
    /// Envelopes in a round.
    #[arg(long, default_value_t = 100_000)]
    count: usize,
    /// Bytes of sealed data in each, at least 8.
    #[arg(long, default_value_t = 400)]
    size: usize,
    /// Envelopes in a packet of the sender.
    #[arg(long, default_value_t = 64)]
    bundle: usize,
    /// Seconds of life: sealing and relaying must fit.
    #[arg(long, default_value_t = 40)]
    ttl: u32,
    /// Rounds; each waits for the end of the one before.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Process id of the node, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    /// Paced mode: envelopes per second, each in a packet of its own.
    #[arg(long)]
    rate: Option<f64>,
}

/// How long the tasks have to end.
const SHUTDOWN: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.size >= 8, "an envelope carries its number in eight bytes");
    ensure!(args.count > 0 && args.bundle > 0, "at least one envelope, and one in a packet");
    Runtime::new()?.block_on(async {
        let tasks = Tasks::new(Handle::current());
        let result = measure(&args, &tasks).await;
        let _ended = tasks.shutdown(SHUTDOWN).await;
        result
    })
}

async fn measure(args: &Args, tasks: &Tasks) -> Result<()> {
    let env = Environment::system()?;
    let mut receiver = Link::connect(&env, tasks, &args.enode).await.context("the receiver's link")?;
    let mut sender = Link::connect(&env, tasks, &args.enode).await.context("the sender's link")?;
    let process = args.pid.map(Process::of).transpose()?;
    println!("{}", sender.client);
    match args.rate {
        Some(rate) => {
            println!("{} envelopes of {} B, one at a time, {rate} per second", args.count, args.size);
            for round in 1..=args.rounds {
                let paced = Paced { count: args.count, size: args.size, ttl: args.ttl, rate };
                println!("round {round}: {}", paced.run(&env, &mut sender, &mut receiver).await?);
            }
        }
        None => {
            println!("{} envelopes of {} B in packets of {}", args.count, args.size, args.bundle);
            let flood = Flood { count: args.count, size: args.size, ttl: args.ttl, bundle: args.bundle };
            let mut best: Option<run::Outcome> = None;
            for round in 1..=args.rounds {
                let outcome = flood.run(&env, &mut sender, &mut receiver, process.as_ref()).await?;
                println!("round {round}: {outcome}");
                best = best.into_iter().chain([outcome]).max_by(|a, b| a.figure().total_cmp(&b.figure()));
            }
            println!("best:    {}", best.context("no round")?);
        }
    }
    Ok(())
}
