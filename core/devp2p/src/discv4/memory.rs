//! What is remembered of others: who proved its endpoint, who asks too often, what they say of ours.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use undertone_base::{Mono, Now, Unix};

use super::address::{Prefix, check_relay, is_lan};
use crate::limits::{BOND, MAX_BONDS, MAX_LIMITED, MAX_VOTES, MIN_VOTES, RATE_WINDOW, VOTE_LIFETIME};
use crate::node_key::NodeId;

/// A node at an address. The port is not part of it (`devp2p.md` 9, trap 22).
pub(super) type Peer = (NodeId, IpAddr);

#[derive(Clone, Copy, Debug)]
struct Bond {
    proven_until: Mono,
    heard_until: Mono,
    last_pong: Unix,
}

/// Who proved its endpoint less than 24 hours ago, and when we heard its ping. At most [`MAX_BONDS`]; the one
/// that ends first goes. An entry needs a Pong that quotes our Ping, so that it costs a real address.
#[derive(Clone, Debug, Default)]
pub(super) struct Bonds(BTreeMap<Peer, Bond>);

impl Bonds {
    pub(super) fn is_proven(&self, peer: &Peer, now: Mono) -> bool {
        self.0.get(peer).is_some_and(|bond| now < bond.proven_until)
    }

    /// Whether it pinged us and thus will have proved us to itself.
    pub(super) fn is_heard(&self, peer: &Peer, now: Mono) -> bool {
        self.0.get(peer).is_some_and(|bond| now < bond.heard_until)
    }

    /// A Pong matched. `age` is the time since, for what comes from the database.
    pub(super) fn prove(&mut self, peer: Peer, now: Now, age: std::time::Duration) {
        let until = now.mono.after(BOND.saturating_sub(age));
        let last_pong = Unix::from_millis(
            now.unix.millis().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        );
        if let Some(bond) = self.0.get_mut(&peer) {
            (bond.proven_until, bond.last_pong) = (until, last_pong);
            return;
        }
        if self.0.len() >= MAX_BONDS {
            let first = self.0.iter().min_by_key(|(_, bond)| bond.proven_until).map(|(peer, _)| *peer);
            first.and_then(|peer| self.0.remove(&peer));
        }
        self.0.insert(peer, Bond { proven_until: until, heard_until: Mono::ZERO, last_pong });
    }

    /// Its ping came. Kept only of who has proved its endpoint.
    pub(super) fn heard(&mut self, peer: &Peer, now: Mono) {
        if let Some(bond) = self.0.get_mut(peer) {
            bond.heard_until = now.after(BOND);
        }
    }

    /// It does not answer although it should know us.
    pub(super) fn unheard(&mut self, peer: &Peer) {
        if let Some(bond) = self.0.get_mut(peer) {
            bond.heard_until = Mono::ZERO;
        }
    }

    pub(super) fn last_pong(&self, peer: &Peer) -> Option<Unix> {
        self.0.get(peer).map(|bond| bond.last_pong)
    }

