//! What a liar can do to our tables: nothing without end.

use prost::Message as _;
use undertone_base::StoreError;

use super::*;
use crate::limits::{
    MAX_BUNDLE_BYTES, MAX_DEVICES_PER_IDENTITY, MAX_MESSAGE, MAX_PAYLOAD, MAX_RETIRED_KEYS,
    MAX_SESSIONS_PER_IDENTITY, MAX_SKIPPED_PER_SESSION,
};
use crate::proto::wire;
use crate::store::Row;
use crate::{ProtocolError, ProtocolMessage, SealError};

fn error_of(message: &wire::ProtocolMessage) -> Option<ProtocolError> {
    ProtocolMessage::decode(&message.encode_to_vec()).err()
}

#[test]
fn counts_and_lengths_of_a_message_are_bounded() {
    let entries = |n: usize| (0..n).map(|i| (format!("d{i}"), wire::DirectMessage::default())).collect();
    let with = |n| wire::ProtocolMessage { direct_message: entries(n), ..Default::default() };
    assert_eq!(error_of(&with(16)), None);
    assert_eq!(error_of(&with(17)), Some(ProtocolError::Entries { got: 17 }));

    let with = |n| wire::ProtocolMessage { bundles: vec![Vec::new(); n], ..Default::default() };
    assert_eq!(error_of(&with(4)), None);
    assert_eq!(error_of(&with(5)), Some(ProtocolError::Bundles { got: 5 }));

    let with = |n| wire::ProtocolMessage { public_message: vec![0; n], ..Default::default() };
    assert_eq!(error_of(&with(MAX_PAYLOAD)), None);
    assert_eq!(error_of(&with(MAX_PAYLOAD + 1)), Some(ProtocolError::TooLong { got: MAX_PAYLOAD + 1 }));
    let got = MAX_MESSAGE + 1;
    assert_eq!(ProtocolMessage::decode(&vec![0; got]).err(), Some(ProtocolError::TooLong { got }));

    let (mut alice, bob) = acquainted(30);
    let (layer, mut cx) = alice.cx(START);
    let long = vec![0; MAX_PAYLOAD + 1];
    let refused = SealError::TooLong { got: MAX_PAYLOAD + 1 };
    assert_eq!(layer.seal_direct(&mut cx, &bob.key(), &long), Err(refused));
    assert_eq!(layer.seal_dh(&mut cx, &bob.key(), &long), Err(refused));
    assert_eq!(layer.seal_public(&mut cx, &long), Err(refused));
    assert_eq!(layer.seal_public(&mut cx, b""), Err(SealError::EmptyPublic));
}

#[test]
fn the_largest_payload_arrives() {
    let (mut alice, mut bob) = acquainted(31);
    let payload = vec![7; MAX_PAYLOAD];
    let sealed = alice.direct(START, &bob.key(), &payload);
    assert_eq!(bob.open(START, &alice.key(), &sealed.bytes).unwrap().payload, Some(payload));
}

#[test]
fn the_longest_message_and_the_longest_bundle_are_read_and_one_byte_more_is_not() {
    let (mut alice, bob) = (Party::new(47), Party::new(48));
    let bundle = bob.bundle("phone", some_prekey(1), 1, nanos(START));
    let refused = alice.open(START, &bob.key(), &padded(carry(bundle.clone()), MAX_MESSAGE + 1));
    assert_eq!(refused, Err(OpenError::Protocol(ProtocolError::TooLong { got: MAX_MESSAGE + 1 })));

    let too_long = carry(padded(bundle.clone(), MAX_BUNDLE_BYTES + 1));
    let opened = alice.open(START, &bob.key(), &too_long).unwrap();
    assert_eq!(opened.payload.as_deref(), Some(&b"payload"[..]));
    assert_eq!(opened.dropped, [crate::BundleError::TooLarge]);
    assert!(alice.store.is_empty());

    let longest = padded(carry(padded(bundle, MAX_BUNDLE_BYTES)), MAX_MESSAGE);
    let opened = alice.open(START, &bob.key(), &longest).unwrap();
    assert_eq!((opened.dropped.len(), opened.learned.len()), (0, 1));
}

