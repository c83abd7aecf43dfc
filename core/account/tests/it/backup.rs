//! Backup files.

use proptest::prelude::*;
use undertone_account::ChatKey;
use undertone_account::backup::{Backup, BackupError, BackupFile};
use undertone_account::keystore::{KeystoreError, ScryptParams};
use undertone_base::Unix;
use undertone_crypto::SecretKey;
use undertone_crypto::hash::sha256;
use undertone_support::rng;

fn cheap() -> ScryptParams {
    ScryptParams::new(1_024, 8, 1).unwrap()
}

fn backup(content: &[u8]) -> Backup {
    let key = ChatKey::new(SecretKey::from_slice(&[7; 32]).unwrap());
    Backup { key, made_at: Unix::from_millis(1_600_000_000_123), content: content.to_vec().into() }
}

fn open(bytes: &[u8], password: &str) -> Result<Backup, BackupError> {
    BackupFile::parse(bytes)?.open(password)
}

/// Version 1, pinned: a change here makes old backups unreadable.
#[test]
fn a_file_of_version_1() {
    let file = backup(b"what was said").seal("correct horse", cheap(), &mut rng(1)).unwrap();
    assert_eq!(file.len(), 82 + 32 + 8 + 13 + 28);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        const_hex::encode(&file[..26]),
        const_hex::encode(sha256(&file))
    ),);
    let opened = open(&file, "correct horse").unwrap();
    assert_eq!(opened.key.public(), backup(b"").key.public());
    assert_eq!(opened.made_at, Unix::from_millis(1_600_000_000_123));
    assert_eq!(opened.content.as_slice(), b"what was said");
    assert_eq!(format!("{:?}", BackupFile::parse(&file).unwrap()), "BackupFile(81 bytes sealed)");
    assert!(!format!("{opened:?}").contains("119"), "content is not printed: {opened:?}");
    assert_ne!(file, backup(b"what was said").seal("correct horse", cheap(), &mut rng(2)).unwrap());
}

#[test]
fn what_does_not_open_says_why() {
    let file = backup(b"chats").seal("correct horse", cheap(), &mut rng(1)).unwrap();
    assert_eq!(open(&file, "wrong").unwrap_err(), BackupError::WrongPassword);
    assert_eq!(open(&file, "").unwrap_err(), BackupError::WrongPassword);
    for length in 1..file.len() {
        let error = open(&file[..length], "correct horse").unwrap_err();
        assert!(matches!(error, BackupError::Truncated { missing: 1.. }), "{length}: {error:?}");
    }
    assert_eq!(open(b"", "x").unwrap_err(), BackupError::NotABackup);
    assert_eq!(open(b"{\"version\":3}", "x").unwrap_err(), BackupError::NotABackup);
    assert_eq!(open(&[&file[..], b"x"].concat(), "correct horse").unwrap_err(), BackupError::Damaged);
    let mut later = file.clone();
    later[16] = 2;
    assert_eq!(open(&later, "correct horse").unwrap_err(), BackupError::Version { got: 2 });
    let mut costly = file.clone();
    costly[17] = 40;
    assert_eq!(open(&costly, "x").unwrap_err(), BackupError::Scrypt(KeystoreError::TooCostly));
    costly[17] = 200;
    assert!(matches!(open(&costly, "x").unwrap_err(), BackupError::Scrypt(_)));
}

/// No bit of the file is without meaning.
#[test]
fn every_changed_byte_is_noticed() {
    let file = backup(b"chats").seal("pw", cheap(), &mut rng(1)).unwrap();
    for at in 0..file.len() {
        let mut bad = file.clone();
        // n, r and p within the limits of a test.
        bad[at] ^= if (17..26).contains(&at) { 0x80 } else { 1 };
        let error = open(&bad, "pw").unwrap_err();
        if at >= 82 {
            assert_eq!(error, BackupError::Damaged, "{at}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_parsed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = BackupFile::parse(&bytes);
        let _ = BackupFile::parse(&[b"undertone backup\x01".as_slice(), &bytes].concat());
    }
}
