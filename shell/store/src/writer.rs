//! The handle of the writer thread.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use undertone_runtime::{Clock, block_on};

use crate::database::Database;
use crate::error::{SubmitError, WriterError};
use crate::limits;
use crate::tx::SqlTx;
use crate::worker::{Request, Worker};

/// What the writer runs, one input at a time, inside a transaction.
///
/// A machine keeps its state **in the store**: when a step is refused, fails, or its commit fails, the rows go back to
/// what they were, and the machine is not told. What it remembers besides (a cache, a counter) must be right either way.
pub trait Machine: Send + 'static {
    /// What it is given.
    type Input: Send + 'static;
    /// What it answers, handed out when the rows are durable.
    type Output: Send + 'static;
    /// Why it refuses; the input's rows are rolled back.
    type Error: Send + 'static;

    /// Takes one input. Must not wait for this writer: it would wait for itself.
    ///
    /// # Errors
    /// The machine's own; also when a call of `tx` failed.
    fn step(&mut self, tx: &mut SqlTx<'_>, input: Self::Input) -> Result<Self::Output, Self::Error>;
}

/// The one way to a database: a queue to the thread that owns it and the machine.
///
/// Clones are the same writer. Dropping the last one waits until what is queued is done and committed, the file closed
/// and the thread ended; [`Writer::close`] does the same and says how it went.
///
/// A batch never waits for more inputs: it takes those that are there, so a lone input is committed at once, and while a
/// commit is on its way to the disk the next batch gathers.
pub struct Writer<M: Machine> {
    // Dropped before `thread`: the thread ends when the last sender is gone, and only then is it waited for.
    requests: mpsc::Sender<Request<M>>,
    counters: Arc<Counters>,
    thread: Arc<Thread>,
}

/// The thread, waited for. OpenSSL's per-thread state is torn down as a thread ends, and its global state as the
/// process does: when the two meet, the process dies of a double free.
#[derive(Debug)]
struct Thread(Mutex<Option<thread::JoinHandle<()>>>);

impl Thread {
    fn join(&self) {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A query may hold the last handle: the thread cannot wait for itself.
        if let Some(handle) = handle.filter(|handle| handle.thread().id() != thread::current().id()) {
            // Its panics were caught and reported by the worker.
            let _ = handle.join();
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.join();
    }
}

impl<M: Machine> Writer<M> {
    /// Starts the thread. `clock` measures how long a batch may gather.
    ///
    /// # Errors
    /// The system's, when it starts no thread.
    pub fn start(database: Database, machine: M, clock: Clock) -> io::Result<Self> {
        let (requests, queue) = mpsc::channel(limits::QUEUE);
        let counters = Arc::<Counters>::default();
        let worker = Worker::new(database, machine, clock, queue, Arc::clone(&counters));
        let handle = thread::Builder::new().name("store".to_owned()).spawn(move || worker.run())?;
        Ok(Self { requests, counters, thread: Arc::new(Thread(Mutex::new(Some(handle)))) })
    }

    /// Hands over an input, waiting for room, and waits for its output. Dropping the future before the input was queued
    /// withdraws it; after that the input is done all the same, and its output lost.
    ///
    /// # Errors
    /// [`SubmitError::Machine`] when the machine refused, else [`SubmitError::Writer`]; the rows are as before.
    pub async fn submit(&self, input: M::Input) -> Result<M::Output, SubmitError<M::Error>> {
        let (reply, answer) = self.answer();
        let sent = self.requests.send(Request::Step { input, reply }).await;
        sent.map_err(|_| SubmitError::Writer(self.counters.gone()))?;
        answer.await
    }

    /// Hands over an input without waiting; the answer comes later.
    ///
    /// # Errors
    /// [`WriterError::Full`] when the queue is full; the input is dropped. [`WriterError::Closed`],
    /// [`WriterError::Panicked`].
    pub fn try_submit(&self, input: M::Input) -> Result<Answer<M>, WriterError> {
        let (reply, answer) = self.answer();
        self.requests.try_send(Request::Step { input, reply }).map_err(|e| match e {
            TrySendError::Full(_) => WriterError::Full { limit: limits::QUEUE },
            TrySendError::Closed(_) => self.counters.gone(),
        })?;
        Ok(answer)
    }

