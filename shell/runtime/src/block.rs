//! Waiting for a future on a plain thread.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Runs a future to its end on this thread, which sleeps while the future waits.
///
/// For futures that need no reactor: answers over channels, as of [`Pool`](crate::Pool) or the store. It works
/// inside a runtime too, where it holds up its worker as any blocking call does.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    // Inside a task, a spent co-operation budget would keep the future pending for ever: nothing refills it here.
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
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
    use super::*;

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let other = thread::spawn(move || send.send(7));
        assert_eq!(block_on(receive), Ok(7));
        assert_eq!(other.join().unwrap(), Ok(()));
    }
}
