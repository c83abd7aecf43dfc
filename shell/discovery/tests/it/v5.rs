//! The vectors of discovery v5.1. The library shows neither its codec nor its sessions, so that they are held against
//! a bare peer of the test (`v5wire`), which is first held against the vectors, and then talks to a live node that has
//! the keys of the vectors. What cannot be replayed that way are the recipient's packets of the transcript: challenge,
//! nonces and ephemeral key of a live node are random.

use std::time::Duration;

use aes_gcm::aead::{Aead, Payload};
use k256::ecdsa::{SigningKey, VerifyingKey};
use rand_core::Rng;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use undertone_devp2p::NodeKey;
use undertone_devp2p::enr::{Entries, Record};
use undertone_discovery::DiscoveryConfig;
use undertone_support::rng;
use undertone_vectors::{Value, hex, hex_n, load};

use crate::node::{LONG, Node};
use crate::v5wire::{Handshake, Id, Session, Unmasked, derive, ecdh, id_signature, open, seal, unmask};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn signing(value: &Value) -> SigningKey {
    SigningKey::from_slice(&hex(value)).unwrap()
}

#[test]
fn the_codec_of_the_tests_reads_every_packet_of_the_vectors() {
    let file = load("discv5");
    let published = &file["published"];
    let b: Id = hex_n(&published["node_b_id"]);
    let mut count = 0;
    for case in published["packets"].as_array().unwrap() {
        let packet = unmask(&b, &hex(&case["packet"])).unwrap();
        assert_eq!(packet.static_header.as_slice(), hex(&case["static_header"]));
        assert_eq!(packet.authdata, hex(&case["authdata"]));
        assert_eq!(packet.message, hex(&case["message_ciphertext"]));
        if packet.flag() != 1 {
            let plain = hex(&case["message_plaintext"]);
            assert_eq!(packet.head(), hex(&case["message_ad"]));
            assert_eq!(open(&hex_n(&case["read_key"]), &packet).unwrap(), plain);
            let sealed = seal(&hex_n(&case["read_key"]), &packet.nonce(), &plain, &packet.head());
            assert_eq!(sealed, packet.message);
        }
        count += 1;
    }
    let transcript = &file["transcript"];
    let ids = |name: &str| hex_n::<32>(&transcript[name]);
    for case in transcript["packets"].as_array().unwrap() {
        let dest = if case["from"] == "a" { ids("b_id") } else { ids("a_id") };
        let packet = unmask(&dest, &hex(&case["packet"])).unwrap();
        assert_eq!(packet.static_header.as_slice(), hex(&case["static_header"]), "{}", text(&case["note"]));
        if let Some(key) = case.get("write_key") {
            let plain = open(&hex_n(key), &packet).unwrap();
            assert_eq!(plain, hex(&case["message_plaintext"]), "{}", text(&case["note"]));
        }
        count += 1;
    }
    assert_eq!(count, 17);
}

#[test]
fn the_key_agreement_of_the_tests_is_the_published_one() {
    let file = load("discv5");
    let published = &file["published"];
    let public = |value: &Value| VerifyingKey::from_sec1_bytes(&hex(value)).unwrap();
    let case = &published["ecdh"];
    assert_eq!(
        ecdh(&signing(&case["secret_key"]), &public(&case["public_key"])),
        hex(&case["shared_secret"])
    );
    let case = &published["key_derivation"];
    let secret = ecdh(&signing(&case["ephemeral_key"]), &public(&case["dest_pubkey"]));
    let ids: [Id; 2] = ["node_id_a", "node_id_b"].map(|name| hex_n(&case[name]));
    let keys = derive(&secret, &hex(&case["challenge_data"]), [&ids[0], &ids[1]]);
    assert_eq!(keys, ["initiator_key", "recipient_key"].map(|name| hex_n(&case[name])));
    let case = &published["id_nonce_signing"];
    let other: Id = hex_n(&case["node_id_b"]);
    let (challenge, ephemeral) = (hex(&case["challenge_data"]), hex(&case["ephemeral_pubkey"]));
    let signature = id_signature(&signing(&case["static_key"]), &challenge, &ephemeral, &other);
    assert_eq!(signature, hex(&case["id_signature"]));
    let case = &published["aes_gcm"];
    let sealed = {
        use aes_gcm::KeyInit;
        let key: [u8; 16] = hex_n(&case["key"]);
        let nonce: [u8; 12] = hex_n(&case["nonce"]);
        let payload = Payload { msg: &hex(&case["pt"]), aad: &hex(&case["ad"]) };
        aes_gcm::Aes128Gcm::new((&key).into()).encrypt((&nonce).into(), payload).unwrap()
    };
    assert_eq!(sealed, hex(&case["ciphertext_and_tag"]));
}

