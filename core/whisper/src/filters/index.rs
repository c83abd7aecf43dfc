//! Which keys and filters an envelope concerns, by its topic.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use undertone_crypto::KeyId;

use super::FilterId;
use crate::Topic;

/// Tells keys apart: filters with equal prints open the same messages.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum KeyPrint {
    Asymmetric(KeyId),
    /// Keccak-256 of the key.
    Symmetric([u8; 32]),
}

/// Filters by the key that they have.
type Keys = BTreeMap<KeyPrint, BTreeSet<FilterId>>;

/// Filters by topic and key. A topic costs as many steps as the map of topics is deep.
#[derive(Default)]
pub(super) struct Index {
    topics: BTreeMap<Topic, Keys>,
    /// Filters without topics.
    anywhere: Keys,
    /// Topics of all filters.
    len: usize,
}

impl Index {
    pub(super) fn insert(&mut self, id: FilterId, print: KeyPrint, topics: &BTreeSet<Topic>) {
        self.len = self.len.saturating_add(topics.len());
        if topics.is_empty() {
            self.anywhere.entry(print).or_default().insert(id);
        }
        for topic in topics {
            self.topics.entry(*topic).or_default().entry(print).or_default().insert(id);
        }
    }

    pub(super) fn remove(&mut self, id: FilterId, print: KeyPrint, topics: &BTreeSet<Topic>) {
        self.len = self.len.saturating_sub(topics.len());
        if topics.is_empty() {
            forget(&mut self.anywhere, id, print);
        }
        for topic in topics {
            let Some(keys) = self.topics.get_mut(topic) else { continue };
            forget(keys, id, print);
            if keys.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// Keys of filters on this topic and of those without topics, each once and in order, from the one after `tried` on.
    pub(super) fn keys_after(
        &self,
        topic: Topic,
        tried: Option<KeyPrint>,
    ) -> impl Iterator<Item = KeyPrint> + '_ {
        let after = |keys| range_after(keys, tried).peekable();
        let mut on_topic = after(self.topics.get(&topic));
        let mut anywhere = after(Some(&self.anywhere));
        std::iter::from_fn(move || {
            let next = match (on_topic.peek(), anywhere.peek()) {
                (Some(a), Some(b)) => *a.min(b),
                (a, b) => *a.or(b)?,
            };
            on_topic.next_if_eq(&next);
            anywhere.next_if_eq(&next);
            Some(next)
        })
    }

    /// Filters with this key that are on this topic, or have no topics.
    pub(super) fn filters(&self, topic: Topic, print: KeyPrint) -> impl Iterator<Item = FilterId> + '_ {
        let on_topic = self.topics.get(&topic).and_then(|keys| keys.get(&print));
        on_topic.into_iter().chain(self.anywhere.get(&print)).flatten().copied()
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

fn range_after(keys: Option<&Keys>, tried: Option<KeyPrint>) -> impl Iterator<Item = KeyPrint> + '_ {
    let from = tried.map_or(Bound::Unbounded, Bound::Excluded);
    keys.into_iter().flat_map(move |keys| keys.range((from, Bound::Unbounded)).map(|(print, _)| *print))
}

fn forget(keys: &mut Keys, id: FilterId, print: KeyPrint) {
    if let Some(filters) = keys.get_mut(&print) {
        filters.remove(&id);
        if filters.is_empty() {
            keys.remove(&print);
        }
    }
}
