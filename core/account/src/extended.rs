//! Extended private keys (BIP32).

use std::fmt;

use ripemd::{Digest, Ripemd160};
use subtle::ConstantTimeEq;
use undertone_base::{FaultClass, Reader, Secret};
use undertone_crypto::hash::sha256;
use undertone_crypto::kdf::hmac_sha512;
use undertone_crypto::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::address::Address;
use crate::mnemonic::Seed;
use crate::path::{ChildNumber, Path};

/// Why a key cannot be derived or read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtendedKeyError {
    /// The checksum of the text is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// The child would lie deeper than 255 steps below the master key.
    #[error("deeper than 255 steps")]
    Depth,
    /// Not base58, or not 82 bytes of it.
    #[error("not the text form of an extended key")]
    Encoding,
    /// A key out of range, its first byte not zero, or a master key that names a parent.
    #[error("fields of the extended key contradict each other")]
    Fields,
    /// One index in 2^127 has no key. BIP32 says take the next one; that is the caller's decision.
    #[error("this index has no key")]
    NoKey,
    /// A seed of other than 16 to 64 bytes.
    #[error("seed of {got} bytes, not 16 to 64")]
    SeedLength {
        /// Bytes that were given.
        got: usize,
    },
    /// Another version: a public key (`xpub`) or another chain.
    #[error("not an xprv key")]
    Version,
}

impl ExtendedKeyError {
    /// Whoever gave the text, the seed or the path.
    pub const fn fault(&self) -> FaultClass {
        FaultClass::Caller
    }

    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Checksum => "extended_key.checksum",
            Self::Depth => "extended_key.depth",
            Self::Encoding => "extended_key.encoding",
            Self::Fields => "extended_key.fields",
            Self::NoKey => "extended_key.no_key",
            Self::SeedLength { .. } => "extended_key.seed_length",
            Self::Version => "extended_key.version",
        }
    }
}

/// A private key that has children. Derivation from public keys is left out: nothing in Status needs it.
#[derive(Clone)]
pub struct ExtendedKey {
    key: SecretKey,
    chain_code: Secret<32>,
    depth: u8,
    parent: [u8; 4],
    number: ChildNumber,
}

impl ExtendedKey {
    /// The master key of a mnemonic's seed.
    ///
    /// # Errors
    /// [`ExtendedKeyError::NoKey`] for one seed in 2^127.
    pub fn master(seed: &Seed) -> Result<Self, ExtendedKeyError> {
        Self::master_of(seed.0.expose())
    }

    /// The master key of 16 to 64 bytes from elsewhere.
    ///
    /// # Errors
    /// [`ExtendedKeyError::SeedLength`], [`ExtendedKeyError::NoKey`].
    pub fn master_of(seed: &[u8]) -> Result<Self, ExtendedKeyError> {
        if !(16..=64).contains(&seed.len()) {
            return Err(ExtendedKeyError::SeedLength { got: seed.len() });
        }
        let (key, chain_code) = halves(&hmac_sha512(b"Bitcoin seed", &[seed]));
        let key = SecretKey::from_secret(key).map_err(|_| ExtendedKeyError::NoKey)?;
        Ok(Self { key, chain_code, depth: 0, parent: [0; 4], number: ChildNumber::from_bits(0) })
    }

    /// One step down.
    ///
    /// # Errors
    /// [`ExtendedKeyError::Depth`], [`ExtendedKeyError::NoKey`].
    pub fn child(&self, number: ChildNumber) -> Result<Self, ExtendedKeyError> {
        let depth = self.depth.checked_add(1).ok_or(ExtendedKeyError::Depth)?;
        let compressed = self.key.public().to_compressed();
        let index = number.bits().to_be_bytes();
        let chain_code = self.chain_code.expose();
        let (tweak, chain_code) = halves(&if number.is_hardened() {
            hmac_sha512(chain_code, &[&[0], self.key.secret().expose(), &index])
        } else {
            hmac_sha512(chain_code, &[&compressed, &index])
        });
        let key = self.key.add(&tweak).map_err(|_| ExtendedKeyError::NoKey)?;
        Ok(Self { key, chain_code, depth, parent: fingerprint(&compressed), number })
    }

    /// All steps of a path down, relative to this key.
    ///
    /// # Errors
    /// As [`ExtendedKey::child`].
    pub fn derive(&self, path: &Path) -> Result<Self, ExtendedKeyError> {
        path.steps().iter().try_fold(self.clone(), |key, step| key.child(*step))
    }

