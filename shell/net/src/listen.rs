//! The accept loop.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use undertone_peers::limits::MAX_PENDING;
use undertone_runtime::Tasks;

use crate::connection::{self, Fresh};
use crate::limits::{ACCEPT_PAUSE, ACCEPT_PAUSE_MAX};
use crate::net::Inner;

/// Accepts until the network stops. Nothing is accepted while [`MAX_PENDING`] connections are in their handshake: they
/// stay in the backlog of the system. Whom the peer manager refuses costs a system call and no cryptography.
pub(crate) async fn accept(net: Arc<Inner>, listener: TcpListener, tasks: Tasks) {
    let pending = Arc::new(Semaphore::new(MAX_PENDING));
    let mut pause = None;
    let stop = net.stop.clone();
    loop {
        let next = async {
            let permit = Arc::clone(&pending).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, address)) => {
                pause = None;
                let pending = match net.registry.accept(address.ip()) {
                    Ok(pending) => pending,
                    Err(refusal) => {
                        net.stats.refused(refusal.code());
                        continue;
                    }
                };
                let fresh =
                    Fresh { stream, address, dialled: None, pending: permit.map(|permit| (permit, pending)) };
                let net = Arc::clone(&net);
                tasks.spawn("net.peer", async move {
                    connection::run(net, fresh).await;
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: the connection stays in the backlog, and trying again at
                // once would only burn the processor. One line for a whole burst.
                if pause.is_none() {
                    tracing::warn!(%error, code = "net.accept", "cannot accept connections");
                }
                let length = pause.map_or(ACCEPT_PAUSE, |last| ACCEPT_PAUSE_MAX.min(last * 2));
                pause = Some(length);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = sleep(length) => {}
                }
            }
        }
    }
}
