//! One suite for every transport. An implementation gives a [`Network`] of itself and instantiates
//! [`transport_conformance!`](crate::transport_conformance).
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::missing_panics_doc, reason = "a test suite")]

use std::sync::Arc;
use std::time::Duration;

use undertone_base::{Now, Secret};
use undertone_crypto::{KeyId, Keyring, MemoryKeyring, PublicKey, SecretKey, keccak256};

use crate::memory::public;
use crate::{
    Caps, Command, CommandError, Event, Flush, Listen, NegotiatedSecret, OpenWith, Progress, Received, Route,
    Send, SendId,
};

/// Endpoints of one transport that can reach each other, in virtual time.
pub trait Network {
    /// One endpoint per keyring, all online and connected.
    fn new(seed: u64, keyrings: Vec<Arc<dyn Keyring>>) -> Self;
    /// The virtual clock.
    fn now(&self) -> Now;
    /// What every endpoint can do.
    fn caps(&self) -> Caps;
    /// Hands a command to an endpoint.
    ///
    /// # Errors
    /// Whatever the endpoint says.
    fn command(&mut self, at: usize, command: Command) -> Result<(), CommandError>;
    /// Lets time pass and everything that falls into it happen.
    fn run(&mut self, time: Duration);
    /// Takes the events of an endpoint.
    fn events(&mut self, at: usize) -> Vec<Event>;
    /// Cuts an endpoint off or brings it back.
    fn set_online(&mut self, at: usize, online: bool);
}

/// Long enough for any delivery of a conforming transport under test.
pub const SETTLE: Duration = Duration::from_secs(5);

/// An endpoint's identity in the suite.
#[derive(Clone)]
pub struct Person {
    /// Its keyring.
    pub keyring: Arc<dyn Keyring>,
    /// Its identity.
    pub id: KeyId,
    /// The public key of that.
    pub key: PublicKey,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.key.fmt(f)
    }
}

/// The person of number `n`: fixed keys.
pub fn person(n: u8) -> Person {
    let key = SecretKey::from_slice(&keccak256(&[b'p', n])).expect("a hash in range");
    let mut ring = MemoryKeyring::new();
    let public = key.public();
    let id = ring.insert(key);
    Person { keyring: Arc::new(ring), id, key: public }
}

/// A network of `n` persons.
pub fn people<N: Network>(n: u8) -> (N, Vec<Person>) {
    let people: Vec<_> = (0..n).map(person).collect();
    (N::new(7, people.iter().map(|p| p.keyring.clone()).collect()), people)
}

fn send(id: u64, from: &Person, route: Route, to: Option<PublicKey>, payload: &[u8]) -> Command {
    Command::Send(Send {
        id: SendId(id),
        route,
        to,
        sign_as: from.id,
        payload: payload.to_vec(),
        ephemeral: false,
        flush: Flush::Fast,
    })
}

fn by_route(route: Route) -> Command {
    Command::Listen(Listen { route, open_with: OpenWith::ByRoute })
}

fn received(events: &[Event]) -> Vec<&Received> {
    events.iter().filter_map(|e| if let Event::Received(r) = e { Some(&**r) } else { None }).collect()
}

