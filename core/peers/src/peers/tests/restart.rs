//! What is remembered, and how the next run starts from it.

use crate::config::DialKind;
use crate::limits::{MAX_DIALS, REMEMBER_EVERY, REMEMBERED_FAILURES, SETTLED};
use crate::remembered::{decode, encode};

use super::*;

fn given(events: Vec<Event>) -> Vec<Vec<Remembered>> {
    let list = |event| match event {
        Event::Remember(list) => Some(list),
        _ => None,
    };
    events.into_iter().filter_map(list).collect()
}

fn keys(list: &[Remembered]) -> Vec<PublicKey> {
    list.iter().map(|peer| *peer.enode.key()).collect()
}

#[test]
fn good_company_is_remembered_with_an_address_where_it_listens() {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (20, 2));
    // One that we dialled, one that came and is known to listen at its address, one that came from elsewhere, one of which
    // nothing is known.
    for n in [1, 2] {
        world.peers.found(world.now, node(n), Source::V4);
    }
    world.peers.found(world.now, node_at(3, far(33)), Source::V4);
    let dials = world.dials();
    let one = dials.iter().find(|dial| *dial.enode.key() == key(1)).unwrap().clone();
    let dialled = world.answer(&one).unwrap();
    for n in [2, 3, 4] {
        world.inbound(n).unwrap();
    }
    world.peers.add_static(world.now, node(5)).unwrap();
    world.inbound(5).unwrap();
    assert_eq!(world.peers.remembered(world.now), [], "not before they have settled");
    world.pass(SETTLED);
    world.peers.useful(world.now, dialled, 3);
    let list = world.peers.remembered(world.now);
    assert_eq!(keys(&list), [key(1), key(2)], "the better first; static peers are the operator's");
    assert_eq!((list[0].enode.clone(), list[0].merit, list[0].last), (node(1), 3, world.now.unix));
    assert_eq!(decode(&encode(&list)), Ok(list));
}

#[test]
fn the_list_is_given_out_soon_then_rarely_and_after_a_goodbye() {
    let mut world = World::with(|_| {});
    world.peers.found(world.now, node(1), Source::V4);
    let dial = world.dials().remove(0);
    let link = world.answer(&dial).unwrap();
    world.events();
    world.pass(SETTLED);
    let first = given(world.events());
    assert_eq!((first.len(), keys(&first[0])), (1, vec![key(1)]));
    world.pass(REMEMBER_EVERY - seconds(1));
    assert_eq!(given(world.events()), Vec::<Vec<Remembered>>::new());
    world.pass(seconds(1));
    let second = given(world.events());
    assert_eq!(second[0][0].merit, 5, "minutes connected");
    world.pass(seconds(150));
    world.hang_up(&dial, link, minutes(10));
    world.pass(REMEMBER_EVERY);
    assert_eq!(given(world.events())[0][0].merit, 8);
    world.pass(minutes(60));
    assert_eq!(given(world.events()), Vec::<Vec<Remembered>>::new(), "nothing has changed");
}

#[test]
fn banned_and_useless_peers_are_forgotten() {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (20, 2));
    for n in 1..=4 {
        world.peers.found(world.now, node(n), Source::V4);
    }
    let dials = world.dials();
    let links: Vec<_> = dials.iter().map(|dial| world.answer(dial).unwrap()).collect();
    world.pass(minutes(1));
    assert_eq!(world.peers.counts().remembered, 4);
    world.close(links[0], Ending::Fault(FaultClass::peer(Severity::Fatal)));
    world.peers.ban(world.now, BanTarget::Key(*dials[1].enode.key()), None);
    world.peers.ban(world.now, BanTarget::Ip(ip_of(&dials[2].enode).unwrap()), None);
    let kept = keys(&world.peers.remembered(world.now));
    assert!(kept.contains(dials[3].enode.key()));
    world.close(links[3], Ending::Refused(DisconnectReason::USELESS_PEER));
    assert_eq!(world.peers.counts().remembered, 0);
}

#[test]
fn a_restart_begins_with_those_that_are_remembered_among_fresh_ones() {
    let mut first = World::with(|config| (config.max_peers, config.dial_ratio) = (60, 2));
    for n in 0..12 {
        first.peers.found(first.now, node(n), Source::V4);
    }
    for dial in first.dials() {
        first.answer(&dial).unwrap();
    }
    first.pass(minutes(5));
    let file = encode(&first.peers.remembered(first.now));
    let remembered = decode(&file).unwrap();
    assert_eq!(remembered.len(), 12);
    let boot = vec![node(900)];
    let mut second = World::with(|config| {
        (config.max_peers, config.dial_ratio, config.boot) = (60, 2, boot);
        config.remembered = remembered;
    });
    for n in 0..100 {
        second.peers.found(second.now, node(1_000 + n), Source::V4);
    }
    let dials = second.dials();
    let known = |dial: &&Dial| (0..12).any(|n| *dial.enode.key() == key(n));
    assert!(dials.iter().all(|dial| dial.kind == DialKind::Dynamic), "no need of boot nodes");
    assert!(known(&&dials[0]), "first whom we know");
    let count = dials.iter().filter(known).count();
    assert_eq!((dials.len(), count), (MAX_DIALS, MAX_DIALS / 2), "half of them, as long as there are any");
}

#[test]
fn who_knows_only_dead_peers_turns_to_boot_nodes_after_a_while() {
    let remembered = vec![Remembered { enode: node(1), last: Unix::from_secs(1), merit: 9 }];
    let mut world = World::with(|config| (config.boot, config.remembered) = (vec![node(2)], remembered));
    let dialled = world.run_failing(minutes(1));
    assert_eq!((dialled[0].0, *dialled[0].1.enode.key()), (Duration::ZERO, key(1)));
    let boot = dialled.iter().find(|(_, dial)| dial.kind == DialKind::Boot).unwrap();
    assert_eq!(boot.0, crate::limits::LONELY);
}

#[test]
fn being_offline_makes_nobody_forgotten() {
    let peer = |n| Remembered { enode: node(n), last: Unix::from_secs(1), merit: 9 };
    let mut world = World::with(|config| config.remembered = (1..=2).map(peer).collect());
    world.run_failing(minutes(60));
    assert_eq!(world.peers.counts().remembered, 2, "it may be us who are offline");
    assert_eq!(world.peers.counts().candidates, 0);
    world.inbound(9).unwrap();
    for tries in [3, 6] {
        assert_eq!(world.peers.counts().remembered, 2, "{tries}");
        world.peers.found(world.now, node(1), Source::V4);
        assert_eq!(world.run_failing(minutes(3)).len(), 3);
    }
    const { assert!(REMEMBERED_FAILURES > 3 && REMEMBERED_FAILURES <= 6) };
    assert_eq!(keys(&world.peers.remembered(world.now)), [key(2)]);
}

#[test]
fn what_is_remembered_is_checked_like_any_candidate() {
    let peer = |enode| Remembered { enode, last: Unix::from_secs(1), merit: 9 };
    let list = vec![peer(node(OWN)), peer(node_at(1, [200, 1, 1, 1].into())), peer(node(2))];
    let world = World::with(|config| {
        config.remembered = list;
        config.restrict = vec!["0.0.0.0/1".parse().unwrap()];
    });
    assert_eq!(world.peers.counts().candidates, 1);
}
