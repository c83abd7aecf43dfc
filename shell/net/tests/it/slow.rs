//! Peers that are slow, silent or deaf, in virtual time: each is shed within its timeout, and costs little until
//! then. Who reads nothing is in `hostile.rs`.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use undertone_base::Mono;
use undertone_devp2p::limits::{HANDSHAKE_TIMEOUT, READ_TIMEOUT};
use undertone_devp2p::{Closed, Endpoint, Enode, Host, WireError};
use undertone_net::{LinkEnd, NetConfig, NetEvent, limits};

use crate::raw::{Auth, EMPTY, FIRST, HELLO, Raw, compress, connect, packet, rest, secret};
use crate::{Node, by_hand, config};

const SECOND: Duration = Duration::from_secs(1);

/// A byte each second does not make the budget longer.
#[tokio::test(start_paused = true)]
async fn a_handshake_of_one_byte_a_second_is_cut_after_five() {
    let (bob, hand) = by_hand(config(2)).await;
    let to = *bob.net.enode().key();
    let auth = packet(&to, &Auth::new(&secret(9), &secret(8), [3; 32], &to).body());
    let mut stream = connect(&bob).await;
    for byte in auth.chunks(1).take(5) {
        stream.write_all(byte).await.unwrap();
        crate::settle().await;
        assert_eq!(bob.links(), 1);
        hand.pass(SECOND).await;
    }
    assert_eq!(rest(&mut stream).await, b"");
    assert_eq!(bob.net.stats().handshakes_failed.get("rlpx.timed_out"), Some(&1));
    assert_eq!((bob.links(), bob.net.stats().bytes_in), (0, 5));
    bob.stop().await;
}

/// Nor does it after the keys are made.
#[tokio::test(start_paused = true)]
async fn a_hello_of_one_byte_a_second_is_cut_after_five() {
    let (bob, hand) = by_hand(config(2)).await;
    let mut raw = Raw::keyed(&bob, 9).await;
    assert_eq!(raw.next().await, "Hello");
    let hello = raw.hello().encode();
    let frame = raw.frame(HELLO, &hello);
    for byte in frame.chunks(1).take(5) {
        assert_eq!(bob.links(), 1);
        raw.bytes(byte).await;
        hand.pass(SECOND).await;
    }
    assert_eq!(raw.seen().await, "");
    assert_eq!(bob.net.stats().handshakes_failed.get("rlpx.timed_out"), Some(&1));
    bob.stop().await;
}

/// The same from the other side: whom we dialled and who says nothing holds a dial for no longer.
#[tokio::test(start_paused = true)]
async fn a_dialled_node_that_says_nothing_is_given_up_after_five_seconds() {
    let listener = tokio::net::TcpListener::bind(crate::ANY).await.unwrap();
    let at = Endpoint { host: Host::Ip(crate::ANY.ip()), tcp: listener.local_addr().unwrap().port(), udp: 0 };
    let static_peers = vec![Enode::new(secret(9).public(), at)];
    let (alice, hand) = by_hand(NetConfig { static_peers, listen: None, ..config(1) }).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    hand.pass(HANDSHAKE_TIMEOUT - Duration::from_millis(1)).await;
    assert_eq!(alice.net.counts().dialling, 1);
    hand.pass(Duration::from_millis(1)).await;
    assert!(rest(&mut stream).await.len() > 307, "the auth and nothing else");
    assert_eq!(alice.net.counts().dialling, 0);
    assert_eq!(alice.net.stats().handshakes_failed.get("rlpx.timed_out"), Some(&1));
    // It is dialled again after a pause.
    hand.pass(SECOND).await;
    listener.accept().await.unwrap();
    alice.stop().await;
}

/// A link whose other end went away without closing: a ping after 15 s, the end after 30.
#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_cut_after_thirty_seconds() {
    let (mut bob, hand) = by_hand(config(2)).await;
    let raw = Raw::established(&mut bob, 9).await;
    hand.pass(READ_TIMEOUT / 2).await;
    hand.pass(READ_TIMEOUT / 2 - Duration::from_millis(1)).await;
    assert_eq!(bob.net.peers().len(), 1);
    hand.pass(Duration::from_millis(1)).await;
    // geth says nothing at the end; we say why.
    assert_eq!(raw.seen().await, "msg2(c0) Disconnect(c10b, snappy-compressed)");
    assert_eq!(bob.disconnected().await, LinkEnd::Session(Closed::Fault(WireError::TimedOut)));
    bob.stop().await;
}

