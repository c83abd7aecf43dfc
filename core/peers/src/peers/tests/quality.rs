//! Usefulness, faults, bans for them, and rotation.

use crate::limits::{
    BAN_POINTS, BAN_TIME, FAULTS_HALF_LIFE, IDLE, IDLE_EVERY, MAKE_WAY_EVERY, MILD_CEILING, PROTECTED_OLD,
    ROTATE_EVERY, ROTATE_JITTER, SERIOUS_POINTS, YOUNG,
};

use super::*;

const MILD: FaultClass = FaultClass::peer(Severity::Mild);
const SERIOUS: FaultClass = FaultClass::peer(Severity::Serious);
const FATAL: FaultClass = FaultClass::peer(Severity::Fatal);

fn banned(events: &[Event]) -> Vec<BanTarget> {
    let target = |event: &Event| match event {
        Event::Banned { target, .. } => Some(*target),
        _ => None,
    };
    events.iter().filter_map(target).collect()
}

#[test]
fn usefulness_is_new_envelopes_first_delivered_and_pongs_and_fades() {
    let mut world = World::listener(5);
    let link = world.inbound(1).unwrap();
    world.peers.useful(world.now, link, 10);
    world.peers.answered(world.now, link, Duration::from_millis(20));
    let view = world.view(link);
    assert_eq!((view.usefulness, view.rtt), (10_050, Some(Duration::from_millis(20))));
    world.pass(crate::limits::USEFULNESS_HALF_LIFE);
    assert_eq!(world.view(link).usefulness, 5_025);
    let unproved = world.admit_from(2, far(2), Direction::Inbound).unwrap();
    world.peers.useful(world.now, unproved, 10);
    world.establish(unproved).unwrap();
    assert_eq!(world.view(unproved).usefulness, 0, "nothing before a Hello");
}

#[test]
fn a_fatal_fault_bans_at_once_and_for_a_time() {
    let mut world = World::listener(5);
    let link = world.inbound(1).unwrap();
    world.peers.fault(world.now, link, FATAL);
    let target = BanTarget::Key(key(1));
    let until = world.now.mono.after(BAN_TIME);
    let expected = [
        Event::Banned { target, until },
        Event::Disconnect { link, reason: DisconnectReason::PROTOCOL_ERROR },
    ];
    assert_eq!(world.events(), expected);
    world.peers.fault(world.now, link, FATAL);
    assert_eq!(world.told_to_go(), [], "told once");
    world.close(link, Ending::Clean);
    assert_eq!(world.inbound(1), Err(DisconnectReason::USELESS_PEER));
    world.pass(BAN_TIME);
    assert!(world.inbound(1).is_ok());
}

#[test]
fn serious_faults_add_up_and_fade() {
    let mut world = World::listener(5);
    for round in 0..3 {
        let link = world.connect_from(1, [10, 0, 0, 1].into()).unwrap();
        world.close(link, Ending::Fault(SERIOUS));
        assert_eq!(banned(&world.events()).len(), usize::from(round == 2), "the third, over several links");
    }
    let link = world.connect_from(2, [10, 0, 0, 1].into()).unwrap();
    for _ in 0..20 {
        world.pass(FAULTS_HALF_LIFE);
        world.peers.fault(world.now, link, SERIOUS);
        assert!(world.view(link).faults < 2 * SERIOUS_POINTS);
    }
    assert_eq!(banned(&world.events()), []);
}

#[test]
fn mild_faults_alone_never_ban() {
    let mut world = World::listener(5);
    let link = world.inbound(1).unwrap();
    for _ in 0..10_000 {
        world.peers.fault(world.now, link, MILD);
    }
    assert_eq!(world.view(link).faults, MILD_CEILING);
    for nobodys in [FaultClass::Caller, FaultClass::Environment, FaultClass::Bug("x")] {
        world.peers.fault(world.now, link, nobodys);
    }
    assert_eq!((world.view(link).faults, banned(&world.events())), (MILD_CEILING, vec![]));
    world.peers.fault(world.now, link, SERIOUS);
    world.peers.fault(world.now, link, SERIOUS);
    assert_eq!(banned(&world.events()), [BanTarget::Key(key(1))]);
}

#[test]
fn the_operators_friends_are_never_banned_for_faults() {
    let mut world = World::listener(5);
    world.peers.add_static(world.now, node(1)).unwrap();
    world.peers.trust(world.now, key(2));
    for n in [1, 2] {
        let link = world.inbound(n).unwrap();
        for _ in 0..9 {
            world.peers.fault(world.now, link, FATAL);
        }
        assert!(world.view(link).faults >= BAN_POINTS);
    }
    assert_eq!(banned(&world.events()), []);
    // Nor does a stranger get their address banned.
    for n in 10..20 {
        if let Ok(link) = world.connect_from(n, far(1)) {
            world.close(link, Ending::Fault(FATAL));
        }
    }
    assert!(banned(&world.events()).iter().all(|target| matches!(target, BanTarget::Key(_))));
    assert!(world.peers.allows(world.now, far(1)));
}

