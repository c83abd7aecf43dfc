//! Static peers, trust and bans.

use crate::config::StaticError;

use super::*;

#[test]
fn nonsense_static_peers_are_refused() {
    let mut world = World::with(|config| config.restrict = vec!["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(world.peers.add_static(world.now, loopback(OWN)), Err(StaticError::Myself));
    assert_eq!(world.peers.add_static(world.now, loopback(1)), Err(StaticError::Restricted));
    assert_eq!(world.peers.statics(), []);
    assert_eq!(world.peers.add_static(world.now, node_at(1, [10, 1, 1, 1].into())), Ok(true));
    // Of a name it is found out later where it leads.
    let name = Enode::new(key(2), Endpoint { host: Host::Name("localhost".into()), tcp: 1, udp: 1 });
    assert_eq!(world.peers.add_static(world.now, name), Ok(true));
    let dials = world.dials();
    assert_eq!(dials.len(), 2);
    assert!(!world.peers.allows(world.now, [127, 0, 0, 1].into()));
    let there = world.admit_from(2, [127, 0, 0, 1].into(), Direction::Dialled(dials[1].id));
    assert_eq!(there, Err(DisconnectReason::USELESS_PEER), "even if the shell did not ask");
}

#[test]
fn removing_a_static_peer_ends_its_link_whoever_made_it() {
    let mut world = World::with(|_| {});
    world.peers.add_static(world.now, node(1)).unwrap();
    world.peers.add_static(world.now, node(2)).unwrap();
    let came = world.inbound(1).unwrap();
    let dial = world.dials().remove(0);
    let went = world.answer(&dial).unwrap();
    world.events();
    assert!(world.peers.remove_static(world.now, &key(1)) && world.peers.remove_static(world.now, &key(2)));
    assert!(!world.peers.remove_static(world.now, &key(2)));
    let told = world.told_to_go();
    assert_eq!(told, [came, went].map(|link| (link, DisconnectReason::REQUESTED)));
    world.close(came, Ending::Clean);
    world.hang_up(&dial, went, seconds(1));
    assert!(!world.peers.found(world.now, node(1), Source::V4), "nor by our own choice for a while");
    assert_eq!(world.run_failing(minutes(5)).len(), 0);
}

#[test]
fn another_endpoint_of_a_static_peer_replaces_the_first() {
    let mut world = World::listener(5);
    world.peers.add_static(world.now, node(1)).unwrap();
    let old = world.dials().remove(0);
    assert_eq!(world.peers.add_static(world.now, node_at(1, far(2))), Ok(true));
    assert_eq!(world.dials(), [], "one attempt at a time");
    world.fail(&old, Attempt::Unreachable);
    world.pass(minutes(1));
    assert_eq!(ip_of(&world.dials().remove(0).enode), Some(far(2)));
}

#[test]
fn trust_and_its_end_concern_live_links() {
    let mut world = World::listener(2);
    let [one, two] = [1, 2].map(|n| world.inbound(n).unwrap());
    assert!(world.peers.trust(world.now, key(1)) && !world.peers.trust(world.now, key(1)));
    assert_eq!(world.peers.trusted(), [key(1)]);
    assert!(world.view(one).trusted && !world.view(two).trusted);
    assert_eq!(world.peers.counts().inbound, 1);
    assert_eq!(world.inbound(3), Err(DisconnectReason::TOO_MANY_PEERS), "trusted ones count in the total");
    world.close(two, Ending::Clean);
    let three = world.inbound(3).unwrap();
    assert!(world.peers.trust(world.now, key(4)));
    world.inbound(4).unwrap();
    assert!(world.peers.untrust(world.now, &key(1)) && !world.peers.untrust(world.now, &key(1)));
    assert_eq!(world.told_to_go(), [(one, DisconnectReason::TOO_MANY_PEERS)], "no place is free");
    world.close(one, Ending::Clean);
    world.close(three, Ending::Clean);
    assert!(world.peers.untrust(world.now, &key(4)));
    assert_eq!((world.told_to_go(), world.peers.counts().inbound), (vec![], 1), "it has a place like others");
}

#[test]
fn a_ban_is_stronger_than_static_and_trusted_and_has_an_end() {
    let mut world = World::listener(9);
    world.peers.add_static(world.now, node(1)).unwrap();
    world.peers.trust(world.now, key(2));
    let (dial, two) = (world.dials().remove(0), world.inbound(2).unwrap());
    let one = world.answer(&dial).unwrap();
    world.events();
    world.peers.ban(world.now, BanTarget::Key(key(1)), Some(minutes(10)));
    world.peers.ban(world.now, BanTarget::Key(key(2)), None);
    assert_eq!(world.told_to_go(), [one, two].map(|link| (link, DisconnectReason::REQUESTED)));
    world.hang_up(&dial, one, minutes(1));
    world.close(two, Ending::Clean);
    assert_eq!(world.inbound(2), Err(DisconnectReason::USELESS_PEER));
    let dialled = world.run_failing(minutes(11));
    assert_eq!(dialled[0].0, minutes(10), "at the end of the ban");
    assert_eq!(world.peers.bans(world.now), [(BanTarget::Key(key(2)), None)]);
    assert!(world.peers.unban(world.now, BanTarget::Key(key(2))));
    assert!(!world.peers.unban(world.now, BanTarget::Key(key(2))));
    assert!(world.inbound(2).is_ok());
}

#[test]
fn a_ban_between_the_handshake_and_the_hello_counts() {
    let mut world = World::listener(9);
    let link = world.admit_from(1, far(1), Direction::Inbound).unwrap();
    world.peers.ban(world.now, BanTarget::Key(key(1)), None);
    assert_eq!(world.establish(link), Err(DisconnectReason::USELESS_PEER));
}

#[test]
fn an_address_is_banned_with_all_who_are_there() {
    let mut world = World::with(|_| {});
    let v6 = |host: u16| IpAddr::from([0x2a01, 0x4f8, 1, 1, 0, 0, 0, host]);
    let (one, _) = (world.connect_from(1, v6(1)).unwrap(), world.connect_from(2, far(2)).unwrap());
    assert!(world.peers.found(world.now, node_at(3, v6(3)), Source::V4));
    world.events();
    world.peers.ban(world.now, BanTarget::Ip(v6(9)), Some(minutes(1)));
    assert_eq!(world.told_to_go(), [(one, DisconnectReason::REQUESTED)]);
    assert_eq!(world.peers.counts().candidates, 0);
    assert!(!world.peers.found(world.now, node_at(3, v6(3)), Source::V4));
    assert!(!world.peers.allows(world.now, v6(5)) && world.peers.allows(world.now, far(5)));
    assert_eq!(world.peers.accept(world.now, v6(5)), Err(Refusal::Banned));
    assert_eq!(world.connect_from(4, v6(5)), Err(DisconnectReason::USELESS_PEER));
    world.pass(minutes(1));
    assert_eq!(world.peers.accept(world.now, v6(5)), Ok(()));
}

#[test]
fn a_node_that_becomes_static_while_it_is_dialled_keeps_its_pause() {
    let mut world = World::with(|_| {});
    world.peers.found(world.now, node(1), Source::V4);
    let dial = world.dials().remove(0);
    world.peers.add_static(world.now, node(1)).unwrap();
    assert_eq!(world.dials(), [], "one attempt at a time");
    world.fail(&dial, Attempt::Failed);
    let dialled = world.run_failing(minutes(1));
    assert!(dialled[0].0 >= crate::limits::BACKOFF_REMOTE);
    assert_eq!(dialled[0].1.kind, crate::config::DialKind::Static);
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    use crate::RememberedError::{Malformed, TooLarge, Version};
    let refusals =
        [Refusal::Banned, Refusal::Busy, Refusal::BusySource, Refusal::Restricted, Refusal::Throttled];
    let mut codes: Vec<_> = refusals.iter().map(Refusal::code).collect();
    codes.extend([StaticError::Myself, StaticError::Restricted].iter().map(StaticError::code));
    codes.extend(
        [Malformed, TooLarge { size: 1, max: 0 }, Version(2)].iter().map(crate::RememberedError::code),
    );
    let count = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!((codes.len(), count), (10, 10));
    assert!(codes.iter().all(|code| code.starts_with("peers.")));
}
