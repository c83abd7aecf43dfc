//! The one place that spawns.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest wait for a stop; more would only overflow the clock.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// How the tasks ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct Shutdown {
    /// The first task that panicked, if any did: a bug.
    pub panicked: Option<&'static str>,
    /// Tasks that had not ended by the deadline, and were aborted.
    pub stuck: Vec<&'static str>,
}

/// Every task of a program, in stages.
///
/// Clones are the same stage. A task gets the stage's [`CancellationToken`] and ends soon after it is cancelled. A task
/// that panics cancels all stages at once, so that the program stops in order instead of running on with a part missing.
#[derive(Clone, Debug)]
pub struct Tasks {
    all: Arc<All>,
    stage: Arc<Stage>,
}

impl Tasks {
    /// No tasks yet; they will run on `handle`'s runtime, which needs its timer enabled.
    pub fn new(handle: Handle) -> Self {
        let root = CancellationToken::new();
        let stage = Arc::new(Stage::new(root.child_token()));
        let stages = Mutex::new(vec![Arc::clone(&stage)]);
        let panicked = Mutex::new(None);
        Self { all: Arc::new(All { handle, root, stages, panicked }), stage }
    }

    /// A stage that is stopped before this and every earlier one: what is built later is stopped first. For the parts
    /// of a program, not for each connection: a stage lives as long as the program.
    pub fn stage(&self) -> Self {
        let stage = Arc::new(Stage::new(self.all.root.child_token()));
        lock(&self.all.stages).push(Arc::clone(&stage));
        Self { all: Arc::clone(&self.all), stage }
    }

    /// Is cancelled when the stage is to stop. A task selects on it first.
    pub fn token(&self) -> CancellationToken {
        self.stage.token.clone()
    }

    /// Runs a task. After the stage was stopped the future is dropped instead.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        if self.stage.token.is_cancelled() {
            tracing::debug!(task = name, "not started: stopping");
            return;
        }
        let entry = Entry::new(name, Arc::clone(&self.stage));
        let id = entry.id;
        let all = Arc::clone(&self.all);
        let mut future = Box::pin(future);
        let watched = async move {
            let ended = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
                Err(_) => Poll::Ready(Err(())),
            });
            if ended.await.is_err() {
                all.panicked(entry.name);
            }
            drop(entry);
        };
        let task = self.all.handle.spawn(self.stage.tracker.track_future(watched));
        if let Some(running) = lock(&self.stage.running).tasks.get_mut(&id) {
            running.abort = Some(task.abort_handle());
        }
    }

    /// The names of this stage's tasks that have not ended, oldest first.
    pub fn running(&self) -> Vec<&'static str> {
        lock(&self.stage.running).tasks.values().map(|task| task.name).collect()
    }

    /// The first task that panicked, if any did.
    pub fn panicked(&self) -> Option<&'static str> {
        *lock(&self.all.panicked)
    }

    /// Stops all stages, the latest first: cancels a stage, waits until its tasks have ended, goes on with the one
    /// before. What has not ended when `deadline` has passed (for all stages together, a day at most) is aborted and named.
    ///
    /// Not to be called from one of the tasks: it would wait for itself until the deadline. When the future is dropped
    /// halfway the rest keeps running; calling again goes on.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        let end = Instant::now() + deadline.min(MAX_DEADLINE);
        let stages = lock(&self.all.stages).clone();
        let mut stuck = Vec::new();
        for stage in stages.iter().rev() {
            stage.token.cancel();
            stage.tracker.close();
            if tokio::time::timeout_at(end, stage.tracker.wait()).await.is_err() {
                stuck.extend(stage.abort());
            }
        }
        self.all.root.cancel();
        for task in &stuck {
            tracing::warn!(task, code = "tasks.stuck", "did not stop in time");
        }
        Shutdown { panicked: self.panicked(), stuck }
    }
}

struct All {
    handle: Handle,
    root: CancellationToken,
    stages: Mutex<Vec<Arc<Stage>>>,
    panicked: Mutex<Option<&'static str>>,
}

