//! Who was dialled lately, and is left alone for a while.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use undertone_base::Mono;

use crate::address::{Reach, host};
use crate::backoff::Backoff;
use crate::id::Id;
use crate::limits::{BACKOFF_REMEMBERED, MAX_RECENT};

/// Pauses of keys and of hosts. Holds at most [`MAX_RECENT`] of each; while it is full no candidate is dialled, so that
/// a flood of them cannot make this node dial faster than that many in a pause.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    keys: BTreeMap<Id, Pause>,
    /// Of remote hosts only, whichever key they are said to have: nobody shall make this node dial one victim over and
    /// over under ever new keys.
    hosts: BTreeMap<IpAddr, Mono>,
    /// Who is not wanted for longer: useless, or let go for another. Above [`MAX_RECENT`] what ends first goes first.
    shunned: BTreeMap<Id, Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    backoff: Backoff,
    until: Mono,
}

impl Recent {
    pub(crate) fn backoff(&self, id: &Id) -> Backoff {
        self.keys.get(id).map_or_else(Backoff::default, |pause| pause.backoff)
    }

    pub(crate) fn pause(&mut self, now: Mono, id: Id, backoff: Backoff, until: Mono) {
        self.tidy(now);
        let until = self.keys.get(&id).map_or(until, |pause| pause.until.max(until));
        make_room(&mut self.keys, &id, |pause| pause.until);
        self.keys.insert(id, Pause { backoff, until });
    }

    pub(crate) fn pause_host(&mut self, now: Mono, ip: IpAddr, span: Duration) {
        self.tidy(now);
        if Reach::of(ip) != Reach::Remote {
            return;
        }
        let host = host(ip);
        make_room(&mut self.hosts, &host, |until| *until);
        self.hosts.insert(host, now.after(span));
    }

    pub(crate) fn shun(&mut self, now: Mono, id: Id, span: Duration) {
        self.tidy(now);
        make_room(&mut self.shunned, &id, |until| *until);
        self.shunned.insert(id, now.after(span));
    }

    pub(crate) fn is_shunned(&self, now: Mono, id: &Id) -> bool {
        self.shunned.get(id).is_some_and(|until| *until > now)
    }

    /// From when on this one may be dialled.
    pub(crate) fn due(&self, id: &Id, ip: Option<IpAddr>) -> Mono {
        let key = self.keys.get(id).map_or(Mono::ZERO, |pause| pause.until);
        let host = ip.and_then(|ip| self.hosts.get(&host(ip))).map_or(Mono::ZERO, |until| *until);
        let shunned = self.shunned.get(id).map_or(Mono::ZERO, |until| *until);
        key.max(host).max(shunned)
    }

    /// From when on there is room for another, if there is none now.
    pub(crate) fn full_until(&self) -> Option<Mono> {
        let keys = self.keys.values().map(|pause| pause.until.after(BACKOFF_REMEMBERED)).min();
        let hosts = self.hosts.values().copied().min();
        let keys = keys.filter(|_| self.keys.len() >= MAX_RECENT);
        let hosts = hosts.filter(|_| self.hosts.len() >= MAX_RECENT);
        keys.max(hosts)
    }

    /// Forgets what is over.
    pub(crate) fn tidy(&mut self, now: Mono) {
        self.keys.retain(|_, pause| pause.until.after(BACKOFF_REMEMBERED) > now);
        self.hosts.retain(|_, until| *until > now);
        self.shunned.retain(|_, until| *until > now);
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.keys.len(), self.hosts.len(), self.shunned.len()]
    }
}

/// Forgets what ends first if another would be too many.
fn make_room<K: Copy + Ord, V>(map: &mut BTreeMap<K, V>, key: &K, until: impl Fn(&V) -> Mono) {
    if map.len() >= MAX_RECENT && !map.contains_key(key) {
        let first = map.iter().min_by_key(|(_, value)| until(value)).map(|(key, _)| *key);
        if let Some(first) = first {
            map.remove(&first);
        }
    }
}
