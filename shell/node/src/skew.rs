//! The estimate of how far this machine's clock is off, shared by the tasks of a node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use undertone_peers::skew::ClockSkew;

/// Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skew(Arc<Mutex<ClockSkew>>);

impl Skew {
    /// No code that can panic runs under this lock, so a poisoned one still holds a whole value.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ClockSkew> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
