//! When to end: Ctrl-C, a polite kill, or nobody there to read what is printed.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output;

/// Hears signals from when it is made, so make it before saying that the program is there. Nothing is missed between
/// two waits.
pub(crate) struct Interrupt {
    ctrl_c: Signal,
    terminate: Signal,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        let on = |kind| signal(kind).context("listen for signals");
        Ok(Self { ctrl_c: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    /// Completes when it is time to end. May be cancelled and called again.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
            () = output::reader_gone() => {}
        }
    }
}
