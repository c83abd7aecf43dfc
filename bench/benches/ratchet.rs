//! Row B6: steps of a session, its beginning, and bundles. Without and with the store around them, and beside vodozemac.
#![allow(clippy::unreachable, clippy::unwrap_used, missing_docs, reason = "a bench")]

use criterion::{Criterion, criterion_group, criterion_main};
use undertone_base::{Now, Unix};
use undertone_bench::{ChaCha20Rng, random_bytes, rng};
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_ratchet::ratchet::Ratchet;
use undertone_ratchet::x3dh;
use undertone_ratchet::{
    Context, Encryption, EphemeralKey, InstallationId, LocalIdentity, MemoryRatchetStore, PrekeyId,
    PrekeyPrivate, ProtocolMessage, RatchetPair, RemoteIdentity,
};

const PAYLOAD: usize = 256;
const NOW: Now = Now { mono: undertone_base::Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };

/// A person with one device.
struct Party {
    keyring: MemoryKeyring,
    layer: Encryption,
    store: MemoryRatchetStore,
}

impl Party {
    fn new(rng: &mut ChaCha20Rng) -> Self {
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(SecretKey::random(rng));
        let own = LocalIdentity::new(&keyring, id).unwrap();
        let layer = Encryption::new(own, InstallationId::random(rng));
        Self { keyring, layer, store: MemoryRatchetStore::new() }
    }

    fn own(&self) -> &LocalIdentity {
        self.layer.own()
    }

    fn key(&self) -> PublicKey {
        *self.own().public()
    }

    fn say(&mut self, to: &PublicKey, payload: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mut cx = Context { store: &mut self.store, keyring: &self.keyring, now: NOW, rng };
        self.layer.seal_direct(&mut cx, to, payload).unwrap().bytes
    }

    fn hear(&mut self, from: &PublicKey, bytes: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mut cx = Context { store: &mut self.store, keyring: &self.keyring, now: NOW, rng };
        self.layer.open(&mut cx, from, bytes).unwrap().payload.unwrap()
    }
}

/// Both ends of a session after its first message.
fn session(rng: &mut ChaCha20Rng) -> (Ratchet, Ratchet) {
    let (alice, bob) = (Party::new(rng), Party::new(rng));
    let prekey = SecretKey::random(rng);
    let id = PrekeyId::of(&prekey.public());
    let (mut left, sk) = begin(&alice, &RemoteIdentity::new(bob.key()), &prekey.public(), rng);
    let right = Ratchet::responder(&sk, &PrekeyPrivate::from_secret_key(prekey), &id);
    let right = hop(&mut left, right, b"first", rng);
    (left, right)
}

/// What the initiator of a session computes: its keys, X3DH, the first step of the ratchet.
fn begin(
    own: &Party,
    peer: &RemoteIdentity,
    prekey: &PublicKey,
    rng: &mut ChaCha20Rng,
) -> (Ratchet, undertone_ratchet::SessionKey) {
    let ephemeral = EphemeralKey::random(rng);
    let sk = x3dh::initiate(&own.keyring, own.own(), peer, prekey, &ephemeral).unwrap();
    (Ratchet::initiator(&sk, prekey, RatchetPair::random(rng)), sk)
}

/// One message sealed and opened; the receiver's next state.
fn hop(from: &mut Ratchet, to: Ratchet, payload: &[u8], rng: &mut ChaCha20Rng) -> Ratchet {
    let (header, ciphertext) = from.seal(payload).unwrap();
    to.open(&header, &ciphertext, rng).unwrap().next
}

fn steps(c: &mut Criterion) {
    let payload = random_bytes(PAYLOAD);
    let mut group = c.benchmark_group("B6 ratchet");
    group.bench_function("one way, 256 B", |b| {
        let mut rng = rng(1);
        let (mut alice, bob) = session(&mut rng);
        let mut bob = Some(bob);
        b.iter(|| bob = Some(hop(&mut alice, bob.take().unwrap(), &payload, &mut rng)));
    });
    group.bench_function("ping-pong, 256 B", |b| {
        let mut rng = rng(2);
        let (alice, bob) = session(&mut rng);
        let mut ends = Some((alice, bob));
        b.iter(|| {
            let (alice, mut bob) = ends.take().unwrap();
            let mut alice = hop(&mut bob, alice, &payload, &mut rng);
            let bob = hop(&mut alice, bob, &payload, &mut rng);
            ends = Some((alice, bob));
        });
    });
    group.bench_function("initiator, X3DH and first step", |b| {
        let mut rng = rng(3);
        let (alice, bob, prekey) = (Party::new(&mut rng), Party::new(&mut rng), SecretKey::random(&mut rng));
        let (peer, prekey) = (RemoteIdentity::new(bob.key()), prekey.public());
        b.iter(|| begin(&alice, &peer, &prekey, &mut rng));
    });
    group.finish();
}

