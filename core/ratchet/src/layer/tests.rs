mod anew;
mod attacks;
mod bounds;
mod mangle;
mod model;
mod network;
mod scenarios;

use std::time::Duration;

use undertone_base::{Mono, Unix};
use undertone_crypto::{MemoryKeyring, SecretKey};
use undertone_support::ChaCha20Rng;

use super::*;
use crate::bundle::{Entry, sign};
use crate::keys::{PrekeyId, PrekeyPrivate};
use crate::protocol::encode;
use crate::store::{MemoryRatchetStore, Table};

const START: Now = Now { mono: Mono::ZERO, unix: Unix::from_millis(1_700_000_000_000) };
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A party with its own keyring, store and randomness.
#[derive(Clone)]
struct Party {
    layer: Encryption,
    keyring: MemoryKeyring,
    store: MemoryRatchetStore,
    rng: ChaCha20Rng,
}

impl Party {
    fn new(seed: u64) -> Self {
        let mut rng = undertone_support::rng(seed);
        let key = SecretKey::random(&mut rng);
        Self::with_identity(key, seed)
    }

    fn with_identity(key: SecretKey, seed: u64) -> Self {
        let mut rng = undertone_support::rng(seed + 1000);
        let mut keyring = MemoryKeyring::new();
        let id = keyring.insert(key);
        let own = LocalIdentity::new(&keyring, id).unwrap();
        let layer = Encryption::new(own, InstallationId::random(&mut rng));
        Self { layer, keyring, store: MemoryRatchetStore::new(), rng }
    }

    fn key(&self) -> PublicKey {
        *self.layer.own().public()
    }

    fn cx(&mut self, now: Now) -> (&Encryption, Context<'_, MemoryRatchetStore, ChaCha20Rng>) {
        let Self { layer, keyring, store, rng } = self;
        (layer, Context { store, keyring, now, rng })
    }

    fn public(&mut self, now: Now) -> Sealed {
        let (layer, mut cx) = self.cx(now);
        layer.seal_public(&mut cx, b"public").unwrap()
    }

    fn direct(&mut self, now: Now, to: &PublicKey, payload: &[u8]) -> Sealed {
        let (layer, mut cx) = self.cx(now);
        layer.seal_direct(&mut cx, to, payload).unwrap()
    }

    fn open(&mut self, now: Now, from: &PublicKey, bytes: &[u8]) -> Result<Opened, OpenError> {
        let before = self.store.clone();
        let (layer, mut cx) = self.cx(now);
        let opened = layer.open(&mut cx, from, bytes);
        if opened.is_err() {
            assert_eq!(self.store, before, "a refused message changed the store");
        }
        opened
    }

    /// A bundle of this identity with one device, made by hand.
    fn bundle(&self, installation: &str, prekey: PrekeyId, version: u32, timestamp: i64) -> Vec<u8> {
        let installation = InstallationId::new(installation).unwrap();
        let entry = Entry { installation, prekey, version, protocol_version: 1 };
        sign(&self.keyring, self.layer.own(), [entry], timestamp).unwrap()
    }

    fn device(&mut self, of: &PublicKey, name: &str) -> Option<Device> {
        let name = InstallationId::new(name).unwrap();
        Tables::new(&mut self.store).device(&self.layer.own, &RemoteIdentity::new(*of), &name).unwrap()
    }
}

fn carry(bundle: Vec<u8>) -> Vec<u8> {
    encode("x", bundle, std::collections::BTreeMap::new(), b"payload".to_vec())
}

/// The same protobuf with an unknown field in front that makes it `to` bytes long.
fn padded(mut bytes: Vec<u8>, to: usize) -> Vec<u8> {
    use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
    let mut padded = Vec::with_capacity(to);
    encode_key(15, WireType::LengthDelimited, &mut padded);
    let rest = to - padded.len() - bytes.len();
    let padding = rest - encoded_len_varint(u64::try_from(rest).unwrap());
    encode_varint(u64::try_from(padding).unwrap(), &mut padded);
    padded.resize(padded.len() + padding, 0);
    padded.append(&mut bytes);
    assert_eq!(padded.len(), to, "one byte more or less is not always possible");
    padded
}

fn some_prekey(seed: u64) -> PrekeyId {
    let private = PrekeyPrivate::random(&mut undertone_support::rng(seed));
    PrekeyId::of(&private.secret_key().public())
}

