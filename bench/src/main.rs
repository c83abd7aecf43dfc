//! Runs the benches several times and prints the fastest sample of each beside anchor and budget.
//!
//! `cargo run -p undertone-bench -- [runs]`; five runs unless told otherwise.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const RUNS: u32 = 5;

/// Bench, unit of the figure, anchor and budget in that unit.
type Row = (&'static str, Unit, Option<f64>, Option<f64>);

#[derive(Clone, Copy)]
enum Unit {
    Micros,
    MiBPerSecond,
    PerSecond,
}

/// Anchors as in the budget table, which was measured on another machine: the three of the first group, over the
/// same libraries as ours, tell how much of a ratio is the machine's. Below them geth 1.9.7 (B3, B4), the ceiling
/// of one Keccak MAC (B5) and status-go 0.60.0 (B6), and vodozemac as it was measured there.
const ROWS: &[Row] = &[
    ("machine/Keccak-256 of 64 B", Unit::Micros, Some(0.48), None),
    ("machine/secp256k1 ECDH", Unit::Micros, Some(45.0), None),
    ("machine/secp256k1 recover", Unit::Micros, Some(43.0), None),
    ("machine/secp256k1 sign", Unit::Micros, Some(32.0), None),
    ("B1 machine, an envelope of 400 B/new and relayed", Unit::PerSecond, None, None),
    ("B1 machine, an envelope of 400 B/known", Unit::PerSecond, None, None),
    ("B1 machine, an envelope of 400 B/expired", Unit::PerSecond, None, None),
    ("B1 machine, an envelope of 400 B/too little work", Unit::PerSecond, None, None),
    ("B1 lanes, hashes of 425 B/best", Unit::PerSecond, None, None),
    ("B1 lanes, hashes of 425 B/portable", Unit::PerSecond, None, None),
    ("B3 attempts, 400 B/lanes", Unit::PerSecond, Some(350e3), Some(4_200e3)),
    ("B3 attempts, 400 B/one state at a time", Unit::PerSecond, Some(350e3), Some(2_100e3)),
    ("B3 attempts, 400 B/whole envelope", Unit::PerSecond, Some(350e3), None),
    ("B3 attempts, 64 KiB/lanes", Unit::PerSecond, Some(5e3), Some(4_500e3)),
    ("B3 attempts, 64 KiB/one state at a time", Unit::PerSecond, Some(5e3), Some(2_250e3)),
    ("B3 attempts, 64 KiB/whole envelope", Unit::PerSecond, Some(5e3), None),
    ("B4 open/symmetric, signed", Unit::Micros, Some(251.0), Some(50.0)),
    ("B4 open/asymmetric, signed", Unit::Micros, Some(516.0), Some(100.0)),
    ("B4 open/asymmetric, not for us", Unit::Micros, Some(210.0), Some(55.0)),
    ("B4 open/symmetric, not for us", Unit::Micros, None, None),
    ("B4 seal/symmetric, signed", Unit::Micros, None, None),
    ("B4 seal/asymmetric, signed", Unit::Micros, None, None),
    ("B5 frames, write/400 B", Unit::MiBPerSecond, Some(340.0), None),
    ("B5 frames, write/64 KiB", Unit::MiBPerSecond, Some(340.0), Some(150.0)),
    ("B5 frames, write/512 KiB", Unit::MiBPerSecond, Some(340.0), Some(150.0)),
    ("B5 frames, read/400 B", Unit::MiBPerSecond, Some(340.0), None),
    ("B5 frames, read/64 KiB", Unit::MiBPerSecond, Some(340.0), Some(150.0)),
    ("B5 frames, read/512 KiB", Unit::MiBPerSecond, Some(340.0), Some(150.0)),
    ("B5 frames, write and read/400 B", Unit::MiBPerSecond, None, None),
    ("B5 frames, write and read/64 KiB", Unit::MiBPerSecond, None, None),
    ("B5 frames, write and read/512 KiB", Unit::MiBPerSecond, None, None),
    ("B5 handshake/responder", Unit::PerSecond, None, Some(3_000.0)),
    ("B5 handshake/initiator", Unit::PerSecond, None, None),
    ("B6 ratchet/one way, 256 B", Unit::Micros, Some(80.0), Some(10.0)),
    ("B6 ratchet/ping-pong, 256 B", Unit::Micros, Some(2_330.0), Some(320.0)),
    ("B6 ratchet/initiator, X3DH and first step", Unit::Micros, None, Some(280.0)),
    ("B6 vodozemac/one way, 256 B", Unit::Micros, Some(24.0), None),
    ("B6 vodozemac/ping-pong, 256 B", Unit::Micros, Some(341.0), None),
    ("B6 vodozemac/initiator, X3DH", Unit::Micros, Some(194.0), None),
    ("B6 bundle/sign", Unit::Micros, None, None),
    ("B6 bundle/verify", Unit::Micros, None, Some(60.0)),
    ("B6 layer/ping-pong with bundles, 256 B", Unit::Micros, None, None),
];

/// Rows of ours and of vodozemac that are the same work, as far as two protocols have the same.
const BESIDE: &[(&str, &str)] = &[
    ("B6 ratchet/one way, 256 B", "B6 vodozemac/one way, 256 B"),
    ("B6 ratchet/ping-pong, 256 B", "B6 vodozemac/ping-pong, 256 B"),
    ("B6 ratchet/initiator, X3DH and first step", "B6 vodozemac/initiator, X3DH"),
];

/// The fastest sample of a bench: nanoseconds of one iteration, and what that iteration handles.
#[derive(Clone, Copy)]
struct Best {
    nanos: f64,
    bytes: f64,
    elements: f64,
}

fn main() -> Result<()> {
    let runs = env::args().nth(1).map_or(Ok(RUNS), |text| text.parse()).context("how many runs?")?;
    ensure!(runs > 0, "at least one run");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the bench crate has a parent")?;
    let home = root.join("target").join("best");
    let mut best = BTreeMap::new();
    let benches = build(root)?;
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        if home.exists() {
            fs::remove_dir_all(&home).context("the figures of the last run")?;
        }
        for bench in &benches {
            let mut program = Command::new(bench);
            program.arg("--bench").env("CRITERION_HOME", &home).stdout(Stdio::null()).stderr(Stdio::null());
            ensure!(program.status()?.success(), "{} failed", bench.display());
        }
        collect(&home, &mut best)?;
    }
    print(runs, &best)
}

