//! What `Debug` shows of what crosses the contract: no secret, no payload.

use undertone_base::{Secret, Unix};
use undertone_crypto::{KeyId, SecretKey};
use undertone_support::{assert_silent, rng};
use undertone_transport::{
    Command, Event, Flush, Listen, NegotiatedSecret, OpenWith, Received, Route, Send, SendId, Via, WireId,
};

#[test]
fn debug_shows_no_secret() {
    let secret = Secret::<32>::random(&mut rng(1));
    let key = SecretKey::random(&mut rng(2)).public();
    let payload = b"what a person wrote".to_vec();
    let negotiated = NegotiatedSecret::new(secret.clone());
    let secrets = [secret.expose().as_slice(), &payload];
    assert_eq!(assert_silent(&negotiated, &secrets), "NegotiatedSecret(..)");
    let route = Route::Negotiated(negotiated);
    let send = Send {
        id: SendId(7),
        route: route.clone(),
        to: Some(key),
        sign_as: KeyId::of(&key),
        payload: payload.clone(),
        ephemeral: false,
        flush: Flush::Fast,
    };
    let received = Received {
        route: route.clone(),
        author: key,
        sealed_to: None,
        payload: payload.clone(),
        sent_at: Unix::from_secs(1),
        wire_id: WireId::from_bytes([9; 32]),
        via: Via::Live,
    };
    assert!(assert_silent(&send, &secrets).contains("payload: 19 bytes"));
    assert!(assert_silent(&received, &secrets).contains("payload: 19 bytes"));
    assert_silent(&Listen { route, open_with: OpenWith::ByRoute }, &secrets);
    assert_silent(&Command::Send(send), &secrets);
    assert_silent(&Event::Received(Box::new(received)), &secrets);
}