fn progress(events: &[Event], id: u64) -> Vec<Progress> {
    let of = |e: &Event| match e {
        Event::Progress { id: got, progress } if *got == SendId(id) => Some(*progress),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// Listeners of a public name get it with its author; nobody else does, the sender neither.
pub fn public_reaches_its_listeners_only<N: Network>() {
    let (mut net, who) = people::<N>(4);
    for at in [0, 1, 2] {
        net.command(at, by_route(public("lab"))).expect("listen");
    }
    net.command(3, by_route(public("Lab"))).expect("listen");
    net.run(SETTLE);
    net.command(0, send(1, &who[0], public("lab"), None, b"hello")).expect("send");
    net.run(SETTLE);
    for at in [1, 2] {
        let events = net.events(at);
        let got = received(&events);
        assert_eq!(got.len(), 1, "endpoint {at}");
        assert_eq!(got[0].payload, b"hello");
        assert_eq!(got[0].author, who[0].key);
        assert_eq!(got[0].sealed_to, None);
        assert_eq!(got[0].route, public("lab"));
    }
    assert!(received(&net.events(3)).is_empty(), "another name is another chat");
    assert!(received(&net.events(0)).is_empty(), "no echo");
}

/// A payload that is sealed to a key reaches that key, on both sealed routes.
pub fn sealed_reaches_its_recipient_only<N: Network>() {
    let (mut net, who) = people::<N>(3);
    for (at, p) in who.iter().enumerate() {
        for route in [Route::Partition(p.key), Route::Personal(p.key)] {
            net.command(at, Command::Listen(Listen { route, open_with: OpenWith::Identity(p.id) }))
                .expect("listen");
        }
    }
    net.run(SETTLE);
    let to = who[1].key;
    net.command(0, send(1, &who[0], Route::Partition(to), Some(to), b"one")).expect("send");
    net.command(0, send(2, &who[0], Route::Personal(to), Some(to), b"two")).expect("send");
    net.run(SETTLE);
    let events = net.events(1);
    let mut got: Vec<_> = received(&events).iter().map(|r| (r.payload.clone(), r.sealed_to)).collect();
    got.sort();
    assert_eq!(got, [(b"one".to_vec(), Some(to)), (b"two".to_vec(), Some(to))]);
    assert!(received(&net.events(2)).is_empty());
}

/// The two who share a secret hear each other on it.
pub fn negotiated_and_contact_code_work<N: Network>() {
    let (mut net, who) = people::<N>(3);
    let secret = || Route::Negotiated(NegotiatedSecret::new(Secret::new([9; 32])));
    let other = Route::Negotiated(NegotiatedSecret::new(Secret::new([8; 32])));
    net.command(1, by_route(secret())).expect("listen");
    net.command(1, by_route(Route::ContactCode(who[0].key))).expect("listen");
    net.command(2, by_route(other)).expect("listen");
    net.run(SETTLE);
    net.command(0, send(1, &who[0], secret(), None, b"psst")).expect("send");
    net.command(0, send(2, &who[0], Route::ContactCode(who[0].key), None, b"code")).expect("send");
    net.run(SETTLE);
    let events = net.events(1);
    let mut got: Vec<_> = received(&events).iter().map(|r| r.payload.clone()).collect();
    got.sort();
    assert_eq!(got, [b"code".to_vec(), b"psst".to_vec()]);
    assert!(received(&net.events(2)).is_empty());
}

/// Any bytes up to the limit arrive as they were; one more is refused without effect.
pub fn sizes_are_kept<N: Network>() {
    let (mut net, who) = people::<N>(2);
    net.command(1, by_route(public("sizes"))).expect("listen");
    net.run(SETTLE);
    let max = net.caps().max_payload;
    let payloads: Vec<Vec<u8>> = [0, 1, 255, 256, 65_535, 65_536].map(|n| vec![0xa5; n]).into();
    for (i, payload) in payloads.iter().enumerate() {
        net.command(0, send(i as u64, &who[0], public("sizes"), None, payload)).expect("send");
    }
    let too_large = net.command(0, send(99, &who[0], public("sizes"), None, &vec![0; max + 1]));
    assert_eq!(too_large, Err(CommandError::TooLarge { got: max + 1, max }));
    net.run(SETTLE * 3);
    let events = net.events(1);
    let mut got: Vec<_> = received(&events).iter().map(|r| r.payload.clone()).collect();
    got.sort_by_key(Vec::len);
    assert_eq!(got, payloads);
    assert!(progress(&net.events(0), 99).is_empty());
}

/// Progress is queued, then relayed, each once.
pub fn progress_is_honest<N: Network>() {
    let (mut net, who) = people::<N>(2);
    net.run(SETTLE);
    net.command(0, send(5, &who[0], public("p"), None, b"x")).expect("send");
    net.run(SETTLE);
    assert_eq!(progress(&net.events(0), 5), [Progress::Queued, Progress::Relayed]);
}

/// Without a peer a message waits, however long, and leaves when one comes.
pub fn a_message_waits_for_a_peer<N: Network>() {
    let (mut net, who) = people::<N>(2);
    net.command(1, by_route(public("later"))).expect("listen");
    net.run(SETTLE);
    net.set_online(0, false);
    net.run(SETTLE);
    net.command(0, send(1, &who[0], public("later"), None, b"patience")).expect("send");
    net.run(Duration::from_secs(120));
    assert_eq!(progress(&net.events(0), 1), [Progress::Queued]);
    net.set_online(0, true);
    net.run(SETTLE);
    assert_eq!(progress(&net.events(0), 1), [Progress::Relayed]);
    assert_eq!(received(&net.events(1)).len(), 1);
}

/// After `Unlisten` nothing arrives.
pub fn unlisten_ends_it<N: Network>() {
    let (mut net, who) = people::<N>(2);
    let listen = Listen { route: public("off"), open_with: OpenWith::ByRoute };
    net.command(1, Command::Listen(listen.clone())).expect("listen");
    net.run(SETTLE);
    net.command(1, Command::Unlisten(listen)).expect("unlisten");
    net.command(0, send(1, &who[0], public("off"), None, b"x")).expect("send");
    net.run(SETTLE);
    assert!(received(&net.events(1)).is_empty());
}

/// Commands that cannot be are refused.
pub fn misuse_is_refused<N: Network>() {
    let (mut net, who) = people::<N>(2);
    let to = who[1].key;
    let sealed = Route::Partition(to);
    assert_eq!(net.command(0, send(1, &who[0], sealed.clone(), None, b"")), Err(CommandError::Recipient));
    assert_eq!(net.command(0, send(1, &who[0], public("x"), Some(to), b"")), Err(CommandError::Recipient));
    assert_eq!(net.command(0, send(1, &who[1], public("x"), None, b"")), Err(CommandError::UnknownKey));
    let foreign = Listen { route: sealed.clone(), open_with: OpenWith::Identity(who[1].id) };
    assert_eq!(net.command(0, Command::Listen(foreign)), Err(CommandError::UnknownKey));
    let keyless = Listen { route: sealed, open_with: OpenWith::ByRoute };
    assert_eq!(net.command(0, Command::Listen(keyless)), Err(CommandError::Recipient));
    net.run(SETTLE);
    assert!(net.events(0).is_empty());
}

/// The same seed and commands give the same events.
pub fn runs_repeat<N: Network>() {
    let run = || {
        let (mut net, who) = people::<N>(3);
        for at in [0, 1, 2] {
            net.command(at, by_route(public("r"))).expect("listen");
        }
        net.run(SETTLE);
        for i in 0..8 {
            let from = usize::try_from(i % 3).expect("small");
            net.command(from, send(i, &who[from], public("r"), None, &i.to_be_bytes())).expect("send");
        }
        net.run(SETTLE);
        (net.events(0), net.events(1), net.events(2))
    };
    let first = run();
    assert_eq!(received(&first.0).len(), 5);
    assert_eq!(first, run());
}

/// Instantiates the suite for a [`Network`].
#[macro_export]
macro_rules! transport_conformance {
    ($network:ty) => {
        $crate::transport_conformance!(@each $network,
            public_reaches_its_listeners_only, sealed_reaches_its_recipient_only,
            negotiated_and_contact_code_work, sizes_are_kept, progress_is_honest,
            a_message_waits_for_a_peer, unlisten_ends_it, misuse_is_refused, runs_repeat);
    };
    (@each $network:ty, $($name:ident),+) => {
        $(#[test] fn $name() { $crate::conformance::$name::<$network>(); })+
    };
}
