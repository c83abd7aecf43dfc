//! Discovery v5.1 on the wire, for a bare peer: written from the notes, as far as the tests need it, because the
//! library shows none of its own.

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Nonce};
use hkdf::Hkdf;
use k256::ecdsa::signature::hazmat::PrehashSigner;
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use k256::elliptic_curve::sec1::ToSec1Point;
use sha2::{Digest, Sha256};

pub(crate) type Id = [u8; 32];

/// A packet whose header was unmasked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unmasked {
    pub(crate) iv: [u8; 16],
    pub(crate) static_header: [u8; 23],
    pub(crate) authdata: Vec<u8>,
    pub(crate) message: Vec<u8>,
}

impl Unmasked {
    pub(crate) const fn flag(&self) -> u8 {
        self.static_header[8]
    }

    pub(crate) fn nonce(&self) -> [u8; 12] {
        self.static_header[9..21].try_into().unwrap()
    }

    /// What is authenticated of it; of a WHOAREYOU this is the challenge.
    pub(crate) fn head(&self) -> Vec<u8> {
        [self.iv.as_slice(), &self.static_header, &self.authdata].concat()
    }
}

fn mask(iv: &[u8; 16], dest: &Id) -> ctr::Ctr128BE<Aes128> {
    let key: [u8; 16] = dest[..16].try_into().unwrap();
    ctr::Ctr128BE::<Aes128>::new(&key.into(), iv.into())
}

/// `None` when it is no packet to `dest`.
pub(crate) fn unmask(dest: &Id, packet: &[u8]) -> Option<Unmasked> {
    let iv: [u8; 16] = packet.get(..16)?.try_into().unwrap();
    let mut cipher = mask(&iv, dest);
    let mut static_header: [u8; 23] = packet.get(16..39)?.try_into().unwrap();
    cipher.apply_keystream(&mut static_header);
    let length = usize::from(u16::from_be_bytes([static_header[21], static_header[22]]));
    if !static_header.starts_with(b"discv5\x00\x01") {
        return None;
    }
    let mut authdata = packet.get(39..39 + length)?.to_vec();
    cipher.apply_keystream(&mut authdata);
    Some(Unmasked { iv, static_header, authdata, message: packet[39 + length..].to_vec() })
}

fn head(flag: u8, nonce: &[u8; 12], authdata: &[u8]) -> Vec<u8> {
    let length = u16::try_from(authdata.len()).unwrap().to_be_bytes();
    [b"discv5\x00\x01".as_slice(), &[flag], nonce, &length, authdata].concat()
}

fn masked(dest: &Id, iv: &[u8; 16], header: &[u8], message: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    mask(iv, dest).apply_keystream(&mut header);
    [iv.as_slice(), &header, message].concat()
}

/// An ordinary packet with a message that nobody can read.
pub(crate) fn random_packet(from: &Id, dest: &Id, random: &[u8; 64]) -> Vec<u8> {
    let iv = random[..16].try_into().unwrap();
    let nonce = random[16..28].try_into().unwrap();
    masked(dest, &iv, &head(0, &nonce, from), &random[..44])
}

/// Seals a message: type and list.
pub(crate) fn seal(key: &[u8; 16], nonce: &[u8; 12], plain: &[u8], ad: &[u8]) -> Vec<u8> {
    let nonce: &Nonce<_> = nonce.into();
    Aes128Gcm::new(key.into()).encrypt(nonce, Payload { msg: plain, aad: ad }).unwrap()
}

pub(crate) fn open(key: &[u8; 16], packet: &Unmasked) -> Option<Vec<u8>> {
    let nonce = packet.nonce();
    let nonce: &Nonce<_> = (&nonce).into();
    let payload = Payload { msg: &packet.message, aad: &packet.head() };
    Aes128Gcm::new(key.into()).decrypt(nonce, payload).ok()
}

/// A session as its initiator has it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) own: Id,
    pub(crate) other: Id,
    pub(crate) write: [u8; 16],
    pub(crate) read: [u8; 16],
}

/// The compressed point that both sides get.
pub(crate) fn ecdh(secret: &SigningKey, public: &VerifyingKey) -> Vec<u8> {
    let point = k256::PublicKey::from(public).to_projective() * *secret.as_nonzero_scalar().as_ref();
    point.to_affine().to_sec1_point(true).as_bytes().to_vec()
}

/// Both keys: of the initiator, of the recipient.
pub(crate) fn derive(secret: &[u8], challenge: &[u8], [a, b]: [&Id; 2]) -> [[u8; 16]; 2] {
    let mut keys = [0; 32];
    let info = [b"discovery v5 key agreement".as_slice(), a, b].concat();
    Hkdf::<Sha256>::new(Some(challenge), secret).expand(&info, &mut keys).unwrap();
    [keys[..16].try_into().unwrap(), keys[16..].try_into().unwrap()]
}

pub(crate) fn id_signature(key: &SigningKey, challenge: &[u8], ephemeral: &[u8], other: &Id) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [b"discovery v5 identity proof".as_slice(), challenge, ephemeral, other] {
        hash.update(part);
    }
    let signature: Signature = key.sign_prehash(&hash.finalize()).unwrap();
    signature.to_bytes().to_vec()
}

/// The answer to a challenge, with a record and a message.
pub(crate) struct Handshake<'a> {
    pub(crate) own: Id,
    pub(crate) key: &'a SigningKey,
    pub(crate) ephemeral: &'a SigningKey,
    pub(crate) other: Id,
    pub(crate) other_key: &'a VerifyingKey,
    pub(crate) record: &'a [u8],
    pub(crate) message: &'a [u8],
}

impl Handshake<'_> {
    pub(crate) fn answer(&self, challenge: &Unmasked, nonce: [u8; 12]) -> (Session, Vec<u8>) {
        let data = challenge.head();
        let public = self.ephemeral.verifying_key().to_sec1_point(true).as_bytes().to_vec();
        let secret = ecdh(self.ephemeral, self.other_key);
        let [write, read] = derive(&secret, &data, [&self.own, &self.other]);
        let signature = id_signature(self.key, &data, &public, &self.other);
        let authdata = [self.own.as_slice(), &[64, 33], &signature, &public, self.record].concat();
        let (iv, header) = ([3; 16], head(2, &nonce, &authdata));
        let message = seal(&write, &nonce, self.message, &[iv.as_slice(), &header].concat());
        let session = Session { own: self.own, other: self.other, write, read };
        (session, masked(&self.other, &iv, &header, &message))
    }
}

impl Session {
    pub(crate) fn packet(&self, nonce: [u8; 12], message: &[u8]) -> Vec<u8> {
        let (iv, header) = ([4; 16], head(0, &nonce, &self.own));
        let message = seal(&self.write, &nonce, message, &[iv.as_slice(), &header].concat());
        masked(&self.other, &iv, &header, &message)
    }
}
