//! Our X3DH and ratchet against a peer that shares no primitive with them but Keccak: `k256` for the curve, `ring` for
//! HKDF, HMAC and AES. The peer is the text of `security.md` 3 and 4 a second time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use ring::{aead::quic, hkdf, hmac};
use undertone_base::Secret;
use undertone_crypto::hash::keccak256_parts;
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey};
use undertone_ratchet::ratchet::{Header, Ratchet};
use undertone_ratchet::{
    EphemeralKey, LocalIdentity, PrekeyId, PrekeyPrivate, RatchetPair, RatchetPublic, RemoteIdentity,
    SessionKey, x3dh,
};
use undertone_support::rng;

const ROOT: &[u8] = b"rsZUpEuXUqqwXBvSy3EcievAh4cMj6QL";
const MESSAGE: &[u8] = b"pcwSByyx2CRdryCffXJwy7xgVZWtW5Sh";

proptest! {
    #[test]
    fn another_implementation_agrees_on_the_secret_of_a_session(seed: u64) {
        let mut rng = rng(seed);
        let keys: [SecretKey; 4] = std::array::from_fn(|_| SecretKey::random(&mut rng));
        let [alice, bob, prekey, ephemeral] = &keys;
        let mut keyring = MemoryKeyring::new();
        let [at_alice, at_bob] = [alice, bob].map(|key| {
            let id = keyring.insert(key.clone());
            LocalIdentity::new(&keyring, id).unwrap()
        });
        let theirs = keccak256_parts(&[
            &dh(alice, &prekey.public()), &dh(ephemeral, &bob.public()), &dh(ephemeral, &prekey.public()),
        ]);
        let opening = EphemeralKey::from_secret_key(ephemeral.clone());
        let to_bob = RemoteIdentity::new(bob.public());
        let ours = x3dh::initiate(&keyring, &at_alice, &to_bob, &prekey.public(), &opening).unwrap();
        prop_assert_eq!(ours.expose(), &theirs);
        let from_alice = RemoteIdentity::new(alice.public());
        let private = PrekeyPrivate::from_secret_key(prekey.clone());
        let ours = x3dh::respond(&keyring, &at_bob, &from_alice, &private, &ephemeral.public()).unwrap();
        prop_assert_eq!(ours.expose(), &theirs);
        let shared = x3dh::negotiated_secret(&keyring, &at_alice, &to_bob).unwrap();
        prop_assert_eq!(shared.expose(), &dh(alice, &bob.public()));
    }

    /// Who writes is drawn; every few messages the ratchet turns, KDF_RK and KDF_CK with it.
    #[test]
    fn another_implementation_of_the_ratchet_talks_with_ours(
        seed: u64, we_begin: bool,
        talk in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..=5)), 1..40),
    ) {
        let mut rng = rng(seed);
        let (sk, prekey) = (Secret::<32>::random(&mut rng), SecretKey::random(&mut rng));
        let own = SecretKey::random(&mut rng);
        let session = SessionKey::from_secret(Secret::new(*sk.expose()));
        let (mut ours, mut theirs) = if we_begin {
            let pair = RatchetPair::from_secret_key(own);
            (Ratchet::initiator(&session, &prekey.public(), pair), Peer::responder(*sk.expose(), prekey))
        } else {
            let id = PrekeyId::of(&prekey.public());
            let theirs = Peer::initiator(*sk.expose(), own, &prekey.public());
            (Ratchet::responder(&session, &PrekeyPrivate::from_secret_key(prekey), &id), theirs)
        };
        for (we_write, text) in talk {
            if we_write {
                let (header, sealed) = ours.seal(&text).unwrap();
                prop_assert_eq!(theirs.open(&header, &sealed, SecretKey::random(&mut rng)), Some(text));
            } else {
                let (header, sealed) = theirs.seal(&text);
                let step = ours.open(&header, &sealed, &mut rng).unwrap();
                prop_assert_eq!(&step.plaintext, &text);
                prop_assert!(step.skipped.is_empty());
                ours = step.next;
            }
        }
    }
}

/// One end of a session whose messages come in order.
struct Peer {
    root: [u8; 32],
    own: SecretKey,
    remote: Option<PublicKey>,
    send: ([u8; 32], u32),
    receive: ([u8; 32], u32),
    previous: u32,
}

impl Peer {
    fn initiator(sk: [u8; 32], own: SecretKey, prekey: &PublicKey) -> Self {
        let mut peer = Self::responder(sk, own);
        peer.remote = Some(*prekey);
        peer.send = (peer.step_root(), 0);
        peer
    }

