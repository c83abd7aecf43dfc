//! The queue of found nodes: bounded, and the oldest goes first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::config::Found;
use crate::limits::MAX_FOUND;

#[derive(Debug, Default)]
struct Queue {
    nodes: VecDeque<Found>,
    dropped: u64,
    senders: usize,
    receiver_gone: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that finds. Overflow: the oldest node is dropped and counted.
#[derive(Debug)]
pub(crate) struct Finder(Arc<Shared>);

/// The end that takes found nodes.
#[derive(Debug)]
pub struct FoundReceiver(Arc<Shared>);

pub(crate) fn queue() -> (Finder, FoundReceiver) {
    let shared = Arc::new(Shared::default());
    shared.lock().senders = 1;
    (Finder(Arc::clone(&shared)), FoundReceiver(shared))
}

impl Finder {
    pub(crate) fn send(&self, found: Found) {
        let mut queue = self.0.lock();
        if queue.receiver_gone {
            return;
        }
        if queue.nodes.len() >= MAX_FOUND {
            queue.nodes.pop_front();
            queue.dropped = queue.dropped.saturating_add(1);
        }
        queue.nodes.push_back(found);
        drop(queue);
        self.0.filled.notify_one();
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }
}

impl Clone for Finder {
    fn clone(&self) -> Self {
        let mut queue = self.0.lock();
        queue.senders = queue.senders.saturating_add(1);
        drop(queue);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.senders = queue.senders.saturating_sub(1);
        drop(queue);
        self.0.filled.notify_one();
    }
}

impl FoundReceiver {
    /// The next found node; `None` when discovery has ended and all were taken. May be cancelled: nothing is lost.
    pub async fn recv(&mut self) -> Option<Found> {
        loop {
            let filled = self.0.filled.notified();
            {
                let mut queue = self.0.lock();
                if let Some(found) = queue.nodes.pop_front() {
                    return Some(found);
                }
                if queue.senders == 0 {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// The next found node if there is one now.
    pub fn try_recv(&mut self) -> Option<Found> {
        self.0.lock().nodes.pop_front()
    }
}

impl Drop for FoundReceiver {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.receiver_gone = true;
        queue.nodes.clear();
    }
}

#[cfg(test)]
mod tests {
    use undertone_devp2p::{Enode, NodeKey};

    use super::*;
    use crate::config::Source;

    fn node(n: usize) -> Found {
        let key = NodeKey::from_hex(&format!("{:064x}", n + 1)).unwrap();
        Found { enode: Enode::incomplete(key.public()), record: None, source: Source::V4 }
    }

    #[tokio::test]
    async fn the_oldest_is_dropped_and_counted() {
        let (finder, mut receiver) = queue();
        for n in 0..MAX_FOUND + 3 {
            finder.send(node(n));
        }
        assert_eq!(finder.dropped(), 3);
        assert_eq!(receiver.recv().await, Some(node(3)));
        let second = finder.clone();
        drop((finder, second));
        let mut rest = 0;
        while receiver.recv().await.is_some() {
            rest += 1;
        }
        assert_eq!(rest, MAX_FOUND - 1);
        assert_eq!(receiver.try_recv(), None);
    }

    #[tokio::test]
    async fn who_waits_is_woken_and_nobody_fills_an_abandoned_queue() {
        let (finder, mut receiver) = queue();
        let (got, ()) = tokio::join!(receiver.recv(), async { finder.send(node(1)) });
        assert_eq!(got, Some(node(1)));
        drop(receiver);
        finder.send(node(2));
        assert!(finder.0.lock().nodes.is_empty());
    }
}
