//! The violation table (`devp2p.md` 2.9), each row over real TCP with hand-made bytes: what the other side sees, and
//! what our node reports. What geth does stands beside it in `rlpx.json/server_behaviour`; where we say more than
//! geth, the row says so.
//!
//! | row | test here | on the machine (`devp2p::session`) |
//! |---|---|---|
//! | garbage or undecryptable auth, wrong sizes, bad key or signature: silent | `bad_auths_are_closed_without_a_word`, `points::*` | `auth_packets_that_geth_refuses_are_refused` |
//! | connection silent: closed after 5 s | `a_silent_connection_is_closed_after_the_handshake_budget` | `before_keys` |
//! | no Hello within 5 s: closed, no Disconnect | `without_a_hello_the_link_is_closed_after_five_seconds` | `server_behaviour` |
//! | Hello with another key: 0x09 | `hellos_that_cannot_be_are_answered_with_their_reason` | `server_behaviour` |
//! | Hello key zero or not 64 bytes: 0x07, uncompressed | same | `server_behaviour` |
//! | Hello over 2,048 bytes or malformed: silent (we: 0x02) | same | `server_behaviour` |
//! | first message neither Hello nor Disconnect: silent | same | `server_behaviour` |
//! | no shared capability: 0x03 | same | `server_behaviour` |
//! | own key, connected already, no slot: 0x0a, 0x05, 0x04 instead of Hello | `whom_we_do_not_want_reads_why_instead_of_a_hello` | `server_behaviour` |
//! | second Hello, ids 4 to 15, Ping with junk: ignored, answered | `what_geth_ignores_is_ignored` | `server_behaviour` |
//! | id beyond all capabilities: silent (we: 0x02) | `frames_that_cannot_be_end_the_link` | `server_behaviour` |
//! | bad header or body MAC: silent | same | `every_flipped_bit_of_a_frame_is_noticed` |
//! | bad id, bad or oversize snappy: silent (we: 0x02) | same | `frames_that_geth_refuses_are_refused` |
//! | a handler cannot decode, fails, ends: 0x02, 0x10, 0x08 | `what_a_handler_says_reaches_the_peer` | `server_behaviour` |
//! | a handler writes an id beyond its length: local error | `a_code_beyond_the_length_is_refused_and_the_link_stays` | `a_code_beyond_the_length_is_not_sent` |
//! | Disconnect(r): echoed, not for 1; closed | `a_disconnect_is_echoed_in_every_form` | `server_behaviour` |
//! | shutdown, RemovePeer: 0x08, 0x00 | `shutdown_and_removal_say_so` | – |
//! | nothing for 30 s: Ping, then closed (we: 0x0b) | `slow::a_peer_that_falls_silent_is_cut_after_thirty_seconds` | `server_behaviour` |

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use undertone_crypto::SecretKey;
use undertone_devp2p::{Closed, DisconnectReason, NodeKey, WireError};
use undertone_net::{LinkEnd, NetConfig, SendRefused};
use undertone_vectors::{hex, load};

use crate::raw::{
    Auth, DISCONNECT, EMPTY, FIRST, HELLO, PING, Raw, compress, connect, list, packet, rest, secret, string,
    uint,
};
use crate::{Node, by_hand, config};

/// What a node reports of a link that did not come about.
async fn failed(node: &Node, code: &'static str, times: u64) {
    node.counted(code).await;
    assert_eq!(node.net.stats().handshakes_failed.get(code), Some(&times), "{:?}", node.net.stats());
}

fn fault(fault: WireError) -> LinkEnd {
    LinkEnd::Session(Closed::Fault(fault))
}