    /// [`Writer::submit`] for a plain thread.
    ///
    /// # Errors
    /// As [`Writer::submit`].
    pub fn submit_blocking(&self, input: M::Input) -> Result<M::Output, SubmitError<M::Error>> {
        block_on(self.submit(input))
    }

    /// Runs a query on the writer's thread. It sees every input that was queued before it, committed, and none queued
    /// after it. Dropping the future does not stop a query that was queued.
    ///
    /// # Errors
    /// [`WriterError`]; [`WriterError::Panicked`] when the query panicked, which harms nobody else.
    pub async fn read<T, F>(&self, query: F) -> Result<T, WriterError>
    where
        T: Send + 'static,
        F: FnOnce(&SqlTx<'_>) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let run = Box::new(move |tx: Result<&SqlTx<'_>, WriterError>| {
            let result = tx.and_then(|tx| crate::worker::caught(|| query(tx)).ok_or(WriterError::Panicked));
            // Nobody waits any more: the answer is not wanted.
            let _ = reply.send(result);
        });
        self.requests.send(Request::Read(run)).await.map_err(|_| self.counters.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.counters.gone()))
    }

    /// [`Writer::read`] for a plain thread.
    ///
    /// # Errors
    /// As [`Writer::read`].
    pub fn read_blocking<T, F>(&self, query: F) -> Result<T, WriterError>
    where
        T: Send + 'static,
        F: FnOnce(&SqlTx<'_>) -> T + Send + 'static,
    {
        block_on(self.read(query))
    }

    /// Does what is queued already, closes the file and ends the thread. Inputs of other handles that come later get
    /// [`WriterError::Closed`].
    ///
    /// # Errors
    /// [`WriterError::Store`] when the file did not close cleanly (what was committed is safe), [`WriterError::Closed`]
    /// when it was closed before, [`WriterError::Panicked`].
    pub async fn close(&self) -> Result<(), WriterError> {
        let (reply, closed) = oneshot::channel();
        self.requests.send(Request::Close(reply)).await.map_err(|_| self.counters.gone())?;
        let closed = closed.await.unwrap_or_else(|_| Err(self.counters.gone()));
        // A matter of microseconds: closing was its last work.
        self.thread.join();
        closed
    }

    /// [`Writer::close`] for a plain thread.
    ///
    /// # Errors
    /// As [`Writer::close`].
    pub fn close_blocking(&self) -> Result<(), WriterError> {
        block_on(self.close())
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Stats {
            batches: read(&self.counters.batches),
            done: read(&self.counters.done),
            failed: read(&self.counters.failed),
            log_erased: read(&self.counters.log_erased),
            refused: read(&self.counters.refused),
        }
    }

    fn answer(&self) -> (Reply<M>, Answer<M>) {
        let (reply, receive) = oneshot::channel();
        (reply, Answer { receive, counters: Arc::clone(&self.counters) })
    }
}

impl<M: Machine> Clone for Writer<M> {
    fn clone(&self) -> Self {
        Self {
            requests: self.requests.clone(),
            counters: Arc::clone(&self.counters),
            thread: Arc::clone(&self.thread),
        }
    }
}

impl<M: Machine> fmt::Debug for Writer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What became of an input, and to whom it is told.
pub(crate) type Outcome<M> = Result<<M as Machine>::Output, SubmitError<<M as Machine>::Error>>;
pub(crate) type Reply<M> = oneshot::Sender<Outcome<M>>;

/// The answer to an input that was queued. Dropping it does not stop the input.
pub struct Answer<M: Machine> {
    receive: oneshot::Receiver<Outcome<M>>,
    counters: Arc<Counters>,
}

impl<M: Machine> Future for Answer<M> {
    type Output = Outcome<M>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.receive).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|_| Err(SubmitError::Writer(self.counters.gone()))))
    }
}

impl<M: Machine> fmt::Debug for Answer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Durable commits.
    pub batches: u64,
    /// Inputs done and committed.
    pub done: u64,
    /// Inputs that the store failed, alone or with their batch.
    pub failed: u64,
    /// How often the log was erased.
    pub log_erased: u64,
    /// Inputs that the machine refused.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) done: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) log_erased: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) panicked: AtomicBool,
}

impl Counters {
    /// Why nobody answers.
    pub(crate) fn gone(&self) -> WriterError {
        if self.panicked.load(Ordering::Acquire) { WriterError::Panicked } else { WriterError::Closed }
    }
}
