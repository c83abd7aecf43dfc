//! Codes are stable and unique.

use std::collections::BTreeSet;

use undertone_account::backup::BackupError;
use undertone_account::key_text::KeyTextError;
use undertone_account::keystore::{KeystoreError, Member};
use undertone_account::link::LinkError;
use undertone_account::qr::QrError;
use undertone_account::{AddressError, ExtendedKeyError, MnemonicError, PathError};
use undertone_base::FaultClass;

#[test]
fn every_reason_has_its_own_code() {
    let mut codes = Vec::new();
    for error in [
        MnemonicError::Checksum,
        MnemonicError::EntropyLength { got: 0 },
        MnemonicError::TooLong,
        MnemonicError::UnknownWord { position: 1 },
        MnemonicError::WordCount { got: 0 },
    ] {
        assert_eq!(error.fault(), FaultClass::Caller);
        codes.push(error.code());
    }
    for error in
        [PathError::Index { step: 1 }, PathError::Start, PathError::Step { step: 1 }, PathError::TooLong]
    {
        assert_eq!(error.fault(), FaultClass::Caller);
        codes.push(error.code());
    }
    for error in [
        ExtendedKeyError::Checksum,
        ExtendedKeyError::Depth,
        ExtendedKeyError::Encoding,
        ExtendedKeyError::Fields,
        ExtendedKeyError::NoKey,
        ExtendedKeyError::SeedLength { got: 0 },
        ExtendedKeyError::Version,
    ] {
        assert_eq!(error.fault(), FaultClass::Caller);
        codes.push(error.code());
    }
    for error in [
        KeyTextError::Alphabet,
        KeyTextError::Empty,
        KeyTextError::Multicodec { got: 1 },
        KeyTextError::TooLong,
        KeyTextError::UnknownForm,
        KeyTextError::Varint,
    ] {
        assert!(matches!(error.fault(), FaultClass::Peer(_)));
        codes.push(error.code());
    }
    for error in [
        KeystoreError::AddressMismatch,
        KeystoreError::Content,
        KeystoreError::Member(Member::Mac),
        KeystoreError::NotJson,
        KeystoreError::TooCostly,
        KeystoreError::TooLong,
        KeystoreError::Unsupported(Member::Kdf),
        KeystoreError::WrongPassword,
    ] {
        assert!(matches!(error.fault(), FaultClass::Caller | FaultClass::Environment));
        codes.push(error.code());
    }
    for error in [
        LinkError::ChatName,
        LinkError::EnsName,
        LinkError::Extra,
        LinkError::Form,
        LinkError::Group,
        LinkError::Host,
        LinkError::Percent,
        LinkError::TooLong,
        LinkError::Unsupported,
        LinkError::WebUrl,
    ] {
        assert!(matches!(error.fault(), FaultClass::Peer(_)));
        codes.push(error.code());
    }
    for error in [QrError::Empty, QrError::Encoding, QrError::TooLong] {
        assert_eq!(error.fault(), FaultClass::Caller);
        codes.push(error.code());
    }
    for error in [
        BackupError::Damaged,
        BackupError::NotABackup,
        BackupError::TooLong,
        BackupError::Truncated { missing: 1 },
        BackupError::Version { got: 2 },
        BackupError::WrongPassword,
    ] {
        assert!(matches!(error.fault(), FaultClass::Caller | FaultClass::Environment));
        codes.push(error.code());
    }
    codes.push(AddressError::Checksum.code());
    assert_eq!(codes.len(), 50);
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
}
