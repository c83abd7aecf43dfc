//! The accept loop.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use undertone_runtime::Tasks;

use crate::connection::{self, Fresh};
use crate::limits::{ACCEPT_PAUSE, ACCEPT_PAUSE_MAX, MAX_PENDING};
use crate::net::Inner;
use crate::stats::add;

/// Accepts until the network stops. Nothing is accepted while [`MAX_PENDING`] connections are in their handshake.
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
                if !net.registry.throttle(address.ip(), net.env.now().mono) {
                    add(&net.stats.throttled, 1);
                    continue;
                }
                let fresh = Fresh { stream, address, dialled: None, stop: stop.clone(), pending: permit };
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
