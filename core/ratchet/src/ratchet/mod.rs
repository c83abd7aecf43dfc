//! The Double Ratchet as it runs on the network: secp256k1, both chains born as SK (`security.md` 4).
//!
//! A [`Ratchet`] is a value. Encrypting advances it; decrypting works on a copy and hands the copy out with
//! the plaintext ([`Step`]), so that a refused message leaves it as it was. Keys of messages that have not
//! come yet are not part of the value: the step lists them, the caller files them with the session and gives
//! the one that a header asks for back through [`Ratchet::open_skipped`].
//!
//! ```
//! use undertone_base::Secret;
//! use undertone_crypto::SecretKey;
//! use undertone_ratchet::ratchet::Ratchet;
//! use undertone_ratchet::{PrekeyId, PrekeyPrivate, RatchetPair, SessionKey};
//!
//! let mut rng = rand::rng();
//! let sk = SessionKey::from_secret(Secret::random(&mut rng)); // from X3DH
//! let prekey = SecretKey::random(&mut rng);
//! let id = PrekeyId::of(&prekey.public());
//! let mut alice = Ratchet::initiator(&sk, &prekey.public(), RatchetPair::random(&mut rng));
//! let bob = Ratchet::responder(&sk, &PrekeyPrivate::from_secret_key(prekey), &id);
//!
//! let (lost, _) = alice.seal(b"one").unwrap();
//! let (header, ciphertext) = alice.seal(b"two").unwrap();
//! let step = bob.open(&header, &ciphertext, &mut rng).unwrap();
//! assert_eq!(step.plaintext, b"two");
//! assert_eq!((step.skipped[0].ratchet, step.skipped[0].n), (lost.key, lost.n));
//! // The new state knows that this message was read.
//! assert!(step.next.open(&header, &ciphertext, &mut rng).is_err());
//! ```

mod kdf;
mod message;
#[cfg(test)]
mod tests;

use std::fmt;

use rand_core::CryptoRng;
use undertone_base::Secret;
use undertone_crypto::PublicKey;

pub use self::message::Header;
use crate::error::RatchetError;
use crate::keys::{
    ChainKey, MessageKey, PrekeyId, PrekeyPrivate, RatchetPair, RatchetPublic, RootKey, SessionKey,
};
use crate::limits::{MAX_RETIRED_KEYS, MAX_SKIP, MIN_RATCHET_CIPHERTEXT};

/// A chain of message keys.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) key: ChainKey,
    /// Number of the next message.
    pub(crate) n: u32,
}

impl Chain {
    /// The key of the next message. The counter stops at its end: a caller checks before.
    fn step(&mut self) -> MessageKey {
        let (next, key) = kdf::chain(&self.key);
        self.key = next;
        self.n = self.n.saturating_add(1);
        key
    }
}

/// One end of a session.
#[derive(Clone, Debug)]
pub struct Ratchet {
    pub(crate) root: RootKey,
    pub(crate) own: RatchetPair,
    pub(crate) remote: Option<RatchetPublic>,
    pub(crate) send: Chain,
    pub(crate) receive: Chain,
    /// Messages sent in the previous chain.
    pub(crate) previous: u32,
    /// Message keys derived for receiving so far; gives each skipped key its sequence number.
    pub(crate) keys_count: u64,
    /// Former ratchet keys of the peer, oldest first.
    pub(crate) retired: Vec<RatchetPublic>,
}

/// The key of a message that was passed over.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Ratchet key of its header.
    pub ratchet: RatchetPublic,
    /// Number in its chain.
    pub n: u32,
    /// The key.
    pub key: MessageKey,
    /// Grows with every key of the session: the lowest leave first.
    pub seq: u64,
}

/// What a message that authenticated leads to.
pub struct Step {
    /// The content.
    pub plaintext: Vec<u8>,
    /// The state from now on.
    pub next: Ratchet,
    /// Keys to file for messages that have not come yet. The key of the message itself is not among them.
    pub skipped: Vec<Skipped>,
}

/// Without the content.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("plaintext_bytes", &self.plaintext.len())
            .field("next", &self.next)
            .field("skipped", &self.skipped)
            .finish()
    }
}

impl Ratchet {
    /// The end of whoever opens the session on the prekey `remote`.
    ///
    /// Both chains start as SK; the sending one takes a DH step at once, the receiving one stays: the peer
    /// may use it before it has read anything.
    pub fn initiator(sk: &SessionKey, remote: &PublicKey, own: RatchetPair) -> Self {
        let dh = own.secret_key().ecdh(remote);
        let (root, send) = kdf::root(&RootKey::from_secret(copy(sk)), &dh);
        Self {
            root,
            own,
            remote: Some(RatchetPublic::of(remote)),
            send: Chain { key: send, n: 0 },
            receive: Chain { key: ChainKey::from_secret(copy(sk)), n: 0 },
            previous: 0,
            keys_count: 0,
            retired: Vec::new(),
        }
    }

    /// The end of whoever owns the prekey.
    pub fn responder(sk: &SessionKey, prekey: &PrekeyPrivate, id: &PrekeyId) -> Self {
        Self {
            root: RootKey::from_secret(copy(sk)),
            own: RatchetPair::from_prekey(prekey, id),
            remote: None,
            send: Chain { key: ChainKey::from_secret(copy(sk)), n: 0 },
            receive: Chain { key: ChainKey::from_secret(copy(sk)), n: 0 },
            previous: 0,
            keys_count: 0,
            retired: Vec::new(),
        }
    }