    fn responder(sk: [u8; 32], own: SecretKey) -> Self {
        Self { root: sk, own, remote: None, send: (sk, 0), receive: (sk, 0), previous: 0 }
    }

    /// KDF_RK.
    fn step_root(&mut self) -> [u8; 32] {
        let shared = dh(&self.own, &self.remote.unwrap());
        let out = hkdf(&shared, &self.root, ROOT, 96);
        self.root = out[..32].try_into().unwrap();
        out[32..64].try_into().unwrap()
    }

    fn seal(&mut self, text: &[u8]) -> (Header, Vec<u8>) {
        let key = RatchetPublic::from_bytes(compressed(&self.own));
        let header = Header { key, n: self.send.1, pn: self.previous };
        let keys = Keys::next(&mut self.send);
        let body = [&keys.iv[..], &keys.apply(text)].concat();
        let tag = keys.tag(&header, &body);
        (header, [body, tag].concat())
    }

    /// `fresh` is the key of ours that follows when theirs is new.
    fn open(&mut self, header: &Header, sealed: &[u8], fresh: SecretKey) -> Option<Vec<u8>> {
        let key = PublicKey::from_compressed(header.key.as_bytes()).unwrap();
        let turns = self.remote != Some(key);
        if turns {
            assert_eq!(header.pn, self.receive.1, "nothing was lost");
            self.remote = Some(key);
            self.receive = (self.step_root(), 0);
        }
        assert_eq!(header.n, self.receive.1);
        let keys = Keys::next(&mut self.receive);
        let (body, tag) = sealed.split_at(sealed.len() - 32);
        let (iv, text) = body.split_at(16);
        let fits = keys.tag(header, body) == tag && iv == keys.iv;
        if turns {
            (self.previous, self.own) = (self.send.1, fresh);
            self.send = (self.step_root(), 0);
        }
        fits.then(|| keys.apply(text))
    }
}

/// What the key of one message expands to.
struct Keys {
    cipher: [u8; 32],
    mac: [u8; 32],
    iv: [u8; 16],
}

impl Keys {
    /// KDF_CK, and HKDF of the message key.
    fn next((chain, n): &mut ([u8; 32], u32)) -> Self {
        let message = hmac(chain, &[0x10]);
        *chain = hmac(chain, &[0x0f]);
        *n += 1;
        let out = hkdf(&message, &[0; 32], MESSAGE, 80);
        let part = |at: std::ops::Range<usize>| out[at].to_vec();
        Self {
            cipher: part(0..32).try_into().unwrap(),
            mac: part(32..64).try_into().unwrap(),
            iv: part(64..80).try_into().unwrap(),
        }
    }

    /// AES-256-CTR of at most five bytes: all that `ring` shows of a block.
    fn apply(&self, text: &[u8]) -> Vec<u8> {
        assert!(text.len() <= 5);
        let block = quic::HeaderProtectionKey::new(&quic::AES_256, &self.cipher).unwrap();
        let stream = block.new_mask(&self.iv).unwrap();
        text.iter().zip(stream).map(|(a, b)| a ^ b).collect()
    }

    fn tag(&self, header: &Header, body: &[u8]) -> Vec<u8> {
        let (n, pn) = (header.n.to_le_bytes(), header.pn.to_le_bytes());
        hmac(&self.mac, &[&n[..], &pn, header.key.as_bytes(), body].concat()).to_vec()
    }
}

/// The x of the shared point.
fn dh(own: &SecretKey, other: &PublicKey) -> [u8; 32] {
    let own = k256::SecretKey::from_slice(own.secret().expose()).unwrap();
    let other = k256::PublicKey::from_sec1_bytes(&other.to_compressed()).unwrap();
    let shared = k256::ecdh::diffie_hellman(own.to_nonzero_scalar(), other.as_affine());
    shared.raw_secret_bytes()[..].try_into().unwrap()
}

fn compressed(key: &SecretKey) -> [u8; 33] {
    let key = k256::SecretKey::from_slice(key.secret().expose()).unwrap();
    key.public_key().to_sec1_bytes()[..].try_into().unwrap()
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().try_into().unwrap()
}

fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let info = [info];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(ikm);
    let mut out = vec![0; length];
    extracted.expand(&info, Length(length)).unwrap().fill(&mut out).unwrap();
    out
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