fn nanos(now: Now) -> i64 {
    crate::bundle::nanos(now.unix)
}

/// Alice and Bob, who know each other's devices.
fn acquainted(seed: u64) -> (Party, Party) {
    let (mut alice, mut bob) = (Party::new(seed), Party::new(seed + 1));
    let (a, b) = (alice.public(START), bob.public(START));
    alice.open(START, &bob.key(), &b.bytes).unwrap();
    bob.open(START, &alice.key(), &a.bytes).unwrap();
    (alice, bob)
}

#[test]
fn first_contact_falls_back_and_then_ratchets() {
    let (mut alice, mut bob) = (Party::new(1), Party::new(2));
    let (to_alice, to_bob) = (alice.key(), bob.key());
    let first = alice.direct(START, &to_bob, b"hello");
    assert_eq!((first.protection, first.agreed, first.targets.len()), (Protection::DhOnly, false, 0));
    let opened = bob.open(START, &to_alice, &first.bytes).unwrap();
    assert_eq!((opened.kind, opened.protection, opened.negotiated), (Kind::DhOnly, Protection::DhOnly, true));
    assert_eq!(opened.learned[0].change, DeviceChange::New);

    let reply = bob.direct(START, &to_alice, b"hi");
    assert_eq!((reply.protection, reply.agreed), (Protection::Pfs, true));
    assert_eq!(reply.targets, [alice.layer.installation().clone()]);
    let opened = alice.open(START, &to_bob, &reply.bytes).unwrap();
    assert_eq!((opened.kind, opened.payload.as_deref()), (Kind::Ratchet, Some(&b"hi"[..])));
    assert_eq!(opened.installation.as_ref(), Some(bob.layer.installation()));
    assert_eq!(alice.open(START, &to_bob, &reply.bytes), Err(crate::RatchetError::Duplicate.into()));
}

#[test]
fn a_message_for_other_devices_is_answered_with_our_bundle() {
    let (mut alice, bob) = acquainted(3);
    let identity = SecretKey::from_slice(&[9; 32]).unwrap();
    let mut old = Party::with_identity(identity.clone(), 4);
    let mut new = Party::with_identity(identity, 5);
    let advertised = old.public(START);
    alice.open(START, &old.key(), &advertised.bytes).unwrap();
    let message = alice.direct(START, &old.key(), b"to the old device");
    assert_eq!(new.open(START, &alice.key(), &message.bytes), Err(OpenError::DeviceNotFound));
    let (layer, mut cx) = new.cx(START);
    let learned = layer.learn(cx.store, START, &alice.key(), &message.bytes).unwrap();
    assert_eq!(learned[0].identity, alice.key());
    let answer = layer.seal_dh(&mut cx, &alice.key(), b"").unwrap();
    let opened = alice.open(START, &new.key(), &answer.bytes).unwrap();
    assert_eq!((opened.kind, opened.payload), (Kind::Empty, None));
    assert_eq!(alice.direct(START, &new.key(), b"to both").targets.len(), 2);
    // Bob knows nothing of it.
    assert!(bob.layer.devices(&bob.store, &new.key()).unwrap().is_empty());
}

#[test]
fn the_prekey_rotates_after_a_day_and_its_key_is_erased_two_weeks_later() {
    let (mut alice, mut bob) = acquainted(6);
    let version = |party: &mut Party| {
        Tables::new(&mut party.store).own_state(&party.layer.own).unwrap().unwrap().version
    };
    bob.public(START.after(24 * HOUR));
    assert_eq!(version(&mut bob), 1);
    let on_first = alice.direct(START, &bob.key(), b"on the first prekey");
    let later = START.after(24 * HOUR + Duration::from_millis(1));
    let rotated = bob.public(later);
    assert_eq!((version(&mut bob), bob.store.len(Table::OwnPrekey)), (2, 2));
    let opened = alice.open(later, &bob.key(), &rotated.bytes).unwrap();
    assert_eq!(opened.learned[0].change, DeviceChange::Rotated);

    // Read within two weeks of the rotation, refused after.
    let mut late = bob.clone();
    let last = later.after(14 * DAY);
    assert!(late.open(last, &alice.key(), &on_first.bytes).is_ok());
    let too_late = last.after(Duration::from_millis(1));
    assert_eq!(bob.open(too_late, &alice.key(), &on_first.bytes), Err(OpenError::UnknownPrekey));
    let _ = bob.layer.erase_outdated(&mut bob.store, too_late).unwrap();
    assert_eq!(bob.store.len(Table::OwnPrekey), 1);
}