/// A public message is its text and a freshly signed bundle; whoever reads it verifies the bundle.
fn bundles(c: &mut Criterion) {
    let mut rng = rng(4);
    let mut alice = Party::new(&mut rng);
    let mut sign = || {
        let mut cx = Context { store: &mut alice.store, keyring: &alice.keyring, now: NOW, rng: &mut rng };
        alice.layer.seal_public(&mut cx, b"hello").unwrap().bytes
    };
    let mut group = c.benchmark_group("B6 bundle");
    let bytes = sign();
    group.bench_function("sign", |b| b.iter(&mut sign));
    group.bench_function("verify", |b| {
        b.iter(|| {
            let message = ProtocolMessage::decode(&bytes).unwrap();
            message.bundles().first().unwrap().verify(NOW.unix).unwrap()
        });
    });
    group.finish();
}

/// A whole message with its bundle, store included, each answered by the other side.
fn messages(c: &mut Criterion) {
    let payload = random_bytes(PAYLOAD);
    let mut rng = rng(5);
    let (mut alice, mut bob) = (Party::new(&mut rng), Party::new(&mut rng));
    let (a, b) = (alice.key(), bob.key());
    let mut exchange = || {
        let bytes = alice.say(&b, &payload, &mut rng);
        bob.hear(&a, &bytes, &mut rng);
        let bytes = bob.say(&a, &payload, &mut rng);
        alice.hear(&b, &bytes, &mut rng)
    };
    // The first falls back, the second opens the session.
    exchange();
    exchange();
    c.bench_function("B6 layer/ping-pong with bundles, 256 B", |b| b.iter(&mut exchange));
}

/// The same three with vodozemac (Olm), in the same run, so that the ratio is not the machine's.
///
/// Olm stands on X25519, we on secp256k1, because a person's chat key is an Ethereum key and the network has no other.
/// A step of the ratchet is one making of a key and two agreements on either side, and on this curve each takes longer
/// by constant-time code; Olm's X3DH makes no step of the ratchet, ours does. What is the same in kind is a message in
/// a chain: HMAC, HKDF, AES, HMAC.
fn vodozemac(c: &mut Criterion) {
    use vodozemac::olm::{Account, Session, SessionConfig};

    /// The beginning of a session; the peer's keys come from a fresh account.
    fn begin(alice: &Account, bob: &mut Account) -> Session {
        bob.generate_one_time_keys(1);
        let one_time = *bob.one_time_keys().values().next().unwrap();
        bob.mark_keys_as_published();
        alice.create_outbound_session(SessionConfig::version_1(), bob.curve25519_key(), one_time).unwrap()
    }

    /// Both ends after a message each way.
    fn session() -> (Session, Session) {
        let (alice, mut bob) = (Account::new(), Account::new());
        let mut left = begin(&alice, &mut bob);
        let vodozemac::olm::OlmMessage::PreKey(first) = left.encrypt("first").unwrap() else {
            unreachable!()
        };
        let config = SessionConfig::version_1();
        let mut right = bob.create_inbound_session(config, alice.curve25519_key(), &first).unwrap().session;
        left.decrypt(&right.encrypt("second").unwrap()).unwrap();
        (left, right)
    }

    let payload = random_bytes(PAYLOAD);
    let mut group = c.benchmark_group("B6 vodozemac");
    group.bench_function("one way, 256 B", |b| {
        let (mut alice, mut bob) = session();
        b.iter(|| bob.decrypt(&alice.encrypt(&payload).unwrap()).unwrap());
    });
    group.bench_function("ping-pong, 256 B", |b| {
        let (mut alice, mut bob) = session();
        b.iter(|| {
            alice.decrypt(&bob.encrypt(&payload).unwrap()).unwrap();
            bob.decrypt(&alice.encrypt(&payload).unwrap()).unwrap()
        });
    });
    group.bench_function("initiator, X3DH", |b| {
        let (alice, mut bob) = (Account::new(), Account::new());
        bob.generate_one_time_keys(1);
        let (identity, one_time) = (bob.curve25519_key(), *bob.one_time_keys().values().next().unwrap());
        b.iter(|| alice.create_outbound_session(SessionConfig::version_1(), identity, one_time).unwrap());
    });
    group.finish();
}

criterion_group!(
    name = benches;
    config = undertone_bench::criterion();
    targets = steps, vodozemac, bundles, messages
);
criterion_main!(benches);
