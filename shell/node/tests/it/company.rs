//! Finding others, and what `admin_*`, `net_*` and `doctor` ask.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;
use undertone_devp2p::{Enode, Host};
use undertone_nat::NatMode;
use undertone_node::{DiscoveryOptions, NodeConfig, NodeEvent, Role};
use undertone_peers::BanTarget;
use undertone_support::until_async;
use undertone_transport::OpenWith;

use crate::{Actor, LONG, lab, node_key, relay};

/// A relay that looks for others, beginning with these.
fn seeker(seed: u64, boot: &[Enode]) -> NodeConfig {
    let mut config = relay(seed);
    let mut options = DiscoveryOptions::default();
    options.boot = boot.to_vec();
    config.discovery = Some(options);
    config
}

/// A node that is there for discovery alone.
fn boot_node(seed: u64) -> NodeConfig {
    let mut config = seeker(seed, &[]);
    config.role = Role::Light;
    (config.listen, config.max_peers, config.dials) = (None, 0, false);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_meet_through_a_boot_node_and_a_client_reaches_them() {
    let boot = Actor::start(1, boot_node(1)).await;
    let start = [boot.node.enode()];
    assert_eq!(start[0].endpoint().unwrap().tcp, 0);
    let mut relays = Vec::new();
    for seed in 2..5 {
        relays.push(Actor::start(seed, seeker(seed, &start)).await);
    }
    for relay in &mut relays {
        relay.peers(2).await;
    }
    let mut people = Vec::new();
    for seed in 5..7 {
        let mut config = seeker(seed, &start);
        (config.role, config.listen) = (Role::Client, None);
        people.push(Actor::start(seed, config).await);
    }
    people[1].listen(OpenWith::ByRoute, lab()).await;
    people[0].send(1, lab(), None, "to whom it may concern").await;
    assert_eq!(people[1].received().await.payload, b"to whom it may concern");

    let health = relays[0].node.health();
    let discovery = health.discovery.unwrap();
    assert_eq!(discovery.starts, 1);
    assert!(discovery.v4.unwrap() > 0, "{health:?}");
    assert_eq!(discovery.udp, relays[0].node.health().listen, "one number for TCP and UDP");
    assert!(boot.node.peers().is_empty());
    for actor in people.into_iter().chain(relays).chain([boot]) {
        actor.stop().await;
    }
}

/// The shapes are geth's (1.9.7, package p2p): names, nesting, and no 0x before ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_and_net_have_geth_s_shapes() {
    let mut bob = Actor::start(11, seeker(11, &[])).await;
    let mut alice = Actor::start(12, relay(12)).await;
    assert_eq!(alice.node.admin_add_peer(bob.node.enode()), Ok(true));
    assert_eq!(alice.node.admin_add_peer(bob.node.enode()), Ok(false));
    alice.peers(1).await;
    bob.peers(1).await;

    let info = json!(bob.node.admin_node_info());
    let enode = bob.node.enode();
    let port = enode.endpoint().unwrap().tcp;
    assert_eq!(info["enode"], enode.to_string());
    assert_eq!(info["ip"], "127.0.0.1");
    assert_eq!(info["listenAddr"], format!("127.0.0.1:{port}"));
    assert_eq!(info["ports"], json!({ "discovery": port, "listener": port }));
    assert_eq!(info["protocols"]["shh"]["version"], "6.0");
    assert_eq!(info["protocols"]["shh"]["maxMessageSize"], 1_048_576);
    assert_eq!(info["id"].as_str().unwrap().len(), 64);
    let record: undertone_devp2p::enr::Record = info["enr"].as_str().unwrap().parse().unwrap();
    assert_eq!((record.tcp(), record.udp(), record.key()), (Some(port), Some(port), enode.key()));

    let peers = json!(alice.node.admin_peers().await);
    let peer = &peers[0];
    assert_eq!((&peer["id"], &peer["caps"]), (&info["id"], &json!(["shh/6"])));
    assert_eq!(peer["enode"].as_str().unwrap().split('?').next(), Some(&*enode.to_string()));
    assert!(peer["name"].as_str().unwrap().starts_with("Undertone/v"));
    let network = json!({
        "inbound": false, "localAddress": "", "remoteAddress": format!("127.0.0.1:{port}"),
        "static": true, "trusted": false,
    });
    assert_eq!(peer["network"], network);
    assert_eq!(peer["protocols"], json!({ "shh": { "version": 6 } }));
    let seen = json!(bob.node.admin_peers().await);
    assert_eq!(seen[0]["network"]["inbound"], true);
    assert_eq!(seen[0]["network"]["localAddress"], format!("127.0.0.1:{port}"));

    assert!(alice.node.net_listening());
    assert_eq!((alice.node.net_peer_count(), alice.node.net_version().as_str()), (1, "0"));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_trusted_banned_and_let_go() {
    let mut bob = Actor::start(21, relay(21)).await;
    let mut alice = Actor::start(22, relay(22)).await;
    let (enode, key) = (bob.node.enode(), *bob.node.enode().key());
    alice.node.add_peer(enode.clone());
    alice.peers(1).await;
    bob.peers(1).await;
    assert!(alice.node.admin_add_trusted_peer(key));
    assert!(!alice.node.admin_add_trusted_peer(key));
    assert!(alice.node.admin_peers().await[0].network.trusted);

    alice.node.ban(BanTarget::Key(key), Some(Duration::from_secs(3_600)));
    alice.peers(0).await;
    let bans = alice.node.bans();
    assert_eq!(bans[0].who, Enode::incomplete(key).to_string());
    assert!(bans[0].secs.is_some_and(|secs| secs > 3_500), "{bans:?}");
    assert_eq!(alice.node.absent(), [enode]);
    assert_eq!(alice.node.known(), [key]);
    assert!(alice.node.unban(BanTarget::Key(key)));
    alice.peers(1).await;

    assert!(alice.node.admin_remove_trusted_peer(&key));
    assert!(alice.node.admin_remove_peer(&key));
    alice.peers(0).await;
    assert!(!alice.node.admin_remove_peer(&key));
    let own = alice.node.enode();
    assert_eq!(alice.node.admin_add_peer(own).unwrap_err().code(), "peers.static_self");
    alice.stop().await;
    bob.stop().await;
}

/// Who brings something first is credited; who only repeats it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_make_a_peer_useful() {
    let mut relay_node = Actor::start(31, relay(31)).await;
    let alice = Actor::start(32, crate::person(32, &[relay_node.node.enode()])).await;
    let bob = Actor::start(33, crate::person(33, &[relay_node.node.enode()])).await;
    relay_node.peers(2).await;
    alice.send(1, lab(), None, "news").await;
    let credited = until_async(LONG, || {
        let useful = relay_node.node.peers().into_iter().filter(|peer| peer.usefulness > 0);
        let keys: Vec<_> = useful.map(|peer| peer.key).collect();
        keys == [node_key(32).public()]
    });
    assert!(credited.await);
    for actor in [alice, bob, relay_node] {
        actor.stop().await;
    }
}

