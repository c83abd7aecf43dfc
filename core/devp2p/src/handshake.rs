//! Auth and ack: who is there, and keys for the link (`devp2p.md` 2.1 to 2.3).
//!
//! ```text
//! initiator                                    recipient
//! Initiator::start ── auth (EIP-8) ─────────▶  Recipient::read   (EIP-8 or plain)
//! Initiator::read  ◀── ack (same form) ──────  Keyed
//! Keyed
//! ```
//! Each phase is a value that the next one consumes; after an error it is gone. The packets themselves prove
//! nothing about the other side: a recorded auth can be replayed, an ack can be made up. Whoever then sends a
//! frame that passes its MAC has the key.
//!
//! ```
//! use undertone_devp2p::NodeKey;
//! use undertone_devp2p::handshake::{Initiator, Recipient, Step};
//! let mut rng = rand::rng();
//! let (alice, bob) = (NodeKey::random(&mut rng), NodeKey::random(&mut rng));
//! let (waiting, auth) = Initiator::start(&alice, bob.public(), &mut rng);
//! let Step::Done((at_bob, ack), _) = Recipient::new().read(&bob, &auth, &mut rng)? else { unreachable!() };
//! let Step::Done(at_alice, _) = waiting.read(&alice, &ack)? else { unreachable!() };
//! assert_eq!((at_alice.remote, at_bob.remote), (bob.public(), alice.public()));
//! # Ok::<(), undertone_devp2p::WireError>(())
//! ```

use std::fmt;

use rand_core::CryptoRng;
use undertone_base::{Reader, Secret};
use undertone_crypto::hash::{Keccak, keccak256_parts};
use undertone_crypto::{PublicKey, SecretKey, Signature, ecies};

use crate::error::WireError;
use crate::limits::{HANDSHAKE_PADDING, MAX_HANDSHAKE_PACKET, PLAIN_ACK, PLAIN_AUTH};
use crate::node_key::NodeKey;
use crate::rlp;

/// The handshake version of auth and ack.
const VERSION: u64 = 4;

/// The keys of a link and the identity that the handshake proved.
#[derive(Debug)]
pub struct Keyed {
    /// The other side's node key.
    pub remote: PublicKey,
    /// Keys of both directions.
    pub secrets: Secrets,
}

/// What frames are encrypted and authenticated with.
#[derive(Debug)]
pub struct Secrets {
    pub(crate) aes: Secret<32>,
    pub(crate) mac: Secret<32>,
    pub(crate) egress: Keccak,
    pub(crate) ingress: Keccak,
}

/// How far reading a packet is.
#[derive(Debug)]
pub enum Step<S, T> {
    /// Not enough bytes: call again with at least this many.
    More(S, usize),
    /// Done; this many bytes were consumed.
    Done(T, usize),
}

/// The random inputs of one side, drawn once.
pub(crate) struct Entropy {
    pub(crate) ephemeral: SecretKey,
    pub(crate) nonce: Secret<32>,
    pub(crate) ecies_ephemeral: SecretKey,
    pub(crate) ecies_iv: [u8; 16],
    pub(crate) padding: usize,
}

impl Entropy {
    fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let nonce = Secret::random(rng);
        let mut ecies_iv = [0; 16];
        rng.fill_bytes(&mut ecies_iv);
        let span = HANDSHAKE_PADDING.end().saturating_sub(*HANDSHAKE_PADDING.start()).saturating_add(1);
        // The bias of the remainder is below 2^-23 and hides nothing.
        let extra = usize::try_from(rng.next_u32()).unwrap_or_default().checked_rem(span).unwrap_or_default();
        Self {
            ephemeral: SecretKey::random(rng),
            nonce,
            ecies_ephemeral: SecretKey::random(rng),
            ecies_iv,
            padding: HANDSHAKE_PADDING.start().saturating_add(extra),
        }
    }
}

/// The side that dialled, waiting for the ack.
pub struct Initiator {
    remote: PublicKey,
    ephemeral: SecretKey,
    nonce: Secret<32>,
    auth: Vec<u8>,
    plain_ruled_out: bool,
}

