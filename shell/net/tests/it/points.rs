//! Points that are none, and ECIES blobs that are cut: over TCP, as auth to a node that listens and as ack to one
//! that dials. Each is sealed as a careless reader of it would open it, so that the tag fits where one exists.
//!
//! The decoders alone are tried in `undertone-crypto` (`key`, `ecies`, the Wycheproof sets) and in
//! `devp2p::handshake` (`mangled_auth_and_ack_packets_are_refused_or_waited_for`).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use undertone_base::{Secret, decode_hex};
use undertone_crypto::{PublicKey, SecretKey};
use undertone_devp2p::{Endpoint, Enode, Host, NodeKey};
use undertone_net::NetConfig;

use crate::raw::{Auth, connect, list, packet, packet_under, rest, secret, string, uint};
use crate::{LONG, Node, config};

/// `p`, and a `y` whose point has `x` = 1, and an `x` whose point has `y` = 1.
const P: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
const Y_OF_1: &str = "4218f20ae6c646b363db68605822fb14264ca8d2587fdd6fbc750d587e76a7ee";
const X_OF_1: &str = "1fe1e5ef3fceb5c135ab7741333ce5a6e80d68167653f6b2b24bcbcfaaaff507";
const P_PLUS_1: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30";

/// A name, 65 bytes, and the z that somebody would get who computes with them anyway.
fn crafted(reader: &SecretKey) -> Vec<(&'static str, Vec<u8>, Secret<32>)> {
    let coordinate = |text: &str| decode_hex::<32>(text).unwrap();
    let one = coordinate(&format!("{:064x}", 1));
    let full = |x: [u8; 32], y: [u8; 32]| [&[4][..], &x, &y].concat();
    let reduced = |bytes: &[u8]| reader.ecdh(&PublicKey::from_uncompressed(bytes).unwrap());
    let zero = || Secret::new([0; 32]);
    let own = secret(77);
    let (right, z) = (own.public().to_uncompressed().to_vec(), || own.ecdh(&reader.public()));
    let with_first = |first: u8| {
        let mut point = right.clone();
        point[0] = first;
        point
    };
    let mut off = right.clone();
    off[64] ^= 1;
    let parity = right[64] & 1;
    vec![
        ("off the curve", off, z()),
        ("zeros", full([0; 32], [0; 32]), zero()),
        ("infinity, filled with zeros", vec![0; 65], zero()),
        (
            "x = p + 1",
            full(coordinate(P_PLUS_1), coordinate(Y_OF_1)),
            reduced(&full(one, coordinate(Y_OF_1))),
        ),
        (
            "y = p + 1",
            full(coordinate(X_OF_1), coordinate(P_PLUS_1)),
            reduced(&full(coordinate(X_OF_1), one)),
        ),
        ("x = p", full(coordinate(P), coordinate(Y_OF_1)), zero()),
        ("both the largest", full([0xff; 32], [0xff; 32]), zero()),
        ("hybrid", with_first(6 | parity), z()),
        ("hybrid of the other parity", with_first(7 ^ parity), z()),
        ("first byte 00", with_first(0), z()),
        ("first byte 01", with_first(1), z()),
        ("first byte 02", with_first(2), z()),
        ("first byte 03", with_first(3), z()),
        ("first byte 05", with_first(5), z()),
        ("first byte 84", with_first(0x84), z()),
        ("compressed", [&own.public().to_compressed()[..], &[0; 32]].concat(), z()),
    ]
}

/// What is no key in 64 bytes.
fn crafted_keys() -> Vec<(&'static str, Vec<u8>)> {
    let made = crafted(&secret(1)).into_iter().filter(|(_, point, _)| point[0] == 4);
    made.map(|(what, point, _)| (what, point[1..].to_vec())).collect()
}