/// The packets of `negative_auth`, made for a recipient with a known key; garbage; sizes out of range; whatever
/// decrypts and says something else than an auth does.
#[tokio::test]
async fn bad_auths_are_closed_without_a_word() {
    let file = load("rlpx");
    let section = &file["negative_auth"];
    let key = SecretKey::from_slice(&hex(&section["recipient_static_key"])).unwrap();
    let to = key.public();
    let bob = Node::start(NetConfig { key: NodeKey::new(key), ..config(2) }).await;
    let mut tried = 0;
    for case in section["cases"].as_array().unwrap() {
        let (note, expect) = (case["note"].as_str().unwrap(), case["expect"].as_str().unwrap());
        let mut stream = connect(&bob).await;
        stream.write_all(&hex(&case["auth"])).await.unwrap();
        stream.shutdown().await.unwrap();
        // An accepted one is answered: ack and Hello.
        assert_eq!(rest(&mut stream).await.is_empty(), expect != "ok", "{note}");
        tried += 1;
    }
    assert_eq!(tried, 18);

    let noise = |first: u16, length: usize| [&first.to_be_bytes()[..], &vec![0xa5; length]].concat();
    let right = || Auth::new(&secret(9), &secret(8), [3; 32], &to);
    let with = |change: fn(&mut Auth)| {
        let mut auth = right();
        change(&mut auth);
        packet(&to, &auth.body())
    };
    let bad = [
        ("400 bytes of garbage", noise(0xa5a5, 398)),
        ("size 0", noise(0, 400)),
        ("size 306", noise(306, 400)),
        ("size 2,049", noise(2_049, 2_100)),
        ("size 65,535", noise(0xffff, 400)),
        // Tried in the plain form; then its first bytes are a size, and the rest does not come.
        ("a point where a size should be", [&to.to_uncompressed()[..], &[0; 400]].concat()),
        ("an ack for an auth", packet(&to, &[0xf8, 0x64, 0xb8].repeat(80))),
        ("a signature of 66 bytes", with(|auth| auth.signature.push(0))),
        ("a signature of zeros", with(|auth| auth.signature.fill(0))),
        ("a signature of ones", with(|auth| auth.signature[..64].fill(0xff))),
        ("a key off the curve", with(|auth| auth.key[63] ^= 1)),
        ("a key of 65 bytes", with(|auth| auth.key.insert(0, 4))),
        ("a key of 33 bytes", with(|auth| auth.key.truncate(33))),
        ("a nonce of 33 bytes", with(|auth| auth.nonce.push(0))),
        ("a list for a version", with(|auth| auth.version = list(&[]))),
        ("a version of 9 bytes", with(|auth| auth.version = string(&[1; 9]))),
    ];
    for (what, bytes) in &bad {
        let mut stream = connect(&bob).await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await, b"", "{what}");
    }
    let failed = bob.net.stats().handshakes_failed;
    let count = |code| failed.get(code).copied().unwrap_or_default();
    assert_eq!(count("rlpx.handshake") + count("rlpx.handshake_content") + count("rlpx.signature"), 12 + 15);
    assert_eq!(bob.net.stats().handshakes_ok, 0);
    bob.stop().await;
}

/// The clock is moved by hand, the timers' too.
#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_after_the_handshake_budget() {
    let (bob, hand) = by_hand(config(2)).await;
    let mut stream = connect(&bob).await;
    hand.pass(Duration::from_millis(4_999)).await;
    assert_eq!(bob.links(), 1);
    hand.pass(Duration::from_millis(1)).await;
    assert_eq!(rest(&mut stream).await, b"");
    failed(&bob, "rlpx.timed_out", 1).await;
    bob.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_hello_the_link_is_closed_after_five_seconds() {
    let (bob, hand) = by_hand(config(2)).await;
    let mut raw = Raw::keyed(&bob, 9).await;
    assert_eq!(raw.next().await, "Hello");
    hand.pass(Duration::from_millis(4_999)).await;
    assert_eq!(bob.links(), 1);
    hand.pass(Duration::from_millis(1)).await;
    assert_eq!(raw.seen().await, "");
    failed(&bob, "rlpx.timed_out", 1).await;
    bob.stop().await;
}

