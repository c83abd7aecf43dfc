//! The bounds that only many messages of one sender reach: strangers who follow the protocol, or nearly, without end.

use std::rc::Rc;
use std::time::Duration;

use prost::Message as _;
use undertone_crypto::PublicKey;

use super::count;
use super::device::{Device, Person};
use super::world::{Flight, World};
use crate::limits::{
    MAX_ERASED, MAX_REPLACED_OPENINGS, MAX_RETIRED_KEYS, MAX_SKIP, MAX_SKIPPED_BEHIND,
    MAX_SKIPPED_PER_IDENTITY, MAX_SKIPPED_PER_SESSION, SKIPPED_KEPT,
};
use crate::proto::wire;
use crate::ratchet::Ratchet;
use crate::session::Session;
use crate::store::{RatchetStore as _, Table};
use crate::{EphemeralKey, InstallationId, Protection, RatchetPair, RemoteIdentity, x3dh};

/// Sessions that are enough to fill one identity's share of skipped keys.
const SESSIONS: usize = MAX_SKIPPED_PER_IDENTITY.div_ceil(MAX_SKIPPED_PER_SESSION);

/// Whoever opens a session, in the hands of somebody who may leave out messages. It is never answered, so that each of
/// its messages brings the opening, and none brings a bundle.
pub(super) struct Opener {
    signer: PublicKey,
    to: (usize, usize),
    installation: InstallationId,
    opening: wire::X3dhHeader,
    ratchet: Ratchet,
}

impl Opener {
    pub(super) fn seal(&mut self, payload: &[u8]) -> Flight {
        let (header, payload) = self.ratchet.seal(payload).unwrap();
        let id = self.opening.id.clone();
        let header = wire::DrHeader { key: header.key.as_bytes().to_vec(), n: header.n, pn: header.pn, id };
        let entry = wire::DirectMessage {
            x3dh_header: Some(self.opening.clone()),
            dr_header: Some(header),
            payload,
            dh_header: None,
        };
        let message = wire::ProtocolMessage {
            installation_id: self.installation.as_str().to_owned(),
            direct_message: [("none".to_owned(), entry)].into(),
            ..Default::default()
        };
        Flight { signer: self.signer, to: self.to, bytes: Rc::new(message.encode_to_vec()) }
    }

    /// As many messages as may be left out at once.
    fn leave_out(&mut self) {
        for _ in 0..MAX_SKIP {
            self.ratchet.seal(b"").unwrap();
        }
    }
}

impl World {
    /// A session of somebody's with a device, under a new name.
    pub(super) fn opener(&mut self, by: &Person, to: (usize, usize)) -> Opener {
        let life = self.next_life();
        let installation = InstallationId::random(&mut self.rng);
        let device = by.named_device(life, installation.clone());
        let id = self.prekey_of(to);
        let prekey = PublicKey::from_compressed(&id).unwrap();
        let ephemeral = EphemeralKey::random(&mut self.rng);
        let peer = RemoteIdentity::new(self.people[to.0].key);
        let sk = x3dh::initiate(&by.keyring, device.layer.own(), &peer, &prekey, &ephemeral).unwrap();
        let ratchet = Ratchet::initiator(&sk, &prekey, RatchetPair::random(&mut self.rng));
        let key = ephemeral.secret_key().public().to_compressed().to_vec();
        Opener { signer: by.key, to, installation, opening: wire::X3dhHeader { key, id }, ratchet }
    }

    /// Leaves out messages in as many sessions as fill what is kept of one identity.
    pub(super) fn leave_out(&mut self) {
        let to = self.any_device();
        let stranger = Person::new(&mut self.rng);
        self.fall_behind(&stranger, to);
        for _ in 1..SESSIONS {
            self.fill_session(&stranger, to);
        }
        let kept = self.skipped_of(to, &stranger.key);
        assert_eq!(kept, MAX_SKIPPED_PER_IDENTITY, "{}", self.what);
        count(&mut self.counts, "bound: MAX_SKIPPED_PER_IDENTITY");
        count(&mut self.counts, "step: leave out messages");
    }