/// A copy of what is older is refused all the same: it cannot be told from a forgery any more.
#[test]
fn of_the_keys_that_a_peer_has_used_the_oldest_are_forgotten() {
    use crate::RatchetError::{BadMac, Duplicate};

    let (mut alice, mut bob) = acquainted(49);
    let turn = |alice: &mut Party, bob: &mut Party| {
        let there = alice.direct(START, &bob.key(), b"there");
        bob.open(START, &alice.key(), &there.bytes).unwrap();
        let back = bob.direct(START, &alice.key(), b"back");
        alice.open(START, &bob.key(), &back.bytes).unwrap();
        let sessions = bob.store.scan(Table::Session, b"").unwrap();
        let retired = sessions
            .iter()
            .map(|(_, row)| crate::session::Session::from_bytes(row.as_ref()).unwrap().ratchet.retired.len());
        (there.bytes, retired.max().unwrap())
    };
    // One key is in use beside those that were.
    let mut sent: Vec<_> = (0..=MAX_RETIRED_KEYS).map(|_| turn(&mut alice, &mut bob)).collect();
    assert!(sent.iter().map(|(_, retired)| *retired).eq(0..=MAX_RETIRED_KEYS));
    let mut before = bob.clone();
    sent.push(turn(&mut alice, &mut bob));
    assert_eq!(sent.last().map(|(_, retired)| *retired), Some(MAX_RETIRED_KEYS));
    let refused = |bob: &mut Party, n: usize| bob.open(START, &alice.key(), &sent[n].0);
    assert_eq!(refused(&mut before, 0), Err(Duplicate.into()));
    assert_eq!(refused(&mut bob, 0), Err(BadMac.into()));
    for n in 1..sent.len() {
        assert_eq!(refused(&mut bob, n), Err(Duplicate.into()), "turn {n}");
    }
}

#[test]
fn the_legacy_field_is_one_more_bundle() {
    let (mut alice, bob) = (Party::new(32), Party::new(33));
    let message = wire::ProtocolMessage {
        bundle: bob.bundle("phone", some_prekey(1), 1, nanos(START)),
        public_message: b"2018".to_vec(),
        ..Default::default()
    };
    let opened = alice.open(START, &bob.key(), &message.encode_to_vec()).unwrap();
    assert_eq!(opened.learned.len(), 1);
}

#[test]
fn an_odd_bundle_is_dropped_and_the_message_read() {
    let (mut alice, bob) = (Party::new(34), Party::new(35));
    let ahead = nanos(START.after(2 * DAY));
    let bytes = carry(bob.bundle("phone", some_prekey(1), 1, ahead));
    let opened = alice.open(START, &bob.key(), &bytes).unwrap();
    assert_eq!(opened.payload.as_deref(), Some(&b"payload"[..]));
    assert_eq!(opened.dropped, [crate::BundleError::Timestamp]);
    assert!(alice.store.is_empty());
}

#[test]
fn only_the_latest_devices_of_an_identity_are_remembered_and_three_are_addressed() {
    let (mut alice, bob) = (Party::new(36), Party::new(37));
    let last = i64::try_from(MAX_DEVICES_PER_IDENTITY).unwrap() + 2;
    for i in 0..last {
        let prekey = some_prekey(u64::try_from(i).unwrap());
        let bundle = bob.bundle(&format!("device {i:03}"), prekey, 1, nanos(START) + i);
        alice.open(START, &bob.key(), &carry(bundle)).unwrap();
    }
    assert_eq!(alice.store.len(Table::Device), MAX_DEVICES_PER_IDENTITY);
    assert!(alice.device(&bob.key(), "device 001").is_none());
    assert!(alice.device(&bob.key(), "device 002").is_some());
    let targets = alice.direct(START, &bob.key(), b"x").targets;
    let names: Vec<_> = targets.iter().map(InstallationId::as_str).collect();
    assert_eq!(names, ["device 065", "device 064", "device 063"]);
}

