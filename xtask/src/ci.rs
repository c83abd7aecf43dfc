//! The gate: the same on a laptop and in CI, on the stable toolchain alone.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tests_run::{self, Counts};
use crate::{cargo, deviations, house, layers, nat, proto};

/// Builds the fuzz targets on stable and replays their corpora; shares the artifacts of the workspace.
pub(crate) const FUZZ: &[&str] = &["test", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target"];

/// One thing that must pass, and what to do when it does not.
struct Step {
    name: &'static str,
    run: fn() -> Result<Done>,
    advice: &'static str,
}

/// How a step ended well.
enum Done {
    Counted(Counts),
    Passed,
    Skipped(&'static str),
}

const STEPS: [Step; 13] = [
    Step { name: "fmt", run: fmt, advice: "run `cargo fmt --all`" },
    Step { name: "layers", run: || plain(layers::run()), advice: "an arrow needs a reason: ARCHITECTURE.md" },
    Step { name: "house", run: || plain(house::run()), advice: "each line above names the file to mend" },
    Step { name: "deviations", run: || plain(deviations::run(true)), advice: "run `cargo xtask deviations`" },
    Step { name: "proto", run: || plain(proto::run(true)), advice: "run `cargo xtask proto`" },
    Step {
        name: "clippy", run: clippy, advice: "mend it, or `#[expect(…, reason = …)]` where it is wrong"
    },
    Step {
        name: "tests",
        run: workspace_tests,
        advice: "run the failing test alone: `cargo test -p CRATE NAME`",
    },
    Step { name: "docs", run: docs, advice: "a link or an example in the rustdoc is broken" },
    Step {
        name: "fuzz",
        run: || counted(cargo::command(FUZZ)?),
        advice: "run that target on the named corpus file",
    },
    Step { name: "benches", run: benches, advice: "a bench does not build or does not run once" },
    Step { name: "nat", run: routers, advice: "run `cargo xtask nat` and read what its programs said" },
    Step { name: "interop", run: interop, advice: "docs/interop.md says how the peer is set up" },
    Step {
        name: "demo",
        run: demo,
        advice: "run `cargo run --release -- demo --once --keep` and read its log",
    },
];

/// `cargo xtask ci`: every step, or only those that are named.
pub(crate) fn run(only: &[&str]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step `{unknown}`; the steps are {}", names.join(", "));
    }
    let steps: Vec<&Step> = STEPS.iter().filter(|s| only.is_empty() || only.contains(&s.name)).collect();
    let start = Instant::now();
    let mut counts = Counts::default();
    let mut times: Vec<(&str, Duration, &str)> = Vec::new();
    let mut failure = None;
    for step in &steps {
        println!("\n== {} ==", step.name);
        let begun = Instant::now();
        let end = match (step.run)() {
            Ok(done) => tally(&mut counts, done),
            Err(error) => {
                counts.failed += u64::from(counts.failed == 0);
                failure = Some(format!("step `{}` failed: {error:#}. {}.", step.name, capital(step.advice)));
                "FAILED"
            }
        };
        times.push((step.name, begun.elapsed(), end));
        if failure.is_some() {
            break;
        }
    }
    let left = steps.iter().skip(times.len());
    println!();
    for (name, time, end) in &times {
        println!("{name:>12} {:>7.1} s  {end}", time.as_secs_f64());
    }
    for step in left {
        println!("{:>12}         -  not run", step.name);
        counts.skipped += 1;
    }
    println!("{:>12} {:>7.1} s", "all", start.elapsed().as_secs_f64());
    println!("{counts}");
    failure.map_or(Ok(()), |sentence| bail!(sentence))
}

fn tally(counts: &mut Counts, done: Done) -> &'static str {
    match done {
        Done::Counted(found) => {
            counts.add(found);
            counts.passed += 1;
            "ok"
        }
        Done::Passed => {
            counts.passed += 1;
            "ok"
        }
        Done::Skipped(why) => {
            counts.skipped += 1;
            why
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn fmt() -> Result<Done> {
    status(&mut cargo::command(&["fmt", "--all", "--check"])?)?;
    status(&mut cargo::command(&["fmt", "--all", "--check", "--manifest-path", "fuzz/Cargo.toml"])?)
}

fn clippy() -> Result<Done> {
    status(&mut cargo::command(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?)
}

/// The README's own command, so that the README is right.
fn workspace_tests() -> Result<Done> {
    counted(cargo::command(&["test", "--workspace"])?)
}

fn docs() -> Result<Done> {
    status(cargo::command(&["doc", "--workspace", "--no-deps"])?.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Each bench runs once, unmeasured, in the profile of the tests: figures are not the gate's business.
fn benches() -> Result<Done> {
    status(&mut cargo::command(&["bench", "--profile", "dev", "-p", "undertone-bench", "--", "--test"])?)
}

/// Real NATs in namespaces, where these are allowed.
fn routers() -> Result<Done> {
    Ok(match nat::run()? {
        nat::End::Ran(counts) => Done::Counted(counts),
        nat::End::Skipped(why) => Done::Skipped(why),
    })
}

fn interop() -> Result<Done> {
    if tests_run::interop_is_a_test()? {
        return Ok(Done::Skipped("ran with the tests"));
    }
    let outcome = tests_run::watch(&mut tests_run::interop_command()?)?;
    if !outcome.ok {
        bail!(outcome.failure());
    }
    if outcome.counts == Counts::default() {
        return Ok(Done::Skipped("no cases"));
    }
    Ok(Done::Counted(outcome.counts))
}

/// The README's other command, ending by itself.
fn demo() -> Result<Done> {
    let outcome = tests_run::watch(&mut cargo::command(&["run", "--release", "--", "demo", "--once"])?)?;
    if !outcome.ok {
        bail!("not every message arrived exactly once");
    }
    if outcome.lines == 0 {
        bail!("the demo printed nothing");
    }
    Ok(Done::Passed)
}

fn plain(result: Result<()>) -> Result<Done> {
    result.map(|()| Done::Passed)
}

fn counted(mut command: Command) -> Result<Done> {
    let outcome = tests_run::watch(&mut command)?;
    if !outcome.ok {
        bail!(outcome.failure());
    }
    Ok(Done::Counted(outcome.counts))
}

fn status(command: &mut Command) -> Result<Done> {
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(Done::Passed)
}