#[test]
fn a_host_that_changes_its_key_is_banned_by_its_address() {
    let mut world = World::listener(5);
    let home: IpAddr = [50, 1, 1, 1].into();
    for n in [1, 2] {
        let link = world.connect_from(n, home).unwrap();
        world.close(link, Ending::Fault(FATAL));
    }
    let both = [BanTarget::Key(key(1)), BanTarget::Key(key(2)), BanTarget::Ip(home)];
    assert_eq!(banned(&world.events()), both);
    assert_eq!(world.peers.accept(world.now, home), Err(Refusal::Banned));
    for n in 10..20 {
        let link = world.connect_from(n, [10, 0, 0, 1].into()).unwrap();
        world.close(link, Ending::Fault(FATAL));
    }
    assert!(world.peers.allows(world.now, [10, 0, 0, 1].into()), "the local network is not");
}

#[test]
fn faults_without_a_hello_are_the_address_alone() {
    let mut world = World::listener(5);
    for _ in 0..2 {
        let link = world.admit_from(1, far(1), Direction::Inbound).unwrap();
        world.close(link, Ending::Fault(FATAL));
    }
    assert_eq!(
        banned(&world.events()),
        [BanTarget::Ip(far(1))],
        "whose key was replayed has nothing to do with it"
    );
}

/// Somebody names honest addresses under keys that do not live there, so that our dials fail.
#[test]
fn a_failed_dial_is_held_against_nobody() {
    let mut world = World::with(|_| {});
    for n in 0..20 {
        world.peers.found(world.now, node_at(n, [50, 1, 1, 1].into()), Source::V4);
        for dial in world.dials() {
            let address = SocketAddr::new(ip_of(&dial.enode).unwrap(), 30_303);
            let link = world
                .peers
                .admit(world.now, *dial.enode.key(), address, Direction::Dialled(dial.id))
                .unwrap();
            world.close(link, Ending::Fault(FATAL));
            world.fail(&dial, Attempt::Failed);
        }
        world.pass(minutes(1));
    }
    assert_eq!(banned(&world.events()), []);
    assert!(world.peers.allows(world.now, [50, 1, 1, 1].into()));
}

/// Fills eight places for dialled and eight for inbound peers; the first are the oldest.
fn full() -> (World, Vec<LinkId>, Vec<LinkId>) {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (16, 2));
    let (mut dialled, mut came) = (Vec::new(), Vec::new());
    for n in 0..8 {
        world.peers.found(world.now, node(n), Source::V4);
        let dial = world.dials().remove(0);
        dialled.push(world.answer(&dial).unwrap());
        came.push(world.inbound(100 + n).unwrap());
        world.pass(seconds(1));
    }
    world.events();
    (world, dialled, came)
}

#[test]
fn the_least_useful_is_let_go_when_somebody_else_wants_its_place() {
    let (mut world, dialled, came) = full();
    // The two oldest dialled ones are protected, so is the better half of the useful ones.
    for (link, worth) in dialled.iter().zip([0, 0, 5, 9, 2, 7, 6, 8]) {
        world.peers.useful(world.now, *link, worth);
    }
    for (link, worth) in came.iter().zip([9, 1, 8, 7, 6, 5, 4, 3]) {
        world.peers.useful(world.now, *link, worth);
    }
    world.pass(ROTATE_EVERY + YOUNG);
    assert_eq!(world.told_to_go(), [], "nobody wants their places");
    world.peers.found(world.now, node(50), Source::V4);
    assert_eq!(world.inbound(60), Err(DisconnectReason::TOO_MANY_PEERS));
    world.pass(ROTATE_EVERY + ROTATE_JITTER);
    let gone = [dialled[4], came[1]].map(|link| (link, DisconnectReason::TOO_MANY_PEERS));
    assert_eq!((world.told_to_go(), world.peers.counts().rotated), (gone.to_vec(), 2));
    assert!(!world.peers.found(world.now, node(4), Source::V4), "it is not dialled again for a while");
    for (link, _) in gone {
        world.close(link, Ending::Clean);
    }
    assert_eq!(world.dialled_keys(), [key(50)]);
    assert!(world.inbound(60).is_ok());
}

