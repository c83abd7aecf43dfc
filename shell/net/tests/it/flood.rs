//! Many connections at once: what they can keep busy, and what they cannot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use undertone_devp2p::limits::MAX_HANDSHAKE_PACKET;
use undertone_net::{NetConfig, limits};
use undertone_peers::BanTarget;
use undertone_peers::limits::{MAX_PENDING, MAX_PENDING_PER_HOST};
use undertone_support::until_async;

use crate::raw::{Auth, EMPTY, FIRST, Raw, compress, connect, connect_from, packet, rest, secret};
use crate::{LONG, Node, by_hand, config};

const HOSTS: usize = MAX_PENDING / MAX_PENDING_PER_HOST;
/// Handshakes that may be done between a word and its arrival: three rounds of the eight that are always under way.
const AHEAD: usize = 24;

/// Silent connections in all places for handshakes.
async fn fill(bob: &Node) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for host in 0..HOSTS {
        for _ in 0..MAX_PENDING_PER_HOST {
            silent.push(connect_from(bob, u8::try_from(host + 2).unwrap()).await);
        }
    }
    assert!(until_async(LONG, || bob.net.counts().pending == MAX_PENDING).await);
    silent
}

/// Silent connections fill the places for handshakes; the next one is not accepted until one of them goes. The node's
/// clock stands still, so that none of them is cut meanwhile.
#[tokio::test]
async fn pending_handshakes_are_bounded() {
    let (mut bob, _) = by_hand(config(2)).await;
    let mut silent = fill(&bob).await;
    let mut next = connect(&bob).await;
    next.write_all(&[0xff; 400]).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!((bob.links(), bob.net.counts().pending), (MAX_PENDING, MAX_PENDING));
    drop(silent.pop());
    assert_eq!(rest(&mut next).await, b"");
    bob.counted("rlpx.handshake").await;
    drop(silent);
    // An honest peer still gets in.
    let alice = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    bob.connected().await;
    assert!(until_async(LONG, || bob.net.counts().pending == 0).await);
    alice.stop().await;
    bob.stop().await;
}

/// One host fills its own places and no others.
#[tokio::test]
async fn one_host_cannot_keep_the_others_out() {
    let (mut bob, _) = by_hand(config(2)).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_PENDING_PER_HOST {
        silent.push(connect_from(&bob, 2).await);
    }
    assert!(until_async(LONG, || bob.links() == MAX_PENDING_PER_HOST).await);
    for _ in 0..100 {
        let mut more = connect_from(&bob, 2).await;
        assert_eq!(rest(&mut more).await, b"");
    }
    assert_eq!(bob.net.stats().refused.get("peers.busy_source"), Some(&100));
    assert_eq!(bob.net.stats().bytes_in, 0);
    let alice = Node::start(NetConfig { static_peers: vec![bob.net.enode()], ..config(1) }).await;
    bob.connected().await;
    alice.stop().await;
    drop(silent);
    bob.stop().await;
}

/// What an address decides is decided before a byte is read: no cryptography, no task.
#[tokio::test]
async fn banned_and_foreign_addresses_are_closed_unread() {
    let restrict = vec!["127.0.0.0/30".parse().unwrap()];
    let bob = Node::start(NetConfig { restrict, ..config(2) }).await;
    bob.net.ban(BanTarget::Ip([127, 0, 0, 2].into()), None);
    let to = *bob.net.enode().key();
    let auth = packet(&to, &Auth::new(&secret(9), &secret(8), [3; 32], &to).body());
    for (host, code) in [(9, "peers.restricted"), (2, "peers.banned")] {
        for _ in 0..20 {
            let mut stream = connect_from(&bob, host).await;
            // It may be closed before that is written.
            let _ = stream.write_all(&auth).await;
            assert_eq!(rest(&mut stream).await, b"");
        }
        assert_eq!(bob.net.stats().refused.get(code), Some(&20));
    }
    assert_eq!((bob.net.stats().bytes_in, bob.links()), (0, 0));
    let mut stream = connect_from(&bob, 1).await;
    stream.write_all(&auth).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(!rest(&mut stream).await.is_empty());
    bob.stop().await;
}

