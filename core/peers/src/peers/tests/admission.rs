//! Who is let in (`devp2p.md` 7.1 and 7.2).

use crate::config::DialKind;
use crate::limits::{
    INBOUND_PER_NARROW, MAX_PENDING, MAX_PENDING_PER_HOST, MAX_UNPROVED, THROTTLE, WIDE_SHARE,
};

use super::*;

#[test]
fn a_listener_refuses_in_the_order_of_cost() {
    let mut world = World::with(|config| config.restrict = vec!["20.0.0.0/8".parse().unwrap()]);
    let (near, other): (IpAddr, IpAddr) = ([20, 1, 1, 1].into(), [21, 1, 1, 1].into());
    assert_eq!(world.peers.accept(world.now, other), Err(Refusal::Restricted));
    world.peers.ban(world.now, BanTarget::Ip(other), None);
    assert_eq!(world.peers.accept(world.now, other), Err(Refusal::Banned));
    assert_eq!(world.peers.accept(world.now, near), Ok(()));
    assert_eq!(world.peers.accept(world.now, near), Err(Refusal::Throttled));
    world.pass(THROTTLE);
    assert_eq!(world.peers.accept(world.now, near), Ok(()));
    assert_eq!((world.peers.counts().pending, world.peers.counts().refused), (2, 3));
    world.peers.accept_over(near);
    world.peers.accept_over(near);
    world.peers.accept_over(near);
    assert_eq!(world.peers.counts().pending, 0);
}

#[test]
fn handshakes_are_bounded_overall_and_per_host() {
    let mut world = World::listener(500);
    let here: IpAddr = [127, 0, 0, 1].into();
    for _ in 0..MAX_PENDING_PER_HOST {
        assert_eq!(world.peers.accept(world.now, here), Ok(()));
    }
    assert_eq!(world.peers.accept(world.now, here), Err(Refusal::BusySource));
    for n in 0..(MAX_PENDING - MAX_PENDING_PER_HOST) as u64 {
        assert!(world.peers.has_room());
        assert_eq!(world.peers.accept(world.now, far(n)), Ok(()));
    }
    assert!(!world.peers.has_room());
    assert_eq!(world.peers.accept(world.now, far(99)), Err(Refusal::Busy));
    world.peers.accept_over(here);
    assert_eq!(world.peers.accept(world.now, far(99)), Ok(()), "the refused attempt did not count");
}

#[test]
fn a_replayed_auth_takes_nobodys_place() {
    let mut world = World::listener(2);
    let mut replayed = Vec::new();
    for _ in 0..MAX_PENDING {
        replayed.push(world.admit_from(2, far(2), Direction::Inbound).unwrap());
    }
    assert_eq!(world.peers.counts().peers, 0);
    let link = world.inbound(2).unwrap();
    assert_eq!(world.peers.link_of(&key(2)), Some(link));
    let late = world.establish(replayed[0]);
    assert_eq!(late, Err(DisconnectReason::ALREADY_CONNECTED));
    for link in replayed {
        world.close(link, Ending::Fault(FaultClass::peer(Severity::Fatal)));
    }
    assert_eq!(world.peers.link_of(&key(2)), Some(link), "what others replay is not held against the key");
    world.close(link, Ending::Clean);
    assert_eq!(world.peers.link_of(&key(2)), None);
}

#[test]
fn links_without_a_hello_are_bounded() {
    let mut world = World::listener(500);
    for n in 0..MAX_UNPROVED as u64 {
        assert!(world.admit_from(n, far(n), Direction::Inbound).is_ok());
    }
    let more = world.admit_from(9_000, far(9_000), Direction::Inbound);
    assert_eq!(more, Err(DisconnectReason::TOO_MANY_PEERS));
}

#[test]
fn admission_refuses_self_duplicates_and_too_many() {
    let mut world = World::listener(2);
    assert_eq!(world.inbound(OWN), Err(DisconnectReason::SELF));
    let [one, two, three] = [2, 3, 4].map(|n| world.admit_from(n, far(n), Direction::Inbound).unwrap());
    assert_eq!(world.establish(one), Ok(None));
    assert_eq!(world.establish(one), Err(DisconnectReason::REQUESTED), "twice");
    assert_eq!(world.inbound(2), Err(DisconnectReason::ALREADY_CONNECTED));
    assert_eq!(world.establish(two), Ok(None));
    assert_eq!(world.establish(three), Err(DisconnectReason::TOO_MANY_PEERS));
    assert_eq!(world.inbound(5), Err(DisconnectReason::TOO_MANY_PEERS));
    world.peers.add_static(world.now, loopback(5)).unwrap();
    let dial = world.dials().remove(0);
    assert!(world.answer(&dial).is_ok(), "whom the operator wants is let in");
    assert_eq!(world.peers.counts().peers, 3);
}

