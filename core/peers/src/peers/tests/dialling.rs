//! Who is dialled and when (`devp2p.md` 7.1 and 7.3).

use crate::config::DialKind;
use crate::limits::{
    BACKOFF_JITTER, BACKOFF_REMOTE, BOOT_AT_ONCE, CANDIDATE_FAILURES, CANDIDATES_PER_SOURCE, LONELY,
    MAX_DIALS, RESERVED_DIALS, SHUNNED_PAUSE,
};

use super::*;

#[test]
fn static_peers_are_dialled_at_once_and_again_whenever_they_are_gone() {
    let mut world = World::listener(5);
    assert_eq!(world.peers.add_static(world.now, loopback(1)), Ok(true));
    assert_eq!(world.peers.add_static(world.now, loopback(1)), Ok(false));
    let dial = world.dials().remove(0);
    assert_eq!((dial.kind, world.dials()), (DialKind::Static, vec![]));
    let link = world.answer(&dial).unwrap();
    assert_eq!(world.peers.statics()[0].link, Some(link));
    world.pass(minutes(10));
    assert_eq!(world.dials(), []);
    world.hang_up(&dial, link, minutes(10));
    let again = world.run_failing(seconds(1));
    assert_eq!(again.len(), 1, "after the first pause");
}

#[test]
fn a_static_peer_that_came_by_itself_is_not_dialled() {
    let mut world = World::listener(5);
    let link = world.inbound(1).unwrap();
    world.peers.add_static(world.now, node(1)).unwrap();
    assert_eq!(world.dials(), []);
    world.close(link, Ending::Broken);
    assert_eq!(world.dialled_keys(), [key(1)]);
}

#[test]
fn far_peers_are_left_alone_for_thirty_five_seconds() {
    let mut world = World::listener(5);
    world.peers.add_static(world.now, node(1)).unwrap();
    let dialled = world.run_failing(minutes(10));
    assert!(dialled.len() >= 15);
    for pair in dialled.windows(2) {
        let pause = pair[1].0 - pair[0].0;
        assert!(pause >= BACKOFF_REMOTE && pause <= BACKOFF_REMOTE + BACKOFF_JITTER, "{pause:?}");
    }
}

#[test]
fn a_failed_candidate_is_tried_thrice_and_its_host_rests_meanwhile() {
    let mut world = World::with(|_| {});
    let victim: IpAddr = [50, 1, 1, 1].into();
    assert!(world.peers.found(world.now, node_at(1, victim), Source::V4));
    let mut dialled = world.run_failing(seconds(1));
    // Ever new keys at one address do not make us dial it more often.
    for n in 2..200 {
        world.peers.found(world.now, node_at(n, victim), Source::V4);
        dialled
            .extend(world.run_failing(seconds(1)).into_iter().map(|(at, dial)| (at + seconds(n - 1), dial)));
    }
    for pair in dialled.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= BACKOFF_REMOTE - seconds(1));
    }
    assert!((5..=6).contains(&dialled.len()), "{} in 200 s", dialled.len());
    let tries = dialled.iter().filter(|(_, dial)| *dial.enode.key() == key(1)).count();
    assert!(tries <= CANDIDATE_FAILURES as usize);
    world.run_failing(minutes(30));
    assert_eq!(world.peers.counts().candidates, 0, "all of them were dropped");
}

#[test]
fn few_dials_are_under_way_and_static_ones_leave_some_to_others() {
    let mut world = World::with(|config| config.max_peers = 100);
    for n in 0..50 {
        world.peers.add_static(world.now, node(n)).unwrap();
        world.peers.found(world.now, node(100 + n), Source::V5);
    }
    let dials = world.dials();
    let fixed = dials.iter().filter(|dial| dial.kind == DialKind::Static).count();
    assert_eq!((dials.len(), fixed), (MAX_DIALS, MAX_DIALS - RESERVED_DIALS));
    world.fail(&dials[0], Attempt::Failed);
    assert_eq!(world.dials().len(), 1);
    let mut listener = World::listener(100);
    for n in 0..50 {
        listener.peers.add_static(listener.now, node(n)).unwrap();
    }
    assert_eq!(listener.dials().len(), MAX_DIALS, "nobody else wants any");
}

