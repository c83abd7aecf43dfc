//! Putting it together.

use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;
use undertone_devp2p::enr::{Entries, LocalRecord};
use undertone_runtime::{Environment, Tasks};

use crate::config::{DiscoveryConfig, DiscoveryError};
use crate::discovery::{Shared, Wanted};
use crate::found::{FoundReceiver, queue};
use crate::limits::MAX_COMMANDS;
use crate::task::Command;

/// What the handle is made of.
pub(crate) struct Started {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) wanted: watch::Sender<Wanted>,
    pub(crate) guard: DropGuard,
    pub(crate) found: FoundReceiver,
}

pub(crate) async fn start(
    config: DiscoveryConfig,
    _env: &Environment,
    tasks: &Tasks,
) -> Result<Started, DiscoveryError> {
    let refused = |source| DiscoveryError::Listen { address: config.listen, source };
    let socket = UdpSocket::bind(config.listen).await.map_err(refused)?;
    let address = socket.local_addr().map_err(refused)?;
    let entries = Entries::default().with_ip(address.ip()).with_udp(address.port()).with_tcp(config.tcp);
    let local = LocalRecord::new(config.key, entries, None)?;
    let (commands, _receiver) = mpsc::channel(MAX_COMMANDS);
    let (_finder, found) = queue();
    Ok(Started {
        shared: Arc::new(Shared::new(local.record().clone(), Some(address))),
        commands,
        wanted: watch::Sender::new(Wanted { walk: config.walk, ..Wanted::default() }),
        guard: tasks.token().child_token().drop_guard(),
        found,
    })
}
