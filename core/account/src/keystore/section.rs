//! One encrypted value of a key file: `crypto`, or status-go's `extendedkey`.

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use rand_core::CryptoRng;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;
use undertone_base::Secret;
use undertone_crypto::ctr;
use undertone_crypto::hash::keccak256_parts;
use zeroize::{Zeroize, Zeroizing};

use super::error::{KeystoreError, Member};
use super::kdf::{Kdf, ScryptParams};
use crate::limits;

/// The cipher that a file's version demands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cipher {
    /// Version 1: key = Keccak-256(dk[0..16])[0..16], PKCS#7 padding.
    Aes128Cbc,
    /// Version 3: key = dk[0..16].
    Aes128Ctr,
}

impl Cipher {
    const fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "aes-128-cbc",
            Self::Aes128Ctr => "aes-128-ctr",
        }
    }
}

/// An encrypted value with all that is needed to open it, but the password.
#[derive(Clone)]
pub(super) struct Section {
    cipher: Cipher,
    iv: [u8; 16],
    ciphertext: Vec<u8>,
    kdf: Kdf,
    mac: [u8; 32],
}

impl Section {
    pub(super) fn seal(
        plain: &[u8],
        password: &str,
        params: ScryptParams,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let kdf = Kdf::fresh(params, rng);
        let mut iv = [0; 16];
        rng.fill_bytes(&mut iv);
        let derived = kdf.derive(password);
        let mut ciphertext = plain.to_vec();
        ctr::aes128(&cipher_key(&derived), &iv, &mut ciphertext);
        let mac = mac(&derived, &ciphertext);
        Self { cipher: Cipher::Aes128Ctr, iv, ciphertext, kdf, mac }
    }

    pub(super) fn parse(section: &Map<String, Value>, cipher: Cipher) -> Result<Self, KeystoreError> {
        match text(section, "cipher") {
            Some(name) if name == cipher.name() => {}
            Some(_) => return Err(KeystoreError::Unsupported(Member::Cipher)),
            None => return Err(KeystoreError::Member(Member::Cipher)),
        }
        let iv = match member(section, "cipherparams") {
            Some(Value::Object(params)) => bytes(params, "iv", 16),
            _ => None,
        };
        let iv = iv.and_then(|iv| iv.try_into().ok()).ok_or(KeystoreError::Member(Member::Iv))?;
        let ciphertext = bytes(section, "ciphertext", limits::CIPHERTEXT_BYTES);
        let ciphertext =
            ciphertext.filter(|bytes| !bytes.is_empty()).ok_or(KeystoreError::Member(Member::Ciphertext))?;
        let mac = bytes(section, "mac", 32).and_then(|mac| mac.try_into().ok());
        let mac = mac.ok_or(KeystoreError::Member(Member::Mac))?;
        Ok(Self { cipher, iv, ciphertext, kdf: Kdf::parse(section)?, mac })
    }

    /// Decrypts after the mac was found right.
    pub(super) fn open(&self, password: &str) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let derived = self.kdf.derive(password);
        if !bool::from(mac(&derived, &self.ciphertext).ct_eq(&self.mac)) {
            return Err(KeystoreError::WrongPassword);
        }
        let mut plain = Zeroizing::new(self.ciphertext.clone());
        let mut key = cipher_key(&derived);
        match self.cipher {
            Cipher::Aes128Ctr => ctr::aes128(&key, &self.iv, &mut plain),
            Cipher::Aes128Cbc => {
                let mut hashed = keccak256_parts(&[key.as_slice()]);
                if let Some(head) = hashed.first_chunk() {
                    *key = *head;
                }
                hashed.zeroize();
                let decryptor = cbc::Decryptor::<Aes128>::new(&(*key).into(), &self.iv.into());
                let unpadded = decryptor.decrypt_padded::<Pkcs7>(&mut plain);
                let len = unpadded.map_err(|_| KeystoreError::Content)?.len();
                plain.truncate(len);
            }
        }
        Ok(plain)
    }

    pub(super) fn to_json(&self) -> Value {
        let (kdf, kdfparams) = self.kdf.to_json();
        json!({
            "cipher": self.cipher.name(),
            "ciphertext": const_hex::encode(&self.ciphertext),
            "cipherparams": {"iv": const_hex::encode(self.iv)},
            "kdf": kdf,
            "kdfparams": kdfparams,
            "mac": const_hex::encode(self.mac),
        })
    }
}

/// A member by its name in any case; the exact case goes first.
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    member(object, name).and_then(Value::as_str)
}

pub(super) fn number(object: &Map<String, Value>, name: &str) -> Option<u64> {
    member(object, name).and_then(Value::as_u64)
}

/// Hex without `0x`, at most `max` bytes of it.
pub(super) fn bytes(object: &Map<String, Value>, name: &str, max: usize) -> Option<Vec<u8>> {
    let text = text(object, name)?;
    if text.len() > max.saturating_mul(2) || text.starts_with("0x") {
        return None;
    }
    const_hex::decode(text).ok()
}

fn mac(derived: &Secret<32>, ciphertext: &[u8]) -> [u8; 32] {
    let (_, key) = derived.expose().split_at(16);
    keccak256_parts(&[key, ciphertext])
}

fn cipher_key(derived: &Secret<32>) -> Zeroizing<[u8; 16]> {
    let mut key = Zeroizing::new([0; 16]);
    key.iter_mut().zip(derived.expose()).for_each(|(to, from)| *to = *from);
    key
}
