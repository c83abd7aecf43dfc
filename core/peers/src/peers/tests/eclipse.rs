//! What somebody with many keys and few networks can take.
//!
//! Stated shares for one /16 (or IPv6 /32): a quarter of the inbound places, a quarter of the places for those that we
//! choose, 32 of the candidates (a quarter of one source's share), an eighth of the remembered peers.

use crate::limits::{CANDIDATES_PER_WIDE, MAX_PEERS, REMEMBERED_PER_WIDE, ROTATE_EVERY, WIDE_SHARE};

use super::*;

const KEYS: u64 = 10_000;

/// The attacker's n-th address: spread over a whole /16.
fn evil(n: u64) -> IpAddr {
    let [.., a, b] = n.wrapping_mul(13).to_be_bytes();
    [66, 6, b, a].into()
}

fn is_evil(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.octets()[..2] == [66, 6])
}

fn evil_node(n: u64) -> Enode {
    node_at(1_000_000 + n, evil(n))
}

fn evil_links(world: &World) -> usize {
    world.peers.peers(world.now).iter().filter(|view| is_evil(view.address.ip())).count()
}

fn default_world() -> World {
    World::new(Config::new(key(OWN)))
}

#[test]
fn one_network_gets_a_small_share_of_the_candidates() {
    let mut world = default_world();
    let sources = [Source::V4, Source::V5, Source::Dns, Source::Remembered];
    for n in 0..KEYS {
        for source in sources {
            world.peers.found(world.now, evil_node(n), source);
        }
    }
    assert_eq!(world.peers.counts().candidates, CANDIDATES_PER_WIDE);
    for n in 0..90 {
        assert!(world.peers.found(world.now, node(n), Source::V4), "honest ones have room beside it");
    }
    // Whoever comes late still gets in where the attacker's turn out to be dead.
    for _ in 0..4 {
        for dial in world.dials() {
            world.fail(&dial, Attempt::Unreachable);
        }
        world.pass(minutes(1));
    }
    let evil = world.peers.candidates.iter().filter(|(_, node)| is_evil(node.ip)).count();
    assert!(evil <= CANDIDATES_PER_WIDE);
}

#[test]
fn one_network_gets_a_quarter_of_the_inbound_places() {
    let mut world = default_world();
    let mut admitted = 0;
    for n in 0..KEYS {
        admitted += u64::from(world.connect_from(1_000_000 + n, evil(n)).is_ok());
        if n % 50 == 0 {
            world.pass(seconds(1));
        }
    }
    let limit = world.peers.limit(Class::Inbound);
    assert_eq!((admitted as usize, evil_links(&world)), (limit / WIDE_SHARE, limit / WIDE_SHARE));
    for n in 0..(limit - limit / WIDE_SHARE) as u64 {
        assert!(world.inbound(n).is_ok(), "the other places are left to others");
    }
}

#[test]
fn one_network_gets_a_quarter_of_those_that_we_dial() {
    let mut world = default_world();
    for n in 0..KEYS {
        world.peers.found(world.now, evil_node(n), Source::V4);
        world.peers.found(world.now, evil_node(n), Source::V5);
    }
    for dial in world.dials() {
        world.answer(&dial).unwrap();
    }
    let limit = world.peers.limit(Class::Dynamic);
    assert_eq!((evil_links(&world), limit), (limit / WIDE_SHARE, 16));
    for n in 0..30 {
        world.peers.found(world.now, node(n), Source::Dns);
    }
    for dial in world.dials() {
        world.answer(&dial).unwrap();
    }
    assert_eq!((evil_links(&world), world.peers.counts().dynamic), (limit / WIDE_SHARE, limit));
}

