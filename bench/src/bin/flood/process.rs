//! What the system says of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks per second in `/proc` (`USER_HZ`, fixed on Linux).
const TICKS: f64 = 100.0;

/// A process that is watched.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let process = Self { pid };
        process.cpu()?;
        Ok(process)
    }

    /// CPU time of all its threads so far, in user and system mode.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The name of the program, in parentheses, may hold spaces; utime and stime are the 12th and 13th behind it.
        let (_, behind) = stat.rsplit_once(')').context("no name in stat")?;
        let mut times = behind.split_whitespace().skip(11);
        let mut ticks = || times.next().context("no times in stat")?.parse::<f64>().context("a time in stat");
        Ok(Duration::from_secs_f64((ticks()? + ticks()?) / TICKS))
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.split_whitespace().next().context("no figure in VmRSS")?.parse().context("VmRSS")
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).with_context(|| path)
    }
}
