//! Texts and files that a person pastes or carries in from elsewhere.

use undertone_account::keystore::KeyFile;
use undertone_account::link::Link;
use undertone_account::{Address, ExtendedKey, Mnemonic, Path, key_text};
use undertone_crypto::{PublicKey, SecretKey, Signature};

/// Every form of a public key, and what else is read from short texts.
pub fn key_forms(data: &[u8]) {
    for key in
        [PublicKey::from_uncompressed(data), PublicKey::from_compressed(data), PublicKey::from_xy(data)]
            .into_iter()
            .flatten()
    {
        survives(&key);
    }
    let _ = (SecretKey::from_slice(data).is_ok(), Signature::from_slice(data).is_ok());
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = key_text::parse(text) {
        survives(&key);
    }
    if let Ok(path) = text.parse::<Path>() {
        assert_eq!(path.to_string().parse(), Ok(path));
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    let _ = (PublicKey::from_hex(text).is_ok(), SecretKey::from_hex(text).is_ok());
    let _ = ExtendedKey::from_xprv(text).is_ok();
}

/// A key that was read can be written in every form and read again.
fn survives(key: &PublicKey) {
    assert_eq!(PublicKey::from_uncompressed(&key.to_uncompressed()).as_ref(), Ok(key));
    assert_eq!(PublicKey::from_compressed(&key.to_compressed()).as_ref(), Ok(key));
    assert_eq!(PublicKey::from_xy(&key.to_xy()).as_ref(), Ok(key));
    assert_eq!(key_text::parse(&key.to_hex()).as_ref(), Ok(key));
    assert_eq!(key_text::parse(&key_text::chat_key(key)).as_ref(), Ok(key));
    assert_eq!(key_text::parse(&key_text::compressed_hex(key)).as_ref(), Ok(key));
}

/// A key file. It is read but not opened: what a file asks of the key derivation is bounded by the reader, and
/// still takes a second at its largest.
pub fn keystore(data: &[u8]) {
    if let Ok(file) = KeyFile::parse(data) {
        let _ = (file.address(), file.has_extended_key(), format!("{file:?}"));
    }
}

/// A phrase, in whichever language it turns out to be.
pub fn mnemonic(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Mnemonic::parse(text).is_ok();
}

/// A link, as somebody sends it or a camera reads it.
pub fn link(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Link::parse(text) {
        Ok(link) => {
            assert_eq!(Link::parse(&link.to_string()).as_ref(), Ok(&link), "{text}");
        }
        Err(refused) => {
            let _ = (refused.fault(), refused.code());
        }
    }
}
