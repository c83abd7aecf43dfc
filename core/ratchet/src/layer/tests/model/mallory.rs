//! Who knows everything public, sees everything on the wire and has a key of its own.

use std::rc::Rc;

use prost::Message as _;
use undertone_crypto::SecretKey;

use super::super::padded;
use super::device::Person;
use super::world::{Flight, World};
use super::{below, count};
use crate::bundle::{nanos, sign};
use crate::limits::{
    MAX_BUNDLE_BYTES, MAX_BUNDLE_ENTRIES, MAX_BUNDLES, MAX_INSTALLATION_ID, MAX_MESSAGE, MAX_PAYLOAD,
    MAX_PREKEY_VERSION, MAX_SESSIONS_PER_IDENTITY, MIN_BUNDLE_TIMESTAMP, MIN_RATCHET_CIPHERTEXT,
};
use crate::proto::wire;
use crate::protocol::ProtocolMessage;
use crate::store::{RatchetStore as _, Table};
use crate::stored::OwnState;
use crate::{BundleError, Entry, InstallationId, PrekeyId};

impl World {
    pub(super) fn mallory_acts(&mut self) {
        let Some(flight) = self.overheard() else { return };
        let acts: [fn(&mut Self, Flight); 6] =
            [Self::replay, Self::claim, Self::flip, Self::swap_bundles, Self::borrow_name, Self::exceed];
        let act = acts[below(&mut self.rng, acts.len())];
        act(self, flight);
    }

    fn overheard(&mut self) -> Option<Flight> {
        if self.seen.is_empty() {
            return None;
        }
        let at = below(&mut self.rng, self.seen.len());
        let flight = self.seen[at].clone();
        // The device may be gone since.
        (flight.to.1 < self.people[flight.to.0].devices.len()).then_some(flight)
    }

    fn replay(&mut self, flight: Flight) {
        count(&mut self.counts, "mallory: replay");
        self.receive(&flight);
    }

    /// Somebody else's message in an envelope that Mallory has signed.
    fn claim(&mut self, flight: Flight) {
        count(&mut self.counts, "mallory: claim another's message");
        self.receive(&Flight { signer: self.mallory.key, ..flight });
    }