    /// Whether `recorded` is the EIP-1581 address of this master key as we derive it, or as every Status
    /// installation has stored it: there the last step of `m/43'/60'/1581'` got lost (trap T1).
    ///
    /// # Errors
    /// As [`ExtendedKey::child`].
    pub fn has_eip1581_address(&self, recorded: &Address) -> Result<bool, ExtendedKeyError> {
        let right = self.derive(&Path::EIP1581)?.address();
        let stored = Path::EIP1581.steps().split_last().map_or(&[][..], |(_, init)| init);
        let stored = stored.iter().try_fold(self.clone(), |key, step| key.child(*step))?.address();
        Ok(*recorded == right || *recorded == stored)
    }

    /// The private key without its chain code.
    pub const fn secret_key(&self) -> &SecretKey {
        &self.key
    }

    /// Drops the chain code.
    pub fn into_secret_key(self) -> SecretKey {
        self.key
    }

    /// The chain code. With any child's private key it gives the parent's: as secret as the key.
    pub const fn chain_code(&self) -> &Secret<32> {
        &self.chain_code
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The Ethereum address.
    pub fn address(&self) -> Address {
        Address::of(&self.public())
    }

    /// Steps below the master key.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// The text form `xprv…`, 111 characters, wiped on drop.
    ///
    /// | offset | length | content (before base58) |
    /// |---|---|---|
    /// | 0 | 4 | version 0488ADE4 |
    /// | 4 | 1 | depth |
    /// | 5 | 4 | fingerprint of the parent's public key |
    /// | 9 | 4 | child number, big-endian |
    /// | 13 | 32 | chain code |
    /// | 45 | 33 | zero byte, private key |
    /// | 78 | 4 | first bytes of the double SHA-256 of the above |
    pub fn expose_xprv(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(TEXT_BYTES));
        bytes.extend_from_slice(&XPRV);
        bytes.push(self.depth);
        bytes.extend_from_slice(&self.parent);
        bytes.extend_from_slice(&self.number.bits().to_be_bytes());
        bytes.extend_from_slice(self.chain_code.expose());
        bytes.push(0);
        bytes.extend_from_slice(self.key.secret().expose());
        let [a, b, c, d, ..] = sha256(&sha256(&bytes));
        bytes.extend_from_slice(&[a, b, c, d]);
        Zeroizing::new(bs58::encode(bytes.as_slice()).into_string())
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`ExtendedKeyError::Encoding`], [`ExtendedKeyError::Checksum`], [`ExtendedKeyError::Version`],
    /// [`ExtendedKeyError::Fields`].
    pub fn from_xprv(text: &str) -> Result<Self, ExtendedKeyError> {
        use ExtendedKeyError::{Encoding, Fields};
        if text.len() > TEXT_CHARS {
            return Err(Encoding);
        }
        let mut bytes = Zeroizing::new([0u8; TEXT_BYTES]);
        if bs58::decode(text).onto(bytes.as_mut_slice()).map_err(|_| Encoding)? != TEXT_BYTES {
            return Err(Encoding);
        }
        let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(Encoding)?;
        let [a, b, c, d, ..] = sha256(&sha256(body));
        if !bool::from([a, b, c, d].ct_eq(checksum)) {
            return Err(ExtendedKeyError::Checksum);
        }
        let mut body = Reader::new(body);
        if body.take().map_err(|_| Encoding)? != XPRV {
            return Err(ExtendedKeyError::Version);
        }
        let [depth] = body.take().map_err(|_| Encoding)?;
        let parent = body.take().map_err(|_| Encoding)?;
        let number = ChildNumber::from_bits(u32::from_be_bytes(body.take().map_err(|_| Encoding)?));
        let chain_code = Secret::from_slice(body.sub(32).map_err(|_| Encoding)?).ok_or(Encoding)?;
        let [zero] = body.take().map_err(|_| Encoding)?;
        let key = SecretKey::from_slice(body.rest()).map_err(|_| Fields)?;
        if zero != 0 || (depth == 0 && (parent != [0; 4] || number.bits() != 0)) {
            return Err(Fields);
        }
        Ok(Self { key, chain_code, depth, parent, number })
    }
}

impl fmt::Debug for ExtendedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtendedKey")
            .field("key", &self.key)
            .field("chain_code", &self.chain_code)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

/// Bytes of the text form before base58.
const TEXT_BYTES: usize = 82;
/// Most characters that 82 bytes take in base58.
const TEXT_CHARS: usize = 113;
/// BIP32: version of private keys of the main chain.
const XPRV: [u8; 4] = [0x04, 0x88, 0xAD, 0xE4];

fn halves(both: &Secret<64>) -> (Secret<32>, Secret<32>) {
    let (left, right) = both.expose().split_at(32);
    (Secret::fill(|out| out.copy_from_slice(left)), Secret::fill(|out| out.copy_from_slice(right)))
}

fn fingerprint(compressed: &[u8; 33]) -> [u8; 4] {
    let hash: [u8; 20] = Ripemd160::digest(sha256(compressed)).into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}