#[test]
fn a_dial_must_be_known_wanted_and_answered_by_its_key() {
    let mut world = World::listener(5);
    let unknown = world.admit_from(5, far(5), Direction::Dialled(DialId(77)));
    assert_eq!(unknown, Err(DisconnectReason::REQUESTED));
    world.peers.add_static(world.now, node(5)).unwrap();
    let dial = world.dials().remove(0);
    let other = world.admit_from(6, far(5), Direction::Dialled(dial.id));
    assert_eq!(other, Err(DisconnectReason::UNEXPECTED_IDENTITY));
    world.peers.remove_static(world.now, &key(5));
    assert_eq!(world.answer(&dial), Err(DisconnectReason::REQUESTED), "removed meanwhile");
}

/// Whatever the order in which each side sees the two links.
#[test]
fn of_two_links_at_once_both_sides_keep_the_same() {
    let (a, b) = (1, 2);
    // Who dialled the link that is left, seen from `own` when its links come in this order.
    let kept = |own: u64, other: u64, dialled_first: bool| {
        let mut world = World::new(Config { dynamic: false, ..Config::new(key(own)) });
        world.peers.add_static(world.now, loopback(other)).unwrap();
        let dial = world.dials().remove(0);
        let ip = [127, 0, 0, 1].into();
        let dialled = world.admit_from(other, ip, Direction::Dialled(dial.id)).unwrap();
        let inbound = world.admit_from(other, ip, Direction::Inbound).unwrap();
        let order = if dialled_first { [dialled, inbound] } else { [inbound, dialled] };
        assert_eq!(world.establish(order[0]), Ok(None));
        match world.establish(order[1]) {
            Ok(replaced) => assert_eq!(replaced, Some(order[0])),
            Err(reason) => assert_eq!(reason, DisconnectReason::ALREADY_CONNECTED),
        }
        let peers = world.peers.peers(world.now);
        assert_eq!(peers.len(), 1);
        let other_one = order.into_iter().find(|link| *link != peers[0].link).unwrap();
        world.close(other_one, Ending::Clean);
        assert_eq!(world.peers.link_of(&key(other)), Some(peers[0].link));
        if peers[0].link == dialled { own } else { other }
    };
    let larger = if key(a) > key(b) { a } else { b };
    for (own, other) in [(a, b), (b, a)] {
        for dialled_first in [true, false] {
            assert_eq!(kept(own, other, dialled_first), larger);
        }
    }
}

/// A peer that we chose to dial and that dials us at the same time cannot get a place that inbound peers do not have.
#[test]
fn the_link_that_replaces_another_takes_its_place() {
    let own = if key(3) > key(OWN) { OWN } else { 4 };
    assert!(key(3) > key(own), "the link that the other one dialled is to stay");
    let mut world = World::new(Config { max_peers: 2, dial_ratio: 2, ..Config::new(key(own)) });
    let taken = world.inbound(50).unwrap();
    assert!(world.peers.found(world.now, node(3), Source::V4));
    let dial = world.dials().remove(0);
    let inbound = world.admit_from(3, far(3), Direction::Inbound);
    assert_eq!(inbound, Err(DisconnectReason::TOO_MANY_PEERS), "no place as long as this one is taken");
    world.close(taken, Ending::Clean);
    let inbound = world.admit_from(3, far(3), Direction::Inbound).unwrap();
    world.inbound(50).unwrap();
    let dialled = world.answer(&dial).unwrap();
    assert_eq!(world.establish(inbound), Ok(Some(dialled)));
    let counts = world.peers.counts();
    assert_eq!((counts.peers, counts.inbound, counts.dynamic), (2, 1, 1));
}