    fn flip(&mut self, flight: Flight) {
        count(&mut self.counts, "mallory: flip a bit");
        let mut bytes = flight.bytes.to_vec();
        let bit = below(&mut self.rng, bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        self.receive(&Flight { bytes: Rc::new(bytes), ..flight });
    }

    /// A message with the bundles of another one.
    fn swap_bundles(&mut self, flight: Flight) {
        let Some(other) = self.overheard() else { return };
        count(&mut self.counts, "mallory: swap bundles");
        let mut message = wire::ProtocolMessage::decode(&flight.bytes[..]).unwrap();
        message.bundles = wire::ProtocolMessage::decode(&other.bytes[..]).unwrap().bundles;
        self.receive(&Flight { bytes: Rc::new(message.encode_to_vec()), ..flight });
    }

    /// Mallory's own device goes by the name of the sender's and opens a session of its own with the recipient.
    fn borrow_name(&mut self, flight: Flight) {
        let name = ProtocolMessage::decode(&flight.bytes).unwrap().installation().to_owned();
        let Some(name) = InstallationId::new(&name) else { return };
        count(&mut self.counts, "mallory: use another's device name");
        self.open_session(flight, name);
    }

    /// More sessions with one device than are kept of one identity.
    pub(super) fn crowd(&mut self) {
        let Some(flight) = self.overheard() else { return };
        count(&mut self.counts, "mallory: sessions without end");
        for _ in 0..=MAX_SESSIONS_PER_IDENTITY {
            let name = InstallationId::random(&mut self.rng);
            self.open_session(flight.clone(), name);
        }
    }

    /// A message of Mallory's own with more in it than is allowed.
    fn exceed(&mut self, flight: Flight) {
        count(&mut self.counts, "mallory: more than is allowed");
        let life = self.next_life();
        let mut device = self.mallory.new_device(life, &mut self.rng);
        let (own, peer) = (self.mallory.key, self.people[flight.to.0].key);
        let payload = self.say(own, peer);
        let sealed = device.seal_dh(&self.mallory.keyring, self.now, &mut self.rng, &peer, &payload);
        let mut message = wire::ProtocolMessage::decode(&sealed.bytes[..]).unwrap();
        let entry = message.direct_message["none"].clone();
        let what = below(&mut self.rng, 11);
        let now = nanos(self.now.unix);
        let bundle = |name: &str, version, entries: u8, timestamp| {
            let layer = &device.layer;
            let entries = (0u8..entries).map(|n| Entry {
                installation: InstallationId::new(&format!("{name}{n}")).unwrap(),
                prekey: PrekeyId::of(&SecretKey::from_slice(&[1 + n; 32]).unwrap().public()),
                version,
                protocol_version: 1,
            });
            sign(&self.mallory.keyring, layer.own(), entries, timestamp).unwrap()
        };
        let day = 24 * 3_600 * 1_000_000_000;
        let (bound, dropped) = match what {
            0 => {
                let more = (0..16).map(|n| (n.to_string(), entry.clone()));
                message.direct_message.extend(more);
                ("MAX_DIRECT_ENTRIES", None)
            }
            1 => {
                message.bundles = vec![message.bundles[0].clone(); MAX_BUNDLES + 1];
                ("MAX_BUNDLES", None)
            }
            2 => {
                let payload = vec![0; MAX_PAYLOAD + MIN_RATCHET_CIPHERTEXT + 1];
                message.direct_message.insert("none".to_owned(), wire::DirectMessage { payload, ..entry });
                ("MAX_PAYLOAD", None)
            }
            3 => {
                let header = wire::DrHeader {
                    key: entry.dh_header.unwrap().key,
                    id: self.prekey_of(flight.to),
                    ..Default::default()
                };
                let x3dh_header = Some(wire::X3dhHeader { key: header.key.clone(), id: header.id.clone() });
                let payload = vec![0; MIN_RATCHET_CIPHERTEXT - 1];
                let entry =
                    wire::DirectMessage { x3dh_header, dr_header: Some(header), payload, dh_header: None };
                message.direct_message.insert("none".to_owned(), entry);
                ("MIN_RATCHET_CIPHERTEXT", None)
            }
            4 => {
                message.bundles = vec![bundle("m", 1, 1 + u8::try_from(MAX_BUNDLE_ENTRIES).unwrap(), now)];
                ("MAX_BUNDLE_ENTRIES", Some(BundleError::TooLarge))
            }
            5 => {
                message.bundles = vec![bundle("m", 1, 1, now + day + 1_000_000)];
                ("MAX_BUNDLE_AHEAD", Some(BundleError::Timestamp))
            }
            6 => {
                message.bundles = vec![bundle("m", 1, 1, MIN_BUNDLE_TIMESTAMP - 1)];
                ("MIN_BUNDLE_TIMESTAMP", Some(BundleError::Timestamp))
            }
            7 => {
                let mut signed = wire::Bundle::decode(&bundle("m", 1, 1, now)[..]).unwrap();
                let key = signed.signed_pre_keys.remove("m0").unwrap();
                signed.signed_pre_keys.insert("m".repeat(MAX_INSTALLATION_ID + 1), key);
                message.bundles = vec![signed.encode_to_vec()];
                ("MAX_INSTALLATION_ID", Some(BundleError::Installation))
            }
            8 => {
                message.bundles = vec![padded(bundle("m", 1, 1, now), MAX_BUNDLE_BYTES + 1)];
                ("MAX_BUNDLE_BYTES", Some(BundleError::TooLarge))
            }
            9 => ("MAX_MESSAGE", None),
            _ => {
                message.bundles = vec![bundle("too new", MAX_PREKEY_VERSION + 1, 1, now)];
                ("MAX_PREKEY_VERSION", None)
            }
        };
        let opens = dropped.is_some() || bound == "MAX_PREKEY_VERSION";
        let to = flight.to;
        let mut bytes = message.encode_to_vec();
        if bound == "MAX_MESSAGE" {
            bytes = padded(bytes, MAX_MESSAGE + 1);
        }
        let arrived = self.receive(&Flight { signer: own, bytes: Rc::new(bytes), ..flight });
        assert_eq!(arrived.is_some(), opens, "{}: {bound}", self.what);
        if opens {
            assert_eq!(self.dropped, Vec::from_iter(dropped), "{}: {bound}", self.what);
            let row = &self.people[to.0].devices[to.1];
            let known = row.layer.devices(&row.store, &own).unwrap();
            assert!(known.iter().all(|(name, _)| name.as_str() != "too new0"), "{}", self.what);
            count(&mut self.counts, format!("bound: {bound}"));
        }
    }

    /// The prekey that the bundles of a device name; made if there is none yet.
    pub(super) fn prekey_of(&mut self, (person, device): (usize, usize)) -> Vec<u8> {
        let Person { key, keyring, devices, .. } = &mut self.people[person];
        let (key, row) = (*key, &mut devices[device]);
        row.seal_dh(keyring, self.now, &mut self.rng, &key, b"");
        let name = row.layer.own().public().to_compressed();
        let state = row.store.get(Table::OwnState, &name).unwrap().unwrap();
        OwnState::from_bytes(state.as_ref()).unwrap().prekey.as_bytes().to_vec()
    }

    /// A message that opens a session with a device of somebody and is still under way. Nothing else is in it: what is
    /// older than two weeks is not refused for its bundle.
    pub(super) fn opening_by_a_stranger(&mut self) -> Flight {
        let to = self.any_device();
        let stranger = Person::new(&mut self.rng);
        self.opener(&stranger, to).seal(b"late")
    }

    fn open_session(&mut self, flight: Flight, name: InstallationId) {
        let life = self.next_life();
        let mut device = self.mallory.named_device(life, name);
        let (own, peer) = (self.mallory.key, self.people[flight.to.0].key);
        // It knows the recipient's devices from their bundles.
        for bytes in self.seen.iter().filter(|seen| seen.signer == peer).map(|seen| &seen.bytes) {
            let _ = device.layer.learn(&mut device.store, self.now, &peer, bytes);
        }
        let payload = self.say(own, peer);
        let sealed = device.seal(&self.mallory.keyring, self.now, &mut self.rng, &peer, &payload);
        self.check_keys(&sealed.bytes);
        self.receive(&Flight { signer: own, bytes: Rc::new(sealed.bytes), ..flight });
    }
}
