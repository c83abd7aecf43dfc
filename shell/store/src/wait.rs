//! Waiting for a future on a plain thread, for so long and no longer.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What the future answers, or `None` after `time`; the future is dropped then.
pub(crate) fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let begun = Instant::now();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())?;
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn what_comes_in_time_is_answered_and_nothing_is_lost_after_it() {
        let (send, mut receive) = mpsc::channel(1);
        assert_eq!(within(Duration::from_millis(1), receive.recv()), None);
        let sender = thread::spawn(move || send.blocking_send(7));
        assert_eq!(within(Duration::from_secs(600), receive.recv()), Some(Some(7)));
        sender.join().unwrap().unwrap();
        assert_eq!(within(Duration::ZERO, receive.recv()), Some(None));
    }
}