#[tokio::test]
async fn hellos_that_cannot_be_are_answered_with_their_reason() {
    type First = fn(&Raw) -> (u64, Vec<u8>);
    let rows: [(&str, First, &str, &str); 12] = [
        (
            "another key",
            |raw| {
                let mut hello = raw.hello();
                hello.key = secret(99).public().to_xy().to_vec();
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c109, snappy-compressed)",
            "rlpx.unexpected_identity",
        ),
        (
            "a key of zeros",
            |raw| {
                let mut hello = raw.hello();
                hello.key = vec![0; 64];
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c107, not compressed)",
            "rlpx.key",
        ),
        (
            "a key of 65 bytes",
            |raw| {
                let mut hello = raw.hello();
                hello.key.insert(0, 4);
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c107, not compressed)",
            "rlpx.key",
        ),
        (
            "no key at all",
            |raw| {
                let mut hello = raw.hello();
                hello.key.clear();
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c107, not compressed)",
            "rlpx.key",
        ),
        // geth closes these two without a word; the peer has proved its key and its operator can mend it.
        (
            "over 2,048 bytes",
            |raw| {
                let mut hello = raw.hello();
                hello.client = vec![b'n'; 2_000];
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c102, not compressed)",
            "rlpx.too_large",
        ),
        (
            "a list too short",
            |raw| {
                let mut hello = raw.hello().encode();
                hello[1] -= 1;
                (HELLO, hello)
            },
            "Hello Disconnect(c102, not compressed)",
            "rlpx.malformed",
        ),
        (
            "a capability of three",
            |raw| {
                let mut hello = raw.hello();
                hello.capabilities = vec![list(&[string(b"shh"), uint(6), uint(1)])];
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c102, not compressed)",
            "rlpx.malformed",
        ),
        (
            "no shared capability",
            |raw| {
                let mut hello = raw.hello();
                hello.capabilities = vec![list(&[string(b"eth"), uint(63)])];
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c103, snappy-compressed)",
            "rlpx.useless_peer",
        ),
        (
            "no shared capability, before compression",
            |raw| {
                let mut hello = raw.hello();
                (hello.version, hello.capabilities) = (4, vec![list(&[string(b"shh"), uint(5)])]);
                (HELLO, hello.encode())
            },
            "Hello Disconnect(c103, not compressed)",
            "rlpx.useless_peer",
        ),
        ("a ping first", |_| (PING, EMPTY.to_vec()), "Hello", "rlpx.before_hello"),
        ("a message first", |_| (FIRST, EMPTY.to_vec()), "Hello", "rlpx.before_hello"),
        (
            "a disconnect first",
            |_| (DISCONNECT, vec![0xc1, 4]),
            "Hello Disconnect(c104, not compressed)",
            "net.closed_by_peer",
        ),
    ];
    for (what, first, seen, reported) in rows {
        let bob = Node::start(config(2)).await;
        let mut raw = Raw::keyed(&bob, 9).await;
        let (message, payload) = first(&raw);
        raw.raw(message, &payload).await;
        assert_eq!(raw.seen().await, seen, "{what}");
        failed(&bob, reported, 1).await;
        assert!(bob.net.peers().is_empty(), "{what}");
        bob.stop().await;
    }
}

#[tokio::test]
async fn whom_we_do_not_want_reads_why_instead_of_a_hello() {
    let mut bob = Node::start(NetConfig { max_peers: 2, ..config(2) }).await;
    let own = SecretKey::from_slice(crate::key(2).secret().expose()).unwrap();
    let ourselves = Raw::keyed_over(connect(&bob).await, &bob, own).await;
    assert_eq!(ourselves.seen().await, "Disconnect(c10a, not compressed)");
    let _first = Raw::established(&mut bob, 9).await;
    let twin = Raw::keyed(&bob, 9).await;
    assert_eq!(twin.seen().await, "Disconnect(c105, not compressed)");
    let _second = Raw::established(&mut bob, 10).await;
    let third = Raw::keyed(&bob, 11).await;
    assert_eq!(third.seen().await, "Disconnect(c104, not compressed)");
    failed(&bob, "net.closed_by_us", 3).await;
    bob.stop().await;
}