#[test]
fn candidates_that_cannot_be_are_refused() {
    let mut world = World::with(|config| config.restrict = vec!["0.0.0.0/1".parse().unwrap()]);
    let here: IpAddr = [50, 1, 1, 1].into();
    let with = |host, tcp| Enode::new(key(1), Endpoint { host, tcp, udp: 1 });
    let refused = [
        Enode::incomplete(key(1)),
        with(Host::Name("example.org".into()), 1),
        with(Host::Ip(here), 0),
        with(Host::Ip([0, 0, 0, 0].into()), 1),
        with(Host::Ip([124, 0, 0, 1].into()), 0),
        with(Host::Ip([200, 0, 0, 1].into()), 1),
        node_at(OWN, here),
    ];
    for enode in refused {
        assert!(!world.peers.found(world.now, enode.clone(), Source::Dns), "{enode}");
    }
    assert!(world.peers.found(world.now, with(Host::Ip(here), 1), Source::Dns));
    assert!(world.peers.found(world.now, with(Host::Ip(here), 1), Source::V4), "known already");
    assert_eq!(world.peers.counts().candidates, 1);
    let mut listener = World::listener(5);
    assert!(!listener.peers.found(listener.now, node(1), Source::Dns), "nobody would dial it");
}

#[test]
fn an_honest_key_cannot_be_moved_to_another_address() {
    let mut world = World::with(|_| {});
    world.peers.found(world.now, node(1), Source::V4);
    world.peers.found(world.now, node_at(1, far(66)), Source::V4);
    let dial = world.dials().remove(0);
    assert_eq!(ip_of(&dial.enode), Some(far(1)));
    world.fail(&dial, Attempt::Unreachable);
    world.peers.found(world.now, node_at(1, far(66)), Source::V4);
    world.pass(minutes(1));
    let dial = world.dials().remove(0);
    assert_eq!(ip_of(&dial.enode), Some(far(66)), "after a failure it may have moved");
}

#[test]
fn sources_have_shares_and_take_turns() {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (60, 2));
    for n in 0..3_000 {
        world.peers.found(world.now, node(n), Source::V4);
    }
    assert_eq!(world.peers.counts().candidates, CANDIDATES_PER_SOURCE);
    for n in 5_000..5_010 {
        assert!(world.peers.found(world.now, node(n), Source::Dns));
        assert!(world.peers.found(world.now, node(1_000 + n), Source::V5));
        assert!(world.peers.found(world.now, node(2_000 + n), Source::Remembered));
    }
    let numbers = |from: u64, count: u64| (from..from + count).map(key).collect::<Vec<_>>();
    let [dns, v5, kept] = [5_000, 6_000, 7_000].map(|from| numbers(from, 10));
    let dialled = world.dialled_keys();
    let of = |keys: &[PublicKey]| dialled.iter().filter(|key| keys.contains(key)).count();
    assert_eq!(dialled.len(), MAX_DIALS);
    assert!(kept.contains(&dialled[0]), "whom we know comes first");
    let counts = [of(&kept), of(&dns), of(&v5), dialled.len() - of(&kept) - of(&dns) - of(&v5)];
    assert_eq!(counts, [8, 2, 3, 3], "however many the noisiest one names");
}

#[test]
fn a_full_share_gives_way_to_newcomers_only_where_somebody_failed_or_is_stale() {
    let mut world = World::with(|_| {});
    for n in 0..CANDIDATES_PER_SOURCE as u64 {
        assert!(world.peers.found(world.now, node(n), Source::V4));
    }
    assert!(!world.peers.found(world.now, node(900), Source::V4));
    let dial = world.dials().remove(0);
    world.fail(&dial, Attempt::Failed);
    assert!(world.peers.found(world.now, node(900), Source::V4));
    assert!(!world.peers.found(world.now, node(901), Source::V4));
    world.pass(minutes(60));
    assert!((901..910).all(|n| world.peers.found(world.now, node(n), Source::V4)));
    assert_eq!(world.peers.counts().candidates, CANDIDATES_PER_SOURCE);
}