#[test]
fn faults_count_against_usefulness_in_rotation() {
    let (mut world, _, came) = full();
    for link in &came {
        world.peers.useful(world.now, *link, 10);
    }
    world.peers.fault(world.now, came[7], SERIOUS);
    // Of equals the better half is the first half of the list; the culprit is not among it.
    world.pass(YOUNG);
    let _ = world.inbound(60);
    world.pass(ROTATE_EVERY + ROTATE_JITTER);
    assert_eq!(world.told_to_go(), [(came[7], DisconnectReason::TOO_MANY_PEERS)]);
}

#[test]
fn of_the_useless_the_youngest_goes_but_never_a_youngster() {
    let (mut world, dialled, _) = full();
    // Somebody is not silent; that is long ago then.
    world.peers.useful(world.now, dialled[0], 1);
    world.peers.found(world.now, node(50), Source::V4);
    world.pass(ROTATE_EVERY - seconds(8) - seconds(1));
    assert_eq!(world.told_to_go(), []);
    world.pass(seconds(2));
    assert_eq!(world.told_to_go(), [], "the old are protected, the others young");
    world.pass(ROTATE_EVERY + ROTATE_JITTER);
    assert_eq!(world.told_to_go(), [(dialled[7], DisconnectReason::TOO_MANY_PEERS)]);
}

#[test]
fn static_and_trusted_peers_are_never_let_go() {
    let mut world = World::listener(2);
    world.peers.trust(world.now, key(1));
    world.peers.add_static(world.now, node(2)).unwrap();
    let kept = [1, 2].map(|n| world.inbound(n).unwrap());
    for _ in 0..10 {
        assert_eq!(world.inbound(3), Err(DisconnectReason::TOO_MANY_PEERS));
        world.pass(ROTATE_EVERY + ROTATE_JITTER);
        assert_eq!(world.told_to_go(), []);
    }
    assert!(kept.iter().all(|link| world.peers.peers(world.now).iter().any(|view| view.link == *link)));
}

#[test]
fn the_best_and_the_oldest_stay_however_long_others_push() {
    let (mut world, dialled, _) = full();
    let mut next = 1_000;
    for _ in 0..40 {
        world.peers.useful(world.now, dialled[3], 20);
        for _ in 0..3 {
            next += 1;
            world.peers.found(world.now, node(next), Source::V4);
        }
        world.pass(ROTATE_EVERY + ROTATE_JITTER);
        for (link, _) in world.told_to_go() {
            world.close(link, Ending::Clean);
        }
        for dial in world.dials() {
            world.answer(&dial).unwrap();
        }
    }
    let links: Vec<_> = world.peers.peers(world.now).iter().map(|view| view.link).collect();
    assert!([0, 1, 3].iter().all(|n| links.contains(&dialled[*n])));
    assert!(world.peers.counts().rotated >= 30);
    assert_eq!(world.peers.counts().dynamic, 8);
}

#[test]
fn whoever_was_let_go_is_not_dialled_again_for_half_an_hour() {
    let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (2, 1));
    for n in [1, 2] {
        world.peers.found(world.now, node(n), Source::V4);
    }
    let dials = world.dials();
    let links: Vec<_> = dials.iter().map(|dial| world.answer(dial).unwrap()).collect();
    world.peers.found(world.now, node(3), Source::V4);
    world.pass(ROTATE_EVERY);
    assert_eq!(world.told_to_go(), [(links[1], DisconnectReason::TOO_MANY_PEERS)]);
    world.hang_up(&dials[1], links[1], ROTATE_EVERY);
    let third = world.dials().remove(0);
    assert_eq!(*third.enode.key(), key(3));
    world.fail(&third, Attempt::Failed);
    let again = world.run_failing(minutes(40));
    assert!(of_key(&again, &key(3)).unwrap() < minutes(1));
    assert_eq!(of_key(&again, dials[1].enode.key()), Some(crate::limits::SHUNNED_PAUSE));
}

fn of_key(dialled: &[(Duration, Dial)], key: &PublicKey) -> Option<Duration> {
    dialled.iter().find(|(_, dial)| dial.enode.key() == key).map(|(at, _)| *at)
}

#[test]
fn a_dialled_peer_that_brings_nothing_new_goes_in_minutes_when_others_do() {
    let (mut world, dialled, _) = full();
    world.peers.found(world.now, node(50), Source::V4);
    let mut gone = Vec::new();
    // Two are of use; the others were there first or not, and are none.
    for _ in 0..8 {
        for n in [2, 5] {
            world.peers.useful(world.now, dialled[n], 1);
        }
        world.pass(IDLE_EVERY);
        gone.extend(world.told_to_go().into_iter().map(|(link, _)| link));
        for (n, link) in gone.iter().enumerate() {
            world.close(*link, Ending::Clean);
            world.peers.found(world.now, node(60 + u64::try_from(n).unwrap()), Source::V4);
        }
        for dial in world.dials() {
            let link = world.answer(&dial).unwrap();
            world.peers.useful(world.now, link, 1);
        }
    }
    assert!(gone.len() >= 5, "{gone:?}");
    assert_eq!(gone.first(), Some(&dialled[0]), "age is no merit");
    assert!(!gone.contains(&dialled[2]) && !gone.contains(&dialled[5]));
}