#[tokio::test]
async fn crafted_points_in_an_auth_are_refused() {
    let key = secret(5);
    let to = key.public();
    let bob = Node::start(NetConfig { key: NodeKey::new(key.clone()), ..config(2) }).await;
    let auth = || Auth::new(&secret(9), &secret(8), [3; 32], &to);
    // The seal by hand is right: a right point opens the door.
    let mut stream = connect(&bob).await;
    stream.write_all(&packet(&to, &auth().body())).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(!rest(&mut stream).await.is_empty());

    let mut tried = 0;
    for (what, point, z) in crafted(&key) {
        // In the EIP-8 form, and in the plain one, whose points are the first bytes of the packet.
        let plain = crate::raw::seal_under(&point, &z, &[0; 194], b"");
        for bytes in [packet_under(&point, &z, &auth().body()), plain] {
            let mut stream = connect(&bob).await;
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(rest(&mut stream).await, b"", "{what}");
            tried += 1;
        }
    }
    for (what, point) in crafted_keys() {
        let mut auth = auth();
        auth.key = point;
        let mut stream = connect(&bob).await;
        stream.write_all(&packet(&to, &auth.body())).await.unwrap();
        assert_eq!(rest(&mut stream).await, b"", "{what}");
        tried += 1;
    }
    assert_eq!(tried, 2 * 16 + 6);
    assert_eq!(bob.net.stats().handshakes_ok, 0);
    bob.stop().await;
}

/// One that cannot be opened is a blob that was cut, whatever the size in front of it says.
#[tokio::test]
async fn an_auth_that_is_cut_anywhere_is_refused() {
    let key = secret(5);
    let to = key.public();
    let bob = Node::start(NetConfig { key: NodeKey::new(key), ..config(2) }).await;
    let whole = packet(&to, &Auth::new(&secret(9), &secret(8), [3; 32], &to).body());
    let sealed = &whole[2..];
    for length in 0..sealed.len() {
        for size in [length, sealed.len()] {
            let mut stream = connect(&bob).await;
            let size = u16::try_from(size).unwrap().to_be_bytes();
            stream.write_all(&[&size[..], &sealed[..length]].concat()).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(rest(&mut stream).await, b"", "{length} bytes");
        }
    }
    assert_eq!(sealed.len(), 169 + 150 + 113);
    let mut stream = connect(&bob).await;
    stream.write_all(&whole).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(!rest(&mut stream).await.is_empty(), "it still listens");
    bob.stop().await;
}

#[tokio::test]
async fn crafted_points_in_an_ack_are_refused() {
    let own = secret(6);
    let listener = TcpListener::bind(crate::ANY).await.unwrap();
    let alice = Node::start(NetConfig { key: NodeKey::new(own.clone()), listen: None, ..config(1) }).await;
    let nonce = [4; 32];
    let body = |ephemeral: &[u8]| {
        let mut body = list(&[string(ephemeral), string(&nonce), uint(4)]);
        body.resize(body.len() + 150, 0);
        body
    };
    let right = body(&secret(8).public().to_xy());
    let mut acks: Vec<(&str, Vec<u8>)> = Vec::new();
    for (what, point, z) in crafted(&own) {
        acks.push((what, packet_under(&point, &z, &right)));
        acks.push((what, crate::raw::seal_under(&point, &z, &[0; 97], b"")));
    }
    acks.extend(crafted_keys().into_iter().map(|(what, key)| (what, packet(&own.public(), &body(&key)))));
    assert_eq!(acks.len(), 2 * 16 + 6);
    for (seed, (what, ack)) in (100..).zip(acks) {
        let port = listener.local_addr().unwrap().port();
        let at = Endpoint { host: Host::Ip(crate::ANY.ip()), tcp: port, udp: 0 };
        let key = secret(seed).public();
        alice.net.add_static(Enode::new(key, at)).unwrap();
        let (mut stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
        let mut size = [0; 2];
        stream.read_exact(&mut size).await.unwrap();
        let mut auth = vec![0; u16::from_be_bytes(size).into()];
        stream.read_exact(&mut auth).await.unwrap();
        stream.write_all(&ack).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await, b"", "{what}");
        assert!(alice.net.remove_static(&key));
    }
    assert_eq!(alice.net.stats().handshakes_ok, 0);
    alice.stop().await;
}