#[test]
fn a_peer_cannot_open_sessions_without_end() {
    let (mut mallory, mut bob) = acquainted(38);
    let bundles = mallory.store.clone();
    for i in 0..MAX_SESSIONS_PER_IDENTITY + 2 {
        mallory.store = bundles.clone();
        mallory.layer.installation = InstallationId::new(&format!("m{i}")).unwrap();
        let now = START.after(Duration::from_millis(u64::try_from(i).unwrap()));
        let sealed = mallory.direct(now, &bob.key(), b"x");
        bob.open(now, &mallory.key(), &sealed.bytes).unwrap();
    }
    assert_eq!(bob.store.len(Table::Session), MAX_SESSIONS_PER_IDENTITY);
    assert_eq!(bob.store.len(Table::Device), MAX_DEVICES_PER_IDENTITY);
}

#[test]
fn skipped_keys_are_bounded_and_age() {
    let (mut alice, mut bob) = acquainted(39);
    let mut first = None;
    for gap in 0..3 {
        for i in 0..1001 {
            let sealed = alice.direct(START, &bob.key(), b"x");
            if i == 1000 {
                bob.open(START, &alice.key(), &sealed.bytes).unwrap();
            } else if (gap, i) == (0, 0) {
                first = Some(sealed);
            }
        }
    }
    assert_eq!(bob.store.len(Table::Skipped), MAX_SKIPPED_PER_SESSION);
    let evicted = first.unwrap();
    assert_eq!(bob.open(START, &alice.key(), &evicted.bytes), Err(crate::RatchetError::Duplicate.into()));
    let month = START.after(30 * DAY);
    let _ = bob.layer.erase_outdated(&mut bob.store, month).unwrap();
    assert_eq!(bob.store.len(Table::Skipped), MAX_SKIPPED_PER_SESSION);
    let _ = bob.layer.erase_outdated(&mut bob.store, month.after(Duration::from_millis(1))).unwrap();
    assert_eq!(bob.store.len(Table::Skipped), 0);
}

/// All peers together may leave more than fits into memory.
#[test]
fn outdated_keys_are_erased_page_by_page_and_none_stays() {
    use crate::keys::MessageKey;
    use crate::layer::Erased;
    use crate::limits::{ERASE_PAGE, MAX_ERASED};
    use crate::stored::FiledKey;

    let mut alice = Party::new(46);
    let ratchet = crate::RatchetPublic::from_bytes([2; 33]);
    let secret = MessageKey::from_secret(undertone_base::Secret::new([1; 32]));
    let own = alice.key().to_compressed();
    // The young ones stand between: what is deleted moves no page.
    let rows = u32::try_from(MAX_ERASED + 2 * ERASE_PAGE).unwrap();
    for n in 0..rows {
        let filed = if n % 20 == 0 { START.after(DAY) } else { START };
        let key = crate::ratchet::Skipped { ratchet, n, key: secret.clone(), seq: u64::from(n) };
        let at = [&own[..], &n.to_be_bytes()].concat();
        alice.store.put(Table::Skipped, &at, FiledKey::new(&key, filed.unix).to_bytes().as_ref()).unwrap();
    }
    let young = usize::try_from(rows.div_ceil(20)).unwrap();
    let month = START.after(30 * DAY + Duration::from_millis(1));
    let mut paged = Paged(alice.store.clone());
    let outdated = usize::try_from(rows).unwrap() - young;
    assert!(outdated < MAX_ERASED);
    assert_eq!(alice.layer.erase_outdated(&mut paged, month), Ok(Erased::All));
    assert_eq!(paged.0.len(Table::Skipped), young);
    // A day later all are outdated, more than one call erases.
    let mut paged = Paged(alice.store.clone());
    let later = month.after(DAY);
    assert_eq!(alice.layer.erase_outdated(&mut paged, later), Ok(Erased::Part));
    assert_eq!(paged.0.len(Table::Skipped), 2 * ERASE_PAGE);
    assert_eq!(alice.layer.erase_outdated(&mut paged, later), Ok(Erased::All));
    assert_eq!(paged.0.len(Table::Skipped), 0);
}

/// Hands out no more than a page of the keys of messages that have not come.
#[derive(Debug)]
struct Paged(MemoryRatchetStore);

impl RatchetStore for Paged {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.0.get(table, key)
    }

    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), StoreError> {
        self.0.put(table, key, row)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        self.0.delete(table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        assert_ne!(table, Table::Skipped, "all at once");
        self.0.scan(table, prefix)
    }

    fn scan_page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        assert!(limit <= crate::limits::ERASE_PAGE);
        self.0.scan_page(table, prefix, after, limit)
    }
}