/// A live node with a key of the vectors, and a socket that talks to it.
struct Live {
    node: Node,
    socket: UdpSocket,
}

impl Live {
    async fn new(key: &Value) -> Self {
        let key = NodeKey::from_hex(text(key)).unwrap();
        let node =
            Node::start(DiscoveryConfig { v4: false, v5: true, tcp: 9, ..DiscoveryConfig::new(key) }).await;
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(node.discovery.local_addr().unwrap()).await.unwrap();
        Self { node, socket }
    }

    async fn answer(&self, own: &Id, packet: &[u8]) -> Option<Unmasked> {
        self.socket.send(packet).await.unwrap();
        self.read(own, LONG).await
    }

    async fn read(&self, own: &Id, within: Duration) -> Option<Unmasked> {
        let mut buffer = [0; 1_280];
        let length = timeout(within, self.socket.recv(&mut buffer)).await.ok()?.unwrap();
        unmask(own, &buffer[..length])
    }
}

/// A WHOAREYOU that answers a packet with this nonce of somebody who is not known.
fn assert_challenge(packet: &Unmasked, nonce: [u8; 12], note: &str) {
    assert_eq!((packet.flag(), packet.nonce(), packet.message.len()), (1, nonce, 0), "{note}");
    assert_eq!(packet.authdata.len(), 24, "{note}");
    assert_eq!(packet.authdata[16..], [0; 8], "{note}: no record is known");
}

#[tokio::test]
async fn published_packets_are_answered_or_not() {
    let file = load("discv5");
    let published = &file["published"];
    let live = Live::new(&published["node_b_key"]).await;
    let (a, b): (Id, Id) = (hex_n(&published["node_a_id"]), hex_n(&published["node_b_id"]));
    let packets = published["packets"].as_array().unwrap();
    // A challenge that nothing asked for and handshakes that answer no challenge are not answered: what comes next
    // answers the ping.
    for quiet in &packets[1..] {
        live.socket.send(&hex(&quiet["packet"])).await.unwrap();
    }
    let ping = hex(&packets[0]["packet"]);
    let nonce = unmask(&b, &ping).unwrap().nonce();
    let challenge = live.answer(&a, &ping).await.unwrap();
    assert_challenge(&challenge, nonce, "ping");
    live.node.stop().await;
}

