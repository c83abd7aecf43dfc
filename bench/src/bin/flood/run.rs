//! One round of each kind.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{MissedTickBehavior, interval, timeout};
use undertone_runtime::Environment;
use undertone_whisper::Envelope;

use crate::envelopes::{Wanted, numbers, packet, seal};
use crate::link::{Link, Said};
use crate::process::Process;

/// Packets under way at once: enough to keep the socket busy, few enough that the node decides the pace.
const WINDOW: u64 = 32;

/// Nothing new for this long: what is missing is lost.
const STALLED: Duration = Duration::from_secs(10);

/// What a node may take to forget what has expired.
const FORGET: Duration = Duration::from_secs(3);

/// As many envelopes as the node takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    pub(crate) count: usize,
    pub(crate) size: usize,
    pub(crate) ttl: u32,
    pub(crate) bundle: usize,
}

/// One envelope after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    pub(crate) count: usize,
    pub(crate) size: usize,
    pub(crate) ttl: u32,
    pub(crate) rate: f64,
}

/// What came of a flood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    relayed: usize,
    lost: usize,
    wall: Duration,
    watched: Option<Watched>,
}

/// What it cost the node.
#[derive(Clone, Copy, Debug)]
struct Watched {
    /// Until the last envelope was relayed.
    cpu: Duration,
    /// Until all had expired and were forgotten.
    forgotten: Duration,
    /// Growth of resident memory in bytes for each byte of the encoded envelopes.
    memory: f64,
}

impl Flood {
    pub(crate) async fn run(
        &self,
        env: &Environment,
        sender: &mut Link,
        receiver: &mut Link,
        process: Option<&Process>,
    ) -> Result<Outcome> {
        let (envelopes, expiry) = sealed(env, sender, self.count, self.size, self.ttl)?;
        let raw: usize = envelopes.iter().map(|envelope| envelope.bytes().len()).sum();
        let packets: Vec<_> = envelopes.chunks(self.bundle).map(packet).collect();
        drop(envelopes);

        let before = process.map(|process| anyhow::Ok((process.cpu()?, process.resident()?))).transpose()?;
        let start = Instant::now();
        let (sent, received) =
            tokio::join!(send_all(sender, packets), receive_all(receiver, self.count, expiry));
        sent?;
        let (relayed, wall) = received?;
        let cpu = process.map(Process::cpu).transpose()?;
        let memory = process.map(Process::resident).transpose()?;

        let mut rest = Duration::from_secs(u64::from(expiry)).saturating_sub(since_1970(env)) + FORGET;
        while !rest.is_zero() {
            // Both links stay served: geth pings.
            let begun = Instant::now();
            let idle = async {
                tokio::select! { said = sender.said() => said, said = receiver.said() => said }
            };
            if let Ok(said) = timeout(rest, idle).await {
                said?;
            }
            rest = rest.saturating_sub(begun.elapsed());
        }
        let watched =
            before.zip(cpu).zip(memory).zip(process).map(|((((cpu_0, memory_0), cpu), memory), process)| {
                anyhow::Ok(Watched {
                    cpu: cpu.saturating_sub(cpu_0),
                    forgotten: process.cpu()?.saturating_sub(cpu_0),
                    memory: ratio(memory.saturating_sub(memory_0) * 1_024, raw),
                })
            });
        let wall = wall.saturating_duration_since(start);
        Ok(Outcome { relayed, lost: self.count - relayed, wall, watched: watched.transpose()? })
    }
}