#[test]
fn two_of_a_subnet_are_not_dialled_by_choice() {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (40, 2));
    for n in 0..2 {
        world.peers.found(world.now, node_at(n, [50, 1, 1, n as u8].into()), Source::V4);
    }
    for n in 10..30 {
        world.peers.found(world.now, node_at(n, [50, 1, n as u8, 1].into()), Source::V4);
    }
    let dials = world.dials();
    assert_eq!(dials.len(), 20 / crate::limits::WIDE_SHARE, "a quarter of the places for one /16");
    let narrow = |dial: &Dial| Subnet::of(ip_of(&dial.enode).unwrap()).unwrap().narrow;
    let mut narrows: Vec<_> = dials.iter().map(narrow).collect();
    narrows.sort();
    narrows.dedup();
    assert_eq!(narrows.len(), dials.len(), "each of its own /24");
    let mut local = World::with(|config| (config.max_peers, config.dial_ratio) = (40, 2));
    assert!((0..10).all(|n| local.peers.found(local.now, loopback(n), Source::V4)));
    assert_eq!(local.dials().len(), 10, "loopback is exempt");
}

#[test]
fn boot_nodes_are_dialled_at_once_when_nobody_else_is_known() {
    let boot: Vec<Enode> = (1..=5).map(loopback).chain([node(OWN)]).collect();
    let mut world = World::with(|config| (config.boot, config.max_peers) = (boot, 50));
    let dials = world.dials();
    assert_eq!(dials.len(), BOOT_AT_ONCE);
    assert!(dials.iter().all(|dial| dial.kind == DialKind::Boot));
    for dial in &dials {
        world.fail(dial, Attempt::Unreachable);
    }
    let first: Vec<_> = dials.iter().map(|dial| *dial.enode.key()).collect();
    assert_eq!(first, [1, 2, 3].map(key));
    assert_eq!(world.dialled_keys(), [4, 5].map(key), "round robin, and this node is none of them");
}

#[test]
fn a_boot_node_on_loopback_is_a_peer_within_a_second() {
    let mut world = World::with(|config| config.boot = vec![loopback(1)]);
    let dial = world.dials().remove(0);
    // It starts a moment later than this node.
    world.fail(&dial, Attempt::Unreachable);
    world.pass(seconds(1));
    let dial = world.dials().remove(0);
    world.answer(&dial).unwrap();
    assert_eq!(world.peers.counts().dynamic, 1);
    assert_eq!(world.dials(), []);
}

#[test]
fn boot_nodes_wait_twenty_seconds_when_somebody_else_is_known() {
    let mut world = World::with(|config| config.boot = (1..=3).map(node).collect());
    world.peers.add_static(world.now, node(50)).unwrap();
    let dialled = world.run_failing(minutes(2));
    let boots: Vec<_> = dialled.iter().filter(|(_, dial)| dial.kind == DialKind::Boot).collect();
    assert!(boots.len() >= 6, "{}", boots.len());
    assert_eq!(boots[0].0, LONELY);
    let keys: Vec<_> = boots.iter().map(|(_, dial)| *dial.enode.key()).collect();
    assert_eq!(keys[..3], [1, 2, 3].map(key));
    let link = world.inbound(90).unwrap();
    let with_peer = world.run_failing(minutes(2));
    assert!(
        with_peer.iter().all(|(_, dial)| dial.kind == DialKind::Static),
        "not as long as there is a peer"
    );
    world.close(link, Ending::Clean);
    let alone = world.run_failing(minutes(1));
    let boot = alone.iter().find(|(_, dial)| dial.kind == DialKind::Boot).unwrap();
    assert_eq!(boot.0, LONELY);
}

#[test]
fn dead_candidates_cannot_keep_boot_nodes_from_being_dialled() {
    let mut world = World::with(|config| config.boot = vec![node(1)]);
    for n in 50..150 {
        world.peers.found(world.now, node(n), Source::V4);
    }
    // They never answer, each time the full fifteen seconds.
    let mut boots = 0;
    let mut active = world.dials();
    for _ in 0..8 {
        world.pass(seconds(15));
        for dial in std::mem::take(&mut active) {
            boots += usize::from(dial.kind == DialKind::Boot);
            world.fail(&dial, Attempt::Unreachable);
        }
        active = world.dials();
    }
    assert!(boots >= 2);
}

#[test]
fn static_peers_that_are_unreachable_are_looked_up_ever_more_rarely() {
    let mut world = World::listener(5);
    world.peers.add_static(world.now, loopback(1)).unwrap();
    let start = world.now.mono;
    let mut asked = Vec::new();
    while world.now.mono.since(start) < minutes(6 * 60) {
        world.run_failing(seconds(5));
        if world.events().contains(&Event::Resolve(key(1))) {
            asked.push(world.now.mono.since(start).as_secs());
            world.peers.resolved(world.now, &key(1), None);
        }
    }
    let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, nominal) in pauses.iter().zip([120, 240, 480, 960, 1_920, 3_600, 3_600]) {
        assert!((nominal..=nominal + 15).contains(pause), "{pause} instead of {nominal}: {asked:?}");
    }
    assert!(pauses.len() >= 7);
}

