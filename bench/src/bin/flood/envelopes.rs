//! Envelopes that carry their number, made before the clock starts.

use std::thread;

use alloy_rlp::Header as Rlp;
use anyhow::{Context, Result, anyhow};
use undertone_bench::rng;
use undertone_whisper::pow::{Search, SearchStep};
use undertone_whisper::wire::Messages;
use undertone_whisper::{Envelope, Header, Pow, Topic};

use rand_core::Rng;

/// Marks what this program sends.
const TOPIC: Topic = Topic::from_bytes(*b"flod");

/// What a round needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) count: usize,
    pub(crate) size: usize,
    pub(crate) ttl: u32,
    pub(crate) expiry: u32,
    pub(crate) pow: Pow,
    /// Tells rounds apart.
    pub(crate) seed: u64,
}

/// Seals them on all cores. The first eight bytes of the data of envelope `i` are `i`, the rest is random as sealed
/// data is.
pub(crate) fn seal(wanted: Wanted) -> Result<Vec<Envelope>> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = wanted.count.div_ceil(workers);
    thread::scope(|scope| {
        let part = |worker: usize| {
            let numbers = (worker * share)..((worker + 1) * share).min(wanted.count);
            scope.spawn(move || {
                numbers.map(|number| seal_one(wanted, number as u64)).collect::<Result<Vec<_>>>()
            })
        };
        let running: Vec<_> = (0..workers).map(part).collect();
        let mut all = Vec::with_capacity(wanted.count);
        for worker in running {
            all.extend(worker.join().map_err(|_| anyhow!("a sealer panicked"))??);
        }
        Ok(all)
    })
}

fn seal_one(wanted: Wanted, number: u64) -> Result<Envelope> {
    let mut random = rng(wanted.seed.wrapping_mul(0x1_0000_0000).wrapping_add(number));
    let mut data = vec![0; wanted.size];
    random.fill_bytes(&mut data);
    *data.first_chunk_mut().context("eight bytes of data")? = number.to_be_bytes();
    let header = Header { expiry: wanted.expiry, ttl: wanted.ttl, topic: TOPIC };
    match Search::new(header, data, wanted.pow, random.next_u64())?.run(u64::MAX) {
        SearchStep::Done(envelope) => Ok(envelope?),
        SearchStep::Continue(_) => Err(anyhow!("a search that has no end")),
    }
}

/// A packet of these.
pub(crate) fn packet(envelopes: &[Envelope]) -> Vec<u8> {
    let payload_length = envelopes.iter().map(|envelope| envelope.bytes().len()).sum();
    let header = Rlp { list: true, payload_length };
    let mut out = Vec::with_capacity(header.length() + payload_length);
    header.encode(&mut out);
    envelopes.iter().for_each(|envelope| out.extend_from_slice(envelope.bytes()));
    out
}

/// The numbers of those in a packet that died or die at `expiry`: what is left of an earlier round has another.
pub(crate) fn numbers(packet: &[u8], expiry: u32) -> Result<Vec<usize>> {
    let ours = Messages::decode(packet)?
        .iter()
        .filter(|raw| raw.header.topic == TOPIC && raw.header.expiry == expiry);
    ours.map(|raw| {
        let number = raw.data.first_chunk().context("not eight bytes of data")?;
        Ok(usize::try_from(u64::from_be_bytes(*number))?)
    })
    .collect()
}
