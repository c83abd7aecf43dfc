//! The queue of messages towards one connection's task, bounded in number and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use undertone_base::Mono;
use undertone_devp2p::DisconnectReason;

use crate::config::SendRefused;
use crate::limits::{QUEUED_BYTES, QUEUED_MESSAGES};

/// A message on its way to a connection's task.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) capability: usize,
    pub(crate) code: u64,
    pub(crate) payload: Vec<u8>,
}

/// The sending side of a connection's task. Overflow: refused, the sender keeps its message.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    messages: mpsc::Sender<Outgoing>,
    bytes: Arc<AtomicUsize>,
    deferred: Arc<AtomicU64>,
    close: mpsc::Sender<DisconnectReason>,
}

/// Its receiving side.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) messages: mpsc::Receiver<Outgoing>,
    bytes: Arc<AtomicUsize>,
    /// When the peer may be read again, in nanoseconds of [`Mono`].
    deferred: Arc<AtomicU64>,
    /// The first reason counts; capacity one, more are dropped.
    pub(crate) close: mpsc::Receiver<DisconnectReason>,
}

pub(crate) fn mailbox() -> (Mailbox, Inbox) {
    let (messages, messages_out) = mpsc::channel(QUEUED_MESSAGES);
    let (close, close_out) = mpsc::channel(1);
    let bytes = Arc::new(AtomicUsize::new(0));
    let deferred = Arc::new(AtomicU64::new(0));
    let inbox = Inbox {
        messages: messages_out,
        bytes: Arc::clone(&bytes),
        deferred: Arc::clone(&deferred),
        close: close_out,
    };
    (Mailbox { messages, bytes, deferred, close }, inbox)
}

impl Mailbox {
    pub(crate) fn send(&self, message: Outgoing) -> Result<(), SendRefused> {
        let size = message.payload.len();
        let before = self.bytes.fetch_add(size, Ordering::AcqRel);
        let sent = if before > 0 && before.saturating_add(size) > QUEUED_BYTES {
            Err(SendRefused::Full)
        } else {
            self.messages.try_send(message).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendRefused::Full,
                mpsc::error::TrySendError::Closed(_) => SendRefused::Gone,
            })
        };
        if sent.is_err() {
            self.bytes.fetch_sub(size, Ordering::AcqRel);
        }
        sent
    }

    /// The connection finds it when it would read.
    pub(crate) fn defer(&self, until: Mono) {
        self.deferred.store(until.nanos(), Ordering::Release);
    }

    pub(crate) fn close(&self, reason: DisconnectReason) {
        // Full: it is closing already. Closed: it is gone.
        let _ = self.close.try_send(reason);
    }
}

impl Inbox {
    /// How long the peer is not to be read yet; `None`: it may be.
    pub(crate) fn deferred(&self, now: Mono) -> Option<Duration> {
        let until = Mono::from_nanos(self.deferred.load(Ordering::Acquire));
        (until > now).then(|| until.since(now))
    }

    /// To be called for each message received: its bytes no longer wait here.
    pub(crate) fn taken(&self, message: &Outgoing) {
        self.bytes.fetch_sub(message.payload.len(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_bounded_in_messages_and_in_bytes() {
        let message = |size| Outgoing { capability: 0, code: 0, payload: vec![0; size] };
        let (mailbox, mut inbox) = mailbox();
        for _ in 0..QUEUED_MESSAGES {
            assert_eq!(mailbox.send(message(1)), Ok(()));
        }
        assert_eq!(mailbox.send(message(1)), Err(SendRefused::Full));
        while let Ok(message) = inbox.messages.try_recv() {
            inbox.taken(&message);
        }
        assert_eq!(mailbox.send(message(QUEUED_BYTES + 1)), Ok(()), "a large one alone");
        assert_eq!(mailbox.send(message(1)), Err(SendRefused::Full));
        let large = inbox.messages.try_recv().unwrap();
        inbox.taken(&large);
        assert_eq!(mailbox.send(message(QUEUED_BYTES)), Ok(()));
        assert_eq!(mailbox.send(message(0)), Ok(()));
        assert_eq!(mailbox.send(message(1)), Err(SendRefused::Full));
        drop(inbox);
        let gone = self::mailbox().0;
        assert_eq!(gone.send(message(1)), Err(SendRefused::Gone));
    }
}
