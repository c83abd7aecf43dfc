//! The people, the network between them, and what is checked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use prost::Message as _;
use undertone_base::{Mono, Now, Unix};
use undertone_crypto::PublicKey;
use undertone_support::ChaCha20Rng;

use super::device::{Device, Person};
use super::{Counts, Profile, below, count};
use crate::bundle::nanos;
use crate::layer::Erased;
use crate::limits::{
    BUNDLE_FRESH, MAX_DEVICES_PER_IDENTITY, MAX_ERASED, MAX_MESSAGE, MAX_OWN_DEVICES,
    MAX_SESSIONS_PER_IDENTITY, MAX_SKIPPED_PER_SESSION, MAX_TARGETS, PREKEY_KEPT, PREKEY_ROTATION,
    SKIPPED_KEPT,
};
use crate::proto::wire;
use crate::protocol::ProtocolMessage;
use crate::store::{RatchetStore as _, Table};
use crate::{BundleError, Enabled, Kind, OpenError, Protection, ProtocolError, RatchetError, Sealed};

/// How often a person is answered because its message was not for a device (`security.md` 5.3).
const ANSWER_INTERVAL: u64 = 2 * 3_600 * 1_000;

/// Something that happens.
type Step = fn(&mut World);

/// A copy of a message on its way to one device.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) signer: PublicKey,
    pub(super) to: (usize, usize),
    pub(super) bytes: Rc<Vec<u8>>,
}

