//! Datagrams in and out.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use undertone_devp2p::limits::MAX_DATAGRAM;

use crate::v5::{V5, V5Event};

/// One byte more than a datagram may have, so that a longer one is seen to be longer.
const BUFFER: usize = MAX_DATAGRAM + 1;

/// Who reads the socket.
enum Reader {
    /// Nobody: there is none.
    Nobody,
    /// We do.
    Own(Box<[u8; BUFFER]>),
    /// v5 does, and hands over what is not its own.
    V5(Box<V5>),
}

/// What came.
pub(crate) enum Came {
    /// A datagram.
    Datagram { from: SocketAddr, bytes: Vec<u8> },
    /// A datagram that is too long, whoever sent it.
    Oversize,
    /// From v5, but for datagrams.
    V5(V5Event),
}

/// The socket and its reader.
pub(crate) struct Io {
    socket: Option<Arc<UdpSocket>>,
    family: Family,
    reader: Reader,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    V4,
    V6,
}

impl Io {
    /// Without a socket.
    pub(crate) const fn nobody() -> Self {
        Self { socket: None, family: Family::V4, reader: Reader::Nobody }
    }

    /// A socket that we read.
    pub(crate) fn own(socket: Arc<UdpSocket>) -> Self {
        Self::new(socket, Reader::Own(Box::new([0; BUFFER])))
    }

    /// A socket that v5 reads.
    pub(crate) fn shared(socket: Arc<UdpSocket>, v5: V5) -> Self {
        Self::new(socket, Reader::V5(Box::new(v5)))
    }

    fn new(socket: Arc<UdpSocket>, reader: Reader) -> Self {
        let family = match socket.local_addr() {
            Ok(SocketAddr::V6(_)) => Family::V6,
            Ok(SocketAddr::V4(_)) | Err(_) => Family::V4,
        };
        Self { socket: Some(socket), family, reader }
    }

    /// Goes on without v5.
    pub(crate) fn drop_v5(&mut self) {
        self.reader = Reader::Own(Box::new([0; BUFFER]));
    }

    pub(crate) fn v5(&mut self) -> Option<&mut V5> {
        match &mut self.reader {
            Reader::V5(v5) => Some(v5),
            Reader::Own(_) | Reader::Nobody => None,
        }
    }

    /// The next thing that comes. May be cancelled: nothing is lost.
    pub(crate) async fn next(&mut self) -> Came {
        match (&mut self.reader, &self.socket) {
            (Reader::V5(v5), _) => match v5.next().await {
                V5Event::Datagram { from, bytes } => Came::Datagram { from, bytes },
                other => Came::V5(other),
            },
            (Reader::Own(buffer), Some(socket)) => read(socket, buffer).await,
            (Reader::Own(_) | Reader::Nobody, _) => std::future::pending().await,
        }
    }

    /// Sends, or not: a datagram may be lost anywhere. Waits while the system has no room. `false` when it refused.
    pub(crate) async fn send(&mut self, bytes: &[u8], to: SocketAddr) -> bool {
        let Some(socket) = &self.socket else { return true };
        let to = match (self.family, to.ip()) {
            // A socket of IPv6 that takes both families names IPv4 addresses in their mapped form.
            (Family::V6, IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        };
        socket.send_to(bytes, to).await.is_ok()
    }
}

async fn read(socket: &UdpSocket, buffer: &mut [u8; BUFFER]) -> Came {
    loop {
        match socket.recv_from(buffer).await {
            Ok((length, from)) => match buffer.get(..length) {
                Some(bytes) if length <= MAX_DATAGRAM => {
                    return Came::Datagram { from, bytes: bytes.to_vec() };
                }
                Some(_) | None => return Came::Oversize,
            },
            // Some systems report here that an earlier datagram did not arrive.
            Err(error) => {
                tracing::trace!(%error, "cannot read a datagram");
                if error.kind() != io::ErrorKind::ConnectionReset {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}
