//! Texts and files that a person pastes or carries in from elsewhere.

use std::sync::Arc;

use undertone_account::backup::BackupFile;
use undertone_account::keystore::KeyFile;
use undertone_account::link::Link;
use undertone_account::{Address, Diagnosis, ExtendedKey, Mnemonic, NEAREST, Path, key_text};
use undertone_base::{Mono, Now, Unix};
use undertone_crypto::{MemoryKeyring, PublicKey, SecretKey, Signature};
use undertone_messenger::Messenger;
use undertone_messenger::store::MemoryStore;
use undertone_support::rng;

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
    let read = Mnemonic::parse(text);
    let Ok(diagnosis) = Diagnosis::of(text) else { return };
    assert_eq!(read.is_ok(), diagnosis.readings().iter().any(|reading| reading.valid));
    for reading in diagnosis.closest() {
        assert!(reading.unknown.iter().all(|position| (1..=diagnosis.words()).contains(position)));
        assert!(text.split_whitespace().take(1).all(|word| reading.language.nearest(word).len() <= NEAREST));
    }
}

/// A backup file, read but not opened; and what would be inside of one, which is restored or refused whole.
pub fn backup(data: &[u8]) {
    if let Ok(file) = BackupFile::parse(data) {
        let _ = format!("{file:?}");
    }
    let mut keyring = MemoryKeyring::new();
    let id = keyring.insert(SecretKey::from_slice(&[0xb2; 32]).expect("a key"));
    let messenger = Messenger::new(Arc::new(keyring), id).expect("the keyring has it");
    let mut store = MemoryStore::new();
    if messenger.restore(&mut store, &mut rng(1), data).is_err() {
        assert_eq!(store, MemoryStore::new());
        return;
    }
    let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
    messenger.contacts(&store).expect("contacts that were checked");
    for chat in messenger.chats(&store).expect("chats that were checked") {
        messenger.messages(&store, &chat.id, None, usize::MAX).expect("messages that were checked");
    }
    messenger.open(&mut store, now, &mut rng(2)).expect("a restored store opens");
    let again = messenger.backup(&store).expect("and is backed up");
    messenger.restore(&mut MemoryStore::new(), &mut rng(3), &again).expect("and restored");
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