/// In all places a handshake that is complete but for its last byte, and a link that sends without being let in:
/// what is held of them is what a packet may be long.
#[test]
fn memory_is_bounded_while_a_flood_lasts() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut raw, mut bob) = runtime.block_on(async {
        let (mut bob, _) = by_hand(config(2)).await;
        (Raw::established(&mut bob, 9).await, bob)
    });
    let held = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut streams = fill(&bob).await;
            let mut noise = vec![0xa5; MAX_HANDSHAKE_PACKET + 1];
            noise[..2].copy_from_slice(&2_048u16.to_be_bytes());
            for stream in &mut streams {
                stream.write_all(&noise).await.unwrap();
            }
            let whole = u64::try_from(noise.len() * streams.len()).unwrap();
            let before = bob.net.stats().bytes_in;
            assert!(until_async(LONG, || bob.net.stats().bytes_in - before == whole).await);
            assert_eq!(bob.links(), MAX_PENDING + 1);
        });
    });
    // Of each its task with the session in it, three times the packet while its buffer grows, and its socket here.
    assert!(held.bytes_max < 50 * 32 * 1_024, "{} bytes", held.bytes_max);
    runtime.block_on(async {
        raw.packed(FIRST, EMPTY).await;
        assert_eq!(bob.message().await, (0, EMPTY.to_vec()));
        bob.stop().await;
    });
}

/// Complete handshakes without end, each of which costs the node five multiplications of points: a peer that is
/// there already is served meanwhile. On one thread, so that what is counted is the order of the work and not the
/// machine's other business.
#[tokio::test]
async fn a_peer_is_served_while_handshakes_flood() {
    let mut bob = Node::start(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    let to = *bob.net.enode().key();
    let auth = packet(&to, &Auth::new(&secret(10), &secret(8), [3; 32], &to).body());
    let done = AtomicUsize::new(0);
    let flood = async {
        let one = |host: u8| {
            let (bob, auth, done) = (&bob, &auth, &done);
            async move {
                loop {
                    let mut stream = connect_from(bob, host).await;
                    let _ = stream.write_all(auth).await;
                    let _ = stream.shutdown().await;
                    rest(&mut stream).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        tokio::join!(one(2), one(3), one(4), one(5), one(6), one(7), one(8), one(9))
    };
    let peer = bob.net.peers()[0].peer;
    let served = async {
        let mut most = 0;
        let mut rounds = 0;
        while rounds < 200 || done.load(Ordering::Relaxed) < 400 {
            let before = done.load(Ordering::Relaxed);
            bob.net.send(peer, 0, 0, EMPTY.to_vec()).unwrap();
            assert_eq!(raw.next().await, "msg16(c0)");
            most = most.max(done.load(Ordering::Relaxed) - before);
            rounds += 1;
        }
        most
    };
    let most = tokio::select! {
        most = served => most,
        _ = flood => unreachable!("it has no end"),
    };
    assert!(most <= AHEAD, "{most} handshakes before one word");
    drop(raw);
    bob.stop().await;
}

/// Who is told why it may not come in, and does not go, keeps its place meanwhile: the sockets of such are bounded.
#[tokio::test(start_paused = true)]
async fn refused_peers_that_do_not_go_keep_their_places_for_a_second() {
    let (bob, hand) = by_hand(NetConfig { max_peers: 0, ..config(2) }).await;
    let mut refused = Vec::new();
    for _ in 0..MAX_PENDING_PER_HOST {
        refused.push(Raw::keyed_over(connect_from(&bob, 2).await, &bob, secret(9)).await);
    }
    assert_eq!(bob.net.counts().pending, MAX_PENDING_PER_HOST);
    assert_eq!(rest(&mut connect_from(&bob, 2).await).await, b"");
    assert_eq!(bob.net.stats().refused.get("peers.busy_source"), Some(&1));
    hand.pass(limits::GOODBYE_TIMEOUT).await;
    assert_eq!((bob.net.counts().pending, bob.links()), (0, 0));
    for raw in refused {
        assert_eq!(raw.seen().await, "Disconnect(c104, not compressed)");
    }
    bob.stop().await;
}

/// A flood of connections that say nothing is over five seconds after it has begun, whatever comes behind it.
#[tokio::test(start_paused = true)]
async fn the_places_of_a_silent_flood_are_free_again_after_five_seconds() {
    let (mut bob, hand) = by_hand(config(2)).await;
    let mut silent = Vec::new();
    for host in 0..HOSTS {
        for _ in 0..MAX_PENDING_PER_HOST {
            silent.push(connect_from(&bob, u8::try_from(host + 2).unwrap()).await);
        }
    }
    hand.pass(Duration::from_secs(4)).await;
    assert_eq!(bob.links(), MAX_PENDING);
    let waits = connect(&bob).await;
    hand.pass(Duration::from_secs(1)).await;
    assert_eq!(bob.net.stats().handshakes_failed.get("rlpx.timed_out"), Some(&50));
    let raw = Raw::keyed_over(waits, &bob, secret(9)).await;
    let mut raw = raw.greet(&mut bob).await;
    let message = raw.frame(FIRST, &compress(EMPTY));
    raw.bytes(&message).await;
    assert_eq!(bob.message().await.0, 0);
    drop(silent);
    bob.stop().await;
}
