//! Who knows everything public, sees everything on the wire and has a key of its own.

use std::rc::Rc;

use prost::Message as _;

use super::world::{Flight, World};
use super::{below, count};
use crate::InstallationId;
use crate::limits::MAX_SESSIONS_PER_IDENTITY;
use crate::proto::wire;
use crate::protocol::ProtocolMessage;

impl World {
    pub(super) fn mallory_acts(&mut self) {
        let Some(flight) = self.overheard() else { return };
        let acts: [fn(&mut Self, Flight); 5] =
            [Self::replay, Self::claim, Self::flip, Self::swap_bundles, Self::borrow_name];
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

    fn open_session(&mut self, flight: Flight, name: InstallationId) {
        let life = self.next_life();
        let mut device = self.mallory.named_device(life, name);
        let (own, peer) = (self.mallory.key, self.people[flight.to.0].key);
        // It knows the recipient's devices from their bundles.
        for bytes in self.seen.iter().filter(|seen| seen.signer == peer).map(|seen| &seen.bytes) {
            let _ = device.layer.learn(&mut device.store, self.now, bytes);
        }
        let payload = self.say(own, peer);
        let sealed = device.seal(&self.mallory.keyring, self.now, &mut self.rng, &peer, &payload);
        self.check_keys(&sealed.bytes);
        self.receive(&Flight { signer: own, bytes: Rc::new(sealed.bytes), ..flight });
    }
}
