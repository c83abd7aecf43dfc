//! Whom v5 may know. The library takes a plain function, which can hold no state: rules live in a few slots.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{PoisonError, RwLock};

use discv5::Enr;
use undertone_devp2p::discv4::{Network, check_relay, is_lan};

/// What an address must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Rules {
    /// v5 does not say who told of a node, so that it is judged as if a host like ourselves had: on loopback one of
    /// loopback, in a private network one of there, else a public one.
    pub(crate) teller: IpAddr,
    /// If not empty: only these networks.
    pub(crate) restrict: Vec<Network>,
}

impl Rules {
    /// Of a node that listens on `own` and starts from nodes at `boot`.
    pub(crate) fn new(own: IpAddr, boot: impl Iterator<Item = IpAddr>, restrict: Vec<Network>) -> Self {
        let near = |ip: &IpAddr| (ip.is_loopback(), is_lan(*ip));
        let teller = boot.chain([own]).filter(|ip| !ip.is_unspecified()).max_by_key(near);
        // Any public address.
        Self { teller: teller.unwrap_or(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))), restrict }
    }

    fn allows(&self, enr: &Enr) -> bool {
        let addresses = [
            enr.udp4_socket().map(|at| IpAddr::V4(*at.ip())),
            enr.udp6_socket().map(|at| IpAddr::V6(*at.ip())),
        ];
        let good = |ip: &IpAddr| {
            let within =
                self.restrict.is_empty() || self.restrict.iter().any(|network| network.contains(*ip));
            within && check_relay(self.teller, *ip).is_ok()
        };
        // The library chooses one of them: all have to be good.
        addresses.iter().flatten().all(good)
    }
}

/// Instances of one process. Our choice: a process has one; tests have a dozen.
const SLOTS: usize = 64;

static RULES: [RwLock<Option<Rules>>; SLOTS] = [const { RwLock::new(None) }; SLOTS];

fn judge<const N: usize>(enr: &Enr) -> bool {
    let rules = RULES.get(N).map(|slot| slot.read().unwrap_or_else(PoisonError::into_inner));
    rules.is_some_and(|rules| rules.as_ref().is_some_and(|rules| rules.allows(enr)))
}

macro_rules! judges {
    ($($n:literal)*) => { [$(judge::<$n>),*] };
}

static JUDGES: [fn(&Enr) -> bool; SLOTS] = judges!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
);

/// A slot with rules, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(usize);

impl Slot {
    /// `None` when all are taken.
    pub(super) fn take(rules: Rules) -> Option<Self> {
        RULES.iter().enumerate().find_map(|(n, slot)| {
            let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
            slot.is_none().then(|| {
                *slot = Some(rules.clone());
                Self(n)
            })
        })
    }

    /// The function for the library.
    pub(super) fn filter(&self) -> fn(&Enr) -> bool {
        JUDGES.get(self.0).copied().unwrap_or(|_| false)
    }

    pub(super) fn allows(&self, enr: &Enr) -> bool {
        self.filter()(enr)
    }

    /// Whether the node lives on loopback.
    pub(super) fn is_local(&self) -> bool {
        let rules = RULES.get(self.0).map(|slot| slot.read().unwrap_or_else(PoisonError::into_inner));
        rules.is_some_and(|rules| rules.as_ref().is_some_and(|rules| rules.teller.is_loopback()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slot) = RULES.get(self.0) {
            *slot.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use undertone_devp2p::NodeKey;
    use undertone_devp2p::enr::{Entries, Record};

    use super::*;

    fn enr(ip: &str) -> Enr {
        let key = NodeKey::random(&mut undertone_support::rng(1));
        let entries = Entries::default().with_ip(ip.parse().unwrap()).with_udp(30303);
        let entries = if ip.contains(':') { entries.with_uint(b"udp6", 30303) } else { entries };
        Record::sign(&key, 1, &entries).unwrap().to_string().parse().unwrap()
    }

    fn rules(own: &str, boot: &[&str], restrict: &[&str]) -> Rules {
        let boot: Vec<IpAddr> = boot.iter().map(|ip| ip.parse().unwrap()).collect();
        let restrict = restrict.iter().map(|net| net.parse().unwrap()).collect();
        Rules::new(own.parse().unwrap(), boot.into_iter(), restrict)
    }

    #[test]
    fn a_node_is_judged_as_if_a_host_like_ourselves_had_told_of_it() {
        let verdicts = |rules: Rules| {
            let slot = Slot::take(rules).unwrap();
            let of = |ip: &str| if slot.allows(&enr(ip)) { 'y' } else { 'n' };
            ["127.0.0.1", "10.0.0.1", "9.9.9.9", "203.0.113.1", "224.0.0.1", "2a01::1", "::1"]
                .map(of)
                .iter()
                .collect::<String>()
        };
        assert_eq!(verdicts(rules("127.0.0.1", &[], &[])), "yyynnyy");
        assert_eq!(verdicts(rules("0.0.0.0", &[], &[])), "nnynnyn");
        assert_eq!(verdicts(rules("0.0.0.0", &["9.9.9.9", "10.1.1.1"], &[])), "nyynnyn");
        assert_eq!(verdicts(rules("0.0.0.0", &["127.0.0.1"], &[])), "yyynnyy");
        assert_eq!(verdicts(rules("192.168.0.1", &[], &["10.0.0.0/8"])), "nynnnnn");
    }

    #[test]
    fn slots_are_given_back() {
        for _ in 0..3 * SLOTS {
            assert!(Slot::take(rules("127.0.0.1", &[], &[])).is_some());
        }
        let other = Slot::take(rules("127.0.0.1", &[], &["10.0.0.0/8"])).unwrap();
        let first = Slot::take(rules("127.0.0.1", &[], &[])).unwrap();
        assert!(first.allows(&enr("127.0.0.1")) && !other.allows(&enr("127.0.0.1")));
        drop(first);
    }
}