impl Initiator {
    /// Makes the auth packet, always in the EIP-8 form.
    pub fn start(key: &NodeKey, remote: PublicKey, rng: &mut (impl CryptoRng + ?Sized)) -> (Self, Vec<u8>) {
        Self::start_with(key, remote, Entropy::draw(rng))
    }

    pub(crate) fn start_with(key: &NodeKey, remote: PublicKey, entropy: Entropy) -> (Self, Vec<u8>) {
        let token = xor(key.ecdh(&remote).expose(), entropy.nonce.expose());
        let signature = Signature::sign(token.expose(), &entropy.ephemeral);
        let mut body = Vec::with_capacity(512);
        rlp::encode_list(&mut body, |list| {
            rlp::encode_string(list, signature.as_bytes());
            rlp::encode_string(list, &key.public().to_xy());
            rlp::encode_string(list, entropy.nonce.expose());
            rlp::encode_uint(list, VERSION);
        });
        let auth = seal_eip8(&remote, body, &entropy);
        let phase = Self {
            remote,
            ephemeral: entropy.ephemeral,
            nonce: entropy.nonce,
            auth: auth.clone(),
            plain_ruled_out: false,
        };
        (phase, auth)
    }

    /// Reads the ack from the front of `input`.
    ///
    /// # Errors
    /// [`WireError::Handshake`], [`WireError::HandshakeContent`]. Close without a word.
    pub fn read(mut self, key: &NodeKey, input: &[u8]) -> Result<Step<Self, Keyed>, WireError> {
        let packet = match read_packet(|point| key.ecdh(point), input, PLAIN_ACK, &mut self.plain_ruled_out)?
        {
            Packet::More(needed) => return Ok(Step::More(self, needed)),
            Packet::Whole(packet) => packet,
        };
        let ack = Ack::decode(&packet).map_err(content)?;
        let bytes = input.get(..packet.length).unwrap_or_default();
        let shared = self.ephemeral.ecdh(&ack.ephemeral);
        let mut secrets = Secrets::derive(&shared, self.nonce.expose(), &ack.nonce);
        secrets.absorb(&ack.nonce, &self.auth, self.nonce.expose(), bytes);
        Ok(Step::Done(Keyed { remote: self.remote, secrets }, packet.length))
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator").field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// The side that was dialled, waiting for the auth.
#[derive(Debug, Default)]
pub struct Recipient {
    plain_ruled_out: bool,
}

impl Recipient {
    /// Nothing read yet.
    pub const fn new() -> Self {
        Self { plain_ruled_out: false }
    }

    /// Reads the auth from the front of `input` and makes the ack, in the form that the auth had.
    ///
    /// # Errors
    /// [`WireError::Handshake`], [`WireError::HandshakeContent`], [`WireError::Signature`]. Close without a word.
    pub fn read(
        self,
        key: &NodeKey,
        input: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Step<Self, (Keyed, Vec<u8>)>, WireError> {
        self.read_with(key, input, || Entropy::draw(rng))
    }

    pub(crate) fn read_with(
        mut self,
        key: &NodeKey,
        input: &[u8],
        entropy: impl FnOnce() -> Entropy,
    ) -> Result<Step<Self, (Keyed, Vec<u8>)>, WireError> {
        let packet = match read_packet(|point| key.ecdh(point), input, PLAIN_AUTH, &mut self.plain_ruled_out)?
        {
            Packet::More(needed) => return Ok(Step::More(self, needed)),
            Packet::Whole(packet) => packet,
        };
        let auth = Auth::decode(&packet).map_err(content)?;
        let token = xor(key.ecdh(&auth.key).expose(), &auth.nonce);
        let initiator = auth.signature.recover(token.expose()).map_err(|_| WireError::Signature)?;
        let bytes = input.get(..packet.length).unwrap_or_default();

        let entropy = entropy();
        let ack = make_ack(&auth.key, packet.form, &entropy);
        let shared = entropy.ephemeral.ecdh(&initiator);
        let mut secrets = Secrets::derive(&shared, &auth.nonce, entropy.nonce.expose());
        secrets.absorb(&auth.nonce, &ack, entropy.nonce.expose(), bytes);
        Ok(Step::Done((Keyed { remote: auth.key, secrets }, ack), packet.length))
    }
}

impl Secrets {
    /// `aes` and `mac`; the MAC states still empty.
    fn derive(shared: &Secret<32>, initiator_nonce: &[u8; 32], recipient_nonce: &[u8; 32]) -> Self {
        let e = shared.expose();
        let nonces = keccak256_parts(&[recipient_nonce, initiator_nonce]);
        let session = Secret::new(keccak256_parts(&[e, &nonces]));
        let aes = Secret::new(keccak256_parts(&[e, session.expose()]));
        let mac = Secret::new(keccak256_parts(&[e, aes.expose()]));
        Self { aes, mac, egress: Keccak::new(), ingress: Keccak::new() }
    }

    /// Each direction's MAC begins with the MAC key XOR the *receiver's* nonce, then the packet that the
    /// direction's sender sent, as it was on the wire.
    fn absorb(&mut self, their_nonce: &[u8; 32], sent: &[u8], our_nonce: &[u8; 32], received: &[u8]) {
        self.egress.absorb(xor(self.mac.expose(), their_nonce).expose());
        self.egress.absorb(sent);
        self.ingress.absorb(xor(self.mac.expose(), our_nonce).expose());
        self.ingress.absorb(received);
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Eip8,
    Plain,
}

struct Opened {
    form: Form,
    plaintext: Vec<u8>,
    length: usize,
}

enum Packet {
    More(usize),
    Whole(Opened),
}

/// Tries the plain form, then EIP-8. `plain` is its length, which is also the least that geth reads.
///
/// The cheap checks come first: a point is multiplied at most once for each form, and only when it is one. The first byte
/// of an EIP-8 packet is that of its size, so the plain form of it ends there; a size out of range ends the other. What
/// was multiplied for the plain form is not multiplied again when more bytes come.
fn read_packet(
    ecdh: impl Fn(&PublicKey) -> Secret<32>,
    input: &[u8],
    plain: usize,
    plain_ruled_out: &mut bool,
) -> Result<Packet, WireError> {
    let Some(head) = input.get(..plain) else { return Ok(Packet::More(plain)) };
    if !*plain_ruled_out && let Ok(plaintext) = ecies::decrypt(head, b"", |point| Some(ecdh(point))) {
        return Ok(Packet::Whole(Opened { form: Form::Plain, plaintext, length: plain }));
    }
    *plain_ruled_out = true;
    let mut reader = Reader::new(input);
    let prefix = reader.take::<2>().map_err(|_| WireError::Handshake)?;
    let size = usize::from(u16::from_be_bytes(prefix));
    if size < plain || size > MAX_HANDSHAKE_PACKET {
        return Err(WireError::Handshake);
    }
    let length = size.saturating_add(2);
    let Ok(sealed) = reader.sub(size) else { return Ok(Packet::More(length)) };
    let plaintext =
        ecies::decrypt(sealed, &prefix, |point| Some(ecdh(point))).map_err(|_| WireError::Handshake)?;
    Ok(Packet::Whole(Opened { form: Form::Eip8, plaintext, length }))
}

struct Auth {
    signature: Signature,
    key: PublicKey,
    nonce: [u8; 32],
}

impl Auth {
    /// EIP-8: tolerant, `[sig (65), key (64), nonce (32), version, …] …`.
    /// Plain: `sig (65) || hash (32, ignored) || key (64) || nonce (32) || flag (1, ignored)`.
    fn decode(packet: &Opened) -> Result<Self, WireError> {
        let (signature, key, nonce) = match packet.form {
            Form::Eip8 => {
                let mut input = packet.plaintext.as_slice();
                let mut fields = rlp::list(&mut input, "auth")?;
                let signature = rlp::fixed::<65>(&mut fields, "auth signature")?;
                let key = rlp::fixed::<64>(&mut fields, "auth key")?;
                let nonce = rlp::fixed::<32>(&mut fields, "auth nonce")?;
                rlp::uint(&mut fields, "auth version")?;
                (signature, key, nonce)
            }
            Form::Plain => {
                let mut reader = Reader::new(&packet.plaintext);
                let short = |_| WireError::HandshakeContent("plain auth");
                let signature = reader.take::<65>().map_err(short)?;
                reader.take::<32>().map_err(short)?;
                (signature, reader.take::<64>().map_err(short)?, reader.take::<32>().map_err(short)?)
            }
        };
        Ok(Self {
            signature: Signature::from_slice(&signature).map_err(|_| WireError::Signature)?,
            key: PublicKey::from_xy(&key).map_err(|_| WireError::HandshakeContent("auth key"))?,
            nonce,
        })
    }
}

struct Ack {
    ephemeral: PublicKey,
    nonce: [u8; 32],
}

impl Ack {
    /// EIP-8: tolerant, `[ephemeral (64), nonce (32), version, …] …`.
    /// Plain: `ephemeral (64) || nonce (32) || flag (1, ignored)`.
    fn decode(packet: &Opened) -> Result<Self, WireError> {
        let (ephemeral, nonce) = match packet.form {
            Form::Eip8 => {
                let mut input = packet.plaintext.as_slice();
                let mut fields = rlp::list(&mut input, "ack")?;
                let ephemeral = rlp::fixed::<64>(&mut fields, "ack key")?;
                let nonce = rlp::fixed::<32>(&mut fields, "ack nonce")?;
                rlp::uint(&mut fields, "ack version")?;
                (ephemeral, nonce)
            }
            Form::Plain => {
                let mut reader = Reader::new(&packet.plaintext);
                let short = |_| WireError::HandshakeContent("plain ack");
                (reader.take::<64>().map_err(short)?, reader.take::<32>().map_err(short)?)
            }
        };
        let ephemeral = PublicKey::from_xy(&ephemeral).map_err(|_| WireError::HandshakeContent("ack key"))?;
        Ok(Self { ephemeral, nonce })
    }
}

/// There is no link yet on which a reason could be sent.
fn content(fault: WireError) -> WireError {
    match fault {
        WireError::Rlp(what) => WireError::HandshakeContent(what),
        other => other,
    }
}

fn make_ack(to: &PublicKey, form: Form, entropy: &Entropy) -> Vec<u8> {
    let ephemeral = entropy.ephemeral.public().to_xy();
    let mut body = Vec::with_capacity(512);
    if form == Form::Plain {
        body.extend_from_slice(&ephemeral);
        body.extend_from_slice(entropy.nonce.expose());
        body.push(0);
        return ecies::encrypt_with(to, &body, b"", &entropy.ecies_ephemeral, &entropy.ecies_iv);
    }
    rlp::encode_list(&mut body, |list| {
        rlp::encode_string(list, &ephemeral);
        rlp::encode_string(list, entropy.nonce.expose());
        rlp::encode_uint(list, VERSION);
    });
    seal_eip8(to, body, entropy)
}

/// `BE16(size) || ecies(body || zeros, shared data = those two bytes)`.
fn seal_eip8(to: &PublicKey, mut body: Vec<u8>, entropy: &Entropy) -> Vec<u8> {
    body.resize(body.len().saturating_add(entropy.padding), 0);
    let size = body.len().saturating_add(ecies::OVERHEAD);
    let prefix = u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes();
    let sealed = ecies::encrypt_with(to, &body, &prefix, &entropy.ecies_ephemeral, &entropy.ecies_iv);
    let mut packet = Vec::with_capacity(sealed.len().saturating_add(2));
    packet.extend_from_slice(&prefix);
    packet.extend_from_slice(&sealed);
    packet
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> Secret<32> {
    Secret::fill(|out| {
        for (o, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
            *o = a ^ b;
        }
    })
}

#[cfg(test)]
pub(crate) mod tests;
