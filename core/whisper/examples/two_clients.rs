//! Two clients with Whisper alone: no sockets, no messenger. What a shell does stands in `turn`.

use std::error::Error;
use std::sync::Arc;

use undertone_base::{Mono, Now, Secret, Unix};
use undertone_crypto::{MemoryKeyring, SecretKey};
use undertone_transport::{
    Command, Event, Flush, Listen, OpenWith, PublicName, Route, Send, SendId, Transport,
};
use undertone_whisper::{Input, Link, PeerId, Transmit, TransportConfig, WhisperTransport};

/// What each calls the other.
const PEER: PeerId = PeerId(1);

fn main() -> Result<(), Box<dyn Error>> {
    let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_700_000_000) };
    let lab = Route::Public(PublicName::new("lab")?);
    let mut ring = MemoryKeyring::new();
    let alice_key = ring.insert(SecretKey::random(&mut rand::rng()));
    let (mut alice, mut bob) = (client(ring), client(MemoryKeyring::new()));
    alice.handle(now, Input::Connected(Link::whisper(PEER)))?;
    bob.handle(now, Input::Connected(Link::whisper(PEER)))?;

    bob.command(now, Command::Listen(Listen { route: lab.clone(), open_with: OpenWith::ByRoute }))?;
    let payload = b"hello".to_vec();
    let (id, flush) = (SendId(1), Flush::Fast);
    let send = Send { id, route: lab, to: None, sign_as: alice_key, payload, ephemeral: false, flush };
    alice.command(now, Command::Send(send))?;

    let mut heard = Vec::new();
    // Handshakes, keys of the route, the work for the envelope: each turn brings what the last one asked for.
    for _ in 0..8 {
        heard.extend(turn(now, &mut alice, &mut bob)?);
        heard.extend(turn(now, &mut bob, &mut alice)?);
    }
    assert_eq!(heard, [b"hello"]);
    Ok(())
}

fn client(ring: MemoryKeyring) -> WhisperTransport {
    let seed = Secret::random(&mut rand::rng());
    WhisperTransport::new(TransportConfig::default(), Arc::new(ring), &seed)
}

/// Jobs (a shell has threads for them), packets to the other side (a shell has a connection), and what was received. The
/// next packet of envelopes leaves once the last one is known to be [`Input::Sent`].
fn turn(
    now: Now,
    from: &mut WhisperTransport,
    to: &mut WhisperTransport,
) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    while let Some(job) = from.poll_job() {
        from.job_done(now, job.run());
    }
    while let Some(transmit) = from.poll_transmit(now) {
        if let Transmit::Packet { protocol, code, body, .. } = transmit {
            to.handle(now, Input::Packet { peer: PEER, protocol, code, body: &body })?;
            from.handle(now, Input::Sent(PEER))?;
        }
    }
    let mut heard = Vec::new();
    while let Some(event) = from.poll_event() {
        if let Event::Received(received) = event {
            heard.push(received.payload);
        }
    }
    Ok(heard)
}

#[test]
fn what_one_client_says_the_other_hears() {
    main().unwrap();
}
