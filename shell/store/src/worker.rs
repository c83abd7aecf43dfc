//! The writer thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use undertone_base::{StoreError, wipe_stack};
use undertone_runtime::Clock;

use crate::database::Database;
use crate::error::{SubmitError, WriterError};
use crate::limits;
use crate::log::Keeping;
use crate::tx::SqlTx;
use crate::wait::within;
use crate::writer::{Counters, Machine, Outcome, Reply};

/// A query, told by itself when there is no transaction for it.
type Query = Box<dyn FnOnce(Result<&SqlTx<'_>, WriterError>) + Send>;

pub(crate) enum Request<M: Machine> {
    Close(oneshot::Sender<Result<(), WriterError>>),
    Read(Query),
    Step { input: M::Input, reply: Reply<M> },
}

pub(crate) struct Worker<M: Machine> {
    database: Database,
    machine: M,
    clock: Clock,
    queue: mpsc::Receiver<Request<M>>,
    counters: Arc<Counters>,
    keeping: Keeping,
}

/// Why the rest of a batch cannot go on.
enum Broken {
    /// The machine panicked: nothing it says later can be trusted.
    Panic,
    /// The transaction is gone, and the inputs before with it.
    Store(StoreError),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<M: Machine> Worker<M> {
    pub(crate) fn new(
        database: Database,
        machine: M,
        clock: Clock,
        queue: mpsc::Receiver<Request<M>>,
        counters: Arc<Counters>,
    ) -> Self {
        let mut keeping = Keeping::default();
        if database.kept().get() > 0 {
            keeping.committed(clock.now().mono);
        }
        Self { database, machine, clock, queue, counters, keeping }
    }

    /// Until every handle is gone, a close, or a panic of the machine.
    pub(crate) fn run(self) {
        self.serve();
        // The stack of an ended thread is kept for the next one.
        wipe_stack();
    }

    #[inline(never)]
    fn serve(mut self) {
        let mut carried = None;
        while let Some(request) = carried.take().or_else(|| self.next()) {
            match request {
                Request::Close(reply) => {
                    self.close(reply);
                    return;
                }
                Request::Read(query) => self.read(query),
                Request::Step { input, reply } => carried = self.batch(input, reply),
            }
            // A step has keys in its hands, and this thread may idle for long.
            wipe_stack();
            if self.counters.panicked.load(Ordering::Acquire) {
                break;
            }
        }
        // An error was logged, and nobody is left to hear it.
        let _ = self.database.close();
    }

    /// The next request, and the log erased as soon as it is due meanwhile.
    fn next(&mut self) -> Option<Request<M>> {
        loop {
            let full = self.database.kept().get() >= limits::LOG_COMMITS;
            match self.keeping.wait(self.clock.now().mono, full) {
                None => return self.queue.blocking_recv(),
                Some(Duration::ZERO) => self.erase_log(),
                // What the clock says counts, not how long was waited.
                Some(wait) => {
                    if let Some(request) = within(wait, self.queue.recv()) {
                        return request;
                    }
                }
            }
        }
    }

    #[inline(never)]
    fn erase_log(&mut self) {
        if let Ok(true) = self.database.renew_log() {
            self.keeping.erased();
            add(&self.counters.log_erased, 1);
        } else {
            self.keeping.refused(self.clock.now().mono);
        }
    }

    fn close(mut self, reply: oneshot::Sender<Result<(), WriterError>>) {
        self.queue.close();
        let closed = self.database.close().map_err(WriterError::Store);
        let _ = reply.send(closed);
    }

    #[inline(never)]
    fn read(&self, query: Query) {
        match self.database.begin_read() {
            Ok(()) => query(Ok(&SqlTx::new(self.database.conn()))),
            Err(error) => query(Err(error.into())),
        }
        self.database.roll_back();
    }

    /// One durable commit for this input and those that wait behind it. Gives back the request that ended the batch,
    /// when it was of another kind.
    #[inline(never)]
    fn batch(&mut self, input: M::Input, reply: Reply<M>) -> Option<Request<M>> {
        let mut replies = vec![reply];
        let mut outcomes = Vec::new();
        let mut carried = None;
        let done = self
            .steps(input, &mut replies, &mut outcomes, &mut carried)
            .and_then(|()| self.database.commit().map_err(Broken::Store));
        let broken = match done {
            Ok(()) => {
                if self.database.kept().get() > 0 {
                    self.keeping.committed(self.clock.now().mono);
                }
                self.answer(replies, outcomes);
                return carried;
            }
            Err(Broken::Panic) => {
                tracing::error!(code = WriterError::Panicked.code(), "a step panicked: the store stops");
                self.counters.panicked.store(true, Ordering::Release);
                WriterError::Panicked
            }
            Err(Broken::Store(error)) => WriterError::Store(error),
        };
        self.database.roll_back();
        add(&self.counters.failed, replies.len());
        // What the machine answered was about rows that are not there: it goes nowhere.
        drop(outcomes);
        for reply in replies {
            let _ = reply.send(Err(SubmitError::Writer(broken)));
        }
        carried
    }

    /// The steps of a batch, with as many outcomes as replies when it went well.
    fn steps(
        &mut self,
        first: M::Input,
        replies: &mut Vec<Reply<M>>,
        outcomes: &mut Vec<Outcome<M>>,
        carried: &mut Option<Request<M>>,
    ) -> Result<(), Broken> {
        let begun = self.clock.now().mono;
        self.database.begin()?;
        outcomes.push(self.step(first)?);
        while outcomes.len() < limits::MAX_BATCH && self.clock.now().mono.since(begun) < limits::BATCH_WINDOW
        {
            match self.queue.try_recv() {
                Ok(Request::Step { input, reply }) => {
                    replies.push(reply);
                    outcomes.push(self.step(input)?);
                }
                Ok(other) => {
                    *carried = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// One input in its savepoint.
    fn step(&mut self, input: M::Input) -> Result<Outcome<M>, Broken> {
        self.database.statement("SAVEPOINT input")?;
        let mut tx = SqlTx::new(self.database.conn());
        let machine = &mut self.machine;
        let result = caught(|| machine.step(&mut tx, input)).ok_or(Broken::Panic)?;
        let failure = tx.failure();
        if self.database.conn().is_autocommit() {
            return Err(failure.unwrap_or(StoreError::Unavailable).into());
        }
        let outcome = match (result, failure) {
            (Err(error), _) => Err(SubmitError::Machine(error)),
            (Ok(_), Some(failure)) => Err(SubmitError::Writer(failure.into())),
            (Ok(output), None) => Ok(output),
        };
        if outcome.is_err() {
            self.database.statement("ROLLBACK TO input")?;
        }
        self.database.statement("RELEASE input")?;
        Ok(outcome)
    }

    fn answer(&self, replies: Vec<Reply<M>>, outcomes: Vec<Outcome<M>>) {
        add(&self.counters.batches, 1);
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            let counter = match &outcome {
                Ok(_) => &self.counters.done,
                Err(SubmitError::Machine(_)) => &self.counters.refused,
                Err(SubmitError::Writer(_)) => &self.counters.failed,
            };
            add(counter, 1);
            // Nobody waits any more: the rows are there all the same.
            let _ = reply.send(outcome);
        }
    }
}

fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The value, or `None` after a panic, whose text went to the panic hook.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Whoever calls this does not use again what the panic may have left half done.
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests;