/// Whose words a payload are.
#[derive(Debug)]
struct Words {
    from: PublicKey,
    to: PublicKey,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) profile: Profile,
    pub(super) rng: ChaCha20Rng,
    /// Seed and profile, for whoever reads a failure.
    pub(super) what: String,
    pub(super) now: Now,
    pub(super) people: Vec<Person>,
    pub(super) mallory: Person,
    pub(super) flights: Vec<Flight>,
    /// Everything that was ever on the wire, for Mallory; the latest few hundred.
    pub(super) seen: Vec<Flight>,
    said: BTreeMap<u64, Words>,
    /// Messages that a life of a device has opened by the ratchet.
    opened: BTreeSet<(u64, u64)>,
    /// Header key and number, or ephemeral key, of every ciphertext.
    used: BTreeSet<Vec<u8>>,
    lives: u64,
    /// People of whom a device has begun again under its old name.
    begun_again: BTreeSet<usize>,
    /// Bundles that were left out of the last message that was opened.
    pub(super) dropped: Vec<BundleError>,
    /// Whether the last message that was opened began a session anew.
    pub(super) replaced: bool,
    /// Why the last message that was refused was refused.
    pub(super) refused: Option<&'static str>,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(profile: Profile, mut rng: ChaCha20Rng, what: String) -> Self {
        let mallory = Person::new(&mut rng);
        let people = (0..profile.people).map(|_| Person::new(&mut rng)).collect();
        let now = Now { mono: Mono::ZERO, unix: Unix::from_secs(1_600_000_000) };
        let mut world = Self {
            profile,
            rng,
            what,
            now,
            people,
            mallory,
            flights: Vec::new(),
            seen: Vec::new(),
            said: BTreeMap::new(),
            opened: BTreeSet::new(),
            used: BTreeSet::new(),
            lives: 0,
            dropped: Vec::new(),
            replaced: false,
            refused: None,
            begun_again: BTreeSet::new(),
            counts: Counts::new(),
        };
        for person in 0..profile.people {
            for _ in 0..profile.devices {
                world.add_device(person);
            }
        }
        world
    }

    pub(super) fn play(&mut self) {
        for step in 0..self.profile.steps {
            let pause = Duration::from_millis(u64::try_from(below(&mut self.rng, 120_000)).unwrap());
            self.now = self.now.after(pause);
            self.step();
            if self.profile.crowd_at == step {
                self.crowd();
            }
            if self.profile.eventful {
                self.event(step);
            }
        }
    }

    fn step(&mut self) {
        let weights: [(usize, Step); 17] = [
            (30, Self::send),
            (4, Self::send_to_own),
            (3, Self::begin_at_once),
            (25, |world| world.deliver(1)),
            (20, |world| world.deliver(world.profile.window)),
            (6, Self::duplicate),
            (2, Self::rotate),
            (self.profile.amnesia, Self::lose_state),
            (self.profile.amnesia.div_ceil(2), Self::restore),
            (2, Self::new_device),
            (2, Self::switch),
            (3, Self::pair),
            (2, Self::erase),
            (usize::from(self.profile.steps > 60), Self::two_weeks),
            (usize::from(self.profile.burst > 0), Self::burst),
            (2, Self::back_up),
            (14, Self::mallory_acts),
        ];
        let mut at = below(&mut self.rng, weights.iter().map(|(weight, _)| weight).sum());
        for (weight, step) in weights {
            if at < weight {
                return step(self);
            }
            at -= weight;
        }
    }

    fn event(&mut self, step: usize) {
        match step {
            5 => self.converse(),
            10 => {
                self.profile.burst = 990;
                self.burst();
            }
            15 => self.begin_anew(),
            20 => self.jumble(),
            25 => self.leave_out(),
            30 => self.crowd(),
            40 => self.late_opening(),
            45 if self.profile.erasing => self.leave_out_for_ever(),
            50 => {
                self.now = self.now.after(SKIPPED_KEPT + PREKEY_ROTATION);
                for person in 0..self.people.len() {
                    (0..self.people[person].devices.len()).for_each(|device| self.erase_at((person, device)));
                }
            }
            _ => {}
        }
    }

    pub(super) fn any_device(&mut self) -> (usize, usize) {
        let person = below(&mut self.rng, self.people.len());
        (person, below(&mut self.rng, self.people[person].devices.len()))
    }

    fn another(&mut self, person: usize) -> usize {
        (person + 1 + below(&mut self.rng, self.people.len() - 1)) % self.people.len()
    }

    pub(super) fn next_life(&mut self) -> u64 {
        self.lives += 1;
        self.lives
    }

    fn add_device(&mut self, person: usize) {
        let life = self.next_life();
        let device = self.people[person].new_device(life, &mut self.rng);
        self.people[person].devices.push(device);
    }

    pub(super) fn say(&mut self, from: PublicKey, to: PublicKey) -> Vec<u8> {
        let number = u64::try_from(self.said.len()).unwrap();
        self.said.insert(number, Words { from, to });
        let padding = vec![7; below(&mut self.rng, 40)];
        [&number.to_be_bytes()[..], &padding].concat()
    }

    fn send(&mut self) {
        let from = self.any_device();
        let to = self.another(from.0);
        self.send_from(from, to);
        count(&mut self.counts, "step: send");
    }

    /// Everybody's devices with the recipient's key hear it; a person's own ones when it writes to itself.
    pub(super) fn send_from(&mut self, (person, device): (usize, usize), to: usize) -> Sealed {
        let (key, peer) = (self.people[person].key, self.people[to].key);
        let payload = self.say(key, peer);
        let Person { keyring, devices, .. } = &mut self.people[person];
        let sealed = devices[device].seal(keyring, self.now, &mut self.rng, &peer, &payload);
        if sealed.targets.len() == MAX_TARGETS {
            count(&mut self.counts, "bound: MAX_TARGETS");
        }
        self.broadcast(key, (person, device), to, &sealed);
        sealed
    }

    pub(super) fn broadcast(&mut self, signer: PublicKey, from: (usize, usize), to: usize, sealed: &Sealed) {
        self.check_keys(&sealed.bytes);
        let bytes = Rc::new(sealed.bytes.clone());
        for device in 0..self.people[to].devices.len() {
            if (to, device) != from {
                let flight = Flight { signer, to: (to, device), bytes: Rc::clone(&bytes) };
                if self.seen.len() > 300 {
                    let at = below(&mut self.rng, self.seen.len());
                    self.seen.swap_remove(at);
                }
                self.seen.push(flight.clone());
                self.flights.push(flight);
            }
        }
    }

    /// No message key and no ephemeral key serves two messages.
    pub(super) fn check_keys(&mut self, bytes: &[u8]) {
        let message = ProtocolMessage::decode(bytes).unwrap();
        for entry in message.direct.values() {
            let name = match (&entry.dr_header, &entry.dh_header) {
                (Some(header), _) => [&header.key[..], &header.id, &header.n.to_be_bytes()].concat(),
                (None, Some(header)) => header.key.clone(),
                (None, None) => panic!("{}: an entry without a header", self.what),
            };
            assert!(self.used.insert(name), "{}: a key was used twice", self.what);
            // The IV stands before a ciphertext of the ratchet, the nonce behind one of the fallback.
            let nonce = match entry.dr_header {
                Some(_) => entry.payload.first_chunk::<16>().map(|iv| iv.to_vec()),
                None => entry.payload.last_chunk::<12>().map(|nonce| nonce.to_vec()),
            };
            assert!(self.used.insert(nonce.unwrap()), "{}: a nonce was used twice", self.what);
        }
    }

    fn send_to_own(&mut self) {
        let from = self.any_device();
        if self.people[from.0].devices.len() > 1 {
            self.send_from(from, from.0);
            count(&mut self.counts, "step: send to own devices");
        }
    }

    fn begin_at_once(&mut self) {
        let a = self.any_device();
        let b = self.another(a.0);
        let to = below(&mut self.rng, self.people[b].devices.len());
        for (from, to) in [(a, b), ((b, to), a.0)] {
            self.send_from(from, to);
        }
        count(&mut self.counts, "step: both begin at once");
    }

    /// Long silences of the network in one direction: almost as many messages are lost as may be skipped, three times,
    /// and then more.
    fn burst(&mut self) {
        let from = self.any_device();
        let to = self.another(from.0);
        for lost in [self.profile.burst, self.profile.burst, self.profile.burst, self.profile.burst + 60] {
            let before = self.flights.len();
            for _ in 0..lost {
                self.send_from(from, to);
                self.flights.truncate(before);
            }
            self.send_from(from, to);
            for flight in self.flights.split_off(before) {
                self.receive(&flight);
                self.check_sessions(flight.to);
            }
        }
        self.profile.burst = 0;
        count(&mut self.counts, "step: burst");
    }

    /// How many messages each session of a device waits for.
    fn check_sessions(&mut self, (person, device): (usize, usize)) {
        let store = &self.people[person].devices[device].store;
        for (session, _) in store.scan(Table::Session, b"").unwrap() {
            let skipped = store.scan(Table::Skipped, &session).unwrap().len();
            assert!(skipped <= MAX_SKIPPED_PER_SESSION, "{}: {skipped} keys", self.what);
            if skipped == MAX_SKIPPED_PER_SESSION {
                count(&mut self.counts, "bound: MAX_SKIPPED_PER_SESSION");
            }
        }
    }

    /// So much is under way that some of it is overtaken by almost two thousand.
    fn jumble(&mut self) {
        let from = self.any_device();
        let to = self.another(from.0);
        let before = self.flights.len();
        for _ in 0..2_100 {
            self.send_from(from, to);
        }
        let mut under_way: Vec<_> = self.flights.split_off(before).into_iter().enumerate().collect();
        let (mut first, mut furthest) = (0, 0);
        while !under_way.is_empty() {
            let (sent, flight) = under_way.remove(below(&mut self.rng, under_way.len().min(2_000)));
            furthest = furthest.max(sent.saturating_sub(first));
            first = under_way.first().map_or(first, |(sent, _)| *sent);
            self.receive(&flight);
        }
        assert!(furthest > 1_500, "{}: overtaken by {furthest} at most", self.what);
        count(&mut self.counts, "step: two thousand under way in any order");
    }

    /// Opens a session on a prekey that its owner has replaced two weeks before the message arrives.
    fn late_opening(&mut self) {
        let opening = self.opening_by_a_stranger();
        let (person, device) = opening.to;
        self.now = self.now.after(PREKEY_ROTATION + Duration::from_millis(1));
        let to = self.another(person);
        self.send_from((person, device), to);
        self.now = self.now.after(PREKEY_KEPT + Duration::from_millis(1));
        assert!(self.receive(&opening).is_none(), "{}: an old prekey opened", self.what);
        assert_eq!(self.refused, Some("open.unknown_prekey"), "{}", self.what);
        count(&mut self.counts, "step: an opening that is two weeks old");
    }

    fn deliver(&mut self, window: usize) {
        if self.flights.is_empty() {
            return;
        }
        let lost = below(&mut self.rng, 100) < self.profile.loss;
        let at = below(&mut self.rng, window.min(self.flights.len()));
        let flight = self.flights.remove(at);
        if lost {
            return count(&mut self.counts, "step: drop");
        }
        count(
            &mut self.counts,
            if at == 0 { "step: deliver in order" } else { "step: deliver out of order" },
        );
        self.receive(&flight);
    }

    fn duplicate(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        let at = below(&mut self.rng, self.flights.len());
        let copy = self.flights[at].clone();
        self.flights.push(copy);
        count(&mut self.counts, "step: duplicate");
    }

    /// One arrival, with everything that must hold of it.
    pub(super) fn receive(&mut self, flight: &Flight) -> Option<Protection> {
        let (person, device) = flight.to;
        let Person { key, keyring, devices, .. } = &mut self.people[person];
        let key = *key;
        let life = devices[device].life;
        let (result, writes) =
            devices[device].open(keyring, self.now, &mut self.rng, &flight.signer, &flight.bytes);
        match result {
            Ok(opened) => {
                let kind = match opened.kind {
                    Kind::Ratchet => "opened: ratchet",
                    Kind::DhOnly => "opened: dh-only",
                    Kind::Empty => "opened: empty",
                    Kind::Public => panic!("{}: nobody spoke in public", self.what),
                };
                count(&mut self.counts, kind);
                self.dropped.clone_from(&opened.dropped);
                self.replaced = opened.replaced;
                if !opened.fresh && opened.dropped.is_empty() {
                    self.check_stale(flight);
                }
                if let Some(payload) = &opened.payload {
                    self.check_words(payload, opened.protection, flight.signer, key, life);
                }
                self.check_bounds(person, device, &flight.signer);
                Some(opened.protection)
            }
            Err(error) => {
                assert_eq!(writes, 0, "{}: {error} and writes", self.what);
                self.refused = Some(error.code());
                count(&mut self.counts, format!("refused: {}", error.code()));
                let bound = match error {
                    OpenError::Protocol(ProtocolError::Bundles { .. }) => Some("MAX_BUNDLES"),
                    OpenError::Protocol(ProtocolError::Entries { .. }) => Some("MAX_DIRECT_ENTRIES"),
                    OpenError::Protocol(ProtocolError::TooLong { got }) => {
                        Some(if got > MAX_MESSAGE { "MAX_MESSAGE" } else { "MAX_PAYLOAD" })
                    }
                    OpenError::Ratchet(RatchetError::TooManySkipped) => Some("MAX_SKIP"),
                    OpenError::Ratchet(RatchetError::TooShort { .. }) => Some("MIN_RATCHET_CIPHERTEXT"),
                    OpenError::UnknownPrekey => Some("PREKEY_KEPT"),
                    _ => None,
                };
                if let Some(bound) = bound {
                    count(&mut self.counts, format!("bound: {bound}"));
                }
                if error.wants_answer() {
                    self.answer(flight);
                }
                None
            }
        }
    }

    /// Of what shows nothing of where its device is now, the device has said nothing in the last minutes.
    fn check_stale(&mut self, flight: &Flight) {
        let message = wire::ProtocolMessage::decode(&flight.bytes[..]).unwrap();
        let signer = flight.signer.to_compressed();
        let recent = nanos(self.now.unix) - i64::try_from(BUNDLE_FRESH.as_nanos()).unwrap();
        for bundle in &message.bundles {
            let bundle = wire::Bundle::decode(&bundle[..]).unwrap();
            if bundle.identity == signer && bundle.signed_pre_keys.contains_key(&message.installation_id) {
                assert!(bundle.timestamp < recent, "{}: heard of just now", self.what);
                count(&mut self.counts, "bound: BUNDLE_FRESH");
            }
        }
    }

    fn check_words(
        &mut self,
        payload: &[u8],
        protection: Protection,
        signer: PublicKey,
        reader: PublicKey,
        life: u64,
    ) {
        let number = payload.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        let words = number.and_then(|number| self.said.get(&number));
        let words = words.unwrap_or_else(|| panic!("{}: nobody said {payload:?}", self.what));
        assert_eq!(words.to, reader, "{}: read by another", self.what);
        if protection == Protection::Pfs {
            assert_eq!(words.from, signer, "{}: in another's name", self.what);
            assert!(self.opened.insert((life, number.unwrap())), "{}: opened twice", self.what);
        }
    }

    fn check_bounds(&mut self, person: usize, device: usize, peer: &PublicKey) {
        let device = &self.people[person].devices[device];
        let devices = device.layer.devices(&device.store, peer).unwrap().len();
        let sessions = device.store.len(Table::Session);
        assert!(devices <= MAX_DEVICES_PER_IDENTITY, "{}", self.what);
        // All peers of the device together: Mallory and its owner's other devices among them.
        assert!(sessions <= MAX_SESSIONS_PER_IDENTITY * (self.people.len() + 1), "{}", self.what);
        for (hit, bound) in [
            (devices >= MAX_DEVICES_PER_IDENTITY, "bound: MAX_DEVICES_PER_IDENTITY"),
            (sessions >= MAX_SESSIONS_PER_IDENTITY, "bound: MAX_SESSIONS_PER_IDENTITY"),
        ] {
            if hit {
                count(&mut self.counts, bound);
            }
        }
    }

    /// A message that was not for this device: its sender is told of the device, not too often.
    fn answer(&mut self, flight: &Flight) {
        let (person, device) = flight.to;
        let Some(to) = self.people.iter().position(|other| other.key == flight.signer) else { return };
        let now = self.now.unix.millis();
        let Person { key, keyring, devices, .. } = &mut self.people[person];
        let device_row = &mut devices[device];
        // It says at least whom it comes from.
        let _ = device_row.layer.learn(&mut device_row.store, self.now, &flight.signer, &flight.bytes);
        let last = device_row.answered.get(&flight.signer).copied();
        if last.is_some_and(|last| now < last + ANSWER_INTERVAL) {
            return;
        }
        device_row.answered.insert(flight.signer, now);
        let sealed = device_row.seal_dh(keyring, self.now, &mut self.rng, &flight.signer, b"");
        let signer = *key;
        self.broadcast(signer, (person, device), to, &sealed);
        count(&mut self.counts, "answered: a message that was not for this device");
    }

    /// A day passes, and somebody needs a bundle.
    fn rotate(&mut self) {
        self.now = self.now.after(PREKEY_ROTATION + Duration::from_secs(1));
        count(&mut self.counts, "step: rotate prekeys");
        let from = self.any_device();
        let to = self.another(from.0);
        let prekeys = |world: &Self| world.people[from.0].devices[from.1].store.len(Table::OwnPrekey);
        let before = prekeys(self);
        self.send_from(from, to);
        if before > 0 && prekeys(self) > before {
            count(&mut self.counts, "bound: PREKEY_ROTATION");
        }
    }

    fn two_weeks(&mut self) {
        if below(&mut self.rng, 4) == 0 {
            self.now = self.now.after(PREKEY_KEPT + PREKEY_ROTATION);
            count(&mut self.counts, "step: two weeks pass");
        }
    }

    /// The device is set up anew. It must not go by its old name: others would go on with sessions that are gone.
    fn lose_state(&mut self) {
        let (person, device) = self.forgetful();
        let life = self.next_life();
        // As the original does when its database is gone; ours never goes by a name that it had.
        if below(&mut self.rng, 4) == 0 {
            let name = self.people[person].devices[device].layer.installation().clone();
            self.people[person].devices[device] = self.people[person].named_device(life, name);
            self.begun_again.insert(person);
            count(&mut self.counts, "step: lose state under the old name");
            return;
        }
        self.people[person].devices[device] = self.people[person].new_device(life, &mut self.rng);
        count(&mut self.counts, "step: lose state");
    }

    /// Whose device loses its state. Where many do they are all of one person, whom the others remember.
    fn forgetful(&mut self) -> (usize, usize) {
        let (person, device) = self.any_device();
        if self.profile.amnesia < 10 {
            (person, device)
        } else {
            (1, below(&mut self.rng, self.people[1].devices.len()))
        }
    }

    fn back_up(&mut self) {
        let (person, device) = self.any_device();
        let device = &mut self.people[person].devices[device];
        device.backup = Some(device.without_secrets());
    }

    fn restore(&mut self) {
        let (person, device) = self.forgetful();
        let Some(backup) = self.people[person].devices[device].backup.clone() else { return };
        let life = self.next_life();
        let mut restored: Device = self.people[person].new_device(life, &mut self.rng);
        restored.store = backup;
        self.people[person].devices[device] = restored;
        count(&mut self.counts, "step: restore a backup");
    }

    fn new_device(&mut self) {
        let person = below(&mut self.rng, self.people.len());
        if self.people[person].devices.len() < MAX_OWN_DEVICES {
            self.add_device(person);
            count(&mut self.counts, "step: new device");
        }
    }

    /// Some device of somebody is left out for a while, or taken in again.
    fn switch(&mut self) {
        let (person, device) = self.any_device();
        let other = self.another(person);
        let peer = self.people[other].key;
        let device = &mut self.people[person].devices[device];
        let known = device.layer.devices(&device.store, &peer).unwrap();
        let Some((name, _)) = known.first() else { return };
        for enabled in [Enabled::No, Enabled::Yes] {
            device.layer.set_enabled(&mut device.store, &peer, name, enabled).unwrap();
        }
        count(&mut self.counts, "step: disable and enable");
    }

    /// A person's devices hear of each other, and the person enables what is known.
    fn pair(&mut self) {
        let (person, device) = self.any_device();
        let Person { key, keyring, devices, .. } = &mut self.people[person];
        if devices.len() < 2 {
            return;
        }
        let key = *key;
        let row = &mut devices[device];
        for (name, _) in row.layer.devices(&row.store, &key).unwrap() {
            row.layer.set_enabled(&mut row.store, &key, &name, Enabled::Yes).unwrap();
        }
        let sealed = row.seal_dh(keyring, self.now, &mut self.rng, &key, b"");
        let message = wire::ProtocolMessage::decode(&sealed.bytes[..]).unwrap();
        let named = wire::Bundle::decode(&message.bundles[0][..]).unwrap().signed_pre_keys.len();
        assert!(named <= MAX_OWN_DEVICES, "{}: {named} devices in a bundle", self.what);
        if named == MAX_OWN_DEVICES {
            count(&mut self.counts, "bound: MAX_OWN_DEVICES");
        }
        self.broadcast(key, (person, device), person, &sealed);
        count(&mut self.counts, "step: pair");
    }

    fn erase(&mut self) {
        let at = self.any_device();
        self.erase_at(at);
    }

    /// Call after call until all is gone that is outdated.
    pub(super) fn erase_at(&mut self, (person, device): (usize, usize)) {
        let device = &mut self.people[person].devices[device];
        loop {
            let before = device.store.len(Table::Skipped);
            let (result, pages) = device.erase(self.now);
            let erased = before - device.store.len(Table::Skipped);
            assert!(erased <= MAX_ERASED, "{}: {erased} at once", self.what);
            for (hit, bound) in [
                (erased > 0, "bound: SKIPPED_KEPT"),
                (pages > 0, "bound: ERASE_PAGE"),
                (result == Erased::Part, "bound: MAX_ERASED"),
            ] {
                if hit {
                    count(&mut self.counts, bound);
                }
            }
            if result == Erased::All {
                break;
            }
            assert_eq!(erased, MAX_ERASED, "{}: less than one call may erase", self.what);
        }
        count(&mut self.counts, "step: erase what is outdated");
    }

    /// Everything arrives again from now on. Two round trips later any two devices share a session.
    pub(super) fn heal(&mut self) {
        self.profile.loss = 0;
        self.flights.clear();
        self.now = self.now.after(Duration::from_millis(ANSWER_INTERVAL));
        (0..self.people.len()).for_each(|person| self.disable_what_is_gone(person));
        for person in self.begun_again.clone() {
            self.tell_own_devices(person);
        }
        let all = self.profile.heal_all;
        for a in 0..self.people.len() {
            for b in a + 1..self.people.len() {
                let of = |world: &Self, who: usize| if all { world.people[who].devices.len() } else { 1 };
                let (of_a, of_b) = (of(self, a), of(self, b));
                for (at_a, at_b) in (0..of_a).flat_map(|at_a| (0..of_b).map(move |at_b| (at_a, at_b))) {
                    self.heal_pair((a, at_a), (b, at_b));
                }
            }
        }
    }

    /// A person who has lost devices says so on the others: as long as their bundles name them, they take a place among
    /// the three that are written to.
    fn disable_what_is_gone(&mut self, person: usize) {
        let Person { key, devices, .. } = &mut self.people[person];
        let here: Vec<_> = devices.iter().map(|device| device.layer.installation().clone()).collect();
        for row in devices {
            for (name, _) in row.layer.devices(&row.store, key).unwrap() {
                let enabled = if here.contains(&name) { Enabled::Yes } else { Enabled::No };
                row.layer.set_enabled(&mut row.store, key, &name, enabled).unwrap();
            }
        }
    }

    /// Each device's contact code is read by its owner's others, as at every start. Only where one has begun again under
    /// its old name, as the original does: it is else named by them with the prekey that it has lost, and a higher
    /// version than it has now, and one round trip more is needed.
    fn tell_own_devices(&mut self, person: usize) {
        let own = self.people[person].key;
        for device in 0..self.people[person].devices.len() {
            self.now = self.now.after(Duration::from_millis(1));
            let Person { keyring, devices, .. } = &mut self.people[person];
            let sealed = devices[device].seal_dh(keyring, self.now, &mut self.rng, &own, b"");
            self.broadcast(own, (person, device), person, &sealed);
            for flight in std::mem::take(&mut self.flights) {
                self.receive(&flight);
            }
        }
    }

    fn heal_pair(&mut self, a: (usize, usize), b: (usize, usize)) {
        for _ in 0..2 {
            self.talk(a, b);
            self.talk(b, a);
        }
        let (there, back) = (self.talk(a, b), self.talk(b, a));
        assert!(there.is_some(), "{}: {a:?} does not reach {b:?} through the ratchet", self.what);
        assert_eq!(there, back, "{}: {a:?} and {b:?} are on two sessions", self.what);
        count(&mut self.counts, "healed: one session");
    }

    /// One device writes to another; gives the session, whose opening is no longer repeated.
    fn talk(&mut self, from: (usize, usize), to: (usize, usize)) -> Option<Vec<u8>> {
        self.now = self.now.after(Duration::from_millis(1));
        let sealed = self.send_from(from, to.0);
        let name = self.people[to.0].devices[to.1].layer.installation().as_str().to_owned();
        let mut opened = None;
        while !self.flights.is_empty() {
            let flight = self.flights.remove(0);
            let protection = self.receive(&flight);
            if flight.to == to && *flight.bytes == sealed.bytes {
                opened = protection;
            }
        }
        let message = ProtocolMessage::decode(&sealed.bytes).unwrap();
        let entry = message.direct.get(&name).filter(|_| opened == Some(Protection::Pfs))?;
        let header = entry.dr_header.as_ref().filter(|_| entry.x3dh_header.is_none())?;
        Some(header.id.clone())
    }
}
