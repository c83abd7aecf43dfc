//! What errors say of themselves.

use std::collections::BTreeSet;

use undertone_base::{FaultClass, PeerFault};
use undertone_devp2p::{DisconnectReason, EnodeError, SendError, WireError};

const WIRE: [WireError; 18] = [
    WireError::Rlp("hello"),
    WireError::Handshake,
    WireError::HandshakeContent("auth"),
    WireError::Key,
    WireError::Signature,
    WireError::HeaderMac,
    WireError::BodyMac,
    WireError::TooLarge { what: "frame", size: 2, max: 1 },
    WireError::MessageId,
    WireError::Snappy,
    WireError::BeforeHello(2),
    WireError::UnknownMessage(144),
    WireError::UnexpectedIdentity,
    WireError::UselessPeer,
    WireError::PingFlood,
    WireError::Early,
    WireError::TimedOut,
    WireError::Rlp("capability"),
];

#[test]
fn codes_are_stable_and_unique() {
    let mut codes: Vec<_> = WIRE[..17].iter().map(WireError::code).collect();
    let sending = [
        SendError::Congested,
        SendError::NotEstablished,
        SendError::UnknownMessage,
        SendError::TooLarge { size: 2, max: 1 },
    ];
    codes.extend(sending.iter().map(SendError::code));
    let parsing =
        [EnodeError::Scheme, EnodeError::Key, EnodeError::Host, EnodeError::Port, EnodeError::DiscPort];
    codes.extend(parsing.iter().map(EnodeError::code));
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), 26);
    let dotted = |code: &&str| code.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c));
    assert!(codes.iter().all(dotted));
    let said: Vec<_> = WIRE.iter().map(ToString::to_string).collect();
    let lower = |s: &String| s.starts_with(char::is_lowercase) && !s.ends_with('.');
    assert!(said.iter().all(lower), "{said:?}");
}

#[test]
fn faults_are_the_peers_and_name_what_is_sent() {
    for error in WIRE {
        let FaultClass::Peer(PeerFault { disconnect, .. }) = error.fault() else { panic!("{error}") };
        assert_eq!(disconnect, error.disconnect().map(DisconnectReason::wire));
    }
    // Before there are keys, or when the stream is broken, there is nothing on which to say why.
    let silent =
        [WireError::Handshake, WireError::HandshakeContent("ack"), WireError::Signature, WireError::BodyMac];
    assert!(silent.iter().all(|error| error.disconnect().is_none()));
    assert_eq!(SendError::UnknownMessage.fault(), FaultClass::Caller);
    assert_eq!(EnodeError::Key.fault(), FaultClass::Caller);
}