/// Twelve hours in which the attacker answers at once, is very useful, reconnects whenever it can and names itself all
/// the time, while honest peers only answer pings.
#[test]
fn half_a_day_of_pushing_does_not_raise_the_share() {
    let mut world = default_world();
    for n in 0..40 {
        world.peers.found(world.now, node(n), Source::Dns);
    }
    let mut dials: BTreeMap<LinkId, Dial> = BTreeMap::new();
    for dial in world.dials() {
        let link = world.answer(&dial).unwrap();
        dials.insert(link, dial);
    }
    let oldest: Vec<LinkId> = dials.keys().copied().take(4).collect();
    let honest_inbound = (100..126).filter(|n| world.inbound(*n).is_ok()).count();
    assert_eq!(honest_inbound, 26);
    let (mut next, mut rotated) = (0, 0);
    for _ in 0..144 {
        world.pass(minutes(5));
        for (link, _) in world.told_to_go() {
            rotated += 1;
            match dials.remove(&link) {
                Some(dial) => world.hang_up(&dial, link, minutes(10)),
                None => world.close(link, Ending::Clean),
            }
        }
        for _ in 0..70 {
            next += 1;
            world.peers.found(world.now, evil_node(next), Source::V4);
            let _ = world.connect_from(1_000_000 + next, evil(next));
        }
        for dial in world.dials() {
            if let Ok(link) = world.answer(&dial) {
                dials.insert(link, dial);
            }
        }
        for view in world.peers.peers(world.now) {
            if is_evil(view.address.ip()) {
                world.peers.useful(world.now, view.link, 1_000);
            }
            world.peers.answered(world.now, view.link, seconds(0));
        }
        let views = world.peers.peers(world.now);
        let evil = |dialled| {
            let of = |view: &&PeerView| matches!(view.direction, Direction::Dialled(_)) == dialled;
            views.iter().filter(of).filter(|view| is_evil(view.address.ip())).count()
        };
        assert!(evil(true) <= 16 / WIDE_SHARE && evil(false) <= 34 / WIDE_SHARE);
    }
    assert!(next >= KEYS && rotated > 0, "{rotated}");
    let views = world.peers.peers(world.now);
    assert!(
        oldest.iter().all(|link| views.iter().any(|view| view.link == *link)),
        "the oldest were never let go"
    );
    assert!(
        views.len() > MAX_PEERS / 2 && evil_links(&world) <= 12,
        "{} of {}",
        evil_links(&world),
        views.len()
    );
}

#[test]
fn one_network_gets_an_eighth_of_the_memory() {
    let mut world = default_world();
    let honest = world.inbound(1).unwrap();
    for n in 0..1_000 {
        world.peers.found(world.now, evil_node(n), Source::V4);
        for dial in world.dials() {
            let Ok(link) = world.answer(&dial) else { continue };
            world.peers.useful(world.now, link, 50_000);
            world.pass(seconds(40));
            world.hang_up(&dial, link, seconds(40));
        }
        world.pass(ROTATE_EVERY / 10);
    }
    world.close(honest, Ending::Clean);
    assert!(world.peers.counts().remembered <= REMEMBERED_PER_WIDE);
    assert!(world.peers.counts().remembered >= 20);
}

/// Ten thousand hosts of as many networks, each with a key of its own, all of them liars: they cannot push out whoever was
/// there and is good.
#[test]
fn many_networks_cannot_push_out_peers_that_are_there() {
    let mut world = default_world();
    let friends: Vec<LinkId> = (0..34).map(|n| world.inbound(n).unwrap()).collect();
    let spread = |n: u64| IpAddr::from([70 + (n >> 8) as u8, n as u8, 1, 1]);
    for n in 0..KEYS {
        assert!(world.connect_from(1_000_000 + n, spread(n)).is_err());
        world.peers.fault(world.now, friends[0], FaultClass::Environment);
    }
    assert_eq!(world.told_to_go(), []);
    assert!(friends.iter().all(|link| world.peers.peers(world.now).iter().any(|view| view.link == *link)));
    assert!(world.peers.sizes().iter().all(|size| *size <= 1_024));
}