#[test]
fn the_message_that_makes_the_prekey_rotate_goes_by_the_old_session() {
    let (mut alice, mut bob) = acquainted(7);
    let opening = alice.direct(START, &bob.key(), b"opens on Bob's first prekey");
    bob.open(START, &alice.key(), &opening.bytes).unwrap();
    let used = |sealed: &Sealed| {
        let message = crate::ProtocolMessage::decode(&sealed.bytes).unwrap();
        let entry = message.direct.into_values().next().unwrap();
        (entry.dr_header.unwrap().id, entry.x3dh_header.is_some())
    };
    let later = START.after(25 * HOUR);
    let old = bob.direct(later, &alice.key(), b"still there");
    assert!(!used(&old).1);
    let new = bob.direct(later, &alice.key(), b"a new one");
    assert!(used(&new).1);
    assert_ne!(used(&old).0, used(&new).0);
    for message in [new, old] {
        alice.open(later, &bob.key(), &message.bytes).unwrap();
    }
}

/// The timestamps of bundles that are signed at these times, one after the other.
fn stamps<const N: usize>(party: &mut Party, times: [Now; N]) -> [i64; N] {
    times.map(|now| {
        let message = crate::ProtocolMessage::decode(&party.public(now).bytes).unwrap();
        message.bundles()[0].verify(START.after(365 * DAY).unix).unwrap().timestamp()
    })
}

#[test]
fn bundle_timestamps_grow_while_the_clock_stands_or_goes_back_a_little() {
    let before = Now { unix: Unix::from_secs(START.unix.secs() - 3600), ..START };
    let stamps = stamps(&mut Party::new(8), [START, START, before]);
    assert_eq!(stamps, [nanos(START), nanos(START) + 1, nanos(START) + 2]);
}

/// Else every peer that checks timestamps would drop our bundles until that time has come.
#[test]
fn a_clock_that_was_far_ahead_once_does_not_date_our_bundles_for_ever() {
    let (mut alice, mut bob) = acquainted(8);
    stamps(&mut alice, [START.after(365 * DAY)]);
    let later = START.after(2 * DAY);
    let sealed = alice.public(later);
    let opened = bob.open(later, &alice.key(), &sealed.bytes).unwrap();
    assert_eq!((opened.dropped.len(), opened.learned.len()), (0, 1), "he learns the new prekey");
}

#[test]
fn a_late_old_bundle_changes_nothing() {
    let (mut alice, bob) = (Party::new(9), Party::new(10));
    let file = undertone_vectors::load("bundle");
    let trace = file["supersession_trace_of_status_go"].as_array().unwrap();
    let mut highest: Option<(u32, PrekeyId)> = None;
    for (i, step) in (0i64..).zip(trace) {
        let prekey = PrekeyId::from_slice(&undertone_vectors::hex(&step["bundle_spk"])).unwrap();
        let version = u32::try_from(step["version"].as_u64().unwrap()).unwrap();
        let bytes = carry(bob.bundle("phone", prekey, version, nanos(START) + i));
        alice.open(START, &bob.key(), &bytes).unwrap();
        highest = highest.max(Some((version, prekey)));
        let device = alice.device(&bob.key(), "phone").unwrap();
        assert_eq!(Some((device.version, device.prekey)), highest, "{}", step["step"]);
    }
    assert_eq!(trace.len(), 5);
    // The same version with another key is ignored too.
    let before = alice.store.clone();
    alice.open(START, &bob.key(), &carry(bob.bundle("phone", some_prekey(1), 4, nanos(START) + 9))).unwrap();
    assert_eq!(alice.store, before);
}

