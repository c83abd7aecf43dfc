//! What `Debug` shows of everything that holds a secret: a name and a length.

use undertone_base::{Secret, Unix};
use undertone_crypto::SecretKey;
use undertone_ratchet::ratchet::Ratchet;
use undertone_ratchet::{
    ChainKey, EphemeralKey, FiledKey, MemoryRatchetStore, MessageKey, NegotiatedSecret, OwnPrekey, PrekeyId,
    PrekeyPrivate, RatchetPair, RatchetStore as _, RootKey, Row, SessionKey, Table,
};
use undertone_support::{assert_silent, rng};

#[test]
fn roles_show_their_name_only() {
    let bytes = *Secret::<32>::random(&mut rng(1)).expose();
    let secret = || Secret::new(bytes);
    let key = || SecretKey::from_secret(secret()).unwrap();
    let shown = [
        assert_silent(&SessionKey::from_secret(secret()), &[&bytes]),
        assert_silent(&RootKey::from_secret(secret()), &[&bytes]),
        assert_silent(&ChainKey::from_secret(secret()), &[&bytes]),
        assert_silent(&MessageKey::from_secret(secret()), &[&bytes]),
        assert_silent(&NegotiatedSecret::from_secret(secret()), &[&bytes]),
        assert_silent(&PrekeyPrivate::from_secret_key(key()), &[&bytes]),
        assert_silent(&EphemeralKey::from_secret_key(key()), &[&bytes]),
        assert_silent(&Row::from(bytes.to_vec()), &[&bytes]),
    ];
    insta::assert_snapshot!(shown.join("\n"), @r"
    SessionKey(Secret(32 bytes))
    RootKey(Secret(32 bytes))
    ChainKey(Secret(32 bytes))
    MessageKey(Secret(32 bytes))
    NegotiatedSecret(Secret(32 bytes))
    PrekeyPrivate(32 bytes)
    EphemeralKey(32 bytes)
    Row(32 bytes)
    ");
    assert_silent(&RatchetPair::from_secret_key(key()), &[&bytes]);
}

#[test]
fn a_ratchet_its_steps_and_its_store_show_no_secret() {
    let mut rng = rng(2);
    let sk = SessionKey::from_secret(Secret::random(&mut rng));
    let (prekey, own) = (SecretKey::random(&mut rng), SecretKey::random(&mut rng));
    let (prekey_secret, own_secret) = (*prekey.secret().expose(), *own.secret().expose());
    let mut secrets = vec![sk.expose().as_slice(), &prekey_secret, &own_secret, b"what a person wrote"];
    let mut alice = Ratchet::initiator(&sk, &prekey.public(), RatchetPair::from_secret_key(own));
    let private = PrekeyPrivate::from_secret_key(prekey.clone());
    let bob = Ratchet::responder(&sk, &private, &PrekeyId::of(&prekey.public()));
    alice.seal(b"lost").unwrap();
    let (header, ciphertext) = alice.seal(b"what a person wrote").unwrap();
    let step = bob.open(&header, &ciphertext, &mut rng).unwrap();
    let skipped = step.skipped[0].clone();
    secrets.push(skipped.key.expose());
    assert_silent(&alice, &secrets);
    assert_silent(&bob, &secrets);
    assert_silent(&step, &secrets);
    assert_silent(&skipped, &secrets);
    let filed = FiledKey::new(&skipped, Unix::from_secs(1));
    assert_silent(&filed, &secrets);
    let own = OwnPrekey { private, version: 1, created: Unix::from_secs(1), retired: None };
    assert_silent(&own, &secrets);
    let mut store = MemoryRatchetStore::new();
    store.put(Table::OwnPrekey, b"name", own.to_bytes().as_ref()).unwrap();
    store.put(Table::Skipped, b"name", filed.to_bytes().as_ref()).unwrap();
    assert_silent(&store, &secrets);
}