/// Builds the benches once, so that no run measures other code than the run before, and says where they are.
fn build(root: &Path) -> Result<Vec<PathBuf>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["bench", "-p", "undertone-bench", "--benches", "--no-run", "--message-format=json"]);
    let output = cargo.current_dir(root).stderr(Stdio::inherit()).output().context("starting cargo")?;
    ensure!(output.status.success(), "the benches do not build");
    let messages = String::from_utf8(output.stdout)?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executable = |message: Value| message.get("executable")?.as_str().map(PathBuf::from);
    let benches: Vec<_> = messages
        .filter(|message| message.pointer("/target/kind/0").and_then(Value::as_str) == Some("bench"))
        .filter_map(executable)
        .collect();
    ensure!(!benches.is_empty(), "no benches");
    Ok(benches)
}

/// Reads `new/benchmark.json` and `new/sample.json` of each bench below `home`.
fn collect(home: &Path, best: &mut BTreeMap<String, Best>) -> Result<()> {
    for dir in directories_named_new(home)? {
        let about = json(&dir.join("benchmark.json"))?;
        let sample = json(&dir.join("sample.json"))?;
        let name = about.get("full_id").and_then(Value::as_str).context("a bench has an id")?;
        let of = |kind| about.pointer(kind).and_then(Value::as_f64).unwrap_or(1.0);
        let found = Best {
            nanos: fastest(&sample)?,
            bytes: of("/throughput/Bytes"),
            elements: of("/throughput/Elements"),
        };
        let entry = best.entry(name.to_owned()).or_insert(found);
        entry.nanos = entry.nanos.min(found.nanos);
    }
    Ok(())
}

fn directories_named_new(home: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![home.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            match path.is_dir() {
                true if path.ends_with("new") => found.push(path),
                true => open.push(path),
                false => {}
            }
        }
    }
    Ok(found)
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

fn fastest(sample: &Value) -> Result<f64> {
    let list = |name| sample.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (iters, times) = (list("iters"), list("times"));
    let each = iters.iter().zip(&times).filter_map(|(n, nanos)| Some(nanos.as_f64()? / n.as_f64()?));
    each.reduce(f64::min).context("a bench without samples")
}

fn print(runs: u32, best: &BTreeMap<String, Best>) -> Result<()> {
    println!("Fastest of {runs} runs.\n");
    println!("| bench | anchor | budget | measured | against anchor | figure of the budget met |");
    println!("|---|---:|---:|---:|---:|---|");
    for (name, unit, anchor, budget) in ROWS {
        let Some(best) = best.get(*name) else { bail!("no figure of {name}") };
        let (value, higher_is_better) = match unit {
            Unit::Micros => (best.nanos / 1e3, false),
            Unit::MiBPerSecond => (best.bytes / 1_048_576.0 / best.nanos * 1e9, true),
            Unit::PerSecond => (best.elements / best.nanos * 1e9, true),
        };
        let text = |value: &Option<f64>| value.map_or_else(|| "–".to_owned(), |value| figure(*unit, value));
        let ratio = anchor.map(|anchor| if higher_is_better { value / anchor } else { anchor / value });
        let met = budget.map(|budget| if higher_is_better { value >= budget } else { value <= budget });
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            text(anchor),
            text(budget),
            figure(*unit, value),
            ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2} ×")),
            met.map_or("–", |met| if met { "yes" } else { "**no**" }),
        );
    }
    println!(
        "\nBeside vodozemac in the same run (X25519 there, secp256k1 here: benches/ratchet.rs says why):"
    );
    for (ours, theirs) in BESIDE {
        let (Some(ours_best), Some(theirs)) = (best.get(*ours), best.get(*theirs)) else {
            bail!("no {ours}")
        };
        println!("- {ours}: {:.2} of its time", ours_best.nanos / theirs.nanos);
    }
    println!("\nB3 asks for a ratio to geth on the same machine: bench/README.md says how to measure that.");
    Ok(())
}

fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Micros if value < 10.0 => format!("{value:.2} µs"),
        Unit::Micros => format!("{value:.0} µs"),
        Unit::MiBPerSecond => format!("{value:.0} MiB/s"),
        Unit::PerSecond if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        Unit::PerSecond if value >= 1e4 => format!("{:.0} k/s", value / 1e3),
        Unit::PerSecond => format!("{value:.0}/s"),
    }
}