#[test]
fn nobody_is_idle_while_there_is_nothing_new() {
    let (mut world, _, came) = full();
    world.peers.found(world.now, node(50), Source::V4);
    for _ in 0..3 {
        world.pass(IDLE_EVERY);
        assert_eq!(world.told_to_go(), []);
        assert_eq!(world.inbound(70), Err(DisconnectReason::TOO_MANY_PEERS));
    }
    // What one alone has brought long ago is no measure for the others.
    world.peers.useful(world.now, came[0], 1);
    world.pass(IDLE);
    assert_eq!(world.inbound(71), Err(DisconnectReason::TOO_MANY_PEERS));
}

#[test]
fn while_nobody_ever_brought_anything_most_dialled_peers_change_one_by_one() {
    let (mut world, dialled, came) = full();
    world.peers.found(world.now, node(50), Source::V4);
    let mut gone = Vec::new();
    for minute in 0..16 {
        world.pass(IDLE_EVERY);
        let now_gone: Vec<_> = world.told_to_go().into_iter().map(|(link, _)| link).collect();
        assert!(minute > 3 || now_gone.is_empty(), "the young stay");
        for link in now_gone {
            world.close(link, Ending::Clean);
            gone.push(link);
            world.peers.found(world.now, node(60 + u64::try_from(gone.len()).unwrap()), Source::V4);
        }
        for dial in world.dials() {
            world.answer(&dial).unwrap();
        }
    }
    let (old, others) = dialled.split_at(dialled.len().div_ceil(PROTECTED_OLD));
    assert!(old.iter().chain(&came).all(|link| !gone.contains(link)), "{gone:?}");
    assert!(others.iter().filter(|link| gone.contains(link)).count() >= 3, "{gone:?}");
}

#[test]
fn an_idle_inbound_peer_makes_way_for_a_newcomer_once_in_ten_seconds() {
    let (mut world, _, came) = full();
    let places = world.peers.counts().inbound;
    world.pass(IDLE);
    world.peers.useful(world.now, came[0], 1);
    let newcomer = world.inbound(70).unwrap();
    assert_eq!(world.told_to_go(), [(came[1], DisconnectReason::TOO_MANY_PEERS)]);
    assert_eq!(world.peers.counts().inbound, places, "it counts no more");
    assert_eq!(world.inbound(71), Err(DisconnectReason::TOO_MANY_PEERS), "not twice at once");
    world.close(came[1], Ending::Clean);
    world.pass(MAKE_WAY_EVERY);
    assert!(world.inbound(72).is_ok());
    // Neither the useful nor the young make way.
    let mut made_way = vec![came[1]];
    for n in 0..8 {
        made_way.extend(world.told_to_go().into_iter().map(|(link, _)| link));
        world.pass(MAKE_WAY_EVERY);
        world.peers.useful(world.now, came[0], 1);
        let _ = world.inbound(80 + n);
    }
    assert!(!made_way.contains(&came[0]) && !made_way.contains(&newcomer));
    assert_eq!(world.peers.counts().inbound, places);
}

#[test]
fn whoever_has_many_keys_at_one_address_or_in_one_network_is_not_dialled_more_often() {
    let mut chosen = BTreeMap::new();
    for seed in 0..400 {
        let mut world = World::with(|config| (config.max_peers, config.dial_ratio) = (2, 1));
        world.rng = undertone_support::rng(seed);
        for n in 0..10 {
            world.peers.found(world.now, node_at(100 + n, [50, 1, 1, 1].into()), Source::V4);
            world.peers.found(
                world.now,
                node_at(200 + n, [50, 1, 1, u8::try_from(n).unwrap()].into()),
                Source::V4,
            );
        }
        assert!(world.peers.counts().candidates <= 2, "one of a host, two of a network");
        world.peers.found(world.now, node(1), Source::V4);
        let first = world.dials().remove(0);
        *chosen.entry(first.enode.key() == &key(1)).or_insert(0) += 1;
    }
    let honest = chosen.get(&true).copied().unwrap_or(0);
    assert!((150..=250).contains(&honest), "{honest} of 400");
}