#[test]
fn a_resolved_endpoint_is_tried_at_once_and_forgotten_when_it_fails() {
    let mut world = World::listener(5);
    world.peers.add_static(world.now, node(1)).unwrap();
    let dial = world.dials().remove(0);
    world.fail(&dial, Attempt::Unreachable);
    assert_eq!(world.events(), [Event::Resolve(key(1))]);
    world.peers.resolved(world.now, &key(1), Some(node_at(2, far(77))));
    assert_eq!(world.dials(), [], "another key");
    world.peers.resolved(world.now, &key(1), Some(node_at(1, far(77))));
    let dial = world.dials().remove(0);
    assert_eq!(ip_of(&dial.enode), Some(far(77)));
    world.fail(&dial, Attempt::Unreachable);
    world.pass(seconds(40));
    let dial = world.dials().remove(0);
    assert_eq!(ip_of(&dial.enode), Some(far(1)), "what the operator said is not lost");
    assert_eq!(world.peers.statics()[0].enode, node(1));
}

#[test]
fn a_static_peer_without_an_endpoint_is_looked_up_first() {
    let mut world = World::listener(5);
    world.peers.add_static(world.now, Enode::incomplete(key(1))).unwrap();
    assert_eq!(world.events(), [Event::Resolve(key(1))]);
    assert_eq!(world.dials(), []);
    world.run_failing(seconds(59));
    assert_eq!(world.events(), []);
    world.run_failing(seconds(1));
    assert_eq!(world.events(), [Event::Resolve(key(1))], "nobody answered");
    world.peers.resolved(world.now, &key(1), Some(node(1)));
    assert_eq!(world.dialled_keys(), [key(1)]);
}

#[test]
fn useless_nodes_are_not_dialled_again_for_half_an_hour() {
    let useless = [
        Ending::Refused(DisconnectReason::USELESS_PEER),
        Ending::Fault(undertone_devp2p::WireError::UselessPeer.fault()),
    ];
    for ending in useless {
        let mut world = World::with(|_| {});
        world.peers.found(world.now, node(1), Source::V4);
        let dial = world.dials().remove(0);
        let link = world.answer(&dial).unwrap();
        world.close(link, ending);
        world.fail(&dial, Attempt::Failed);
        assert_eq!(world.peers.counts().candidates, 0);
        world.pass(SHUNNED_PAUSE - seconds(1));
        assert!(!world.peers.found(world.now, node(1), Source::V4));
        world.pass(seconds(1));
        assert!(world.peers.found(world.now, node(1), Source::V4));
        assert_eq!(world.dialled_keys(), [key(1)]);
    }
}

#[test]
fn hunger_begins_and_ends_with_the_places() {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (16, 2));
    assert_eq!(world.events(), [Event::Hungry]);
    for n in 0..8 {
        world.peers.found(world.now, node(n), Source::V4);
    }
    let dials = world.dials();
    let links: Vec<_> = dials.iter().map(|dial| world.answer(dial).unwrap()).collect();
    assert_eq!(world.events(), [Event::Satisfied]);
    for n in 10..20 {
        world.peers.found(world.now, node(n), Source::V4);
    }
    world.hang_up(&dials[0], links[0], minutes(1));
    assert_eq!(world.events(), [], "one place is free and candidates are there");
    for n in 1..4 {
        world.hang_up(&dials[n], links[n], minutes(1));
    }
    assert_eq!(world.events(), [Event::Hungry]);
    let mut listener = World::listener(5);
    assert_eq!(listener.events(), [], "who chooses nobody wants no candidates");
}

#[test]
fn with_one_place_and_no_candidate_there_is_hunger() {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (16, 2));
    for n in 0..8 {
        world.peers.found(world.now, node(n), Source::V4);
    }
    let dials = world.dials();
    let links: Vec<_> = dials.iter().map(|dial| world.answer(dial).unwrap()).collect();
    world.events();
    world.close(links[0], Ending::Refused(DisconnectReason::USELESS_PEER));
    assert_eq!(world.events(), [Event::Hungry]);
}