impl Outcome {
    /// By what rounds are compared.
    pub(crate) fn figure(&self) -> f64 {
        self.watched.map_or_else(|| self.per(self.wall), |watched| self.per(watched.cpu))
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of envelopes")]
    fn per(&self, time: Duration) -> f64 {
        self.relayed as f64 / time.as_secs_f64().max(0.01)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s, {:.0} envelopes/s", self.wall.as_secs_f64(), self.per(self.wall))?;
        if let Some(Watched { cpu, forgotten, memory }) = self.watched {
            write!(f, "; CPU {:.2} s, {:.0} per CPU-second", cpu.as_secs_f64(), self.per(cpu))?;
            write!(f, " ({:.0} with expiry)", self.per(forgotten))?;
            write!(f, "; memory + {memory:.2} × raw")?;
        }
        if self.lost > 0 {
            write!(f, "; {} LOST", self.lost)?;
        }
        Ok(())
    }
}

async fn send_all(sender: &mut Link, packets: Vec<Vec<u8>>) -> Result<()> {
    let mut written = 0;
    for packet in packets {
        let mut packet = Some(packet);
        while let Some(whole) = packet.take() {
            // A clone only when the link is full, which the window prevents.
            match sender.send(whole.clone())? {
                Some(place) => {
                    while place.saturating_sub(written) >= WINDOW {
                        written = next_written(sender).await?;
                    }
                }
                None => {
                    packet = Some(whole);
                    written = next_written(sender).await?;
                }
            }
        }
    }
    Ok(())
}

async fn next_written(sender: &mut Link) -> Result<u64> {
    loop {
        if let Said::Written(written) =
            timeout(STALLED, sender.said()).await.context("the node reads nothing")??
        {
            return Ok(written);
        }
    }
}

/// How many came, and when the last of them.
async fn receive_all(receiver: &mut Link, count: usize, expiry: u32) -> Result<(usize, Instant)> {
    let mut seen = vec![false; count];
    let (mut relayed, mut last) = (0, Instant::now());
    while relayed < count {
        let Ok(said) = timeout(STALLED, receiver.said()).await else { break };
        let Said::Envelopes(packet) = said? else { continue };
        last = Instant::now();
        for number in numbers(&packet, expiry)? {
            let seen = seen.get_mut(number).context("an envelope that was not sent")?;
            ensure!(!std::mem::replace(seen, true), "an envelope came twice");
            relayed += 1;
        }
    }
    Ok((relayed, last))
}

impl Paced {
    pub(crate) async fn run(
        &self,
        env: &Environment,
        sender: &mut Link,
        receiver: &mut Link,
    ) -> Result<String> {
        let (envelopes, expiry) = sealed(env, sender, self.count, self.size, self.ttl)?;
        let mut ticks = interval(Duration::from_secs_f64(1.0 / self.rate));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let send = async {
            let mut sent = Vec::with_capacity(self.count);
            for envelope in &envelopes {
                let packet = packet(std::slice::from_ref(envelope));
                loop {
                    tokio::select! {
                        biased;
                        _ = ticks.tick() => break,
                        said = sender.said() => drop(said?),
                    }
                }
                sent.push(Instant::now());
                if sender.send(packet)?.is_none() {
                    bail!("the node does not read at this pace");
                }
            }
            Ok(sent)
        };
        let receive = async {
            let mut arrived = vec![None; self.count];
            let mut left = self.count;
            while left > 0 {
                let Ok(said) = timeout(STALLED, receiver.said()).await else { break };
                let Said::Envelopes(packet) = said? else { continue };
                let now = Instant::now();
                for number in numbers(&packet, expiry)? {
                    *arrived.get_mut(number).context("an envelope that was not sent")? = Some(now);
                    left = left.saturating_sub(1);
                }
            }
            anyhow::Ok(arrived)
        };
        let (sent, arrived) = tokio::join!(send, receive);
        Ok(latencies(&sent?, &arrived?))
    }
}

fn latencies(sent: &[Instant], arrived: &[Option<Instant>]) -> String {
    let both =
        sent.iter().zip(arrived).filter_map(|(sent, arrived)| Some(arrived.as_ref()?.duration_since(*sent)));
    let mut times: Vec<_> = both.collect();
    times.sort_unstable();
    let lost = sent.len() - times.len();
    let millis = |percent: usize| {
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let (p50, p90, p99, max) = (millis(50), millis(90), millis(99), millis(100));
    format!("p50 {p50:.3} ms, p90 {p90:.3} ms, p99 {p99:.3} ms, slowest {max:.3} ms, {lost} lost")
}

/// Envelopes that the node must take, and when they expire.
fn sealed(
    env: &Environment,
    sender: &Link,
    count: usize,
    size: usize,
    ttl: u32,
) -> Result<(Vec<Envelope>, u32)> {
    let seed = u64::from(env.now().unix.secs_u32());
    let expiry = env.now().unix.secs_u32() + ttl;
    let pow = sender.min_pow.max(undertone_whisper::Pow::STATUS_LARGE);
    Ok((seal(Wanted { count, size, ttl, expiry, pow, seed })?, expiry))
}

fn since_1970(env: &Environment) -> Duration {
    Duration::from_millis(env.now().unix.millis())
}

#[expect(clippy::cast_precision_loss, reason = "sizes of memory")]
fn ratio(bytes: u64, raw: usize) -> f64 {
    bytes as f64 / raw.max(1) as f64
}
