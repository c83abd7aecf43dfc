//! The handle.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::DropGuard;
use undertone_runtime::{Environment, Tasks};

use crate::config::{NatConfig, Port};
use crate::keeper::Keeper;
use crate::limits::MAX_PORTS;
use crate::mode::NatMode;
use crate::router::Family;
use crate::status::{Method, NatStatus};

/// The node's place behind its router. Clones are the same; when the last is dropped, or the tasks are stopped, the
/// ports are given back.
#[derive(Clone, Debug)]
pub struct Nat {
    status: watch::Receiver<NatStatus>,
    /// Without a keeper nobody else holds it, and whoever waits for a change would be told of its end.
    _idle: Option<Arc<watch::Sender<NatStatus>>>,
    _guard: Arc<DropGuard>,
}

impl Nat {
    /// Begins, with the usual times. Never fails: without a router the [status](Self::status) says so, and the search
    /// goes on.
    pub fn start(mode: NatMode, ports: Vec<Port>, env: &Environment, tasks: &Tasks) -> Self {
        Self::with(NatConfig::new(mode, ports), env, tasks)
    }

    /// [`Nat::start`] with every choice.
    pub fn with(mut config: NatConfig, env: &Environment, tasks: &Tasks) -> Self {
        let stop = tasks.token().child_token();
        let mut first = NatStatus::default();
        if let NatMode::ExtIp(ip) = config.mode {
            first.method = Some(Method::ExtIp);
            first.external = Some(ip);
        }
        let (publish, status) = watch::channel(first);
        config.ports.retain(|port| port.internal != 0);
        config.ports.truncate(MAX_PORTS);
        let idle = if config.ports.is_empty() || Family::of(config.mode).is_empty() {
            Some(Arc::new(publish))
        } else {
            tasks.spawn("nat", Keeper::new(config, env.clone(), stop.clone(), publish).run());
            None
        };
        Self { status, _idle: idle, _guard: Arc::new(stop.drop_guard()) }
    }

    /// How it stands, now and whenever it changes. Waiting for a change fails once the node has stopped.
    pub fn status(&self) -> watch::Receiver<NatStatus> {
        self.status.clone()
    }
}