    /// Late messages of one session come while others are left out, so that the first ones are too far behind before
    /// too many are missing.
    fn fall_behind(&mut self, by: &Person, to: (usize, usize)) {
        let mut opener = self.opener(by, to);
        let chain = u64::from(MAX_SKIP) + 1;
        let behind = usize::try_from(3 * chain - MAX_SKIPPED_BEHIND).unwrap();
        let first = self.say_some(&mut opener);
        self.must_open(&mut opener);
        let second = self.say_some(&mut opener);
        self.must_open(&mut opener);
        for flight in &second {
            assert!(self.receive(flight).is_some(), "{}: a late message is refused", self.what);
        }
        opener.leave_out();
        self.must_open(&mut opener);
        let skip = usize::try_from(MAX_SKIP).unwrap();
        assert_eq!(self.skipped_of(to, &by.key), 2 * skip - behind - 1, "{}", self.what);
        assert!(self.receive(&first[behind]).is_none(), "{}: what is far behind was kept", self.what);
        assert!(self.receive(&first[behind + 1]).is_some(), "{}: too much has left", self.what);
        count(&mut self.counts, "bound: MAX_SKIPPED_BEHIND");
    }

    /// As many messages as may be left out at once, for later.
    fn say_some(&mut self, opener: &mut Opener) -> Vec<Flight> {
        let to = self.people[opener.to.0].key;
        (0..MAX_SKIP)
            .map(|_| {
                let payload = self.say(opener.signer, to);
                opener.seal(&payload)
            })
            .collect()
    }

    fn must_open(&mut self, opener: &mut Opener) {
        let payload = self.say(opener.signer, self.people[opener.to.0].key);
        let flight = opener.seal(&payload);
        self.check_keys(&flight.bytes);
        assert!(self.receive(&flight).is_some(), "{}: as many as are allowed were left out", self.what);
    }

    fn fill_session(&mut self, by: &Person, to: (usize, usize)) {
        let mut opener = self.opener(by, to);
        for _ in 0..MAX_SKIPPED_PER_SESSION / usize::try_from(MAX_SKIP).unwrap() {
            opener.leave_out();
            self.must_open(&mut opener);
        }
    }

    /// More messages of strangers than one call erases are missing for longer than they are waited for.
    pub(super) fn leave_out_for_ever(&mut self) {
        let to = self.any_device();
        for _ in 0..=MAX_ERASED / MAX_SKIPPED_PER_IDENTITY {
            let stranger = Person::new(&mut self.rng);
            (0..SESSIONS).for_each(|_| self.fill_session(&stranger, to));
            assert_eq!(self.skipped_of(to, &stranger.key), MAX_SKIPPED_PER_IDENTITY, "{}", self.what);
        }
        self.now = self.now.after(SKIPPED_KEPT + Duration::from_millis(1));
        self.erase_at(to);
        assert_eq!(self.people[to.0].devices[to.1].store.len(Table::Skipped), 0, "{}", self.what);
        count(&mut self.counts, "step: more to erase than at once");
    }

    /// Turn after turn in one session: a copy is told apart from a forgery as long as its key is remembered.
    pub(super) fn converse(&mut self) {
        let to = self.any_device();
        let stranger = Person::new(&mut self.rng);
        let name = InstallationId::random(&mut self.rng);
        let mut device = self.device_of(&stranger, name, to);
        let forgotten = 2;
        let sent: Vec<_> = (0..=MAX_RETIRED_KEYS + forgotten)
            .map(|_| {
                let flight = self.tell(&stranger, &mut device, to);
                assert_eq!(self.receive(&flight), Some(Protection::Pfs), "{}", self.what);
                self.reply(&stranger, &mut device, to);
                flight
            })
            .collect();
        let retired = self.rows_of(Table::Session, to, &stranger.key).iter().fold(0, |most, (_, row)| {
            most.max(Session::from_bytes(row.as_ref()).unwrap().ratchet.retired.len())
        });
        assert_eq!(retired, MAX_RETIRED_KEYS, "{}", self.what);
        for (turn, flight) in sent.iter().enumerate() {
            assert!(self.receive(flight).is_none(), "{}: turn {turn} opened twice", self.what);
            let code = if turn < forgotten { "ratchet.bad_mac" } else { "ratchet.duplicate" };
            assert_eq!(self.refused, Some(code), "{}: turn {turn}", self.what);
        }
        count(&mut self.counts, "bound: MAX_RETIRED_KEYS");
        count(&mut self.counts, "step: a long conversation");
    }