#[test]
fn inbound_peers_leave_the_places_of_those_that_we_choose() {
    let mut world = World::with(|_| {});
    for n in 0..8 {
        assert!(world.inbound(n).is_ok());
    }
    assert_eq!(world.inbound(8), Err(DisconnectReason::TOO_MANY_PEERS));
    for n in 20..30 {
        world.peers.found(world.now, node(n), Source::V4);
    }
    let dials = world.dials();
    assert_eq!(dials.len(), 2);
    assert!(dials.iter().all(|dial| world.answer(dial).is_ok()));
    assert_eq!((world.peers.counts().peers, world.dials().len()), (10, 0));
    let mut light = World::with(|config| config.dial_ratio = 1);
    assert_eq!(light.inbound(1), Err(DisconnectReason::TOO_MANY_PEERS), "a light client lets nobody in");
}

#[test]
fn a_subnet_takes_few_inbound_places() {
    let mut world = World::listener(40);
    let narrow =
        (0..20).filter(|n| world.connect_from(100 + *n, [50, 1, 1, *n as u8].into()).is_ok()).count();
    assert_eq!(narrow, INBOUND_PER_NARROW);
    let wide = (0..200).filter(|n| world.connect_from(200 + *n, [50, 1, *n as u8, 9].into()).is_ok()).count();
    assert_eq!(narrow + wide, 40 / WIDE_SHARE);
    let v6 = |n: u64| IpAddr::from([0x2a01, 0x4f8, 1, n as u16 & 0xff, 0, 0, 0, 1]);
    let narrow = (0..20).filter(|n| world.connect_from(500 + *n, v6(*n)).is_ok()).count();
    assert_eq!(narrow, INBOUND_PER_NARROW, "an IPv6 /56 is one owner");
    assert!(world.inbound(1_000).is_ok(), "others still have places");
    let local = (0..10).filter(|n| world.connect_from(600 + *n, [10, 0, 0, 1].into()).is_ok()).count();
    assert_eq!(local, 10, "the local network is exempt");
}

#[test]
fn trusted_and_static_peers_are_let_in_whatever_is_full() {
    let mut world = World::listener(1);
    let home: IpAddr = [50, 1, 1, 1].into();
    world.connect_from(1, home).unwrap();
    assert_eq!(world.connect_from(2, home), Err(DisconnectReason::TOO_MANY_PEERS));
    for n in 10..20 {
        if n % 2 == 0 {
            assert!(world.peers.trust(world.now, key(n)));
        } else {
            assert_eq!(world.peers.add_static(world.now, node_at(n, home)), Ok(true));
        }
        assert!(world.connect_from(n, home).is_ok());
    }
    let counts = world.peers.counts();
    assert_eq!((counts.peers, counts.inbound, counts.exempt), (11, 1, 10));
}

#[test]
fn what_a_refused_peer_did_changes_nothing() {
    let mut world = World::listener(1);
    world.inbound(1).unwrap();
    let mut before = world.peers.clone();
    world.peers.ban(world.now, BanTarget::Key(key(7)), None);
    world.peers.unban(world.now, BanTarget::Key(key(7)));
    for n in [1, 2, OWN] {
        assert!(world.inbound(n).is_err());
    }
    world.close(LinkId(999), Ending::Clean);
    world.fail(&Dial { id: DialId(999), kind: DialKind::Static, enode: node(1) }, Attempt::Failed);
    world.peers.resolved(world.now, &key(9), Some(node(9)));
    world.peers.useful(world.now, LinkId(999), 5);
    world.peers.fault(world.now, LinkId(999), FaultClass::peer(Severity::Fatal));
    assert!(!world.peers.found(world.now, node(9), Source::V4));
    assert_eq!(world.peers.refused, 3);
    // A count, and a note that somebody wants a place.
    (before.refused, before.turned_away) = (world.peers.refused, world.peers.turned_away);
    assert_eq!(format!("{before:?}"), format!("{:?}", world.peers));
}

#[test]
fn a_link_that_was_told_to_go_is_not_replaced() {
    let other = (1..).find(|n| key(*n) < key(OWN)).unwrap();
    let mut world = World::listener(5);
    world.peers.add_static(world.now, node(other)).unwrap();
    let dial = world.dials().remove(0);
    let dialled = world.admit_from(other, far(other), Direction::Dialled(dial.id)).unwrap();
    let inbound = world.inbound(other).unwrap();
    world.peers.ban(world.now, BanTarget::Key(key(other)), None);
    world.peers.unban(world.now, BanTarget::Key(key(other)));
    assert_eq!(world.establish(dialled), Err(DisconnectReason::ALREADY_CONNECTED));
    assert_eq!(world.peers.link_of(&key(other)), Some(inbound), "until it has gone");
}
