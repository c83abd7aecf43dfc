use proptest::prelude::*;

use super::*;
use crate::keys::{EphemeralKey, SessionKey};

fn hex(row: &Row) -> String {
    row.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret32(fill: u8) -> Secret<32> {
    Secret::new([fill; 32])
}

fn private(fill: u8) -> SecretKey {
    SecretKey::from_secret(secret32(fill)).unwrap()
}

fn prekey() -> PrekeyId {
    PrekeyId::of(&private(1).public())
}

fn own_state() -> OwnState {
    OwnState { prekey: prekey(), version: 3, created: Unix::from_millis(1000), last_timestamp: 77 }
}

fn own_prekey() -> OwnPrekey {
    let private = PrekeyPrivate::from_secret_key(private(1));
    OwnPrekey { private, version: 3, created: Unix::from_millis(1000), retired: Some(Unix::from_millis(9)) }
}

fn device() -> Device {
    Device {
        prekey: prekey(),
        version: 2,
        timestamp: 77,
        protocol_version: 1,
        enabled: true,
        heard_on: Some(prekey()),
        heard: None,
    }
}

fn session() -> Session {
    let sk = SessionKey::from_secret(secret32(5));
    let mut ratchet = Ratchet::initiator(&sk, &private(1).public(), RatchetPair::from_secret_key(private(2)));
    ratchet.retired.push(RatchetPublic::of(&private(3).public()));
    let ephemeral = EphemeralKey::from_secret_key(private(4));
    let ephemeral = EphemeralPublic::of(&ephemeral.secret_key().public());
    let mut session = Session::new(Role::Initiator, ratchet, ephemeral, &sk);
    session.seal(b"one", Unix::from_millis(1234)).unwrap();
    session
}

fn filed_key() -> FiledKey {
    FiledKey { key: MessageKey::from_secret(secret32(6)), seq: 12, filed: Unix::from_millis(1000) }
}

/// A change of these bytes is a new format: raise `FORMAT` and keep reading this one.
#[test]
fn the_bytes_of_format_1_are_pinned() {
    insta::assert_snapshot!(hex(&own_state().to_bytes()), @"08011221031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f180320e807284d");
    insta::assert_snapshot!(hex(&own_prekey().to_bytes()), @"080112200101010101010101010101010101010101010101010101010101010101010101180320e8072809");
    insta::assert_snapshot!(hex(&device().to_bytes()), @"08011221031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f1802204d280130013a21031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f");
    insta::assert_snapshot!(hex(&filed_key().to_bytes()), @"080112200606060606060606060606060606060606060606060606060606060606060606180c20e807");
    insta::assert_snapshot!(hex(&session().to_bytes()), @"08011220dea35a95b3984d9bf2e8c3adb987eb66d4a338d3f96ed7edf255fec5c2b72b5f1a2002020202020202020202020202020202020202020202020202020202020202022221024d4b6cd1361032ca9bd2aeb9d900aa4d45d9ead80ac9423374c451a7254d07662a21031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f32203ed2b3658023fbf0efbc167cb1945de6707fd6432bd21109ec3e61e383aa84a5380142200505050505050505050505050505050505050505050505050505050505050505622102531fe6068134503d2723133227c867ac8fa6c83c537e9a44c3c5bdbdcb1fe3376a2103462779ad4aad39514614751a71085f2f10e1c7a593e4e030efb5b8721ce55b0b7001810105050505050505058801d209");
}

/// A field that was added is left out while it says nothing, and older readers skip it.
#[test]
fn the_time_at_which_a_device_was_heard_is_one_more_field() {
    let heard = Device { heard: Some(Unix::from_millis(1000)), ..device() };
    let (with, without) = (heard.to_bytes(), device().to_bytes());
    assert_eq!(with.as_ref(), [without.as_ref(), &[0x40, 0xe8, 0x07]].concat());
    assert_eq!(Device::from_bytes(with.as_ref()).unwrap(), heard);
}

#[test]
fn what_became_of_a_session_is_two_more_fields() {
    let (mut closed, ephemeral) = (session(), session().ephemeral);
    closed.closed = true;
    closed.replaced = vec![ephemeral];
    let bytes = closed.to_bytes();
    let more = bytes.as_ref().strip_prefix(session().to_bytes().as_ref()).unwrap();
    assert_eq!(more, [&[0x90, 0x01, 1, 0x9a, 0x01, 33][..], ephemeral.as_bytes()].concat());
    let again = Session::from_bytes(bytes.as_ref()).unwrap();
    assert_eq!((again.closed, again.replaced), (true, vec![ephemeral]));
}

#[test]
fn rows_read_back_as_they_were_written() {
    assert_eq!(OwnState::from_bytes(own_state().to_bytes().as_ref()).unwrap(), own_state());
    assert_eq!(Device::from_bytes(device().to_bytes().as_ref()).unwrap(), device());
    let again = OwnPrekey::from_bytes(own_prekey().to_bytes().as_ref()).unwrap().to_bytes();
    assert_eq!(again, own_prekey().to_bytes());
    let again = FiledKey::from_bytes(filed_key().to_bytes().as_ref()).unwrap().to_bytes();
    assert_eq!(again, filed_key().to_bytes());
    let again = Session::from_bytes(session().to_bytes().as_ref()).unwrap().to_bytes();
    assert_eq!(again, session().to_bytes());
}

#[test]
fn another_format_is_refused() {
    let newer = |row: Row| {
        let mut bytes = row.as_ref().to_vec();
        // Field 1, the format, comes first.
        assert_eq!(bytes[..2], [8, 1]);
        bytes[1] = 2;
        bytes
    };
    assert!(OwnState::from_bytes(&newer(own_state().to_bytes())).is_err());
    assert!(OwnPrekey::from_bytes(&newer(own_prekey().to_bytes())).is_err());
    assert!(Device::from_bytes(&newer(device().to_bytes())).is_err());
    assert!(Session::from_bytes(&newer(session().to_bytes())).is_err());
    assert!(FiledKey::from_bytes(&newer(filed_key().to_bytes())).is_err());
    assert_eq!(Session::from_bytes(b"").unwrap_err(), StoreError::Corrupt("session"));
}

#[test]
fn secrets_do_not_print() {
    insta::assert_snapshot!(format!("{:?}", own_prekey()), @"OwnPrekey { private: PrekeyPrivate(32 bytes), version: 3, created: Unix(1000), retired: Some(Unix(9)) }");
    insta::assert_snapshot!(format!("{:?}", filed_key()), @"FiledKey { key: MessageKey(Secret(32 bytes)), seq: 12, filed: Unix(1000) }");
    insta::assert_snapshot!(format!("{:?}", session()), @"Session { ratchet: Ratchet { root: RootKey(Secret(32 bytes)), own: RatchetPair(024d4b6c, private 32 bytes), remote: Some(RatchetPublic(031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f)), send: Chain { key: ChainKey(Secret(32 bytes)), n: 1 }, receive: Chain { key: ChainKey(Secret(32 bytes)), n: 0 }, previous: 0, keys_count: 0, retired: [RatchetPublic(02531fe6068134503d2723133227c867ac8fa6c83c537e9a44c3c5bdbdcb1fe337)] }, ephemeral: EphemeralPublic(03462779ad4aad39514614751a71085f2f10e1c7a593e4e030efb5b8721ce55b0b), role: Initiator, heard: false, rank: Secret(8 bytes), used: Unix(1234), closed: false, replaced: [] }");
    insta::assert_snapshot!(format!("{:?}", session().to_bytes()), @"Row(296 bytes)");
    insta::assert_snapshot!(format!("{:?}", SessionKey::from_secret(secret32(5))), @"SessionKey(Secret(32 bytes))");
    insta::assert_snapshot!(format!("{:?}", EphemeralKey::from_secret_key(private(5))), @"EphemeralKey(32 bytes)");
    insta::assert_snapshot!(format!("{:?}", RatchetPair::from_secret_key(private(5))), @"RatchetPair(0362c0a0, private 32 bytes)");
}

#[test]
fn contents_do_not_print() {
    let (header, ciphertext) = session().ratchet.seal(b"content").unwrap();
    let prekey = private(1);
    let bob = Ratchet::responder(
        &SessionKey::from_secret(secret32(5)),
        &PrekeyPrivate::from_secret_key(prekey.clone()),
        &PrekeyId::of(&prekey.public()),
    );
    let step = bob.open(&header, &ciphertext, &mut undertone_support::rng(1)).unwrap();
    assert!(format!("{step:?}").starts_with("Step { plaintext_bytes: 7, next: Ratchet {"));
    let opened = crate::Opened {
        payload: Some(b"content".to_vec()),
        kind: crate::Kind::Ratchet,
        protection: crate::Protection::Pfs,
        installation: None,
        learned: Vec::new(),
        dropped: Vec::new(),
        negotiated: false,
        fresh: false,
        replaced: false,
    };
    insta::assert_snapshot!(format!("{opened:?}"), @"Opened { payload_bytes: Some(7), kind: Ratchet, protection: Pfs, installation: None, learned: [], dropped: [], negotiated: false, fresh: false, replaced: false }");
}

proptest! {
    #[test]
    fn arbitrary_rows_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = OwnState::from_bytes(&bytes);
        let _ = OwnPrekey::from_bytes(&bytes);
        let _ = Device::from_bytes(&bytes);
        let _ = Session::from_bytes(&bytes);
        let _ = FiledKey::from_bytes(&bytes);
    }
}

