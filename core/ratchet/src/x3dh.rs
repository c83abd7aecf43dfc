//! X3DH as it runs on the network: three raw DHs and one Keccak (`security.md` 3).
//!
//! DEVIATION: from Signal's document, as on the network: no HKDF, no one-time prekeys, no associated data.
//! Pinned by `both_sides_agree_with_the_original`.
//!
//! | | initiator A | responder B |
//! |---|---|---|
//! | dh1 | IK_A · SPK_B | SPK_B · IK_A |
//! | dh2 | EK_A · IK_B | IK_B · EK_A |
//! | dh3 | EK_A · SPK_B | SPK_B · EK_A |
//!
//! `SK = Keccak-256(dh1 || dh2 || dh3)`
//!
//! ```
//! use undertone_crypto::{MemoryKeyring, SecretKey};
//! use undertone_ratchet::{EphemeralKey, LocalIdentity, PrekeyPrivate, RemoteIdentity, x3dh};
//!
//! let mut rng = rand::rng();
//! let mut keyring = MemoryKeyring::new();
//! let [alice, bob] = [1, 2].map(|_| {
//!     let id = keyring.insert(SecretKey::random(&mut rng));
//!     LocalIdentity::new(&keyring, id).unwrap()
//! });
//! let (prekey, ephemeral) = (SecretKey::random(&mut rng), SecretKey::random(&mut rng));
//! let (spk, ek) = (prekey.public(), ephemeral.public());
//!
//! let to_bob = RemoteIdentity::new(*bob.public());
//! let ephemeral = EphemeralKey::from_secret_key(ephemeral);
//! let a = x3dh::initiate(&keyring, &alice, &to_bob, &spk, &ephemeral).unwrap();
//! let from_alice = RemoteIdentity::new(*alice.public());
//! let prekey = PrekeyPrivate::from_secret_key(prekey);
//! let b = x3dh::respond(&keyring, &bob, &from_alice, &prekey, &ek).unwrap();
//! assert_eq!(a.expose(), b.expose());
//! ```

use undertone_base::Secret;
use undertone_crypto::{Keyring, PublicKey, UnknownKey};

use crate::keys::{EphemeralKey, LocalIdentity, NegotiatedSecret, PrekeyPrivate, RemoteIdentity, SessionKey};

/// SK as the side computes it that opens the session.
///
/// # Errors
/// [`UnknownKey`] when the keyring has lost our identity.
pub fn initiate(
    keyring: &dyn Keyring,
    own: &LocalIdentity,
    peer: &RemoteIdentity,
    prekey: &PublicKey,
    ephemeral: &EphemeralKey,
) -> Result<SessionKey, UnknownKey> {
    let dh1 = keyring.ecdh(own.id(), prekey)?;
    let dh2 = ephemeral.secret_key().ecdh(peer.public());
    let dh3 = ephemeral.secret_key().ecdh(prekey);
    Ok(combine(&dh1, &dh2, &dh3))
}

/// SK as the side computes it whose prekey was used.
///
/// # Errors
/// [`UnknownKey`] when the keyring has lost our identity.
pub fn respond(
    keyring: &dyn Keyring,
    own: &LocalIdentity,
    peer: &RemoteIdentity,
    prekey: &PrekeyPrivate,
    ephemeral: &PublicKey,
) -> Result<SessionKey, UnknownKey> {
    let dh1 = prekey.secret_key().ecdh(peer.public());
    let dh2 = keyring.ecdh(own.id(), ephemeral)?;
    let dh3 = prekey.secret_key().ecdh(ephemeral);
    Ok(combine(&dh1, &dh2, &dh3))
}

/// What two identities share for ever: their DH. Names the topic on which they meet once both are known to
/// listen there.
///
/// # Errors
/// [`UnknownKey`] when the keyring has lost our identity.
pub fn negotiated_secret(
    keyring: &dyn Keyring,
    own: &LocalIdentity,
    peer: &RemoteIdentity,
) -> Result<NegotiatedSecret, UnknownKey> {
    keyring.ecdh(own.id(), peer.public()).map(NegotiatedSecret::from_secret)
}

fn combine(dh1: &Secret<32>, dh2: &Secret<32>, dh3: &Secret<32>) -> SessionKey {
    SessionKey::from_secret(Secret::fill(|out| {
        *out = undertone_crypto::hash::keccak256_parts(&[dh1.expose(), dh2.expose(), dh3.expose()]);
    }))
}

#[cfg(test)]
mod tests {
    use undertone_crypto::{MemoryKeyring, SecretKey};
    use undertone_vectors::{Value, hex, hex_n, load};

    use super::*;

    fn identity(pair: &Value) -> (MemoryKeyring, LocalIdentity) {
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(SecretKey::from_slice(&hex(&pair["priv"])).unwrap());
        let own = LocalIdentity::new(&keyring, id).unwrap();
        assert_eq!(own.public().to_uncompressed(), hex_n(&pair["pub_uncompressed"]));
        (keyring, own)
    }

    #[test]
    fn both_sides_agree_with_the_original() {
        let file = load("x3dh");
        let cases = file["x3dh"].as_array().unwrap();
        for case in cases {
            let (alice_ring, alice) = identity(&case["alice_identity"]);
            let (bob_ring, bob) = identity(&case["bob_identity"]);
            let key = |name: &str| SecretKey::from_slice(&hex(&case[name]["priv"])).unwrap();
            let (ek, spk) = (key("alice_ephemeral"), key("bob_signed_pre_key"));
            assert_eq!(alice_ring.ecdh(alice.id(), &spk.public()).unwrap().expose(), &hex_n(&case["dh1"]));
            assert_eq!(ek.ecdh(bob.public()).expose(), &hex_n(&case["dh2"]));
            assert_eq!(ek.ecdh(&spk.public()).expose(), &hex_n(&case["dh3"]));
            if let Some(header) = case.get("x3dh_header") {
                assert_eq!(ek.public().to_compressed(), hex_n(&header["key"]));
                assert_eq!(spk.public().to_compressed(), hex_n(&header["id"]));
            }
            let active = initiate(
                &alice_ring,
                &alice,
                &RemoteIdentity::new(*bob.public()),
                &spk.public(),
                &EphemeralKey::from_secret_key(ek.clone()),
            );
            let passive = respond(
                &bob_ring,
                &bob,
                &RemoteIdentity::new(*alice.public()),
                &PrekeyPrivate::from_secret_key(spk),
                &ek.public(),
            );
            assert_eq!(active.unwrap().expose(), &hex_n(&case["sk_active"]), "{}", case["name"]);
            assert_eq!(passive.unwrap().expose(), &hex_n(&case["sk_passive"]), "{}", case["name"]);
        }
        assert_eq!(cases.len(), 8);
    }

    #[test]
    fn the_negotiated_secret_is_the_same_from_both_ends() {
        let file = load("shared_secret");
        let cases = file["negotiated"].as_array().unwrap();
        for case in cases {
            let (alice_ring, alice) = identity(&case["alice"]);
            let (bob_ring, bob) = identity(&case["bob"]);
            let a = negotiated_secret(&alice_ring, &alice, &RemoteIdentity::new(*bob.public())).unwrap();
            let b = negotiated_secret(&bob_ring, &bob, &RemoteIdentity::new(*alice.public())).unwrap();
            assert_eq!(a.expose(), &hex_n(&case["secret"]));
            assert_eq!(a.expose(), b.expose());
        }
        assert_eq!(cases.len(), 6);
    }
}
