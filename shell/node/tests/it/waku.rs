//! Nodes that speak Whisper, Waku or both, over real TCP.

use undertone_node::{NodeConfig, NodeError, NodeEvent, Role};
use undertone_support::until_async;
use undertone_transport::{Event, OpenWith, Progress, SendId};
use undertone_whisper::wire::Interest;
use undertone_whisper::{Bridge, Envelope, Header, Protocols, Topic, WakuMode, WakuVersion};

use crate::{Actor, LONG, lab, person, relay};

const V0: &[WakuVersion] = &[WakuVersion::V0];
const BOTH: &[WakuVersion] = &[WakuVersion::V0, WakuVersion::V1];

/// What each end offers, and what the link has.
type Case = (Protocols, &'static [WakuVersion], Protocols, &'static [WakuVersion], &'static [&'static str]);

fn speaking(mut config: NodeConfig, protocols: Protocols, versions: &[WakuVersion]) -> NodeConfig {
    config.protocols = protocols;
    config.waku_versions = versions.to_vec();
    config
}

/// What the only link of an actor has.
fn shared(actor: &Actor) -> Vec<String> {
    actor.node.peers()[0].capabilities.iter().map(ToString::to_string).collect()
}

/// Every pair of offers that has something in common: the link has the highest version of each, and a message crosses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_offers_carries_a_message() {
    let cases: [Case; 6] = [
        (Protocols::WAKU, BOTH, Protocols::WAKU, BOTH, &["waku/1"]),
        (Protocols::WAKU, V0, Protocols::WAKU, BOTH, &["waku/0"]),
        (Protocols::WAKU, BOTH, Protocols::WAKU, V0, &["waku/0"]),
        (Protocols::BOTH, BOTH, Protocols::WAKU, BOTH, &["waku/1"]),
        (Protocols::BOTH, BOTH, Protocols::WHISPER, &[], &["shh/6"]),
        (Protocols::BOTH, BOTH, Protocols::BOTH, BOTH, &["shh/6", "waku/1"]),
    ];
    let mut carried = 0;
    for (n, (ours, our_versions, theirs, their_versions, expected)) in (0..).zip(cases) {
        let mut bob = Actor::start(100 + 2 * n, speaking(relay(100 + 2 * n), ours, our_versions)).await;
        let config = person(101 + 2 * n, &[bob.node.enode()]);
        let mut alice = Actor::start(101 + 2 * n, speaking(config, theirs, their_versions)).await;
        bob.listen(OpenWith::ByRoute, lab()).await;
        alice.peers(1).await;
        alice.send(1, lab(), None, "across").await;
        assert_eq!(bob.received().await.payload, b"across", "{expected:?}");
        assert_eq!(alice.progress().await, (SendId(1), Progress::Relayed));
        assert_eq!(shared(&alice), expected);
        carried += 1;
        alice.stop().await;
        bob.stop().await;
    }
    assert_eq!(carried, 6);
}

/// A node of both between one of Whisper and one of Waku: what one says the other hears once, both ways; without the
/// bridge, nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_carries_both_ways_and_once() {
    for (n, bridge) in [(0, Bridge::On), (1, Bridge::Off)] {
        let mut config = speaking(relay(120 + n), Protocols::BOTH, BOTH);
        config.bridge = bridge;
        let mut middle = Actor::start(120 + n, config).await;
        let peers = [middle.node.enode()];
        let mut alice = Actor::start(130 + n, person(130 + n, &peers)).await;
        let mut bob = Actor::start(140 + n, speaking(person(140 + n, &peers), Protocols::WAKU, BOTH)).await;
        for actor in [&alice, &bob] {
            actor.listen(OpenWith::ByRoute, lab()).await;
        }
        middle.peers(2).await;
        alice.send(1, lab(), None, "by whisper").await;
        bob.send(1, lab(), None, "by waku").await;
        for (actor, wanted) in [(&mut alice, "by waku"), (&mut bob, "by whisper")] {
            let wanted = (bridge == Bridge::On).then_some(wanted);
            assert!(relayed_and_heard(actor, wanted).await, "{bridge:?}");
        }
        for actor in [&alice, &bob, &middle] {
            let stats = actor.node.envelope_stats().await.unwrap();
            assert_eq!(stats.duplicates, 0, "{bridge:?}: {stats:?}");
        }
        let relayed = middle.node.envelope_stats().await.unwrap().relayed;
        assert_eq!(relayed, if bridge == Bridge::On { 2 } else { 0 });
        for actor in [alice, bob, middle] {
            actor.stop().await;
        }
    }
}

/// A client that names its topics is sent these and no others, and its peer knows them by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_topics_are_told() {
    let mut bob = Actor::start(150, speaking(relay(150), Protocols::WAKU, BOTH)).await;
    let mut config = speaking(person(151, &[bob.node.enode()]), Protocols::WAKU, BOTH);
    config.waku = WakuMode::Topics;
    let alice = Actor::start(151, config).await;
    bob.peers(1).await;
    alice.listen(OpenWith::ByRoute, lab()).await;
    let told = || async {
        let wishes = bob.node.peer_wishes().await.unwrap();
        wishes.first().and_then(|peer| peer.waku.as_ref()).map(|status| status.interest.clone())
    };
    let mut interest = None;
    assert!(
        tokio::time::timeout(LONG, async {
            while !matches!(&interest, Some(Interest::Topics(topics)) if topics.contains(Topic::of("lab"))) {
                interest = told().await;
                tokio::task::yield_now().await;
            }
        })
        .await
        .is_ok(),
        "{interest:?}"
    );
    let Some(Interest::Topics(topics)) = interest else { panic!() };
    assert_eq!(topics.len(), 1);
    alice.stop().await;
    bob.stop().await;
}