/// What the operator says of the address goes into the record and the enode, and it is said when it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_address_is_shown() {
    let address: IpAddr = [11, 0, 0, 7].into();
    let mut config = seeker(41, &[]);
    config.nat = NatMode::ExtIp(address);
    let node = Actor::start(41, config).await;
    let shown = || node.node.enode().endpoint().map(|at| at.host.clone()) == Some(Host::Ip(address));
    assert!(until_async(LONG, shown).await, "{}", node.node.enode());
    assert_eq!(node.node.discovery().unwrap().record().address(), Some(address));
    let health = node.node.health().nat;
    assert_eq!((health.mode.as_str(), health.external, health.wanted), ("extip:11.0.0.7", Some(address), 0));
    node.stop().await;

    // Without discovery there is no record, and the enode says it all the same.
    let mut config = relay(42);
    config.nat = NatMode::ExtIp(address);
    let quiet = Actor::start(42, config).await;
    assert_eq!(quiet.node.enode().endpoint().unwrap().host, Host::Ip(address));
    assert!(quiet.node.health().discovery.is_none());
    quiet.stop().await;
}

/// The peer manager's memory and discovery's are in the node's directory, and a node starts from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_learned_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut boss = seeker(51, &[]);
    boss.dials = false;
    let boss = Actor::start(51, boss).await;
    let at_home = |boot: &[Enode]| {
        let mut config = seeker(52, boot);
        config.home = Some(dir.path().to_owned());
        config
    };
    let mut first = Actor::start(52, at_home(&[boss.node.enode()])).await;
    first.peers(1).await;
    // A peer that brought something is one to remember.
    let alice = Actor::start(53, crate::person(53, &[boss.node.enode()])).await;
    alice.send(1, lab(), None, "news").await;
    let useful = || first.node.peers().iter().any(|peer| peer.usefulness > 0);
    assert!(until_async(LONG, useful).await);
    let record = first.node.discovery().unwrap().record();
    first.stop().await;

    std::fs::write(dir.path().join("unrelated"), b"stays").unwrap();
    let mut second = Actor::start(52, at_home(&[])).await;
    second.peers(1).await;
    assert!(second.node.discovery().unwrap().record().seq() >= record.seq());
    for actor in [second, alice, boss] {
        actor.stop().await;
    }
}

/// A light node is heard by full ones and useless to another light one (`whisper.md` 5.6).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_light_node_sends_and_hears_its_own() {
    let relay_node = Actor::start(61, relay(61)).await;
    let light = |seed| {
        let mut config = crate::person(seed, &[relay_node.node.enode()]);
        config.role = Role::Light;
        config
    };
    let alice = Actor::start(62, light(62)).await;
    let mut bob = Actor::start(63, light(63)).await;
    bob.listen(OpenWith::ByRoute, lab()).await;
    bob.peers(1).await;
    alice.send(1, lab(), None, "lightly").await;
    assert_eq!(bob.received().await.payload, b"lightly");
    for actor in [alice, bob, relay_node] {
        actor.stop().await;
    }
}

/// The change of the address is an event; nothing else of the node's start is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_left_alone_says_nothing() {
    let mut node = Actor::start(71, seeker(71, &[])).await;
    assert!(node.events.try_recv().is_err());
    let enode = node.node.enode();
    assert_eq!(enode.endpoint().unwrap().host, Host::Ip([127, 0, 0, 1].into()));
    node.tasks.token().cancel();
    while let Some(event) = node.events.recv().await {
        assert!(!matches!(event, NodeEvent::Address(_)), "{event:?}");
    }
    node.stop().await;
}
