//! Keeping one static peer connected.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use undertone_devp2p::{Endpoint, Enode, Host};

use crate::address::Reach;
use crate::backoff::Backoff;
use crate::connection::{self, Fresh};
use crate::limits::CONNECT_TIMEOUT;
use crate::net::Inner;

/// Dials whenever the peer is not connected, until stopped. The connection runs in here: how it ended decides the
/// next pause.
pub(crate) async fn keep(net: Arc<Inner>, peer: Enode, stop: CancellationToken) {
    let mut rng = net.env.rng();
    let mut backoff = Backoff::default();
    while stop.run_until_cancelled(absent(&net, &peer)).await.is_some() {
        let Some(connected) = stop.run_until_cancelled(connect(&net, &peer)).await else { return };
        let (reach, lived) = match connected {
            Err(reach) => (reach, None),
            Ok((stream, address)) => {
                let dialled = Some(*peer.key());
                let fresh = Fresh { stream, address, dialled, stop: stop.clone(), pending: None };
                (Reach::of(address.ip()), Box::pin(connection::run(Arc::clone(&net), fresh)).await)
            }
        };
        let pause = backoff.after(reach, lived, &mut rng);
        tracing::trace!(%peer, ?pause, "dialling again after a pause");
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Waits until no link to the peer is there, whoever made it.
async fn absent(net: &Inner, peer: &Enode) {
    let mut gone = net.registry.gone();
    while net.registry.is_connected(peer.key()) {
        if gone.changed().await.is_err() {
            return;
        }
    }
}

/// A connection to the first address that answers; else how far away the peer is, as far as that is known.
async fn connect(net: &Inner, peer: &Enode) -> Result<(TcpStream, SocketAddr), Reach> {
    let _permit = net.dials.acquire().await;
    let addresses = match peer.endpoint() {
        Some(Endpoint { host: Host::Ip(ip), tcp, .. }) => vec![SocketAddr::new(*ip, *tcp)],
        Some(Endpoint { host: Host::Name(name), tcp, .. }) => {
            net.env.resolve(name, *tcp).await.unwrap_or_else(|error| {
                tracing::debug!(name, code = error.code(), "not resolved: {error}");
                Vec::new()
            })
        }
        None => Vec::new(),
    };
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    for address in &addresses {
        let error = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => error.kind(),
            Err(_) => std::io::ErrorKind::TimedOut,
        };
        tracing::debug!(%address, %error, "not connected");
    }
    net.stats.handshake_failed(if addresses.is_empty() { "net.resolve" } else { "net.connect" });
    Err(addresses.first().map_or(Reach::Lan, |address| Reach::of(address.ip())))
}
