//! Peers that do not follow Whisper.

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use undertone_crypto::PublicKey;
use undertone_devp2p::{Capability, Offer};
use undertone_net::{Net, NetConfig, NetEvent, PeerId};
use undertone_runtime::Tasks;
use undertone_transport::OpenWith;
use undertone_whisper::wire::{PacketCode, Status};

use crate::{Actor, LONG, env, lab, node_key, person, relay};

type Packets<'a> = Vec<(PacketCode, &'a [u8])>;

/// A devp2p peer that says whatever the test wants.
pub(crate) struct Liar {
    net: Net,
    events: mpsc::Receiver<NetEvent>,
    tasks: Tasks,
    peer: PeerId,
}

impl Liar {
    pub(crate) async fn connect(seed: u64, to: &Actor) -> Self {
        Self::with_key(seed, to, |_| true).await
    }

    /// Does something with its key first.
    pub(crate) async fn with_key(seed: u64, to: &Actor, first: impl FnOnce(PublicKey) -> bool) -> Self {
        assert!(first(node_key(seed).public()));
        let offer = Offer { capability: Capability::new("shh", 6), length: 128 };
        let config = NetConfig {
            static_peers: vec![to.node.enode()],
            ..NetConfig::new(node_key(seed), "liar", vec![offer])
        };
        let tasks = Tasks::new(Handle::current());
        let (net, mut events) = Net::start(config, &env(seed), &tasks).await.unwrap();
        let peer = loop {
            let event = timeout(LONG, events.recv()).await.expect("connected in time");
            if let Some(NetEvent::Connected { peer, .. }) = event {
                break peer;
            }
        };
        Self { net, events, tasks, peer }
    }

    pub(crate) fn say(&self, code: PacketCode, body: &[u8]) {
        // A link that was cut in the meantime takes nothing.
        let _ = self.net.send(self.peer, 0, code.0, body.to_vec());
    }

    /// Says it if there is room. Whether there was.
    pub(crate) fn offer(&self, code: PacketCode, body: Vec<u8>) -> bool {
        self.net.send(self.peer, 0, code.0, body).is_ok()
    }

    pub(crate) async fn stop(self) {
        drop(self.events);
        let _ = self.tasks.shutdown(LONG).await;
    }

    /// Waits until the other side has cut the link.
    async fn cut(mut self) {
        let cut = |event| matches!(event, NetEvent::Disconnected { .. });
        while !cut(timeout(LONG, self.events.recv()).await.expect("cut in time").expect("events")) {}
        let _ = self.tasks.shutdown(LONG).await;
    }
}

/// Whatever the garbage is, its sender is cut and two honest people do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_floods_garbage_is_cut_and_others_go_on() {
    let mut relay = Actor::start(1, relay(1)).await;
    let enode = relay.node.enode();
    let alice = Actor::start(2, person(2, std::slice::from_ref(&enode))).await;
    let mut bob = Actor::start(3, person(3, &[enode])).await;
    bob.listen(OpenWith::ByRoute, lab()).await;
    relay.peers(2).await;

    let status = Status::default().encode();
    let cases: [(&str, Packets<'_>); 4] = [
        ("messages before the status", vec![(PacketCode::MESSAGES, &[0xc0])]),
        ("a status that is none", vec![(PacketCode::STATUS, b"garbage")]),
        (
            "envelopes that are none",
            vec![(PacketCode::STATUS, &status), (PacketCode::MESSAGES, &[0xff; 300])],
        ),
        (
            "a bloom filter that is none",
            vec![(PacketCode::STATUS, &status), (PacketCode::BLOOM_FILTER, &[1])],
        ),
    ];
    let mut sent = 0;
    for (n, (what, packets)) in cases.into_iter().enumerate() {
        let liar = Liar::connect(50 + n as u64, &relay).await;
        for (code, body) in &packets {
            liar.say(*code, body);
        }
        if let Some((code, body)) = packets.last() {
            (0..200).for_each(|_| liar.say(*code, body));
        }
        sent += 1;
        alice.send(sent, lab(), None, what).await;
        assert_eq!(bob.received().await.payload, what.as_bytes());
        liar.cut().await;
        relay.peers(3).await;
        relay.peers(2).await;
    }
    assert_eq!(sent, 4);
    for actor in [alice, bob, relay] {
        actor.stop().await;
    }
}

/// What a later version may say costs nobody the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_codes_and_a_second_status_are_passed_over() {
    let mut relay = Actor::start(4, relay(4)).await;
    let liar = Liar::connect(60, &relay).await;
    relay.peers(1).await;
    liar.say(PacketCode::STATUS, &Status::default().encode());
    for code in [20, 100] {
        liar.say(PacketCode(code), b"from a later version");
    }
    liar.say(PacketCode::STATUS, b"once is enough: geth passes over a second one too");
    let alice = Actor::start(5, person(5, &[relay.node.enode()])).await;
    relay.peers(2).await;
    alice.stop().await;
    relay.peers(1).await;
    assert_eq!(relay.node.peers().len(), 1, "the one with the unknown codes is still there");
    let Liar { tasks, .. } = liar;
    let _ = tasks.shutdown(LONG).await;
    relay.peers(0).await;
    relay.stop().await;
}