    /// One device begins anew on one prekey until it may no more, and none of its openings opens twice.
    pub(super) fn begin_anew(&mut self) {
        let to = self.any_device();
        let stranger = Person::new(&mut self.rng);
        let name = InstallationId::random(&mut self.rng);
        let mut sent = Vec::new();
        for before in 0..=MAX_REPLACED_OPENINGS + 1 {
            let mut device = self.device_of(&stranger, name.clone(), to);
            let flight = self.tell(&stranger, &mut device, to);
            let opened = self.receive(&flight);
            let allowed = before <= MAX_REPLACED_OPENINGS;
            assert_eq!(opened, allowed.then_some(Protection::Pfs), "{}: opening {before}", self.what);
            assert!(!allowed || self.replaced == (before > 0), "{}: opening {before}", self.what);
            sent.push(flight);
        }
        for flight in sent {
            assert!(self.receive(&flight).is_none(), "{}: an opening opened twice", self.what);
        }
        count(&mut self.counts, "bound: MAX_REPLACED_OPENINGS");
        count(&mut self.counts, "step: begin anew without end");
    }

    /// A device of somebody's that has read the bundle of another just now.
    fn device_of(&mut self, of: &Person, name: InstallationId, to: (usize, usize)) -> Device {
        let life = self.next_life();
        let mut device = of.named_device(life, name);
        let Person { key, keyring, devices, .. } = &mut self.people[to.0];
        let code = devices[to.1].seal_dh(keyring, self.now, &mut self.rng, &of.key, b"");
        device.layer.learn(&mut device.store, self.now, key, &code.bytes).unwrap();
        device
    }

    fn tell(&mut self, by: &Person, device: &mut Device, to: (usize, usize)) -> Flight {
        let peer = self.people[to.0].key;
        let payload = self.say(by.key, peer);
        let sealed = device.seal(&by.keyring, self.now, &mut self.rng, &peer, &payload);
        self.check_keys(&sealed.bytes);
        Flight { signer: by.key, to, bytes: Rc::new(sealed.bytes) }
    }

    fn reply(&mut self, stranger: &Person, device: &mut Device, (person, of): (usize, usize)) {
        let key = self.people[person].key;
        let payload = self.say(key, stranger.key);
        let Person { keyring, devices, .. } = &mut self.people[person];
        let sealed = devices[of].seal(keyring, self.now, &mut self.rng, &stranger.key, &payload);
        self.check_keys(&sealed.bytes);
        let (opened, _) = device.open(&stranger.keyring, self.now, &mut self.rng, &key, &sealed.bytes);
        let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", self.what));
        assert_eq!((opened.payload, opened.protection), (Some(payload), Protection::Pfs), "{}", self.what);
    }

    fn skipped_of(&self, of: (usize, usize), peer: &PublicKey) -> usize {
        self.rows_of(Table::Skipped, of, peer).len()
    }

    /// What a device keeps of somebody.
    fn rows_of(
        &self,
        table: Table,
        (person, device): (usize, usize),
        peer: &PublicKey,
    ) -> Vec<(Vec<u8>, crate::store::Row)> {
        let Person { key, devices, .. } = &self.people[person];
        let prefix = [key.to_compressed(), peer.to_compressed()].concat();
        devices[device].store.scan(table, &prefix).unwrap()
    }
}
