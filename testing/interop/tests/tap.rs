//! A TCP relay that counts what passes, so that a case can tell what our node sends to whom without asking it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use undertone_devp2p::{Endpoint, Enode, Host};

/// Stands before a node; connections end with it.
pub(crate) struct Tap {
    _runtime: Runtime,
    enode: Enode,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    from_node: AtomicU64,
    to_node: AtomicU64,
}

impl Tap {
    /// Stands before `node`.
    pub(crate) fn before(node: &Enode) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let Some(Endpoint { host: Host::Ip(ip), tcp, .. }) = node.endpoint() else {
            anyhow::bail!("{node} has no address")
        };
        let target = SocketAddr::new(*ip, *tcp);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr().context("bound")?;
        let endpoint = Endpoint { host: Host::Ip(address.ip()), tcp: address.port(), udp: 0 };
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(node) = TcpStream::connect(target).await else { continue };
                let (client_in, client_out) = client.into_split();
                let (node_in, node_out) = node.into_split();
                let (up, down) = (Arc::clone(&shared), Arc::clone(&shared));
                tokio::spawn(async move { pass(client_in, node_out, &up.to_node).await });
                tokio::spawn(async move { pass(node_in, client_out, &down.from_node).await });
            }
        });
        Ok(Self { _runtime: runtime, enode: Enode::new(*node.key(), endpoint), counts })
    }

    /// The node, as it is reached through here.
    pub(crate) const fn enode(&self) -> &Enode {
        &self.enode
    }

    /// Bytes that the node sent through here.
    pub(crate) fn sent_by_node(&self) -> u64 {
        self.counts.from_node.load(Ordering::Acquire)
    }

    /// Bytes that were sent to the node.
    pub(crate) fn sent_to_node(&self) -> u64 {
        self.counts.to_node.load(Ordering::Acquire)
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, count: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        let bytes = buffer.get(..read).unwrap_or_default();
        count.fetch_add(u64::try_from(read).unwrap_or_default(), Ordering::AcqRel);
        if bytes.is_empty() || to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
