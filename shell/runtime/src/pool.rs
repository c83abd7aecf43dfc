//! A bounded pool of threads for CPU work.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use undertone_base::FaultClass;

type Work = Box<dyn FnOnce() + Send>;

/// Work was not taken or not finished.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The pool is closed.
    #[error("the pool of workers is closed")]
    Closed,
    /// As much work waits as may wait. The caller drops the job, or keeps it and tries later.
    #[error("{limit} jobs wait already")]
    Full {
        /// Jobs that may wait.
        limit: usize,
    },
    /// The job panicked, or the pool was closed before its turn.
    #[error("the job did not finish")]
    Lost,
}

impl PoolError {
    /// The environment: too little CPU, or a shutdown.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Environment
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "pool.closed",
            Self::Full { .. } => "pool.full",
            Self::Lost => "pool.lost",
        }
    }
}

/// Threads that run the jobs of machines (proof of work, scrypt, seal, open) in the order of their arrival.
///
/// Clones are the same pool. When the last one goes, or on [`Pool::close`], jobs that have not begun are dropped, those
/// that run are finished, and the threads are joined. A job that panics is counted and costs no thread.
///
/// Overflow: [`PoolError::Full`], the job is dropped; nobody waits for room.
#[derive(Clone, Debug)]
pub struct Pool {
    owner: Arc<Owner>,
}

impl Pool {
    /// A pool of `threads` workers where at most `limit` jobs wait.
    ///
    /// # Errors
    /// The system's, when a thread cannot be started.
    pub fn new(threads: NonZeroUsize, limit: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { queue: VecDeque::new(), open: true }),
            wake: Condvar::new(),
            limit,
            panics: AtomicU64::new(0),
        });
        // Made first, so that an error below joins the threads that were started.
        let owner = Arc::new(Owner { shared, threads: Mutex::new(Vec::new()) });
        for n in 0..threads.get() {
            let shared = Arc::clone(&owner.shared);
            let worker = thread::Builder::new().name(format!("job-{n}")).spawn(move || shared.work())?;
            lock(&owner.threads).push(worker);
        }
        Ok(Self { owner })
    }

    /// A pool with one worker for each core that this process may use.
    ///
    /// # Errors
    /// As [`Pool::new`].
    pub fn per_core(limit: usize) -> io::Result<Self> {
        Self::new(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), limit)
    }

    /// Hands over a job; it reports its result itself.
    ///
    /// # Errors
    /// [`PoolError::Full`], [`PoolError::Closed`].
    pub fn submit(&self, work: impl FnOnce() + Send + 'static) -> Result<(), PoolError> {
        self.owner.shared.push(Box::new(work))
    }

    /// Hands over a job; the future is its result. Dropping the future does not stop the job.
    ///
    /// # Errors
    /// [`PoolError::Full`], [`PoolError::Closed`]; of the future, [`PoolError::Lost`].
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<impl Future<Output = Result<T, PoolError>> + Send + 'static, PoolError> {
        let (send, receive) = oneshot::channel();
        self.submit(move || {
            // Nobody waits any more: the result is not wanted.
            let _ = send.send(work());
        })?;
        Ok(async move { receive.await.map_err(|_| PoolError::Lost) })
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        lock(&self.owner.shared.state).queue.len()
    }

    /// How many jobs panicked so far.
    pub fn panics(&self) -> u64 {
        self.owner.shared.panics.load(Ordering::Relaxed)
    }

    /// Takes no more jobs, drops those that wait, and waits until the running ones have finished (on a worker itself:
    /// the others').
    pub fn close(&self) {
        self.owner.close();
    }
}

