//! Rows B12 and B5 on whole processes: what a thousand idle peers cost a node, and how many handshakes it answers.
//!
//! ```console
//! cargo run --release -p undertone-bench --bin peers -- idle                 # 1,000 peers, a node of ours
//! cargo run --release -p undertone-bench --bin peers -- handshakes           # complete ones, for ten seconds
//! … idle --enode enode://… --pid 4711                                        # the same of another node, as geth
//! ```
//!
//! The node is another process than the peers, and its figures are those of its process: resident memory and CPU
//! time as the system counts them. All of it on loopback.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod handshakes;
mod idle;
#[path = "../flood/process.rs"]
mod process;
mod target;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use undertone_devp2p::Enode;

#[derive(Parser)]
#[command(about = "Measures what peers cost a node")]
struct Arguments {
    #[command(subcommand)]
    measure: Measure,
}

#[derive(Subcommand)]
enum Measure {
    /// Opens idle peers, then watches memory and CPU time.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        count: usize,
        /// How long they idle, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        #[command(flatten)]
        node: Other,
    },
    /// Shakes hands as often as the node answers.
    Handshakes {
        /// For how long, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Connections at a time.
        #[arg(long, default_value_t = 8)]
        parallel: u8,
        #[command(flatten)]
        node: Other,
    },
    /// The node that the others start: prints its enode, and runs until its input ends.
    #[command(hide = true)]
    Target {
        #[arg(long)]
        max_peers: usize,
    },
}

/// A node that runs already; without one, one of ours is started.
#[derive(Args)]
struct Other {
    /// Where it is.
    #[arg(long, requires = "pid")]
    enode: Option<Enode>,
    /// Its process.
    #[arg(long, requires = "enode")]
    pid: Option<u32>,
}

fn main() -> Result<()> {
    match Arguments::parse().measure {
        Measure::Idle { count, seconds, node } => idle::measure(count, seconds, node),
        Measure::Handshakes { seconds, parallel, node } => handshakes::measure(seconds, parallel, node),
        Measure::Target { max_peers } => target::run(max_peers),
    }
}