    /// Encrypts the next message. The new state must be durable before the ciphertext leaves.
    ///
    /// # Errors
    /// [`RatchetError::Exhausted`] after 2^32 - 1 messages in one chain; the state is as before.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<(Header, Vec<u8>), RatchetError> {
        if self.send.n == u32::MAX {
            return Err(RatchetError::Exhausted);
        }
        let header = Header { key: *self.own.public(), n: self.send.n, pn: self.previous };
        let key = self.send.step();
        Ok((header, message::seal(&key, plaintext, &header.to_bytes())))
    }

    /// Decrypts a message whose key is not among the skipped ones.
    ///
    /// The randomness is drawn only after the message has authenticated.
    ///
    /// # Errors
    /// [`RatchetError`], all but `Exhausted`; the state is as before.
    pub fn open(
        &self,
        header: &Header,
        ciphertext: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Step, RatchetError> {
        if ciphertext.len() < MIN_RATCHET_CIPHERTEXT {
            return Err(RatchetError::TooShort { got: ciphertext.len() });
        }
        if self.remote == Some(header.key) {
            self.open_in_chain(header, ciphertext)
        } else {
            self.open_with_dh(header, ciphertext, rng)
        }
    }

    /// Decrypts a late message with the key that was filed for it. The caller deletes the key on success;
    /// the ratchet itself does not change.
    ///
    /// DEVIATION: `security.md` S11: the original keeps used keys until a confirmation that nothing calls.
    /// Ours leave with the plaintext, in one transaction, so a copy is a [`RatchetError::Duplicate`]. Pinned by
    /// `a_copy_from_an_earlier_chain_is_a_duplicate_and_no_forgery`.
    ///
    /// # Errors
    /// [`RatchetError::TooShort`], [`RatchetError::BadMac`].
    pub fn open_skipped(
        key: &MessageKey,
        header: &Header,
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, RatchetError> {
        message::open(key, ciphertext, &header.to_bytes())
    }

    /// The peer's ratchet key is the one we know.
    fn open_in_chain(&self, header: &Header, ciphertext: &[u8]) -> Result<Step, RatchetError> {
        gap(self.receive.n, header.n)?;
        let mut next = self.clone();
        let mut skipped = Vec::new();
        next.skip_to(header.n, Some(header.key), &mut skipped);
        let key = next.receive.step();
        next.keys_count = next.keys_count.saturating_add(1);
        let plaintext = message::open(&key, ciphertext, &header.to_bytes())?;
        Ok(Step { plaintext, next, skipped })
    }

    /// The peer has turned the ratchet: the rest of the old chain is skipped and both chains are renewed.
    fn open_with_dh(
        &self,
        header: &Header,
        ciphertext: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Step, RatchetError> {
        if self.retired.contains(&header.key) {
            return Err(RatchetError::Duplicate);
        }
        let remote = header.key.point().map_err(|_| RatchetError::Key)?;
        // A chain cannot end before what was read of it: not a state that ours belongs to.
        if header.pn < self.receive.n {
            return Err(RatchetError::BadMac);
        }
        gap(self.receive.n, header.pn)?;
        gap(0, header.n)?;
        let mut next = self.clone();
        let mut skipped = Vec::new();
        next.skip_to(header.pn, self.remote, &mut skipped);
        next.retire();
        next.remote = Some(header.key);
        let (root, chain) = kdf::root(&next.root, &next.own.secret_key().ecdh(&remote));
        next.root = root;
        next.receive = Chain { key: chain, n: 0 };
        next.skip_to(header.n, Some(header.key), &mut skipped);
        let key = next.receive.step();
        next.keys_count = next.keys_count.saturating_add(1);
        let plaintext = message::open(&key, ciphertext, &header.to_bytes())?;
        next.turn(&remote, rng);
        Ok(Step { plaintext, next, skipped })
    }

    /// A fresh pair and sending chain of our own. Apart from the first half of the DH step, so that a
    /// forged header costs us one DH instead of two and no randomness.
    fn turn(&mut self, remote: &PublicKey, rng: &mut (impl CryptoRng + ?Sized)) {
        self.previous = self.send.n;
        self.own = RatchetPair::random(rng);
        let (root, chain) = kdf::root(&self.root, &self.own.secret_key().ecdh(remote));
        self.root = root;
        self.send = Chain { key: chain, n: 0 };
    }

    /// Derives the keys below `until` and lists them under `ratchet`. Without a ratchet key no message can
    /// ask for them, so they are not even derived.
    fn skip_to(&mut self, until: u32, ratchet: Option<RatchetPublic>, skipped: &mut Vec<Skipped>) {
        let Some(ratchet) = ratchet else {
            self.receive.n = until;
            return;
        };
        while self.receive.n < until {
            let n = self.receive.n;
            let key = self.receive.step();
            skipped.push(Skipped { ratchet, n, key, seq: self.keys_count });
            self.keys_count = self.keys_count.saturating_add(1);
        }
    }

    fn retire(&mut self) {
        if let Some(old) = self.remote {
            if self.retired.len() >= MAX_RETIRED_KEYS {
                self.retired.remove(0);
            }
            self.retired.push(old);
        }
    }
}

/// Whether the chain may move from `from` to `to`.
fn gap(from: u32, to: u32) -> Result<(), RatchetError> {
    match to.checked_sub(from) {
        None => Err(RatchetError::Duplicate),
        Some(gap) if gap > MAX_SKIP || to == u32::MAX => Err(RatchetError::TooManySkipped),
        Some(_) => Ok(()),
    }
}

fn copy(sk: &SessionKey) -> Secret<32> {
    Secret::fill(|out| out.copy_from_slice(sk.expose()))
}
