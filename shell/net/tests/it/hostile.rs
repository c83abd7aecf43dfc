//! Connections that do not follow the protocol.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use undertone_base::Now;
use undertone_devp2p::{
    Admission, Capability, Closed, Config, DisconnectReason, Event, NodeKey, Offer, Session,
};
use undertone_net::LinkEnd;
use undertone_support::until_async;

use crate::raw::{connect, rest};
use crate::{LONG, Node, config};

#[tokio::test]
async fn garbage_is_closed_without_a_word() {
    let bob = Node::start(config(2)).await;
    for first in [0x00, 0x01, 0x16, 0xff] {
        let mut stream = connect(&bob).await;
        stream.write_all(&[first; 400]).await.unwrap();
        assert_eq!(rest(&mut stream).await, b"");
    }
    assert_eq!(bob.net.stats().handshakes_failed.get("rlpx.handshake"), Some(&4));
    bob.stop().await;
}

#[tokio::test]
async fn a_connection_that_closes_at_once_leaves_nothing() {
    let bob = Node::start(config(2)).await;
    drop(connect(&bob).await);
    bob.counted("net.eof").await;
    bob.stop().await;
}

/// A session of our own making: up to its first event after the authentication.
async fn handshake(node: &Node, key: NodeKey) -> (TcpStream, Session, Event) {
    let mut stream = connect(node).await;
    let mut rng = undertone_support::rng(9);
    let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
    let now = Now::default();
    let config = Config::new(key, "by hand", vec![offer]);
    let mut session = Session::dial(config, *node.net.enode().key(), now, &mut rng);
    let mut buffer = vec![0; 4_096];
    loop {
        if let Some(bytes) = session.poll_transmit() {
            stream.write_all(&bytes).await.unwrap();
        }
        let read = timeout(LONG, stream.read(&mut buffer)).await.unwrap().unwrap();
        session.receive(now, &buffer[..read], &mut rng);
        while let Some(event) = session.poll_event() {
            match event {
                Event::Authenticated(_) => session.admit(now, Admission::Admit, &mut rng),
                event => {
                    // Our Hello, when the peer's came together with its ack.
                    let hello = session.poll_transmit().unwrap_or_default();
                    stream.write_all(&hello).await.unwrap();
                    return (stream, session, event);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_breaks_its_frames_is_cut() {
    let mut bob = Node::start(config(2)).await;
    let (mut stream, mut session, event) = handshake(&bob, crate::key(9)).await;
    assert!(matches!(event, Event::Established { .. }));
    bob.connected().await;
    session.send(Now::default(), 0, 0, b"forged").unwrap();
    let mut bytes = session.poll_transmit().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(bob.disconnected().await.code(), "rlpx.body_mac");
    assert_eq!(rest(&mut stream).await, b"");
    assert_eq!(bob.net.stats().messages_in, 0);
    bob.stop().await;
}

#[tokio::test]
async fn our_own_key_is_refused() {
    let bob = Node::start(config(2)).await;
    let (_, _, event) = handshake(&bob, crate::key(2)).await;
    assert_eq!(event, Event::Closed(Closed::ByPeer(DisconnectReason::SELF)));
    assert!(bob.net.peers().is_empty());
    bob.stop().await;
}

/// The node's clock for sockets is moved only when the link stands still.
#[tokio::test]
async fn a_peer_that_reads_nothing_is_cut_after_the_write_timeout() {
    let mut bob = Node::start(config(2)).await;
    let (_unread, _session, _) = handshake(&bob, crate::key(9)).await;
    let peer = bob.connected().await;
    let mut bytes = vec![0; 1_000_000];
    rand_core::Rng::fill_bytes(&mut undertone_support::rng(1), &mut bytes);
    // Bytes go out until the buffers of the system are full: until nothing more went out in 60 looks.
    let (mut written, mut still) = (0, 0);
    let full = || {
        while bob.net.send(peer, 0, 0, bytes.clone()).is_ok() {}
        still = if written == bob.net.stats().bytes_out { still + 1 } else { 0 };
        written = bob.net.stats().bytes_out;
        still >= 60
    };
    assert!(until_async(LONG, full).await);
    tokio::time::pause();
    assert_eq!(bob.disconnected().await, LinkEnd::Io(ErrorKind::TimedOut));
    assert!(bob.net.stats().dropped > 0 && bob.net.peers().is_empty());
    tokio::time::resume();
    bob.stop().await;
}