#[test]
fn mangled_rows_are_a_corrupt_store() {
    use undertone_support::mangle::{self, Trial, Whose};

    fn of(sample: &Row) -> impl Iterator<Item = mangle::Mutation> {
        let sample = sample.as_ref();
        mangle::bytes(sample).into_iter().chain(mangle::protobuf(sample))
    }
    let says = |error: &StoreError| (error.fault(), error.code());
    // A key of a retired chain may be empty on the wire, two bytes for a vector.
    let mut trial = Trial::new(Whose::Environment).holding(32);
    for mutation in of(&own_state().to_bytes()) {
        if let Some(row) = trial.run(&mutation, OwnState::from_bytes, says) {
            assert_eq!(OwnState::from_bytes(row.to_bytes().as_ref()), Ok(row), "{}", mutation.name);
        }
    }
    for mutation in of(&device().to_bytes()) {
        if let Some(row) = trial.run(&mutation, Device::from_bytes, says) {
            assert_eq!(Device::from_bytes(row.to_bytes().as_ref()), Ok(row), "{}", mutation.name);
        }
    }
    for mutation in of(&own_prekey().to_bytes()) {
        if let Some(row) = trial.run(&mutation, OwnPrekey::from_bytes, says) {
            let again = OwnPrekey::from_bytes(row.to_bytes().as_ref()).unwrap();
            assert_eq!(again.to_bytes(), row.to_bytes(), "{}", mutation.name);
        }
    }
    for mutation in of(&filed_key().to_bytes()) {
        if let Some(row) = trial.run(&mutation, FiledKey::from_bytes, says) {
            let again = FiledKey::from_bytes(row.to_bytes().as_ref()).unwrap();
            assert_eq!(again.to_bytes(), row.to_bytes(), "{}", mutation.name);
        }
    }
    for mutation in of(&session().to_bytes()) {
        if let Some(row) = trial.run(&mutation, Session::from_bytes, says) {
            let again = Session::from_bytes(row.to_bytes().as_ref()).unwrap();
            assert_eq!(again.to_bytes(), row.to_bytes(), "{}", mutation.name);
        }
    }
    trial.at_least(3_700, 1_700);
}
