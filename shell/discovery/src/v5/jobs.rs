//! The tasks of the library, run by us.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The executor of the library: collects its tasks, which are polled elsewhere.
#[derive(Clone, Default)]
pub(super) struct Collect(Arc<Mutex<Vec<Job>>>);

impl Collect {
    /// The last one first: the service, the sessions, the sender, the reader.
    pub(super) fn take(&self) -> Vec<Job> {
        let mut jobs = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        jobs.reverse();
        jobs
    }
}

impl discv5::Executor for Collect {
    fn spawn(&self, future: Job) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(future);
    }
}

/// One of the tasks has ended, or panicked.
#[derive(Debug)]
pub(super) struct Ended;

pub(super) fn poll_jobs(jobs: &mut [Job], cx: &mut Context<'_>) -> Result<(), Ended> {
    for job in jobs {
        match catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) | Err(_) => return Err(Ended),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::Waker;

    use super::*;

    #[test]
    fn the_last_task_is_the_first_one_polled_and_a_panic_is_an_end() {
        let collect = Collect::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..3 {
            let order = Arc::clone(&order);
            discv5::Executor::spawn(
                &collect,
                Box::pin(async move {
                    order.lock().unwrap().push(n);
                    pending().await
                }),
            );
        }
        let mut jobs = collect.take();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(poll_jobs(&mut jobs, cx).is_ok());
        assert_eq!(*order.lock().unwrap(), [2, 1, 0]);
        jobs.push(Box::pin(async { panic!("a bug of the library") }));
        assert!(poll_jobs(&mut jobs, cx).is_err());
        jobs.pop();
        jobs.push(Box::pin(async {}));
        assert!(poll_jobs(&mut jobs, cx).is_err());
    }
}