    pub(super) fn expire(&mut self, now: Mono) {
        self.0.retain(|_, bond| now < bond.proven_until);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Counts what is answered to a prefix of addresses in a window of time. At most [`MAX_LIMITED`] prefixes in a
/// window, the rest of which is refused. Private addresses are counted with their port: they are hard to forge
/// from outside, and many nodes may be on one.
#[derive(Clone, Debug, Default)]
pub(super) struct RateLimit {
    window: Mono,
    counts: BTreeMap<(Prefix, u16), u32>,
}

impl RateLimit {
    pub(super) fn allow(&mut self, from: SocketAddr, max: u32, now: Mono) -> bool {
        if now.since(self.window) >= RATE_WINDOW {
            self.window = now;
            self.counts.clear();
        }
        let port = if is_lan(from.ip()) { from.port() } else { 0 };
        let key = (Prefix::of(from.ip()), port);
        if self.counts.len() >= MAX_LIMITED && !self.counts.contains_key(&key) {
            return false;
        }
        let count = self.counts.entry(key).or_default();
        *count = count.saturating_add(1);
        *count <= max
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }
}

/// Where others see us. Only Pongs that answer our Pings count, one for each prefix of addresses.
///
/// DEVIATION: geth counts every Ping too, and every port as another voter, so that ten datagrams of one host
/// rewrite its record (`devp2p.md` 6.3). Pinned by `pings_do_not_move_our_endpoint`.
#[derive(Clone, Debug, Default)]
pub(super) struct Votes {
    votes: VecDeque<(Prefix, SocketAddr, Mono)>,
    predicted: [Option<SocketAddr>; 2],
}

impl Votes {
    /// Counts a statement; gives the endpoint when the majority has changed. More than half of all voters decide; against
    /// `held`, the public endpoint that the node itself believes in, or else what was predicted before, it takes more than
    /// two thirds: a table may hold as many liars as others, but when we moved, all say so.
    pub(super) fn add(
        &mut self,
        voter: IpAddr,
        said: SocketAddr,
        held: Option<SocketAddr>,
        now: Mono,
    ) -> Option<SocketAddr> {
        if check_relay(voter, said.ip()).is_err() || said.port() == 0 {
            return None;
        }
        let prefix = Prefix::of(voter);
        self.votes.retain(|(other, vote, at)| {
            now.since(*at) < VOTE_LIFETIME && (*other != prefix || vote.is_ipv4() != said.is_ipv4())
        });
        if self.votes.len() >= MAX_VOTES {
            self.votes.pop_front();
        }
        self.votes.push_back((prefix, said, now));
        let mut counts: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        for (_, vote, _) in self.votes.iter().filter(|(_, vote, _)| vote.is_ipv4() == said.is_ipv4()) {
            let count = counts.entry(*vote).or_default();
            *count = count.saturating_add(1);
        }
        let (winner, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let slot = self.predicted.get_mut(usize::from(said.is_ipv6()))?;
        let all = self.votes.iter().filter(|(_, vote, _)| vote.is_ipv4() == said.is_ipv4()).count();
        let contradicts = held.or(*slot).is_some_and(|held| held != winner);
        let enough = if contradicts {
            count.saturating_mul(3) > all.saturating_mul(2)
        } else {
            count.saturating_mul(2) > all
        };
        if count < MIN_VOTES || !enough || *slot == Some(winner) {
            return None;
        }
        *slot = Some(winner);
        Some(winner)
    }

    pub(super) fn predicted(&self) -> impl Iterator<Item = SocketAddr> {
        self.predicted.iter().flatten().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.votes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(secs: u64) -> Mono {
        Mono::ZERO.after(Duration::from_secs(secs))
    }

    #[test]
    fn ten_prefixes_decide_and_ten_addresses_of_one_do_not() {
        let said: SocketAddr = "6.6.6.6:666".parse().unwrap();
        let mut votes = Votes::default();
        for n in 0..200_u8 {
            assert_eq!(votes.add(IpAddr::from([9, 9, 9, n]), said, None, at(1)), None);
        }
        assert_eq!(votes.len(), 1);
        let outcomes: Vec<_> =
            (0..9_u8).map(|n| votes.add(IpAddr::from([8, 8, n, 1]), said, None, at(2))).collect();
        assert_eq!(outcomes[..8], [None; 8]);
        assert_eq!(outcomes[8], Some(said));
        assert_eq!(votes.add(IpAddr::from([8, 9, 1, 1]), said, None, at(3)), None, "said already");
        // What is old does not count.
        let other: SocketAddr = "7.7.7.7:777".parse().unwrap();
        assert_eq!((0..9_u8).find_map(|n| votes.add(IpAddr::from([5, 5, n, 1]), other, None, at(400))), None);
        assert_eq!(votes.add(IpAddr::from([5, 5, 100, 1]), other, None, at(400)), Some(other));
        for special in ["127.0.0.1:1", "10.0.0.1:1", "0.0.0.0:1", "224.0.0.1:1", "7.7.7.8:0"] {
            assert!((0..20_u8).all(|n| {
                votes.add(IpAddr::from([4, 4, n, 1]), special.parse().unwrap(), None, at(500)).is_none()
            }));
        }
    }

    #[test]
    fn against_what_a_node_says_itself_two_thirds_must_agree() {
        let [own, false_one]: [SocketAddr; 2] =
            ["5.6.7.8:30303", "6.6.6.6:666"].map(|at| at.parse().unwrap());
        let mut votes = Votes::default();
        let mut say = |n: u8, said| votes.add(IpAddr::from([8, 8, n, 1]), said, Some(own), at(1));
        assert_eq!((0..10).find_map(|n| say(n, own)), Some(own), "agreement is no news but once");
        // Twenty of thirty are not enough, twenty-one of thirty-one are.
        assert_eq!((10..30).find_map(|n| say(n, false_one)), None);
        assert_eq!(say(30, false_one), Some(false_one));
        // Back to its own words it takes half.
        assert_eq!((31..42).find_map(|n| say(n, own)), None);
        assert_eq!(say(42, own), Some(own));
    }

    #[test]
    fn everything_is_bounded() {
        let (mut bonds, mut limit, mut votes) = (Bonds::default(), RateLimit::default(), Votes::default());
        for n in 0..10_000_u32 {
            let ip = IpAddr::from((n.wrapping_mul(0x0101) | 0x0400_0000).to_be_bytes());
            bonds.prove((NodeId::from_bytes([7; 32]), ip), Now::default(), Duration::ZERO);
            limit.allow(SocketAddr::new(ip, 1), 5, at(1));
            votes.add(ip, "6.6.6.6:6".parse().unwrap(), None, at(1));
        }
        assert_eq!((bonds.len(), limit.len(), votes.len()), (MAX_BONDS, MAX_LIMITED, MAX_VOTES));
        bonds.expire(at(24 * 3600));
        assert_eq!(bonds.len(), 0);
    }

    #[test]
    fn a_prefix_is_answered_so_often_in_a_window() {
        let mut limit = RateLimit::default();
        let from = |n: u8| SocketAddr::from(([9, 9, 9, n], 30303));
        let count = (0..100_u8).filter(|n| limit.allow(from(*n), 5, at(1))).count();
        assert_eq!(count, 5);
        assert!(limit.allow(SocketAddr::from(([9, 9, 8, 1], 1)), 5, at(1)));
        assert!(limit.allow(from(1), 5, at(100)));
    }
}
