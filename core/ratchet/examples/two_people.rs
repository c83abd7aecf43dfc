//! X3DH and the Double Ratchet alone: two people, bytes carried by hand.

use std::error::Error;

use undertone_base::{Now, Unix};
use undertone_crypto::{KeyId, Keyring, MemoryKeyring, SecretKey};
use undertone_ratchet::{Context, Encryption, InstallationId, LocalIdentity, MemoryRatchetStore, Protection};

struct Person {
    layer: Encryption,
    /// An application keeps this in a database, and commits before anything is sent.
    store: MemoryRatchetStore,
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = Now { unix: Unix::from_secs(1_700_000_000), ..Now::default() };
    // Both identities are in one keyring here; each needs its own alone.
    let mut ring = MemoryKeyring::new();
    let (alice, bob) = (ring.insert(key()), ring.insert(key()));
    let (mut alice, mut bob) = (person(&ring, alice)?, person(&ring, bob)?);

    let mut protections = Vec::new();
    for _ in 0..2 {
        protections.push(say(&mut alice, &mut bob, &ring, now)?);
        protections.push(say(&mut bob, &mut alice, &ring, now)?);
    }
    // The first message found no device of Bob: his identity key reads it, and it brings Alice's bundle.
    assert_eq!(protections, [Protection::DhOnly, Protection::Pfs, Protection::Pfs, Protection::Pfs]);
    Ok(())
}

fn key() -> SecretKey {
    SecretKey::random(&mut rand::rng())
}

fn person(keyring: &dyn Keyring, identity: KeyId) -> Result<Person, Box<dyn Error>> {
    let device = InstallationId::random(&mut rand::rng());
    let layer = Encryption::new(LocalIdentity::new(keyring, identity)?, device);
    Ok(Person { layer, store: MemoryRatchetStore::new() })
}

/// One message from one to the other.
fn say(
    from: &mut Person,
    to: &mut Person,
    keyring: &dyn Keyring,
    now: Now,
) -> Result<Protection, Box<dyn Error>> {
    let rng = &mut rand::rng();
    let mut cx = Context { store: &mut from.store, keyring, now, rng };
    let sealed = from.layer.seal_direct(&mut cx, to.layer.own().public(), b"hello")?;
    let rng = &mut rand::rng();
    let mut cx = Context { store: &mut to.store, keyring, now, rng };
    let opened = to.layer.open(&mut cx, from.layer.own().public(), &sealed.bytes)?;
    assert_eq!(opened.payload.as_deref(), Some(&b"hello"[..]));
    Ok(sealed.protection)
}

#[test]
fn the_second_message_goes_through_the_ratchet() {
    main().unwrap();
}
