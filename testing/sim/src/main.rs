//! `cargo xtask sim`: runs scenarios, prints their figures, compares them with their baselines.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line tool prints")]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use undertone_sim::report::Report;
use undertone_sim::scenario::{Scenario, Size};

const HELP: &str = "\
usage: cargo xtask sim [--large] [--bless] [NAME…]

Runs the small scenarios of testing/sim/scenarios, or those that are named, prints the figures of each and compares
them with testing/sim/baseline. Exits 0 when every figure is within its tolerance and bounds, 1 otherwise.

  --large   the large scenarios instead (from a minute to a quarter of an hour each)
  --bless   make what came out the baseline, if it keeps the bounds of its scenario";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (mut size, mut bless, mut names) = (Size::Small, false, Vec::new());
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--large" => size = Size::Large,
            "--bless" => bless = true,
            "-h" | "--help" => {
                println!("{HELP}");
                return Ok(());
            }
            flag if flag.starts_with('-') => bail!("no flag `{flag}`\n\n{HELP}"),
            _ => names.push(arg),
        }
    }
    let all = Scenario::all()?;
    for name in &names {
        ensure!(all.iter().any(|s| s.name == *name), "no scenario `{name}` in testing/sim/scenarios");
    }
    let chosen =
        all.iter().filter(|s| if names.is_empty() { s.size == size } else { names.contains(&s.name) });
    let mut faults = Vec::new();
    for scenario in chosen {
        let report = one(scenario);
        if bless {
            report.bless(scenario)?;
            println!("  blessed: baseline/{}.toml", scenario.name);
        } else {
            let found = report.faults(scenario).unwrap_or_else(|error| vec![format!("{error:#}")]);
            faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", scenario.name)));
        }
    }
    ensure!(
        faults.is_empty(),
        "{} figure(s) are not what they were or must be:\n  {}\nIf that is meant: `cargo xtask sim --bless NAME`",
        faults.len(),
        faults.join("\n  ")
    );
    Ok(())
}

fn one(scenario: &Scenario) -> Report {
    println!("\n{} ({} nodes, {} virtual s)", scenario.name, scenario.nodes, scenario.seconds);
    let start = Instant::now();
    let report = scenario.run();
    let seconds = start.elapsed().as_secs_f64();
    let width = report.figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0);
    for figure in &report.figures {
        println!("  {:<width$} {:>14.3}", figure.name, figure.value);
    }
    println!("  log {:?}", report.log);
    println!("  took {seconds:.1} s on one core{}", memory(scenario.nodes));
    report
}

/// The most memory that this process had so far, over the nodes. Only the first scenario of a process is measured
/// fairly: the figure never falls.
fn memory(nodes: u32) -> String {
    let kib = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u32>().ok()
    });
    kib.map_or_else(String::new, |kib| {
        format!(
            ", peak of the process {:.1} MiB: {:.1} KiB a node",
            f64::from(kib) / 1_024.0,
            f64::from(kib) / f64::from(nodes)
        )
    })
}