/// A direct envelope reaches who trusts its sender, has no proof of work, and goes no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_envelopes_reach_who_trusts_their_sender() {
    for (n, protocols) in [(0, Protocols::WHISPER), (1, Protocols::WAKU)] {
        let mut bob = Actor::start(160 + n, speaking(relay(160 + n), protocols, BOTH)).await;
        let peers = [bob.node.enode()];
        let alice = Actor::start(170 + n, speaking(person(170 + n, &peers), protocols, BOTH)).await;
        let mut carol = Actor::start(180 + n, speaking(person(180 + n, &peers), protocols, BOTH)).await;
        bob.listen(OpenWith::ByRoute, lab()).await;
        carol.listen(OpenWith::ByRoute, lab()).await;
        bob.peers(2).await;
        let (to, from) = (*bob.node.enode().key(), *alice.node.enode().key());
        while !heard_all(&bob).await {
            tokio::task::yield_now().await;
        }
        let stranger = *carol.node.enode().key();
        assert!(!alice.node.send_direct(stranger, Vec::new()).await.unwrap(), "no link to carol");

        // Not trusted: it is not read, and costs nothing.
        assert!(alice.node.send_direct(to, vec![envelope(b"too early")]).await.unwrap());
        while ignored(&bob).await == 0 {
            tokio::task::yield_now().await;
        }
        assert!(bob.node.take_direct_from(from).await.unwrap());
        assert!(alice.node.send_direct(to, vec![envelope(b"one"), envelope(b"two")]).await.unwrap());
        for expected in [b"one", b"two"] {
            assert_eq!(bob.received().await.payload, expected);
        }
        assert!(bob.node.take_none_from(from).await.unwrap());
        assert!(alice.node.send_direct(to, vec![envelope(b"too late")]).await.unwrap());
        while ignored(&bob).await == 1 {
            tokio::task::yield_now().await;
        }
        // What comes after shows that nothing else came, neither here nor to carol.
        alice.send(1, lab(), None, "to all").await;
        assert_eq!(bob.received().await.payload, b"to all");
        assert_eq!(carol.received().await.payload, b"to all");
        let stats = bob.node.envelope_stats().await.unwrap();
        assert_eq!((stats.accepted, stats.relayed), (1, 1));
        for actor in [alice, carol, bob] {
            actor.stop().await;
        }
    }
}

/// Whether its send is taken and this is heard, in either order.
async fn relayed_and_heard(actor: &mut Actor, wanted: Option<&str>) -> bool {
    let (mut relayed, mut heard) = (false, wanted.is_none());
    while !(relayed && heard) {
        match actor.next().await {
            NodeEvent::Transport(Event::Progress { progress: Progress::Queued, .. }) => {}
            NodeEvent::Transport(Event::Progress { progress, .. }) => {
                assert_eq!(progress, Progress::Relayed);
                relayed = true;
            }
            NodeEvent::Transport(Event::Received(received)) => {
                assert_eq!(Some(received.payload.as_slice()), wanted.map(str::as_bytes));
                heard = true;
            }
            _ => {}
        }
    }
    relayed && heard
}

/// Whether every peer has said what it wants.
async fn heard_all(actor: &Actor) -> bool {
    let wishes = actor.node.peer_wishes().await.unwrap();
    wishes.iter().all(|peer| peer.whisper.is_some() || peer.waku.is_some())
}

/// Packets that were passed over.
async fn ignored(actor: &Actor) -> u64 {
    actor.node.envelope_stats().await.unwrap().ignored_packets
}

/// Expired long ago, and without proof of work.
fn envelope(payload: &[u8]) -> Envelope {
    use undertone_crypto::{Keyring, MemoryKeyring, SecretKey, kdf::topic_key};
    use undertone_sealed::{Padding, SealRequest, SealTo, seal};
    let rng = &mut undertone_support::rng(7);
    let mut ring = MemoryKeyring::new();
    let signer = ring.insert(SecretKey::random(rng));
    let (ring, key): (&dyn Keyring, _) = (&ring, topic_key("lab"));
    let request = SealRequest {
        payload,
        signer: Some((ring, signer)),
        seal_to: SealTo::Symmetric(&key),
        padding: Padding::Auto,
    };
    let header = Header { expiry: 1_600_000_000, ttl: 10, topic: Topic::of("lab") };
    Envelope::new(header, &seal(&request, rng).unwrap(), 0)
}

/// Neither Whisper nor Waku is no node.
#[tokio::test]
async fn a_node_without_a_protocol_does_not_start() {
    let mut config = speaking(relay(190), Protocols::WAKU, &[]);
    config.role = Role::Relay;
    let tasks = undertone_runtime::Tasks::new(tokio::runtime::Handle::current());
    let keyring = std::sync::Arc::new(undertone_crypto::MemoryKeyring::new());
    let started = undertone_node::Node::start(config, keyring, &crate::env(190), &tasks).await;
    assert!(matches!(started, Err(NodeError::Mute)));
    assert!(until_async(LONG, || tasks.running().is_empty()).await);
}
