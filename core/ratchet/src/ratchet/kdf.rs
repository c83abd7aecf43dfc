//! The three key derivations of the ratchet (`security.md` 4).

use undertone_base::Secret;
use undertone_crypto::kdf::{hkdf_sha256, hmac_sha256};

use crate::keys::{ChainKey, MessageKey, RootKey};

/// Info string of KDF_RK. status-im/doubleratchet v3.0.0.
const ROOT_INFO: &[u8] = b"rsZUpEuXUqqwXBvSy3EcievAh4cMj6QL";
/// Info string of the message keys. status-im/doubleratchet v3.0.0.
const MESSAGE_INFO: &[u8] = b"pcwSByyx2CRdryCffXJwy7xgVZWtW5Sh";
/// Input of KDF_CK for the next chain key. Signal suggests 2, the network uses 15.
const CHAIN_STEP: u8 = 0x0f;
/// Input of KDF_CK for a message key. Signal suggests 1, the network uses 16.
const MESSAGE_STEP: u8 = 0x10;

/// KDF_RK: the next root key and a new chain key. The last third of the output, a header key, is not used.
pub(crate) fn root(root: &RootKey, dh: &Secret<32>) -> (RootKey, ChainKey) {
    let out = hkdf_sha256::<96>(dh.expose(), root.expose(), ROOT_INFO);
    let (root, rest) = split::<96>(&out, 0);
    let (chain, _) = split::<96>(&out, rest);
    (RootKey::from_secret(root), ChainKey::from_secret(chain))
}

/// KDF_CK: the next chain key and the key of one message.
pub(crate) fn chain(chain: &ChainKey) -> (ChainKey, MessageKey) {
    let next = hmac_sha256(chain.expose(), &[&[CHAIN_STEP]]);
    let message = hmac_sha256(chain.expose(), &[&[MESSAGE_STEP]]);
    (ChainKey::from_secret(next), MessageKey::from_secret(message))
}

/// What a message key expands to.
pub(crate) struct Expanded {
    pub(crate) cipher: Secret<32>,
    pub(crate) mac: Secret<32>,
    pub(crate) iv: [u8; 16],
}

/// Cipher key, MAC key and IV of one message.
pub(crate) fn message(key: &MessageKey) -> Expanded {
    let out = hkdf_sha256::<80>(key.expose(), &[0; 32], MESSAGE_INFO);
    let (cipher, rest) = split::<80>(&out, 0);
    let (mac, rest) = split::<80>(&out, rest);
    let mut iv = [0; 16];
    iv.copy_from_slice(out.expose().get(rest..).unwrap_or_default());
    Expanded { cipher, mac, iv }
}

/// 32 bytes from `at`, and where they end.
fn split<const N: usize>(out: &Secret<N>, at: usize) -> (Secret<32>, usize) {
    let end = at.saturating_add(32);
    let part = Secret::fill(|to| to.copy_from_slice(out.expose().get(at..end).unwrap_or(&[0; 32])));
    (part, end)
}
