//! Ids.

use undertone_base::fixed_bytes;
use undertone_crypto::PublicKey;
use undertone_crypto::hash::{keccak256_parts, sha256_parts};

fixed_bytes! {
    /// The group of MVDS: here always a pair of people (or one person's own devices).
    pub struct GroupId(32);
}

fixed_bytes! {
    /// The message id of MVDS, which acks name. Not the message id of the application.
    pub struct SyncId(32);
}

impl GroupId {
    /// `keccak256(ckey(A) || ckey(B))`, A the key with the smaller X coordinate; the order of the arguments
    /// does not matter. A key with itself is the group of one person's own devices.
    ///
    /// A key and its negation share X; then the smaller compressed form (02) is first, so that both sides
    /// still agree.
    pub fn of_pair(a: &PublicKey, b: &PublicKey) -> Self {
        let (a, b) = (a.to_compressed(), b.to_compressed());
        let (first, second) = if order(&a) <= order(&b) { (a, b) } else { (b, a) };
        Self::from_bytes(keccak256_parts(&[&first, &second]))
    }
}

impl SyncId {
    /// `sha256("MESSAGE_ID" || group id || timestamp (8, little-endian) || body)`, the group id in the length
    /// that it has on the wire (the reference does not pad it here).
    pub(crate) fn of(group_id: &[u8], timestamp: i64, body: &[u8]) -> Self {
        Self::from_bytes(sha256_parts(&[b"MESSAGE_ID", group_id, &timestamp.to_le_bytes(), body]))
    }

    /// An id as it came: shorter ones are padded with zeros at the end, longer ones are cut.
    pub(crate) fn from_wire(bytes: &[u8]) -> Self {
        Self::from_bytes(fit(bytes))
    }
}

fn order(key: &[u8; 33]) -> (&[u8], u8) {
    let [parity, x @ ..] = key;
    (x, *parity)
}

fn fit(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_from_the_wire_are_padded_or_cut() {
        let mut padded = [0; 32];
        padded[..5].copy_from_slice(b"short");
        assert_eq!(SyncId::from_wire(b"short").as_bytes(), &padded);
        assert_eq!(SyncId::from_wire(&[7; 40]).as_bytes(), &[7; 32]);
        assert_eq!(SyncId::from_wire(&[]).as_bytes(), &[0; 32]);
    }

    #[test]
    fn both_sides_agree_even_on_a_key_and_its_negation() {
        let key = undertone_crypto::SecretKey::from_slice(&[0xa1; 32]).unwrap().public();
        let mut flipped = key.to_compressed();
        flipped[0] ^= 1;
        let negation = PublicKey::from_compressed(&flipped).unwrap();
        assert_eq!(GroupId::of_pair(&key, &negation), GroupId::of_pair(&negation, &key));
        assert_ne!(GroupId::of_pair(&key, &negation), GroupId::of_pair(&key, &key));
    }
}