#[tokio::test]
async fn what_geth_ignores_is_ignored() {
    let mut bob = Node::start(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    let hello = raw.hello().encode();
    raw.packed(HELLO, &hello).await;
    for message in 3..=15 {
        raw.packed(message, b"anything").await;
    }
    raw.packed(PING, b"\xff\xff no RLP").await;
    assert_eq!(raw.next().await, "msg3(c0)");
    raw.packed(FIRST + 5, b"hello").await;
    assert_eq!(bob.message().await, (5, b"hello".to_vec()));
    bob.stop().await;
}

#[tokio::test]
async fn frames_that_cannot_be_end_the_link() {
    type Make = fn(&mut Raw) -> Vec<u8>;
    const BREACH: &str = "Disconnect(c102, snappy-compressed)";
    let max = 32 + (1_048_576 + 1_024) + (1_048_576 + 1_024) / 6 + 9;
    let rows: [(&str, Make, &str, WireError); 11] = [
        ("a wrong header mac", |raw| flipped(raw.frame(FIRST, EMPTY), 16), "", WireError::HeaderMac),
        ("a wrong header", |raw| flipped(raw.frame(FIRST, EMPTY), 0), "", WireError::HeaderMac),
        ("a wrong body mac", |raw| flipped(raw.frame(FIRST, EMPTY), 63), "", WireError::BodyMac),
        ("a wrong body", |raw| flipped(raw.frame(FIRST, EMPTY), 32), "", WireError::BodyMac),
        // geth is silent about the rest as well: the peer has proved its key, so the breach is named.
        (
            "an id beyond",
            |raw| raw.frame(FIRST + 128, &compress(EMPTY)),
            BREACH,
            WireError::UnknownMessage(144),
        ),
        (
            "an id of 64 bits",
            |raw| raw.frame(u64::MAX, &compress(EMPTY)),
            BREACH,
            WireError::UnknownMessage(u64::MAX),
        ),
        ("an id with a zero in front", |raw| raw.frame_of(&[0x00, 1, 0, 0xc0]), BREACH, WireError::MessageId),
        (
            "an id in too many bytes",
            |raw| raw.frame_of(&[0x81, 0x10, 1, 0, 0xc0]),
            BREACH,
            WireError::MessageId,
        ),
        ("nothing in it", |raw| raw.frame_of(&[]), BREACH, WireError::MessageId),
        ("no snappy block", |raw| raw.frame(FIRST, &[0xc3, 1, 2, 3]), BREACH, WireError::Snappy),
        ("no payload at all", |raw| raw.frame(FIRST, &[]), BREACH, WireError::Snappy),
    ];
    for (what, make, seen, expected) in rows {
        let mut bob = Node::start(config(2)).await;
        let mut raw = Raw::established(&mut bob, 9).await;
        let frame = make(&mut raw);
        raw.bytes(&frame).await;
        assert_eq!(raw.seen().await, seen, "{what}");
        assert_eq!(bob.disconnected().await, fault(expected), "{what}");
        assert_eq!(bob.net.stats().messages_in, 0);
        bob.stop().await;
    }
    // Sizes: refused from the declaration alone.
    let sizes: [(Make, &str); 3] = [
        (|raw| raw.frame(FIRST, &[0x80, 0x80, 0x80, 8, 0]), "16 MiB declared"),
        (|raw| raw.frame(FIRST, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]), "4 GiB declared"),
        (|raw| raw.header(0xff_ffff), "a header of 16 MiB"),
    ];
    for (make, what) in sizes {
        let mut bob = Node::start(config(2)).await;
        let mut raw = Raw::established(&mut bob, 9).await;
        let frame = make(&mut raw);
        raw.bytes(&frame).await;
        assert_eq!(raw.seen().await, BREACH, "{what}");
        let end = bob.disconnected().await;
        assert!(
            matches!(end, LinkEnd::Session(Closed::Fault(WireError::TooLarge { max: limit, .. })) if limit <= max),
            "{what}: {end}"
        );
        bob.stop().await;
    }
}

fn flipped(mut frame: Vec<u8>, at: usize) -> Vec<u8> {
    frame[at] ^= 1;
    frame
}

