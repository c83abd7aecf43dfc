//! What the pool had no room for.
//!
//! A neighbour that kept an evicted envelope offers it again, and so do all the others: without a memory each
//! copy would be new, taken in, passed on and evicted once more, until it expires.

use std::collections::BTreeSet;

/// Eight bytes of the hashes of evicted envelopes, until they expire. At most as many as the pool may hold
/// envelopes; above it the one that expires first is forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Evicted {
    known: BTreeSet<u64>,
    by_expiry: BTreeSet<(u32, u64)>,
    limit: usize,
}

impl Evicted {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { known: BTreeSet::new(), by_expiry: BTreeSet::new(), limit }
    }

    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.known.contains(&hash)
    }

    /// Remembers a hash until `expiry` (Unix seconds).
    pub(crate) fn insert(&mut self, hash: u64, expiry: u32) {
        if self.known.insert(hash) {
            self.by_expiry.insert((expiry, hash));
        }
        while self.known.len() > self.limit {
            let Some((_, first)) = self.by_expiry.pop_first() else { return };
            self.known.remove(&first);
        }
    }

    /// Forgets two of those that expired before `now` (Unix seconds), where one is remembered at a time: the time check
    /// refuses them from here on.
    pub(crate) fn forget(&mut self, now: u32) {
        for _ in 0..2 {
            let Some((expiry, hash)) = self.by_expiry.first().copied().filter(|(expiry, _)| *expiry < now)
            else {
                return;
            };
            self.by_expiry.remove(&(expiry, hash));
            self.known.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Evicted;

    #[test]
    fn the_memory_is_bounded_and_ends_with_the_envelope() {
        let mut evicted = Evicted::new(2);
        evicted.insert(1, 30);
        evicted.insert(2, 10);
        evicted.insert(3, 20);
        assert!(evicted.contains(1) && !evicted.contains(2) && evicted.contains(3));
        evicted.forget(21);
        assert!(evicted.contains(1) && !evicted.contains(3));
        evicted.insert(1, 99);
        evicted.forget(31);
        assert!(!evicted.contains(1));
        let mut evicted = Evicted::new(9);
        (0..9).for_each(|hash| evicted.insert(hash, 10));
        evicted.forget(11);
        assert_eq!((0..9).filter(|hash| evicted.contains(*hash)).count(), 7, "never all at once");
    }
}
