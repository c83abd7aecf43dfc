//! The Kademlia table (`devp2p.md` 3.3).

use rand_core::CryptoRng;
use undertone_base::Mono;

use super::address::{Prefix, is_lan};
use super::contact::{Contact, pick};
use crate::enr::Record;
use crate::limits::{
    BUCKET_PER_PREFIX, BUCKET_SIZE, BUCKETS, MAX_FIND_FAILURES, MIN_FOR_FAILURES, REPLACEMENTS,
    TABLE_PER_ADDRESS, TABLE_PER_PREFIX,
};
use crate::node_key::NodeId;

/// A node in the table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) contact: Contact,
    pub(super) record: Option<Record>,
    pub(super) added: Mono,
    /// Pongs since it is here. Only who has one is told to others.
    pub(super) live: u32,
    /// FindNode requests in a row that gave nothing.
    pub(super) failures: u8,
}

/// How a node showed that it is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// It pinged us.
    Ping,
    /// It answered our ping.
    Pong,
}

impl Heard {
    const fn live(self) -> u32 {
        match self {
            Self::Ping => 0,
            Self::Pong => 1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum At {
    End,
    Front,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    /// Most recent first.
    entries: Vec<Entry>,
    /// Most recent first.
    replacements: Vec<Contact>,
}

/// At most 17 buckets of 16 nodes and 10 replacements. An address has one place, and a prefix of addresses few
/// ([`TABLE_PER_ADDRESS`], [`BUCKET_PER_PREFIX`], [`TABLE_PER_PREFIX`]), private addresses excepted; a full bucket keeps whom it has, because old nodes that
/// answer are worth more than new ones.
#[derive(Clone, Debug)]
pub(super) struct Table {
    own: NodeId,
    buckets: Vec<Bucket>,
}

impl Table {
    pub(super) fn new(own: NodeId) -> Self {
        Self { own, buckets: vec![Bucket::default(); BUCKETS] }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| &bucket.entries)
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn replacements(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.replacements.len()).sum()
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&Entry> {
        self.buckets.get(self.index(id))?.entries.iter().find(|entry| entry.contact.id == *id)
    }

    pub(super) fn get_mut(&mut self, id: &NodeId) -> Option<&mut Entry> {
        let index = self.index(id);
        self.buckets.get_mut(index)?.entries.iter_mut().find(|entry| entry.contact.id == *id)
    }

    /// The nodes closest to `target`, closest first.
    pub(super) fn closest(&self, target: &NodeId, filter: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        let mut all: Vec<_> = self.iter().filter(|entry| filter(entry)).collect();
        all.sort_by_cached_key(|entry| entry.contact.id.distance(target));
        all.truncate(BUCKET_SIZE);
        all
    }

    /// A node that somebody told of: to the end if there is room, else it may replace one that fails.
    pub(super) fn add_seen(&mut self, contact: Contact, now: Mono) {
        if self.get(&contact.id).is_none() {
            self.add(contact, now, 0, At::End);
        }
    }

    /// A node with a proved endpoint: to the front, if there is room. Whether it answered a ping just now, or
    /// pinged us, decides whether others are told of it.
    pub(super) fn add_verified(&mut self, contact: Contact, now: Mono, heard: Heard) {
        self.clear_rumours(&contact);
        let index = self.index(&contact.id);
        let found = self.get(&contact.id).map(|entry| entry.contact.address.ip());
        match found {
            None => self.add(contact, now, heard.live(), At::Front),
            Some(ip) if ip != contact.address.ip() && !self.has_room(index, &contact) => {}
            Some(_) => self.move_to_front(contact, heard),
        }
    }

    /// Who is really at an address is not kept out by keys that others made up for it.
    fn clear_rumours(&mut self, contact: &Contact) {
        let ip = contact.address.ip();
        if is_lan(ip) {
            return;
        }
        let stays = |other: &Contact| other.id == contact.id || other.address.ip() != ip;
        for bucket in &mut self.buckets {
            bucket.entries.retain(|entry| entry.live > 0 || stays(&entry.contact));
            bucket.replacements.retain(stays);
        }
    }

    /// The last node of a random bucket that has one.
    pub(super) fn least_recent(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Option<&Contact> {
        let filled: Vec<_> = self.buckets.iter().filter_map(|bucket| bucket.entries.last()).collect();
        filled.get(pick(rng, filled.len())).map(|entry| &entry.contact)
    }

    /// Some nodes that answered a ping, as `seed` chooses.
    pub(super) fn some(&self, seed: u64, count: usize) -> Vec<&Entry> {
        let mut live: Vec<_> = self.iter().filter(|entry| entry.live > 0).collect();
        let mut some = Vec::new();
        while some.len() < count && !live.is_empty() {
            let len = u64::try_from(live.len()).unwrap_or(u64::MAX);
            let at = seed.checked_rem(len).and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
            some.push(live.swap_remove(at));
        }
        some
    }

    /// The node answered a ping.
    pub(super) fn alive(&mut self, contact: Contact) {
        if self.get(&contact.id).is_some() {
            self.move_to_front(contact, Heard::Pong);
        }
    }

    /// The node did not answer a ping: a random replacement takes its place.
    pub(super) fn dead(&mut self, id: &NodeId, now: Mono, rng: &mut (impl CryptoRng + ?Sized)) {
        let index = self.index(id);
        let Some(bucket) = self.buckets.get_mut(index) else { return };
        let before = bucket.entries.len();
        bucket.entries.retain(|entry| entry.contact.id != *id);
        if bucket.entries.len() == before || bucket.replacements.is_empty() {
            return;
        }
        let contact = bucket.replacements.remove(pick(rng, bucket.replacements.len()));
        bucket.entries.push(Entry { contact, record: None, added: now, live: 0, failures: 0 });
    }

    /// Makes room for a node at its new address, if it never answered at the one that is known.
    pub(super) fn forget_silent_elsewhere(&mut self, contact: &Contact) {
        let index = self.index(&contact.id);
        let Some(bucket) = self.buckets.get_mut(index) else { return };
        let stays = |entry: &Entry| {
            entry.contact.id != contact.id || entry.live > 0 || entry.contact.address == contact.address
        };
        bucket.entries.retain(stays);
    }

    /// The node answered FindNode, with nodes or without.
    ///
    // DEVIATION: geth 1.9.7 drops whoever gave nothing five times, so that two nodes that know nobody else forget each
    // other for ever again. As in later versions of geth, only where there are others. Pinned by
    // `two_nodes_that_know_nobody_else_keep_each_other`.
    pub(super) fn found(&mut self, id: &NodeId, any: bool, now: Mono, rng: &mut (impl CryptoRng + ?Sized)) {
        let Some(entry) = self.get_mut(id) else { return };
        entry.failures = if any { 0 } else { entry.failures.saturating_add(1) };
        let useless = entry.failures >= MAX_FIND_FAILURES;
        let index = self.index(id);
        let others = self.buckets.get(index).map_or(0, |bucket| bucket.entries.len());
        if useless && others >= MIN_FOR_FAILURES {
            self.dead(id, now, rng);
        }
    }

    fn add(&mut self, contact: Contact, now: Mono, live: u32, place: At) {
        let index = self.index(&contact.id);
        if contact.id == self.own || !self.has_room(index, &contact) {
            return;
        }
        let Some(bucket) = self.buckets.get_mut(index) else { return };
        if bucket.entries.len() < BUCKET_SIZE {
            bucket.replacements.retain(|other| other.id != contact.id);
            let at = match place {
                At::Front => 0,
                At::End => bucket.entries.len(),
            };
            bucket.entries.insert(at, Entry { contact, record: None, added: now, live, failures: 0 });
        } else if bucket.replacements.iter().all(|other| other.id != contact.id) {
            bucket.replacements.insert(0, contact);
            bucket.replacements.truncate(REPLACEMENTS);
        }
    }

    fn move_to_front(&mut self, contact: Contact, heard: Heard) {
        let index = self.index(&contact.id);
        let Some(bucket) = self.buckets.get_mut(index) else { return };
        let Some(at) = bucket.entries.iter().position(|entry| entry.contact.id == contact.id) else { return };
        let mut entry = bucket.entries.remove(at);
        // Who moved has to prove that it stays before others are told.
        let before = if entry.contact.address == contact.address { entry.live } else { 0 };
        entry.live = before.saturating_add(heard.live());
        entry.contact = contact;
        bucket.entries.insert(0, entry);
    }

    /// Whether the prefix of the address has a place left, not counting the node itself.
    fn has_room(&self, index: usize, contact: &Contact) -> bool {
        let ip = contact.address.ip();
        if is_lan(ip) {
            return true;
        }
        let prefix = Prefix::of(ip);
        let same = |other: &&Contact| {
            other.id != contact.id && !is_lan(other.address.ip()) && Prefix::of(other.address.ip()) == prefix
        };
        let count = |bucket: &Bucket| {
            let entries = bucket.entries.iter().map(|entry| &entry.contact).filter(same).count();
            entries.saturating_add(bucket.replacements.iter().filter(same).count())
        };
        let twin = |other: &&Contact| other.id != contact.id && other.address.ip() == ip;
        if self.contacts().filter(twin).count() >= TABLE_PER_ADDRESS {
            return false;
        }
        let here = self.buckets.get(index).map_or(0, count);
        here < BUCKET_PER_PREFIX && self.buckets.iter().map(count).sum::<usize>() < TABLE_PER_PREFIX
    }

    fn contacts(&self) -> impl Iterator<Item = &Contact> {
        let entries = self.iter().map(|entry| &entry.contact);
        entries.chain(self.buckets.iter().flat_map(|bucket| &bucket.replacements))
    }

    /// 0 for log distances up to 240, else the distance minus 240.
    fn index(&self, id: &NodeId) -> usize {
        usize::from(self.own.log_distance(id)).saturating_sub(257_usize.saturating_sub(BUCKETS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_key::NodeKey;
    use undertone_support::rng;

    fn contact(n: u64, ip: &str) -> Contact {
        let key = NodeKey::random(&mut rng(n)).public();
        Contact::new(key, format!("{ip}:30303").parse().unwrap(), 1)
    }

    fn table() -> Table {
        Table::new(NodeId::from_bytes([0; 32]))
    }

    #[test]
    fn a_prefix_has_two_places_in_a_bucket_and_ten_in_the_table() {
        let mut crowded = table();
        for n in 0..500 {
            crowded.add_seen(contact(n, &format!("9.9.9.{}", n % 250 + 1)), Mono::ZERO);
        }
        assert!(crowded.len() <= TABLE_PER_PREFIX && crowded.len() > 4, "{}", crowded.len());
        for bucket in &crowded.buckets {
            assert!(bucket.entries.len() + bucket.replacements.len() <= BUCKET_PER_PREFIX);
        }
        let mut local = table();
        for n in 0..40 {
            local.add_seen(contact(n, "127.0.0.1"), Mono::ZERO);
        }
        assert!(local.len() > TABLE_PER_PREFIX, "{}", local.len());
    }

    #[test]
    fn an_address_has_one_place_whatever_the_keys() {
        let mut table = table();
        for n in 0..200 {
            table.add_seen(contact(n, "9.9.9.9"), Mono::ZERO);
            table.add_verified(contact(n, "9.9.9.9"), Mono::ZERO, Heard::Pong);
        }
        assert_eq!((table.len(), table.replacements()), (1, 0));
        // Whoever is there already may move, but not to where another is.
        table.add_seen(contact(500, "9.9.8.8"), Mono::ZERO);
        table.add_verified(contact(500, "9.9.9.9"), Mono::ZERO, Heard::Pong);
        let at = table.get(&contact(500, "9.9.9.9").id).unwrap().contact.address;
        assert_eq!(at, "9.9.8.8:30303".parse().unwrap());
    }

    #[test]
    fn a_key_made_up_for_an_address_keeps_nobody_out() {
        let (mut table, honest) = (table(), contact(1, "11.0.0.1"));
        table.add_seen(contact(2, "11.0.0.1"), Mono::ZERO);
        table.add_seen(honest.clone(), Mono::ZERO);
        assert!(table.get(&honest.id).is_none(), "a rumour against a rumour: the first stays");
        table.add_verified(honest.clone(), Mono::ZERO, Heard::Pong);
        assert_eq!(table.iter().map(|entry| entry.contact.clone()).collect::<Vec<_>>(), [honest]);
    }

    #[test]
    fn a_full_bucket_keeps_whom_it_has_and_replaces_who_fails() {
        let mut table = table();
        let far: Vec<_> = (0..200)
            .map(|n| contact(n, &format!("11.{n}.0.1")))
            .filter(|c| c.id.as_bytes()[0] >= 0x80)
            .collect();
        for contact in &far {
            table.add_seen(contact.clone(), Mono::ZERO);
        }
        let first: Vec<_> = far[..BUCKET_SIZE].iter().map(|c| c.id).collect();
        assert_eq!(table.iter().map(|e| e.contact.id).collect::<Vec<_>>(), first);
        assert_eq!(table.replacements(), REPLACEMENTS);
        table.dead(&first[0], Mono::ZERO, &mut rng(1));
        assert_eq!((table.len(), table.replacements()), (BUCKET_SIZE, REPLACEMENTS - 1));
        assert!(table.get(&first[0]).is_none());
        // Found nothing five times.
        for _ in 0..MAX_FIND_FAILURES {
            assert!(table.get(&first[1]).is_some());
            table.found(&first[1], false, Mono::ZERO, &mut rng(1));
        }
        assert!(table.get(&first[1]).is_none());
    }

    #[test]
    fn two_nodes_that_know_nobody_else_keep_each_other() {
        let mut table = table();
        let other = contact(1, "127.0.0.1");
        table.add_seen(other.clone(), Mono::ZERO);
        for _ in 0..3 * MAX_FIND_FAILURES {
            table.found(&other.id, false, Mono::ZERO, &mut rng(1));
        }
        assert!(table.get(&other.id).is_some());
    }

    #[test]
    fn who_moves_is_told_to_others_only_after_it_answered_there() {
        let mut table = table();
        let mut node = contact(1, "11.0.0.1");
        table.add_seen(node.clone(), Mono::ZERO);
        assert!(table.closest(&node.id, |entry| entry.live > 0).is_empty());
        table.alive(node.clone());
        table.alive(node.clone());
        assert_eq!(table.get(&node.id).unwrap().live, 2);
        node.address = "12.0.0.1:5".parse().unwrap();
        table.add_verified(node.clone(), Mono::ZERO, Heard::Ping);
        assert_eq!((table.len(), table.get(&node.id).unwrap().live), (1, 0));
        assert_eq!(table.get(&node.id).unwrap().contact, node);
    }
}
