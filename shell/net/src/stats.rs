//! Counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happened since the start, as [`Net::stats`](crate::Net::stats) reads it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Links that reached Hello on both sides.
    pub handshakes_ok: u64,
    /// Links and dials that did not, by the stable name of the reason.
    pub handshakes_failed: BTreeMap<&'static str, u64>,
    /// Messages of capabilities received.
    pub messages_in: u64,
    /// Messages of capabilities sent.
    pub messages_out: u64,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes written to sockets.
    pub bytes_out: u64,
    /// Connections closed unread, before any cryptography, by the stable name of the reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Messages that were taken for sending but whose link ended, or whose session refused them.
    pub dropped: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) handshakes_ok: AtomicU64,
    failed: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) messages_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) dropped: AtomicU64,
}

impl Stats {
    pub(crate) fn handshake_failed(&self, code: &'static str) {
        count(&self.failed, code);
    }

    pub(crate) fn refused(&self, code: &'static str) {
        count(&self.refused, code);
    }

    pub(crate) fn read(&self) -> Counters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            handshakes_ok: get(&self.handshakes_ok),
            handshakes_failed: lock(&self.failed).clone(),
            messages_in: get(&self.messages_in),
            messages_out: get(&self.messages_out),
            bytes_in: get(&self.bytes_in),
            bytes_out: get(&self.bytes_out),
            refused: lock(&self.refused).clone(),
            dropped: get(&self.dropped),
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The codes are constants of ours, so the map is small.
fn count(codes: &Mutex<BTreeMap<&'static str, u64>>, code: &'static str) {
    let mut codes = lock(codes);
    let count = codes.entry(code).or_default();
    *count = count.saturating_add(1);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