/// Refuses every write.
#[derive(Debug)]
struct Full(MemoryRatchetStore);

impl RatchetStore for Full {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        self.0.get(table, key)
    }

    fn put(&mut self, _: Table, _: &[u8], _: &[u8]) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    fn delete(&mut self, _: Table, _: &[u8]) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        self.0.scan(table, prefix)
    }

    fn scan_page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        self.0.scan_page(table, prefix, after, limit)
    }
}

#[test]
fn nothing_is_handed_out_that_is_not_stored() {
    let (mut alice, mut bob) = acquainted(40);
    let sealed = alice.direct(START, &bob.key(), b"x");
    let mut full = Full(bob.store.clone());
    let to = alice.key();
    let Party { layer, keyring, rng, .. } = &mut bob;
    let mut cx = Context { store: &mut full, keyring, now: START, rng };
    assert_eq!(layer.open(&mut cx, &to, &sealed.bytes), Err(StoreError::Unavailable.into()));
    assert_eq!(layer.seal_direct(&mut cx, &to, b"x"), Err(StoreError::Unavailable.into()));
}

#[test]
fn a_corrupt_row_is_an_error_of_our_own() {
    let (mut alice, bob) = acquainted(41);
    for (key, _) in alice.store.scan(Table::Device, b"").unwrap() {
        alice.store.put(Table::Device, &key, b"\xff").unwrap();
    }
    let (layer, mut cx) = alice.cx(START);
    let result = layer.seal_direct(&mut cx, &bob.key(), b"x");
    assert_eq!(result, Err(StoreError::Corrupt("device").into()));
}

#[test]
fn codes_are_unique_and_faults_are_told() {
    use undertone_base::FaultClass;
    let errors = [
        OpenError::DeviceNotFound,
        OpenError::DhOnly(undertone_crypto::Opaque),
        OpenError::Installation,
        OpenError::Key,
        OpenError::NoKey,
        OpenError::NoPayload,
        OpenError::NotPaired,
        OpenError::OwnEcho,
        OpenError::Protocol(ProtocolError::Malformed),
        OpenError::Ratchet(crate::RatchetError::BadMac),
        OpenError::Bundle(crate::BundleError::Signature),
        OpenError::UnknownPrekey,
        OpenError::UnknownSession,
    ];
    let codes: std::collections::BTreeSet<_> = errors.iter().map(OpenError::code).collect();
    assert_eq!(codes.len(), errors.len());
    assert!(errors.iter().all(|error| matches!(error.fault(), FaultClass::Peer(_))));
    assert_eq!(OpenError::Store(StoreError::Unavailable).fault(), FaultClass::Environment);
    assert_eq!(SealError::EmptyPublic.fault(), FaultClass::Caller);
}

#[test]
fn a_device_that_is_not_remembered_is_not_remembered_as_listening() {
    let (mut alice, bob) = (Party::new(42), Party::new(43));
    let mut rng = undertone_support::rng(44);
    for i in 0..3 {
        let name = format!("device {i}");
        let bundle = bob.bundle(&name, some_prekey(i), (1 << 31) + 1, nanos(START));
        let (key, payload) = crate::dh_only::seal(&RemoteIdentity::new(alice.key()), b"x", &mut rng);
        let dh_header = Some(wire::DhHeader { key: key.as_bytes().to_vec() });
        let entry = wire::DirectMessage { payload, dh_header, ..Default::default() };
        let bytes = encode(&name, bundle, [("none".to_owned(), entry)].into(), Vec::new());
        assert!(!alice.open(START, &bob.key(), &bytes).unwrap().negotiated);
    }
    assert!(alice.store.is_empty());
}