#[test]
fn a_new_device_of_our_own_waits_until_it_is_enabled() {
    let identity = SecretKey::from_slice(&[7; 32]).unwrap();
    let (mut phone, mut desk) =
        (Party::with_identity(identity.clone(), 11), Party::with_identity(identity, 12));
    let me = phone.key();
    let advertised = desk.public(START);
    phone.open(START, &me, &advertised.bytes).unwrap();
    assert_eq!(phone.direct(START, &me, b"to myself").protection, Protection::DhOnly);
    let name = desk.layer.installation().clone();
    assert!(phone.layer.set_enabled(&mut phone.store, &me, &name, Enabled::Yes).unwrap());
    let sealed = phone.direct(START, &me, b"to my desk");
    assert_eq!(sealed.targets, std::slice::from_ref(&name));
    assert_eq!(desk.open(START, &me, &sealed.bytes).unwrap().payload.as_deref(), Some(&b"to my desk"[..]));
    assert_eq!(phone.open(START, &me, &sealed.bytes), Err(OpenError::OwnEcho));
    // From now on our bundle names both.
    let message = crate::ProtocolMessage::decode(&phone.public(START).bytes).unwrap();
    assert_eq!(message.bundles()[0].verify(START.unix).unwrap().entries().len(), 2);
    assert!(
        !phone
            .layer
            .set_enabled(&mut phone.store, &me, &InstallationId::new("x").unwrap(), Enabled::No)
            .unwrap()
    );
}

#[test]
fn entries_about_ourselves_are_left_alone() {
    let (mut alice, bob) = (Party::new(13), Party::new(14));
    alice.public(START);
    let mine = Tables::new(&mut alice.store).own_state(&alice.layer.own).unwrap().unwrap();
    let before = alice.store.clone();
    // Our own signature over our own device, with a higher version.
    let name = alice.layer.installation().as_str().to_owned();
    let own = carry(alice.bundle(&name, some_prekey(2), 9, nanos(START)));
    alice.open(START, &bob.key(), &own).unwrap();
    // Somebody else claims our prekey, and a version out of range.
    alice.open(START, &bob.key(), &carry(bob.bundle("b", mine.prekey, 1, nanos(START)))).unwrap();
    alice
        .open(START, &bob.key(), &carry(bob.bundle("b", some_prekey(3), (1 << 31) + 1, nanos(START))))
        .unwrap();
    assert_eq!(alice.store, before);
    // Two identities may publish the same prekey: both are kept.
    let shared = some_prekey(4);
    let carol = Party::new(15);
    for party in [&bob, &carol] {
        alice.open(START, &bob.key(), &carry(party.bundle("b", shared, 1, nanos(START)))).unwrap();
        assert_eq!(alice.device(&party.key(), "b").unwrap().prekey, shared);
    }
}

#[test]
fn a_target_with_a_bad_prekey_is_skipped() {
    let (mut alice, bob) = acquainted(16);
    let bad = PrekeyId::from_bytes([2; 33].map(|_: u8| 0xff));
    let name = InstallationId::new("bad").unwrap();
    let peer = RemoteIdentity::new(bob.key());
    let device = Device {
        prekey: bad,
        version: 1,
        timestamp: nanos(START) + 5,
        protocol_version: 1,
        enabled: true,
        heard_on: None,
        heard: None,
    };
    let mut tables = Tables::new(&mut alice.store);
    tables.put_device(&alice.layer.own, &peer, &name, &device);
    tables.commit().unwrap();
    let sealed = alice.direct(START, &bob.key(), b"x");
    assert_eq!(sealed.targets, [bob.layer.installation().clone()]);
    let good = bob.layer.installation().clone();
    alice.layer.set_enabled(&mut alice.store, &bob.key(), &good, Enabled::No).unwrap();
    let sealed = alice.direct(START, &bob.key(), b"x");
    assert_eq!((sealed.protection, sealed.targets.len()), (Protection::DhOnly, 0));
}

#[test]
fn two_sessions_opened_at_once_become_one() {
    let (mut alice, mut bob) = acquainted(17);
    let from_alice = alice.direct(START, &bob.key(), b"a");
    let from_bob = bob.direct(START, &alice.key(), b"b");
    bob.open(START, &alice.key(), &from_alice.bytes).unwrap();
    alice.open(START, &bob.key(), &from_bob.bytes).unwrap();
    let mut ids = Vec::new();
    for turn in 0..6 {
        let (from, to) = if turn % 2 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let sealed = from.direct(START, &to.key(), b"ping");
        let message = crate::ProtocolMessage::decode(&sealed.bytes).unwrap();
        let entry = message.direct.into_values().next().unwrap();
        assert!(entry.x3dh_header.is_none());
        ids.push(entry.dr_header.unwrap().id);
        to.open(START, &from.key(), &sealed.bytes).unwrap();
    }
    assert!(ids.iter().skip(1).all(|id| *id == ids[1]), "{ids:?}");
}