impl All {
    fn panicked(&self, name: &'static str) {
        tracing::error!(task = name, code = "tasks.panicked", "a task panicked: stopping");
        lock(&self.panicked).get_or_insert(name);
        self.root.cancel();
    }
}

impl fmt::Debug for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("All").field("panicked", &self.panicked).finish_non_exhaustive()
    }
}

struct Stage {
    token: CancellationToken,
    tracker: TaskTracker,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    next: u64,
    tasks: BTreeMap<u64, Task>,
}

struct Task {
    name: &'static str,
    abort: Option<AbortHandle>,
}

impl Stage {
    fn new(token: CancellationToken) -> Self {
        Self { token, tracker: TaskTracker::new(), running: Mutex::default() }
    }

    /// Aborts what runs and names it.
    fn abort(&self) -> Vec<&'static str> {
        let running = lock(&self.running);
        running
            .tasks
            .values()
            .map(|task| {
                if let Some(abort) = &task.abort {
                    abort.abort();
                }
                task.name
            })
            .collect()
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(lock(&self.running).tasks.values().map(|task| task.name)).finish()
    }
}

/// A task's line in the list of its stage, gone when the task is: by its end, a panic, or an abort.
struct Entry {
    id: u64,
    name: &'static str,
    stage: Arc<Stage>,
}

impl Entry {
    fn new(name: &'static str, stage: Arc<Stage>) -> Self {
        let id = {
            let mut running = lock(&stage.running);
            let id = running.next;
            running.next = id.saturating_add(1);
            running.tasks.insert(id, Task { name, abort: None });
            id
        };
        Self { id, name, stage }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.stage.running).tasks.remove(&self.id);
    }
}

/// No code that can panic runs under these locks, so a poisoned one still holds a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn stages_stop_latest_first() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let store = Tasks::new(Handle::current());
        let net = store.stage();
        for (name, tasks) in [("store", &store), ("net", &net)] {
            let (token, order) = (tasks.token(), Arc::clone(&order));
            tasks.spawn(name, async move {
                token.cancelled().await;
                order.lock().unwrap().push(name);
            });
        }
        assert_eq!((store.running(), net.running()), (vec!["store"], vec!["net"]));
        assert_eq!(store.shutdown(LONG).await, Shutdown::default());
        assert_eq!(*order.lock().unwrap(), ["net", "store"]);
        assert!(store.running().is_empty());
    }

    #[tokio::test]
    async fn a_panic_stops_everything_and_is_named() {
        let tasks = Tasks::new(Handle::current());
        let other = tasks.stage();
        let token = other.token();
        other.spawn("waits", async move { token.cancelled().await });
        tasks.spawn("breaks", async { panic!("on purpose") });
        other.token().cancelled().await;
        assert_eq!(tasks.panicked(), Some("breaks"));
        let report = tasks.shutdown(LONG).await;
        assert_eq!(report, Shutdown { panicked: Some("breaks"), stuck: vec![] });
    }

    #[tokio::test]
    async fn what_does_not_stop_is_aborted_and_named() {
        let tasks = Tasks::new(Handle::current());
        tasks.spawn("deaf", pending());
        let report = tasks.shutdown(Duration::ZERO).await;
        assert_eq!(report.stuck, ["deaf"]);
        tasks.stage.tracker.wait().await;
        assert!(tasks.running().is_empty());
    }

    #[tokio::test]
    async fn nothing_starts_after_the_stop_and_ended_tasks_leave_no_trace() {
        let tasks = Tasks::new(Handle::current());
        for _ in 0..100 {
            tasks.spawn("short", async {});
        }
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        assert_eq!(tasks.shutdown(LONG).await, Shutdown::default());
        assert!(tasks.running().is_empty());
        tasks.spawn("late", async move {
            let _ = send.send(());
        });
        assert!(receive.await.is_err());
    }

    #[test]
    fn a_runtime_that_is_gone_drops_the_task() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = Tasks::new(runtime.handle().clone());
        drop(runtime);
        tasks.spawn("orphan", pending());
        assert!(tasks.running().is_empty());
    }
}
