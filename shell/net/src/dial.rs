//! Dialling whom the peer manager names.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use undertone_devp2p::{Endpoint, Enode, Host};
use undertone_peers::{Attempt, Dial, DialOutcome, Reach};
use undertone_runtime::Tasks;

use crate::connection::{self, Fresh};
use crate::limits::CONNECT_TIMEOUT;
use crate::net::Inner;

/// Asks the manager whom to dial, and is its clock, until the network stops.
pub(crate) async fn run(net: Arc<Inner>, tasks: Tasks) {
    loop {
        while let Some(dial) = net.registry.poll_dial() {
            let net = Arc::clone(&net);
            tasks.spawn("net.dial", async move { one(net, dial).await });
        }
        let wait = net.registry.poll_timeout().map(|at| at.since(net.env.now().mono));
        tokio::select! {
            biased;
            () = net.stop.cancelled() => return,
            () = net.registry.changed.notified() => {}
            () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

/// One attempt, from the name to the end of its link.
async fn one(net: Arc<Inner>, dial: Dial) {
    let stop = net.stop.clone();
    // A network that stops dials nobody any more, and its manager need not know.
    let Some(connected) = stop.run_until_cancelled(connect(&net, &dial.enode)).await else { return };
    let outcome = match connected {
        Err(reach) => DialOutcome { reach, attempt: Attempt::Unreachable },
        Ok((stream, address)) => {
            let fresh = Fresh { stream, address, dialled: Some((dial.id, *dial.enode.key())), pending: None };
            let lived = Box::pin(connection::run(Arc::clone(&net), fresh)).await;
            let attempt = lived.map_or(Attempt::Failed, Attempt::Lived);
            DialOutcome { reach: Reach::of(address.ip()), attempt }
        }
    };
    tracing::trace!(enode = %dial.enode, ?outcome, "a dial is over");
    net.registry.dial_over(dial.id, outcome);
}

/// A connection to the first address that answers; else how far away the peer is, as far as that is known.
async fn connect(net: &Inner, peer: &Enode) -> Result<(TcpStream, SocketAddr), Reach> {
    let mut addresses = match peer.endpoint() {
        Some(Endpoint { host: Host::Ip(ip), tcp, .. }) => vec![SocketAddr::new(*ip, *tcp)],
        Some(Endpoint { host: Host::Name(name), tcp, .. }) => {
            net.env.resolve(name, *tcp).await.unwrap_or_else(|error| {
                tracing::debug!(name, code = error.code(), "not resolved: {error}");
                Vec::new()
            })
        }
        None => Vec::new(),
    };
    addresses.retain(|address| net.registry.allows(address.ip()));
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