#[test]
fn of_two_silent_sessions_the_one_with_the_lower_key_is_used() {
    use crate::keys::{EphemeralPublic, RatchetPair, SessionKey};
    use crate::ratchet::Ratchet;
    use crate::session::{Role, Session, SessionId};

    let (mut alice, bob) = acquainted(18);
    let peer = RemoteIdentity::new(bob.key());
    let installation = bob.layer.installation().clone();
    let theirs = alice.device(&bob.key(), installation.as_str()).unwrap().prekey;
    let ours = Tables::new(&mut alice.store).own_state(&alice.layer.own).unwrap().unwrap().prekey;
    let mut tables = Tables::new(&mut alice.store);
    for (prekey, first) in [(theirs, 9), (ours, 3)] {
        let sk = SessionKey::from_secret(undertone_base::Secret::new([first; 32]));
        let pair = RatchetPair::random(&mut undertone_support::rng(u64::from(first)));
        let ratchet = Ratchet::initiator(&sk, &prekey.point().unwrap(), pair);
        let session = Session::new(Role::Responder, ratchet, EphemeralPublic::from_bytes([2; 33]), &sk);
        let id = SessionId { own: alice.layer.own, peer, installation: installation.clone(), prekey };
        tables.put_session(&id, &session);
    }
    tables.commit().unwrap();
    let message = crate::ProtocolMessage::decode(&alice.direct(START, &bob.key(), b"x").bytes).unwrap();
    let entry = message.direct.into_values().next().unwrap();
    assert_eq!(entry.dr_header.unwrap().id, ours.as_bytes());
}

#[test]
fn an_opening_serves_one_session_whatever_the_device_is_called() {
    use prost::Message as _;
    let (mut alice, mut bob) = acquainted(60);
    let sealed = alice.direct(START, &bob.key(), b"once");
    let opened = bob.open(START, &alice.key(), &sealed.bytes).unwrap();
    assert_eq!(opened.payload.as_deref(), Some(&b"once"[..]));
    // The name of the sending device stands beside the ciphertext, under the envelope's signature alone.
    let mut renamed = crate::proto::wire::ProtocolMessage::decode(&sealed.bytes[..]).unwrap();
    renamed.installation_id = "another".to_owned();
    let before = bob.store.clone();
    let refused = bob.open(START, &alice.key(), &renamed.encode_to_vec());
    assert_eq!(refused, Err(crate::RatchetError::Duplicate.into()));
    assert_eq!(bob.store, before);
}

/// Everybody can seal a public message anew: a copy that comes later says nothing of where its author's device is now.
#[test]
fn a_device_is_heard_in_what_it_says_now_and_not_in_a_copy() {
    let (mut alice, mut bob) = (Party::new(61), Party::new(62));
    let name = bob.layer.installation().as_str().to_owned();
    let code = bob.public(START);
    let at_once = START.after(Duration::from_secs(60));
    assert!(alice.open(at_once, &bob.key(), &code.bytes).unwrap().fresh);
    let heard = |alice: &mut Party| alice.device(&bob.key(), &name).unwrap().heard;
    assert_eq!(heard(&mut alice), Some(at_once.unix));
    let later = START.after(HOUR);
    assert!(!alice.open(later, &bob.key(), &code.bytes).unwrap().fresh);
    assert_eq!(heard(&mut alice), Some(at_once.unix));
    // The clock of another device of Bob's is ahead; this one is heard all the same.
    let ahead =
        bob.bundle(&name, alice.device(&bob.key(), &name).unwrap().prekey, 1, nanos(later.after(HOUR)));
    alice.open(later, &bob.key(), &carry(ahead)).unwrap();
    let mut now = bob.clone();
    let code = now.public(later);
    assert!(alice.open(later, &bob.key(), &code.bytes).unwrap().fresh);
    assert_eq!(heard(&mut alice), Some(later.unix));
    // One that was kept back for a day counts if nothing later is known.
    let mut carol = Party::new(63);
    assert!(carol.open(later.after(DAY), &bob.key(), &code.bytes).unwrap().fresh);
}