#[test]
fn skipped_keys_of_one_identity_are_bounded_over_all_its_sessions() {
    use crate::keys::MessageKey;
    use crate::limits::{MAX_SKIPPED_BEHIND, MAX_SKIPPED_PER_IDENTITY};
    use crate::ratchet::Skipped;
    use crate::session::SessionId;

    let (mut alice, bob) = acquainted(45);
    let ratchet = crate::RatchetPublic::from_bytes([2; 33]);
    let key = MessageKey::from_secret(undertone_base::Secret::new([1; 32]));
    let id = |alice: &Party, device: usize| SessionId {
        own: alice.layer.own,
        peer: RemoteIdentity::new(bob.key()),
        installation: InstallationId::new(&format!("device {device}")).unwrap(),
        prekey: some_prekey(0),
    };
    let file = |alice: &mut Party, device: usize, from: u32, keys_count: u64, now: Now| {
        let keys = (from..from + 1000).map(|n| Skipped { ratchet, n, key: key.clone(), seq: u64::from(n) });
        let keys: Vec<_> = keys.collect();
        let id = id(alice, device);
        let mut tables = Tables::new(&mut alice.store);
        tables.file_skipped(&id, &keys, keys_count, now.unix).unwrap();
        tables.commit().unwrap();
    };
    for device in 0..3 {
        for from in [0, 1000] {
            let now = START.after(Duration::from_secs(u64::try_from(device).unwrap()));
            file(&mut alice, device, from, u64::from(from) + 1000, now);
        }
    }
    assert_eq!(alice.store.len(Table::Skipped), MAX_SKIPPED_PER_IDENTITY);
    // The oldest went: half of what the first device had.
    let of_first = |alice: &mut Party, n: u32| {
        let id = id(alice, 0);
        let header = crate::ratchet::Header { key: ratchet, n, pn: 0 };
        Tables::new(&mut alice.store).skipped(&id, &header).unwrap().is_some()
    };
    assert_eq!([999, 1000].map(|n| of_first(&mut alice, n)), [false, true]);
    // Keys that are too far behind leave whatever their number.
    alice.store = MemoryRatchetStore::new();
    file(&mut alice, 0, 0, 1000, START);
    file(&mut alice, 0, 5000, 500 + MAX_SKIPPED_BEHIND, START);
    assert_eq!([500, 501].map(|n| of_first(&mut alice, n)), [false, true]);
}

/// `security.md` S4: there is no separator between the version of one device and the name of the next, so that anybody
/// who has seen a bundle of two devices can move digits, and the signature still verifies.
#[test]
fn digits_of_the_next_name_do_not_raise_a_version() {
    const FIRST: &str = "0aaaaaaa-0000-4000-8000-000000000000";
    const SECOND: &str = "123bbbbb-0000-4000-8000-000000000000";
    let (mut alice, bob) = (Party::new(80), Party::new(81));
    let name = |name: &str| InstallationId::new(name).unwrap();
    let bundle = |first: PrekeyId, version: u32, now: Now| {
        let entry = |installation: &str, prekey, version| Entry {
            installation: name(installation),
            prekey,
            version,
            protocol_version: 1,
        };
        let entries = [entry(FIRST, first, version), entry(SECOND, some_prekey(2), 1)];
        sign(&bob.keyring, bob.layer.own(), entries, nanos(now)).unwrap()
    };
    let honest = bundle(some_prekey(1), 1, START);
    alice.open(START, &bob.key(), &carry(honest.clone())).unwrap();

    // Mallory, who has read Bob's bundle somewhere, sends it in a message of his own.
    let mallory = Party::new(82);
    let mut forged = wire::Bundle::decode(honest.as_slice()).unwrap();
    let second = forged.signed_pre_keys.remove(SECOND).unwrap();
    forged.signed_pre_keys.insert(SECOND[3..].to_owned(), second);
    forged.signed_pre_keys.get_mut(FIRST).unwrap().version = 1_123;
    let _ = alice.open(START, &mallory.key(), &carry(forged.encode_to_vec()));

    assert_eq!(alice.device(&bob.key(), FIRST).unwrap().version, 1, "the version that Bob signed");
    assert!(alice.device(&bob.key(), &SECOND[3..]).is_none(), "a device that Bob does not have");
    // Bob's next prekey is taken.
    let later = START.after(25 * HOUR);
    alice.open(later, &bob.key(), &carry(bundle(some_prekey(3), 2, later))).unwrap();
    assert_eq!(alice.device(&bob.key(), FIRST).unwrap().prekey, some_prekey(3));
}