#[tokio::test]
async fn what_a_handler_says_reaches_the_peer() {
    for (reason, seen) in [
        (DisconnectReason::PROTOCOL_ERROR, "Disconnect(c102, snappy-compressed)"),
        (DisconnectReason::SUBPROTOCOL_ERROR, "Disconnect(c110, snappy-compressed)"),
        (DisconnectReason::QUITTING, "Disconnect(c108, snappy-compressed)"),
        (DisconnectReason::USELESS_PEER, "Disconnect(c103, snappy-compressed)"),
        // These end the whole process of the originals, and are never sent.
        (DisconnectReason::from_wire(0x11), "Disconnect(c180, snappy-compressed)"),
        (DisconnectReason::from_wire(u64::MAX), "Disconnect(c180, snappy-compressed)"),
    ] {
        let mut bob = Node::start(config(2)).await;
        let mut raw = Raw::established(&mut bob, 9).await;
        bob.net.disconnect(bob.net.peers()[0].peer, reason);
        assert_eq!(raw.next().await, seen);
        drop(raw);
        assert_eq!(bob.disconnected().await, LinkEnd::Session(Closed::ByUs(reason)));
        bob.stop().await;
    }
}

/// geth ends the link with 0x02 here; it is our own bug and no reason to lose a peer.
#[tokio::test]
async fn a_code_beyond_the_length_is_refused_and_the_link_stays() {
    let mut bob = Node::start(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    let peer = bob.net.peers()[0].peer;
    assert_eq!(bob.net.send(peer, 0, 128, vec![]), Err(SendRefused::UnknownMessage));
    bob.net.send(peer, 0, 127, EMPTY.to_vec()).unwrap();
    assert_eq!(raw.next().await, "msg143(c0)");
    bob.stop().await;
}

#[tokio::test]
async fn a_disconnect_is_echoed_in_every_form() {
    let packed = |payload: &[u8]| compress(payload);
    for (payload, seen, reason) in [
        (packed(&[0xc1, 8]), "Disconnect(c108, snappy-compressed)", 8),
        // The bare form, which geth reads as 0.
        (packed(&[8]), "Disconnect(c108, snappy-compressed)", 8),
        (vec![0xc1, 4], "Disconnect(c104, snappy-compressed)", 4),
        (packed(&[0xc1, 1]), "", 1),
        // geth echoes this one; others of its kind end its process.
        (packed(&[0xc3, 0x82, 1, 0x2c]), "Disconnect(c180, snappy-compressed)", 300),
        (packed(&[0xc1, 0x11]), "Disconnect(c180, snappy-compressed)", 0x11),
        (
            packed(&[0xc9, 0x88, 255, 255, 255, 255, 255, 255, 255, 255]),
            "Disconnect(c180, snappy-compressed)",
            u64::MAX,
        ),
        (packed(&[]), "Disconnect(c180, snappy-compressed)", 0),
        (vec![], "Disconnect(c180, snappy-compressed)", 0),
        (packed(b"\xff no RLP"), "Disconnect(c180, snappy-compressed)", 0),
    ] {
        let mut bob = Node::start(config(2)).await;
        let mut raw = Raw::established(&mut bob, 9).await;
        raw.raw(DISCONNECT, &payload).await;
        assert_eq!(raw.seen().await, seen, "{payload:?}");
        let end = LinkEnd::Session(Closed::ByPeer(DisconnectReason::from_wire(reason)));
        assert_eq!(bob.disconnected().await, end);
        bob.stop().await;
    }
}

#[tokio::test]
async fn shutdown_and_removal_say_so() {
    let mut bob = Node::start(config(2)).await;
    let mut raw = Raw::established(&mut bob, 9).await;
    bob.net.disconnect(bob.net.peers()[0].peer, DisconnectReason::REQUESTED);
    assert_eq!(raw.next().await, "Disconnect(c180, snappy-compressed)");
    drop(raw);
    bob.disconnected().await;
    let raw = Raw::established(&mut bob, 10).await;
    let (seen, ()) = tokio::join!(raw.seen(), bob.stop());
    assert_eq!(seen, "Disconnect(c108, snappy-compressed)");
}