/// Half a message a second is no message: what was announced must come within the time for one.
#[tokio::test(start_paused = true)]
async fn a_frame_of_one_byte_a_second_is_cut_after_thirty() {
    let (mut bob, hand) = by_hand(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    let frame = raw.frame(FIRST, &compress(&[0x55; 200]));
    for byte in frame.chunks(1).take(30) {
        assert_eq!(bob.net.peers().len(), 1);
        raw.bytes(byte).await;
        hand.pass(SECOND).await;
    }
    assert!(raw.seen().await.ends_with("Disconnect(c10b, snappy-compressed)"));
    assert_eq!(bob.disconnected().await, LinkEnd::Session(Closed::Fault(WireError::TimedOut)));
    bob.stop().await;
}

/// Who takes a little now and then still has to take all of it in time.
#[tokio::test]
async fn a_peer_that_reads_one_byte_at_a_time_is_cut_after_the_write_timeout() {
    let (mut bob, _) = by_hand(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    let peer = bob.net.peers()[0].peer;
    let mut noise = vec![0; 1_000_000];
    rand_core::Rng::fill_bytes(&mut undertone_support::rng(1), &mut noise);
    let (mut written, mut still) = (0, 0);
    let full = || {
        while bob.net.send(peer, 0, 0, noise.clone()).is_ok() {}
        still = if written == bob.net.stats().bytes_out { still + 1 } else { 0 };
        written = bob.net.stats().bytes_out;
        still >= 60
    };
    assert!(undertone_support::until_async(crate::LONG, full).await);
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let trickle = async {
        let mut byte = [0];
        while matches!(tokio::io::AsyncReadExt::read(&mut raw.stream, &mut byte).await, Ok(1)) {
            tokio::time::sleep(SECOND).await;
        }
    };
    let end = tokio::select! {
        end = bob.disconnected() => end,
        () = trickle => panic!("all was read"),
    };
    assert_eq!(end, LinkEnd::Io(std::io::ErrorKind::TimedOut));
    assert!(start.elapsed() <= limits::WRITE_TIMEOUT + SECOND);
    tokio::time::resume();
    bob.stop().await;
}

/// Peers that stop halfway through large frames take the places that there are for all; others go on, and who stopped
/// is cut.
#[tokio::test(start_paused = true)]
async fn unfinished_frames_of_all_peers_together_are_bounded() {
    let places = 2;
    let (mut bob, hand) = by_hand(NetConfig { large_frames: places, ..config(2) }).await;
    let before = bob.net.stats().bytes_in;
    let mut lazy = Vec::new();
    let mut noise = vec![0; 1_000_000];
    rand_core::Rng::fill_bytes(&mut undertone_support::rng(1), &mut noise);
    for seed in 10..20 {
        let mut raw = Raw::established(&mut bob, seed).await;
        let frame = raw.frame(FIRST, &compress(&noise));
        // As much as the sockets on the way take.
        let _ = raw.stream.try_write(&frame[..900_000]);
        crate::settle().await;
        lazy.push(raw);
    }
    let mut other = Raw::established(&mut bob, 30).await;
    hand.pass(SECOND).await;
    let held = bob.net.stats().bytes_in - before;
    // What was sent in the places, and two reads of each of the others.
    let bound = places * 900_000 + 11 * 2 * limits::READ_BUFFER;
    assert!(held < u64::try_from(bound).unwrap(), "{held} of {bound}");
    let message = other.frame(FIRST, &compress(EMPTY));
    other.bytes(&message).await;
    assert_eq!(bob.message().await.0, 0);
    for _ in 0..29 {
        let ping = other.frame(crate::raw::PING, &compress(EMPTY));
        other.bytes(&ping).await;
        hand.pass(SECOND).await;
    }
    for _ in &lazy {
        assert_eq!(bob.disconnected().await, LinkEnd::Session(Closed::Fault(WireError::TimedOut)));
    }
    // There is room again, for a large message too. The system's own timers decide how soon it is through.
    tokio::time::resume();
    let message = other.frame(FIRST, &compress(&noise));
    let (sent, received) = tokio::join!(other.bytes(&message), bob.message());
    assert_eq!((sent, received.1), ((), noise));
    bob.stop().await;
}

/// Each ping earns a pong, but only one waits, however many came while the peer read nothing.
#[tokio::test(start_paused = true)]
async fn a_peer_that_pings_and_never_reads_is_owed_one_pong() {
    let (mut bob, hand) = by_hand(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    let before = bob.net.stats().bytes_out;
    let pings: Vec<u8> = (0..30).flat_map(|_| raw.frame(crate::raw::PING, &compress(EMPTY))).collect();
    raw.bytes(&pings).await;
    hand.pass(Duration::from_millis(1)).await;
    assert_eq!(bob.net.stats().bytes_out - before, 64);
    let one_more = raw.frame(crate::raw::PING, &compress(EMPTY));
    raw.bytes(&one_more).await;
    assert_eq!(raw.seen().await, "msg3(c0) Disconnect(c102, snappy-compressed)");
    assert_eq!(bob.disconnected().await, LinkEnd::Session(Closed::Fault(WireError::PingFlood)));
    bob.stop().await;
}

/// Hundreds of silent ones at once: the budget counts for each from its own beginning.
#[tokio::test(start_paused = true)]
async fn all_of_many_silent_connections_are_shed_together() {
    let (bob, hand) = by_hand(config(2)).await;
    let mut silent = Vec::new();
    for host in 1..=10 {
        silent.push(crate::raw::connect_from(&bob, host).await);
    }
    hand.pass(HANDSHAKE_TIMEOUT - Duration::from_millis(1)).await;
    assert_eq!(bob.links(), 10);
    hand.pass(Duration::from_millis(1)).await;
    for stream in &mut silent {
        assert_eq!(rest(stream).await, b"");
    }
    assert_eq!(bob.links(), 0);
    bob.stop().await;
}

/// Whoever is deferred is not read until then, is written to meanwhile, and keeps its link; the others are read.
#[tokio::test(start_paused = true)]
async fn a_deferred_peer_waits_and_no_other_does() {
    let (mut bob, hand) = by_hand(config(2)).await;
    let mut flooder = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    let (to_bob, to_flooder) = (flooder.connected().await, bob.connected().await);
    let honest = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(3) }).await;
    let honest_at_bob = bob.connected().await;

    let until = Mono::ZERO.after(Duration::from_secs(1));
    bob.net.defer(to_flooder, until);
    flooder.net.send(to_bob, 0, 1, b"flood".to_vec()).unwrap();
    bob.net.send(to_flooder, 0, 2, b"written all the same".to_vec()).unwrap();
    assert_eq!(flooder.message().await.1, b"written all the same");
    let to = honest.net.peers()[0].peer;
    honest.net.send(to, 0, 1, b"from another".to_vec()).unwrap();
    let from = loop {
        if let NetEvent::Message { peer, payload, .. } = bob.next().await {
            assert_eq!(payload, b"from another");
            break peer;
        }
    };
    assert_eq!(from, honest_at_bob);
    hand.pass(Duration::from_millis(999)).await;
    assert!(
        !std::iter::from_fn(|| bob.events.try_recv().ok()).any(|e| matches!(e, NetEvent::Message { .. }))
    );
    hand.pass(Duration::from_millis(2)).await;
    assert_eq!(bob.message().await, (1, b"flood".to_vec()));

    // A word that is over already ends the pause.
    bob.net.defer(to_flooder, Mono::ZERO.after(Duration::from_secs(3_600)));
    bob.net.defer(to_flooder, Mono::ZERO);
    flooder.net.send(to_bob, 0, 1, b"again".to_vec()).unwrap();
    assert_eq!(bob.message().await, (1, b"again".to_vec()));
    for node in [flooder, honest, bob] {
        node.stop().await;
    }
}