#[tokio::test]
async fn the_transcript_goes_through_with_a_live_node() {
    let file = load("discv5");
    let transcript = &file["transcript"];
    let live = Live::new(&transcript["b_key"]).await;
    let (own, other): (Id, Id) = (hex_n(&transcript["a_id"]), hex_n(&transcript["b_id"]));
    let packets = transcript["packets"].as_array().unwrap();
    let of = |note: &str| packets.iter().find(|case| text(&case["note"]).starts_with(note)).unwrap();

    let random = hex(&of("random packet")["packet"]);
    let challenge = live.answer(&own, &random).await.unwrap();
    assert_challenge(&challenge, unmask(&other, &random).unwrap().nonce(), "random packet");

    // The record of the transcript says another address, which a live node refuses: ours says none.
    let key = NodeKey::from_hex(text(&transcript["a_key"])).unwrap();
    let record = Record::sign(&key, 1, &Entries::default()).unwrap();
    let find = of("handshake FINDNODE");
    let theirs = signing(&transcript["b_key"]);
    let handshake = Handshake {
        own,
        key: &signing(&transcript["a_key"]),
        ephemeral: &signing(&find["ephemeral_key"]),
        other,
        other_key: theirs.verifying_key(),
        record: record.as_bytes(),
        message: &hex(&find["message_plaintext"]),
    };
    let (session, packet) = handshake.answer(&challenge, hex_n(&find["nonce"]));
    let message = open(&session.read, &live.answer(&own, &packet).await.unwrap()).unwrap();
    // NODES of one packet that holds one record, the node's own: it knows nobody else.
    let ours = live.node.discovery.record();
    assert_eq!(message[0], 4);
    assert!(message.ends_with(ours.as_bytes()), "{message:02x?}");

    let at = live.socket.local_addr().unwrap();
    let mut asked = 0;
    for (question, kind) in [("PING with 8-byte", 2), ("PING with empty", 2), ("TALKREQ", 6)] {
        let plain = hex(&of(question)["message_plaintext"]);
        asked += 1;
        let mut nonce = [0; 12];
        nonce[3] = asked;
        let answer = answer_of_kind(&live, &session, &session.packet(nonce, &plain), kind).await;
        match question {
            "PING with 8-byte" => {
                // As in the transcript, with our number and our address: the id keeps its zeros.
                assert!(answer[2..].starts_with(&[0x88, 0, 0, 0, 0, 0, 0, 0, 7]), "{answer:02x?}");
                let [high, low] = at.port().to_be_bytes();
                assert!(answer.ends_with(&[0x84, 127, 0, 0, 1, 0x82, high, low]), "{answer:02x?}");
            }
            "PING with empty" => assert_eq!(answer[2], 0x80),
            // Nobody speaks the protocol: an empty answer, as in the vectors, but for the id.
            _ => assert_eq!(answer, [6, 0xc2, 3, 0x80]),
        }
    }
    assert_eq!(asked, 3);
    live.node.stop().await;
}

/// The next message of a kind; the node may ask something of its own meanwhile.
async fn answer_of_kind(live: &Live, session: &Session, packet: &[u8], kind: u8) -> Vec<u8> {
    live.socket.send(packet).await.unwrap();
    loop {
        let packet = live.read(&session.own, LONG).await.unwrap();
        if let Some(message) = open(&session.read, &packet).filter(|message| message[0] == kind) {
            return message;
        }
    }
}

#[tokio::test]
async fn bad_packets_are_answered_with_a_challenge_or_not_at_all() {
    let file = load("discv5");
    let transcript = &file["transcript"];
    let (a, b): (Id, Id) = (hex_n(&transcript["a_id"]), hex_n(&transcript["b_id"]));
    let mut rng = rng(3);
    let (mut challenged, mut silent) = (0, 0);
    for case in file["negative"]["cases"].as_array().unwrap() {
        let note = text(&case["note"]);
        // A fresh node and socket each: no session, no challenge outstanding.
        let live = Live::new(&transcript["b_key"]).await;
        let packet = hex(&case["packet"]);
        let dropped = case["expect"].as_str().unwrap().starts_with("error") || case.get("ours").is_some();
        // Without the session of the transcript what is inside a message cannot be read: it is challenged.
        if !dropped || note.contains("request id of 9") {
            let nonce = unmask(&b, &packet).unwrap().nonce();
            assert_challenge(&live.answer(&a, &packet).await.unwrap(), nonce, note);
            challenged += 1;
        } else {
            // What comes next is answered, and that is the first answer.
            live.socket.send(&packet).await.unwrap();
            let mut random = [0; 64];
            rng.fill_bytes(&mut random);
            let good = crate::v5wire::random_packet(&a, &b, &random);
            let nonce = unmask(&b, &good).unwrap().nonce();
            assert_challenge(&live.answer(&a, &good).await.unwrap(), nonce, note);
            silent += 1;
        }
        live.node.stop().await;
    }
    assert_eq!((challenged, silent), (4, 11));
    // Discovery of topics, as status-go has it, is not spoken.
    let live = Live::new(&transcript["b_key"]).await;
    let legacy = file["legacy_topic_discovery"]["packets"].as_array().unwrap();
    for case in legacy {
        live.socket.send(&hex(&case["packet"])).await.unwrap();
    }
    assert_eq!(legacy.len(), 8);
    let random = crate::v5wire::random_packet(&a, &b, &[9; 64]);
    let nonce = unmask(&b, &random).unwrap().nonce();
    assert_challenge(&live.answer(&a, &random).await.unwrap(), nonce, "after legacy packets");
    live.node.stop().await;
}