/// Apart from [`Shared`], so that the workers do not keep the pool alive.
struct Owner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Owner {
    fn close(&self) {
        let dropped = {
            let mut state = lock(&self.shared.state);
            state.open = false;
            std::mem::take(&mut state.queue)
        };
        // Outside the lock: what a job owns may use the pool when it goes.
        drop(dropped);
        self.shared.wake.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for worker in threads {
            if worker.thread().id() != thread::current().id() {
                // Panics of jobs are caught in the worker.
                let _ = worker.join();
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("limit", &self.shared.limit).finish_non_exhaustive()
    }
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    limit: usize,
    panics: AtomicU64,
}

struct State {
    queue: VecDeque<Work>,
    open: bool,
}

impl Shared {
    fn push(&self, work: Work) -> Result<(), PoolError> {
        let mut state = lock(&self.state);
        if !state.open {
            return Err(PoolError::Closed);
        }
        if state.queue.len() >= self.limit {
            return Err(PoolError::Full { limit: self.limit });
        }
        state.queue.push_back(work);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    fn work(&self) {
        while let Some(work) = self.next() {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                self.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!(code = "pool.lost", "a job panicked");
            }
            // Jobs derive, sign and agree on keys, and a thread may idle for long after one.
            undertone_base::wipe_stack();
        }
    }

    /// The next job, or `None` when the pool is closed.
    fn next(&self) -> Option<Work> {
        let mut state = lock(&self.state);
        loop {
            if let Some(work) = state.queue.pop_front() {
                return Some(work);
            }
            if !state.open {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// No code that can panic runs under these locks, so a poisoned one still holds a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::block_on;

    fn one(limit: usize) -> Pool {
        Pool::new(NonZeroUsize::MIN, limit).unwrap()
    }

    #[test]
    fn jobs_run_in_order_and_give_their_results() {
        let pool = one(8);
        let running: Vec<_> = (0..5).map(|n| pool.run(move || n * n).unwrap()).collect();
        let results: Vec<_> = running.into_iter().map(|r| block_on(r).unwrap()).collect();
        assert_eq!(results, [0, 1, 4, 9, 16]);
    }

    #[test]
    fn a_full_queue_refuses_and_takes_again_later() {
        let pool = one(1);
        let (begun, has_begun) = sync_channel(0);
        let (go, may_go) = sync_channel::<()>(0);
        let first = pool.run(move || (begun.send(()), may_go.recv().unwrap())).unwrap();
        has_begun.recv().unwrap();
        let second = pool.run(|| 2).unwrap();
        assert_eq!(pool.submit(|| {}), Err(PoolError::Full { limit: 1 }));
        assert_eq!(pool.waiting(), 1);
        go.send(()).unwrap();
        block_on(first).unwrap().0.unwrap();
        assert_eq!(block_on(second), Ok(2));
        assert_eq!(block_on(pool.run(|| 3).unwrap()), Ok(3));
    }

    #[test]
    fn a_panic_loses_the_job_and_not_the_worker() {
        let pool = one(4);
        let lost = pool.run(|| panic!("on purpose")).unwrap();
        assert_eq!(block_on(lost), Err(PoolError::Lost));
        assert_eq!(block_on(pool.run(|| 1).unwrap()), Ok(1));
        assert_eq!(pool.panics(), 1);
    }

    #[test]
    fn closing_finishes_what_runs_and_drops_what_waits() {
        let pool = one(4);
        let (begun, has_begun) = sync_channel(0);
        let (go, may_go) = sync_channel::<()>(1);
        let first = pool.run(move || (begun.send(()), may_go.recv().unwrap())).unwrap();
        has_begun.recv().unwrap();
        let second = pool.run(|| 2).unwrap();
        // The running job is let go by the waiting one's drop, so the order of `close` is what lets this test end.
        let on_drop = OnDrop(Some(move || go.send(()).unwrap()));
        pool.submit(move || drop(on_drop)).unwrap();
        pool.close();
        assert!(block_on(first).is_ok());
        assert_eq!(block_on(second), Err(PoolError::Lost));
        assert_eq!(pool.submit(|| {}), Err(PoolError::Closed));
    }

    #[test]
    fn the_last_handle_may_go_on_a_worker() {
        let pool = one(4);
        let (done, is_done) = sync_channel(1);
        let inner = pool.clone();
        pool.submit(move || {
            drop(inner);
            done.send(()).unwrap();
        })
        .unwrap();
        is_done.recv().unwrap();
    }

    struct OnDrop<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }
}
