//! Running tests and counting what they say.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::cargo;

/// What a run of tests showed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) const fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// How a command that tests something ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) ok: bool,
    /// Lines on stdout, whatever they said.
    pub(crate) lines: u64,
}

impl Outcome {
    /// What to say when it did not end well.
    pub(crate) fn failure(&self) -> String {
        match self.counts.failed {
            0 => "it did not build or did not run to its end, see above".to_owned(),
            failed => format!("{failed} failed, see above"),
        }
    }
}

/// Runs `command`, shows its output as it comes, and adds up its `test result:` lines.
pub(crate) fn watch(command: &mut Command) -> Result<Outcome> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting the command")?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    let mut outcome = Outcome { counts: Counts::default(), ok: false, lines: 0 };
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        outcome.lines += 1;
        if let Some(counts) = test_result(&line) {
            outcome.counts.add(counts);
        }
    }
    outcome.ok = child.wait()?.success();
    Ok(outcome)
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; …` as counts.
fn test_result(line: &str) -> Option<Counts> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        numbers.split(';').find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
}

/// Whether the interop program runs inside `cargo test --workspace` too.
pub(crate) fn interop_is_a_test() -> Result<bool> {
    Ok(crate::tree::read(&crate::tree::root()?.join("testing/interop/Cargo.toml"))?
        .contains("harness = false"))
}

/// The command of the interop program, however its crate is built.
pub(crate) fn interop_command() -> Result<Command> {
    if interop_is_a_test()? {
        cargo::command(&["test", "-p", "undertone-interop"])
    } else {
        cargo::command(&["run", "--quiet", "-p", "undertone-interop"])
    }
}

/// `cargo xtask interop`.
pub(crate) fn interop() -> Result<()> {
    let outcome = watch(&mut interop_command()?)?;
    println!("{}", outcome.counts);
    if !outcome.ok {
        bail!("interop: {}; a failing case names the peer and the field", outcome.failure());
    }
    Ok(())
}

/// `cargo xtask sim`: optimised, with the assertions of the tests.
pub(crate) fn sim(args: &[&str]) -> Result<()> {
    let run = ["run", "--quiet", "--profile", "sim", "-p", "undertone-sim", "--"];
    if !cargo::command(&[&run, args].concat())?.status()?.success() {
        bail!("the simulation found something, see above");
    }
    Ok(())
}

/// Tests that are too long for the gate, and say so where they are ignored.
const MILLIONS: &[&str] =
    &["test", "--release", "-p", "undertone-devp2p", "-p", "undertone-discovery", "--", "--ignored"];

/// The scenarios that take minutes, a day of a hundred nodes among them.
const LARGE: &[&str] = &["run", "--profile", "sim", "-p", "undertone-sim", "--", "--large"];

/// `cargo xtask soak`: the same tests with larger counts, and those that only it runs.
pub(crate) fn soak(factor: &str) -> Result<()> {
    /// Cases of one proptest property when nothing else is asked for.
    const CASES: u64 = 256;
    let factor: u64 = factor.parse().ok().filter(|f| *f > 0).context("FACTOR is a whole number above 0")?;
    let cases = CASES.saturating_mul(factor).to_string();
    println!("soak: {cases} cases a property, {factor} times the mutations of each fuzz seed");
    let start = Instant::now();
    let mut counts = Counts::default();
    let mut ok = true;
    for args in [&["test", "--workspace", "--no-fail-fast"][..], MILLIONS, crate::ci::FUZZ, LARGE] {
        let mut command = cargo::command(args)?;
        command.env("PROPTEST_CASES", &cases).env("UNDERTONE_SOAK", factor.to_string());
        let outcome = watch(&mut command)?;
        counts.add(outcome.counts);
        ok &= outcome.ok;
    }
    println!("soak: {} s", start.elapsed().as_secs());
    println!("{counts}");
    if !ok {
        bail!("the soak found a failure: its seed is printed above; make it a test before mending it");
    }
    Ok(())
}

/// Whether cargo-deny is there.
pub(crate) fn has_deny() -> Result<bool> {
    Ok(cargo::command(&["deny", "--version"])?
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success()))
}

/// `cargo xtask deny`.
pub(crate) fn deny() -> Result<()> {
    if !has_deny()? {
        bail!("cargo-deny is not installed: `cargo install --locked cargo-deny`, then again");
    }
    if !cargo::command(&["deny", "check", "bans", "licenses", "sources"])?.status()?.success() {
        bail!("a dependency breaks deny.toml: see above");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_a_run_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(test_result(line), Some(Counts { passed: 12, failed: 3, skipped: 1 }));
        assert_eq!(test_result("test a ... ok"), None);
        assert_eq!(Counts { passed: 1, failed: 2, skipped: 3 }.to_string(), "1 passed, 2 failed, 3 skipped");
    }
}
