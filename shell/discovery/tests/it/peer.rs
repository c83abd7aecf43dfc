//! A bare peer of v4: a socket, a key, and packets one by one.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;
use undertone_devp2p::NodeKey;
use undertone_devp2p::discv4::{Packet, Signed, WireEndpoint, decode};
use undertone_runtime::{Clock, Environment};

use crate::node::LONG;

pub(crate) struct Peer {
    pub(crate) socket: UdpSocket,
    pub(crate) key: NodeKey,
    pub(crate) to: SocketAddr,
    clock: Clock,
}

impl Peer {
    pub(crate) async fn new(key: NodeKey, to: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { socket, key, to, clock: Environment::system().unwrap().clock().clone() }
    }

    pub(crate) fn set_clock(&mut self, env: &Environment) {
        self.clock = env.clock().clone();
    }

    pub(crate) fn expiration(&self) -> u64 {
        self.clock.now().unix.secs() + 20
    }

    pub(crate) fn ping_packet(&self) -> Vec<u8> {
        let at = self.socket.local_addr().unwrap();
        let packet = Packet::Ping {
            version: 4,
            from: WireEndpoint::new(at, 30303),
            to: WireEndpoint::new(self.to, 0),
            expiration: self.expiration(),
            enr_seq: None,
            padding: None,
        };
        packet.encode(&self.key)
    }

    pub(crate) async fn send(&self, packet: &Packet) -> [u8; 32] {
        self.send_bytes(&packet.encode(&self.key)).await
    }

    /// Sends, and gives the hash that an answer quotes.
    pub(crate) async fn send_bytes(&self, bytes: &[u8]) -> [u8; 32] {
        self.socket.send_to(bytes, self.to).await.unwrap();
        bytes[..32].try_into().unwrap()
    }

    /// The next packet of v4; what is none is skipped.
    pub(crate) async fn next(&self) -> Signed {
        self.next_within(LONG).await.unwrap_or_else(|| panic!("no answer"))
    }

    pub(crate) async fn next_within(&self, time: Duration) -> Option<Signed> {
        let mut buffer = [0; 1_280];
        let read = async {
            loop {
                let (length, _) = self.socket.recv_from(&mut buffer).await.unwrap();
                if let Ok(signed) = decode(&buffer[..length]) {
                    return signed;
                }
            }
        };
        timeout(time, read).await.ok()
    }

    /// Proves our endpoint, as geth would.
    pub(crate) async fn bond(&self) {
        let mut ours = self.send_bytes(&self.ping_packet()).await;
        let mut answered = false;
        // Pings again as geth does, when it was pinged and when nothing comes.
        loop {
            match self.next_within(Duration::from_secs(2)).await {
                Some(Signed { hash, packet: Packet::Ping { .. }, .. }) => {
                    self.answer(hash).await;
                    answered = true;
                    ours = self.send_bytes(&self.ping_packet()).await;
                }
                Some(Signed { packet: Packet::Pong { ping_hash, .. }, .. })
                    if ping_hash == ours && answered =>
                {
                    return;
                }
                Some(_) => {}
                None => ours = self.send_bytes(&self.ping_packet()).await,
            }
        }
    }

    pub(crate) async fn answer(&self, ping_hash: [u8; 32]) {
        let to = WireEndpoint::new(self.to, 0);
        let pong = Packet::Pong { to, ping_hash, expiration: self.expiration(), enr_seq: None };
        self.send(&pong).await;
    }

    /// Pings until... the Pong: exactly one is sent, and must be answered.
    pub(crate) async fn ping_is_answered(&self) {
        let ours = self.send_bytes(&self.ping_packet()).await;
        loop {
            match self.next().await.packet {
                Packet::Pong { ping_hash, .. } if ping_hash == ours => return,
                _ => {}
            }
        }
    }

    /// Asks for nodes: exactly one request, which must be answered.
    pub(crate) async fn find_is_answered(&self) {
        let packet = Packet::FindNode { target: self.key.public().to_xy(), expiration: self.expiration() };
        self.send(&packet).await;
        while !matches!(self.next().await.packet, Packet::Neighbors { .. }) {}
    }
}
