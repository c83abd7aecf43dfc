//! Who is kept out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use undertone_base::Mono;
use undertone_crypto::PublicKey;

use crate::address::host;
use crate::config::BanTarget;
use crate::id::Id;
use crate::limits::MAX_BANS;

/// Banned keys and hosts. What the operator banned stays; of what was banned for faults at most [`MAX_BANS`] of each
/// kind are held, and whatever ends first goes first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bans {
    keys: BTreeMap<Id, (PublicKey, Ban)>,
    hosts: BTreeMap<IpAddr, Ban>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Ban {
    /// For ever without.
    until: Option<Mono>,
    cause: Cause,
}

/// Who wanted a ban.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// This machine, for faults.
    Faults,
    /// The operator.
    Operator,
}

impl Ban {
    fn is_over(self, now: Mono) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// What the operator says replaces what was before; a ban for faults can only make it longer.
    fn merged(self, known: Option<Self>, now: Mono) -> Self {
        match known.filter(|known| !known.is_over(now)) {
            Some(known) if self.cause == Cause::Faults => {
                let until = known.until.zip(self.until).map(|(known, new)| known.max(new));
                Self { until, cause: known.cause }
            }
            _ => self,
        }
    }
}

impl Bans {
    pub(crate) fn add(&mut self, now: Mono, target: BanTarget, until: Option<Mono>, cause: Cause) {
        self.tidy(now);
        let ban = Ban { until, cause };
        match target {
            BanTarget::Key(key) => {
                let id = Id::of(&key);
                make_room(&mut self.keys, &id, |(_, ban)| *ban);
                let ban = ban.merged(self.keys.get(&id).map(|(_, ban)| *ban), now);
                self.keys.insert(id, (key, ban));
            }
            BanTarget::Ip(ip) => {
                let host = host(ip);
                make_room(&mut self.hosts, &host, |ban| *ban);
                let ban = ban.merged(self.hosts.get(&host).copied(), now);
                self.hosts.insert(host, ban);
            }
        }
    }

    pub(crate) fn remove(&mut self, now: Mono, target: BanTarget) -> bool {
        self.tidy(now);
        match target {
            BanTarget::Key(key) => self.keys.remove(&Id::of(&key)).is_some(),
            BanTarget::Ip(ip) => self.hosts.remove(&host(ip)).is_some(),
        }
    }

    pub(crate) fn has_key(&self, now: Mono, id: &Id) -> bool {
        self.keys.get(id).is_some_and(|(_, ban)| !ban.is_over(now))
    }

    pub(crate) fn has_ip(&self, now: Mono, ip: IpAddr) -> bool {
        self.hosts.get(&host(ip)).is_some_and(|ban| !ban.is_over(now))
    }

    /// From when on neither the key nor the address is banned; `None` for never.
    pub(crate) fn over(&self, id: &Id, ip: Option<IpAddr>) -> Option<Mono> {
        let key = self.keys.get(id).map_or(Some(Mono::ZERO), |(_, ban)| ban.until);
        let host = ip.and_then(|ip| self.hosts.get(&host(ip))).map_or(Some(Mono::ZERO), |ban| ban.until);
        Some(key?.max(host?))
    }

    pub(crate) fn list(&self, now: Mono) -> Vec<(BanTarget, Option<Mono>)> {
        let keys = self.keys.values().map(|(key, ban)| (BanTarget::Key(*key), *ban));
        let hosts = self.hosts.iter().map(|(ip, ban)| (BanTarget::Ip(*ip), *ban));
        keys.chain(hosts).filter(|(_, ban)| !ban.is_over(now)).map(|(who, ban)| (who, ban.until)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len().saturating_add(self.hosts.len())
    }

    fn tidy(&mut self, now: Mono) {
        self.keys.retain(|_, (_, ban)| !ban.is_over(now));
        self.hosts.retain(|_, ban| !ban.is_over(now));
    }
}

/// Forgets one ban for faults if another would be too many.
fn make_room<K: Copy + Ord, V>(bans: &mut BTreeMap<K, V>, key: &K, ban: impl Fn(&V) -> Ban) {
    if bans.contains_key(key) {
        return;
    }
    let for_faults = bans.iter().filter(|(_, value)| ban(value).cause == Cause::Faults);
    let (mut count, mut first) = (0_usize, None);
    for (key, value) in for_faults {
        let until = ban(value).until;
        count = count.saturating_add(1);
        first = match first {
            Some((known, _)) if known <= until => first,
            _ => Some((until, *key)),
        };
    }
    if let Some((_, key)) = first.filter(|_| count >= MAX_BANS) {
        bans.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use undertone_crypto::SecretKey;

    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_ban_for_faults_never_shortens_the_operators() {
        let key = SecretKey::random(&mut undertone_support::rng(1)).public();
        let (id, target) = (Id::of(&key), BanTarget::Key(key));
        let mut bans = Bans::default();
        bans.add(at(0), target, None, Cause::Operator);
        bans.add(at(0), target, Some(at(10)), Cause::Faults);
        assert_eq!(bans.over(&id, None), None);
        bans.add(at(0), target, Some(at(20)), Cause::Operator);
        bans.add(at(0), target, Some(at(10)), Cause::Faults);
        assert!(bans.has_key(at(19), &id) && !bans.has_key(at(20), &id));
        assert_eq!(bans.list(at(20)), []);
        bans.add(at(0), target, Some(at(30)), Cause::Faults);
        assert_eq!(bans.keys[&id].1, Ban { until: Some(at(30)), cause: Cause::Operator });
        bans.add(at(0), target, Some(at(5)), Cause::Operator);
        assert!(!bans.has_key(at(5), &id));
        bans.add(at(20), target, Some(at(30)), Cause::Faults);
        assert!(bans.has_key(at(29), &id));
        assert!(bans.remove(at(29), target) && !bans.remove(at(29), target));
    }

    #[test]
    fn bans_for_faults_are_bounded_and_the_operators_stay() {
        let ip = |n: u32| BanTarget::Ip(IpAddr::V4((0x0800_0000 + n).into()));
        let mut bans = Bans::default();
        bans.add(at(0), ip(0), None, Cause::Operator);
        let many = u32::try_from(MAX_BANS).unwrap() + 50;
        for n in 1..=many {
            bans.add(at(0), ip(n), Some(at(1_000 + u64::from(n))), Cause::Faults);
            assert!(bans.len() <= MAX_BANS + 1);
        }
        assert!(bans.has_ip(at(0), [8, 0, 0, 0].into()));
        assert!(!bans.has_ip(at(0), [8, 0, 0, 1].into()), "ended first, went first");
    }
}
